"""What anyone may see: the descriptor, whether we are well, whom to tell of a vulnerability, our own files."""

from datetime import timedelta

from flask import Response, request, send_from_directory

from app.edge.caller import config, now, services
from app.edge.problems import NotFound
from app.edge.shields import STATIC_FOLDER

DRAINING = "pledge.is_draining"
"""In the environment of a request: whether the server was told to stop, and waits until nobody sends it anything."""
_CONTACT_GOOD_FOR = timedelta(days=180)
"""RFC 9116 §2.5.5 advises less than a year; ours is renewed by each deployment, and refused when that stops."""


def connect_descriptor() -> Response:
    """The Connect descriptor."""
    return Response(config().descriptor, mimetype="application/json")


def alive() -> Response:
    """This process answers."""
    return Response("ok", mimetype="text/plain")


def ready() -> Response:
    """Requests can be served: the database is there and migrated, the keyring opens; and this server is to stay."""
    if not request.environ.get(DRAINING) and services().is_ready():
        return Response("ok", mimetype="text/plain")
    response = Response("unavailable", status=503, mimetype="text/plain")
    response.headers["Retry-After"] = "5"
    return response


def security_txt() -> Response:
    """RFC 9116; gone once it is older than its own expiry, because a stale contact is worse than none."""
    contact = config().security_contact
    expires = config().deployed_at + _CONTACT_GOOD_FOR
    if contact is None or now() >= expires:
        raise NotFound
    lines = (
        f"Contact: {contact}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        f"Canonical: {config().base_url}/.well-known/security.txt",
        "Preferred-Languages: en",
    )
    return Response("\n".join(lines) + "\n", mimetype="text/plain")


def static(name: str) -> Response:
    """A file of ours; its address carries the hash of its content."""
    return send_from_directory(STATIC_FOLDER, name)
