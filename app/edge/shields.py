"""Response headers on every answer, refusals included, and limits on what a request may weigh.

Sources: https://developer.atlassian.com/platform/marketplace/security-requirements/ and the Connect facts on CSP.
"""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from flask import Response, g, request

from app.edge.caller import config

LIFECYCLE_BODY_BYTES = 64 * 1024
SETTINGS_BODY_BYTES = 64 * 1024
WEBHOOK_BODY_BYTES = 4 * 1024 * 1024
"""A full issue with long texts is far below; a larger one is refused before it is read."""

DECISION_BODY_BYTES = 16 * 1024

STATIC_ENDPOINT = "public.static"
STATIC_FOLDER = Path(__file__).parent / "static"

_ALWAYS = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_NO_STORE = "no-store, no-cache"
_STATIC = "public, max-age=31536000, immutable"
_NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

_FORM = _NOTHING.replace("form-action 'none'", "form-action 'self'")


class BodyTooLarge(Exception):
    """The body is larger than this route takes."""


class WrongMediaType(Exception):
    """The body is not declared as application/json."""


def allow_frames(ancestors: Iterable[str]) -> None:
    """This answer is a page that these origins may frame: the verified tenant's own hosts, nobody else's."""
    g.frame_ancestors = tuple(ancestors)


def allow_form() -> None:
    """This answer is a page of ours with a form that is sent back to us; nobody may frame it."""
    g.has_form = True


def shield(response: Response) -> Response:
    """Put the headers on; a view cannot weaken them."""
    response.headers.update(_ALWAYS)
    response.headers["Cache-Control"] = _STATIC if request.endpoint == STATIC_ENDPOINT else _NO_STORE
    if response.status_code >= 400:
        response.headers["Cache-Control"] = _NO_STORE
    ancestors = g.get("frame_ancestors")
    alone = _FORM if g.get("has_form") else _NOTHING
    response.headers["Content-Security-Policy"] = _page_policy(ancestors) if ancestors else alone
    return response


def read_body(limit_bytes: int) -> bytes:
    """The request's JSON body as bytes; raises `WrongMediaType` or `BodyTooLarge`, the latter before reading it."""
    if request.mimetype != "application/json":
        raise WrongMediaType
    if request.content_length is None or request.content_length > limit_bytes:
        # Without a declared length a body could go on for ever; Atlassian declares it.
        raise BodyTooLarge
    return request.get_data(cache=False)


def _page_policy(ancestors: tuple[str, ...]) -> str:
    host = urlsplit(config().host_script_url)
    script = f"{host.scheme}://{host.netloc}"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {script}",
            f"style-src 'self' {script}",
            "img-src 'self' data:",
            "connect-src 'self'",
            f"frame-ancestors {' '.join(ancestors)}",
            "base-uri 'none'",
            "form-action 'self'",
        )
    )
