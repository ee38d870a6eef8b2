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
from app.domain.keys.operations import Openings
from app.domain.ports import Database
from app.domain.privacy.answering import Answering
from app.domain.privacy.exporting import Exporting
from app.domain.privacy.handing_over import HandingOver
from app.domain.privacy.importing import Importing
from app.domain.privacy.leaving import Leaving
from app.domain.tracking.operations import Following
from app.domain.tracking.queries import IssueViews


@dataclass(frozen=True)
class Services:
    """What a request or a job can ask for."""

    admission: Admission
    lifecycle: Lifecycle
    following: Following
    forge: ForgeAdmission
    forge_upkeep: ForgeUpkeep
    moving: Moving
    standings: Standings
    access: IssueAccess
    roles: SiteRoles
    views: IssueViews
    audit: AuditLog
    watch: Watch
    signals: SignalCounts
    leaving: Leaving
    exporting: Exporting
    importing: Importing
    answering: Answering
    handing_over: HandingOver
    database: Database
    openings: Openings
    is_ready: Callable[[], bool]
    """Whether the database is there, migrated and in order, and the keyring opens; the log says what is not."""
