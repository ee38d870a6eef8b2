"""What can be told of sealed secrets without opening one."""

from sqlalchemy import Connection, Text, cast, func, select

from app.domain.identifiers import InstallationId, TenantId
from app.domain.integrations.ports import Credential
from app.domain.secrets import Purpose
from app.store.tables import DataKeyRow, ForgeTokenRow, RegistryConnect, SealedRow


class SqlCredentials:
    """See `app.domain.integrations.ports.CredentialRows`. The envelope is in no query."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def held(self) -> tuple[Credential, ...]:
        """The newest version of each, by kind and installation."""
        query = (
            select(
                SealedRow.purpose,
                SealedRow.version,
                DataKeyRow.kek_id,
                func.coalesce(RegistryConnect.installation_id, ForgeTokenRow.installation_id).label("installation"),
                func.coalesce(RegistryConnect.applied_at, ForgeTokenRow.received_at).label("since"),
                ForgeTokenRow.expires_at,
            )
            .join(
                DataKeyRow,
                (DataKeyRow.tenant_id == SealedRow.tenant_id)
                & (DataKeyRow.purpose == SealedRow.purpose)
                & (DataKeyRow.key_id == SealedRow.key_id),
            )
            .outerjoin(
                RegistryConnect,
                (RegistryConnect.tenant_id == SealedRow.tenant_id)
                & (SealedRow.purpose == Purpose.CONNECT_SECRET.value)
                & (cast(RegistryConnect.installation_id, Text) == SealedRow.row_id)
                & (RegistryConnect.secret_version == SealedRow.version),
            )
            .outerjoin(
                ForgeTokenRow,
                (ForgeTokenRow.tenant_id == SealedRow.tenant_id)
                & (SealedRow.purpose == Purpose.FORGE_TOKEN.value)
                & (cast(ForgeTokenRow.installation_id, Text) == SealedRow.row_id)
                & (ForgeTokenRow.version == SealedRow.version),
            )
            .where(SealedRow.tenant_id == self._tenant)
            .order_by(SealedRow.purpose, SealedRow.row_id)
        )
        return tuple(
            Credential(
                kind=Purpose(row.purpose),
                installation=InstallationId(row.installation),
                version=row.version,
                since=row.since,
                expires_at=row.expires_at,
                key=row.kek_id,
            )
            for row in self._connection.execute(query)
            if row.installation is not None
        )
