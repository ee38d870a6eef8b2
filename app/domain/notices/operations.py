"""Telling people: what was crossed is noted once for all, waits for each who is to know, and goes out as one digest.

Claim, send, mark, each in a transaction of its own. A process that is killed between sending and marking has told
somebody who is not marked as told: the digest is sent once more when its lease is over, under the same Message-ID.
So a message may come twice, after a kill within that moment, and none is lost.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import TenantId
from app.domain.installations.model import Tenant
from app.domain.notices.letters import Letters
from app.domain.notices.model import Digest, Medium, Notice, Recipient, RecipientId, Standing
from app.domain.notices.ports import (
    Channel,
    Deliver,
    MediumUnavailable,
    NotDelivered,
    RecipientRefused,
    Undeliverable,
)
from app.domain.notices.rules import concerns, due_notice, is_time_for, newest_crossing
from app.domain.ports import Database, UnitOfWork
from app.domain.promises.model import PolicyRef
from app.domain.promises.shelf import InForce
from app.domain.secrets import VaultCannotAnswer

CAP_PER_RUN = 200
"""Messages of one tenant in one run; the others wait for the next one, and those who oversee are told."""
_PAGE = 500
_SHOWN = 50
"""Clocks of a digest that it lists; of the others it says how many."""
_LEASE = timedelta(minutes=30)
"""Longer than a run takes: within it nobody else sends the same."""
_FIRST_DELAY = timedelta(minutes=5)
_LONGEST_DELAY = timedelta(hours=4)


@dataclass
class Run:
    """One tenant's turn."""

    site: Tenant
    now: datetime
    channels: Mapping[Medium, Channel]
    opened: ExitStack
    sent: int = 0
    trouble: NotDelivered | VaultCannotAnswer | None = None
    down: set[Medium] = field(default_factory=set)
    """Media that do not work at the moment: not tried again in this run."""
    _deliver: dict[Medium, Deliver] = field(default_factory=dict)

    def deliver_by(self, medium: Medium) -> Deliver:
        """Opened when it is first needed; raises `MediumUnavailable`."""
        if medium not in self._deliver:
            self._deliver[medium] = self.opened.enter_context(self.channels[medium].open())
        return self._deliver[medium]

    def failed(self, medium: Medium, trouble: NotDelivered | VaultCannotAnswer) -> None:
        """Others have their turn all the same, unless nothing goes that way."""
        self.trouble = trouble
        if isinstance(trouble, MediumUnavailable):
            self.down.add(medium)


@dataclass(frozen=True)
class Telling:
    """Tells people in time. `channels` holds the media that are configured; who is told by another waits for it."""

    database: Database
    letters: Letters
    channels: Mapping[Medium, Channel]
    in_force: Callable[[PolicyRef], InForce]
    cap: int = CAP_PER_RUN

    def wake(self, *, now: datetime) -> int:
        """Queue a job for every active tenant of which somebody is to be told; returns how many."""
        with self.database.begin() as uow:
            tenants = uow.registry.list_active()
        woken = 0
        for tenant in tenants:
            with self.database.begin(tenant) as uow:
                if self._listening(uow):
                    uow.enqueue("tell-people", tenant)
                    uow.commit(because=Bookkeeping.TELLING_ASKED)
                    woken += 1
        return woken

    def tell(self, tenant: TenantId, *, now: datetime) -> int:
        """Note what was crossed and send what is due; returns how many messages went out.

        Raises `NotDelivered` or `VaultCannotAnswer` once everything else was sent; what is left waits, and is tried
        again later.
        """
        with self.database.begin(tenant) as uow:
            recipients = self._listening(uow) if uow.registry.is_active(tenant) else ()
        if not recipients:
            return 0
        site = self.database.view_tenant(tenant)
        self._note(site, recipients, now=now)
        with ExitStack() as opened:
            run = Run(site, now, self.channels, opened)
            self._send(run, recipients)
        if run.trouble is not None:
            raise run.trouble
        return run.sent

    def _listening(self, uow: UnitOfWork) -> tuple[Recipient, ...]:
        return tuple(
            each
            for each in uow.recipients.list_all()
            if each.standing is Standing.ACTIVE and each.medium in self.channels
        )

    def _note(self, site: Tenant, recipients: Sequence[Recipient], *, now: datetime) -> None:
        """Page by page, each in a transaction of its own: in constant memory, and a kill half way loses nothing."""
        force = self.in_force(site.policy)
        days = {rule.promise: rule.choices.alert_days_after_breach for rule in force.issue_clocks}
        roles = {promise.id: promise.told for promise in force.policy.promises}
        after = None
        while True:
            with self.database.begin(site.tenant) as uow:
                page = uow.notices.page_clocks(after=after, limit=_PAGE)
                if not page:
                    return
                after = page[-1].name
                made = (due_notice(clock, now=now, tell_days=days.get(clock.name.promise)) for clock in page)
                notices = [notice for notice in made if notice is not None]
                if notices:
                    marked = uow.notices.mark_told(notices, now=now)
                    own = [notice for notice in notices if notice.clock.name in marked]
                    for recipient in recipients:
                        uow.notices.put(recipient.recipient, _concerning(recipient, own, roles), now=now)
                    uow.commit(because=Bookkeeping.NOTICES_NOTED)

    def _send(self, run: Run, recipients: Sequence[Recipient]) -> None:
        for recipient in recipients:
            while recipient.medium not in run.down and (digest := self._claim(run, recipient)) is not None:
                if run.sent >= self.cap:
                    self._postpone(run, digest, until=run.now)
                    self._report_cap(run, recipients)
                    return
                try:
                    self._send_one(run, digest, run.deliver_by(recipient.medium))
                except (NotDelivered, VaultCannotAnswer) as trouble:
                    run.failed(recipient.medium, trouble)
                    delay = min(_FIRST_DELAY * 2 ** min(digest.attempt - 1, 10), _LONGEST_DELAY)
                    self._postpone(run, digest, until=run.now + delay)
                    break

    def _claim(self, run: Run, recipient: Recipient) -> Digest | None:
        """The next digest of that recipient that has something to say; None if there is none now."""
        while True:
            with self.database.begin(run.site.tenant) as uow:
                claimed = uow.notices.claim(
                    recipient.recipient,
                    only_urgent=not is_time_for(recipient, now=run.now),
                    at_most=1 if recipient.medium is Medium.JIRA_COMMENT else None,
                    now=run.now,
                    until=run.now + _LEASE,
                )
                if claimed is None:
                    # What has ended was dropped.
                    uow.commit(because=Bookkeeping.DIGEST_CLAIMED)
                    return None
                digest, attempt = claimed
                total, clocks = uow.notices.clocks_of(digest, limit=_SHOWN)
                # An extension since then may have taken a clock back below all that it had crossed.
                true = tuple(clock for clock in clocks if newest_crossing(clock.bounds, now=run.now) is not None)
                if not true:
                    uow.notices.settle(digest)
                uow.commit(because=Bookkeeping.DIGEST_CLAIMED)
            if true:
                return Digest(digest, run.site.tenant, recipient, true, total - len(clocks) + len(true), attempt)

    def _send_one(self, run: Run, digest: Digest, deliver: Deliver) -> None:
        recipient, tenant = digest.recipient, run.site.tenant
        parcel = self.letters.of_digest(digest, run.site, now=run.now)
        target = f"recipient/{recipient.recipient}"
        detail = {"medium": recipient.medium.value, "notices": digest.total, "attempt": digest.attempt}
        try:
            deliver(parcel)
            event = AuditEvent(Action.NOTICES_SENT, "system", target, detail)
        except Undeliverable:
            event = AuditEvent(Action.NOTICES_DROPPED, "system", target, detail)
        except RecipientRefused:
            self._refuse(tenant, recipient.recipient)
            return
        with self.database.begin(tenant) as uow:
            if event.action is Action.NOTICES_SENT:
                uow.notices.count_told(digest, at=run.now)
            uow.notices.settle(digest.digest)
            uow.recipients.mark_told(recipient.recipient, at=run.now)
            uow.commit(because=event)
        run.sent += 1

    def _refuse(self, tenant: TenantId, recipient: RecipientId) -> None:
        with self.database.begin(tenant) as uow:
            uow.recipients.change(recipient, standing=Standing.REFUSED)
            uow.notices.discard(recipient)
            uow.commit(because=AuditEvent(Action.RECIPIENT_REFUSED, "system", f"recipient/{recipient}"))

    def _postpone(self, run: Run, digest: Digest, *, until: datetime) -> None:
        with self.database.begin(run.site.tenant) as uow:
            uow.notices.postpone(digest.digest, until=until)
            uow.commit(because=Bookkeeping.DIGEST_POSTPONED)

    def _report_cap(self, run: Run, recipients: Sequence[Recipient]) -> None:
        """The audit entry raises an alert; whoever oversees is told once per run, as well as that goes."""
        tenant = run.site.tenant
        with self.database.begin(tenant) as uow:
            waiting = uow.notices.count_waiting()
            detail = {"sent": run.sent, "waiting": waiting}
            uow.commit(because=AuditEvent(Action.NOTICES_CAPPED, "system", f"tenant/{tenant}", detail))
        for recipient in recipients:
            if recipient.is_overseer and recipient.medium is Medium.MAIL and Medium.MAIL not in run.down:
                letter = self.letters.of_summary(recipient, run.site, sent=run.sent, waiting=waiting, now=run.now)
                try:
                    run.deliver_by(Medium.MAIL)(letter)
                except (NotDelivered, VaultCannotAnswer) as trouble:
                    run.failed(Medium.MAIL, trouble)
                except (RecipientRefused, Undeliverable):
                    self._refuse(tenant, recipient.recipient)


def _concerning(
    recipient: Recipient, notices: Sequence[Notice], roles: Mapping[str, Collection[str]]
) -> Sequence[Notice]:
    return [
        notice for notice in notices if concerns(recipient, notice, told_roles=roles.get(notice.clock.name.promise, ()))
    ]
