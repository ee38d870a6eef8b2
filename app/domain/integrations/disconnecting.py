"""The grant ends: nothing is done under it from that moment on, its provider is told, and a receipt says so.

All that is kept is the sealed refresh token, for nothing but the revocation: no provider revokes what one cannot name.
It goes, with its data key, when the provider has confirmed, and after a day also where it has not, which is told.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.audit.operations import log_origin
from app.domain.audit.ports import CheckpointKey
from app.domain.clocks.model import instant_text
from app.domain.identifiers import HOUSE
from app.domain.integrations.model import TARGET, Connection, Part, State, pause_after, place_of
from app.domain.integrations.ports import Answered, AuthorizationServer, Verdict
from app.domain.integrations.sealing import Keeping
from app.domain.integrations.tokens import LEASE
from app.domain.ports import Database, UnitOfWork
from app.domain.privacy.receipts import ageing, sign_receipt
from app.domain.secrets import VaultCannotAnswer

CONFIRMED_WITHIN = timedelta(days=1)
UNCONFIRMED, NO_GRANT = "revocation_unconfirmed", "no_grant"
_REVOCATION = {
    None: "ended at the provider",
    NO_GRANT: "there was no grant any more that could be ended",
    UNCONFIRMED: "not confirmed by the provider: end it by hand at https://id.atlassian.com/manage-profile/apps,"
    " as the person who consented",
}


class NothingConnected(LookupError):
    """There is no grant, and nobody is about to give one."""


@dataclass(frozen=True)
class Disconnecting:
    """The use case."""

    database: Database
    keeping: Keeping
    server: AuthorizationServer
    key: Callable[[], CheckpointKey]
    """Signs receipts; read when it is needed, which is never in a web process."""
    backups_kept: timedelta

    def disconnect(self, *, now: datetime) -> None:
        """Access ends, tokens and metadata go, in one transaction; raises `NothingConnected`. Safe to repeat."""
        with self.database.begin(HOUSE) as uow:
            known = uow.integrations.hold()
            if known.state is State.DISCONNECTING:
                return
            if known.state in {State.NOT_CONNECTED, State.DISCONNECTED} and known.attempt is None:
                raise NothingConnected(NothingConnected.__doc__)
            is_granted = known.state is State.CONNECTED
            unneeded = [part for part in Part if part is not Part.REFRESH]
            gone = uow.integrations.forget(unneeded) if is_granted else uow.integrations.destroy()
            uow.integrations.save(
                replace(
                    known.bare(),
                    state=State.DISCONNECTING if is_granted else State.DISCONNECTED,
                    changed_at=now,
                    disconnected_at=now,
                    erased_secrets=gone,
                    problem=None if is_granted else NO_GRANT,
                    receipt=None,
                    # A renewal that is under way brings the token that is to be revoked.
                    leased_until=known.leased_until if is_granted else None,
                )
            )
            uow.enqueue("tend-integrations", HOUSE)
            uow.commit(because=AuditEvent(Action.INTEGRATION_DISCONNECTED, "operator", TARGET, {"secrets": gone}))

    def go_on(self, *, now: datetime) -> None:
        """Ask the provider, if it is time to, and give the receipt when it is over."""
        self._revoke(now=now)
        self._give_receipt()

    def _revoke(self, *, now: datetime) -> None:
        with self.database.begin(HOUSE) as uow:
            known = uow.integrations.hold()
            if known.state is not State.DISCONNECTING or known.is_held(now) or known.waits(now):
                return
            uow.integrations.save(replace(known, leased_until=now + LEASE))
            uow.commit(because=Bookkeeping.PROVIDER_ASKED)
        answered = self._ask(known.refresh_version)
        with self.database.begin(HOUSE) as uow:
            current = uow.integrations.hold()
            if current.state is not State.DISCONNECTING:
                return
            is_newest = current.refresh_version == known.refresh_version
            self._settle(uow, current, answered if is_newest else _AGAIN, now=now)

    def _ask(self, version: int) -> Answered:
        try:
            return self.server.revoke(self.keeping.filling({"token": place_of(Part.REFRESH, version)}))
        except VaultCannotAnswer:
            return Answered(Verdict.ODD, "vault_unavailable")

    def _settle(self, uow: UnitOfWork, known: Connection, answered: Answered, *, now: datetime) -> None:
        since, failures = known.disconnected_at or now, known.failures + 1
        is_confirmed = answered.verdict is Verdict.DONE
        if not is_confirmed and now < since + CONFIRMED_WITHIN:
            until = min(now + pause_after(failures, answered.retry_after_seconds), since + CONFIRMED_WITHIN)
            postponed = replace(known, leased_until=None, waits_until=until, failures=failures)
            uow.integrations.save(replace(postponed, problem=answered.why or known.problem))
            uow.commit(because=Bookkeeping.PROVIDER_POSTPONED)
            return
        gone = uow.integrations.destroy()
        uow.integrations.save(
            replace(
                known.bare(),
                state=State.DISCONNECTED,
                changed_at=now,
                erased_secrets=known.erased_secrets + gone,
                problem=None if is_confirmed else UNCONFIRMED,
            )
        )
        uow.commit(because=_confirmed(gone) if is_confirmed else _unconfirmed(answered.why, failures, secrets=gone))

    def _give_receipt(self) -> None:
        with self.database.begin(HOUSE) as uow:
            known = uow.integrations.hold()
            if known.state is not State.DISCONNECTED or known.receipt is not None or known.disconnected_at is None:
                return
            note = sign_receipt(self._document(uow, known), self.key())
            uow.integrations.save(replace(known, receipt=note))
            uow.commit(because=Bookkeeping.RECEIPT_GIVEN)

    def _document(self, uow: UnitOfWork, known: Connection) -> dict[str, Any]:
        left, erased = known.disconnected_at, known.changed_at
        if left is None or erased is None:
            raise ValueError("a receipt is for what has happened")
        return {
            "subject": TARGET,
            "asked_by": "operator",
            "left_at": instant_text(left),
            "erased_at": instant_text(erased),
            "erased": {"app.sealed_secrets": known.erased_secrets},
            "revocation": _REVOCATION[known.problem],
            "audit": {
                "log": log_origin(self.key().name, HOUSE),
                "entries": [str(entry) for entry in _entries(uow, known)],
            },
            "only_ageing_removes": [each.to_json() for each in ageing(erased, backups_kept=self.backups_kept)],
        }


_AGAIN = Answered(Verdict.LATER, retry_after_seconds=1)
"""A newer refresh token came while the former one was being revoked."""


def _entries(uow: UnitOfWork, known: Connection) -> tuple[UUID, ...]:
    """Those of this disconnection; there may have been others before."""
    asked = uow.erasure.entries((Action.INTEGRATION_DISCONNECTED,))[-1:]
    if known.problem == NO_GRANT:
        return asked
    return asked + uow.erasure.entries((Action.INTEGRATION_REVOKED, Action.INTEGRATION_UNCONFIRMED))[-1:]


def _confirmed(secrets: int) -> AuditEvent:
    return AuditEvent(Action.INTEGRATION_REVOKED, "system", TARGET, {"secrets": secrets})


def _unconfirmed(why: str, attempts: int, *, secrets: int) -> AuditEvent:
    detail: dict[str, str | int | None] = {"why": why, "attempts": attempts, "secrets": secrets}
    return AuditEvent(Action.INTEGRATION_UNCONFIRMED, "system", TARGET, detail)
