"""Exactly what a list shows, as a file: CSV, JSON or iCalendar, in a link that both hosts let through.

A frame can neither follow a link to us, which would carry no token, nor through Forge receive a file. So the file is in
the link itself, and no address of it exists that somebody could hand on.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from flask import Response, render_template

from app.domain.clocks.model import State
from app.domain.identifiers import ProjectId
from app.domain.notices import icalendar
from app.domain.tracking.derived import ClockFilter, Position
from app.domain.tracking.listing import ListedClock
from app.edge import clock_list, parameters
from app.edge.caller import caller, config, now, services
from app.edge.panels import filters, shell, wording
from app.edge.panels.tables import FORMATS
from app.edge.parameters import Malformed
from app.edge.spreadsheets import csv_of

MOST = 500
"""Clocks in one file; whoever needs all of a long list has `GET /api/v1/clocks.csv`."""
_ENDED = frozenset({State.MET, State.MET_LATE, State.CANCELLED})


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file in a link. `is_cut`: the list is longer."""

    name: str
    href: str
    number: int
    is_cut: bool


def fragment() -> Response:
    """`GET /fragments/download?format=&projectId=`, and what `filters` takes; without a project of the whole site."""
    project, wanted, form = parameters.project_id(), filters.of_request(), parameters.single("format")
    if form not in FORMATS:
        raise Malformed
    return shell.fragment(lambda: _made(project, wanted, form), url=shell.fragment_url("site"))


def _made(project: ProjectId | None, wanted: filters.ListFilter, form: str) -> str:
    sight = services().overviews.sights.of(caller(), project=project, now=now())
    clocks, is_cut = _clocks(wanted.clocks(sight.projects, now=now()))
    kind, content = _WRITERS[form](clocks)
    href = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    file = Download(name=f"clocks.{form}", href=href, number=len(clocks), is_cut=is_cut)
    return render_template("download.html", file=file)


def _clocks(wanted: ClockFilter) -> tuple[Sequence[ListedClock], bool]:
    found: list[ListedClock] = []
    position: Position | None = Position()
    while position is not None and len(found) < MOST:
        page = services().lists.page(caller(), wanted, position=position, limit=100, now=now())
        found += page.clocks
        position = page.next
    return found, position is not None


def _csv(clocks: Sequence[ListedClock]) -> tuple[str, bytes]:
    clauses = clock_list.clauses()
    rows = [clock_list.row_of(each, clauses) for each in clocks]
    return "text/csv;charset=utf-8", csv_of(clock_list.COLUMNS, rows).encode()


def _json(clocks: Sequence[ListedClock]) -> tuple[str, bytes]:
    clauses = clock_list.clauses()
    items = [clock_list.item_of(each, clauses) for each in clocks]
    return "application/json", json.dumps({"items": items, "visible": clock_list.VISIBLE}).encode()


def _calendar(clocks: Sequence[ListedClock]) -> tuple[str, bytes]:
    site = shell.site_url()
    events = [event for each in clocks for event in _events(each, site)]
    host = urlsplit(config().base_url).hostname or ""
    return "text/calendar;charset=utf-8", icalendar.render(events, name="Security deadlines", host=host, now=now())


def _events(listed: ListedClock, site: str) -> Sequence[icalendar.Event]:
    """None of a clock that has ended, or that has no date."""
    clock, bounds = listed.clock, listed.clock.bounds
    due = bounds.due_at or bounds.due_date or bounds.due_before
    if due is None or listed.state in _ENDED:
        return ()
    url = f"{site}/browse/{clock.key}"
    uid = uuid5(NAMESPACE_URL, f"{url}#{clock.promise}/{bounds.cycle}")
    return (icalendar.Event(uid, f"{clock.key}: {wording.title_of(clock.promise)}", url, due),)


_WRITERS: Mapping[str, Callable[[Sequence[ListedClock]], tuple[str, bytes]]] = {
    "csv": _csv,
    "json": _json,
    "ics": _calendar,
}
