"""The site page: what is promised here, and how it stands in the projects that the reader may browse."""

from flask import Response, render_template

from app.domain.promises.coverage import Backing, Covered
from app.edge.caller import caller, services
from app.edge.panels import shell
from app.edge.panels.site_models import PromiseRow

TITLE = "Security deadlines"
PURPOSE = "What is promised on this site, and how it stands."
SECTIONS = {"promises": "Promises"}
_BACKED = {Backing.CLOCK: "runs", Backing.CONTROL: "checked", Backing.STATEMENT: "published", Backing.NOTHING: "open"}


def page() -> Response:
    """`GET /connect/site`."""
    return shell.page(TITLE, _promises, url=shell.fragment_url("site"))


def fragment() -> Response:
    """`GET /fragments/site?section=`."""
    section = shell.section_of(SECTIONS)
    return shell.fragment(_promises, url=shell.fragment_url("site", {"section": section}))


def _promises() -> str:
    board = services().promises.of(caller().tenant)
    rows = tuple(map(_row, board.promises))
    return render_template(
        "site_promises.html",
        page=_frame("promises"),
        policy=board.policy,
        rows=rows,
        backed=sum(row.state != "open" for row in rows),
    )


def _frame(section: str) -> shell.Frame:
    url = shell.fragment_url("site", {"section": section})
    return shell.frame(TITLE, PURPOSE, url=url, links=shell.sections("site", SECTIONS, current=section))


def _row(covered: Covered) -> PromiseRow:
    promise = covered.promise
    return PromiseRow(
        id=promise.id,
        text=promise.text,
        clause=promise.clause,
        policy=promise.policy,
        deadline=promise.deadline,
        state=_BACKED[covered.backing],
        by=covered.by,
    )
