"""A list of clocks as a table: filtered, page by page, with the columns that its reader picked."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.clocks.model import Severity, State
from app.domain.tracking.derived import Position
from app.domain.tracking.figures import Sight
from app.edge import clock_list, cursors
from app.edge.caller import caller, now, services
from app.edge.panels import filters, lists, saved_views, shell, wording
from app.edge.panels.asked import COLUMNS, Asked
from app.edge.panels.filters import ListFilter
from app.edge.panels.lists import ClockRow
from app.edge.panels.saved_views import ViewsPanel
from app.edge.translation import mark

ROWS = 50
FORMATS = {"csv": "CSV", "json": "JSON", "ics": "iCalendar"}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One that can be picked."""

    value: str
    text: str
    is_picked: bool


@dataclass(frozen=True, kw_only=True)
class Table:
    """What the template of a table sees. `around`: what its form hands on besides its own fields."""

    url: str
    around: Mapping[str, object]
    form_url: str
    clear_url: str
    wanted: ListFilter
    rows: tuple[ClockRow, ...]
    columns: tuple[Choice, ...]
    states: tuple[Choice, ...]
    severities: tuple[Choice, ...]
    first_url: str | None
    next_url: str | None
    exports: tuple[tuple[str, str], ...]
    """Name of the form, and where it is."""
    views: ViewsPanel

    def has(self, column: str) -> bool:
        """Whether that column was picked."""
        return any(each.is_picked for each in self.columns if each.value == column)


def table_of(asked: Asked, sight: Sight, *, path: str, around: Mapping[str, object], display_url: str) -> Table:
    """That page of the list; raises `JiraUnavailable`. `path`: of the fragment that it is in."""
    clocks = asked.wanted.clocks(sight.projects, now=now())
    found = services().lists.page(caller(), clocks, position=asked.position, limit=ROWS, now=now())

    clauses = clock_list.clauses() if "clause" in asked.columns else {}

    def url(**more: object) -> str:
        return shell.fragment_url(path, {**around, **asked.query, **more})

    is_first = asked.position == Position()
    return Table(
        url=url(cursor=None if is_first else cursors.cursor_of(asked.position)),
        around=around,
        form_url=shell.fragment_url(path),
        clear_url=shell.fragment_url(path, around),
        wanted=asked.wanted,
        rows=tuple(lists.row_of(each, display_url=display_url, clauses=clauses) for each in found.clocks),
        columns=tuple(Choice(value=name, text=text, is_picked=name in asked.columns) for name, text in COLUMNS.items()),
        states=_states(asked.wanted),
        severities=_severities(asked.wanted),
        first_url=None if is_first else url(),
        next_url=None if found.next is None else url(cursor=cursors.cursor_of(found.next)),
        exports=tuple(
            (text, shell.fragment_url("download", {**around, "section": None, **asked.wanted.query, "format": name}))
            for name, text in FORMATS.items()
        ),
        views=saved_views.panel_of(path, around=around, query=asked.query),
    )


def _states(wanted: ListFilter) -> tuple[Choice, ...]:
    texts = {filters.OPEN: mark("Open")} | {state.value: wording.STATE_LOZENGES[state].text for state in State}
    return _choices(mark("Any state"), texts, picked=wanted.state)


def _severities(wanted: ListFilter) -> tuple[Choice, ...]:
    texts = {level.value: wording.severity_lozenge(level).text for level in Severity}
    return _choices(mark("Any severity"), texts | {filters.UNSET: mark("Not set")}, picked=wanted.severity)


def _choices(otherwise: str, texts: Mapping[str, str], *, picked: str | None) -> tuple[Choice, ...]:
    rest = (Choice(value=value, text=text, is_picked=value == picked) for value, text in texts.items())
    return (Choice(value="", text=otherwise, is_picked=picked is None), *rest)
