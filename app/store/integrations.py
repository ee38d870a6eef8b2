"""Our own grant at Atlassian: its row, and its sealed secrets."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from app.domain.identifiers import TenantId
from app.domain.integrations import model
from app.domain.integrations.model import ATLASSIAN, Attempt, Part, Stage, State, place_of
from app.domain.secrets import Purpose
from app.store.integration_tables import IntegrationRow
from app.store.tables import DataKeyRow, SealedRow

_SAME = (
    "changed_at",
    "attempt_version",
    "access_version",
    "refresh_version",
    "scopes",
    "access_expires_at",
    "leased_until",
    "waits_until",
    "failures",
    "problem",
    "disconnected_at",
    "erased_secrets",
    "receipt",
)
"""Called the same in the row and in the domain."""


class SqlIntegrations:
    """See `app.domain.integrations.ports.IntegrationRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant
        self._is_row = (IntegrationRow.tenant_id == tenant) & (IntegrationRow.integration == ATLASSIAN)

    def find(self) -> model.Connection:
        """Without a lock."""
        return self._read(_ROW.where(self._is_row))

    def hold(self) -> model.Connection:
        """Locks the row."""
        return self._read(_ROW.where(self._is_row).with_for_update())

    def save(self, connection: model.Connection) -> None:
        """Everything of it. Not an upsert: a web process may change the row, but never make it."""
        values = _values(connection)
        changed = update(IntegrationRow).where(self._is_row).values(values)
        if not self._connection.execute(changed).rowcount:
            keys = {"tenant_id": self._tenant, "integration": ATLASSIAN}
            self._connection.execute(insert(IntegrationRow).values(**keys, **values))

    def forget(self, parts: Collection[Part]) -> int:
        """All versions of them."""
        rows = [place_of(part, 0).row for part in parts]
        return self._connection.execute(self._deleting().where(SealedRow.row_id.in_(rows))).rowcount

    def destroy(self) -> int:
        """The envelopes first: they hang on the key."""
        gone = self._connection.execute(self._deleting()).rowcount
        keys = delete(DataKeyRow).where(
            DataKeyRow.tenant_id == self._tenant, DataKeyRow.purpose == Purpose.OAUTH_TOKEN.value
        )
        self._connection.execute(keys)
        return gone

    def _deleting(self) -> Any:  # noqa: ANN401  a statement
        return delete(SealedRow).where(
            SealedRow.tenant_id == self._tenant, SealedRow.purpose == Purpose.OAUTH_TOKEN.value
        )

    def _read(self, query: Select[Any]) -> model.Connection:
        found = self._connection.execute(query).first()
        return model.Connection(State.NOT_CONNECTED) if found is None else _connection_of(found)


_ROW = select(
    IntegrationRow.state,
    IntegrationRow.attempt_sha256,
    IntegrationRow.attempt_stage,
    IntegrationRow.attempt_expires_at,
    IntegrationRow.redirect_uri,
    *(getattr(IntegrationRow, name) for name in _SAME),
)


def _values(connection: model.Connection) -> dict[str, Any]:
    attempt = connection.attempt
    return {
        "state": connection.state.value,
        "attempt_sha256": attempt and attempt.state_sha256,
        "attempt_stage": attempt and attempt.stage.value,
        "attempt_expires_at": attempt and attempt.expires_at,
        "redirect_uri": attempt and attempt.redirect_uri,
        **{name: getattr(connection, name) for name in _SAME},
    }


def _connection_of(row: Row[Any]) -> model.Connection:
    attempt = None
    if row.attempt_sha256 is not None:
        attempt = Attempt(
            row.attempt_version,
            row.attempt_sha256,
            row.redirect_uri,
            row.attempt_expires_at,
            Stage(row.attempt_stage),
        )
    return model.Connection(state=State(row.state), attempt=attempt, **{name: getattr(row, name) for name in _SAME})
