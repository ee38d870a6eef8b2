"""The project page: how the clocks of one project stand, for those who may browse it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC

from flask import Response, render_template

from app.domain.clocks.model import State
from app.domain.identifiers import ProjectId
from app.domain.tracking.figures import Figures, Sight, ended_since
from app.edge import parameters
from app.edge.caller import caller, now, services
from app.edge.panels import charts, filters, lists, shell, tables
from app.edge.panels.asked import Asked, of_request
from app.edge.panels.filters import ListFilter
from app.edge.panels.project_models import DONE, Column, Tile
from app.edge.translation import gettext as _
from app.edge.translation import mark

TITLE = mark("Security deadlines of %(project)s")
PURPOSE = mark("How long the policy leaves for each security issue of this project, and how it stands.")
SECTIONS = {"board": mark("Board"), "heat": mark("Due dates"), "burn-down": mark("Burn-down"), "table": mark("Table")}
CARDS = 8
"""In one column of the board."""
_BOARD = (State.AWAITING_TRIAGE, State.RUNNING, State.AT_RISK, State.BREACHED, State.PAUSED)


@dataclass(frozen=True)
class Place:
    """Which project, and how its pages are addressed."""

    project: ProjectId
    key: str
    display_url: str

    @property
    def query(self) -> Mapping[str, object]:
        """As parameters of an address."""
        return {"projectId": self.project, "projectKey": self.key}

    def url(self, section: str, more: Mapping[str, object] | None = None) -> str:
        """Where a section of this project's page is."""
        return shell.fragment_url("project", {**self.query, "section": section, **(more or {})})

    def list_of(self, wanted: ListFilter) -> str:
        """Where exactly these clocks are listed."""
        return self.url("table", wanted.query)


def page() -> Response:
    """`GET /connect/project?projectId=&projectKey=`."""
    place = _place()
    return shell.page(_(TITLE, project=place.key), lambda: _board(place), url=place.url("board"))


def fragment() -> Response:
    """`GET /fragments/project?projectId=&projectKey=&section=`, and what `tables` and `filters` take."""
    place, section = _place(), shell.section_of(SECTIONS)
    if section == "table":
        asked = of_request()
        return shell.fragment(lambda: _table(place, asked), url=place.url("table", asked.query))
    make: Callable[[Place], str] = {"board": _board, "heat": _heat, "burn-down": _burn_down}[section]
    return shell.fragment(lambda: make(place), url=place.url(section))


def _place() -> Place:
    project, key = parameters.required_project_id(), parameters.project_key()
    return Place(project, key, shell.site_url())


def _board(place: Place) -> str:
    sight, figures = services().overviews.of(caller(), project=place.project, now=now())
    wanted = {state.value: ListFilter(state=state) for state in _BOARD} | {DONE: _done()}
    numbers = {state.value: figures.count(state) for state in _BOARD} | {DONE: figures.count(State.MET)}
    # To find nothing takes longest: what is known to be empty is not looked for.
    filled = {name: each.clocks(sight.projects, now=now()) for name, each in wanted.items() if numbers[name]}
    cards = services().lists.board(caller(), filled, each=CARDS, now=now())
    columns = tuple(
        Column.of(
            name,
            number=numbers[name],
            url=place.list_of(each),
            cards=tuple(lists.row_of(card, display_url=place.display_url) for card in cards.get(name, ())),
        )
        for name, each in wanted.items()
    )
    return _rendered("project_board.html", place, sight, figures=figures, section="board", columns=columns)


def _heat(place: Place) -> str:
    sight, figures = services().overviews.of(caller(), project=place.project, now=now())
    today = now().astimezone(UTC).date()
    urls = {day: place.list_of(ListFilter(state=filters.OPEN, due=day)) for day in charts.heat_days(today)}
    return _rendered(
        "project_heat.html",
        place,
        sight,
        figures=figures,
        section="heat",
        weeks=charts.heat_weeks(dict(figures.days), today=today, urls=urls),
        overdue=figures.count(State.BREACHED),
        overdue_url=place.list_of(ListFilter(state=State.BREACHED)),
    )


def _burn_down(place: Place) -> str:
    sight, figures = services().overviews.of(caller(), project=place.project, now=now())
    chart = charts.burn_down(figures.open_by_week(), now=now())
    return _rendered("project_burn_down.html", place, sight, figures=figures, section="burn-down", chart=chart)


def _table(place: Place, asked: Asked) -> str:
    sight, figures = services().overviews.of(caller(), project=place.project, now=now())
    asked = replace(asked, wanted=_full_key(asked.wanted, place))
    table = tables.table_of(
        asked, sight, path="project", around={**place.query, "section": "table"}, display_url=place.display_url
    )
    return _rendered("project_table.html", place, sight, figures=figures, section="table", table=table)


def _full_key(wanted: ListFilter, place: Place) -> ListFilter:
    """Who types a number means the issue of this project that has it."""
    key = wanted.key
    return replace(wanted, key=f"{place.key}-{key}") if key is not None and key.isdecimal() else wanted


def _done() -> ListFilter:
    return ListFilter(state=State.MET, ended_since=ended_since(now()).date())


def _tiles(place: Place, figures: Figures) -> tuple[Tile, ...]:
    met, late = figures.count(State.MET), figures.count(State.MET_LATE)
    on_time = f"{met * 100 // (met + late)} %" if met + late else "–"
    age = None if figures.oldest is None else (now() - figures.oldest[1]).days
    oldest = ListFilter(state=filters.OPEN, key=None if figures.oldest is None else figures.oldest[0])
    return (
        Tile("open", mark("Open"), str(figures.open), place.list_of(ListFilter(state=filters.OPEN))),
        Tile(
            "at-risk",
            mark("At risk"),
            str(figures.count(State.AT_RISK)),
            place.list_of(ListFilter(state=State.AT_RISK)),
        ),
        Tile(
            "overdue",
            mark("Overdue"),
            str(figures.count(State.BREACHED)),
            place.list_of(ListFilter(state=State.BREACHED)),
        ),
        Tile(
            "met",
            mark("Met on time"),
            str(met),
            place.list_of(_done()),
            note=_("%(share)s of %(number)s in 90 days", share=on_time, number=met + late),
        ),
        Tile(
            "oldest",
            mark("Oldest open"),
            "–" if age is None else _("%(days)s d", days=age),
            place.list_of(oldest),
            note="" if figures.oldest is None else figures.oldest[0],
        ),
    )


def _rendered(template: str, place: Place, sight: Sight, *, figures: Figures, section: str, **content: object) -> str:
    links = shell.sections("project", SECTIONS, current=section, query=place.query)
    table = content.get("table")
    url, told = place.url(section), _("%(number)s overdue", number=figures.count(State.BREACHED))
    if isinstance(table, tables.Table):
        url, told = table.url, table.wanted.words
    announcement = f"{_(SECTIONS[section])}. {told}"
    return render_template(
        template if place.project in sight.projects else "project_denied.html",
        page=shell.frame(_(TITLE, project=place.key), PURPOSE, url=url, links=links, announcement=announcement),
        tiles=_tiles(place, figures),
        sight=sight,
        is_partial=figures.is_partial,
        has_clocks=bool(figures.states),
        **content,
    )
