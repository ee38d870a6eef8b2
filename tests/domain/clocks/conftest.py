from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.clocks.engine import bounds_of
from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.clocks.rule import Choices, Mode, Rule, Table, Term

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Story:
    """Tells what happened to a finding, in days after its report."""

    OLD_TABLE = Table(
        date(2022, 12, 6),
        {Severity.CRITICAL: 28, Severity.HIGH: 42, Severity.MEDIUM: 56, Severity.LOW: 175},
        "https://example.com/2022",
    )
    TABLE = Table(
        date(2026, 1, 1),
        {Severity.CRITICAL: 10, Severity.HIGH: 28, Severity.MEDIUM: 84, Severity.LOW: 175},
        "https://example.com/2026",
    )

    def fix_rule(self, **choices):
        """Atlassian's fix clock with these choices."""
        source = "https://example.com"
        term = Term(mode=Mode.ELAPSED, clause="§1", source=source, tables=(self.OLD_TABLE, self.TABLE))
        return Rule(promise="security-bug-fix", clause="§1", source=source, terms=(term,), choices=Choices(**choices))

    def reported(self, day=0, **data):
        return Event(kind=EventKind.REPORTED, at=START + day * DAY, source="r", **data)

    def severity(self, level, day=0):
        return Event(kind=EventKind.SEVERITY_SET, at=START + day * DAY, source=f"s{day}", severity=level)

    def fact(self, kind, day, **data):
        return Event(kind=kind, at=START + day * DAY, source=f"{kind}{day}", **data)

    def granted(self, day, **data):
        """An extension with all that it needs, changed by `data`."""
        given = {"actor": "a-1", "reason": "vendor fix pending", "role": "atlassian", "evidence": "AMS-1"} | data
        return self.fact(EventKind.EXTENDED, day, **given)

    def only(self, rule, *events):
        """The bounds of the only cycle."""
        (bounds,) = bounds_of(rule, events, calendars={})
        return bounds

    def days_given(self, bounds):
        return (bounds.due_at - START) / DAY


@pytest.fixture(scope="session")
def story():
    return Story()
