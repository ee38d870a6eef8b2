"""Counts of what happened, for alert rules: codes, routes and tenants, never what was said."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, delete, func, insert, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.alerts.ports import Signal
from app.domain.identifiers import TenantId
from app.store.audit_tables import AlertRow, AnchorHeadRow, AnchorLeafRow, AuditWaitingRow, SignalRow
from app.store.tables import RegistryTenant

_SUBJECTS = {"endpoint": SignalRow.endpoint, "tenant": SignalRow.tenant_id}


class SqlSignals:
    """See `app.domain.ports.SignalRows`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, counts: Mapping[Signal, int], *, at: datetime) -> None:
        """Store counts; rows are only ever added, so that who takes over a web process cannot unsay them."""
        rows = [
            {"at": at, "code": signal.code, "endpoint": signal.endpoint, "tenant_id": signal.tenant, "count": count}
            for signal, count in counts.items()
        ]
        if rows:
            # Inline: to ask for the ids would take a right to read.
            self._connection.execute(insert(SignalRow).inline().values(rows))

    def sums(
        self,
        codes: Collection[str],
        *,
        endpoints: Collection[str],
        by: Literal["endpoint", "tenant"],
        since: datetime,
        until: datetime,
    ) -> Sequence[tuple[str, int]]:
        """How often, by route or by tenant that there is, after `since` and up to `until`."""
        subject = _SUBJECTS[by]
        query = select(subject, func.sum(SignalRow.count)).where(
            SignalRow.code.in_(sorted(codes)), SignalRow.at > since, SignalRow.at <= until
        )
        if endpoints:
            query = query.where(SignalRow.endpoint.in_(sorted(endpoints)))
        if by == "tenant":
            query = query.join(RegistryTenant, RegistryTenant.tenant_id == SignalRow.tenant_id)
            query = query.where(SignalRow.tenant_id != TenantId(0))
        return [(str(name), int(count)) for name, count in self._connection.execute(query.group_by(subject))]

    def audit_backlog(self) -> tuple[int, datetime | None]:
        """How many audit entries have no place in their log yet, and since when the oldest waits."""
        waiting, oldest = self._connection.execute(select(func.count(), func.min(AuditWaitingRow.at))).one()
        return waiting, oldest

    def anchor_backlog(self) -> tuple[int, datetime | None]:
        """How many checkpoints are beyond the newest head of the anchor, and since when the oldest waits."""
        anchored = select(func.coalesce(func.max(AnchorHeadRow.size), 0)).scalar_subquery()
        query = select(func.count(), func.min(AnchorLeafRow.at)).where(AnchorLeafRow.position >= anchored)
        waiting, oldest = self._connection.execute(query).one()
        return waiting, oldest

    def claim_alert(self, rule: str, subject: str, *, now: datetime, quiet: timedelta) -> bool:
        """Whether this alert is to be raised now: nobody else has within `quiet`, and nobody will until we end."""
        claiming = upsert(AlertRow).values(rule=rule, subject=subject, raised_at=now)
        claiming = claiming.on_conflict_do_update(
            index_elements=[AlertRow.rule, AlertRow.subject],
            set_={"raised_at": now},
            where=AlertRow.raised_at <= now - quiet,
        )
        return self._connection.execute(claiming.returning(literal(1))).first() is not None

    def condense(self, *, before: datetime) -> None:
        """Counts from before that instant become one row per hour, code, route and tenant."""
        gone = delete(SignalRow).where(SignalRow.at < before).returning(SignalRow).cte("gone")
        columns = (gone.c.code, gone.c.endpoint, gone.c.tenant_id)
        hour = func.date_trunc("hour", gone.c.at, "UTC") + timedelta(minutes=30)
        summed = select(hour, *columns, func.sum(gone.c.count)).group_by(hour, *columns)
        names = [SignalRow.at, SignalRow.code, SignalRow.endpoint, SignalRow.tenant_id, SignalRow.count]
        self._connection.execute(insert(SignalRow).from_select(names, summed))

    def forget(self, *, before: datetime) -> None:
        """Delete counts from before that instant."""
        self._connection.execute(delete(SignalRow).where(SignalRow.at < before))
