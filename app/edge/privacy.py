"""What a site's administrators ask for: everything we have of the site, and what we do about its people's data."""

import re
from collections.abc import Callable, Iterator
from typing import IO

from flask import Response, jsonify, render_template, request

from app.domain.access.roles import Permission
from app.domain.clocks.model import instant_text
from app.domain.identifiers import AccountId
from app.domain.privacy.answering import FILED_BY_SITE
from app.domain.privacy.handing_over import export_document
from app.domain.privacy.receipt_links import ReceiptLinks
from app.domain.privacy.requests import RequestKind, Verification, document_of
from app.edge.bodies import BodyMalformed, read_object
from app.edge.caller import caller, config, now, services
from app.edge.shields import LIFECYCLE_BODY_BYTES, read_body

_PART_BYTES = 262_144
_ACCOUNT = re.compile(r"[\x21-\x7e]{1,128}")
_HOW = re.compile(r"[^\x00-\x1f\x7f]{1,500}")
VERIFIED_BY = "site administrator"
"""Of the person, by whoever is responsible for the data: the site. Not by name, because this record stays."""


def list_exports() -> Response:
    """`GET /api/v1/exports`."""
    services().roles.require(Permission.EXPORT, caller(), now=now())
    found = services().handing_over.list_of(caller().tenant, now=now())
    return jsonify({"items": [export_document(each) for each in found]})


def ask_export() -> tuple[Response, int]:
    """`POST /api/v1/exports`: the link is in this answer and in no other."""
    services().roles.require(Permission.EXPORT, caller(), now=now())
    record, token = services().handing_over.ask(caller().tenant, now=now(), by=caller().account)
    return jsonify(export_document(record) | {"link": f"{config().base_url}/exports/{token}"}), 202


def fetch_export(token: str) -> Response:
    """`GET /exports/<token>`: whole or in parts (RFC 9110 section 14), until its last byte was sent."""
    download = services().handing_over.open(token, now=now())
    size = download.size_bytes
    etag = download.sha256.hex()
    first, end, status = _wanted(size, etag)
    if status == 416:
        download.file.close()
        return Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    handing_over = services().handing_over

    def tell(sent: int) -> None:
        handing_over.sent(download, first=first, end=sent)

    answer = Response(_parts(download.file, first=first, end=end, tell=tell), status, mimetype="application/zip")
    # Also where nobody reads the parts: HEAD, or a connection that is gone already.
    answer.call_on_close(download.file.close)
    answer.content_length = end - first
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["Content-Disposition"] = 'attachment; filename="export.zip"'
    answer.set_etag(etag)
    if status == 206:
        answer.headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    return answer


def fetch_receipt(token: str) -> Response:
    """`GET /receipts/<token>`: 200 is the signed receipt and nothing else; 202 a page that says how far the deletion
    is, for as long as there is no receipt.
    """
    found = receipt_links().open(token, now=now())
    if found.receipt is None:
        return Response(render_template("receipt_link.html", deletion=found), 202, mimetype="text/html")
    answer = Response(found.receipt, mimetype="text/plain")
    answer.headers["Content-Disposition"] = 'attachment; filename="receipt.txt"'
    return answer


def receipt_links() -> ReceiptLinks:
    """The links to receipts."""
    return ReceiptLinks(services().database, services().answering)


def receipt_url(token: str) -> str:
    """The address that whoever asked for a deletion is shown once."""
    return f"{config().base_url}/receipts/{token}"


def list_requests() -> Response:
    """`GET /api/v1/privacy/requests`."""
    services().roles.require(Permission.MANAGE_REQUESTS, caller(), now=now())
    found = services().answering.list_of(caller().tenant)
    return jsonify({"items": [document_of(each, now=now()) for each in found]})


def file_request() -> tuple[Response, int]:
    """`POST /api/v1/privacy/requests`: `kind`, `account` (without it: all of the site), `verified_how` where it is.

    For the deletion of all of the site the answer has the link to its receipt; no other ever has it.
    """
    services().roles.require(Permission.MANAGE_REQUESTS, caller(), now=now())
    body = read_object(read_body(LIFECYCLE_BODY_BYTES))
    account, how = body.get("account"), body.get("verified_how")
    if body.get("kind") not in list(RequestKind):
        raise BodyMalformed(BodyMalformed.__doc__)
    kind = RequestKind(body["kind"])
    verification = None if how is None else Verification(now(), VERIFIED_BY, _matching(_HOW, how))
    if kind is RequestKind.ERASURE and account is None:
        asked = receipt_links().ask(caller().tenant, now=now(), by=caller().account, verification=verification)
        link = {"receipt_link": receipt_url(asked.token), "receipt_link_expires_at": instant_text(asked.expires_at)}
        return jsonify(document_of(asked.request, now=now()) | link), 201
    filed = services().answering.file(
        caller().tenant,
        kind,
        account=None if account is None else AccountId(_matching(_ACCOUNT, account)),
        filed_by=FILED_BY_SITE,
        by=caller().account,
        received_at=now(),
        verification=verification,
    )
    return jsonify(document_of(filed, now=now())), 201


def _wanted(size: int, etag: str) -> tuple[int, int, int]:
    """First byte, end and status. Several ranges at once, and those of another file, are answered by the whole."""
    wanted, condition = request.range, request.if_range
    is_of_another = condition.date is not None or condition.etag not in {None, etag}
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1 or is_of_another:
        return 0, size, 200
    found = wanted.range_for_length(size)
    return (0, 0, 416) if found is None else (found[0], found[1], 206)


def _parts(file: IO[bytes], *, first: int, end: int, tell: Callable[[int], None]) -> Iterator[bytes]:
    """A part counts as sent when the next one is asked for: whoever hangs up in between has not got it."""
    sent = first
    file.seek(first)
    try:
        while sent < end and (part := file.read(min(_PART_BYTES, end - sent))):
            yield part
            sent += len(part)
    finally:
        tell(sent)


def _matching(form: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise BodyMalformed(BodyMalformed.__doc__)
    return value
