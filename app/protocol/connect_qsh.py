"""Atlassian Connect's canonical request and its hash, the `qsh` claim: what binds a token to one request.

Source: https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/#qsh and, where
that page is silent, the order and the single trailing slash of atlassian-connect-spring-boot, because Jira
signs with Java. The body of a request is never covered.
"""

from __future__ import annotations

import re
from hashlib import sha256
from urllib.parse import parse_qsl, quote

from app.protocol.refusals import TargetMalformed

CONTEXT_QSH = "context-qsh"
"""What `qsh` says in a token that the host page gives to our own pages; such a token names no request."""

_METHOD = re.compile(r"[A-Za-z]{1,20}")
# Absolute form of RFC 9112, as sent to a proxy. Only http and https, and only at the very start of what was
# sent: a path such as `/x://other.example/path` begins with a slash, is a path, and must not hash like
# `/path`.
_SCHEME_AND_HOST = re.compile(r"\Ahttps?://[^/?#]*", re.IGNORECASE)


def query_hash(method: str, raw_target: str, *, base_path: str = "") -> str:
    """SHA-256 of the canonical request in 64 lower-case hex digits; arguments and errors are the same."""
    return sha256(canonical_request(method, raw_target, base_path=base_path).encode()).hexdigest()


def canonical_request(method: str, raw_target: str, *, base_path: str = "") -> str:
    """`METHOD&PATH&QUERY` of a request.

    `raw_target` is the request target as sent on the wire: a decoded path gives another, forgeable, hash.
    `base_path` is the path of the base URL that the signer's paths are relative to ("" or "/" for none); it
    is cut only where it is a whole-segment prefix, so the caller must serve signed routes below it and
    nowhere else.

    Two requests have the same canonical form exactly when these are equal: the method in upper case, the path
    after the rules of `_canonical_path`, and the multiset of decoded parameters other than `jwt`.

    Raises `TargetMalformed` where the method is not a word of letters or the target is not Unicode text.
    """
    if not _METHOD.fullmatch(method):
        raise TargetMalformed("method")
    if not _is_encodable(raw_target):
        raise TargetMalformed("target")
    path, query = _path_and_query(raw_target)
    return f"{method.upper()}&{_canonical_path(path, base_path.rstrip('/'))}&{_canonical_query(query)}"


def values_of(name: str, raw_target: str) -> tuple[str, ...]:
    """The values of a parameter, read exactly as they are hashed: another reading could be of what nobody signed."""
    return tuple(value for each, value in _parameters(_path_and_query(raw_target)[1]) if each == name)


def _path_and_query(raw_target: str) -> tuple[str, str]:
    path, _, query = _SCHEME_AND_HOST.sub("", raw_target).partition("#")[0].partition("?")
    return path, query


def _parameters(query: str) -> list[tuple[str, str]]:
    """Decoded by the rules of forms."""
    return parse_qsl(query, keep_blank_values=True, encoding="utf-8", errors="replace", separator="&")


def _canonical_path(path: str, base_path: str) -> str:
    """The path as sent, but: base path cut, one trailing slash cut, `&` as `%26`, a slash at the start.

    Nothing is decoded, folded or re-encoded: the server would then route one path while the hash covers
    another.
    """
    if base_path and (path == base_path or path.startswith(base_path + "/")):
        path = path[len(base_path) :]
    path = path.removesuffix("/").replace("&", "%26")
    return path if path.startswith("/") else "/" + path


def _canonical_query(query: str) -> str:
    """The parameters without `jwt`, encoded by RFC 3986, sorted by encoded name."""
    values_by_name: dict[str, list[str]] = {}
    for name, value in _parameters(query):
        values_by_name.setdefault(name, []).append(value)
    values_by_name.pop("jwt", None)
    encoded = sorted((quote(name, safe=""), values) for name, values in values_by_name.items())
    return "&".join(f"{name}={_canonical_values(values)}" for name, values in encoded)


def _canonical_values(values: list[str]) -> str:
    """Java sorts by UTF-16 code unit, which differs from Python's order beyond U+FFFF."""
    return ",".join(quote(value, safe="") for value in sorted(values, key=lambda value: value.encode("utf-16-be")))


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
