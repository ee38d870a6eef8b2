"""Metrics of the cell, and what they are measured by: the queue, and what each tenant waits for."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.identifiers import TenantId
from app.domain.metrics.ports import Backlog, JobStanding, Series
from app.store.audit_tables import AlertRow
from app.store.metric_tables import MetricRow
from app.store.tables import DeliveryRow, IssueRow, PendingReadRow, RecomputationRow

_CLAIM = "measuring"
_MOST = 5_000
_JOBS = text(
    """
    SELECT job.task_name AS name,
        CASE WHEN job.status = 'todo' AND job.scheduled_at > :now THEN 'later' ELSE job.status::text END AS state,
        count(*) AS many,
        min(greatest(job.scheduled_at, deferred.at))
            FILTER (WHERE job.status = 'todo' AND coalesce(job.scheduled_at, :now) <= :now) AS oldest
    FROM jobs.procrastinate_jobs job
    LEFT JOIN LATERAL (
        SELECT min(event.at) AS at FROM jobs.procrastinate_events event
        WHERE event.job_id = job.id AND event.type = 'deferred'
    ) deferred ON true
    WHERE job.status IN ('todo', 'doing', 'failed')
    GROUP BY 1, 2
    """
)
_AT_WORK = text(
    """
    SELECT (job.args ->> 'tenant')::bigint AS tenant FROM jobs.procrastinate_jobs job
    JOIN registry.tenants known ON known.tenant_id = (job.args ->> 'tenant')::bigint
    WHERE job.status IN ('todo', 'doing')
        AND job.task_name IN ('read-issues', 'wake:read-issues', 'recompute-clocks', 'wake:recompute-clocks')
    GROUP BY 1 ORDER BY min(job.id) LIMIT :limit
    """
)


class SqlMetrics:
    """See `app.domain.metrics.ports.MetricRows`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, counts: Mapping[Series, float], *, at: datetime) -> None:
        """Add to what is there."""
        self._write(counts, at=at, is_sum=True)

    def put(self, values: Mapping[Series, float], *, at: datetime) -> None:
        """In place of what is there."""
        self._write(values, at=at, is_sum=False)

    def _write(self, values: Mapping[Series, float], *, at: datetime, is_sum: bool) -> None:
        # In one order: two processes that write the same rows would else wait for each other.
        rows = [
            {"name": name, "labels": labels, "value": value, "at": at}
            for (name, labels), value in sorted(values.items())
        ]
        if not rows:
            return
        adding = upsert(MetricRow).values(rows)
        new = MetricRow.value + adding.excluded.value if is_sum else adding.excluded.value
        key = [MetricRow.name, MetricRow.labels]
        self._connection.execute(adding.on_conflict_do_update(index_elements=key, set_={"value": new, "at": at}))

    def stored(self) -> Mapping[Series, float]:
        """All of them; of what somebody who took over a process has put in, no more than there can be."""
        query = select(MetricRow.name, MetricRow.labels, MetricRow.value)
        rows = self._connection.execute(query.order_by(MetricRow.name, MetricRow.labels).limit(_MOST))
        return {Series(name, labels): value for name, labels, value in rows}

    def claim(self, *, now: datetime, every: timedelta) -> bool:
        """Whether to measure now: nobody else has within that time, and nobody will until we end."""
        claiming = upsert(MetricRow).values(name=_CLAIM, labels="", value=0.0, at=now)
        claiming = claiming.on_conflict_do_update(
            index_elements=[MetricRow.name, MetricRow.labels],
            set_={"at": now},
            # A clock that was ahead holds nobody up.
            where=or_(MetricRow.at <= now - every, MetricRow.at > now + every),
        )
        return self._connection.execute(claiming.returning(literal(1))).first() is not None

    def jobs(self, *, now: datetime) -> Sequence[JobStanding]:
        """The queue by name and state."""
        rows = self._connection.execute(_JOBS, {"now": now})
        return [JobStanding(row.name, row.state, row.many, row.oldest) for row in rows]

    def tenants_at_work(self, limit: int) -> Sequence[TenantId]:
        """Those for whom a job reads issues or makes bounds anew, or waits to; the longest waiting first."""
        return [TenantId(tenant) for tenant in self._connection.execute(_AT_WORK, {"limit": limit}).scalars()]

    def backlog(self, tenant: TenantId) -> Backlog:
        """Of the tenant that was entered."""
        same = and_(DeliveryRow.tenant_id == tenant, DeliveryRow.issue_id == PendingReadRow.issue_id)
        # An issue is read as it is: that covers every event from before.
        uncovered = or_(IssueRow.read_at.is_(None), DeliveryRow.received_at > IssueRow.read_at)
        known = and_(IssueRow.tenant_id == tenant, IssueRow.issue_id == PendingReadRow.issue_id)
        waiting = (
            select(
                func.count(DeliveryRow.delivery_id),
                func.count(PendingReadRow.issue_id.distinct()),
                # `asked_at` moves with each further event; the first that waits is the one that counts.
                func.min(func.least(PendingReadRow.asked_at, DeliveryRow.received_at)),
            )
            .select_from(PendingReadRow)
            .outerjoin(IssueRow, known)
            .outerjoin(DeliveryRow, and_(same, uncovered))
            .where(PendingReadRow.tenant_id == tenant)
        )
        events, issues, oldest = self._connection.execute(waiting).one()
        begun = select(RecomputationRow.begun_at).where(RecomputationRow.tenant_id == tenant)
        return Backlog(events, issues, oldest, self._connection.execute(begun).scalar_one_or_none())

    def alerts(self) -> Mapping[str, datetime]:
        """When an alert of each rule was last raised."""
        rows = self._connection.execute(select(AlertRow.rule, func.max(AlertRow.raised_at)).group_by(AlertRow.rule))
        return {rule: at for rule, at in rows}  # noqa: C416  rows are no pairs to a type checker
