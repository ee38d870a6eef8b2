"""`GET /api/v1/clocks` and its CSV: the clocks of issues that the caller may browse, page by page."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, request

from app.domain.clocks.model import instant_text
from app.domain.tracking.derived import ClockFilter
from app.domain.tracking.listing import ClockPage, ListedClock
from app.edge import cursors, parameters
from app.edge.caller import caller, now, services
from app.edge.spreadsheets import csv_of

VISIBLE = "browsable"
"""What is in a list: issues that Jira lets the caller browse, security levels included; of others nothing is told."""
_LIMIT, _LARGEST_LIMIT = 50, 100
COLUMNS = (
    "issue_id", "issue_key", "project_id", "promise", "cycle", "state", "severity", "started_at", "due_at", "due_date",
    "due_before", "stopped_at", "paused_seconds", "cancelled_reason", "cancelled_by", "cvss_score", "clause",
    "ams_ticket", "fix_versions",
)  # fmt: skip


def as_json() -> Response:
    """`GET /api/v1/clocks?state=&project=&due_before=&limit=&cursor=`."""
    page, rules = _page(), clauses()
    return jsonify(
        {
            "items": [item_of(each, rules) for each in page.clocks],
            "next_cursor": _cursor(page),
            "visible": VISIBLE,
            "as_of": instant_text(now()),
        }
    )


def as_csv() -> Response:
    """`GET /api/v1/clocks.csv`: the same page; `Link` (RFC 8288) leads to the next."""
    page, rules = _page(), clauses()
    response = Response(csv_of(COLUMNS, [row_of(each, rules) for each in page.clocks]), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="clocks.csv"'
    cursor = _cursor(page)
    if cursor is not None:
        query = urlencode(request.args.to_dict() | {"cursor": cursor})
        response.headers["Link"] = f'<?{query}>; rel="next"'
    return response


def _page() -> ClockPage:
    wanted = ClockFilter(state=parameters.state(), project=parameters.project(), due_before=parameters.due_before())
    limit = parameters.limit(otherwise=_LIMIT, largest=_LARGEST_LIMIT)
    return services().lists.page(caller(), wanted, position=cursors.position(), limit=limit, now=now())


def _cursor(page: ClockPage) -> str | None:
    return None if page.next is None else cursors.cursor_of(page.next)


def clauses() -> Mapping[str, str]:
    """The clause of each promise of the policy that the caller's site has now."""
    policy = services().database.view_tenant(caller().tenant).policy
    return {rule.promise: rule.clause for rule in services().views.in_force(policy).issue_clocks}


def item_of(listed: ListedClock, clauses: Mapping[str, str]) -> dict[str, Any]:
    """One clock as the API shows it."""
    clock, bounds = listed.clock, listed.clock.bounds
    return {
        "issue": {"id": str(clock.issue), "key": clock.key},
        "project": None if clock.project is None else str(clock.project),
        "promise": clock.promise,
        "cycle": bounds.cycle,
        "state": listed.state.value,
        "severity": bounds.severity,
        "started_at": _text(bounds.started_at),
        "due_at": _text(bounds.due_at),
        "due_date": _text(bounds.due_date),
        "due_before": _text(bounds.due_before),
        "stopped_at": _text(bounds.stopped_at),
        "cvss_score": None if clock.score is None else float(clock.score),
        "clause": clauses.get(clock.promise),
        "ams_ticket": clock.ticket,
        "fix_versions": [{"name": each.name, "released": each.is_released} for each in clock.fix_versions],
        "remaining_seconds": listed.remaining_seconds,
        "paused_seconds": bounds.paused_seconds,
        "cancelled": None
        if bounds.cancelled_reason is None
        else {"reason": bounds.cancelled_reason, "actor": bounds.cancelled_by},
    }


def row_of(listed: ListedClock, clauses: Mapping[str, str]) -> list[object]:
    """Without the time that is left, which is negative after a breach, and would not be a number any more."""
    clock, bounds = listed.clock, listed.clock.bounds
    dates = (bounds.started_at, bounds.due_at, bounds.due_date, bounds.due_before, bounds.stopped_at)
    return [
        clock.issue, clock.key, clock.project, clock.promise, bounds.cycle, listed.state.value, bounds.severity,
        *map(_text, dates), bounds.paused_seconds, bounds.cancelled_reason, bounds.cancelled_by,
        clock.score, clauses.get(clock.promise), clock.ticket, ", ".join(each.name for each in clock.fix_versions),
    ]  # fmt: skip


def _text(value: date | None) -> str | None:
    if value is None:
        return None
    return instant_text(value) if isinstance(value, datetime) else value.isoformat()
