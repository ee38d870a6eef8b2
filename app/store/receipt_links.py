"""The links to receipts of deletions, as rows."""

from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from app.domain.identifiers import TenantId
from app.domain.privacy.model import ReceiptLink
from app.store.privacy_tables import ReceiptLinkRow


class SqlReceiptLinks:
    """See `app.domain.privacy.rows.ReceiptLinkRows`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep(self, link: ReceiptLink) -> None:
        """One row per tenant, also where two ask at once."""
        values = {
            "token_sha256": link.token_sha256,
            "request_id": link.request,
            "asked_at": link.asked_at,
            "expires_at": link.expires_at,
        }
        adding = insert(ReceiptLinkRow).values(tenant_id=link.tenant, **values)
        self._connection.execute(adding.on_conflict_do_update(index_elements=["tenant_id"], set_=values))

    def find(self, token_sha256: bytes) -> ReceiptLink | None:
        """By the hash: who compares hashes, tells nobody by his haste how much of a token was right."""
        query = select(ReceiptLinkRow.__table__).where(ReceiptLinkRow.token_sha256 == token_sha256)
        row = self._connection.execute(query).first()
        if row is None:
            return None
        return ReceiptLink(row.token_sha256, TenantId(row.tenant_id), row.request_id, row.asked_at, row.expires_at)

    def forget_expired(self, now: datetime) -> None:
        """Of every tenant."""
        self._connection.execute(delete(ReceiptLinkRow).where(ReceiptLinkRow.expires_at <= now))
