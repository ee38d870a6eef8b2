"""What is written when something changes: an audit event, or one of a closed list of bookkeeping reasons.

Format law of the leaf: the fields below, in this order, each length-prefixed, are hashed for ever as version 1;
a new field needs a new version byte. Version 2 has one more, the commitment to a personal part: that part is kept
beside the entry and can be erased, with its salt, while the leaf and every proof of it stay as they are.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.domain.audit.merkle import leaf_hash_of
from app.domain.audit.model import StoredEntry
from app.domain.identifiers import TenantId

_VERSION = b"\x01"
_VERSION_WITH_PERSON = b"\x02"


class Action(StrEnum):
    """Everything that makes an audit entry."""

    INSTALLATION_ADDED = "installation.added"
    INSTALLATION_RENEWED = "installation.renewed"
    INSTALLATION_REMOVED = "installation.removed"
    INSTALLATION_RETURNED = "installation.returned"
    INSTALLATION_MOVED = "installation.moved"
    INSTALLATION_VANISHED = "installation.vanished"
    INSTALLATION_UPGRADED = "installation.upgraded"
    INSTALLATION_RETIRED = "installation.retired"
    POLICY_CHOSEN = "policy.chosen"
    POLICY_EDITED = "policy.edited"
    KEYS_REWRAPPED = "keys.rewrapped"
    SECRETS_OPENED = "secrets.opened"
    ISSUE_TRACKED = "issue.tracked"
    ISSUE_HIDDEN = "issue.hidden"
    CLOCK_DECIDED = "clock.decided"
    CLOCKS_IMPORTED = "clocks.imported"
    ISSUES_SYNCED = "issues.synced"
    IMPORT_STARTED = "import.started"
    IMPORT_ENDED = "import.ended"
    FOLLOWING_CHANGED = "following.changed"
    DATABASE_RESTORED = "database.restored"
    LOG_ADOPTED = "log.adopted"
    PERSON_ERASED = "person.erased"
    ALERT_RAISED = "alert.raised"
    RECIPIENT_ADDED = "recipient.added"
    RECIPIENT_REMOVED = "recipient.removed"
    RECIPIENT_UNSUBSCRIBED = "recipient.unsubscribed"
    RECIPIENT_REFUSED = "recipient.refused"
    NOTICES_SENT = "notices.sent"
    NOTICES_DROPPED = "notices.dropped"
    NOTICES_CAPPED = "notices.capped"
    FEED_MADE = "feed.made"
    FEED_REVOKED = "feed.revoked"
    ACCOUNTS_ERASED = "accounts.erased"
    REPORTS_COMPLETED = "reports.completed"
    REPORTS_LATE = "reports.late"
    REPORT_REFUSED = "report.refused"
    TENANT_LEFT = "tenant.left"
    TENANT_SEVERED = "tenant.severed"
    TENANT_ERASED = "tenant.erased"
    TENANT_IMPORTED = "tenant.imported"
    EXPORT_ASKED = "export.asked"
    EXPORT_READY = "export.ready"
    EXPORT_TAKEN = "export.taken"
    INTEGRATION_ASKED = "integration.asked"
    INTEGRATION_FAILED = "integration.failed"
    INTEGRATION_CONNECTED = "integration.connected"
    INTEGRATION_RENEWED = "integration.renewed"
    INTEGRATION_REFUSED = "integration.refused"
    INTEGRATION_LOST = "integration.lost"
    INTEGRATION_DISCONNECTED = "integration.disconnected"
    INTEGRATION_REVOKED = "integration.revoked"
    INTEGRATION_UNCONFIRMED = "integration.unconfirmed"
    REQUEST_FILED = "request.filed"
    REQUEST_VERIFIED = "request.verified"
    REQUEST_EXTENDED = "request.extended"
    REQUEST_REFUSED = "request.refused"
    REQUEST_FULFILLED = "request.fulfilled"


class Bookkeeping(StrEnum):
    """Commits that make no audit entry, because each is a consequence of something that is proven elsewhere."""

    WEBHOOK_STORED = "webhook stored"
    CLOCK_DERIVED = "clock derived"
    READ_ASKED = "read asked for"
    RECOMPUTATION_ASKED = "bounds asked to be made anew"
    READ_SETTLED = "read settled"
    RUN_ASKED = "import or reconciliation asked for"
    RUN_ADVANCED = "import or reconciliation has gone on"
    HINT_STORED = "enabled or disabled hint stored"
    FORGE_SEEN = "system token or sign of life kept"
    CONTACT_KEPT = "call of an installation kept whose tenant is not known yet"
    CONTACTS_PURGED = "calls of installations forgotten that call no more"
    LINKS_DATED = "links to Forge dated"
    KEY_RELEASED = "key-encryption key that wraps nothing released"
    DELIVERIES_PURGED = "old delivery ids purged"
    LOG_SEQUENCED = "audit entries put in the log"
    LOG_ANCHORED = "checkpoints anchored"
    LABEL_SETTLED = "label or entry in Jira looked at"
    LABELS_ASKED = "labels or entries in Jira asked for"
    SIGNALS_COUNTED = "counts for alert rules stored"
    ACCOUNTS_LISTED = "accounts listed that are to be reported"
    ACCOUNTS_LEASED = "accounts leased for a report"
    ACCOUNTS_REPORTED = "accounts reported"
    ACCOUNTS_REFRESHED = "accounts known to be up to date"
    SIGNALS_TIDIED = "old counts summed up"
    QUOTA_SHARED = "points of Jira's quota counted, or what Jira said about it"
    METRICS_KEPT = "numbers for operators counted or measured"
    TELLING_ASKED = "telling people asked for"
    NOTICES_NOTED = "crossed thresholds noted for whom they concern"
    DIGEST_CLAIMED = "message about to be sent"
    DIGEST_POSTPONED = "message that could not be sent put off"
    VIEW_KEPT = "way to look at lists kept, or forgotten, by its owner"
    LINK_MADE = "link for a message made"
    DEPARTURES_NOTED = "who left and who returned noted"
    ERASURE_ASKED = "next step of an erasure asked for"
    TENANT_PART_ERASED = "some rows of a tenant that left deleted"
    EXPORT_MOVED = "how far an export is noted"
    CODE_KEPT = "code of an authorization kept until it is exchanged, or taken to be"
    PROVIDER_ASKED = "one process asks the provider of a grant"
    PROVIDER_POSTPONED = "provider of a grant asked again later"
    TOKEN_DOUBTED = "access token taken for one that is over"  # noqa: S105  words, not a secret
    RECEIPT_GIVEN = "receipt of an erasure signed"


@dataclass(frozen=True)
class PersonalPart:
    """What an entry says about a person."""

    subject: UUID
    """Our own random name of that person, by which the part is erased."""
    sealed: bytes = field(repr=False)
    """An envelope of the vault, so that backups lose it too when the key of that person is destroyed."""


@dataclass(frozen=True)
class AuditEvent:
    """What happened, without personal data but in its personal part: ids of rows, never of people."""

    action: Action
    actor: str
    """`atlassian`, `operator`, `system`, or in what capacity a person acted, whom no entry names: `jira-admin`."""
    target: str
    detail: Mapping[str, str | int | None] = field(default_factory=dict)
    person: PersonalPart | None = None
    signals: tuple[str, ...] = ()
    """What alert rules count beside the action; no part of the leaf."""


def leaf_hash(
    event: AuditEvent | StoredEntry, *, tenant: TenantId, entry: UUID, at: datetime, commitment: bytes | None = None
) -> bytes:
    """SHA-256 over the canonical bytes of an entry (RFC 6962 leaf); `at` is an aware instant."""
    body = json.dumps(dict(event.detail), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    parts = [
        str(tenant),
        entry.hex,
        at.isoformat(timespec="microseconds"),
        event.action,
        event.actor,
        event.target,
        body,
        *([] if commitment is None else [commitment.hex()]),
    ]
    encoded = [part.encode() for part in parts]
    version = _VERSION if commitment is None else _VERSION_WITH_PERSON
    return leaf_hash_of(version + b"".join(len(p).to_bytes(4, "big") + p for p in encoded))


def commitment_to(sealed: bytes, *, salt: bytes) -> bytes:
    """What the leaf holds of a personal part: without its salt it says nothing, not even whether a guess is right."""
    return hmac.digest(salt, sealed, "sha256")
