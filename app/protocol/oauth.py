"""OAuth 2.0 authorization code flow with PKCE, seen from the client: what is asked, and what comes back in a browser.

Sources: RFC 6749 §4.1, RFC 7636 (S256 only), RFC 9207 (issuer), and for Atlassian's parameters
https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

_LONGEST_QUERY = 8192
_MOST_FIELDS = 20
_STATE = re.compile(r"[A-Za-z0-9_-]{43}")
_CODE = re.compile(r"[\x21-\x7e]{1,4096}")
_ERRORS = frozenset(
    {
        "access_denied",
        "invalid_request",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
    }
)
"""RFC 6749 §4.1.2.1; whatever else comes is `other_error`: its text is anybody's."""


@dataclass(frozen=True)
class Callback:
    """What a browser brought back. Nothing of it is believed before its `state` is found to be ours."""

    state: str = field(repr=False)
    code: str | None = field(repr=False)
    """None = `error` says why there is none."""
    error: str | None
    issuer: str | None


def challenge_of(verifier: str) -> str:
    """`code_challenge` of a verifier, method S256."""
    return str(create_s256_code_challenge(verifier))


def authorization_url(
    endpoint: str, *, client_id: str, redirect_uri: str, scopes: frozenset[str], state: str, challenge: str
) -> str:
    """Where the vendor's browser has to go, in a top-level window."""
    pkce = {"code_challenge": challenge, "code_challenge_method": "S256"}
    asked = prepare_grant_uri(
        endpoint,
        client_id=client_id,
        response_type="code",
        redirect_uri=redirect_uri,
        scope=sorted(scopes),
        state=state,
        audience="api.atlassian.com",
        prompt="consent",
        **pkce,
    )
    return str(asked)


def read_callback(query: str) -> Callback | None:
    """What the query of a redirect says; None where it has not the documented form.

    A parameter that comes twice is refused: two readers could each believe another one. Unknown ones are ignored.
    """
    fields = _fields(query)
    state, code, error = fields.get("state", ""), fields.get("code"), fields.get("error")
    if not _STATE.fullmatch(state) or (code is None) is (error is None):
        return None
    if code is not None and not _CODE.fullmatch(code):
        return None
    known = None if error is None else error if error in _ERRORS else "other_error"
    return Callback(state, code, known, fields.get("iss"))


def query_of(redirected: str, *, redirect_uri: str) -> str | None:
    """The query of a redirected URL that somebody pasted; None where it does not lead to `redirect_uri`."""
    try:
        found, expected = urlsplit(redirected.strip()), urlsplit(redirect_uri)
    except ValueError:
        return None
    if (found.scheme, found.netloc, found.path) != (expected.scheme, expected.netloc, expected.path):
        return None
    return found.query


def _fields(query: str) -> Mapping[str, str]:
    """Empty where the query is malformed, too long, or says something twice."""
    if len(query) > _LONGEST_QUERY or not query.isascii():
        return {}
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return {}
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else {}
