"""What Forge tells us: events, lifecycle, the hourly trigger. Stored and queued, then answered; workers do the rest."""

import re
from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify

from app.domain.identifiers import IssueId
from app.domain.tracking.operations import IssueHint
from app.edge.bodies import BodyMalformed, read_object
from app.edge.caller import caller, config, forge_invocation, now, services
from app.edge.shields import WEBHOOK_BODY_BYTES, read_body

_ISSUE_EVENT = re.compile(r"avi:jira:(created|updated|deleted):issue")
_ID = re.compile(r"[1-9][0-9]{0,17}")


def lifecycle() -> Response:
    """`installed` and `upgraded` have done their work at the gate; the call before removal ends access."""
    modules = config().forge_modules
    if modules is not None and forge_invocation().module_key in modules.removal:
        services().forge.removed(caller(), forge_invocation(), now=now())
    return jsonify({})


def events() -> Response:
    """An issue was created, changed or deleted."""
    body = read_object(read_body(WEBHOOK_BODY_BYTES))
    kind, issue = _text(body.get("eventType")), _object(body.get("issue"))
    if not _ISSUE_EVENT.fullmatch(kind):
        # An event of a later version of the manifest: nothing to do, and nothing that a retry would change.
        return jsonify({})
    number = _text(issue.get("id"))
    if not _ID.fullmatch(number):
        raise BodyMalformed(BodyMalformed.__doc__)
    services().following.accept_webhook(
        caller(),
        deliveries=_names(body, issue),
        issue=IssueId(int(number)),
        hint=_hint(_object(issue.get("fields"))),
        now=now(),
    )
    return jsonify({})


def cron() -> Response:
    """The hourly call: a sign of life and a fresh system token, both taken at the gate."""
    return jsonify({})


def _names(body: dict[str, Any], issue: Mapping[str, Any]) -> tuple[str, ...]:
    """The same event may come again under another token id: it is also named after what it is about."""
    token = f"forge:{forge_invocation().token_id}"
    change = _object(body.get("changelog")).get("id") or _object(issue.get("fields")).get("updated")
    if not isinstance(change, str):
        return (token,)
    return (token, f"forge:{body['eventType']}:{issue['id']}:{change}"[:255])


def _hint(fields: dict[str, Any]) -> IssueHint | None:
    kind, labels = _object(fields.get("issuetype")).get("name"), fields.get("labels")
    if not isinstance(kind, str) or not isinstance(labels, list):
        return None
    return IssueHint(issue_type=kind, labels=tuple(str(label) for label in labels))


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
