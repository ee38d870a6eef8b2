"""What is done with requests: filed, verified, extended, refused, and fulfilled by erasing or by handing over."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, Any
from uuid import UUID, uuid4

from app.domain.audit.entry import Action, AuditEvent
from app.domain.audit.operations import log_origin
from app.domain.audit.ports import CheckpointKey
from app.domain.clocks.model import instant_text
from app.domain.identifiers import AccountId, TenantId
from app.domain.ports import Database, UnitOfWork, Vault
from app.domain.privacy.accounts import ERASED
from app.domain.privacy.exporting import Exporting
from app.domain.privacy.leaving import Leaving
from app.domain.privacy.model import RECEIPT_LINK_GOOD_FOR, AskedBy, ReceiptLink
from app.domain.privacy.persons import by_person
from app.domain.privacy.receipts import ageing, sign_receipt
from app.domain.privacy.requests import Extension, PrivacyRequest, RequestKind, RequestRefused, Verification

FILED_BY_SITE, FILED_BY_OPERATOR = "site", "operator"


@dataclass(frozen=True)
class Answering:
    """Every change is audited, by the id of the request and never by the person."""

    database: Database
    leaving: Leaving
    exporting: Exporting
    key: Callable[[], CheckpointKey]
    vault: Vault

    def list_of(self, tenant: TenantId) -> tuple[PrivacyRequest, ...]:
        """The requests about that tenant and its people, the one received last first."""
        with self.database.begin(tenant) as uow:
            return uow.requests.list_all()

    def file(
        self,
        tenant: TenantId,
        kind: RequestKind,
        *,
        account: AccountId | None,
        filed_by: str,
        received_at: datetime,
        verification: Verification | None = None,
        by: AccountId | None = None,
        token_sha256: bytes | None = None,
    ) -> PrivacyRequest:
        """A new request; `account`: the person, or None for all of the tenant. Raises `RequestRefused`.

        `token_sha256`: the hash of the token of a link that is to lead to the tenant's receipt.
        """
        request = PrivacyRequest(uuid4(), kind, account, filed_by, received_at)
        if verification is not None:
            request = request.verified(verification)
        scope = "tenant" if account is None else "person"
        detail = {"kind": kind.value, "scope": scope, "state": request.state.value}
        with self.database.begin(tenant) as uow:
            uow.requests.add(request)
            if token_sha256 is not None:
                expires_at = received_at + RECEIPT_LINK_GOOD_FOR
                uow.receipt_links.keep(ReceiptLink(token_sha256, tenant, request.request, received_at, expires_at))
            event = AuditEvent(Action.REQUEST_FILED, filed_by, _target(request.request), detail)
            filed = by_person(event, by, uow=uow, vault=self.vault, tenant=tenant, now=received_at)
            uow.commit(because=filed)
        return request

    def verify(self, tenant: TenantId, request: UUID, found: Verification) -> PrivacyRequest:
        """Somebody was found to be who he says he is; raises `LookupError`, `RequestRefused`."""
        with self.database.begin(tenant) as uow:
            verified = uow.requests.hold(request).verified(found)
            uow.requests.save(verified)
            uow.commit(because=AuditEvent(Action.REQUEST_VERIFIED, "operator", _target(request)))
        return verified

    def extend(self, tenant: TenantId, request: UUID, extension: Extension) -> PrivacyRequest:
        """More time, of which whoever asks was told; raises `LookupError`, `RequestRefused`."""
        with self.database.begin(tenant) as uow:
            extended = uow.requests.hold(request).extended(extension)
            uow.requests.save(extended)
            detail = {"months": extension.months}
            uow.commit(because=AuditEvent(Action.REQUEST_EXTENDED, "operator", _target(request), detail))
        return extended

    def refuse(self, tenant: TenantId, request: UUID, *, reason: str, now: datetime) -> PrivacyRequest:
        """No, and why; raises `LookupError`, `RequestRefused`."""
        with self.database.begin(tenant) as uow:
            refused = uow.requests.hold(request).refused(reason, now=now)
            uow.requests.save(refused)
            uow.commit(because=AuditEvent(Action.REQUEST_REFUSED, "operator", _target(request)))
        return refused

    def erase(self, tenant: TenantId, request: UUID, *, now: datetime) -> PrivacyRequest:
        """Fulfil an erasure: of a person at once, with a receipt; of a tenant by ending its access and letting it go.

        With the tenant the request goes too; its receipt is that of the tenant. Raises `LookupError`, `RequestRefused`.
        """
        with self.database.begin(tenant) as uow:
            asked = uow.requests.hold(request)
            done = _of_kind(asked, RequestKind.ERASURE).fulfilled(now=now)
            if asked.account is not None:
                return self._erase_person(uow, done, tenant=tenant, person=asked.account, now=now)
            uow.requests.save(done)
            uow.commit(because=AuditEvent(Action.REQUEST_FULFILLED, "operator", _target(request)))
        self.leaving.leave(tenant, asked_by=AskedBy.REQUEST, at_once=True, now=now)
        return done

    def hand_over(self, tenant: TenantId, request: UUID, target: IO[bytes], *, now: datetime) -> PrivacyRequest:
        """Fulfil an access request: of a person one JSON document, of a tenant its export.

        Fulfilled once it is written. Raises `LookupError`, `RequestRefused`, `OSError`.
        """
        with self.database.begin(tenant) as uow:
            asked = _of_kind(uow.requests.hold(request), RequestKind.ACCESS)
            asked.fulfilled(now=now)
            if asked.account is not None:
                target.write(_document(uow, asked.account, now=now))
        # Outside: an export takes longer than a transaction may wait.
        if asked.account is None:
            self.exporting.write(tenant, target, now=now, progress=lambda _: None)
        target.flush()
        with self.database.begin(tenant) as uow:
            done = uow.requests.hold(request).fulfilled(now=now)
            if done.account is not None:
                done = replace(done, account=AccountId(ERASED))
            uow.requests.save(done)
            uow.commit(because=AuditEvent(Action.REQUEST_FULFILLED, "operator", _target(request)))
        return done

    def _erase_person(
        self, uow: UnitOfWork, done: PrivacyRequest, *, tenant: TenantId, person: AccountId, now: datetime
    ) -> PrivacyRequest:
        counts = uow.people.erase([person])
        self.leaving.remembering.accounts(uow, tenant, [person])
        key = self.key()
        receipt = sign_receipt(
            {
                "subject": _target(done.request),
                "asked_by": AskedBy.REQUEST.value,
                "received_at": instant_text(done.received_at),
                "verified_at": None if done.verification is None else instant_text(done.verification.at),
                "erased_at": instant_text(now),
                "erased": dict(counts),
                "audit": {"log": log_origin(key.name, tenant), "target": _target(done.request)},
                "only_ageing_removes": [each.to_json() for each in ageing(now, backups_kept=self.leaving.backups_kept)],
            },
            key,
        )
        done = replace(done, account=AccountId(ERASED), receipt=receipt)
        uow.requests.save(done)
        detail = {"rows": sum(counts.values())}
        uow.commit(because=AuditEvent(Action.REQUEST_FULFILLED, "operator", _target(done.request), detail))
        return done


def _of_kind(request: PrivacyRequest, kind: RequestKind) -> PrivacyRequest:
    if request.kind is not kind:
        raise RequestRefused(f"it is a request for {request.kind.value}, not for {kind.value}")
    return request


def _document(uow: UnitOfWork, person: AccountId, *, now: datetime) -> bytes:
    held: Mapping[str, Any] = {
        table: [json.loads(row) for row in rows] for table, rows in uow.people.held_of(person).items()
    }
    document = {"format": "pledge-personal-data-1", "account": person, "as_of": instant_text(now), "held": held}
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def _target(request: UUID) -> str:
    return f"request/{request}"
