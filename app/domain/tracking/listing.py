"""Lists of clocks, for people and operators: found by stored bounds, shown as they are at one instant."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.access.decisions import IssueAccess
from app.domain.access.roles import Permission
from app.domain.clocks.model import State
from app.domain.clocks.state import remaining_seconds, state_of
from app.domain.identifiers import AccountId, TenantId
from app.domain.installations.model import Caller
from app.domain.ports import Database
from app.domain.tracking.derived import ClockFilter, Position, StoredClock

READ_AT_ONCE = 100
"""Clocks; of their issues Jira is asked in one question."""
READS = 5
"""For one page, so that a person who may see next to nothing costs no more than anybody else."""
_SPARE = 4
"""How many are looked at for each that is shown, of a list that is not read to its end."""
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ListedClock:
    """One cycle of one clock at one instant."""

    clock: StoredClock
    state: State
    remaining_seconds: int | None


@dataclass(frozen=True, slots=True)
class ClockPage:
    """What one person may see of a part of a list."""

    clocks: tuple[ListedClock, ...]
    next: Position | None
    """Where the next page begins; None = this was the last."""


@dataclass(frozen=True)
class ClockLists:
    """Finds clocks by what is stored of them."""

    database: Database
    access: IssueAccess

    def page(self, who: Caller, wanted: ClockFilter, *, position: Position, limit: int, now: datetime) -> ClockPage:
        """At most `limit` clocks of issues that Jira lets this person see; raises `JiraUnavailable`.

        What is hidden is left out, and the page is filled up from what comes next. One that is not full, and not the
        last, is one for which enough was looked through.
        """
        found: list[ListedClock] = []
        for _ in range(READS):
            with self.database.begin(who.tenant) as uow:
                rows = uow.clocks.page(wanted, position=position, limit=READ_AT_ONCE, now=now)
            seen = self.access.visible(
                Permission.VIEW_ISSUE_CLOCKS,
                (who.tenant, who.account or AccountId("")),
                {row.issue for row in rows},
                now=now,
                person_token=who.person_token,
            )
            for row in rows:
                if len(found) == limit:
                    return ClockPage(tuple(found), position)
                if row.issue in seen:
                    found.append(_listed(row, now))
                    position = Position(row.place)
                else:
                    position = position._replace(skip=position.skip + 1)
            if len(rows) < READ_AT_ONCE:
                return ClockPage(tuple(found), None)
        return ClockPage(tuple(found), position)

    def board(
        self, who: Caller, columns: Mapping[str, ClockFilter], *, each: int, now: datetime
    ) -> Mapping[str, tuple[ListedClock, ...]]:
        """The first clocks of several lists, at most `each` of a list; raises `JiraUnavailable`.

        Jira is asked once. Of a list of which the first are hidden from this person, fewer come.
        """
        with self.database.begin(who.tenant) as uow:
            rows = {
                name: uow.clocks.page(wanted, position=Position(), limit=each * _SPARE, now=now)
                for name, wanted in columns.items()
            }
        seen = self.access.visible(
            Permission.VIEW_ISSUE_CLOCKS,
            (who.tenant, who.account or AccountId("")),
            {row.issue for of in rows.values() for row in of},
            now=now,
            person_token=who.person_token,
        )
        return {name: tuple(_listed(row, now) for row in of if row.issue in seen)[:each] for name, of in rows.items()}

    def due(self, tenant: TenantId, *, within: timedelta, now: datetime) -> Iterator[ListedClock]:
        """Every clock of that tenant that has not ended and has no more than that left, by its bound.

        Raises `LookupError` where there is no such tenant.
        """
        self.database.view_tenant(tenant)
        # A clock that is held has at least what lies between now and its bound: none is missed.
        wanted = ClockFilter(due_before=now + within + _MOMENT, open_only=True)
        position = Position()
        while True:
            with self.database.begin(tenant) as uow:
                rows = uow.clocks.page(wanted, position=position, limit=READ_AT_ONCE, now=now)
            for listed in (_listed(row, now) for row in rows):
                if listed.remaining_seconds is not None and listed.remaining_seconds <= within.total_seconds():
                    yield listed
            if len(rows) < READ_AT_ONCE:
                return
            position = Position(rows[-1].place)


def _listed(clock: StoredClock, now: datetime) -> ListedClock:
    return ListedClock(clock, state_of(clock.bounds, now=now), remaining_seconds(clock.bounds, now=now))
