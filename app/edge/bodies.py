"""JSON bodies, read strictly: what two parsers could read differently is refused."""

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from app.domain.identifiers import ClientKey
from app.domain.installations.model import ConnectInstallBody
from app.domain.secrets import Secret
from app.domain.tracking.operations import IssueHint

_DEEPEST = 32
_MOST_VERSIONS = 2**31 - 1
_MOST_IDS = 1000
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,255}")
_SECRET = re.compile(r"[\x21-\x7e]{1,512}")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?", re.IGNORECASE)


class BodyMalformed(ValueError):
    """The body is not the JSON that this route takes."""


def read_object(raw: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8 without duplicate keys, NaN, NUL, half surrogate pairs or deep nesting.

    Raises `BodyMalformed`.
    """
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as fault:
        raise BodyMalformed(BodyMalformed.__doc__) from fault
    if not isinstance(value, dict):
        raise BodyMalformed(BodyMalformed.__doc__)
    for depth, layer in enumerate(_layers(value), start=1):
        if depth > _DEEPEST or not all(_is_carried(text) for text in layer if isinstance(text, str)):
            raise BodyMalformed(BodyMalformed.__doc__)
    return value


def install_body(raw: bytes) -> ConnectInstallBody:
    """The fields of a lifecycle body that we use; raises `BodyMalformed`. Unknown fields are left alone."""
    body = read_object(raw)
    base_url = _site_url(body.get("baseUrl"))
    secret = body.get("sharedSecret")
    return ConnectInstallBody(
        key=_printable(body.get("key")),
        client_key=ClientKey(_printable(body.get("clientKey"))),
        base_url=base_url,
        display_url=_site_url(body["displayUrl"]) if body.get("displayUrl") else base_url,
        cloud_id=_printable(body["cloudId"]) if body.get("cloudId") else None,
        product_type=_printable(body.get("productType") or "jira"),
        shared_secret=None if secret is None else Secret(_matching(_SECRET, secret)),
    )


def chosen_configuration(raw: bytes) -> tuple[int, dict[str, Any]]:
    """`version`, the one that is to be replaced, and `configuration`; raises `BodyMalformed`."""
    body = read_object(raw)
    version, document = body.get("version"), body.get("configuration")
    if type(version) is not int or not 0 <= version < _MOST_VERSIONS or not isinstance(document, dict):
        raise BodyMalformed(BodyMalformed.__doc__)
    return version, document


def issue_hint(raw: bytes) -> IssueHint | None:
    """What a webhook body says of the issue, or None where it says nothing that can be read."""
    try:
        issue = read_object(raw).get("issue")
    except BodyMalformed:
        return None
    fields = issue.get("fields") if isinstance(issue, dict) else None
    kind = fields.get("issuetype") if isinstance(fields, dict) else None
    labels = fields.get("labels") if isinstance(fields, dict) else None
    if not isinstance(kind, dict) or not isinstance(kind.get("name"), str) or not isinstance(labels, list):
        return None
    return IssueHint(issue_type=kind["name"], labels=tuple(str(label) for label in labels))


def asked_ids(raw: bytes) -> frozenset[str]:
    """`{"ids": […]}`, at most a thousand texts; raises `BodyMalformed`."""
    ids = read_object(raw).get("ids")
    if not isinstance(ids, list) or len(ids) > _MOST_IDS or not all(isinstance(one, str) for one in ids):
        raise BodyMalformed(BodyMalformed.__doc__)
    return frozenset(ids)


def _site_url(value: object) -> str:
    """An origin: the host becomes part of a response header, so nothing but a host name may be in it."""
    text = _printable(value).rstrip("/")
    try:
        parts = urlsplit(text)
    except ValueError as fault:  # a bracket without its other one
        raise BodyMalformed(BodyMalformed.__doc__) from fault
    if parts.scheme not in {"https", "http"} or parts.path or parts.query or parts.fragment:
        raise BodyMalformed(BodyMalformed.__doc__)
    _matching(_HOST, parts.netloc)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _printable(value: object) -> str:
    return _matching(_PRINTABLE, value)


def _matching(form: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise BodyMalformed(BodyMalformed.__doc__)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _layers(value: object) -> Iterator[list[object]]:
    """The value, what is in it, what is in that, and so on; names of members count as members."""
    layer = [value]
    while layer:
        yield layer
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (chain(outer, outer.values()) if isinstance(outer, dict) else outer)
        ]


def _is_carried(text: str) -> bool:
    """Whether a database can hold it: PostgreSQL takes neither NUL nor half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
