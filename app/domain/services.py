"""The use cases that edge and jobs receive; made by the wiring, the same for every process."""

from collections.abc import Callable
from dataclasses import dataclass

from app.domain.access.administration import SiteRoles
from app.domain.access.decisions import IssueAccess
from app.domain.alerts.counting import SignalCounts
from app.domain.alerts.operations import Watch
from app.domain.audit.log import AuditLog
from app.domain.installations.admission import Admission
from app.domain.installations.forge import ForgeAdmission, ForgeUpkeep
from app.domain.installations.moving import Moving
from app.domain.installations.operations import Lifecycle
from app.domain.installations.standing import Standings
from app.domain.integrations.operations import Integrations
from app.domain.keys.operations import Openings
from app.domain.metrics.operations import Measuring, MetricCounts
from app.domain.metrics.queries import Metrics
from app.domain.notices.calendars import Calendars
from app.domain.notices.operations import Telling
from app.domain.notices.recipients import Recipients
from app.domain.ports import Database
from app.domain.privacy.answering import Answering
from app.domain.privacy.erasing import Erasing
from app.domain.privacy.evidence import ReportStatus
from app.domain.privacy.exporting import Exporting
from app.domain.privacy.facts import DataFacts
from app.domain.privacy.handing_over import HandingOver
from app.domain.privacy.importing import Importing
from app.domain.privacy.leaving import Leaving
from app.domain.privacy.reporting import Reporting
from app.domain.publishing.operations import Publishing
from app.domain.quota.ports import CallBudget
from app.domain.quota.queries import QuotaStanding
from app.domain.tracking.board import PromiseBoards
from app.domain.tracking.choosing import PolicyChoices
from app.domain.tracking.listing import ClockLists
from app.domain.tracking.operations import Following
from app.domain.tracking.own_numbers import OwnNumbers
from app.domain.tracking.queries import IssueViews
from app.domain.tracking.recomputing import Recomputing
from app.domain.tracking.recording import Recording
from app.domain.tracking.saved_views import SavedViews
from app.domain.tracking.settings import FollowingSettings
from app.domain.tracking.sight import Overviews
from app.domain.tracking.synchronizing import Synchronizing


@dataclass(frozen=True)
class Services:
    """What a request or a job can ask for."""

    admission: Admission
    lifecycle: Lifecycle
    following: Following
    recomputing: Recomputing
    following_settings: FollowingSettings
    synchronizing: Synchronizing
    lists: ClockLists
    reporting: Reporting
    report_status: ReportStatus
    erasing: Erasing
    overviews: Overviews
    integrations: Integrations
    forge: ForgeAdmission
    forge_upkeep: ForgeUpkeep
    moving: Moving
    standings: Standings
    access: IssueAccess
    roles: SiteRoles
    views: IssueViews
    recording: Recording
    promises: PromiseBoards
    policies: PolicyChoices
    numbers: OwnNumbers
    publishing: Publishing
    recipients: Recipients
    calendars: Calendars
    saved_views: SavedViews
    telling: Telling
    audit: AuditLog
    watch: Watch
    signals: SignalCounts
    leaving: Leaving
    exporting: Exporting
    importing: Importing
    answering: Answering
    handing_over: HandingOver
    data_facts: DataFacts
    counts: MetricCounts
    measuring: Measuring
    metrics: Metrics
    database: Database
    openings: Openings
    quota: QuotaStanding
    budget: CallBudget
    is_ready: Callable[[], bool]
    """Whether the database is there, migrated and in order, and the keyring opens; the log says what is not."""
