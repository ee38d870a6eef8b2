"""The few global rows."""

from datetime import datetime

from sqlalchemy import Connection, Row, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.identifiers import ClientKey, InstallationId, TenantId
from app.domain.installations.model import InstallationState, Registered
from app.store.tables import INSTALLATION_IDS, RegistryConnect, RegistryTenant

FIND_CONNECT = select(
    RegistryConnect.client_key,
    RegistryConnect.tenant_id,
    RegistryConnect.installation_id,
    RegistryConnect.site_url,
    RegistryConnect.state,
    RegistryConnect.secret_version,
    RegistryConnect.previous_accepted_until,
    RegistryConnect.applied_at,
)


class SqlRegistry:
    """See `app.domain.ports.Registry`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_connect(self, client_key: ClientKey) -> Registered | None:
        """The installation of that client key."""
        return find_connect(self._connection, client_key)

    def lock_connect(self, client_key: ClientKey, site_url: str) -> Registered | None:
        """The installation of that client key; nobody else touches it or the site until this transaction ends."""
        for name in sorted((f"client:{client_key}", f"site:{site_url}")):
            # Advisory, because there may be no row yet to lock; sorted, so that two events cannot wait for each other.
            self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})
        return find_connect(self._connection, client_key)

    def find_active_on_site(self, site_url: str) -> Registered | None:
        """The active installation of that site URL."""
        found = self._connection.execute(
            FIND_CONNECT.where(
                RegistryConnect.site_url == site_url, RegistryConnect.state == InstallationState.ACTIVE.value
            )
        ).first()
        return None if found is None else _registered(found)

    def add_tenant(self, now: datetime) -> tuple[TenantId, InstallationId]:
        """New ids."""
        tenant = self._connection.execute(
            insert(RegistryTenant).values(created_at=now).returning(RegistryTenant.tenant_id)
        ).scalar_one()
        installation = self._connection.execute(select(INSTALLATION_IDS.next_value())).scalar_one()
        return TenantId(tenant), InstallationId(installation)

    def save_connect(self, registered: Registered) -> None:
        """Insert or replace the row of that client key."""
        values = {
            "tenant_id": registered.tenant,
            "installation_id": registered.installation,
            "site_url": registered.site_url,
            "state": registered.state.value,
            "secret_version": registered.secret_version,
            "previous_accepted_until": registered.previous_accepted_until,
            "applied_at": registered.applied_at,
        }
        self._connection.execute(
            upsert(RegistryConnect)
            .values(client_key=registered.client_key, **values)
            .on_conflict_do_update(index_elements=[RegistryConnect.client_key], set_=values)
        )

    def list_connect(self) -> tuple[Registered, ...]:
        """Every Connect installation, in order of tenant."""
        found = self._connection.execute(FIND_CONNECT.order_by(RegistryConnect.tenant_id))
        return tuple(_registered(row) for row in found)

    def list_active(self) -> tuple[TenantId, ...]:
        """Every tenant with an active installation."""
        query = (
            select(RegistryConnect.tenant_id)
            .where(RegistryConnect.state == InstallationState.ACTIVE.value)
            .order_by(RegistryConnect.tenant_id)
        )
        return tuple(TenantId(tenant) for tenant in self._connection.execute(query).scalars())


def find_connect(connection: Connection, client_key: ClientKey) -> Registered | None:
    """The installation of that client key in any state."""
    found = connection.execute(FIND_CONNECT.where(RegistryConnect.client_key == client_key)).first()
    return None if found is None else _registered(found)


def _registered(row: Row[str, int, int, str, str, int, datetime | None, datetime]) -> Registered:
    return Registered(
        client_key=ClientKey(row.client_key),
        tenant=TenantId(row.tenant_id),
        installation=InstallationId(row.installation_id),
        site_url=row.site_url,
        state=InstallationState(row.state),
        secret_version=row.secret_version,
        previous_accepted_until=row.previous_accepted_until,
        applied_at=row.applied_at,
    )
