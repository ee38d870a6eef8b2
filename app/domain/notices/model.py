"""Who is told, of what, and what was told already."""

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from typing import NewType
from uuid import UUID

from app.domain.clocks.model import Bounds, Severity
from app.domain.identifiers import AccountId, IssueId, ProjectId, TenantId

RecipientId = NewType("RecipientId", UUID)
"""Our own random name of somebody who is told; says nothing about them."""

FeedId = NewType("FeedId", UUID)
"""Our own random name of a calendar feed."""


class Medium(StrEnum):
    """How somebody is told."""

    MAIL = "mail"
    JIRA_COMMENT = "jira_comment"
    """A comment on the issue, on breach only, because it notifies everybody there."""


class Rhythm(StrEnum):
    """How often somebody is told at most."""

    EACH_RUN = "each_run"
    DAILY = "daily"
    WEEKLY = "weekly"
    """By the day, and by the ISO week, of their own zone."""


class Standing(StrEnum):
    """Whether somebody is told."""

    ACTIVE = "active"
    REFUSED = "refused"
    """Their mail server says that there is no such mailbox, or that it takes nothing from us."""
    UNSUBSCRIBED = "unsubscribed"
    """They said so themselves; the address is gone."""


@dataclass(frozen=True)
class Quiet:
    """Hours, of the wall clock in the recipient's zone, in which nobody is woken; may span midnight."""

    begins: time
    ends: time
    """The first moment that is not quiet any more."""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Somebody who is told. The address is not here: it is sealed, and only the vault puts it on a message."""

    recipient: RecipientId
    label: str
    """What administrators know them by; never an address."""
    medium: Medium
    projects: frozenset[ProjectId] = frozenset()
    """Told of these only; empty = of all. The same for the next two."""
    severities: frozenset[Severity] = frozenset()
    roles: frozenset[str] = frozenset()
    """As `told` in the policy: of promises that name one of these roles, or nobody."""
    zone: str = "UTC"
    """IANA name."""
    quiet: Quiet | None = None
    rhythm: Rhythm = Rhythm.EACH_RUN
    is_overseer: bool = False
    """Is told where a run had more messages than may be sent."""
    added_at: datetime
    """What happened before concerns those who were there."""
    standing: Standing = Standing.ACTIVE
    told_at: datetime | None = None
    """When their last digest went out."""


Threshold = NewType("Threshold", int)
"""What was crossed, in order: `HALF`, `AT_RISK`, `BREACHED`, and a day after the breach for each one more."""

HALF, AT_RISK, BREACHED = Threshold(50), Threshold(80), Threshold(100)
REMINDED = Threshold(BREACHED + 1)
"""For all days after the breach, where it is counted who was told."""


@dataclass(frozen=True)
class ClockName:
    """One cycle of one clock of a tenant."""

    issue: IssueId
    promise: str
    cycle: int


@dataclass(frozen=True)
class Told:
    """The newest threshold that was told of a cycle: with its name, what nothing is told twice by."""

    threshold: Threshold
    at: datetime
    paused_seconds: int
    """How long the clock had been paused by then."""


@dataclass(frozen=True)
class WatchedClock:
    """A cycle that has not ended, as it is stored."""

    name: ClockName
    key: str
    project: ProjectId
    bounds: Bounds
    silent_before: datetime | None
    told: Told | None


@dataclass(frozen=True)
class Notice:
    """A threshold that was crossed and is to be told."""

    clock: WatchedClock
    threshold: Threshold
    crossed_at: datetime
    is_urgent: bool
    """Not held back by quiet hours or a rhythm."""


@dataclass(frozen=True)
class Digest:
    """What one recipient is told at once."""

    digest: UUID
    """The same however often it is tried: its message has the same name each time."""
    tenant: TenantId
    recipient: Recipient
    clocks: tuple[WatchedClock, ...]
    """As they are now, the most urgent first; of many only some."""
    total: int
    attempt: int
    """Counts from 1."""


@dataclass(frozen=True, kw_only=True)
class ToldCount:
    """How many recipients were told of a threshold of a cycle by one medium, the last time that it was told."""

    promise: str
    cycle: int
    threshold: Threshold
    """`HALF`, `AT_RISK`, `BREACHED` or `REMINDED`."""
    medium: Medium
    recipients: int
    told_at: datetime


@dataclass(frozen=True, kw_only=True)
class WaitingCount:
    """How many recipients are still to be told of a cycle by one medium."""

    promise: str
    cycle: int
    medium: Medium
    recipients: int
    again_at: datetime | None
    """Before that instant it is not tried again; None = it was not begun."""


@dataclass(frozen=True)
class IssueNotices:
    """Who was told of an issue, in numbers: names and addresses are nothing for all who may see the issue."""

    recipients: int
    """Of the whole site: whoever can be told at all."""
    told: tuple[ToldCount, ...]
    waiting: tuple[WaitingCount, ...]


@dataclass(frozen=True)
class Feed:
    """A person's calendar feed. The account is needed to ask Jira what that person may see; no token is kept."""

    feed: FeedId
    account: AccountId


def thread_of(tenant: TenantId, clock: ClockName) -> str:
    """The same for all that is ever said about that cycle."""
    return f"{tenant}/{clock.issue}/{clock.promise}/{clock.cycle}"
