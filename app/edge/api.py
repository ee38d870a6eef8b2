"""JSON for our own pages and for whoever holds a context token."""

from typing import Any

from flask import Response, jsonify

from app.domain.access.roles import ROLES, Permission
from app.domain.clocks.model import instant_text
from app.domain.identifiers import AccountId, IssueId
from app.domain.tracking.model import SeverityReading
from app.domain.tracking.queries import ClockReading, IssueClocks
from app.edge import parameters
from app.edge.caller import caller, now, services
from app.edge.problems import NotFound


def issue_clocks(id_or_key: str) -> Response:
    """`GET /api/v1/issues/{idOrKey}/clocks`."""
    wanted = parameters.issue_id_or_key(id_or_key)
    who = caller()
    view = services().views.view(who.tenant, wanted, now=now())
    if view.record is None and isinstance(wanted, str):
        # Jira answers questions about ids only, so an unread key cannot be confirmed for anyone.
        raise NotFound
    issue = IssueId(int(wanted)) if view.record is None else view.record.issue
    question = (who.tenant, AccountId(who.account or ""), issue)
    services().access.require(Permission.VIEW_ISSUE_CLOCKS, question, now=now(), person_token=who.person_token)
    if view.record is None:
        services().following.ask_first_read(who.tenant, issue, now=now())
    return jsonify(_document(view, issue))


def own_roles() -> Response:
    """`GET /api/v1/me?projectId=`: what the caller is on this site and on that project, and may therefore do."""
    roles = services().roles.of(caller(), project=parameters.project_id(), now=now())
    granted = {permission for role in roles for permission in ROLES[role]}
    return jsonify({"roles": sorted(roles), "permissions": sorted(granted)})


def settings() -> Response:
    """`GET /api/v1/settings`: how this site is served, for its administrators."""
    services().roles.require(Permission.VIEW_SETTINGS, caller(), now=now())
    site = services().database.view_tenant(caller().tenant)
    return jsonify({"policy": str(site.policy), "region": site.region, "site": site.display_url})


def _document(view: IssueClocks, issue: IssueId) -> dict[str, Any]:
    record = view.record
    return {
        "issue": {"id": str(issue), "key": None if record is None else record.key},
        "tracking": view.tracking.value,
        "severity": None if record is None else _severity(record.severity),
        "missing": [] if record is None else list(record.missing),
        "policy": {"name": view.policy.name, "version": view.policy.version, "sha256": view.policy.sha256},
        "clocks": [_clock(clock) for clock in view.clocks],
        "hidden_since": None if record is None or record.hidden_since is None else instant_text(record.hidden_since),
        "as_of": None if record is None else instant_text(record.read_at),
    }


def _severity(severity: SeverityReading | None) -> dict[str, Any] | None:
    if severity is None:
        return None
    return {
        "level": severity.level.value,
        "cvss": None if severity.score is None else float(severity.score),
        "vector": severity.vector,
        "source": severity.source,
    }


def _clock(clock: ClockReading) -> dict[str, Any]:
    bounds = clock.bounds
    return {
        "promise": clock.rule.promise,
        "cycle": bounds.cycle,
        "state": clock.state.value,
        "started_at": None if bounds.started_at is None else instant_text(bounds.started_at),
        "due_at": None if bounds.due_at is None else instant_text(bounds.due_at),
        "due_date": None if bounds.due_date is None else bounds.due_date.isoformat(),
        "due_before": None if bounds.due_before is None else instant_text(bounds.due_before),
        "stopped_at": None if bounds.stopped_at is None else instant_text(bounds.stopped_at),
        "remaining_seconds": clock.remaining_seconds,
        "paused_seconds": bounds.paused_seconds,
        "overrun_at": None if bounds.overrun_at is None else instant_text(bounds.overrun_at),
        "cancelled": None
        if bounds.cancelled_reason is None
        else {"reason": bounds.cancelled_reason, "actor": bounds.cancelled_by},
        "why": [step.to_json() for step in clock.why],
    }
