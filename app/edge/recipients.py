"""Who is told of deadlines, for the administrators of a site; and the link by which somebody ends it for themselves."""

from uuid import UUID, uuid4

from flask import Response, jsonify, render_template

from app.domain.access.roles import Permission
from app.domain.notices.entry import document_of, recipient_of
from app.domain.notices.model import RecipientId
from app.edge.bodies import read_object
from app.edge.caller import caller, now, services
from app.edge.parameters import Malformed
from app.edge.shields import LIFECYCLE_BODY_BYTES, allow_form, read_body


def list_all() -> Response:
    """`GET /api/v1/recipients`."""
    _require_administrator()
    return jsonify({"recipients": [document_of(each) for each in services().recipients.list_all(caller().tenant)]})


def add() -> tuple[Response, int]:
    """`POST /api/v1/recipients`: the fields of `recipient_of`; the address is never shown again."""
    _require_administrator()
    fields = read_object(read_body(LIFECYCLE_BODY_BYTES))
    recipient, address = recipient_of(fields, recipient=RecipientId(uuid4()), added_at=now())
    services().recipients.add(caller().tenant, recipient, address=address, actor="administrator", by=caller().account)
    return jsonify(document_of(recipient)), 201


def remove(recipient: str) -> tuple[str, int]:
    """`DELETE /api/v1/recipients/{id}`."""
    _require_administrator()
    try:
        known = RecipientId(UUID(recipient))
    except ValueError as fault:
        raise Malformed from fault
    services().recipients.remove(caller().tenant, known, actor="administrator", now=now(), by=caller().account)
    return "", 204


def unsubscribe_page(token: str) -> str:
    """`GET /unsubscribe/{token}`: says what the button does, and does nothing: programs open every link in a mail."""
    allow_form()
    return render_template("unsubscribe.html", is_done=False)


def unsubscribe(token: str) -> str:
    """`POST /unsubscribe/{token}`: RFC 8058, and the button. A link that nobody knows gets the same answer."""
    services().recipients.unsubscribe(token)
    return render_template("unsubscribe.html", is_done=True)


def _require_administrator() -> None:
    services().roles.require(Permission.MANAGE_RECIPIENTS, caller(), now=now())
