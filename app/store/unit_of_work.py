"""One transaction, one tenant, one reason to commit."""

from datetime import datetime

from sqlalchemy import Connection, text

from app.domain.alerts.ports import Signal
from app.domain.alerts.rules import WATCHED
from app.domain.audit.entry import AuditEvent, Bookkeeping
from app.domain.identifiers import TenantId
from app.domain.ports import JobKind
from app.store.anchor_tree import SqlAnchorTree
from app.store.audit_log import SqlAuditLog
from app.store.bulk_bounds import SqlBulkBounds
from app.store.clock_list import SqlClockList
from app.store.clock_overview import SqlOverviews
from app.store.credentials import SqlCredentials
from app.store.departures import SqlDepartures
from app.store.exports import SqlExportLinks, SqlExports
from app.store.following import SqlFollowing
from app.store.integrations import SqlIntegrations
from app.store.issue_batches import SqlIssueBatches
from app.store.issues import SqlIssues
from app.store.labels import SqlLabels
from app.store.metrics import SqlMetrics
from app.store.notices import SqlNotices
from app.store.people import SqlPeople
from app.store.policy_texts import SqlPolicyTexts
from app.store.privacy_requests import SqlRequests
from app.store.queue import Queue
from app.store.quota import SqlQuota
from app.store.receipt_links import SqlReceiptLinks
from app.store.recipients import SqlFeeds, SqlLinks, SqlRecipients
from app.store.registry import SqlRegistry
from app.store.reports import SqlReports
from app.store.security_pushes import SqlPushes
from app.store.seen_log import SqlSeenLog
from app.store.signals import SqlSignals
from app.store.tenant_erasure import SqlTenantErasure
from app.store.tenant_export import SqlTenantExport
from app.store.tenants import SqlTenants
from app.store.views import SqlViews


class TenantFixed(RuntimeError):
    """A transaction has one tenant: it is named once, and nothing of a tenant is done before."""


class SqlUnitOfWork:
    """A transaction on one connection; see `app.domain.ports.UnitOfWork`."""

    def __init__(self, connection: Connection, *, queue: Queue, now: datetime) -> None:
        self._connection = connection
        self._queue = queue
        self._now = now
        self._tenant: TenantId | None = None

    @property
    def registry(self) -> SqlRegistry:
        """The few global rows."""
        return SqlRegistry(self._connection)

    @property
    def signals(self) -> SqlSignals:
        """Counts for alert rules."""
        return SqlSignals(self._connection)

    @property
    def quota(self) -> SqlQuota:
        """What was spent and may be spent of Jira's points."""
        return SqlQuota(self._connection)

    @property
    def metrics(self) -> SqlMetrics:
        """What the processes of the cell have counted and measured."""
        return SqlMetrics(self._connection)

    def enter(self, tenant: TenantId) -> None:
        """Name the tenant; row security shows and accepts only its rows from here on."""
        if self._tenant is not None:
            raise TenantFixed(TenantFixed.__doc__)
        # Local to the transaction: a session setting would follow the pooled connection to the next tenant.
        self._connection.execute(text("SELECT set_config('app.tenant', :tenant, true)"), {"tenant": str(tenant)})
        self._tenant = tenant

    def only_read(self) -> None:
        """Before anything else: what is read is of one instant, and nothing is written."""
        self._connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        self._connection.execute(text("SET LOCAL statement_timeout = '10min'"))

    @property
    def tenants(self) -> SqlTenants:
        """The tenant itself, its installations and their sealed secrets."""
        return SqlTenants(self._connection, self._entered())

    @property
    def issues(self) -> SqlIssues:
        """What we know of issues."""
        return SqlIssues(self._connection, self._entered())

    @property
    def bounds(self) -> SqlBulkBounds:
        """What is derived of them, many at once."""
        return SqlBulkBounds(self._connection, self._entered())

    @property
    def batches(self) -> SqlIssueBatches:
        """The same, many at a time."""
        return SqlIssueBatches(self._connection, self._entered())

    @property
    def following(self) -> SqlFollowing:
        """How its issues are followed."""
        return SqlFollowing(self._connection, self._entered())

    @property
    def policies(self) -> SqlPolicyTexts:
        """The policies that it has written for itself."""
        return SqlPolicyTexts(self._connection, self._entered())

    @property
    def labels(self) -> SqlLabels:
        """What its issues are marked with in Jira."""
        return SqlLabels(self._connection, self._entered())

    @property
    def pushes(self) -> SqlPushes:
        """What Jira's Security tab shows of them."""
        return SqlPushes(self._connection, self._entered())

    @property
    def clocks(self) -> SqlClockList:
        """Lists of what is derived."""
        return SqlClockList(self._connection, self._entered())

    @property
    def overviews(self) -> SqlOverviews:
        """What is derived, counted."""
        return SqlOverviews(self._connection, self._entered())

    @property
    def recipients(self) -> SqlRecipients:
        """Who is told."""
        return SqlRecipients(self._connection, self._entered())

    @property
    def notices(self) -> SqlNotices:
        """What they are told."""
        return SqlNotices(self._connection, self._entered())

    @property
    def feeds(self) -> SqlFeeds:
        """Calendar feeds."""
        return SqlFeeds(self._connection, self._entered())

    @property
    def views(self) -> SqlViews:
        """What people keep of lists."""
        return SqlViews(self._connection, self._entered())

    @property
    def links(self) -> SqlLinks:
        """Links that were sent out."""
        return SqlLinks(self._connection)

    @property
    def log(self) -> SqlAuditLog:
        """Its audit log."""
        return SqlAuditLog(self._connection, self._entered())

    @property
    def seen_log(self) -> SqlSeenLog:
        """Its audit log, to look at."""
        return SqlSeenLog(self._connection, self._entered())

    @property
    def anchors(self) -> SqlAnchorTree:
        """The tree of all tenants' checkpoints."""
        return SqlAnchorTree(self._connection)

    @property
    def people(self) -> SqlPeople:
        """Its people."""
        return SqlPeople(self._connection, self._entered())

    @property
    def reports(self) -> SqlReports:
        """When accounts are reported."""
        return SqlReports(self._connection)

    @property
    def departures(self) -> SqlDepartures:
        """Who has left."""
        return SqlDepartures(self._connection)

    @property
    def erasure(self) -> SqlTenantErasure:
        """Its end."""
        return SqlTenantErasure(self._connection, self._entered())

    @property
    def export(self) -> SqlTenantExport:
        """Everything of it."""
        return SqlTenantExport(self._connection, self._entered())

    @property
    def requests(self) -> SqlRequests:
        """What it and its people asked for."""
        return SqlRequests(self._connection, self._entered())

    @property
    def exports(self) -> SqlExports:
        """The exports that were asked for."""
        return SqlExports(self._connection, self._entered())

    @property
    def export_links(self) -> SqlExportLinks:
        """The links to exports."""
        return SqlExportLinks(self._connection)

    @property
    def receipt_links(self) -> SqlReceiptLinks:
        """The links to receipts of deletions."""
        return SqlReceiptLinks(self._connection)

    @property
    def integrations(self) -> SqlIntegrations:
        """Our own grant at Atlassian."""
        return SqlIntegrations(self._connection, self._entered())

    @property
    def credentials(self) -> SqlCredentials:
        """What it has entrusted to us."""
        return SqlCredentials(self._connection, self._entered())

    def enqueue(self, kind: JobKind, tenant: TenantId, *, at: datetime | None = None, attempt: int = 0) -> None:
        """Ask for work in this transaction."""
        self._queue.defer(self._connection, kind, tenant, at=at, attempt=attempt)

    def await_enqueued(self, kind: JobKind, tenant: TenantId) -> None:
        """Wait for transactions that asked for this work and have not ended."""
        self._queue.await_deferred(self._connection, kind, tenant)

    def commit(self, *, because: AuditEvent | Bookkeeping) -> None:
        """Write the audit entry, if it is one, and commit."""
        if isinstance(because, AuditEvent):
            self.log.record(because, now=self._now)
            watched = WATCHED.intersection((because.action, *because.signals))
            self.signals.add({Signal(code, "audit", self._entered()): 1 for code in sorted(watched)}, at=self._now)
        self._connection.commit()

    def _entered(self) -> TenantId:
        if self._tenant is None:
            raise TenantFixed(TenantFixed.__doc__)
        return self._tenant
