"""From the command to the grant: somebody consents in a browser, which brings a code that is good once.

1. *begin*, by command: `state` and the PKCE verifier are made; ten minutes from here.
2. *receive*, by the public route or by pasting: the browser is back. Whoever has no `state` of ours learns and changes
   nothing. The code is sealed: the process that strangers reach holds no client secret and asks nobody.
3. *finish*, by a worker or by the command: the code is exchanged, once. Whatever goes wrong ends the attempt: a code
   that may have been used is not used again.
"""

import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import HOUSE
from app.domain.integrations.model import NEEDED, TARGET, Attempt, Connection, Part, Stage, State, place_of
from app.domain.integrations.ports import Answered, AuthorizationServer, Tokens, Verdict
from app.domain.integrations.sealing import Keeping
from app.domain.ports import Database, UnitOfWork
from app.domain.secrets import Secret, VaultCannotAnswer
from app.protocol.oauth import Callback, challenge_of, query_of, read_callback

OPEN_FOR = timedelta(minutes=10)
_OF_ATTEMPT = frozenset({Part.VERIFIER, Part.CODE})


class CallbackRefused(LookupError):
    """This is no answer to a question of ours, or not any more."""


class StillDisconnecting(RuntimeError):
    """The former grant is being revoked; connect again when `pledge integrations status` says that it is over."""


@dataclass(frozen=True)
class Connecting:
    """The use case."""

    database: Database
    keeping: Keeping
    server: AuthorizationServer
    redirect_uri: str
    """Where browsers come back, unless the command says another."""

    def begin(self, *, redirect_uri: str | None, now: datetime) -> str:
        """The URL to open; an attempt that was open before is over. Raises `StillDisconnecting`."""
        state, verifier = token_urlsafe(32), token_urlsafe(64)
        target = redirect_uri or self.redirect_uri
        url = self.server.authorization_url(redirect_uri=target, state=state, challenge=challenge_of(verifier))
        with self.database.begin(HOUSE) as uow:
            known = uow.integrations.hold()
            if known.state is State.DISCONNECTING:
                raise StillDisconnecting(StillDisconnecting.__doc__)
            uow.integrations.forget(_OF_ATTEMPT)
            version = known.attempt_version + 1
            self.keeping.seal(uow, Part.VERIFIER, Secret(verifier), version=version, now=now)
            attempt = Attempt(version, _digest(state), target, now + OPEN_FOR)
            uow.integrations.save(replace(known, attempt=attempt, attempt_version=version, problem=None))
            uow.commit(because=AuditEvent(Action.INTEGRATION_ASKED, "operator", TARGET))
        return url

    def receive_pasted(self, redirected: str, *, now: datetime) -> None:
        """The same as `receive`, of the address at which the browser ended."""
        with self.database.begin(HOUSE) as uow:
            attempt = uow.integrations.find().attempt
        query = None if attempt is None else query_of(redirected, redirect_uri=attempt.redirect_uri)
        if query is None:
            raise CallbackRefused(CallbackRefused.__doc__)
        self.receive(query, now=now)

    def receive(self, query: str, *, now: datetime) -> None:
        """Keep what the browser brought; raises `CallbackRefused`, always the same, before anything is written."""
        callback = read_callback(query)
        if callback is None or callback.issuer not in {None, self.server.issuer}:
            raise CallbackRefused(CallbackRefused.__doc__)
        with self.database.begin(HOUSE) as uow:
            # Without a lock first: a stranger with a guess holds up nobody.
            if not _fits(uow.integrations.find(), callback, now):
                raise CallbackRefused(CallbackRefused.__doc__)
            known = uow.integrations.hold()
            attempt = known.attempt
            if attempt is None or not _fits(known, callback, now):
                raise CallbackRefused(CallbackRefused.__doc__)
            if callback.code is None:
                self._end(uow, known, problem=callback.error or "")
                uow.commit(because=_failed(callback.error))
                return
            self.keeping.seal(uow, Part.CODE, Secret(callback.code), version=attempt.version, now=now)
            uow.integrations.save(replace(known, attempt=replace(attempt, stage=Stage.ANSWERED)))
            uow.enqueue("tend-integrations", HOUSE)
            uow.commit(because=Bookkeeping.CODE_KEPT)

    def finish(self, *, now: datetime) -> None:
        """Exchange the code, if there is one."""
        with self.database.begin(HOUSE) as uow:
            known = uow.integrations.hold()
            attempt = known.attempt
            if attempt is None:
                return
            if now >= attempt.expires_at:
                self._end(uow, known, problem="expired")
                uow.commit(because=_failed("expired"))
                return
            if attempt.stage is not Stage.ANSWERED:
                return
            # Before it is used: a worker that is killed now does not use it twice.
            uow.integrations.save(replace(known, attempt=replace(attempt, stage=Stage.EXCHANGING)))
            uow.commit(because=Bookkeeping.CODE_KEPT)
        answered = self._exchange(attempt)
        with self.database.begin(HOUSE) as uow:
            known = uow.integrations.hold()
            if known.attempt is None or known.attempt.version != attempt.version:
                return
            self._settle(uow, known, answered, now=now)

    def _exchange(self, attempt: Attempt) -> Answered:
        places = {
            "code": place_of(Part.CODE, attempt.version),
            "code_verifier": place_of(Part.VERIFIER, attempt.version),
        }
        try:
            return self.server.exchange(self.keeping.filling(places), redirect_uri=attempt.redirect_uri)
        except VaultCannotAnswer:
            return Answered(Verdict.ODD, "vault_unavailable")

    def _settle(self, uow: UnitOfWork, known: Connection, answered: Answered, *, now: datetime) -> None:
        tokens = answered.tokens
        if tokens is None or tokens.refresh is None or (lacking := _lacking(tokens)):
            why = answered.why if tokens is None else "no_refresh_token" if tokens.refresh is None else lacking
            self._end(uow, known, problem=why)
            uow.commit(because=_failed(why))
            return
        versions = known.access_version + 1, known.refresh_version + 1
        self.keeping.seal(uow, Part.ACCESS, tokens.access, version=versions[0], now=now)
        self.keeping.seal(uow, Part.REFRESH, tokens.refresh, version=versions[1], now=now)
        uow.integrations.forget(_OF_ATTEMPT)
        scopes = " ".join(sorted(tokens.scopes or NEEDED))
        uow.integrations.save(
            replace(
                known.bare(),
                state=State.CONNECTED,
                changed_at=now,
                access_version=versions[0],
                refresh_version=versions[1],
                scopes=scopes,
                access_expires_at=now + tokens.good_for,
            )
        )
        # Reports that wait because nobody could be asked go on at once.
        uow.reports.wait(None, reason=None, failures=0)
        uow.commit(because=AuditEvent(Action.INTEGRATION_CONNECTED, "operator", TARGET, {"scopes": scopes}))

    def _end(self, uow: UnitOfWork, known: Connection, *, problem: str) -> None:
        uow.integrations.forget(_OF_ATTEMPT)
        uow.integrations.save(replace(known, attempt=None, problem=problem))


def _fits(known: Connection, callback: Callback, now: datetime) -> bool:
    attempt = known.open_attempt(now)
    return (
        attempt is not None
        and attempt.stage is Stage.ASKED
        and hmac.compare_digest(attempt.state_sha256, _digest(callback.state))
    )


def _lacking(tokens: Tokens) -> str:
    return "" if tokens.scopes is None or tokens.scopes >= NEEDED else "scope_missing"


def _failed(why: str | None) -> AuditEvent:
    return AuditEvent(Action.INTEGRATION_FAILED, "operator", TARGET, {"why": why})


def _digest(state: str) -> bytes:
    return sha256(state.encode()).digest()
