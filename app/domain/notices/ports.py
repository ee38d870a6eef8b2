"""What telling people needs from the store and from the media."""

from collections.abc import Callable, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from app.domain.identifiers import AccountId, IssueId, TenantId
from app.domain.notices.model import (
    ClockName,
    Digest,
    Feed,
    FeedId,
    Notice,
    Recipient,
    RecipientId,
    Standing,
    WatchedClock,
)


class NotDelivered(Exception):
    """A message could not be handed over now; it is tried again later."""


class MediumUnavailable(NotDelivered):
    """Nothing can be told this way at the moment: the mail server or Jira does not answer, or does not let us in."""


class RecipientRefused(Exception):
    """The mail server says for good that it takes nothing for this address."""


class Undeliverable(Exception):
    """There is no place for this message any more, for example an issue that was deleted."""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One message, ready to be handed over. It says key, severity, due and link, and nothing else of an issue."""

    name: UUID
    """The same each time it is tried, so that who gets it twice can tell."""
    tenant: TenantId
    thread: str
    """The same for messages that belong together."""
    subject: str
    text: str
    at: datetime
    is_repeated: bool
    """Whether it was tried before, and may have arrived."""
    address: Callable[[MutableMapping[str, str]], None] | None = None
    """Puts the recipient's address into the field `To`; None for a message without one."""
    unsubscribe_url: str | None = field(default=None, repr=False)
    issue: IssueId | None = None
    """Of a message about one issue."""


Deliver = Callable[[Parcel], None]
"""Raises `NotDelivered`, `RecipientRefused`, `Undeliverable`."""


class Channel(Protocol):
    """A way to tell people."""

    def open(self) -> AbstractContextManager[Deliver]:
        """For a few messages in a row; raises `MediumUnavailable`, here or with the first of them."""


class RecipientRows(Protocol):
    """Who is told."""

    def list_all(self) -> tuple[Recipient, ...]:
        """Every recipient, told longest ago first."""

    def add(self, recipient: Recipient) -> None:
        """A new one."""

    def change(self, recipient: RecipientId, *, standing: Standing) -> bool:
        """Whether they are told from now on; False if there is no such recipient."""

    def mark_told(self, recipient: RecipientId, *, at: datetime) -> None:
        """A digest went out."""

    def remove(self, recipient: RecipientId) -> bool:
        """Forget them and what waits for them; False if there is no such recipient."""


class NoticeRows(Protocol):
    """What was crossed, what was told, and what waits for whom."""

    def page_clocks(self, *, after: ClockName | None, limit: int) -> tuple[WatchedClock, ...]:
        """The next clocks that run and have a bound, in order of name; empty after the last."""

    def nearest_clocks(self, *, limit: int) -> tuple[WatchedClock, ...]:
        """Those that have not ended, the earliest bound first."""

    def mark_told(self, notices: Sequence[Notice], *, now: datetime) -> frozenset[ClockName]:
        """Of these clocks those that nobody else has marked since they were read."""

    def put(self, recipient: RecipientId, notices: Sequence[Notice], *, now: datetime) -> None:
        """They wait for that recipient; a newer notice takes the place of the older one of the same cycle."""

    def claim(
        self, recipient: RecipientId, *, only_urgent: bool, at_most: int | None, now: datetime, until: datetime
    ) -> tuple[UUID, int] | None:
        """A digest that nobody else works on before `until`, and which attempt it is.

        One that was claimed before and is not settled comes first, with what it had and no more: its message has the
        name of one that may have arrived. Else what waits becomes a new one. What has ended meanwhile is dropped, and
        what is paused waits on. None = there is nothing to tell.
        """

    def clocks_of(self, digest: UUID, *, limit: int) -> tuple[int, tuple[WatchedClock, ...]]:
        """How many notices there are in it, and the clocks of the most urgent of them."""

    def count_told(self, digest: Digest, *, at: datetime) -> None:
        """Its recipient was told of the clocks that it names: one more for each of their notices."""

    def settle(self, digest: UUID) -> None:
        """It has been told, or nobody is to be told of it."""

    def postpone(self, digest: UUID, *, until: datetime) -> None:
        """It is tried again, not before that instant."""

    def discard(self, recipient: RecipientId) -> None:
        """Nothing waits for them any more."""

    def count_waiting(self) -> int:
        """How many recipients something waits for."""


class FeedRows(Protocol):
    """Calendar feeds; one for each person who wants one."""

    def add(self, feed: Feed, *, now: datetime) -> None:
        """A new one."""

    def find(self, feed: FeedId) -> Feed | None:
        """That feed, if it is there."""

    def take_away(self, account: AccountId) -> FeedId | None:
        """The feed of that person, which there is no longer; None if there was none."""


LinkKind = Literal["unsubscribe", "calendar"]


@dataclass(frozen=True)
class Link:
    """What a link that was sent out stands for; of its token only the hash is kept."""

    token_sha256: bytes
    tenant: TenantId
    kind: LinkKind
    subject: UUID
    """A recipient or a feed."""


class LinkRows(Protocol):
    """Links that say who they are for before the tenant is known: ids only."""

    def add(self, link: Link, *, now: datetime) -> None:
        """A new one."""

    def find(self, token_sha256: bytes, kind: LinkKind) -> Link | None:
        """What that token stands for, of that kind only."""

    def forget(self, tenant: TenantId, subject: UUID, *, before: datetime | None = None) -> None:
        """The links of that recipient or feed, all of them or those made before that instant."""
