"""Atlassian's authorization server: consent by redirect, PKCE, rotating refresh tokens, and faults."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as BaseResponse

from simulator.connect import LOOPBACK
from simulator.people import Json
from simulator.reports import Canned, canned
from simulator.signing import TokenRefused

SCOPE = "report:personal-data"
CODE_LIFE, ACCESS_LIFE, REUSE = timedelta(minutes=5), timedelta(hours=1), timedelta(minutes=10)
"""The last: how long a refresh token that was used is taken again, as after an answer that was lost."""
_CHANGES = frozenset(
    {"answers", "revocations", "lose", "access_seconds", "reuse_seconds", "expire", "revoke", "issuer", "deny", "reset"}
)


def client_secret(client_id: str) -> str:
    """Return the secret that the simulated developer console shows for that client."""
    return hashlib.sha256(f"secret of {client_id}".encode()).hexdigest()


@dataclass
class _Code:
    client_id: str
    redirect_uri: str
    scope: str
    challenge: str
    expires_at: datetime
    grant: _Grant | None = None
    """What it was exchanged for."""


@dataclass
class _Grant:
    """What one consent gave: a family of tokens, which ends as a whole."""

    client_id: str
    scope: str
    access: dict[str, datetime] = field(default_factory=dict)
    """Until when each is good."""
    refresh: str = ""
    used: dict[str, datetime] = field(default_factory=dict)
    """When former refresh tokens were used."""
    is_over: bool = False


class _Refused(Exception):
    """RFC 6749 §5.2."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.status = code, status


class Authorization:
    """The server; whoever opens the authorization URL consents, as the owner of the app would."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now, self._lock = now, threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._codes: dict[str, _Code] = {}
        self._grants: list[_Grant] = []
        self._answers: deque[Canned] = deque()
        self._revocations: deque[Canned] = deque()
        self._lose, self._deny = 0, False
        self._issuer: str | None = None
        self._access_life, self._reuse = ACCESS_LIFE, REUSE
        self.ledger: list[Json] = []

    def blueprint(self) -> Blueprint:
        """Return the routes, to be put below `/oauth`, which stands for `https://auth.atlassian.com`."""
        routes = Blueprint("oauth", __name__)
        routes.add_url_rule("/authorize", "authorize", self.authorize)
        routes.add_url_rule("/oauth/token", "token", self.token, methods=["POST"])
        routes.add_url_rule("/oauth/revoke", "revoke", self.revoke, methods=["POST"])
        return routes

    def change(self, wanted: object) -> None:
        """Set faults, and end things.

        Keys: answers and revocations (lists of `Canned`: what the next requests for tokens, or to revoke, get), lose
        (so many next answers with tokens never arrive), access_seconds, reuse_seconds, issuer (the next redirects say
        that they are of that one), deny (the next consents are refused), expire (access tokens are over), revoke
        (all grants are over), reset.
        """
        if not isinstance(wanted, dict) or not wanted.keys() <= _CHANGES:
            raise BadRequest(f"oauth is an object with some of {', '.join(sorted(_CHANGES))}")
        answers, revocations = map(canned, wanted.get("answers", [])), map(canned, wanted.get("revocations", []))
        with self._lock:
            if wanted.get("reset"):
                self._clear()
            self._answers.extend(answers)
            self._revocations.extend(revocations)
            self._lose = int(wanted.get("lose", self._lose))
            self._issuer, self._deny = wanted.get("issuer", self._issuer), bool(wanted.get("deny", self._deny))
            if "access_seconds" in wanted:
                self._access_life = timedelta(seconds=wanted["access_seconds"])
            if "reuse_seconds" in wanted:
                self._reuse = timedelta(seconds=wanted["reuse_seconds"])
            for grant in self._grants:
                grant.is_over = grant.is_over or bool(wanted.get("revoke"))
                if wanted.get("expire"):
                    grant.access.clear()

    def show(self) -> Json:
        """Return what was asked, without any secret, and how many grants live."""
        with self._lock:
            return {"requests": list(self.ledger), "living": sum(not grant.is_over for grant in self._grants)}

    def admit(self) -> None:
        """Let a request in whose bearer token is good for reporting.

        Raises:
            TokenRefused: it is not.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        now = self._now()
        with self._lock:
            for grant in self._grants:
                good_until = grant.access.get(token)
                is_good = good_until is not None and now < good_until and not grant.is_over
                if scheme.lower() == "bearer" and is_good and SCOPE in grant.scope.split():
                    return
        raise TokenRefused("no token of ours that may report")

    def authorize(self) -> BaseResponse:
        """Consent, and send the browser back with a code; what is asked wrongly is told here, and leads nowhere."""
        asked = request.args
        target = urlsplit(asked.get("redirect_uri", ""))
        if target.hostname not in LOOPBACK or target.scheme != "http":
            raise BadRequest("redirect_uri is not registered: the simulator leads to this machine only")
        if asked.get("audience") != "api.atlassian.com" or asked.get("response_type") != "code":
            raise BadRequest("audience is api.atlassian.com, response_type is code")
        if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
            raise BadRequest("PKCE with S256 is needed")
        back = {"state": asked.get("state", "")}
        with self._lock:
            if self._deny:
                back |= {"error": "access_denied", "error_description": "the person said no"}
            else:
                code = secrets.token_urlsafe(32)
                self._codes[code] = _Code(
                    client_id=asked.get("client_id", ""),
                    redirect_uri=asked.get("redirect_uri", ""),
                    scope=asked.get("scope", ""),
                    challenge=asked["code_challenge"],
                    expires_at=self._now() + CODE_LIFE,
                )
                back["code"] = code
            if self._issuer is not None:
                back["iss"] = self._issuer
        return redirect(f"{target.geturl()}?{urlencode(back)}")

    def token(self) -> Response:
        """Give tokens for a code, or newer ones for a refresh token."""
        with self._lock:
            fault = _next(self._answers)
        kind = request.form.get("grant_type", "")
        if fault is not None:
            time.sleep(fault.delay_seconds)
            return self._keep(kind, fault.response())
        try:
            with self._lock:
                self._identify()
                grant = self._exchange() if kind == "authorization_code" else self._rotate(kind)
                answer = self._tokens(grant)
                if self._lose:
                    self._lose -= 1
                    answer = Response("", 502)
        except _Refused as refused:
            answer = jsonify({"error": refused.code, "error_description": "a text that may say anything"})
            answer.status_code = refused.status
        return self._keep(kind, answer)

    def revoke(self) -> Response:
        """End the grant of a token; RFC 7009 answers alike for one that is unknown."""
        with self._lock:
            fault = _next(self._revocations)
        if fault is not None:
            time.sleep(fault.delay_seconds)
            return self._keep("revoke", fault.response())
        try:
            self._identify()
        except _Refused as refused:
            return self._keep("revoke", Response("{}", refused.status))
        token = request.form.get("token", "")
        with self._lock:
            for grant in self._grants:
                if token in grant.used or token == grant.refresh or token in grant.access:
                    grant.is_over = True
        return self._keep("revoke", Response("", 200))

    def _identify(self) -> None:
        client_id = request.form.get("client_id", "")
        if not secrets.compare_digest(request.form.get("client_secret", ""), client_secret(client_id)):
            raise _Refused("invalid_client", 401)

    def _exchange(self) -> _Grant:
        found, form = self._codes.get(request.form.get("code", "")), request.form
        if found is None or found.client_id != form.get("client_id") or self._now() >= found.expires_at:
            raise _Refused("invalid_grant")
        if found.grant is not None:
            # RFC 6749 §4.1.2: a code that comes twice may have been stolen, and ends what it gave.
            found.grant.is_over = True
            raise _Refused("invalid_grant")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        is_proven = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == found.challenge
        if not is_proven or found.redirect_uri != form.get("redirect_uri"):
            raise _Refused("invalid_grant")
        found.grant = _Grant(found.client_id, found.scope)
        self._grants.append(found.grant)
        return found.grant

    def _rotate(self, kind: str) -> _Grant:
        if kind != "refresh_token":
            raise _Refused("unsupported_grant_type")
        token, now = request.form.get("refresh_token", ""), self._now()
        for grant in self._grants:
            if grant.is_over or grant.client_id != request.form.get("client_id"):
                continue
            if token == grant.refresh:
                grant.used[token] = now
                return grant
            if token in grant.used:
                if now <= grant.used[token] + self._reuse:
                    return grant
                # Somebody has a token that was used long ago: nobody knows who is who any more.
                grant.is_over = True
        raise _Refused("invalid_grant", 403)

    def _tokens(self, grant: _Grant) -> Response:
        access, grant.refresh = secrets.token_urlsafe(48), f"r-{secrets.token_urlsafe(48)}"
        grant.access = {access: self._now() + self._access_life}
        return jsonify(
            {
                "access_token": access,
                "refresh_token": grant.refresh,
                "expires_in": int(self._access_life.total_seconds()),
                "scope": grant.scope,
                "token_type": "Bearer",
            }
        )

    def _keep(self, kind: str, answer: Response) -> Response:
        with self._lock:
            self.ledger.append({"at": self._now().isoformat(), "kind": kind, "status": answer.status_code})
        return answer


def _next(waiting: deque[Canned]) -> Canned | None:
    if not waiting:
        return None
    first = waiting[0]
    first.times -= 1
    if first.times < 1:
        waiting.popleft()
    return first
