"""What the domain needs from the world, as Protocols; `store`, `vault` and `outbound` implement them.

Each Protocol has a second implementation or a simulator in the tests, or it would not be here.
"""

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from app.domain.alerts.ports import SignalRows
from app.domain.audit.entry import AuditEvent, Bookkeeping
from app.domain.audit.ports import AnchorTree, SeenLog, TenantLog
from app.domain.identifiers import HOUSE, AccountId, ClientKey, IssueId, ProjectId, TenantId
from app.domain.installations.model import ForgeRegistered, Registered, Tenant
from app.domain.integrations.ports import CredentialRows, IntegrationRows
from app.domain.metrics.ports import MetricRows
from app.domain.notices.ports import FeedRows, LinkRows, NoticeRows, RecipientRows
from app.domain.privacy.ports import PeopleRows, ReportRows
from app.domain.privacy.requests import RequestRows
from app.domain.privacy.rows import Departures, ExportLinks, ExportRows, ReceiptLinkRows, TenantErasure, TenantExport
from app.domain.publishing.ports import LabelRows, PushAnswer, PushRows
from app.domain.quota.ports import QuotaRows
from app.domain.rows import (
    BoundsRows,
    ClockRows,
    IssueRows,
    OverviewRows,
    Registry,
    TenantRows,
)
from app.domain.secrets import KeyFault, KeyProof, Purpose, Sealed, Secret, SecretPlace, WrappedKey
from app.domain.tracking.jql import Jql
from app.domain.tracking.model import FieldChoice, IssueRecord, IssueSnapshot
from app.domain.tracking.ports import FollowingRows, IssueBatches, PolicyTextRows, ViewRows
from app.protocol.connect_jwt import ConnectClaims, SignedRequest

JobKind = Literal[
    "read-issues",
    "recompute-clocks",
    "sync-issues",
    "publish-labels",
    "tell-people",
    "erase-tenant",
    "export-tenant",
    "tend-integrations",
]
"""Kinds of work that a change can ask for; one job per tenant and kind waits at a time."""

AFTER_ALL_ELSE: frozenset[JobKind] = frozenset({"publish-labels"})
"""What shows in Jira what other work finds out: after it, one write tells of all that has changed."""


class IssueHidden(Exception):
    """Jira does not show this issue to the app (404 or 403)."""


class JiraUnavailable(Exception):
    """Jira cannot be asked at the moment."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(self.__doc__)
        self.retry_after_seconds = retry_after_seconds


class TurnAwaited(JiraUnavailable):
    """Jira is not asked now: it said when to come back, or the points of this hour are others'. No failure."""


class JiraRefused(JiraUnavailable):
    """Jira is there, and refuses this request; that is no outage."""


class DatabaseUnavailable(Exception):
    """The database cannot be reached, or did not answer in time."""


class DatabaseRefused(Exception):
    """PostgreSQL refused a row or a right to our own role."""


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
    def bounds(self) -> BoundsRows:
        """What is derived of its issues, many at once; only after `enter`."""

    @property
    def batches(self) -> IssueBatches:
        """The same, many at a time; only after `enter`."""

    @property
    def following(self) -> FollowingRows:
        """How its issues are followed; only after `enter`."""

    @property
    def policies(self) -> PolicyTextRows:
        """The policies that it has written for itself; only after `enter`."""

    @property
    def labels(self) -> LabelRows:
        """What its issues are marked with in Jira; only after `enter`."""

    @property
    def pushes(self) -> PushRows:
        """What Jira's Security tab shows of them; only after `enter`."""

    @property
    def clocks(self) -> ClockRows:
        """Lists of what is derived; only after `enter`."""

    @property
    def overviews(self) -> OverviewRows:
        """What is derived, counted; only after `enter`."""

    @property
    def recipients(self) -> RecipientRows:
        """Who is told; only after `enter`."""

    @property
    def notices(self) -> NoticeRows:
        """What they are told; only after `enter`."""

    @property
    def feeds(self) -> FeedRows:
        """Calendar feeds; only after `enter`."""

    @property
    def views(self) -> ViewRows:
        """What people keep of lists; only after `enter`."""

    @property
    def links(self) -> LinkRows:
        """Links that were sent out."""

    @property
    def log(self) -> TenantLog:
        """Its audit log; only after `enter`."""

    @property
    def seen_log(self) -> SeenLog:
        """The same, for those who look at it."""

    @property
    def anchors(self) -> AnchorTree:
        """The tree of all tenants' checkpoints."""

    @property
    def signals(self) -> SignalRows:
        """Counts for alert rules."""

    @property
    def quota(self) -> QuotaRows:
        """What was spent and may be spent of Jira's points."""

    @property
    def people(self) -> PeopleRows:
        """Its people; only after `enter`."""

    @property
    def reports(self) -> ReportRows:
        """When accounts are reported, by digest."""

    @property
    def departures(self) -> Departures:
        """Who has left."""

    @property
    def erasure(self) -> TenantErasure:
        """Its end; only after `enter`."""

    @property
    def requests(self) -> RequestRows:
        """What it and its people asked for; only after `enter`."""

    @property
    def exports(self) -> ExportRows:
        """The exports that were asked for; only after `enter`."""

    @property
    def export_links(self) -> ExportLinks:
        """The links to exports."""

    @property
    def receipt_links(self) -> ReceiptLinkRows:
        """The links to receipts of deletions."""

    @property
    def export(self) -> TenantExport:
        """Everything of it as lines; only after `enter`."""

    @property
    def metrics(self) -> MetricRows:
        """What the processes of the cell have counted and measured."""

    @property
    def integrations(self) -> IntegrationRows:
        """Our own grant at Atlassian; only as the house."""

    @property
    def credentials(self) -> CredentialRows:
        """What it has entrusted to us; only after `enter`."""

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

    def put_address(
        self, fields: MutableMapping[str, str], *, place: SecretPlace, fetch: Callable[[SecretPlace], Sealed]
    ) -> None:
        """Put the mail address at that place on a message that is about to go, as its field `To`."""

    def put_in_form(
        self,
        form: MutableMapping[str, str],
        field: str,
        *,
        place: SecretPlace,
        fetch: Callable[[SecretPlace], Sealed],
    ) -> None:
        """Put what an authorization server gave, and is at that place, into a form that is about to go to it."""

    def stamp_fresh(self, headers: MutableMapping[str, str], *, token: Secret) -> None:
        """The same with a token that came with this very request and has no place yet."""


class Authorize(Protocol):
    """Puts the authorization of one request on its headers."""

    def __call__(self, headers: MutableMapping[str, str], *, method: str, target: str) -> None:
        """For that method and target only, where the host signs requests."""


@dataclass(frozen=True)
class SiteAccess:
    """How one site is called: where, and who puts the authorization on each request."""

    base_url: str
    authorize: Authorize
    tenant: TenantId = HOUSE
    """Whose calls these are; `HOUSE` where that is not known yet."""


class JiraSites(Protocol):
    """Reading Jira as the app."""

    def read_issue(self, site: SiteAccess, issue: IssueId, choice: FieldChoice) -> IssueSnapshot:
        """Fields and changelog; raises `IssueHidden` (404 or 403) or `JiraUnavailable`."""

    def may_browse(self, site: SiteAccess, account: AccountId, issue: IssueId) -> bool:
        """Whether Jira lets that person see that issue, within 2 s; raises `JiraUnavailable`."""

    def may_browse_of(self, site: SiteAccess, account: AccountId, issues: Collection[IssueId]) -> frozenset[IssueId]:
        """Those of at most a thousand issues that Jira lets that person see, within 2 s; raises `JiraUnavailable`."""

    def may_browse_among(
        self,
        site: SiteAccess,
        account: AccountId,
        *,
        projects: Collection[ProjectId],
        issues: Collection[IssueId],
    ) -> tuple[frozenset[ProjectId], frozenset[IssueId]]:
        """Those of at most a thousand of each that Jira lets them browse, within 2 s; raises `JiraUnavailable`."""

    def may_administer_jira(self, site: SiteAccess, account: AccountId) -> bool:
        """Whether that person has the global permission ADMINISTER, within 2 s; raises `JiraUnavailable`."""

    def may_administer_project(self, site: SiteAccess, account: AccountId, project: ProjectId) -> bool:
        """Whether that person has ADMINISTER_PROJECTS on that project, within 2 s; raises `JiraUnavailable`."""

    def is_within(self, site: SiteAccess, jql: Jql, issue: IssueId) -> bool:
        """Whether that issue matches that query now; raises `JqlRefused`, `JiraUnavailable`."""

    def accepts(self, site: SiteAccess) -> bool:
        """Whether that site takes what we sign; raises `JiraUnavailable` where nobody can say."""


class JiraWriting(Protocol):
    """Writing to Jira as the app. All of it can be done again with the same result."""

    def write_property(self, site: SiteAccess, issue: IssueId, *, key: str, value: Mapping[str, Any]) -> None:
        """Set a property of an issue; raises `IssueHidden` (404 or 403) or `JiraUnavailable`."""

    def link_workspaces(self, site: SiteAccess, workspaces: Collection[str]) -> None:
        """Show these on the Security tab; raises `IssueHidden` (it is not offered to us) or `JiraUnavailable`."""

    def push(self, site: SiteAccess, body: Mapping[str, Any]) -> PushAnswer:
        """Send entries of the Security tab; raises `IssueHidden` (it is not offered to us) or `JiraUnavailable`."""
