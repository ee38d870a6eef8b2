"""One leased batch: sent, split where it is refused as malformed, settled, and given back after a failure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import HOUSE, TenantId
from app.domain.ports import Database, JiraUnavailable, UnitOfWork
from app.domain.privacy.cycle import period_of
from app.domain.privacy.ports import Answer, Ask, Due, Outcome, ReportedAccount, Routes, Sent
from app.domain.privacy.waiting import pause_after
from app.domain.secrets import VaultCannotAnswer

LEASE = timedelta(minutes=10)
OTHER_ROUTES = 2
"""How many other tenants' credentials are tried where one is refused."""
REFUSALS_BELIEVED = 8
"""Of single accounts, while none is accepted: after that the fault is not in the accounts."""
_HOPELESS = frozenset({Outcome.UNAUTHORIZED, Outcome.FORBIDDEN})
"""What the next request by the same way would meet as well."""
_NO_CREDENTIAL = "no_credential"
_Way = tuple[TenantId | None, Ask]
"""Whose, and how."""


@dataclass
class Run:
    """What one run did."""

    requests: int = 0
    accounts: int = 0
    closed: int = 0
    updated: int = 0
    set_aside: int = 0
    failed: int = 0
    """Requests that were refused or not answered."""
    waits_for: str | None = None
    """Why nobody was asked, or no further."""
    in_a_row: int = 0
    unfit: set[TenantId] = field(default_factory=set)
    """Whose site or credential failed in this run."""

    def to_json(self) -> dict[str, int | str | None]:
        """The report of the command."""
        return {
            "requests": self.requests,
            "accounts": self.accounts,
            "closed": self.closed,
            "updated": self.updated,
            "set_aside": self.set_aside,
            "failed": self.failed,
            "waits_for": self.waits_for,
        }


@dataclass(frozen=True)
class Leased:
    """Accounts that nobody else reports for now; `accounts` are those of them that still have an id here."""

    lease: UUID
    until: datetime
    due: tuple[Due, ...]
    accounts: tuple[ReportedAccount, ...]


@dataclass(frozen=True)
class Sender:
    """Sends one batch after the other; `clock` gives the instant of each request."""

    database: Database
    routes: Routes
    clock: Callable[[], datetime]

    def send(self, leased: Leased, run: Run) -> None:
        """By its own way, or where that is refused by another one; what is left of the lease is given back."""
        left, last = leased.accounts, None
        for tenant, ask in self._asks(leased.due[0].tenant, run):
            left, last = self._split(left, leased, (tenant, ask), run)
            if last is None or (last.outcome is not Outcome.UNAUTHORIZED and last.why != _NO_CREDENTIAL):
                break
            if tenant is not None:
                run.unfit.add(tenant)
        else:
            if last is None:
                last = Answer(Outcome.UNAVAILABLE, why="nobody_to_ask")
                run.failed += 1
        self._give_back(leased, run, last)

    def _asks(self, tenant: TenantId, run: Run) -> Iterator[tuple[TenantId | None, Ask]]:
        if self.routes.is_shared:
            candidates: list[TenantId | None] = [None]
        else:
            with self.database.begin() as uow:
                active = uow.registry.list_active()
            # Atlassian lets any installation report any account; another's is used only where there is no own one.
            candidates = sorted(active, key=lambda each: (each != tenant, each))
        tried = 0
        for candidate in candidates:
            if tried > OTHER_ROUTES or candidate in run.unfit:
                continue
            try:
                ask = self.routes.ask(candidate)
            except (JiraUnavailable, VaultCannotAnswer):
                continue
            tried += 1
            yield candidate, ask

    def _split(
        self, accounts: tuple[ReportedAccount, ...], leased: Leased, way: _Way, run: Run
    ) -> tuple[tuple[ReportedAccount, ...], Answer | None]:
        """Ask about all, or about halves until the bad ones are found; returns what is left and why."""
        waiting, taken = [accounts], 0
        refused: list[ReportedAccount] = []
        while waiting:
            part = self._still_ours(waiting.pop(), leased)
            if not part:
                continue
            answer = self._ask(part, leased.lease, way, run)
            if answer.outcome is Outcome.TAKEN:
                taken += len(part)
            elif answer.outcome is not Outcome.MALFORMED:
                return tuple(one for each in (*waiting, part, refused) for one in each), answer
            elif len(part) > 1:
                waiting += [part[: len(part) // 2], part[len(part) // 2 :]]
            else:
                refused.append(part[0])
            if len(refused) >= REFUSALS_BELIEVED and not taken:
                break
        if refused and taken:
            self._set_aside(refused, leased.lease, run)
        elif refused:
            return accounts, Answer(Outcome.MALFORMED, status=400, why="every_account")
        return (), None

    def _still_ours(self, part: tuple[ReportedAccount, ...], leased: Leased) -> tuple[ReportedAccount, ...]:
        """A worker that slept through its lease must not report what another one has reported since."""
        if not part or self.clock() < leased.until - LEASE / 2:
            return part
        with self.database.begin() as uow:
            ours = uow.reports.renew(leased.lease, [one.digest for one in part], until=self.clock() + LEASE)
            uow.commit(because=Bookkeeping.ACCOUNTS_LEASED)
        return tuple(one for one in part if one.digest in ours)

    def _ask(self, part: tuple[ReportedAccount, ...], lease: UUID, way: _Way, run: Run) -> Answer:
        tenant, ask = way
        try:
            answer = ask(part)
        except (JiraUnavailable, VaultCannotAnswer):
            answer = Answer(Outcome.UNAVAILABLE, why=_NO_CREDENTIAL)
        run.requests += 1
        is_taken = answer.outcome is Outcome.TAKEN
        if not is_taken:
            run.failed += answer.outcome is not Outcome.MALFORMED
            answer = replace(answer, closed=frozenset(), updated=frozenset())
        with self.database.begin(HOUSE) as uow:
            sent = Sent(self.clock(), tenant, len(part), answer)
            uow.reports.record(sent)
            if is_taken:
                self._settle(uow, part, lease, answer)
            uow.commit(because=refused_event(sent) or Bookkeeping.ACCOUNTS_REPORTED)
        if is_taken:
            run.in_a_row, run.accounts = 0, run.accounts + len(part)
            run.closed, run.updated = run.closed + len(answer.closed), run.updated + len(answer.updated)
        return answer

    def _settle(self, uow: UnitOfWork, part: Sequence[ReportedAccount], lease: UUID, answer: Answer) -> None:
        cycle = uow.reports.cycle()
        period = cycle.period
        if answer.period_text is not None and (told := period_of(answer.period_text)) is not None:
            period = told
            uow.reports.save_period(period, answer.period_text)
        uow.reports.settle(
            lease,
            [one.digest for one in part],
            closed=[one.digest for one in part if one.account in answer.closed],
            updated=[one.digest for one in part if one.account in answer.updated - answer.closed],
            now=self.clock(),
            due_at=self.clock() + period,
        )
        if cycle.failures:
            uow.reports.wait(None, reason=None, failures=0)

    def _set_aside(self, refused: Sequence[ReportedAccount], lease: UUID, run: Run) -> None:
        run.set_aside += len(refused)
        why = Answer(Outcome.MALFORMED, status=400, why="set_aside")
        with self.database.begin(HOUSE) as uow:
            uow.reports.set_aside(lease, [one.digest for one in refused], reason="refused as malformed (400)")
            told = refused_event(Sent(self.clock(), None, len(refused), why))
            uow.commit(because=told or Bookkeeping.ACCOUNTS_REPORTED)

    def _give_back(self, leased: Leased, run: Run, last: Answer | None) -> None:
        """After a failure the accounts come again later; some failures keep everybody waiting."""
        now = self.clock()
        if last is None:
            if len(leased.accounts) < len(leased.due):
                # What is left has no id here any more: the next list knows why.
                self._release(leased.lease, until=now + LEASE)
            return
        run.in_a_row += 1
        if not self.routes.is_shared:
            run.unfit.add(leased.due[0].tenant)
        if last.outcome is Outcome.SLOW_DOWN or (self.routes.is_shared and last.outcome in _HOPELESS):
            self._release(leased.lease)
            self._wait(last, run, jitter=leased.lease.int % 1000 / 1000)
            return
        is_told = last.outcome is Outcome.MALFORMED
        told = refused_event(Sent(now, None, len(leased.accounts), last)) if is_told else None
        self._release(leased.lease, failed=True, told=told)

    def _release(
        self, lease: UUID, *, until: datetime | None = None, failed: bool = False, told: AuditEvent | None = None
    ) -> None:
        with self.database.begin(HOUSE) as uow:
            uow.reports.release(lease, until=until, failed=failed, now=self.clock())
            uow.commit(because=told or Bookkeeping.ACCOUNTS_LEASED)

    def _wait(self, last: Answer, run: Run, *, jitter: float) -> None:
        with self.database.begin() as uow:
            failures = uow.reports.cycle().failures + 1
            until = self.clock() + pause_after(last, failures=failures, jitter=jitter)
            uow.reports.wait(until, reason=last.outcome.value, failures=failures)
            uow.commit(because=Bookkeeping.ACCOUNTS_LEASED)
        run.waits_for = last.outcome.value


def refused_event(sent: Sent) -> AuditEvent | None:
    """What somebody is told of: answers that mean nothing, and that nobody may report any more."""
    answer = sent.answer
    is_split = answer.outcome is Outcome.MALFORMED and not answer.why
    if is_split or answer.outcome in {Outcome.TAKEN, Outcome.SLOW_DOWN, Outcome.UNAVAILABLE}:
        return None
    detail = {"outcome": answer.outcome.value, "why": answer.why, "status": answer.status, "accounts": sent.accounts}
    target = "reports/all" if sent.tenant is None else f"reports/tenant/{sent.tenant}"
    return AuditEvent(Action.REPORT_REFUSED, "system", target, detail)
