"""What Jira tells us of our installation. Idempotent, and done in one transaction before the answer."""

from flask import Response

from app.edge.bodies import install_body
from app.edge.caller import caller, install_claims, now, services
from app.edge.shields import LIFECYCLE_BODY_BYTES, read_body


def installed() -> Response:
    """A site installs, upgrades, is renamed, rotates its secret or was imported."""
    body = install_body(read_body(LIFECYCLE_BODY_BYTES))
    services().lifecycle.installed(body, install_claims(), now=now())
    return Response(status=204)


def uninstalled() -> Response:
    """A site removes the app: its tokens are refused from here on."""
    body = install_body(read_body(LIFECYCLE_BODY_BYTES))
    services().lifecycle.uninstalled(body, install_claims(), now=now())
    return Response(status=204)


def enabled() -> Response:
    """A hint; nothing is decided by it."""
    services().lifecycle.hinted(caller(), enabled=True)
    return Response(status=204)


def disabled() -> Response:
    """A hint; nothing is decided by it."""
    services().lifecycle.hinted(caller(), enabled=False)
    return Response(status=204)
