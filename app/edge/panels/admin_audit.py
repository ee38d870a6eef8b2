"""The audit log: its newest entries, who acted, whether the hashes agree, and a file of what is shown."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from flask import request

from app.domain.access.roles import Permission
from app.domain.audit.entry import Action
from app.domain.audit.model import EntryFilter, SeenEntry
from app.edge.caller import caller, now, services
from app.edge.panels import admin_frame, wording
from app.edge.panels.admin_frame import Notice
from app.edge.panels.audit_words import ACTIONS, detail_words
from app.edge.panels.sayings import said
from app.edge.panels.tables import Choice
from app.edge.parameters import Malformed, single
from app.edge.problems import trace_id
from app.edge.translation import gettext as _
from app.edge.translation import mark, ngettext, pgettext

SECTION = "audit"
ROWS = 50
SAVED = 500
"""Entries of one file."""
_MOST_ENTRIES = 10**15
_AGREES = mark(
    "Every entry gives the hash that the log holds, and all hashes together give its newest signed checkpoint."
)
_NOT_LOOKED_AT = mark(
    "Not looked at here: the signature on it, and the anchor outside the database. A page has neither key nor anchor; "
    "whoever runs Pledge has both, and hands you a copy of the log that you can check yourself."
)
_ACTORS = {
    "system": mark("Pledge"),
    "operator": mark("Who runs Pledge"),
    "atlassian": mark("Atlassian"),
    "jira-admin": mark("A Jira administrator"),
    "site": mark("A Jira administrator"),
    "administrator": mark("A Jira administrator"),
    "person": mark("A person"),
}


@dataclass(frozen=True, kw_only=True)
class EntryRow:
    """One entry in words."""

    index: int
    at: datetime | None
    actor: str
    account: str | None
    title: str
    target: str
    detail: tuple[tuple[str, str], ...]


def shown() -> str:
    """The section; `action`, `since` and `until` (days) filter it, `verify` and `save` do that besides."""
    services().roles.require(Permission.VIEW_SETTINGS, caller(), now=now())
    query, wanted = _asked()
    before = _before()
    page = services().audit.looks.newest(caller().tenant, wanted, before=before, limit=ROWS)
    notice = _verified() if _is_asked("verify") else None
    saved = _saved(wanted, before) if _is_asked("save") else None
    return admin_frame.rendered(
        SECTION,
        notice=notice,
        is_kept=notice is not None or saved is not None,
        here=admin_frame.url(SECTION, **query, cursor=before),
        rows=tuple(_row(each) for each in page.entries),
        query=query,
        actions=_choices(wanted.action),
        clear_url=admin_frame.url(SECTION),
        form_url=admin_frame.url(SECTION).partition("?")[0],
        first_url=None if before is None else admin_frame.url(SECTION, **query),
        next_url=None if page.next is None else admin_frame.url(SECTION, **query, cursor=page.next),
        verify_url=admin_frame.url(SECTION, **query, cursor=before, verify="yes"),
        save_url=admin_frame.url(SECTION, **query, cursor=before, save="yes"),
        saved=saved,
    )


def _asked() -> tuple[dict[str, str], EntryFilter]:
    query = {name: single(name) for name in ("action", "since", "until") if any(request.args.getlist(name))}
    if "action" in query and query["action"] not in list(Action):
        raise Malformed
    since, until = (_day(query[name]) if name in query else None for name in ("since", "until"))
    after = None if until is None else until + timedelta(days=1)
    return query, EntryFilter(action=query.get("action"), since=since, until=after)


def _day(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Malformed from error
    if day.isoformat() != text or not 2000 <= day.year < 9999:
        raise Malformed
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _before() -> int | None:
    if "cursor" not in request.args:
        return None
    text = single("cursor")
    if not text.isascii() or not text.isdecimal() or len(text) > 15 or int(text) > _MOST_ENTRIES:
        raise Malformed
    return int(text)


def _is_asked(name: str) -> bool:
    if name not in request.args:
        return False
    if single(name) != "yes":
        raise Malformed
    return True


def _verified() -> Notice:
    found = services().audit.looks.checked(caller().tenant)
    if found is None:
        return Notice(
            title=_("Nothing is signed yet"), appearance="warning", lines=(_("The first checkpoint is made soon."),)
        )
    if found.is_too_long:
        advice = (_("Whoever runs Pledge verifies all of them with `pledge audit verify`."),)
        title = _("%(number)s entries are too many to wait for", number=found.entries)
        return Notice(title=title, appearance="warning", lines=advice)
    if found.fault is not None:
        first = _("First fault: %(fault)s.", fault=said(found.fault))
        what_to_do = _("Save the entries below, and tell whoever runs Pledge, with the trace id.")
        return Notice(
            title=_("The log is not what it was"), appearance="danger", lines=(first, what_to_do), trace_id=trace_id()
        )
    lines = (_(_AGREES), _("Root: %(hash)s", hash=found.root.hex()), _(_NOT_LOOKED_AT))
    title = ngettext("%(number)s entry agrees", "%(number)s entries agree", number=found.entries)
    return Notice(title=title, appearance="success", lines=lines)


def _saved(wanted: EntryFilter, before: int | None) -> Mapping[str, object]:
    """JSON Lines as `pledge audit export` writes them, without the personal parts."""
    page = services().audit.looks.newest(caller().tenant, wanted, before=before, limit=SAVED)
    lines = "".join(json.dumps(_document(each)) + "\n" for each in page.entries)
    content = base64.b64encode(lines.encode()).decode()
    return {
        "href": f"data:application/jsonl;base64,{content}",
        "number": len(page.entries),
        "is_cut": page.next is not None,
    }


def _document(seen: SeenEntry) -> dict[str, object]:
    place = {"index": seen.index, "entry": str(seen.leaf.entry), "leaf": seen.leaf.leaf.hex()}
    stored = seen.stored
    if stored is None:
        return dict(place)
    return place | {
        "at": stored.at.isoformat(timespec="microseconds"),
        "action": stored.action,
        "actor": stored.actor,
        "target": stored.target,
        "detail": dict(stored.detail),
        "commitment": None if stored.commitment is None else stored.commitment.hex(),
        "person": None,
    }


def _row(seen: SeenEntry) -> EntryRow:
    stored = seen.stored
    if stored is None:
        return EntryRow(
            index=seen.index, at=None, actor="", account=None, title=_("Entry is missing"), target="", detail=()
        )
    return EntryRow(
        index=seen.index,
        at=stored.at,
        actor=_actor(stored.actor),
        account=_account(seen),
        title=_title(stored.action),
        target=stored.target,
        detail=detail_words(stored.detail),
    )


def _actor(kind: str) -> str:
    return _(_ACTORS[kind]) if kind in _ACTORS else kind


def _account(seen: SeenEntry) -> str | None:
    if seen.account is not None:
        return pgettext("who acted", "you") if seen.account == caller().account else seen.account
    return _("erased since") if seen.stored is not None and seen.stored.commitment is not None else None


def _title(action: str) -> str:
    return _(ACTIONS[Action(action)]) if action in ACTIONS else wording.title_of(action.replace(".", " "))


def _choices(picked: str | None) -> tuple[Choice, ...]:
    rest = (Choice(value=each, text=ACTIONS[each], is_picked=each == picked) for each in sorted(Action))
    return (Choice(value="", text=mark("Any action"), is_picked=picked is None), *rest)
