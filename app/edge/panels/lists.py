"""Lists of clocks in pages: the filters in the address, the rows as templates see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from urllib.parse import quote

from app.domain.clocks.model import Severity, State
from app.domain.tracking.listing import ListedClock
from app.edge.panels import wording
from app.edge.panels.wording import Lozenge
from app.edge.translation import gettext as _

_NO_CLAUSES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class ClockRow:
    """One cycle of one clock in a list. `url`: the issue in Jira."""

    key: str
    url: str
    promise: str
    cycle: int
    state: State
    severity: Severity | None
    started_at: datetime | None
    due_at: datetime | None
    due_date: date | None
    due_before: datetime | None
    remaining_seconds: int | None
    paused_seconds: int
    stopped_at: datetime | None
    reason: str | None
    score: Decimal | None = None
    clause: str | None = None
    ticket: str | None = None
    fix_versions: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The promise for people, with its cycle from the second on."""
        title = wording.title_of(self.promise)
        return title if self.cycle == 1 else _("%(title)s, cycle %(cycle)s", title=title, cycle=self.cycle)

    @property
    def state_lozenge(self) -> Lozenge:
        """The state with its own shape."""
        return wording.STATE_LOZENGES[self.state]

    @property
    def severity_lozenge(self) -> Lozenge:
        """The level with its own shape."""
        return wording.severity_lozenge(self.severity)

    @property
    def due_text(self) -> str:
        """`due in 27 d`."""
        return wording.due_text(self.state, self.remaining_seconds)

    @property
    def paused_text(self) -> str:
        """How long the clock has stood still in all; empty if it never has."""
        return wording.duration_text(self.paused_seconds) if self.paused_seconds else ""


def row_of(listed: ListedClock, *, display_url: str, clauses: Mapping[str, str] = _NO_CLAUSES) -> ClockRow:
    """The row of that clock on the site of that address."""
    clock, bounds = listed.clock, listed.clock.bounds
    return ClockRow(
        key=clock.key,
        url=f"{display_url}/browse/{quote(clock.key, safe='')}",
        promise=clock.promise,
        cycle=bounds.cycle,
        state=listed.state,
        severity=bounds.severity,
        started_at=bounds.started_at,
        due_at=bounds.due_at,
        due_date=bounds.due_date,
        due_before=bounds.due_before,
        remaining_seconds=listed.remaining_seconds,
        paused_seconds=bounds.paused_seconds,
        stopped_at=bounds.stopped_at,
        reason=bounds.cancelled_reason,
        score=clock.score,
        clause=clauses.get(clock.promise),
        ticket=clock.ticket,
        fix_versions=tuple(version.name for version in clock.fix_versions),
    )
