"""Who has left, and whatever still leads there: global rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, insert, select, text, update

from app.domain.identifiers import HOUSE, TenantId
from app.domain.installations.forge_tokens import site_name
from app.domain.installations.model import ForgeRegistered, InstallationState, Registered
from app.domain.privacy.model import AskedBy, Departure
from app.store.privacy_tables import DepartureRow
from app.store.registry import FIND_CONNECT, FIND_FORGE, forge_registered_of, registered_of
from app.store.tables import RegistryConnect, RegistryForge, RegistryTenant

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_COLUMNS = (
    DepartureRow.tenant_id,
    DepartureRow.left_at,
    DepartureRow.due_at,
    DepartureRow.asked_by,
    DepartureRow.begun_at,
    DepartureRow.erased_at,
    DepartureRow.counts,
    DepartureRow.receipt,
)


class SqlDepartures:
    """See `app.domain.privacy.rows.Departures`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def unnoticed(self) -> tuple[TenantId, ...]:
        """In order of id; our own house never leaves."""
        noted = exists().where(DepartureRow.tenant_id == RegistryTenant.tenant_id)
        query = select(RegistryTenant.tenant_id).where(
            RegistryTenant.tenant_id != HOUSE, ~_is_active(RegistryTenant.tenant_id), ~noted
        )
        found = self._connection.execute(query.order_by(RegistryTenant.tenant_id)).scalars()
        return tuple(map(TenantId, found))

    def forget_returned(self) -> int:
        """Only where nothing was erased yet."""
        returned = delete(DepartureRow).where(DepartureRow.begun_at.is_(None), _is_active(DepartureRow.tenant_id))
        return self._connection.execute(returned).rowcount

    def note(self, departure: Departure) -> None:
        """One row per tenant."""
        self._connection.execute(insert(DepartureRow).values(tenant_id=departure.tenant, **_values(departure)))

    def find(self, tenant: TenantId) -> Departure | None:
        """What was noted."""
        found = self._connection.execute(select(*_COLUMNS).where(DepartureRow.tenant_id == tenant)).first()
        return None if found is None else _departure_of(found)

    def hold(self, tenant: TenantId) -> Departure | None:
        """Locks the row."""
        query = select(*_COLUMNS).where(DepartureRow.tenant_id == tenant).with_for_update()
        found = self._connection.execute(query).first()
        return None if found is None else _departure_of(found)

    def save(self, departure: Departure) -> None:
        """Everything of it."""
        is_row = DepartureRow.tenant_id == departure.tenant
        self._connection.execute(update(DepartureRow).where(is_row).values(_values(departure)))

    def receipt_of(self, tenant: TenantId) -> str | None:
        """Of that column alone: a web process may read no other."""
        query = select(DepartureRow.receipt).where(DepartureRow.tenant_id == tenant)
        return self._connection.execute(query).scalar()

    def due(self, now: datetime) -> tuple[TenantId, ...]:
        """The one that is due first comes first."""
        query = select(DepartureRow.tenant_id).where(DepartureRow.receipt.is_(None), DepartureRow.due_at <= now)
        return tuple(map(TenantId, self._connection.execute(query.order_by(DepartureRow.due_at)).scalars()))

    def list_all(self) -> tuple[Departure, ...]:
        """In order of tenant."""
        return tuple(map(_departure_of, self._connection.execute(select(*_COLUMNS).order_by(DepartureRow.tenant_id))))

    def lock_registrations(self, tenant: TenantId) -> tuple[Sequence[Registered], Sequence[ForgeRegistered]]:
        """By the locks that an install takes, all in one order, and read once they are held."""
        connect, forge = self._registrations(tenant)
        names = {name for one in connect for name in (f"client:{one.client_key}", f"site:{one.site_url}")}
        for each in forge:  # as `SqlRegistry.lock_forge` calls them
            names |= {f"forge:{each.forge_installation}", f"forge-site:{site_name(each.cloud_id, each.environment)}"}
        for name in sorted(names):
            self._connection.execute(_LOCK, {"name": name})
        return self._registrations(tenant)

    def _registrations(self, tenant: TenantId) -> tuple[Sequence[Registered], Sequence[ForgeRegistered]]:
        connect = self._connection.execute(FIND_CONNECT.where(RegistryConnect.tenant_id == tenant))
        forge = self._connection.execute(FIND_FORGE.where(RegistryForge.tenant_id == tenant))
        return [registered_of(row) for row in connect], [forge_registered_of(row) for row in forge]


def _is_active(tenant: Any) -> ColumnElement[bool]:  # noqa: ANN401  a mapped column
    return (
        exists().where(RegistryConnect.tenant_id == tenant, RegistryConnect.state == InstallationState.ACTIVE.value)
        | exists().where(RegistryForge.tenant_id == tenant, RegistryForge.state == InstallationState.ACTIVE.value)
    )  # fmt: skip


def _values(departure: Departure) -> dict[str, Any]:
    return {
        "left_at": departure.left_at,
        "due_at": departure.due_at,
        "asked_by": departure.asked_by.value,
        "begun_at": departure.begun_at,
        "erased_at": departure.erased_at,
        "counts": dict(departure.counts),
        "receipt": departure.receipt,
    }


def _departure_of(row: Row[*tuple[Any, ...]]) -> Departure:
    return Departure(
        tenant=TenantId(row.tenant_id),
        left_at=row.left_at,
        due_at=row.due_at,
        asked_by=AskedBy(row.asked_by),
        begun_at=row.begun_at,
        erased_at=row.erased_at,
        counts=row.counts,
        receipt=row.receipt,
    )
