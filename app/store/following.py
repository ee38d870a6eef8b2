"""What a tenant chose to be followed, what means nothing to us, and how far runs are."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.identifiers import IssueId, TenantId
from app.domain.tracking.configuration import FollowingConfiguration, configuration_of
from app.domain.tracking.model import Unmapped
from app.domain.tracking.runs import Cause, Counts, Phase, Run, RunKind
from app.store.following_tables import FollowingSettingsRow, RunRow, UnmappedRow

_LONGEST_NAME = 255
_PLAIN = tuple(each.name for each in fields(Run) if each.name not in {"kind", "cause", "phase", "counts"})


class SqlFollowing:
    """See `app.domain.tracking.ports.FollowingRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def configuration(self) -> FollowingConfiguration:
        """The newest version; version 0 where nobody has chosen."""
        query = select(FollowingSettingsRow.version, FollowingSettingsRow.document)
        newest = query.where(FollowingSettingsRow.tenant_id == self._tenant).order_by(
            FollowingSettingsRow.version.desc()
        )
        found = self._connection.execute(newest.limit(1)).first()
        return FollowingConfiguration() if found is None else configuration_of(found.document, version=found.version)

    def add_configuration(self, configuration: FollowingConfiguration, now: datetime) -> bool:
        """Store it under its version; False where somebody else has stored that one."""
        adding = upsert(FollowingSettingsRow).values(
            tenant_id=self._tenant, version=configuration.version, document=configuration.to_json(), made_at=now
        )
        added = adding.on_conflict_do_nothing().returning(FollowingSettingsRow.version)
        return self._connection.execute(added).first() is not None

    def note_unmapped(self, values: Sequence[Unmapped], now: datetime) -> None:
        """Remember values that were met and mean nothing to us."""
        rows = [
            {"tenant_id": self._tenant, "kind": value.kind, "name": value.name[:_LONGEST_NAME]}
            | {"issue_id": value.issue, "met_at": now}
            for value in values
        ]
        if rows:
            self._connection.execute(upsert(UnmappedRow).on_conflict_do_nothing(), rows)

    def list_unmapped(self) -> tuple[Unmapped, ...]:
        """Those that were met, in order of kind and name."""
        query = select(UnmappedRow.kind, UnmappedRow.name, UnmappedRow.issue_id)
        mine = query.where(UnmappedRow.tenant_id == self._tenant).order_by(UnmappedRow.kind, UnmappedRow.name)
        return tuple(Unmapped(row.kind, row.name, IssueId(row.issue_id)) for row in self._connection.execute(mine))

    def forget_unmapped(self) -> None:
        """None was met: everything is about to be read again."""
        self._connection.execute(delete(UnmappedRow).where(UnmappedRow.tenant_id == self._tenant))

    def ask_run(self, kind: RunKind, cause: Cause, *, now: datetime) -> None:
        """A run of that kind begins anew."""
        fresh = _columns(Run(kind, cause, now))
        # What the last one has covered and come to is kept for the one that begins.
        kept = {name: value for name, value in fresh.items() if name not in {"covered_at", "last"}}
        asking = upsert(RunRow).values(tenant_id=self._tenant, kind=kind.value, **fresh)
        self._connection.execute(
            asking.on_conflict_do_update(index_elements=[RunRow.tenant_id, RunRow.kind], set_=kept)
        )

    def ask_import(self, *, returned: bool, now: datetime) -> None:
        """An import begins anew, because the site installed us, or came back."""
        self.ask_run(RunKind.IMPORT, Cause.RETURNED if returned else Cause.INSTALLED, now=now)

    def find_run(self, kind: RunKind) -> Run | None:
        """The one under way, else the last."""
        query = select(RunRow.__table__).where(RunRow.tenant_id == self._tenant, RunRow.kind == kind.value)
        found = self._connection.execute(query).first()
        return None if found is None else _run(found)

    def save_run(self, run: Run) -> bool:
        """The place that it has reached; False where it was asked for anew meanwhile."""
        saving = (
            update(RunRow)
            .where(RunRow.tenant_id == self._tenant, RunRow.kind == run.kind.value, RunRow.asked_at == run.asked_at)
            .values(**_columns(run))
            .returning(RunRow.kind)
        )
        return self._connection.execute(saving).first() is not None


def _columns(run: Run) -> dict[str, Any]:
    values = {name: value for name, value in asdict(run).items() if name not in {"kind", "counts", "cause", "phase"}}
    return values | {"cause": run.cause.value, "phase": run.phase.value, "counts": run.counts.to_json()}


def _run(row: Any) -> Run:  # noqa: ANN401  a row of `RunRow`
    return Run(
        kind=RunKind(row.kind),
        cause=Cause(row.cause),
        phase=Phase(row.phase),
        counts=Counts(**row.counts),
        **{name: getattr(row, name) for name in _PLAIN},
    )
