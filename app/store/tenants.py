"""A tenant, its installations, and their sealed secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    Delete,
    Insert,
    Row,
    and_,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased

from app.domain.identifiers import ClientKey, InstallationId, TenantId
from app.domain.installations.model import Install, Tenant
from app.domain.promises.model import OwnPolicy, PolicyRef
from app.domain.secrets import Purpose, Sealed, SecretMissing, SecretPlace, WrappedKey
from app.store.labels import forget_publication
from app.store.tables import DataKeyRow, ForgeTokenRow, InstallationRow, RegistryConnect, SealedRow, TenantRow

_CONNECT = aliased(InstallationRow)
_FRAMING = (
    select(func.array_cat(func.array_agg(_CONNECT.base_url), func.array_agg(_CONNECT.display_url)))
    .where(
        _CONNECT.tenant_id == TenantRow.tenant_id, _CONNECT.client_key.is_not(None), _CONNECT.uninstalled_at.is_(None)
    )
    .scalar_subquery()
)
VIEW_TENANT = (
    select(
        TenantRow.tenant_id,
        InstallationRow.installation_id,
        InstallationRow.client_key,
        InstallationRow.base_url,
        InstallationRow.display_url,
        TenantRow.region,
        TenantRow.policy,
        TenantRow.policy_sha256,
        func.coalesce(RegistryConnect.secret_version, ForgeTokenRow.version).label("secret_version"),
        ForgeTokenRow.expires_at,
        _FRAMING.label("framing_urls"),
    )
    .join(
        InstallationRow,
        (InstallationRow.tenant_id == TenantRow.tenant_id)
        & (InstallationRow.installation_id == TenantRow.current_installation),
    )
    .outerjoin(RegistryConnect, RegistryConnect.client_key == InstallationRow.client_key)
    .outerjoin(
        ForgeTokenRow,
        (ForgeTokenRow.tenant_id == InstallationRow.tenant_id)
        & (ForgeTokenRow.installation_id == InstallationRow.installation_id),
    )
)
# One round trip, because whatever else the site tells of itself waits for it; and text, because to put it together anew
# for each install would cost more than to run it. A tenant has moved by the installation, not by its token: that may
# come later.
_SAVE_INSTALL = text("""
    WITH tenant AS (
        INSERT INTO app.tenants AS known (tenant_id, cloud_id, region, policy, current_installation, created_at)
        VALUES (:tenant, :cloud_id, :region, :policy, :installation, :now)
        ON CONFLICT (tenant_id) DO UPDATE SET
            cloud_id = excluded.cloud_id,
            current_installation = CASE
                WHEN CAST(:client_key AS text) IS NOT NULL AND EXISTS (
                    SELECT FROM app.installations AS moved
                    WHERE moved.tenant_id = :tenant AND moved.client_key IS NULL AND moved.uninstalled_at IS NULL
                ) THEN known.current_installation
                ELSE excluded.current_installation
            END
    )
    INSERT INTO app.installations
        (tenant_id, installation_id, client_key, base_url, display_url, product_type, installed_at)
    VALUES (:tenant, :installation, :client_key, :base_url, :display_url, :product_type, :now)
    ON CONFLICT (tenant_id, installation_id) DO UPDATE SET
        client_key = excluded.client_key,
        base_url = excluded.base_url,
        display_url = excluded.display_url,
        product_type = excluded.product_type,
        uninstalled_at = NULL
""")


class SqlTenants:
    """See `app.domain.ports.TenantRows`. Every query names the tenant too: for statistics, and as a second belt."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def save_install(self, install: Install, *, region: str, policy: str, now: datetime) -> None:
        """Insert or update the tenant and its installation; a tenant that moved to Forge stays reached through it."""
        self._connection.execute(
            _SAVE_INSTALL,
            {
                "tenant": self._tenant,
                "installation": install.installation,
                "client_key": install.client_key,
                "base_url": install.base_url,
                "display_url": install.display_url,
                "product_type": install.product_type,
                "cloud_id": install.cloud_id,
                "region": region,
                "policy": policy,
                "now": now,
            },
        )

    def adopt(self, install: Install, now: datetime) -> None:
        """This tenant is reached through that new installation from now on."""
        self._connection.execute(
            insert(InstallationRow).values(
                tenant_id=self._tenant,
                installation_id=install.installation,
                client_key=install.client_key,
                base_url=install.base_url,
                display_url=install.display_url,
                product_type=install.product_type,
                installed_at=now,
            )
        )
        self._connection.execute(
            update(TenantRow)
            .where(TenantRow.tenant_id == self._tenant)
            .values(cloud_id=install.cloud_id, current_installation=install.installation)
        )

    def save_display_url(self, installation: InstallationId, url: str) -> None:
        """It becomes the beginning of links."""
        self._connection.execute(
            update(InstallationRow)
            .where(InstallationRow.tenant_id == self._tenant, InstallationRow.installation_id == installation)
            .values(display_url=url)
        )

    def forge_token(self, installation: InstallationId) -> tuple[int, datetime] | None:
        """Version and arrival of the newest system token of that installation."""
        query = select(ForgeTokenRow.version, ForgeTokenRow.received_at).where(
            ForgeTokenRow.tenant_id == self._tenant, ForgeTokenRow.installation_id == installation
        )
        found = self._connection.execute(query.with_for_update()).first()
        return None if found is None else (found.version, found.received_at)

    def save_forge_token(
        self, installation: InstallationId, *, version: int, received_at: datetime, expires_at: datetime
    ) -> None:
        """Remember the newest system token."""
        values = {"version": version, "received_at": received_at, "expires_at": expires_at}
        self._connection.execute(
            upsert(ForgeTokenRow)
            .values(tenant_id=self._tenant, installation_id=installation, **values)
            .on_conflict_do_update(index_elements=[ForgeTokenRow.tenant_id, ForgeTokenRow.installation_id], set_=values)
        )

    def tenant(self) -> Tenant:
        """This transaction's tenant."""
        return find_tenant(self._connection, self._tenant)

    def save_policy(self, policy: PolicyRef) -> None:
        """The policy of this tenant."""
        name, own = (policy.base, policy.sha256) if isinstance(policy, OwnPolicy) else (policy, None)
        self._connection.execute(
            update(TenantRow).where(TenantRow.tenant_id == self._tenant).values(policy=name, policy_sha256=own)
        )

    def mark_uninstalled(self, installation: InstallationId, now: datetime) -> None:
        """Access has ended: no envelope of the installation stays."""
        self._connection.execute(
            update(InstallationRow)
            .where(InstallationRow.tenant_id == self._tenant, InstallationRow.installation_id == installation)
            .values(uninstalled_at=now)
        )
        self._connection.execute(
            delete(SealedRow).where(SealedRow.tenant_id == self._tenant, SealedRow.row_id == str(installation))
        )
        self._connection.execute(
            delete(ForgeTokenRow).where(
                ForgeTokenRow.tenant_id == self._tenant, ForgeTokenRow.installation_id == installation
            )
        )
        self._fall_back(installation)
        forget_publication(self._connection, self._tenant)

    def _fall_back(self, installation: InstallationId) -> None:
        """A tenant that still has another trust relation is reached through that one from now on."""
        other = (
            select(func.max(InstallationRow.installation_id))
            .where(InstallationRow.tenant_id == self._tenant, InstallationRow.uninstalled_at.is_(None))
            .scalar_subquery()
        )
        self._connection.execute(
            update(TenantRow)
            .where(TenantRow.tenant_id == self._tenant, TenantRow.current_installation == installation)
            .values(current_installation=func.coalesce(other, installation))
        )

    def hint_enabled(self, *, enabled: bool) -> None:
        """Remember what Jira said of the Connect installation: a tenant has one, current or not."""
        self._connection.execute(
            update(InstallationRow)
            .where(InstallationRow.tenant_id == self._tenant, InstallationRow.client_key.is_not(None))
            .values(enabled_hint=enabled)
        )

    def data_key(self, purpose: Purpose, *, key_id: UUID | None = None) -> WrappedKey | None:
        """The newest data key of that purpose, or the one with that id."""
        query = (
            select(DataKeyRow.key_id, DataKeyRow.kek_id, DataKeyRow.wrapped)
            .where(DataKeyRow.tenant_id == self._tenant, DataKeyRow.purpose == purpose.value)
            .order_by(DataKeyRow.created_at.desc())
            .limit(1)
        )
        if key_id is not None:
            query = query.where(DataKeyRow.key_id == key_id)
        found = self._connection.execute(query).first()
        if found is None:
            return None
        return WrappedKey(self._tenant, purpose, found.key_id, found.kek_id, found.wrapped)

    def add_data_key(self, key: WrappedKey, now: datetime) -> None:
        """Store a wrapped data key."""
        self._connection.execute(
            insert(DataKeyRow).values(
                tenant_id=key.tenant,
                purpose=key.purpose.value,
                key_id=key.key_id,
                kek_id=key.kek_id,
                wrapped=key.wrapped,
                created_at=now,
            )
        )

    def count_data_keys(self) -> dict[tuple[Purpose, str], int]:
        """How many are wrapped, by purpose and key-encryption key."""
        query = select(DataKeyRow.purpose, DataKeyRow.kek_id, func.count().label("number"))
        found = self._connection.execute(
            query.where(DataKeyRow.tenant_id == self._tenant).group_by(DataKeyRow.purpose, DataKeyRow.kek_id)
        )
        return {(Purpose(row.purpose), row.kek_id): row.number for row in found}

    def lock_data_keys(
        self, primaries: Mapping[Purpose, str], *, after: WrappedKey | None, limit: int
    ) -> tuple[WrappedKey, ...]:
        """The next data keys of these purposes that are wrapped under another key than the primary."""
        place = tuple_(DataKeyRow.purpose, DataKeyRow.key_id)
        others = [
            and_(DataKeyRow.purpose == purpose.value, DataKeyRow.kek_id != kek_id)
            for purpose, kek_id in primaries.items()
        ]
        query = select(DataKeyRow.purpose, DataKeyRow.key_id, DataKeyRow.kek_id, DataKeyRow.wrapped).where(
            DataKeyRow.tenant_id == self._tenant, or_(false(), *others)
        )
        if after is not None:
            query = query.where(place > tuple_(literal(after.purpose.value), literal(after.key_id)))
        # Not FOR UPDATE: that would hold up whoever seals with one of them, whose row refers to it.
        locked = query.order_by(*place).limit(limit).with_for_update(key_share=True)
        return tuple(
            WrappedKey(self._tenant, Purpose(row.purpose), row.key_id, row.kek_id, row.wrapped)
            for row in self._connection.execute(locked)
        )

    def save_wrapped(self, keys: Sequence[WrappedKey]) -> None:
        """Replace their wrapping."""
        for key in keys:
            self._connection.execute(
                update(DataKeyRow)
                .where(
                    DataKeyRow.tenant_id == self._tenant,
                    DataKeyRow.purpose == key.purpose.value,
                    DataKeyRow.key_id == key.key_id,
                )
                .values(kek_id=key.kek_id, wrapped=key.wrapped)
            )

    def add_sealed(self, sealed: Sealed) -> None:
        """Store an envelope."""
        self._connection.execute(_adding(sealed))

    def replace_sealed(self, sealed: Sealed, *, kept_since: int) -> None:
        """Store an envelope, and delete those of its row whose version is below `kept_since`."""
        older = self._older(replace(sealed.place, version=kept_since)).cte("older")
        self._connection.execute(_adding(sealed).add_cte(older))

    def sealed(self, place: SecretPlace) -> Sealed:
        """The envelope of that place with its data key; raises `SecretMissing`."""
        query = (
            select(SealedRow.envelope, DataKeyRow.key_id, DataKeyRow.kek_id, DataKeyRow.wrapped)
            .join(
                DataKeyRow,
                (DataKeyRow.tenant_id == SealedRow.tenant_id)
                & (DataKeyRow.purpose == SealedRow.purpose)
                & (DataKeyRow.key_id == SealedRow.key_id),
            )
            .where(
                SealedRow.tenant_id == self._tenant,
                SealedRow.purpose == place.purpose.value,
                SealedRow.row_id == place.row,
                SealedRow.version == place.version,
            )
        )
        found = self._connection.execute(query).first()
        if found is None:
            raise SecretMissing(SecretMissing.__doc__)
        key = WrappedKey(self._tenant, place.purpose, found.key_id, found.kek_id, found.wrapped)
        return Sealed(place, found.envelope, key)

    def forget_sealed(self, place: SecretPlace) -> None:
        """Delete the envelopes of that row that are older than the version of the place."""
        self._connection.execute(self._older(place))

    def _older(self, place: SecretPlace) -> Delete:
        return delete(SealedRow).where(
            SealedRow.tenant_id == self._tenant,
            SealedRow.purpose == place.purpose.value,
            SealedRow.row_id == place.row,
            SealedRow.version < place.version,
        )


def _adding(sealed: Sealed) -> Insert:
    place = sealed.place
    return insert(SealedRow).values(
        tenant_id=place.tenant,
        purpose=place.purpose.value,
        row_id=place.row,
        version=place.version,
        key_id=sealed.data_key.key_id,
        envelope=sealed.envelope,
    )


def find_tenant(connection: Connection, tenant: TenantId) -> Tenant:
    """The tenant with its current installation; raises `sqlalchemy.exc.NoResultFound` outside its transaction."""
    return tenant_of(connection.execute(VIEW_TENANT.where(TenantRow.tenant_id == tenant)).one())


def tenant_of(row: Row[*tuple[Any, ...]]) -> Tenant:
    """The tenant in a row of `VIEW_TENANT`."""
    tenant, own = TenantId(row.tenant_id), row.policy_sha256
    return Tenant(
        tenant=tenant,
        installation=InstallationId(row.installation_id),
        client_key=None if row.client_key is None else ClientKey(row.client_key),
        base_url=row.base_url,
        display_url=row.display_url,
        region=row.region,
        policy=row.policy if own is None else OwnPolicy(tenant, row.policy, own),
        secret_version=row.secret_version,
        token_expires_at=row.expires_at,
        framing_urls=tuple(row.framing_urls or ()),
    )
