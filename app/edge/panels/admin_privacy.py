"""What is kept about people, what they and the site may ask for, and how the site's data is deleted."""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from flask import Response

from app.domain.access.roles import Permission
from app.domain.identifiers import AccountId
from app.domain.privacy import receipts
from app.domain.privacy.answering import FILED_BY_SITE
from app.domain.privacy.handing_over import ExportsOff
from app.domain.privacy.model import ExportState
from app.domain.privacy.ports import Outcome
from app.domain.privacy.requests import PrivacyRequest, RequestKind, RequestState, Verification
from app.domain.privacy.seen_reports import ReportsSeen
from app.edge.caller import caller, config, now, services
from app.edge.panels import admin_frame, shell
from app.edge.panels.admin_frame import Form, Notice
from app.edge.panels.wording import Lozenge
from app.edge.parameters import Malformed
from app.edge.privacy import VERIFIED_BY, receipt_links, receipt_url
from app.edge.problems import SiteNotNamed
from app.edge.translation import gettext as _
from app.edge.translation import mark

SECTION = "privacy"
_ACCOUNT = re.compile(r"[\x21-\x7e]{1,128}")
_HOW = re.compile(r"[^\x00-\x1f\x7f]{1,500}")
_KINDS = {RequestKind.ACCESS: mark("A copy of a person's data"), RequestKind.ERASURE: mark("Erasure")}
_REQUEST_STATES = {
    RequestState.RECEIVED: Lozenge(mark("Received"), "discovery", "question"),
    RequestState.VERIFIED: Lozenge(mark("Verified"), "information", "clock"),
    RequestState.REFUSED: Lozenge(mark("Refused"), "neutral", "cross"),
    RequestState.FULFILLED: Lozenge(mark("Fulfilled"), "success", "tick"),
}
_EXPORT_STATES = {
    ExportState.WAITING: Lozenge(mark("Waiting"), "neutral", "pause"),
    ExportState.RUNNING: Lozenge(mark("Being written"), "information", "clock"),
    ExportState.READY: Lozenge(mark("Ready"), "success", "tick"),
    ExportState.TAKEN: Lozenge(mark("Fetched"), "neutral", "tick"),
    ExportState.EXPIRED: Lozenge(mark("Expired"), "neutral", "cross"),
}

_OUTCOMES = {
    Outcome.TAKEN: mark("taken"),
    Outcome.MALFORMED: mark("malformed"),
    Outcome.UNAUTHORIZED: mark("unauthorized"),
    Outcome.FORBIDDEN: mark("forbidden"),
    Outcome.SLOW_DOWN: mark("slow down"),
    Outcome.UNAVAILABLE: mark("unavailable"),
    Outcome.ODD: mark("odd"),
}


@dataclass(frozen=True, kw_only=True)
class RequestRow:
    """One request in words. `account`: None for all of the site."""

    title: str
    account: str | None
    lozenge: Lozenge
    received_at: datetime
    due_at: datetime
    is_late: bool
    receipt: str | None


def shown() -> str:
    """The section as it stands."""
    services().roles.require(Permission.MANAGE_REQUESTS, caller(), now=now())
    return _rendered()


def changed(given: Form) -> Response:
    """What `step` says: an `export`, a `request` of a person, to `erase` all of the site, or to `verify` a receipt."""
    steps = {"export": _export, "request": _request, "erase": _erase, "verify": _verify}
    if given.get("step") not in steps:
        raise Malformed
    return steps[given["step"]](given)


def _export(_given: Form) -> Response:
    services().roles.require(Permission.EXPORT, caller(), now=now())
    try:
        record, token = services().handing_over.ask(caller().tenant, now=now(), by=caller().account)
    except ExportsOff as off:
        notice = admin_frame.refused(off, _("No export"), _("Whoever runs Pledge has set no place for exports."))
        return admin_frame.not_sent(off, _rendered(notice=notice))
    link = f"{config().base_url}/exports/{token}"
    return admin_frame.sent(_rendered(link=link, link_expires_at=record.expires_at))


def _request(given: Form) -> Response:
    account, how, kind = given.get("account", "").strip(), given.get("verified_how"), given.get("kind")
    if kind not in list(RequestKind) or not _ACCOUNT.fullmatch(account) or (how and not _HOW.fullmatch(how)):
        raise Malformed
    filed = _filed(RequestKind(kind), AccountId(account), how)
    line = _("It is answered by whoever runs Pledge.")
    if filed.state is RequestState.RECEIVED:
        line = _("It is answered by whoever runs Pledge, once somebody has made sure that the person is who they say.")
    return admin_frame.sent(_rendered(notice=Notice(title=_("Request filed"), appearance="success", lines=(line,))))


def _erase(given: Form) -> Response:
    if given.get("site", "").strip().lower() != _site():
        wrong = SiteNotNamed(SiteNotNamed.__doc__)
        line = _("Type %(site)s to ask for the deletion.", site=_site())
        return admin_frame.not_sent(
            wrong, _rendered(notice=admin_frame.refused(wrong, _("Nothing was asked for"), line), is_erasing=True)
        )
    typed = Verification(now(), VERIFIED_BY, "typed the name of the site")
    asked = receipt_links().ask(caller().tenant, now=now(), by=caller().account, verification=typed)
    line = _("Whoever runs Pledge ends all access and deletes the data. Until then everything works as before.")
    return admin_frame.sent(
        _rendered(
            notice=Notice(title=_("Deletion is asked for"), appearance="success", lines=(line,)),
            receipt_link=receipt_url(asked.token),
            receipt_link_expires_at=asked.expires_at,
        )
    )


def _verify(given: Form) -> Response:
    """Whoever has published the key is its reader's to know: what is checked here can be checked anywhere."""
    note = given.get("receipt", "").replace("\r\n", "\n").strip("\n") + "\n"
    try:
        origin, trusted = receipts.read_vkey(given.get("key", "").strip())
        document = receipts.read_receipt(note, origin=origin, trusted=trusted)
    except (receipts.ReceiptRefused, ValueError):
        refusal = receipts.ReceiptRefused(receipts.ReceiptRefused.__doc__)
        lines = _("It was changed since it was signed, another key has signed it, or it is none of ours.")
        notice = admin_frame.refused(refusal, _("This is no receipt that the key has signed"), lines)
        return admin_frame.not_sent(refusal, _rendered(notice=notice, note=note, key=given.get("key", "")))
    said = tuple(f"{name}: {value}" for name, value in document.items() if isinstance(value, str | int))
    notice = Notice(title=_("The key has signed this receipt"), appearance="success", lines=said)
    return admin_frame.sent(_rendered(notice=notice, note=note, key=given.get("key", "")))


def _filed(kind: RequestKind, account: AccountId, how: str | None) -> PrivacyRequest:
    return services().answering.file(
        caller().tenant,
        kind,
        account=account,
        filed_by=FILED_BY_SITE,
        by=caller().account,
        received_at=now(),
        verification=None if how is None else Verification(now(), VERIFIED_BY, how),
    )


def _site() -> str:
    return urlsplit(shell.site_url()).netloc.lower()


def _rendered(
    *,
    notice: Notice | None = None,
    link: str | None = None,
    link_expires_at: datetime | None = None,
    receipt_link: str | None = None,
    receipt_link_expires_at: datetime | None = None,
    is_erasing: bool = False,
    note: str = "",
    key: str = "",
) -> str:
    facts, tenant = services().data_facts, caller().tenant
    return admin_frame.rendered(
        SECTION,
        notice=notice,
        is_kept=True,
        reports=ReportsSeen(services().database).of(tenant, now=now()),
        note=note,
        key=key,
        requests=tuple(map(_row, services().answering.list_of(tenant))),
        exports=tuple(
            (each, _EXPORT_STATES[each.state]) for each in services().handing_over.list_of(tenant, now=now())
        ),
        link=link,
        link_expires_at=link_expires_at,
        receipt_link=receipt_link,
        receipt_link_expires_at=receipt_link_expires_at,
        kinds=tuple((kind.value, _(text)) for kind, text in _KINDS.items()),
        outcomes={outcome.value: _(text) for outcome, text in _OUTCOMES.items()},
        facts=facts,
        is_erasing=is_erasing,
        site=_site(),
        send_url=f"{shell.fragment_url('admin/rights')}?section={SECTION}",
    )


def _row(request: PrivacyRequest) -> RequestRow:
    return RequestRow(
        title=_(_KINDS[request.kind]),
        account=request.account,
        lozenge=_REQUEST_STATES[request.state],
        received_at=request.received_at,
        due_at=request.due_at,
        is_late=request.is_late(now()),
        receipt=request.receipt,
    )
