"""The access token that is good now: renewed when it is about to end, by one process at a time, with rotation.

The provider uses up a refresh token when it gives the next one. So it is asked by whoever holds a lease, in no
transaction, and what it gives is stored at once. A process that dies in between has lost the newer token: the next one
asks with the former, which Atlassian is said to take again for some minutes (not confirmed by us). Where it does not,
the grant is gone: somebody is told, and connects again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import HOUSE
from app.domain.integrations.model import TARGET, Connection, Part, State, pause_after, place_of
from app.domain.integrations.ports import Answered, AuthorizationServer, Tokens, Verdict
from app.domain.integrations.sealing import Keeping
from app.domain.ports import Database, JiraUnavailable, UnitOfWork

SOON = timedelta(seconds=60)
"""A token that ends sooner is renewed before it is used."""
LEASE = timedelta(seconds=60)
"""Longer than a request to the provider may take."""
_LOOK_SECONDS = 0.25
_LOOKS = 160
"""How often somebody else's renewal is looked at before this run gives up: 40 s."""
_LONG_SECONDS = 3600


class GrantUnavailable(JiraUnavailable):
    """Nothing can be done under the grant at the moment; `why` is a code; only a person mends what `is_over`."""

    def __init__(self, why: str, *, retry_after_seconds: int = _LONG_SECONDS, is_over: bool = False) -> None:
        super().__init__(retry_after_seconds)
        self.why, self.is_over = why, is_over


@dataclass(frozen=True)
class AccessTokens:
    """The use case. `clock` gives the instant of each step, `pause` waits so many seconds for another process."""

    database: Database
    keeping: Keeping
    server: AuthorizationServer
    clock: Callable[[], datetime]
    pause: Callable[[float], None]

    def current(self) -> int:
        """The version of an access token that is good now; raises `GrantUnavailable`, `VaultCannotAnswer`."""
        ends_soon = SOON
        for _ in range(_LOOKS):
            with self.database.begin(HOUSE) as uow:
                known = uow.integrations.find()
            now = self.clock()
            if known.state is not State.CONNECTED:
                raise GrantUnavailable(known.state.value, is_over=True)
            if known.access_expires_at is not None and now + ends_soon < known.access_expires_at:
                return known.access_version
            if known.waits_until is not None and now < known.waits_until:
                seconds = max(1, int((known.waits_until - now).total_seconds()))
                raise GrantUnavailable(known.problem or "", retry_after_seconds=seconds)
            if known.is_held(now):
                self.pause(_LOOK_SECONDS)
            else:
                self._renew(known.refresh_version)
                # What is new is used, however short its life is: or it would be renewed for ever.
                ends_soon = timedelta()
        raise GrantUnavailable("renewal_under_way", retry_after_seconds=int(LEASE.total_seconds()))

    def doubt(self, version: int) -> None:
        """The provider's API refused the access token of that version: the next one who asks gets a newer one."""
        with self.database.begin(HOUSE) as uow:
            known = uow.integrations.hold()
            if known.state is State.CONNECTED and known.access_version == version:
                uow.integrations.save(replace(known, access_expires_at=self.clock()))
                uow.commit(because=Bookkeeping.TOKEN_DOUBTED)

    def _renew(self, version: int) -> None:
        now = self.clock()
        with self.database.begin(HOUSE) as uow:
            known = uow.integrations.hold()
            is_ours = known.state is State.CONNECTED and known.refresh_version == version
            if not is_ours or known.is_held(now) or known.waits(now):
                return
            uow.integrations.save(replace(known, leased_until=now + LEASE))
            uow.commit(because=Bookkeeping.PROVIDER_ASKED)
        places = {"refresh_token": place_of(Part.REFRESH, version)}
        answered = self.server.refresh(self.keeping.filling(places))
        with self.database.begin(HOUSE) as uow:
            known = uow.integrations.hold()
            if known.refresh_version != version or known.state not in {State.CONNECTED, State.DISCONNECTING}:
                # Somebody connected anew, or it was revoked meanwhile: what came belongs to a grant that is over.
                return
            self._settle(uow, known, answered)

    def _settle(self, uow: UnitOfWork, known: Connection, answered: Answered) -> None:
        now, known = self.clock(), replace(known, leased_until=None)
        if answered.tokens is not None:
            self._store(uow, known, answered.tokens, now=now)
        elif known.state is State.DISCONNECTING:
            uow.integrations.save(known)
            uow.commit(because=Bookkeeping.PROVIDER_POSTPONED)
        elif answered.verdict is Verdict.GONE:
            self._lose(uow, known, why=answered.why, now=now)
        else:
            failures = known.failures + 1
            until = now + pause_after(failures, answered.retry_after_seconds)
            uow.integrations.save(replace(known, waits_until=until, failures=failures, problem=answered.why))
            is_odd = answered.verdict is Verdict.ODD
            uow.commit(because=_refused(answered.why, failures) if is_odd else Bookkeeping.PROVIDER_POSTPONED)

    def _store(self, uow: UnitOfWork, known: Connection, tokens: Tokens, *, now: datetime) -> None:
        """Also where it was disconnected meanwhile: then it is the newer refresh token that is to be revoked."""
        if tokens.refresh is not None:
            known = replace(known, refresh_version=known.refresh_version + 1)
            self.keeping.seal(uow, Part.REFRESH, tokens.refresh, version=known.refresh_version, now=now)
        if known.state is State.CONNECTED:
            known = replace(known, access_version=known.access_version + 1, access_expires_at=now + tokens.good_for)
            self.keeping.seal(uow, Part.ACCESS, tokens.access, version=known.access_version, now=now)
        uow.integrations.save(replace(known, waits_until=None, failures=0, problem=None))
        uow.commit(because=AuditEvent(Action.INTEGRATION_RENEWED, "system", TARGET))

    def _lose(self, uow: UnitOfWork, known: Connection, *, why: str, now: datetime) -> None:
        """Nothing of it is good any more, so nothing of it is kept; somebody is told."""
        gone = uow.integrations.destroy()
        # With the key goes what an open attempt has sealed.
        lost = replace(known.bare(), state=State.NEEDS_RECONNECTING, changed_at=now, problem=why)
        uow.integrations.save(lost)
        uow.commit(because=AuditEvent(Action.INTEGRATION_LOST, "system", TARGET, {"why": why, "secrets": gone}))


def _refused(why: str, failures: int) -> AuditEvent:
    return AuditEvent(Action.INTEGRATION_REFUSED, "system", TARGET, {"why": why, "failures": failures})
