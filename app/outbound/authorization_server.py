"""Atlassian's authorization server: tokens for a code or a refresh token, and their revocation.

Nothing of an answer but what is documented is kept, and nothing of it is logged. No redirect is followed, and every
form goes to one host: a code or token never leaves for an address that an answer names.

Sources: RFC 6749, RFC 7009, https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests

from app.domain.integrations.model import ASKED
from app.domain.integrations.ports import Answered, Fill, Tokens, Verdict
from app.domain.secrets import Secret
from app.outbound.session import GuardedSession
from app.protocol.oauth import authorization_url

_TIMEOUT_SECONDS = 20.0
_BODY_LIMIT_BYTES = 64 * 1024
_LONGEST_WAIT_SECONDS = 24 * 3600
_LONGEST_LIFE_SECONDS = 24 * 3600
"""Atlassian's are good for an hour; one that says more than a day is renewed after a day."""
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}")
"""RFC 6750 §2.1: what can stand in a header."""
_SCOPES = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
_MOST_SCOPE_CHARACTERS = 1000
_ERRORS = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "unsupported_token_type",
    }
)


@dataclass(frozen=True)
class AtlassianAuthorization:
    """See `app.domain.integrations.ports.AuthorizationServer`.

    `base_url`: `https://auth.atlassian.com`; below it are `/authorize`, `/oauth/token` and `/oauth/revoke`.
    `client_id` is asked when it is needed, and raises where there is none; `identify` puts the client secret into a
    form.
    """

    base_url: str
    client_id: Callable[[], str]
    identify: Fill

    @property
    def issuer(self) -> str:
        """The address without a path of our own making."""
        return self.base_url

    def authorization_url(self, *, redirect_uri: str, state: str, challenge: str) -> str:
        """With PKCE, for a consent each time."""
        return authorization_url(
            f"{self.base_url}/authorize",
            client_id=self.client_id(),
            redirect_uri=redirect_uri,
            scopes=ASKED,
            state=state,
            challenge=challenge,
        )

    def exchange(self, fill: Fill, *, redirect_uri: str) -> Answered:
        """`grant_type=authorization_code`."""
        form = {"grant_type": "authorization_code", "redirect_uri": redirect_uri}
        return self._post("/oauth/token", form, fill, read=tokens_of)

    def refresh(self, fill: Fill) -> Answered:
        """`grant_type=refresh_token`."""
        return self._post("/oauth/token", {"grant_type": "refresh_token"}, fill, read=tokens_of)

    def revoke(self, fill: Fill) -> Answered:
        """RFC 7009; a token that the server does not know any more is revoked as well."""
        form = {"token_type_hint": "refresh_token"}
        return self._post("/oauth/revoke", form, fill, read=lambda _: Answered(Verdict.DONE))

    def _post(self, path: str, form: dict[str, str], fill: Fill, *, read: Callable[[bytes], Answered]) -> Answered:
        url = self.base_url + path
        form |= {"client_id": self.client_id()}
        fill(form)
        self.identify(form)
        with GuardedSession(
            allowed=lambda asked: asked == url, timeout_seconds=_TIMEOUT_SECONDS, body_limit_bytes=_BODY_LIMIT_BYTES
        ) as session:
            try:
                answer = session.post(url, data=form, headers={"Accept": "application/json"})
            except requests.RequestException as failure:
                return _unanswered(failure)
        if answer.status_code == 200:
            return read(answer.content)
        return refusal_of(answer.status_code, answer.headers, answer.content)


def tokens_of(body: bytes) -> Answered:
    """RFC 6749 §5.1; an answer that is not as documented is none."""
    fields = _object(body)
    try:
        tokens = Tokens(
            access=Secret(_token(fields["access_token"])),
            refresh=Secret(_token(fields["refresh_token"])) if "refresh_token" in fields else None,
            good_for=_life(fields["expires_in"]),
            scopes=_scopes(fields["scope"]) if "scope" in fields else None,
        )
        is_bearer = fields["token_type"].lower() == "bearer"
    except (KeyError, ValueError, AttributeError):
        is_bearer = False
    return Answered(Verdict.DONE, tokens=tokens) if is_bearer else Answered(Verdict.ODD, "not_as_documented")


def refusal_of(status: int, headers: Mapping[str, str], body: bytes) -> Answered:
    """What anything but 200 means; a `Retry-After` is heeded within a day."""
    if status == 429 or status >= 500:
        return Answered(Verdict.LATER, f"status_{status}", retry_after_seconds=_retry_after(headers))
    error = _object(body).get("error")
    code = error if isinstance(error, str) and error in _ERRORS else f"status_{status}"
    # Atlassian answers 403 where RFC 6749 has 400: it is the code that says what it means.
    is_gone = code == "invalid_grant" and status in {400, 401, 403}
    return Answered(Verdict.GONE if is_gone else Verdict.ODD, code)


def _unanswered(failure: requests.RequestException) -> Answered:
    """No answer at all is weather; one that is too large or points elsewhere is none of Atlassian's."""
    name = type(failure).__name__
    return Answered(Verdict.ODD if name in {"AnswerTooLarge", "Redirected", "HostRefused"} else Verdict.LATER, name)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _token(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ValueError
    return value


def _life(value: object) -> timedelta:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError
    return timedelta(seconds=min(value, _LONGEST_LIFE_SECONDS))


def _scopes(value: object) -> frozenset[str]:
    if not isinstance(value, str) or len(value) > _MOST_SCOPE_CHARACTERS or not _SCOPES.fullmatch(value):
        raise ValueError
    return frozenset(value.split())


def _retry_after(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Retry-After", "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        return None
    return min(max(int(text), 1), _LONGEST_WAIT_SECONDS)
