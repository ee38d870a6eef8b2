"""Requests of people and tenants for their data: erase it, or hand it over; who was verified how, and until when.

Two clocks run for each. The vendor promises an answer within 30 days of verification; GDPR art. 12(3) gives one month
from receipt, whether or not anybody is verified yet. The earlier one counts. Where a request is complex, the month may
be extended once by up to two more, with notice and reason within the first month; the promise knows no such extension,
so from then on it is told whether it was kept, and the law's bound is the one to be met.

The month ends with the day of the same number, or with the last of a shorter month, in UTC; that this may be a Sunday
is not used (Regulation 1182/71 art. 3(4) would allow the next working day).
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from app.domain.clocks.counting import count, end_of_day
from app.domain.clocks.model import instant_text
from app.domain.clocks.rule import Mode, Term, Unit
from app.domain.identifiers import AccountId

LONGEST_EXTENSION_MONTHS = 2
PROMISE = Term(
    mode=Mode.ELAPSED,
    unit=Unit.DAYS,
    amount=30,
    clause="30 days from verification",
    source="the vendors' policies: deletion within 30 days of a verified request",
)
LAW = Term(
    mode=Mode.MONTHS,
    unit=Unit.MONTHS,
    amount=1,
    clause="one month from receipt",
    source="https://eur-lex.europa.eu/eli/reg/2016/679/oj#d1e2182-1-1",
)


class RequestKind(StrEnum):
    """What is asked for."""

    ERASURE = "erasure"
    ACCESS = "access"


class RequestState(StrEnum):
    """Where a request is."""

    RECEIVED = "received"
    VERIFIED = "verified"
    REFUSED = "refused"
    FULFILLED = "fulfilled"


class RequestRefused(ValueError):
    """This cannot be done with a request in this state; the text says why."""


@dataclass(frozen=True)
class Verification:
    """That whoever asks may ask: by whom that was found, how and when. How, and not who: this record stays."""

    at: datetime
    by: str
    how: str


@dataclass(frozen=True)
class Extension:
    """Further months, of which the one who asks was told at that instant."""

    at: datetime
    months: int
    reason: str


@dataclass(frozen=True)
class PrivacyRequest:
    """One request about a person (`account`) or about all of a tenant (None)."""

    request: UUID
    kind: RequestKind
    account: AccountId | None
    filed_by: str
    """`site` or `operator`."""
    received_at: datetime
    verification: Verification | None = None
    extension: Extension | None = None
    refused_at: datetime | None = None
    refusal: str | None = None
    fulfilled_at: datetime | None = None
    receipt: str | None = None

    @property
    def state(self) -> RequestState:
        """Where it is."""
        if self.fulfilled_at is not None:
            return RequestState.FULFILLED
        if self.refused_at is not None:
            return RequestState.REFUSED
        return RequestState.RECEIVED if self.verification is None else RequestState.VERIFIED

    @property
    def promised_by(self) -> datetime | None:
        """The last instant by the vendor's promise; None until somebody is verified."""
        if self.verification is None:
            return None
        return count(PROMISE, PROMISE.amount or 0, start=self.verification.at, calendars={}).at

    @property
    def required_before(self) -> datetime:
        """The first instant that is too late by law, with the extension if there is one."""
        months = 1 if self.extension is None else 1 + self.extension.months
        return self._months(months)

    @property
    def due_at(self) -> datetime:
        """The earlier of both; after an extension that of the law."""
        if self.promised_by is None or self.extension is not None:
            return self.required_before
        return min(self.promised_by, self.required_before)

    def is_late(self, now: datetime) -> bool:
        """Whether it was, or is, answered too late."""
        ended = self.fulfilled_at or self.refused_at
        return (ended or now) > self.due_at

    def verified(self, found: Verification) -> "PrivacyRequest":
        """With that verification; raises `RequestRefused` once it is answered or verified."""
        self._require(RequestState.RECEIVED)
        if found.at < self.received_at:
            raise RequestRefused("nobody can be verified for a request that was not received yet")
        return replace(self, verification=found)

    def extended(self, extension: Extension) -> "PrivacyRequest":
        """With more time; raises `RequestRefused` for a second one, too much, or after the first month."""
        self._require(RequestState.RECEIVED, RequestState.VERIFIED)
        if self.extension is not None:
            raise RequestRefused("it was extended already, and the law knows one extension")
        if not 1 <= extension.months <= LONGEST_EXTENSION_MONTHS:
            raise RequestRefused(f"an extension is of one or {LONGEST_EXTENSION_MONTHS} months")
        if extension.at >= self._months(1):
            raise RequestRefused("notice of an extension has to be given within the first month")
        return replace(self, extension=extension)

    def refused(self, reason: str, *, now: datetime) -> "PrivacyRequest":
        """Refused for that reason; raises `RequestRefused` once it is answered."""
        self._require(RequestState.RECEIVED, RequestState.VERIFIED)
        return replace(self, refused_at=now, refusal=reason)

    def fulfilled(self, *, now: datetime) -> "PrivacyRequest":
        """Done; raises `RequestRefused` unless somebody was verified."""
        self._require(RequestState.VERIFIED)
        return replace(self, fulfilled_at=now)

    def _months(self, months: int) -> datetime:
        counted_to = count(LAW, months, start=self.received_at, calendars={}).counted_to
        if counted_to is None:
            raise ValueError("months are counted to a day")
        return end_of_day(counted_to, UTC).at

    def _require(self, *states: RequestState) -> None:
        if self.state not in states:
            raise RequestRefused(f"it is {self.state.value}; that can be done while it is {' or '.join(states)}")


class RequestRows(Protocol):
    """The requests of this transaction's tenant."""

    def add(self, request: PrivacyRequest) -> None:
        """A new one."""

    def hold(self, request: UUID) -> PrivacyRequest:
        """One, which nobody else changes until this transaction ends; raises `LookupError`."""

    def find(self, request: UUID) -> PrivacyRequest | None:
        """One, if it is there."""

    def save(self, request: PrivacyRequest) -> None:
        """What became of it."""

    def list_all(self) -> tuple[PrivacyRequest, ...]:
        """Every one, the one received last first."""


def document_of(request: PrivacyRequest, *, now: datetime) -> dict[str, Any]:
    """A request as it is told, by command and by HTTP."""
    verification, extension, promised = request.verification, request.extension, request.promised_by
    return {
        "id": str(request.request),
        "kind": request.kind.value,
        "account": request.account,
        "state": request.state.value,
        "filed_by": request.filed_by,
        "received_at": instant_text(request.received_at),
        "verified": None
        if verification is None
        else {"at": instant_text(verification.at), "by": verification.by, "how": verification.how},
        "promised_by": None if promised is None else instant_text(promised),
        "required_before": instant_text(request.required_before),
        "due_at": instant_text(request.due_at),
        "late": request.is_late(now),
        "extended": None
        if extension is None
        else {"at": instant_text(extension.at), "months": extension.months, "reason": extension.reason},
        "refused": None
        if request.refused_at is None
        else {"at": instant_text(request.refused_at), "reason": request.refusal},
        "fulfilled_at": None if request.fulfilled_at is None else instant_text(request.fulfilled_at),
    }
