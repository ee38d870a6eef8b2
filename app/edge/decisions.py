"""The facts about the clocks of an issue: listed for whoever sees them, added to by those who may decide."""

from typing import Any

from flask import Response, jsonify

from app.domain.access.roles import Permission
from app.domain.clocks import wording
from app.domain.clocks.model import Bounds, Event, instant_text
from app.domain.identifiers import AccountId, IssueId, ProjectId
from app.domain.sentences import Sentence
from app.domain.tracking.decision import Author, DecisionRefused, Via, read_decision
from app.domain.tracking.model import IssueRecord
from app.domain.tracking.recording import Recorded
from app.edge import parameters
from app.edge.bodies import read_object
from app.edge.caller import caller, now, services
from app.edge.problems import NotFound
from app.edge.shields import DECISION_BODY_BYTES, read_body


def events(id_or_key: str) -> Response:
    """`GET /api/v1/issues/{idOrKey}/events`: every fact, the oldest first; seen by those who see the clocks."""
    issue, record = _in_sight(id_or_key)
    facts = () if record is None else sorted(record.events, key=Event.order)
    key = None if record is None else record.key
    return jsonify({"issue": {"id": str(issue), "key": key}, "events": [event_json(fact) for fact in facts]})


def record(id_or_key: str) -> tuple[Response, int]:
    """`POST /api/v1/issues/{idOrKey}/events`: 201 with the new facts; 200 without any where it is known already."""
    issue, known = _in_sight(id_or_key)
    who = caller()
    if known is None:
        raise DecisionRefused(Sentence("the issue has not been read yet; it is read now"))
    services().roles.require(Permission.RECORD_DECISION, who, project=ProjectId(known.project), now=now())
    decision = read_decision(read_object(read_body(DECISION_BODY_BYTES)))
    author = Author(Via.FORM, who.account or "", "person")
    recorded = services().recording.record(who.tenant, issue, decision, author=author, now=now())
    return jsonify(_outcome(recorded)), 201 if recorded.events else 200


def _in_sight(id_or_key: str) -> tuple[IssueId, IssueRecord | None]:
    """The issue, if this person may see its clocks; one that was never read is asked for."""
    wanted, who = parameters.issue_id_or_key(id_or_key), caller()
    _, found = services().database.view_issue(who.tenant, wanted)
    if found is None and isinstance(wanted, str):
        # Jira answers questions about ids only, so an unread key cannot be confirmed for anyone.
        raise NotFound
    issue = IssueId(int(wanted)) if found is None else found.issue
    question = (who.tenant, AccountId(who.account or ""), issue)
    services().access.require(Permission.VIEW_ISSUE_CLOCKS, question, now=now(), person_token=who.person_token)
    if found is None:
        services().following.ask_first_read(who.tenant, issue, now=now())
    return issue, found


def event_json(event: Event) -> dict[str, Any]:
    """A fact as it is shown; what it does not say is left out."""
    told: dict[str, Any] = {
        "kind": event.kind.value,
        "at": instant_text(event.at),
        "source": event.source,
        "actor": event.actor,
        "severity": event.severity,
        "reason": event.reason,
        "clause": event.clause,
        "channel": event.channel,
        "until": None if event.until is None else event.until.isoformat(),
        "until_at": None if event.until_at is None else instant_text(event.until_at),
        "added_seconds": None if event.added is None else int(event.added.total_seconds()),
        "role": event.role,
        "evidence": event.evidence,
        "ticket": event.ticket,
    }
    return {name: value for name, value in told.items() if value is not None}


def _outcome(recorded: Recorded) -> dict[str, Any]:
    return {
        "issue": {"id": str(recorded.issue), "key": recorded.key},
        "recorded": [event_json(event) for event in recorded.events],
        "clocks": [
            {"promise": each.promise, "before": _bound(each.before), "after": _bound(each.after)}
            for each in recorded.moved
        ],
    }


def _bound(bounds: Bounds | None) -> dict[str, Any] | None:
    return None if bounds is None else {"cycle": bounds.cycle, "bound": wording.bound_text(bounds)}
