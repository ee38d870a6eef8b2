"""Who is told of deadlines, and what each role may do."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from flask import Response

from app.domain.access.roles import ROLES, Permission, Role
from app.domain.notices.entry import EntryMalformed, document_of, recipient_of
from app.domain.notices.model import Medium, RecipientId
from app.domain.notices.recipients import RecipientUnfit, RecipientUnknown
from app.edge.caller import caller, now, services
from app.edge.panels import admin_frame, shell
from app.edge.panels.admin_frame import Form, Notice
from app.edge.parameters import Malformed

SECTION = "people"
_ACTOR = "administrator"
_MEDIA = {Medium.MAIL: "Mail", Medium.JIRA_COMMENT: "Comment in Jira, on a breach only"}
_ROLES = {
    Role.USER: "Whoever is logged in to this site",
    Role.ISSUE_BROWSER: "Who may see the issue, by Jira's word of the last 15 minutes",
    Role.PROJECT_ADMIN: "Who administers the project, by Jira's word of the last minute",
    Role.JIRA_ADMIN: "Who administers Jira, by Jira's word of the last minute",
}
_MAY = {
    Permission.OPEN_PAGE: "open the pages",
    Permission.VIEW_OWN_ROLES: "see their own roles",
    Permission.LIST_CLOCKS: "list clocks, of issues that they may see",
    Permission.KEEP_OWN_CALENDAR: "keep a calendar link of their own",
    Permission.KEEP_OWN_VIEWS: "keep views of lists of their own",
    Permission.VIEW_ISSUE_CLOCKS: "see its clocks",
    Permission.RECORD_DECISION: "decide about clocks of issues that they may see",
    Permission.VIEW_SETTINGS: "see this administration and the audit log",
    Permission.CHANGE_SETTINGS: "change policy and mapping",
    Permission.MANAGE_RECIPIENTS: "say who is told",
    Permission.EXPORT: "ask for exports",
    Permission.MANAGE_REQUESTS: "file requests about people's data",
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
        notice = admin_frame.refused(fault, "Nobody was added")
        return admin_frame.not_sent(fault, _rendered(notice=notice, label="" if "@" in label else label))
    lines = ("The address is sealed and never shown again.",) if address is not None else ()
    return admin_frame.sent(_rendered(notice=Notice(title="Added", appearance="success", lines=lines)))


def removed(given: Form) -> Response:
    """Nobody is told there any more; what was typed has to be the label."""
    try:
        known = RecipientId(UUID(given.get("recipient", "")))
    except ValueError as fault:
        raise Malformed from fault
    labels = {each.recipient: each.label for each in services().recipients.list_all(caller().tenant)}
    if given.get("label", "").strip() != labels.get(known, "").strip():
        unknown = RecipientUnknown("This is not the name of that recipient; nobody was removed.")
        notice = admin_frame.refused(unknown, "Nobody was removed", "Type the name exactly as it stands in the list.")
        return admin_frame.not_sent(unknown, _rendered(notice=notice))
    services().recipients.remove(caller().tenant, known, actor=_ACTOR, now=now(), by=caller().account)
    return admin_frame.sent(_rendered(notice=Notice(title="Removed", appearance="success")))


def _rendered(*, notice: Notice | None = None, label: str = "") -> str:
    found = services().recipients.list_all(caller().tenant)
    return admin_frame.rendered(
        SECTION,
        notice=notice,
        is_kept=True,
        recipients=tuple((each, document_of(each), _MEDIA[each.medium]) for each in found),
        media=tuple((medium.value, text) for medium, text in _MEDIA.items()),
        label=label,
        roles=tuple(
            RoleRow(title=title, may=tuple(text for each, text in _MAY.items() if each in ROLES[role]))
            for role, title in _ROLES.items()
        ),
        send_url=admin_frame.url(SECTION),
        remove_url=f"{shell.fragment_url('admin/rights')}?section={SECTION}",
    )
