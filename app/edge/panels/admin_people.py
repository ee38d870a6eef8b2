"""Who is told of deadlines, and what each role may do."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from flask import Response

from app.domain.access.roles import ROLES, Permission, Role
from app.domain.clocks.model import Severity
from app.domain.notices.entry import EntryMalformed, document_of, recipient_of
from app.domain.notices.model import Medium, Recipient, RecipientId, Standing
from app.domain.notices.recipients import RecipientUnfit, RecipientUnknown
from app.edge.caller import caller, now, services
from app.edge.panels import admin_frame, shell, wording
from app.edge.panels.admin_frame import Form, Notice
from app.edge.parameters import Malformed
from app.edge.translation import gettext as _
from app.edge.translation import mark

SECTION = "people"
_ACTOR = "administrator"
_MEDIA = {Medium.MAIL: mark("Mail"), Medium.JIRA_COMMENT: mark("Comment in Jira, on a breach only")}
_STANDINGS = {
    Standing.ACTIVE: mark("Active"),
    Standing.REFUSED: mark("Refused"),
    Standing.UNSUBSCRIBED: mark("Unsubscribed"),
}
_ROLES = {
    Role.USER: mark("Whoever is logged in to this site"),
    Role.ISSUE_BROWSER: mark("Who may see the issue, by Jira's word of the last 15 minutes"),
    Role.PROJECT_ADMIN: mark("Who administers the project, by Jira's word of the last minute"),
    Role.JIRA_ADMIN: mark("Who administers Jira, by Jira's word of the last minute"),
}
_MAY = {
    Permission.OPEN_PAGE: mark("open the pages"),
    Permission.VIEW_OWN_ROLES: mark("see their own roles"),
    Permission.LIST_CLOCKS: mark("list clocks, of issues that they may see"),
    Permission.KEEP_OWN_CALENDAR: mark("keep a calendar link of their own"),
    Permission.KEEP_OWN_VIEWS: mark("keep views of lists of their own"),
    Permission.VIEW_ISSUE_CLOCKS: mark("see its clocks"),
    Permission.RECORD_DECISION: mark("decide about clocks of issues that they may see"),
    Permission.VIEW_SETTINGS: mark("see this administration and the audit log"),
    Permission.CHANGE_SETTINGS: mark("change policy and mapping"),
    Permission.MANAGE_RECIPIENTS: mark("say who is told"),
    Permission.EXPORT: mark("ask for exports"),
    Permission.MANAGE_REQUESTS: mark("file requests about people's data"),
}


@dataclass(frozen=True, kw_only=True)
class RoleRow:
    """One role, and what it may do."""

    title: str
    may: tuple[str, ...]


def shown() -> str:
    """The section as it stands."""
    services().roles.require(Permission.MANAGE_RECIPIENTS, caller(), now=now())
    return _rendered()


def added(given: Form) -> Response:
    """Somebody is told from now on."""
    label = given.get("label", "")
    fields = {name: given[name] for name in ("label", "medium", "address") if name in given}
    try:
        recipient, address = recipient_of(fields, recipient=RecipientId(uuid4()), added_at=now())
        services().recipients.add(caller().tenant, recipient, address=address, actor=_ACTOR, by=caller().account)
    except (EntryMalformed, RecipientUnfit) as fault:
        # what was typed as an address, wherever it was, is not sent back: it is shown to nobody
        notice = admin_frame.refused(fault, _("Nobody was added"))
        return admin_frame.not_sent(fault, _rendered(notice=notice, label="" if "@" in label else label))
    lines = (_("The address is sealed and never shown again."),) if address is not None else ()
    return admin_frame.sent(_rendered(notice=Notice(title=_("Added"), appearance="success", lines=lines)))


def removed(given: Form) -> Response:
    """Nobody is told there any more; what was typed has to be the label."""
    try:
        known = RecipientId(UUID(given.get("recipient", "")))
    except ValueError as fault:
        raise Malformed from fault
    labels = {each.recipient: each.label for each in services().recipients.list_all(caller().tenant)}
    if given.get("label", "").strip() != labels.get(known, "").strip():
        unknown = RecipientUnknown("This is not the name of that recipient; nobody was removed.")
        advice = _("Type the name exactly as it stands in the list.")
        notice = admin_frame.refused(unknown, _("Nobody was removed"), advice)
        return admin_frame.not_sent(unknown, _rendered(notice=notice))
    services().recipients.remove(caller().tenant, known, actor=_ACTOR, now=now(), by=caller().account)
    return admin_frame.sent(_rendered(notice=Notice(title=_("Removed"), appearance="success")))


def _told(recipient: Recipient) -> tuple[Recipient, dict[str, Any], str, str, str]:
    document = document_of(recipient)
    severities = [wording.severity_text(Severity(each)) for each in document["severities"]]
    told_of = ", ".join(severities + document["roles"])
    return recipient, document, _(_MEDIA[recipient.medium]), told_of, _(_STANDINGS[recipient.standing])


def _rendered(*, notice: Notice | None = None, label: str = "") -> str:
    found = services().recipients.list_all(caller().tenant)
    return admin_frame.rendered(
        SECTION,
        notice=notice,
        is_kept=True,
        recipients=tuple(map(_told, found)),
        media=tuple((medium.value, _(text)) for medium, text in _MEDIA.items()),
        label=label,
        roles=tuple(
            RoleRow(title=_(title), may=tuple(_(text) for each, text in _MAY.items() if each in ROLES[role]))
            for role, title in _ROLES.items()
        ),
        send_url=admin_frame.url(SECTION),
        remove_url=f"{shell.fragment_url('admin/rights')}?section={SECTION}",
    )
