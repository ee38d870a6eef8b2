"""Who is told, calendar feeds, and the links that were sent out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, insert, select, update

from app.domain.clocks.model import Severity
from app.domain.identifiers import AccountId, ProjectId, TenantId
from app.domain.notices.model import Feed, FeedId, Medium, Quiet, Recipient, RecipientId, Rhythm, Standing
from app.domain.notices.ports import Link, LinkKind
from app.store.notice_tables import FeedRow, LinkRow, RecipientRow


class SqlRecipients:
    """See `app.domain.notices.ports.RecipientRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def list_all(self) -> tuple[Recipient, ...]:
        """Every recipient, told longest ago first."""
        query = select(RecipientRow.__table__).where(RecipientRow.tenant_id == self._tenant)
        order = (RecipientRow.told_at.nulls_first(), RecipientRow.added_at, RecipientRow.recipient_id)
        return tuple(_recipient(row) for row in self._connection.execute(query.order_by(*order)))

    def add(self, recipient: Recipient) -> None:
        """A new one."""
        quiet = recipient.quiet
        self._connection.execute(
            insert(RecipientRow).values(
                tenant_id=self._tenant,
                recipient_id=recipient.recipient,
                label=recipient.label,
                medium=recipient.medium.value,
                projects=sorted(recipient.projects),
                severities=_sorted(recipient.severities),
                roles=sorted(recipient.roles),
                zone=recipient.zone,
                quiet_begins=None if quiet is None else quiet.begins,
                quiet_ends=None if quiet is None else quiet.ends,
                rhythm=recipient.rhythm.value,
                is_overseer=recipient.is_overseer,
                added_at=recipient.added_at,
                standing=recipient.standing.value,
                told_at=recipient.told_at,
            )
        )

    def change(self, recipient: RecipientId, *, standing: Standing) -> bool:
        """Whether they are told from now on."""
        return self._update(recipient, standing=standing.value)

    def mark_told(self, recipient: RecipientId, *, at: datetime) -> None:
        """A digest went out."""
        self._update(recipient, told_at=at)

    def remove(self, recipient: RecipientId) -> bool:
        """Forget them; what waits for them goes along."""
        removing = delete(RecipientRow).where(
            RecipientRow.tenant_id == self._tenant, RecipientRow.recipient_id == recipient
        )
        return self._connection.execute(removing).rowcount == 1

    def _update(self, recipient: RecipientId, **values: object) -> bool:
        changing = update(RecipientRow).where(
            RecipientRow.tenant_id == self._tenant, RecipientRow.recipient_id == recipient
        )
        return self._connection.execute(changing.values(**values)).rowcount == 1


class SqlFeeds:
    """See `app.domain.notices.ports.FeedRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def add(self, feed: Feed, *, now: datetime) -> None:
        """A new one."""
        self._connection.execute(
            insert(FeedRow).values(tenant_id=self._tenant, feed_id=feed.feed, account_id=feed.account, made_at=now)
        )

    def find(self, feed: FeedId) -> Feed | None:
        """That feed, if it is there."""
        query = select(FeedRow.account_id).where(FeedRow.tenant_id == self._tenant, FeedRow.feed_id == feed)
        account = self._connection.execute(query).scalar()
        return None if account is None else Feed(feed, AccountId(account))

    def take_away(self, account: AccountId) -> FeedId | None:
        """The feed of that person, which there is no longer."""
        removing = delete(FeedRow).where(FeedRow.tenant_id == self._tenant, FeedRow.account_id == account)
        found = self._connection.execute(removing.returning(FeedRow.feed_id)).scalar()
        return None if found is None else FeedId(found)


class SqlLinks:
    """See `app.domain.notices.ports.LinkRows`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, link: Link, *, now: datetime) -> None:
        """A new one."""
        values = {"tenant_id": link.tenant, "kind": link.kind, "subject": link.subject, "made_at": now}
        self._connection.execute(insert(LinkRow).values(token_sha256=link.token_sha256, **values))

    def find(self, token_sha256: bytes, kind: LinkKind) -> Link | None:
        """What that token stands for, of that kind only."""
        query = select(LinkRow.tenant_id, LinkRow.subject).where(
            LinkRow.token_sha256 == token_sha256, LinkRow.kind == kind
        )
        found = self._connection.execute(query).first()
        return None if found is None else Link(token_sha256, TenantId(found.tenant_id), kind, found.subject)

    def forget(self, tenant: TenantId, subject: UUID, *, before: datetime | None = None) -> None:
        """The links of that recipient or feed."""
        forgetting = delete(LinkRow).where(LinkRow.tenant_id == tenant, LinkRow.subject == subject)
        if before is not None:
            forgetting = forgetting.where(LinkRow.made_at < before)
        self._connection.execute(forgetting)


def _sorted(severities: frozenset[Severity]) -> Sequence[str]:
    return sorted(level.value for level in severities)


def _recipient(row: Row[*tuple[Any, ...]]) -> Recipient:
    return Recipient(
        recipient=RecipientId(row.recipient_id),
        label=row.label,
        medium=Medium(row.medium),
        projects=frozenset(ProjectId(project) for project in row.projects),
        severities=frozenset(Severity(level) for level in row.severities),
        roles=frozenset(row.roles),
        zone=row.zone,
        quiet=None if row.quiet_begins is None else Quiet(row.quiet_begins, row.quiet_ends),
        rhythm=Rhythm(row.rhythm),
        is_overseer=row.is_overseer,
        added_at=row.added_at.astimezone(UTC),
        standing=Standing(row.standing),
        told_at=None if row.told_at is None else row.told_at.astimezone(UTC),
    )
