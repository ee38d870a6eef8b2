"""Webhooks: verified, stored and queued in one transaction, then acknowledged; workers do the rest."""

import hashlib

from flask import Response, request

from app.domain.identifiers import IssueId
from app.edge import parameters
from app.edge.bodies import issue_hint
from app.edge.caller import caller, now, services
from app.edge.gates import raw_target
from app.edge.shields import WEBHOOK_BODY_BYTES, read_body


def issue_changed() -> Response:
    """The issue is the one that the signed query names; the body is covered by no signature and only a hint."""
    issue = parameters.issue_id()
    raw = read_body(WEBHOOK_BODY_BYTES) if request.content_length else b""
    services().following.accept_webhook(
        caller(),
        deliveries=(parameters.delivery() or _name_of(issue),),
        issue=issue,
        hint=issue_hint(raw),
        now=now(),
    )
    return Response(status=204)


def _name_of(issue: IssueId) -> str:
    """A webhook without an identifier is named after its token: a repetition of it is the same webhook."""
    signed = f"{raw_target()} {request.headers.get('Authorization', '')}"
    return f"unnamed-{issue}-{hashlib.sha256(signed.encode()).hexdigest()}"
