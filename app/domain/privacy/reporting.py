"""Personal data reports: each account of each tenant once per cycle, and what is done about the answers.

Accounts are leased by digest, 90 at most, so that any number of workers share the work and none reports what another
one does. Every request is settled in a transaction of its own: a worker that is killed loses nothing but the request
that was under way, whose accounts come again when their lease ends. (That Atlassian has heard of them already nobody
can know; to leave them out would be worse.)

Source: https://developer.atlassian.com/platform/forge/user-privacy-guidelines/
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import HOUSE, TenantId
from app.domain.ports import Database
from app.domain.privacy.acting import Acting
from app.domain.privacy.cycle import HOLD
from app.domain.privacy.erasing import Erasing
from app.domain.privacy.evidence import Evidence
from app.domain.privacy.ports import Due, ReportedAccount, Routes
from app.domain.privacy.sending import LEASE, Leased, Run, Sender

LIST_EVERY = timedelta(hours=6)
REQUESTS_PER_RUN = 300
"""Of a run that the schedule starts; the next one goes on."""
FAILURES_IN_A_ROW = 3


@dataclass(frozen=True)
class Reporting:
    """The use case. `clock` gives the instant of each request: a run may take minutes."""

    database: Database
    routes: Routes
    clock: Callable[[], datetime]
    erasing: Erasing

    def run(self, *, at_once: bool = False) -> Run:
        """Report what is due, and act on the answers; returns what was done.

        `at_once`: what was never reported is due already, no request waits to be full, and there is no limit.
        Raises `DatabaseUnavailable`; what was done until then is done.
        """
        run, evidence = Run(), Evidence(self.database)
        self._list(now=self.clock(), at_once=at_once)
        acting = Acting(self.database, self.erasing)
        acting.act(now=self.clock())
        with self.database.begin() as uow:
            cycle = uow.reports.cycle()
        if cycle.waits_until is not None and cycle.waits_until > self.clock():
            run.waits_for = cycle.waits_for
        elif (lacking := self.routes.lacking()) is not None:
            run.waits_for = lacking
        else:
            self._report(run, at_once=at_once)
        acting.act(now=self.clock())
        with self.database.begin() as uow:
            has_moved = uow.reports.cycle().period != cycle.period
        if has_moved:
            acting.follow_period()
        evidence.close_pass(now=self.clock())
        evidence.tell_if_late(now=self.clock())
        return run

    def _list(self, *, now: datetime, at_once: bool) -> None:
        with self.database.begin() as uow:
            cycle = uow.reports.cycle()
        if not at_once and cycle.listed_at is not None and now < cycle.listed_at + LIST_EVERY:
            return
        acting = Acting(self.database, self.erasing)
        acting.list_accounts(period=cycle.period, now=now)
        # Once more, for a worker that was killed before it could.
        acting.follow_period()
        with self.database.begin() as uow:
            uow.reports.save_listed(now)
            uow.commit(because=Bookkeeping.ACCOUNTS_LISTED)

    def _report(self, run: Run, *, at_once: bool) -> None:
        sender = Sender(self.database, self.routes, self.clock)
        for leased in self._batches(run, at_once=at_once):
            sender.send(leased, run)
            out_of_luck = self.routes.is_shared and run.in_a_row >= FAILURES_IN_A_ROW
            if run.waits_for is not None or out_of_luck or (run.requests >= REQUESTS_PER_RUN and not at_once):
                return

    def _batches(self, run: Run, *, at_once: bool) -> Iterator[Leased]:
        """Batch after batch in order of tenant; where each tenant has its own way, none spans two."""
        after: Due | None = None
        tenant: TenantId | None = None
        while True:
            if not self.routes.is_shared and (tenant is None or tenant in run.unfit):
                tenant, after = self._next_tenant(tenant or HOUSE, at_once=at_once), None
                if tenant is None:
                    return
            leased = self._lease(after, tenant, at_once=at_once)
            if leased is not None:
                after = leased.due[-1]
                yield leased
            elif tenant is None:
                return
            else:
                tenant, after = self._next_tenant(tenant, at_once=at_once), None
                if tenant is None:
                    return

    def _next_tenant(self, after: TenantId, *, at_once: bool) -> TenantId | None:
        with self.database.begin() as uow:
            return uow.reports.next_tenant(after=after, now=self.clock(), also_new=at_once)

    def _lease(self, after: Due | None, tenant: TenantId | None, *, at_once: bool) -> Leased | None:
        now, lease = self.clock(), uuid4()
        with self.database.begin() as uow:
            due = uow.reports.lease(
                lease,
                after=after,
                only=tenant,
                now=now,
                until=now + LEASE,
                also_new=at_once,
                held_since=None if at_once else now - HOLD,
            )
            if not due:
                return None
            uow.commit(because=Bookkeeping.ACCOUNTS_LEASED)
        return Leased(lease, now + LEASE, due, self._named(due))

    def _named(self, due: Sequence[Due]) -> tuple[ReportedAccount, ...]:
        """With their ids, each read in a transaction of its tenant; who was erased meanwhile is left out."""
        named: list[ReportedAccount] = []
        for tenant in dict.fromkeys(one.tenant for one in due):
            digests = [one.digest for one in due if one.tenant == tenant]
            with self.database.begin(tenant) as uow:
                ids = uow.people.accounts(digests)
            named += [ReportedAccount(ids[one.digest], one.digest, one.stored_at) for one in due if one.digest in ids]
        return tuple(named)
