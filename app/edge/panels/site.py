"""The site page: what is promised here, and how it stands in the projects that the reader may browse."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from flask import Response, render_template

from app.domain.clocks.model import State
from app.domain.promises.coverage import Backing, Covered
from app.domain.tracking.figures import Figures, Sight
from app.domain.tracking.listing import ListedClock
from app.edge.caller import caller, now, services
from app.edge.panels import lists, shell, tables
from app.edge.panels.asked import Asked, of_request
from app.edge.panels.filters import ListFilter
from app.edge.panels.history import without_ids
from app.edge.panels.issue_facts import explanations
from app.edge.panels.sayings import said
from app.edge.panels.site_models import Breach, PromiseRow
from app.edge.panels.view_models import why_step
from app.edge.translation import gettext as _
from app.edge.translation import mark

TITLE = mark("Security deadlines")
PURPOSE = mark("What is promised on this site, and how it stands in the projects that you may browse.")
SECTIONS = {
    "promises": mark("Promises"),
    "clocks": mark("Clocks"),
    "upcoming": mark("Next 30 days"),
    "breaches": mark("Recent breaches"),
}
RECENT = timedelta(days=30)
BREACHES = 10
"""Of what is overdue, and of what was met too late."""
_BACKED = {Backing.CLOCK: "runs", Backing.CONTROL: "checked", Backing.STATEMENT: "published", Backing.NOTHING: "open"}


def page() -> Response:
    """`GET /connect/site`."""
    return shell.page(TITLE, _promises, url=_url("promises"))


def fragment() -> Response:
    """`GET /fragments/site?section=`, and what `tables` and `filters` take."""
    section = shell.section_of(SECTIONS)
    if section in ("clocks", "upcoming"):
        asked = of_request()
        if section == "upcoming":
            asked = replace(asked, wanted=ListFilter(within=RECENT.days))
        return shell.fragment(lambda: _clocks(section, asked), url=_url(section))
    make: Callable[[], str] = {"promises": _promises, "breaches": _breaches}[section]
    return shell.fragment(make, url=_url(section))


def _url(section: str) -> str:
    return shell.fragment_url("site", {"section": section})


def _promises() -> str:
    board = services().promises.of(caller().tenant)
    sight, figures = services().overviews.of(caller(), project=None, now=now())
    rows = tuple(_row(each, figures) for each in board.promises)
    backed = sum(row.state != "open" for row in rows)
    return _rendered(
        "site_promises.html",
        sight,
        section="promises",
        is_partial=figures.is_partial,
        policy=board.policy,
        rows=rows,
        backed=backed,
    )


def _clocks(section: str, asked: Asked) -> str:
    sight = _sight()
    site = shell.site_url()
    table = tables.table_of(asked, sight, path="site", around={"section": section}, display_url=site)
    return _rendered("site_clocks.html", sight, section=section, table=table)


def _breaches() -> str:
    sight = _sight()
    any_of = ListFilter().clocks(sight.projects, now=now())
    wanted = {
        "overdue": replace(any_of, state=State.BREACHED, due_after=now() - RECENT),
        "late": replace(any_of, state=State.MET_LATE, ended_since=now() - RECENT),
    }
    found = services().lists.board(caller(), wanted, each=BREACHES, now=now())
    site = shell.site_url()
    breaches = {name: tuple(_breach(each, site) for each in clocks) for name, clocks in found.items()}
    return _rendered(
        "site_breaches.html", sight, section="breaches", overdue=breaches["overdue"], late=breaches["late"]
    )


def _breach(listed: ListedClock, site: str) -> Breach:
    """With its reasons; the list has found it for this person."""
    clock = listed.clock
    view = services().views.view(caller().tenant, clock.issue, now=now())
    why = next(
        (
            each.why
            for each in view.clocks
            if (each.rule.promise, each.bounds.cycle) == (clock.promise, clock.bounds.cycle)
        ),
        (),
    )
    events = () if view.record is None else view.record.events
    told = partial(without_ids, facts=events, reader=caller().account)
    return Breach(
        explanation=told(explanations(events).get(clock.bounds.cycle)),
        row=lists.row_of(listed, display_url=site),
        why=tuple(why_step(step, name=told) for step in why if step.at != now()),
    )


def _sight() -> Sight:
    """What the reader may see of the whole site."""
    return services().overviews.sights.of(caller(), project=None, now=now())


def _rendered(template: str, sight: Sight, *, section: str, is_partial: bool = False, **content: object) -> str:
    table = content.get("table")
    url, announcement = _url(section), _(SECTIONS[section])
    if isinstance(table, tables.Table):
        url, announcement = table.url, f"{announcement}. {table.wanted.words}"
    links = shell.sections("site", SECTIONS, current=section)
    page = shell.frame(TITLE, PURPOSE, url=url, links=links, announcement=announcement)
    return render_template(template, page=page, sight=sight, is_partial=is_partial, **content)


def _row(covered: Covered, figures: Figures) -> PromiseRow:
    promise = covered.promise
    counts = figures.by_promise().get(promise.id, {})
    return PromiseRow(
        id=promise.id,
        text=promise.text,
        clause=promise.clause,
        policy=promise.policy,
        deadline=promise.deadline,
        state=_BACKED[covered.backing],
        by=said(covered.by),
        counts=tuple((state, counts[state]) for state in State if counts.get(state)),
    )
