"""What the domain needs from the world, as Protocols; `store`, `vault` and `outbound` implement them.

Each Protocol has a second implementation or a simulator in the tests, or it would not be here.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from app.domain.audit.entry import AuditEvent, Bookkeeping
from app.domain.audit.ports import AnchorTree, TenantLog
from app.domain.clocks.model import Bounds, Event
from app.domain.identifiers import AccountId, ClientKey, CloudId, InstallationId, IssueId, ProjectId, TenantId
from app.domain.installations.model import ForgeContact, ForgeRegistered, Install, Registered, Tenant
from app.domain.secrets import KeyFault, KeyProof, Purpose, Sealed, Secret, SecretPlace, WrappedKey
from app.domain.tracking.model import IssueRecord, IssueSnapshot, PendingRead
from app.protocol.connect_jwt import ConnectClaims, SignedRequest

JobKind = Literal["read-issues"]
"""Kinds of work that a change can ask for; one job per tenant and kind waits at a time."""


class IssueHidden(Exception):
    """Jira does not show this issue to the app (404 or 403)."""


class JiraUnavailable(Exception):
    """Jira cannot be asked at the moment."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(self.__doc__)
        self.retry_after_seconds = retry_after_seconds


class JiraRefused(JiraUnavailable):
    """Jira is there, and refuses this request; that is no outage."""


class DatabaseUnavailable(Exception):
    """The database cannot be reached, or did not answer in time."""


class DatabaseRefused(Exception):
    """PostgreSQL refused a row or a right to our own role."""


HOUSE = TenantId(0)
"""Our own audit log: for what concerns no tenant, or all of them. It has no installation and no data."""


@dataclass(frozen=True)
class Signal:
    """Something that was counted."""

    code: str
    endpoint: str
    """The route or job; `audit` for what has an audit entry."""
    tenant: TenantId
    """Only if it was verified, else `HOUSE`."""


class SignalRows(Protocol):
    """Stored counts, and the state of alerts."""

    def add(self, counts: Mapping[Signal, int], *, at: datetime) -> None:
        """Store counts."""

    def sums(
        self,
        codes: Collection[str],
        *,
        endpoints: Collection[str],
        by: Literal["endpoint", "tenant"],
        since: datetime,
        until: datetime,
    ) -> Sequence[tuple[str, int]]:
        """How often, by route or by tenant, after `since` and up to `until`; no endpoints = all of them."""

    def audit_backlog(self) -> tuple[int, datetime | None]:
        """How many audit entries of all tenants have no place in their log yet, and since when the oldest waits."""

    def claim_alert(self, rule: str, subject: str, *, now: datetime, quiet: timedelta) -> bool:
        """Whether this alert is to be raised now, because nobody raised it within `quiet`."""

    def condense(self, *, before: datetime) -> None:
        """Counts from before that instant become one row per hour, code, route and tenant."""

    def forget(self, *, before: datetime) -> None:
        """Delete counts from before that instant."""


class Registry(Protocol):
    """The few global rows: readable before a tenant is known."""

    def find_connect(self, client_key: ClientKey) -> Registered | None:
        """The Connect installation of that client key in any state, or None."""

    def lock_connect(self, client_key: ClientKey, site_url: str) -> Registered | None:
        """As `find_connect`, and no other transaction touches that client key or site until this one ends."""

    def find_active_on_site(self, site_url: str) -> Registered | None:
        """The active Connect installation of that site URL, if there is one."""

    def save_connect(self, registered: Registered) -> None:
        """Insert or replace the row of that client key."""

    def link_forge(self, client_key: ClientKey, forge_installation: str, *, now: datetime) -> None:
        """That Connect installation has moved; nothing else of its row is touched, which others may be writing."""

    def date_links(self, now: datetime) -> None:
        """Links whose date was not kept were made now at the latest."""

    def lock_forge(self, forge_installation: str, site: str) -> ForgeRegistered | None:
        """The Forge installation; no other transaction decides about it or its site until this one ends."""

    def find_forge_on_site(self, cloud_id: CloudId, environment: str) -> ForgeRegistered | None:
        """The Forge installation of that site and environment that was alive last, in any state."""

    def save_forge(self, registered: ForgeRegistered) -> None:
        """Insert or replace the row of that Forge installation."""

    def list_forge(self) -> tuple[ForgeRegistered, ...]:
        """Every Forge installation, in order of tenant, the one that was alive last at the end."""

    def list_forge_of(self, tenant: TenantId) -> tuple[ForgeRegistered, ...]:
        """The active Forge installations of that tenant."""

    def save_contact(self, contact: ForgeContact) -> None:
        """Remember that call of an installation that is nobody's yet, if there was none within ten minutes."""

    def list_contacts(self) -> tuple[ForgeContact, ...]:
        """Every Forge installation of which could not be told yet whose it is, the oldest first."""

    def forget_contact(self, forge_installation: str) -> None:
        """It is known now whose that is."""

    def forget_contacts(self, before: datetime) -> None:
        """Those that have not called since that instant are gone."""

    def list_forge_unseen(self, since: datetime) -> tuple[ForgeRegistered, ...]:
        """Active Forge installations that have not proved to be alive since that instant."""

    def next_ids(self, tenant: TenantId | None, now: datetime) -> tuple[TenantId, InstallationId]:
        """The id of a new installation, of that tenant or, without one, of a new tenant."""

    def list_tenants(self) -> tuple[TenantId, ...]:
        """Every tenant that ever was, in order of id."""

    def list_connect(self) -> tuple[Registered, ...]:
        """Every Connect installation, in order of tenant."""

    def is_active(self, tenant: TenantId) -> bool:
        """Whether that tenant has an active installation."""

    def list_active(self) -> tuple[TenantId, ...]:
        """Every tenant with an active installation, in order of id."""

    def page_tenants(self, *, after: TenantId) -> tuple[TenantId, ...]:
        """The next tenants in order of id, whatever became of them; empty after the last."""

    def hold_wrapping(self) -> None:
        """`await_wrapping` waits until this transaction, which is about to wrap a data key, has ended."""

    def await_wrapping(self) -> None:
        """Wait for transactions that wrap data keys; raises `DatabaseUnavailable` when they do not end."""

    def add_key_proof(self, proof: KeyProof, now: datetime) -> None:
        """Remember what shows that key to be the right one, unless it is known."""

    def list_key_proofs(self) -> tuple[KeyProof, ...]:
        """What shows keys to be the right ones: of each key under which data keys were wrapped."""

    def forget_key_proof(self, kek_id: str) -> None:
        """No data key is wrapped under that key any more."""


class TenantRows(Protocol):
    """The tenant itself, its installations and their sealed secrets."""

    def save_install(self, install: Install, *, region: str, policy: str, now: datetime) -> None:
        """Insert or update tenant and installation; the policy of a known tenant stays as it is."""

    def adopt(self, install: Install, now: datetime) -> None:
        """This tenant, which exists, is reached through that new installation from now on."""

    def tenant(self) -> Tenant:
        """This transaction's tenant."""

    def save_policy(self, policy: str) -> None:
        """The policy of this tenant."""

    def mark_uninstalled(self, installation: InstallationId, now: datetime) -> None:
        """Access has ended; the sealed secrets of the installation are deleted."""

    def hint_enabled(self, installation: InstallationId, *, enabled: bool) -> None:
        """Remember what Jira said; nothing is decided by it."""

    def forge_token(self, installation: InstallationId) -> tuple[int, datetime] | None:
        """Version and arrival of the newest system token of that installation."""

    def save_forge_token(
        self, installation: InstallationId, *, version: int, received_at: datetime, expires_at: datetime
    ) -> None:
        """Remember the newest system token, which is sealed under that version."""

    def data_key(self, purpose: Purpose) -> WrappedKey | None:
        """The tenant's newest data key of that purpose."""

    def add_data_key(self, key: WrappedKey, now: datetime) -> None:
        """Store a wrapped data key."""

    def count_data_keys(self) -> Mapping[tuple[Purpose, str], int]:
        """How many data keys of this tenant are wrapped, by purpose and key-encryption key."""

    def lock_data_keys(
        self, primaries: Mapping[Purpose, str], *, after: WrappedKey | None, limit: int
    ) -> tuple[WrappedKey, ...]:
        """The next data keys of these purposes that are wrapped under another key than the primary.

        Nobody else wraps them anew until this transaction ends; reading them and sealing with them goes on.
        """

    def save_wrapped(self, keys: Sequence[WrappedKey]) -> None:
        """Replace the wrapping of these data keys."""

    def add_sealed(self, sealed: Sealed) -> None:
        """Store an envelope."""

    def sealed(self, place: SecretPlace) -> Sealed:
        """The envelope of that place; raises `SecretMissing`."""

    def forget_sealed(self, place: SecretPlace) -> None:
        """Delete the envelopes of that row that are older than the version of the place."""


class IssueRows(Protocol):
    """What we know of issues, the facts about their clocks, and what is still to be read."""

    def find(self, issue: IssueId) -> IssueRecord | None:
        """The stored issue with its clock events."""

    def is_tracked(self, issue: IssueId) -> bool:
        """Whether that issue has clocks."""

    def save(self, record: IssueRecord, now: datetime) -> None:
        """Insert or update the issue; events already known (same source and kind) stay as they are."""

    def events(self, issue: IssueId) -> tuple[Event, ...]:
        """Every stored clock event of that issue."""

    def hold(self, issue: IssueId) -> None:
        """Nobody else changes that issue until this transaction ends."""

    def save_bounds(self, issue: IssueId, promise: str, bounds: Sequence[Bounds], *, policy: str) -> None:
        """Make the stored bounds of that promise equal to these; equal ones are not written."""

    def list_hidden(self) -> tuple[IssueId, ...]:
        """Tracked issues that Jira hides from us, some hundreds at most."""

    def list_followed(self) -> tuple[IssueId, ...]:
        """Every tracked issue, and every one that is still to be read."""

    def each_tracked(self) -> Iterator[IssueRecord]:
        """Every tracked issue, by id, in constant memory."""

    def accept_delivery(self, delivery: str, *, issue: IssueId, now: datetime) -> bool:
        """Store a webhook once; False when that delivery is already here."""

    def ask_read(self, issue: IssueId, *, now: datetime) -> None:
        """The issue changed: it has to be read at once, again if a read of it is under way."""

    def ask_first_read(self, issue: IssueId, *, now: datetime) -> None:
        """The issue has to be read, unless that is asked for already."""

    def lease_pending(self, *, now: datetime, until: Callable[[int], datetime]) -> PendingRead | None:
        """Of the reads that are due the one tried least, then the oldest; it is due again at `until(attempts)`."""

    def settle_read(self, read: PendingRead) -> None:
        """The read is done, unless it was asked for again meanwhile."""

    def next_pending(self) -> PendingRead | None:
        """The read that is due first, now or later."""

    def purge_deliveries(self, before: datetime) -> int:
        """Forget deliveries received before that instant; returns how many."""


class UnitOfWork(Protocol):
    """One transaction. It rolls back unless `commit` is called, and commits only for a reason."""

    @property
    def registry(self) -> Registry:
        """The few global rows."""

    @property
    def tenants(self) -> TenantRows:
        """The tenant itself; only after `enter`."""

    @property
    def issues(self) -> IssueRows:
        """Its issues; only after `enter`."""

    @property
    def log(self) -> TenantLog:
        """Its audit log; only after `enter`."""

    @property
    def anchors(self) -> AnchorTree:
        """The tree of all tenants' checkpoints."""

    @property
    def signals(self) -> SignalRows:
        """Counts for alert rules."""

    def enter(self, tenant: TenantId) -> None:
        """Name the tenant of this transaction; once, because row security would follow a change silently."""

    def enqueue(self, kind: JobKind, tenant: TenantId, *, at: datetime | None = None, attempt: int = 0) -> None:
        """Ask for work in the same transaction, at once or not before `at`; a request that already waits is enough.

        `attempt`: how often this work has failed in a row.
        """

    def await_enqueued(self, kind: JobKind, tenant: TenantId) -> None:
        """Wait for transactions that asked for this work and have not ended: a running job then sees what they did.

        Raises `DatabaseUnavailable` when they do not end.
        """

    def commit(self, *, because: AuditEvent | Bookkeeping) -> None:
        """Commit, with the audit entry in the same transaction or as a listed bookkeeping reason."""


class Database(Protocol):
    """Where units of work come from."""

    def begin(self, tenant: TenantId | None = None) -> AbstractContextManager[UnitOfWork]:
        """A transaction that may write."""

    def snapshot(self, tenant: TenantId | None = None) -> AbstractContextManager[UnitOfWork]:
        """A transaction that only reads, everything as of one instant, and that may take minutes."""

    def find_connect(self, client_key: ClientKey) -> Registered | None:
        """One registry row, in one round trip: what every admitted request needs."""

    def find_forge(self, forge_installation: str) -> ForgeRegistered | None:
        """One registry row, in one round trip."""

    def view_issue(self, tenant: TenantId, id_or_key: IssueId | str) -> tuple[Tenant, IssueRecord | None]:
        """Everything that a panel shows, in one query."""

    def view_tenant(self, tenant: TenantId) -> Tenant:
        """The tenant with its current installation."""

    def is_current(self) -> bool:
        """Whether it can be reached and is migrated to the newest version."""


class Vault(Protocol):
    """The door: it seals, checks and signs, and never returns what it opens."""

    def new_data_key(self, tenant: TenantId, purpose: Purpose) -> WrappedKey:
        """A fresh data key, wrapped under the primary key-encryption key of that purpose."""

    def primaries(self) -> Mapping[Purpose, str]:
        """The id of the key-encryption key that wraps, of each purpose that this process holds."""

    def reseal(self, sealed: Sealed | WrappedKey) -> WrappedKey:
        """The same data key under the primary; raises `VaultCannotAnswer` where it does not open."""

    def prove(self, purpose: Purpose) -> KeyProof:
        """What shows later whether a key is the one that is primary now."""

    def faults(self, *, needed: Collection[Purpose], proofs: Sequence[KeyProof]) -> tuple[KeyFault, ...]:
        """Needed purposes without keys, keys that are missing or not those of the proofs, a file that broke."""

    def take_open_counts(self) -> Mapping[tuple[TenantId, Purpose], int]:
        """How many secrets were opened and used since the last call; whoever takes the counts has to audit them."""

    def seal(self, secret: Secret, *, place: SecretPlace, data_key: WrappedKey) -> Sealed:
        """An envelope that opens only at that place."""

    def check_connect_token(
        self,
        request: SignedRequest,
        *,
        mode: Literal["computed", "context"],
        places: Sequence[SecretPlace],
        fetch: Callable[[SecretPlace], Sealed],
        audiences: frozenset[str],
        now: datetime,
    ) -> ConnectClaims:
        """The claims of a token that one of those secrets signed; raises a protocol `Refusal`."""

    def sign_connect_token(
        self,
        *,
        method: str,
        target: str,
        base_path: str,
        app_key: str,
        client_key: str,
        place: SecretPlace,
        fetch: Callable[[SecretPlace], Sealed],
        now: datetime,
    ) -> str:
        """A token for one call from the app to its site."""

    def stamp(
        self, headers: MutableMapping[str, str], *, place: SecretPlace, fetch: Callable[[SecretPlace], Sealed]
    ) -> None:
        """Put the bearer token at that place on a request that is about to go."""

    def stamp_fresh(self, headers: MutableMapping[str, str], *, token: Secret) -> None:
        """The same with a token that came with this very request and has no place yet."""


class ForgeKeyDirectory(Protocol):
    """Public keys of Forge invocation tokens."""

    def keys(self, kid: str) -> Mapping[str, bytes]:
        """PEM by kid, fetched anew if that kid is not among them; raises `KeysUnavailable`."""


class ForgeSites(Protocol):
    """What is asked of a site before its tenant is known."""

    def connect_client_key(
        self, api_base_url: str, *, app_key: str, authorize: Callable[[MutableMapping[str, str]], None]
    ) -> ClientKey | None:
        """The client key that Jira keeps for an app that was a Connect app there; raises `JiraUnavailable`."""


class KeyDirectory(Protocol):
    """Public keys of signed installs."""

    def key(self, kid: str) -> bytes:
        """PEM of that key id; raises `KeyUnknown` (no server has it) or `KeysUnavailable` (try later)."""


class Authorize(Protocol):
    """Puts the authorization of one request on its headers."""

    def __call__(self, headers: MutableMapping[str, str], *, method: str, target: str) -> None:
        """For that method and target only, where the host signs requests."""


@dataclass(frozen=True)
class SiteAccess:
    """How one site is called: where, and who puts the authorization on each request."""

    base_url: str
    authorize: Authorize


class JiraSites(Protocol):
    """Reading Jira as the app."""

    def read_issue(self, site: SiteAccess, issue: IssueId) -> IssueSnapshot:
        """Fields and changelog; raises `IssueHidden` (404 or 403) or `JiraUnavailable`."""

    def may_browse(self, site: SiteAccess, account: AccountId, issue: IssueId) -> bool:
        """Whether Jira lets that person see that issue, within 2 s; raises `JiraUnavailable`."""

    def may_administer_jira(self, site: SiteAccess, account: AccountId) -> bool:
        """Whether that person has the global permission ADMINISTER, within 2 s; raises `JiraUnavailable`."""

    def may_administer_project(self, site: SiteAccess, account: AccountId, project: ProjectId) -> bool:
        """Whether that person has ADMINISTER_PROJECTS on that project, within 2 s; raises `JiraUnavailable`."""

    def accepts(self, site: SiteAccess) -> bool:
        """Whether that site takes what we sign; raises `JiraUnavailable` where nobody can say."""
