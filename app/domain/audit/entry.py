"""What is written when something changes: an audit event, or one of a closed list of bookkeeping reasons.

Format law of the leaf: the fields below, in this order, each length-prefixed, are hashed for ever as version 1;
a new field needs a new version byte.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.domain.identifiers import TenantId

_LEAF = b"\x00"
"""RFC 6962 §2.1: a leaf and an inner node must never hash alike."""
_VERSION = b"\x01"


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
    ISSUE_TRACKED = "issue.tracked"
    ISSUE_HIDDEN = "issue.hidden"


class Bookkeeping(StrEnum):
    """Commits that make no audit entry, because each is a consequence of something that is proven elsewhere."""

    WEBHOOK_STORED = "webhook stored"
    CLOCK_DERIVED = "clock derived"
    READ_ASKED = "read asked for"
    READ_SETTLED = "read settled"
    HINT_STORED = "enabled or disabled hint stored"
    FORGE_SEEN = "system token or sign of life kept"
    CONTACT_KEPT = "call of an installation kept whose tenant is not known yet"
    CONTACTS_PURGED = "calls of installations forgotten that call no more"
    LINKS_DATED = "links to Forge dated"
    DELIVERIES_PURGED = "old delivery ids purged"


@dataclass(frozen=True)
class AuditEvent:
    """What happened, without personal data: ids of rows, never of people."""

    action: Action
    actor: str
    """`atlassian`, `operator` or `system`."""
    target: str
    detail: Mapping[str, str | int | None] = field(default_factory=dict)


def leaf_hash(event: AuditEvent, *, tenant: TenantId, entry: UUID, at: datetime) -> bytes:
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
    ]
    encoded = [part.encode() for part in parts]
    return hashlib.sha256(_LEAF + _VERSION + b"".join(len(p).to_bytes(4, "big") + p for p in encoded)).digest()
