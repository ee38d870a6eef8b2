"""What a reader asks of a list: filters, columns and the page, in the address."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import request

from app.domain.tracking.derived import Position
from app.edge import cursors
from app.edge.panels import filters
from app.edge.panels.filters import ListFilter
from app.edge.parameters import Malformed
from app.edge.translation import mark

COLUMNS = {
    "severity": mark("Severity"),
    "score": mark("CVSS"),
    "state": mark("State"),
    "due": mark("Due"),
    "promise": mark("Promise"),
    "started": mark("Started"),
    "paused": mark("Paused"),
    "clause": mark("Clause"),
    "ticket": mark("AMS ticket"),
    "version": mark("Fix version"),
}
DEFAULT = ("severity", "state", "due", "promise", "started", "paused")
"""What is shown to whoever has picked nothing."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a reader wants to see."""

    wanted: ListFilter
    columns: tuple[str, ...]
    position: Position

    @property
    def query(self) -> Mapping[str, object]:
        """As parameters of an address, but for the page."""
        picked = None if self.columns == DEFAULT else ",".join(self.columns)
        return {**self.wanted.query, "columns": picked}


def of_request() -> Asked:
    """What the query asks for; raises `Malformed`."""
    return Asked(wanted=filters.of_request(), columns=_columns(), position=cursors.position())


def _columns() -> tuple[str, ...]:
    """`columns` of the query, as a form sends it or joined by commas; the usual ones where it names none."""
    said = [name for part in request.args.getlist("columns") for name in part.split(",") if name]
    if not set(said) <= COLUMNS.keys():
        raise Malformed
    return tuple(name for name in COLUMNS if name in said) or DEFAULT
