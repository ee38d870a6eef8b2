"""The policies that a site has written for itself."""

from collections.abc import Mapping

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.identifiers import TenantId
from app.domain.promises.model import OwnPolicy
from app.domain.tracking.ports import StoredPolicy
from app.store.policy_tables import PolicyTextRow


class SqlPolicyTexts:
    """See `app.domain.tracking.ports.PolicyTextRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def versions(self) -> tuple[StoredPolicy, ...]:
        """The newest first."""
        query = select(PolicyTextRow.sha256, PolicyTextRow.version, PolicyTextRow.base, PolicyTextRow.made_at)
        mine = query.where(PolicyTextRow.tenant_id == self._tenant).order_by(PolicyTextRow.version.desc())
        return tuple(
            StoredPolicy(OwnPolicy(self._tenant, row.base, row.sha256), row.version, row.made_at)
            for row in self._connection.execute(mine)
        )

    def next_version(self) -> int:
        """One more than the newest."""
        query = select(func.coalesce(func.max(PolicyTextRow.version), 0) + 1)
        found: int = self._connection.execute(query.where(PolicyTextRow.tenant_id == self._tenant)).scalar_one()
        return found

    def texts(self, sha256: str) -> Mapping[str, str] | None:
        """As they were stored."""
        query = select(PolicyTextRow.texts).where(
            PolicyTextRow.tenant_id == self._tenant, PolicyTextRow.sha256 == sha256
        )
        found: Mapping[str, str] | None = self._connection.execute(query).scalar_one_or_none()
        return found

    def add(self, policy: StoredPolicy, texts: Mapping[str, str]) -> bool:
        """By both of its keys: a version is given once."""
        adding = upsert(PolicyTextRow).values(
            tenant_id=self._tenant,
            sha256=policy.ref.sha256,
            version=policy.version,
            base=policy.ref.base,
            texts=dict(texts),
            made_at=policy.made_at,
        )
        added = adding.on_conflict_do_nothing().returning(PolicyTextRow.version)
        return self._connection.execute(added).first() is not None
