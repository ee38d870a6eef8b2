"""Filters of lists in the address of a page: read, said in words, and handed on in links."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, TypeVar

from flask import request

from app.domain.clocks.model import Severity, State
from app.domain.identifiers import ProjectId
from app.domain.tracking.derived import ClockFilter
from app.edge import parameters
from app.edge.panels import wording
from app.edge.parameters import Malformed
from app.edge.translation import gettext as _
from app.edge.translation import ngettext

_Kind = TypeVar("_Kind", State, Severity)
_DAY: Final = timedelta(days=1)
_FARTHEST: Final = 366
OPEN: Final = "open"
UNSET: Final = "unset"


@dataclass(frozen=True, kw_only=True)
class ListFilter:
    """Which clocks a list shows; None = that does not matter.

    `due`: the day (UTC) on which it falls due. `within`: days that are left at most. `ended_since`: a day.
    `key`: of the issue, as it was typed.
    """

    state: State | Literal["open"] | None = None
    severity: Severity | Literal["unset"] | None = None
    due: date | None = None
    within: int | None = None
    ended_since: date | None = None
    key: str | None = None

    @property
    def query(self) -> Mapping[str, object]:
        """As parameters of an address."""
        return {
            "state": self.state,
            "severity": self.severity,
            "due": self.due,
            "within": self.within,
            "ended_since": self.ended_since,
            "key": self.key,
        }

    @property
    def is_set(self) -> bool:
        """Whether anything is left out."""
        return any(value is not None for value in self.query.values())

    @property
    def words(self) -> str:
        """What is shown, to be read: `Overdue, High`."""
        said = [
            *([_("Open")] if self.state == OPEN else []),
            *([_(wording.STATE_LOZENGES[self.state].text)] if isinstance(self.state, State) else []),
            *([_("Severity not set")] if self.severity == UNSET else []),
            *([_(wording.severity_lozenge(self.severity).text)] if isinstance(self.severity, Severity) else []),
            *([_("due %(day)s", day=wording.date_words(self.due))] if self.due else []),
            *(
                [ngettext("due within %(number)s day", "due within %(number)s days", number=self.within)]
                if self.within
                else []
            ),
            *([_("ended since %(day)s", day=wording.date_words(self.ended_since))] if self.ended_since else []),
            *([_("issue %(key)s", key=self.key)] if self.key else []),
        ]
        words = ", ".join(said) or _("All clocks")
        return words[:1].upper() + words[1:]

    def clocks(self, projects: frozenset[ProjectId], *, now: datetime) -> ClockFilter:
        """The clocks that are meant, of these projects."""
        one = next(iter(projects)) if len(projects) == 1 else None
        midnight = None if self.due is None else _midnight(self.due)
        until = None if self.within is None else now + self.within * _DAY
        return ClockFilter(
            state=self.state if isinstance(self.state, State) else None,
            open_only=self.state == OPEN or self.within is not None or self.due is not None,
            project=one,
            projects=projects if one is None else None,
            severity=self.severity,
            due_after=midnight if self.within is None else now,
            due_until=until if midnight is None else midnight + _DAY,
            ended_since=None if self.ended_since is None else _midnight(self.ended_since),
            key=self.key,
        )


def of_request() -> ListFilter:
    """The filter that the query names; an empty value is none. Raises `Malformed`."""
    return ListFilter(
        state=_state(),
        severity=_severity(),
        due=_day("due"),
        within=_days("within"),
        ended_since=_day("ended_since"),
        key=_text("key").strip().upper() or None,
    )


def _state() -> State | Literal["open"] | None:
    said = _text("state")
    if said == OPEN:
        return OPEN
    return _member(State, said)


def _severity() -> Severity | Literal["unset"] | None:
    said = _text("severity")
    if said == UNSET:
        return UNSET
    return _member(Severity, said)


def _member(kind: type[_Kind], said: str) -> _Kind | None:
    try:
        return kind(said) if said else None
    except ValueError as error:
        raise Malformed from error


def _day(name: str) -> date | None:
    said = _text(name)
    # One form only, the shortest: what `fromisoformat` takes besides has another spelling in our links.
    return None if not said else parameters.instant(f"{said}T00:00:00Z").date()


def _days(name: str) -> int | None:
    said = _text(name)
    if not said:
        return None
    if not said.isascii() or not said.isdecimal() or not 1 <= int(said) <= _FARTHEST:
        raise Malformed
    return int(said)


def _text(name: str) -> str:
    return parameters.text(name) if name in request.args else ""


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
