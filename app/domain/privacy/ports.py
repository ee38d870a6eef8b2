"""What erasing and reporting need from the world: rows by tenant, rows by digest, and whoever takes the report."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from app.domain.identifiers import AccountId, TenantId


@dataclass(frozen=True)
class Due:
    """An account that is to be reported, as far as it is known outside of a tenant."""

    digest: bytes
    tenant: TenantId
    """One of those that hold it, through whose rows its id is read."""
    stored_at: datetime
    """The oldest instant of what any tenant holds of it."""


@dataclass(frozen=True)
class ReportedAccount:
    """One line of a request."""

    account: AccountId = field(repr=False)
    digest: bytes
    updated_at: datetime


class Outcome(StrEnum):
    """How a request to the reporting API ended."""

    TAKEN = "taken"
    MALFORMED = "malformed"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    SLOW_DOWN = "slow down"
    UNAVAILABLE = "unavailable"
    ODD = "odd"
    """An answer that means nothing, or something that was not asked: nothing is done because of it."""


@dataclass(frozen=True)
class Answer:
    """What the reporting API said."""

    outcome: Outcome
    status: int | None = None
    closed: frozenset[AccountId] = field(default=frozenset(), repr=False)
    updated: frozenset[AccountId] = field(default=frozenset(), repr=False)
    period_text: str | None = None
    """`Cycle-Period`, as it came."""
    retry_after_seconds: int | None = None
    why: str = ""
    """A code; nothing of the answer itself."""


class Ask(Protocol):
    """Sends one request, by one way to authenticate."""

    def __call__(self, accounts: Sequence[ReportedAccount]) -> Answer:
        """Of 1 to 90 accounts; raises nothing but `JiraUnavailable` and `VaultCannotAnswer`."""


@dataclass(frozen=True)
class Routes:
    """Who can be asked."""

    name: str
    """`oauth`, `connect`, `forge`, or `site`: each tenant's own way."""
    ask: Callable[[TenantId | None], Ask]
    """Of that tenant's site, or where `is_shared` of everybody's; raises `JiraUnavailable` where there is no way."""
    is_shared: bool = False
    """Whether one credential reports every tenant's accounts, so that requests are filled across tenants."""
    lacking: Callable[[], str | None] = lambda: None
    """Why nobody can be asked before a person does something; None = somebody can."""


@dataclass(frozen=True)
class Cycle:
    """The one row about the cycle."""

    period: timedelta
    period_text: str | None
    waits_until: datetime | None
    waits_for: str | None
    failures: int
    listed_at: datetime | None
    told_at: datetime | None
    pass_number: int
    pass_started_at: datetime


@dataclass(frozen=True)
class Sent:
    """One line of the evidence."""

    at: datetime
    tenant: TenantId | None
    accounts: int
    answer: Answer


@dataclass(frozen=True)
class Standing:
    """How far the reports are; counts and instants."""

    accounts: int
    due: int
    waiting: int
    """How many come again after a failure."""
    set_aside: int
    closed_unerased: int
    oldest_due: datetime | None
    oldest_unerased: datetime | None
    pass_left: int
    """Of the accounts that were there when the pass began, those that it has not reported yet."""


class PeopleRows(Protocol):
    """The accounts of this transaction's tenant."""

    def list_held(self, *, period: timedelta, now: datetime) -> int:
        """Make the list of accounts equal to what the columns of the register hold; returns how many there are.

        New ones are due within `period`, spread over it; those that were closed before are to be erased again.
        """

    def accounts(self, digests: Collection[bytes]) -> Mapping[bytes, AccountId]:
        """The ids of these accounts, as far as this tenant still holds them."""

    def held(self) -> Collection[AccountId]:
        """Every account id in a column of this tenant."""

    def erase(self, accounts: Collection[AccountId]) -> Mapping[str, int]:
        """Take these people out of every column of this tenant; returns how many rows changed, by table.

        What is global about them goes with the last tenant that held them.
        """

    def held_of(self, account: AccountId) -> Mapping[str, Sequence[str]]:
        """Every row that is about that person, as JSON objects by table."""

    def refresh(self, digests: Collection[bytes], now: datetime) -> None:
        """What is held of these accounts is as fresh as of now."""

    def subject(self, account: AccountId) -> UUID | None:
        """Our name of that person in the audit log; nobody else gives one until this transaction ends."""

    def who(self, entry: UUID) -> AccountId | None:
        """The person whom that audit entry names, unless nobody is named or the person was erased."""

    def add_subject(self, account: AccountId, subject: UUID, now: datetime) -> None:
        """That is our name of that person in the audit log from now on."""


class ReportRows(Protocol):
    """When accounts are to be reported, by digest, and what was answered."""

    def cycle(self) -> Cycle:
        """The one row."""

    def save_period(self, period: timedelta, text: str) -> None:
        """Each account is reported once in this time from now on."""

    def reschedule(self, period: timedelta, *, limit: int) -> int:
        """Accounts that were reported are due that long afterwards; returns how many were not, `limit` at most."""

    def wait(self, until: datetime | None, *, reason: str | None, failures: int) -> None:
        """Nobody asks before that instant."""

    def save_listed(self, now: datetime) -> None:
        """Every tenant's accounts were listed."""

    def save_told(self, at: datetime | None) -> None:
        """Somebody was told that reports are late, or all is well again."""

    def next_tenant(self, *, after: TenantId, now: datetime, also_new: bool) -> TenantId | None:
        """The next tenant through which accounts are due."""

    def lease(
        self,
        lease: UUID,
        *,
        after: Due | None,
        only: TenantId | None,
        now: datetime,
        until: datetime,
        also_new: bool,
        held_since: datetime | None,
    ) -> tuple[Due, ...]:
        """Up to 90 accounts that are due, in order of tenant; nobody else gets them before `until`.

        Fewer than 90 only if one of them is due since before `held_since`, or if that is None. `also_new`: those that
        were never reported are due already.
        """

    def renew(self, lease: UUID, digests: Collection[bytes], *, until: datetime) -> frozenset[bytes]:
        """Keep these for longer; returns those that are still ours."""

    def settle(
        self, lease: UUID, digests: Collection[bytes], *, closed: Collection[bytes], updated: Collection[bytes],
        now: datetime, due_at: datetime,
    ) -> None:  # fmt: skip
        """They are reported, and due again then; those that were closed never again."""

    def release(self, lease: UUID, *, until: datetime | None, failed: bool, now: datetime) -> None:
        """Give back what is left of that lease: due again at that instant, later after each failure in a row."""

    def set_aside(self, lease: UUID, digests: Collection[bytes], *, reason: str) -> None:
        """Never ask about these again, for that reason."""

    def answered(self, *, after: tuple[TenantId, bytes] | None, limit: int) -> Sequence[tuple[TenantId, bytes, bool]]:
        """Accounts whose answer is still to be acted on, with a tenant that holds them, and whether it was `closed`."""

    def finish(self, until: datetime) -> None:
        """What was answered until that instant is done, unless a tenant still holds a closed account."""

    def record(self, sent: Sent) -> None:
        """One more line of evidence."""

    def oldest(self) -> tuple[datetime | None, datetime | None]:
        """Since when the account that is due first is due, and one that was closed is to be erased; by indexes only."""

    def standing(self, *, now: datetime) -> Standing:
        """How far the reports are."""

    def pass_left(self) -> bool:
        """Whether an account that was there when the pass began is not reported yet."""

    def begin_pass(self, now: datetime) -> Mapping[str, int]:
        """The pass is over, the next begins; returns what it took: accounts, requests, refused, closed, updated."""

    def sent(self, limit: int, *, through: TenantId | None = None) -> Sequence[Mapping[str, object]]:
        """The newest lines of evidence; of requests through that tenant, where one is named."""

    def forget_sent(self, before: datetime) -> None:
        """Evidence from before that instant is not kept."""
