"""What a unit of work reads and writes, area by area: the part of `ports` that `store` implements row by row."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.domain.clocks.model import Event
from app.domain.identifiers import ClientKey, CloudId, InstallationId, IssueId, ProjectId, TenantId
from app.domain.installations.model import ForgeContact, ForgeRegistered, Install, Registered, Tenant
from app.domain.promises.model import PolicyRef
from app.domain.secrets import KeyProof, Purpose, Sealed, SecretPlace, WrappedKey
from app.domain.tracking.derived import ClockFilter, Differences, IssueBounds, IssueFacts, Position, StoredClock
from app.domain.tracking.figures import Figures, Sight
from app.domain.tracking.model import IssueRecord, PendingRead


class Registry(Protocol):
    """The few global rows: readable before a tenant is known."""

    def created_at(self, tenant: TenantId) -> datetime | None:
        """When that tenant began, or None. With its id it names a tenant for ever, beside a restored database too."""

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
        """Every tenant that ever was, in order of id; our own house is none."""

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

    def save_display_url(self, installation: InstallationId, url: str) -> None:
        """Where people reach the site of that installation."""

    def tenant(self) -> Tenant:
        """This transaction's tenant."""

    def save_policy(self, policy: PolicyRef) -> None:
        """The policy of this tenant."""

    def mark_uninstalled(self, installation: InstallationId, now: datetime) -> None:
        """Access has ended; the sealed secrets of the installation are deleted."""

    def hint_enabled(self, *, enabled: bool) -> None:
        """Remember what Jira said of the tenant's Connect installation; nothing is decided by it."""

    def forge_token(self, installation: InstallationId) -> tuple[int, datetime] | None:
        """Version and arrival of the newest system token of that installation."""

    def save_forge_token(
        self, installation: InstallationId, *, version: int, received_at: datetime, expires_at: datetime
    ) -> None:
        """Remember the newest system token, which is sealed under that version."""

    def data_key(self, purpose: Purpose, *, key_id: UUID | None = None) -> WrappedKey | None:
        """The tenant's newest data key of that purpose, or the one with that id."""

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

    def replace_sealed(self, sealed: Sealed, *, kept_since: int) -> None:
        """Store an envelope, and delete those of its row whose version is below `kept_since`."""

    def sealed(self, place: SecretPlace) -> Sealed:
        """The envelope of that place; raises `SecretMissing`."""

    def forget_sealed(self, place: SecretPlace) -> None:
        """Delete the envelopes of that row that are older than the version of the place."""


class IssueRows(Protocol):
    """What we know of issues, the facts about their clocks, and what is still to be read."""

    def find(self, issue: IssueId | str) -> IssueRecord | None:
        """The stored issue with its clock events, by id or key."""

    def is_tracked(self, issue: IssueId) -> bool:
        """Whether that issue has clocks."""

    def save(self, record: IssueRecord, now: datetime) -> None:
        """Insert or update the issue; events already known (same source and kind) stay as they are."""

    def add_events(self, issue: IssueId, events: Sequence[Event], now: datetime) -> None:
        """Store facts about that issue; those already known (same source and kind) stay as they are.

        Whoever holds the issue is waited for.
        """

    def events(self, issue: IssueId) -> tuple[Event, ...]:
        """Every stored clock event of that issue."""

    def hold_decisions(self) -> None:
        """No other decision about an issue of this tenant is taken until this transaction ends."""

    def list_hidden(self) -> tuple[IssueId, ...]:
        """Tracked issues that Jira hides from us, some hundreds at most."""

    def list_followed(self) -> tuple[IssueId, ...]:
        """Every tracked issue, and every one that is still to be read."""

    def each_tracked(self, *, limit: int | None = None) -> Iterator[IssueRecord]:
        """Every tracked issue, by id, in constant memory; the first `limit` of them where one is given."""

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


class BoundsRows(Protocol):
    """The stored bounds of many issues at once, and how far making all of them anew has come."""

    def take_up(self, *, policy: str, now: datetime) -> IssueId:
        """After which issue the recomputation goes on; from the first, where none by that policy (sha256) is begun.

        Nobody else takes it up until this transaction ends.
        """

    def leave(self, after: IssueId | None) -> None:
        """The next one goes on after that issue; None = it is done."""

    def remaining(self, *, policy: str) -> int:
        """How many tracked issues a recomputation by that policy (sha256) has before it."""

    def behind(self, *, policy: str) -> tuple[int, int]:
        """How many stored bounds follow from another policy (sha256) than this, and how many there are."""

    def is_stale(self, *, policy: str, calendars: Collection[str]) -> bool:
        """Whether some stored bounds follow from another policy or holiday list (sha256) than these."""

    def facts(self, *, after: IssueId, limit: int) -> tuple[IssueFacts, ...]:
        """The next tracked issues in order of id."""

    def hold(self, issues: Collection[IssueId]) -> tuple[IssueFacts, ...]:
        """Nobody else changes these issues until this transaction ends; returns the facts as they are now."""

    def compare(self, derived: Iterable[IssueBounds], *, policy: str) -> Differences:
        """Where what is stored of these issues is something else."""

    def write(self, differences: Differences, *, policy: str, silent_before: datetime | None = None) -> None:
        """Make what is stored what follows, and have the labels of these issues looked at.

        `silent_before`: nobody is told of what an import or a recomputation moved into the time before it.
        """

    def save(self, derived: Sequence[IssueBounds], *, policy: str, silent_before: datetime | None = None) -> None:
        """Compare and write: of issues that nobody else changes until this transaction ends."""


class ClockRows(Protocol):
    """Stored bounds, as lists find them."""

    def page(self, wanted: ClockFilter, *, position: Position, limit: int, now: datetime) -> tuple[StoredClock, ...]:
        """The next cycles of tracked issues that are so at `now`: first what has not ended, each by its bound."""


class OverviewRows(Protocol):
    """Stored bounds, counted."""

    def projects(self, *, limit: int) -> tuple[ProjectId, ...]:
        """The projects that have clocks."""

    def restricted(self, projects: frozenset[ProjectId], *, limit: int) -> tuple[IssueId, ...]:
        """Tracked issues there that have a security level, or of which that is not known; the newest first."""

    def figures(self, sight: Sight, *, most: int, ended_since: datetime, now: datetime) -> Figures:
        """The numbers of what that person may know."""
