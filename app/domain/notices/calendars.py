"""Calendar feeds: one for each person who wants one, with what Jira lets that person see at the moment.

Stored are the account id and the hash of the token in the feed's address; no token of the person. Whoever has the
address sees what the person may see, as calendar programs cannot do more than ask for an address: hence one feed for
each person, that a new one takes the place of, and that its owner can end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid4, uuid5

from app.domain.access.decisions import IssueAccess
from app.domain.access.roles import Permission
from app.domain.audit.entry import Action, AuditEvent
from app.domain.identifiers import AccountId, TenantId
from app.domain.installations.model import Caller, Tenant
from app.domain.notices import wording
from app.domain.notices.icalendar import Event, render
from app.domain.notices.letters import hash_of, new_token
from app.domain.notices.model import Feed, FeedId, WatchedClock, thread_of
from app.domain.notices.ports import Link
from app.domain.ports import Database, UnitOfWork

MOST = 500
"""Deadlines of a feed; the nearest."""


class FeedUnknown(LookupError):
    """No feed has this address, or no longer."""


@dataclass(frozen=True)
class Calendars:
    """Makes, ends and fills feeds."""

    database: Database
    access: IssueAccess
    base_url: str

    def make(self, who: Caller, *, now: datetime) -> str:
        """The address of a new feed, which is told once; the former one of that person ends."""
        token, feed = new_token(), Feed(FeedId(uuid4()), AccountId(who.account or ""))
        with self.database.begin(who.tenant) as uow:
            _end(uow, who.tenant, feed.account)
            uow.feeds.add(feed, now=now)
            uow.links.add(Link(hash_of(token), who.tenant, "calendar", feed.feed), now=now)
            uow.commit(because=AuditEvent(Action.FEED_MADE, "user", f"feed/{feed.feed}"))
        return f"{self.base_url}/calendar/{token}.ics"

    def revoke(self, who: Caller) -> None:
        """That person has no feed any more; raises `FeedUnknown` where there was none."""
        with self.database.begin(who.tenant) as uow:
            feed = _end(uow, who.tenant, AccountId(who.account or ""))
            if feed is None:
                raise FeedUnknown(FeedUnknown.__doc__)
            uow.commit(because=AuditEvent(Action.FEED_REVOKED, "user", f"feed/{feed}"))

    def read(self, token: str, *, now: datetime) -> bytes:
        """What is in the feed of that address now. Raises `FeedUnknown`, `JiraUnavailable`."""
        tenant, feed, clocks = self._found(token)
        issues = frozenset(clock.name.issue for clock in clocks)
        seen = self.access.visible(Permission.VIEW_ISSUE_CLOCKS, (tenant, feed.account), issues, now=now)
        site = self.database.view_tenant(tenant)
        events = [event for clock in clocks if clock.name.issue in seen for event in _events(site, clock)]
        host = urlsplit(self.base_url).hostname or ""
        return render(events, name=f"Deadlines of {urlsplit(site.display_url).hostname}", host=host, now=now)

    def _found(self, token: str) -> tuple[TenantId, Feed, Sequence[WatchedClock]]:
        with self.database.begin() as uow:
            link = uow.links.find(hash_of(token), "calendar")
            if link is None or not uow.registry.is_active(link.tenant):
                raise FeedUnknown(FeedUnknown.__doc__)
            uow.enter(link.tenant)
            feed = uow.feeds.find(FeedId(link.subject))
            if feed is None:
                raise FeedUnknown(FeedUnknown.__doc__)
            return link.tenant, feed, uow.notices.nearest_clocks(limit=MOST)


def _end(uow: UnitOfWork, tenant: TenantId, account: AccountId) -> FeedId | None:
    feed = uow.feeds.take_away(account)
    if feed is not None:
        uow.links.forget(tenant, feed)
    return feed


def _events(site: Tenant, clock: WatchedClock) -> Iterator[Event]:
    bounds = clock.bounds
    due = bounds.due_date or bounds.due_at or bounds.due_before
    if due is not None:
        yield Event(
            uid=uuid5(NAMESPACE_URL, thread_of(site.tenant, clock.name)),
            summary=f"{wording.key_of(clock)} {wording.severity_of(bounds)}",
            url=wording.link_to(clock, site.display_url),
            due=due,
        )
