"""A person's calendar feed: made and ended by them, read by whatever program they gave its address to."""

from flask import Response, jsonify

from app.edge.caller import caller, now, services


def make() -> tuple[Response, int]:
    """`POST /api/v1/calendar`: a new feed; its address is told here and never again, and the former one ends."""
    return jsonify({"url": services().calendars.make(caller(), now=now())}), 201


def revoke() -> tuple[str, int]:
    """`DELETE /api/v1/calendar`."""
    services().calendars.revoke(caller())
    return "", 204


def read(token: str) -> Response:
    """`GET /calendar/{token}.ics`."""
    return Response(services().calendars.read(token, now=now()), mimetype="text/calendar")
