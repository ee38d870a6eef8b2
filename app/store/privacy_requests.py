"""Requests of people and tenants for their data, as rows."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from app.domain.identifiers import AccountId, TenantId
from app.domain.privacy.requests import Extension, PrivacyRequest, RequestKind, Verification
from app.store.privacy_tables import RequestRow


class SqlRequests:
    """See `app.domain.privacy.requests.RequestRows`."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def add(self, request: PrivacyRequest) -> None:
        """One row."""
        self._connection.execute(insert(RequestRow).values(tenant_id=self._tenant, **_values(request)))

    def hold(self, request: UUID) -> PrivacyRequest:
        """Locks the row."""
        query = select(RequestRow.__table__).where(*self._is(request)).with_for_update()
        found = self._connection.execute(query).first()
        if found is None:
            raise LookupError(f"there is no request {request} of tenant {self._tenant}")
        return _request_of(found)

    def find(self, request: UUID) -> PrivacyRequest | None:
        """That row, if it is there."""
        found = self._connection.execute(select(RequestRow.__table__).where(*self._is(request))).first()
        return None if found is None else _request_of(found)

    def save(self, request: PrivacyRequest) -> None:
        """Everything of it."""
        self._connection.execute(update(RequestRow).where(*self._is(request.request)).values(_values(request)))

    def list_all(self) -> tuple[PrivacyRequest, ...]:
        """The one received last first."""
        query = select(RequestRow.__table__).where(RequestRow.tenant_id == self._tenant)
        found = self._connection.execute(query.order_by(RequestRow.received_at.desc(), RequestRow.request_id))
        return tuple(map(_request_of, found))

    def _is(self, request: UUID) -> tuple[Any, ...]:
        return (RequestRow.tenant_id == self._tenant, RequestRow.request_id == request)


def _values(request: PrivacyRequest) -> dict[str, Any]:
    verification, extension = request.verification, request.extension
    return {
        "request_id": request.request,
        "kind": request.kind.value,
        "account": request.account,
        "filed_by": request.filed_by,
        "received_at": request.received_at,
        "verified_at": None if verification is None else verification.at,
        "verified_by": None if verification is None else verification.by,
        "verified_how": None if verification is None else verification.how,
        "extended_at": None if extension is None else extension.at,
        "extended_months": None if extension is None else extension.months,
        "extension_reason": None if extension is None else extension.reason,
        "refused_at": request.refused_at,
        "refusal": request.refusal,
        "fulfilled_at": request.fulfilled_at,
        "receipt": request.receipt,
    }


def _request_of(row: Row[*tuple[Any, ...]]) -> PrivacyRequest:
    verification, extension = None, None
    if row.verified_at is not None:
        verification = Verification(row.verified_at, row.verified_by, row.verified_how)
    if row.extended_at is not None:
        extension = Extension(row.extended_at, row.extended_months, row.extension_reason)
    return PrivacyRequest(
        request=row.request_id,
        kind=RequestKind(row.kind),
        account=None if row.account is None else AccountId(row.account),
        filed_by=row.filed_by,
        received_at=row.received_at,
        verification=verification,
        extension=extension,
        refused_at=row.refused_at,
        refusal=row.refusal,
        fulfilled_at=row.fulfilled_at,
        receipt=row.receipt,
    )
