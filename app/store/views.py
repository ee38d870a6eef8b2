"""What people keep of lists."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.identifiers import AccountId, TenantId
from app.domain.tracking.ports import SavedView
from app.store.view_tables import ViewRow


class SqlViews:
    """See `app.domain.tracking.ports.ViewRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def of(self, account: AccountId) -> Sequence[SavedView]:
        """Every view of that person, by name."""
        query = select(ViewRow.view_id, ViewRow.name, ViewRow.query).where(*self._whose(account))
        found = self._connection.execute(query.order_by(func.lower(ViewRow.name), ViewRow.name))
        return tuple(SavedView(row.view_id, row.name, row.query) for row in found)

    def save(self, account: AccountId, view: SavedView, *, now: datetime) -> None:
        """In place of what that person has under this name."""
        saving = upsert(ViewRow).values(
            tenant_id=self._tenant,
            view_id=view.view,
            account_id=account,
            name=view.name,
            query=view.query,
            saved_at=now,
        )
        self._connection.execute(
            saving.on_conflict_do_update(
                index_elements=[ViewRow.tenant_id, ViewRow.account_id, ViewRow.name], set_={"query": view.query}
            )
        )

    def remove(self, account: AccountId, view: UUID) -> bool:
        """Whether that person had it."""
        removing = delete(ViewRow).where(*self._whose(account), ViewRow.view_id == view)
        return self._connection.execute(removing).rowcount == 1

    def _whose(self, account: AccountId) -> tuple[ColumnElement[bool], ...]:
        return ViewRow.tenant_id == self._tenant, ViewRow.account_id == account
