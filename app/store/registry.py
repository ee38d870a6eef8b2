"""The few global rows."""

from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, text, union, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.identifiers import HOUSE, ClientKey, CloudId, InstallationId, TenantId
from app.domain.installations.model import ForgeContact, ForgeRegistered, InstallationState, Registered
from app.domain.secrets import KeyProof, Purpose
from app.store.tables import (
    INSTALLATION_IDS,
    RegistryConnect,
    RegistryContact,
    RegistryForge,
    RegistryKeyProof,
    RegistryTenant,
)

_CONTACT_EVERY = timedelta(minutes=10)
_TENANTS_AT_ONCE = 1000

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(CAST(:names AS text[])) AS name")
"""One after the other, as they are listed."""

FIND_CONNECT = select(
    RegistryConnect.client_key,
    RegistryConnect.tenant_id,
    RegistryConnect.installation_id,
    RegistryConnect.site_url,
    RegistryConnect.state,
    RegistryConnect.secret_version,
    RegistryConnect.previous_accepted_until,
    RegistryConnect.applied_at,
    RegistryConnect.forge_installation,
    RegistryConnect.linked_at,
    RegistryConnect.retired_at,
    RegistryConnect.applied_token_sha256,
)
FIND_FORGE = select(
    RegistryForge.forge_installation,
    RegistryForge.tenant_id,
    RegistryForge.installation_id,
    RegistryForge.cloud_id,
    RegistryForge.environment,
    RegistryForge.state,
    RegistryForge.seen_at,
    RegistryForge.app_version,
    RegistryForge.left_tenant,
)


class SqlRegistry:
    """See `app.domain.ports.Registry`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def created_at(self, tenant: TenantId) -> datetime | None:
        """When that tenant began."""
        query = select(RegistryTenant.created_at).where(RegistryTenant.tenant_id == tenant)
        return self._connection.execute(query).scalar()

    def find_connect(self, client_key: ClientKey) -> Registered | None:
        """The installation of that client key."""
        return find_connect(self._connection, client_key)

    def lock_connect(self, client_key: ClientKey, site_url: str) -> Registered | None:
        """The installation of that client key; nobody else touches it or the site until this transaction ends."""
        self._lock(f"client:{client_key}", f"site:{site_url}")
        return find_connect(self._connection, client_key)

    def find_active_on_site(self, site_url: str) -> Registered | None:
        """The active installation of that site URL."""
        found = self._connection.execute(
            FIND_CONNECT.where(
                RegistryConnect.site_url == site_url, RegistryConnect.state == InstallationState.ACTIVE.value
            )
        ).first()
        return None if found is None else registered_of(found)

    def next_ids(self, tenant: TenantId | None, now: datetime) -> tuple[TenantId, InstallationId]:
        """The id of a new installation, of that tenant or of a new one."""
        if tenant is None:
            adding = insert(RegistryTenant).values(created_at=now).returning(RegistryTenant.tenant_id)
            tenant = TenantId(self._connection.execute(adding).scalar_one())
        installation = self._connection.execute(select(INSTALLATION_IDS.next_value())).scalar_one()
        return tenant, InstallationId(installation)

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
            "applied_token_sha256": registered.applied_token_sha256,
            "retired_at": registered.retired_at,
        }
        is_row = RegistryConnect.client_key == registered.client_key
        changing = update(RegistryConnect).where(is_row).values(values).returning(RegistryConnect.tenant_id)
        # Not an upsert: the worker may change such a row, but never make one.
        if self._connection.execute(changing).first() is None:
            self._connection.execute(insert(RegistryConnect).values(client_key=registered.client_key, **values))

    def list_tenants(self) -> tuple[TenantId, ...]:
        """Every tenant that ever was, in order of id; our own house is none."""
        query = select(RegistryTenant.tenant_id).where(RegistryTenant.tenant_id != HOUSE)
        query = query.order_by(RegistryTenant.tenant_id)
        return tuple(TenantId(tenant) for tenant in self._connection.execute(query).scalars())

    def list_connect(self) -> tuple[Registered, ...]:
        """Every Connect installation, in order of tenant."""
        found = self._connection.execute(FIND_CONNECT.order_by(RegistryConnect.tenant_id))
        return tuple(registered_of(row) for row in found)

    def link_forge(self, client_key: ClientKey, forge_installation: str, *, now: datetime) -> None:
        """That Connect installation has moved."""
        self._connection.execute(
            update(RegistryConnect)
            .where(RegistryConnect.client_key == client_key)
            .values(forge_installation=forge_installation, linked_at=now)
        )

    def date_links(self, now: datetime) -> None:
        """Links whose date was not kept were made now at the latest."""
        undated = RegistryConnect.forge_installation.is_not(None) & RegistryConnect.linked_at.is_(None)
        self._connection.execute(update(RegistryConnect).where(undated).values(linked_at=now))

    def lock_forge(self, forge_installation: str, site: str) -> ForgeRegistered | None:
        """The Forge installation; nobody else decides about it or its site until this transaction ends."""
        self._lock(f"forge:{forge_installation}", f"forge-site:{site}")
        return find_forge(self._connection, forge_installation)

    def find_forge_on_site(self, cloud_id: CloudId, environment: str) -> ForgeRegistered | None:
        """The Forge installation of that site and environment that was alive last."""
        query = FIND_FORGE.where(RegistryForge.cloud_id == cloud_id, RegistryForge.environment == environment)
        found = self._connection.execute(query.order_by(RegistryForge.seen_at.desc()).limit(1)).first()
        return None if found is None else forge_registered_of(found)

    def save_forge(self, registered: ForgeRegistered) -> None:
        """Insert or replace the row of that Forge installation."""
        values = {
            "tenant_id": registered.tenant,
            "installation_id": registered.installation,
            "cloud_id": registered.cloud_id,
            "environment": registered.environment,
            "state": registered.state.value,
            "seen_at": registered.seen_at,
            "app_version": registered.app_version,
            "left_tenant": registered.left_tenant,
        }
        is_row = RegistryForge.forge_installation == registered.forge_installation
        changing = update(RegistryForge).where(is_row).values(values).returning(RegistryForge.tenant_id)
        # Not an upsert: the worker may change such a row, but never make one.
        if self._connection.execute(changing).first() is None:
            self._connection.execute(
                insert(RegistryForge).values(forge_installation=registered.forge_installation, **values)
            )

    def list_forge(self) -> tuple[ForgeRegistered, ...]:
        """Every Forge installation, in order of tenant, the one that was alive last at the end."""
        query = FIND_FORGE.order_by(RegistryForge.tenant_id, RegistryForge.seen_at)
        return tuple(forge_registered_of(row) for row in self._connection.execute(query))

    def list_forge_of(self, tenant: TenantId) -> tuple[ForgeRegistered, ...]:
        """The active Forge installations of that tenant."""
        query = FIND_FORGE.where(
            RegistryForge.tenant_id == tenant, RegistryForge.state == InstallationState.ACTIVE.value
        )
        return tuple(forge_registered_of(row) for row in self._connection.execute(query))

    def save_contact(self, contact: ForgeContact) -> None:
        """Remember that call, if there was none within ten minutes."""
        # Read first: also an upsert that changes nothing locks the row, and a flood of calls would be one of writes.
        is_recent = (RegistryContact.forge_installation == contact.forge_installation) & (
            RegistryContact.last_at >= contact.last_at - _CONTACT_EVERY
        )
        if self._connection.execute(select(RegistryContact.last_at).where(is_recent)).first() is not None:
            return
        adding = upsert(RegistryContact).values(asdict(contact))
        new = adding.excluded
        self._connection.execute(
            adding.on_conflict_do_update(
                index_elements=[RegistryContact.forge_installation],
                set_={"waits_for": new.waits_for, "last_at": new.last_at},
                where=RegistryContact.last_at < new.last_at - _CONTACT_EVERY,
            )
        )

    def list_contacts(self) -> tuple[ForgeContact, ...]:
        """Every Forge installation of which could not be told yet whose it is, the oldest first."""
        columns = (getattr(RegistryContact, field.name) for field in fields(ForgeContact))
        found = self._connection.execute(select(*columns).order_by(RegistryContact.first_at))
        return tuple(ForgeContact(**row) for row in found.mappings())

    def forget_contact(self, forge_installation: str) -> None:
        """It is known now whose that is."""
        is_row = RegistryContact.forge_installation == forge_installation
        self._connection.execute(delete(RegistryContact).where(is_row))

    def forget_contacts(self, before: datetime) -> None:
        """Those that have not called since that instant are gone."""
        self._connection.execute(delete(RegistryContact).where(RegistryContact.last_at < before))

    def list_forge_unseen(self, since: datetime) -> tuple[ForgeRegistered, ...]:
        """Active Forge installations that have not proved to be alive since that instant."""
        query = FIND_FORGE.where(RegistryForge.state == InstallationState.ACTIVE.value, RegistryForge.seen_at < since)
        return tuple(forge_registered_of(row) for row in self._connection.execute(query))

    def is_active(self, tenant: TenantId) -> bool:
        """Whether that tenant has an active installation."""
        active = InstallationState.ACTIVE.value
        connect = select(RegistryConnect.tenant_id).where(
            RegistryConnect.tenant_id == tenant, RegistryConnect.state == active
        )
        forge = select(RegistryForge.tenant_id).where(RegistryForge.tenant_id == tenant, RegistryForge.state == active)
        return self._connection.execute(union(connect, forge)).first() is not None

    def list_active(self) -> tuple[TenantId, ...]:
        """Every tenant with an active installation."""
        active = InstallationState.ACTIVE.value
        connect = select(RegistryConnect.tenant_id).where(RegistryConnect.state == active)
        forge = select(RegistryForge.tenant_id).where(RegistryForge.state == active)
        query = union(connect, forge).order_by("tenant_id")
        return tuple(TenantId(tenant) for tenant in self._connection.execute(query).scalars())

    def page_tenants(self, *, after: TenantId) -> tuple[TenantId, ...]:
        """The next tenants in order of id."""
        query = select(RegistryTenant.tenant_id).where(RegistryTenant.tenant_id > after)
        found = self._connection.execute(query.order_by(RegistryTenant.tenant_id).limit(_TENANTS_AT_ONCE))
        return tuple(TenantId(tenant) for tenant in found.scalars())

    def hold_wrapping(self) -> None:
        """`await_wrapping` waits until this transaction has ended."""
        self._connection.execute(text("SELECT pg_advisory_xact_lock_shared(hashtextextended('wrapping', 2))"))

    def await_wrapping(self) -> None:
        """Wait for transactions that wrap data keys."""
        self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('wrapping', 2))"))

    def add_key_proof(self, proof: KeyProof, now: datetime) -> None:
        """Remember it, unless it is known."""
        self._connection.execute(
            upsert(RegistryKeyProof)
            .values(kek_id=proof.kek_id, purpose=proof.purpose.value, wrapped=proof.wrapped, first_used_at=now)
            .on_conflict_do_nothing()
        )

    def list_key_proofs(self) -> tuple[KeyProof, ...]:
        """Those of every key under which data keys were wrapped."""
        query = select(RegistryKeyProof.kek_id, RegistryKeyProof.purpose, RegistryKeyProof.wrapped)
        found = self._connection.execute(query.order_by(RegistryKeyProof.kek_id))
        return tuple(KeyProof(row.kek_id, Purpose(row.purpose), row.wrapped) for row in found)

    def forget_key_proof(self, kek_id: str) -> None:
        """No data key is wrapped under that key any more."""
        self._connection.execute(delete(RegistryKeyProof).where(RegistryKeyProof.kek_id == kek_id))

    def _lock(self, *names: str) -> None:
        # Advisory, because there may be no row yet to lock; sorted, so that two events cannot wait for each other.
        self._connection.execute(_LOCK, {"names": sorted(names)})


def find_forge(connection: Connection, forge_installation: str) -> ForgeRegistered | None:
    """The Forge installation in any state."""
    found = connection.execute(FIND_FORGE.where(RegistryForge.forge_installation == forge_installation)).first()
    return None if found is None else forge_registered_of(found)


def find_connect(connection: Connection, client_key: ClientKey) -> Registered | None:
    """The installation of that client key in any state."""
    found = connection.execute(FIND_CONNECT.where(RegistryConnect.client_key == client_key)).first()
    return None if found is None else registered_of(found)


def registered_of(row: Row[*tuple[Any, ...]]) -> Registered:
    return Registered(
        client_key=ClientKey(row.client_key),
        tenant=TenantId(row.tenant_id),
        installation=InstallationId(row.installation_id),
        site_url=row.site_url,
        state=InstallationState(row.state),
        secret_version=row.secret_version,
        previous_accepted_until=row.previous_accepted_until,
        applied_at=row.applied_at,
        forge_installation=row.forge_installation,
        linked_at=row.linked_at,
        retired_at=row.retired_at,
        applied_token_sha256=row.applied_token_sha256,
    )


def forge_registered_of(row: Row[*tuple[Any, ...]]) -> ForgeRegistered:
    return ForgeRegistered(
        forge_installation=row.forge_installation,
        tenant=TenantId(row.tenant_id),
        installation=InstallationId(row.installation_id),
        cloud_id=CloudId(row.cloud_id),
        environment=row.environment,
        state=InstallationState(row.state),
        seen_at=row.seen_at,
        app_version=row.app_version,
        left_tenant=None if row.left_tenant is None else TenantId(row.left_tenant),
    )
