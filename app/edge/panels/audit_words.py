"""The audit log in words: its actions, and what an entry says besides."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from app.domain.audit.entry import Action
from app.edge.panels.sayings import WORDS, field_words
from app.edge.panels.wording import source_words
from app.edge.translation import gettext as _
from app.edge.translation import mark

ACTIONS: Final = MappingProxyType(
    {
        Action.INSTALLATION_ADDED: mark("Installation added"),
        Action.INSTALLATION_RENEWED: mark("Installation renewed"),
        Action.INSTALLATION_REMOVED: mark("Installation removed"),
        Action.INSTALLATION_RETURNED: mark("Installation returned"),
        Action.INSTALLATION_MOVED: mark("Installation moved"),
        Action.INSTALLATION_VANISHED: mark("Installation vanished"),
        Action.INSTALLATION_UPGRADED: mark("Installation upgraded"),
        Action.INSTALLATION_RETIRED: mark("Installation retired"),
        Action.POLICY_CHOSEN: mark("Policy chosen"),
        Action.POLICY_EDITED: mark("Policy edited"),
        Action.KEYS_REWRAPPED: mark("Keys rewrapped"),
        Action.SECRETS_OPENED: mark("Secrets opened"),
        Action.ISSUE_TRACKED: mark("Issue tracked"),
        Action.ISSUE_HIDDEN: mark("Issue hidden"),
        Action.CLOCK_DECIDED: mark("Clock decided"),
        Action.CLOCKS_IMPORTED: mark("Clocks imported"),
        Action.ISSUES_SYNCED: mark("Issues synced"),
        Action.IMPORT_STARTED: mark("Import started"),
        Action.IMPORT_ENDED: mark("Import ended"),
        Action.FOLLOWING_CHANGED: mark("Following changed"),
        Action.DATABASE_RESTORED: mark("Database restored"),
        Action.LOG_ADOPTED: mark("Log adopted"),
        Action.PERSON_ERASED: mark("Person erased"),
        Action.ALERT_RAISED: mark("Alert raised"),
        Action.RECIPIENT_ADDED: mark("Recipient added"),
        Action.RECIPIENT_REMOVED: mark("Recipient removed"),
        Action.RECIPIENT_UNSUBSCRIBED: mark("Recipient unsubscribed"),
        Action.RECIPIENT_REFUSED: mark("Recipient refused"),
        Action.NOTICES_SENT: mark("Notices sent"),
        Action.NOTICES_DROPPED: mark("Notices dropped"),
        Action.NOTICES_CAPPED: mark("Notices capped"),
        Action.FEED_MADE: mark("Feed made"),
        Action.FEED_REVOKED: mark("Feed revoked"),
        Action.ACCOUNTS_ERASED: mark("Accounts erased"),
        Action.REPORTS_COMPLETED: mark("Reports completed"),
        Action.REPORTS_LATE: mark("Reports late"),
        Action.REPORT_REFUSED: mark("Report refused"),
        Action.TENANT_LEFT: mark("Tenant left"),
        Action.TENANT_SEVERED: mark("Tenant severed"),
        Action.TENANT_ERASED: mark("Tenant erased"),
        Action.TENANT_IMPORTED: mark("Tenant imported"),
        Action.EXPORT_ASKED: mark("Export asked"),
        Action.EXPORT_READY: mark("Export ready"),
        Action.EXPORT_TAKEN: mark("Export taken"),
        Action.INTEGRATION_ASKED: mark("Integration asked"),
        Action.INTEGRATION_FAILED: mark("Integration failed"),
        Action.INTEGRATION_CONNECTED: mark("Integration connected"),
        Action.INTEGRATION_RENEWED: mark("Integration renewed"),
        Action.INTEGRATION_REFUSED: mark("Integration refused"),
        Action.INTEGRATION_LOST: mark("Integration lost"),
        Action.INTEGRATION_DISCONNECTED: mark("Integration disconnected"),
        Action.INTEGRATION_REVOKED: mark("Integration revoked"),
        Action.INTEGRATION_UNCONFIRMED: mark("Integration unconfirmed"),
        Action.REQUEST_FILED: mark("Request filed"),
        Action.REQUEST_VERIFIED: mark("Request verified"),
        Action.REQUEST_EXTENDED: mark("Request extended"),
        Action.REQUEST_REFUSED: mark("Request refused"),
        Action.REQUEST_FULFILLED: mark("Request fulfilled"),
    }
)

DETAILS: Final = MappingProxyType(
    {
        "accounts": mark("Accounts"),
        "accounts_erased": mark("Accounts erased"),
        "attempt": mark("Attempt"),
        "attempts": mark("Attempts"),
        "before": mark("Before"),
        "by": mark("By"),
        "bytes": mark("Bytes"),
        "cause": mark("Cause"),
        "changed": mark("Changed"),
        "closed": mark("Closed"),
        "closed_unerased": mark("Closed, not erased"),
        "configuration": mark("Configuration"),
        "count": mark("Count"),
        "created": mark("Created"),
        "data_keys": mark("Data keys"),
        "due": mark("Due"),
        "entries": mark("Entries"),
        "facts": mark("Facts"),
        "failures": mark("Failures"),
        "from_installation": mark("From installation"),
        "from_version": mark("From version"),
        "gone": mark("Gone"),
        "hidden": mark("Hidden"),
        "host": mark("Host"),
        "issues": mark("Issues"),
        "kind": mark("Kind"),
        "kinds": mark("Kinds"),
        "medium": mark("Told by"),
        "minute": mark("Minute"),
        "months": mark("Months"),
        "moved_to_installation": mark("Moved to installation"),
        "notices": mark("Notices"),
        "oldest_due": mark("Oldest due"),
        "oldest_unerased": mark("Oldest not erased"),
        "opens": mark("Opens"),
        "outcome": mark("Outcome"),
        "policy": mark("Policy"),
        "process": mark("Process"),
        "reason": mark("Reason"),
        "refused": mark("Refused"),
        "requests": mark("Requests"),
        "rows": mark("Rows"),
        "rule": mark("Rule"),
        "scope": mark("Scope"),
        "scopes": mark("Scopes"),
        "secret_version": mark("Secret version"),
        "secrets": mark("Secrets"),
        "sent": mark("Sent"),
        "severity": mark("Severity"),
        "sha256": mark("SHA-256"),
        "skipped": mark("Skipped"),
        "source": mark("Source"),
        "state": mark("State"),
        "status": mark("Status"),
        "suspended_installation": mark("Suspended installation"),
        "tables": mark("Tables"),
        "tenants_erased": mark("Tenants erased"),
        "to": mark("To"),
        "to_tenant": mark("To tenant"),
        "to_version": mark("To version"),
        "tracked": mark("Tracked"),
        "unchanged": mark("Unchanged"),
        "under": mark("Under"),
        "updated": mark("Updated"),
        "version": mark("Version"),
        "waiting": mark("Waiting"),
        "why": mark("Why"),
    }
)
"""What an entry says besides, by name; a table of the database, of which rows were erased, is its own name."""

_CODES: Final = MappingProxyType(
    {
        "access": mark("a copy of the data"),
        "account_closed": mark("account closed"),
        "asked": mark("asked for"),
        "done": mark("done"),
        "erasure": mark("erasure"),
        "failed": mark("failed"),
        "fulfilled": mark("fulfilled"),
        "installed": mark("installed"),
        "jira_comment": mark("comment in Jira"),
        "mail": mark("mail"),
        "operator": mark("who runs Pledge"),
        "person": mark("one person"),
        "received": mark("received"),
        "refused": mark("refused"),
        "request": mark("a request"),
        "restored": mark("database restored"),
        "retention": mark("retention is over"),
        "returned": mark("returned"),
        "settings": mark("settings were changed"),
        "tenant": mark("all of the site"),
        "verified": mark("verified"),
    }
    | {word: word for word in WORDS}
)
_CODED: Final = frozenset({"by", "cause", "kind", "kinds", "medium", "outcome", "reason", "scope", "severity", "state"})
"""Whose values are codes of ours; all others are names, numbers and hashes."""


def detail_words(detail: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What an entry says besides, as pairs of label and value in the reader's language; without what is empty."""
    told = sorted((name, str(value)) for name, value in detail.items() if value not in (None, ""))
    return tuple((_(DETAILS[name]) if name in DETAILS else name, _value(name, value)) for name, value in told)


def _value(name: str, value: str) -> str:
    if name == "source":
        return source_words(value)
    if name == "changed":
        return ", ".join(map(field_words, value.split()))
    if name in _CODED:
        return ", ".join(_(_CODES.get(part, part)) for part in value.split())
    return value
