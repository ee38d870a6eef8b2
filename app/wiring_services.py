"""The part of the composition root that makes the use cases: settings → adapters → services. No logic."""

import logging
import os
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex

from app.domain.access.administration import CONFIRMED_FOR, SiteRoles
from app.domain.access.decisions import Confirmations, IssueAccess
from app.domain.alerts.counting import SignalCounts
from app.domain.alerts.operations import Watch
from app.domain.alerts.rules import UNFIT
from app.domain.audit.log import AuditLog
from app.domain.installations.admission import Admission
from app.domain.installations.forge import ForgeAdmission, ForgeRules, ForgeUpkeep
from app.domain.installations.moving import Moving, Retirement
from app.domain.installations.operations import Lifecycle, LifecycleRules
from app.domain.installations.site import site_access
from app.domain.installations.standing import Standings
from app.domain.keys.operations import Openings
from app.domain.keys.queries import NO_DATABASE, Readiness
from app.domain.ports import DatabaseUnavailable
from app.domain.privacy.answering import Answering
from app.domain.privacy.exporting import Exporting
from app.domain.privacy.handing_over import HandingOver
from app.domain.privacy.importing import Importing
from app.domain.privacy.leaving import Leaving
from app.domain.promises.shelf import PolicyShelf
from app.domain.secrets import KeyFault
from app.domain.services import Services
from app.domain.tracking.operations import Following
from app.domain.tracking.queries import IssueViews
from app.domain.tracking.rule import TrackingRule
from app.jobs import logs
from app.outbound.anchor_file import AnchorFile
from app.outbound.export_files import ExportFolder
from app.outbound.forge_keys import ForgeKeys
from app.outbound.forge_sites import ForgeSiteQuestions
from app.outbound.jira import RestJira
from app.outbound.key_directories import InstallKeys
from app.settings import Settings, required
from app.store.database import Engines, SqlDatabase
from app.vault.checkpoint_key import CheckpointKeyFile
from app.vault.door import Door
from app.wiring_keys import needed_purposes

POLICIES = Path(__file__).parent / "policies"
log = logging.getLogger("pledge")


def now() -> datetime:
    """The instant; read here and handed down."""
    return datetime.now(UTC)


def services_of(settings: Settings, engines: Engines, *, process: str) -> Services:
    """The use cases on that database, for a process of that kind."""
    database = SqlDatabase(engines, clock=now)
    signals = SignalCounts(database)
    vault = Door.from_keyring_file(settings.keyring_file)
    shelf = PolicyShelf(policy_text)
    shelf.in_force(settings.policy)
    audiences = frozenset({settings.base_url})
    admission = Admission(
        database=database,
        vault=vault,
        install_keys=InstallKeys(settings.connect_install_keys_urls),
        audiences=audiences,
        region=settings.region,
    )
    jira = RestJira(elapsed=time.monotonic)
    site_of = partial(site_access, database, vault, app_key=settings.connect_app_key or "", clock=now)
    rule = TrackingRule(fixed_resolutions=frozenset(name.lower() for name in settings.fixed_resolutions))
    forge_sites = ForgeSiteQuestions(settings.atlassian_api_url)
    retirement = Retirement(after=timedelta(days=settings.connect_retirement_days))
    files = None if settings.export_dir is None else ExportFolder(settings.export_dir)
    leaving, exporting = leaving_of(settings, database, files), Exporting(database)
    return Services(
        admission=admission,
        lifecycle=Lifecycle(
            database=database, vault=vault, jira=jira, site_of=site_of, rules=lifecycle_rules(settings)
        ),
        following=Following(database=database, jira=jira, site_of=site_of, rule=rule, in_force=shelf.in_force),
        forge=ForgeAdmission(
            database=database,
            keys=ForgeKeys(settings.forge_jwks_url),
            sites=forge_sites,
            vault=vault,
            rules=forge_rules(settings),
        ),
        forge_upkeep=ForgeUpkeep(database=database),
        moving=Moving(database, forge_sites, site_of, settings.connect_app_key, retirement),
        standings=Standings(database, retirement),
        access=IssueAccess(jira=jira, site_of=site_of, confirmations=Confirmations()),
        roles=SiteRoles(jira=jira, site_of=site_of, confirmations=Confirmations(confirmed_for=CONFIRMED_FOR)),
        views=IssueViews(database=database, in_force=shelf.in_force),
        audit=AuditLog(
            database=database,
            key=partial(checkpoint_key, settings),
            anchor=lambda: AnchorFile(required("AUDIT_ANCHOR", settings.audit_anchor)),
        ),
        watch=Watch(database=database, tell=logs.log_alert),
        signals=signals,
        leaving=leaving,
        exporting=exporting,
        answering=Answering(database, leaving, exporting, key=partial(checkpoint_key, settings)),
        handing_over=HandingOver(database, exporting, files),
        importing=Importing(database, knows_policy=lambda name: name in policy_names()),
        database=database,
        openings=Openings(database, vault, process=f"{process}-{os.getpid()}-{token_hex(4)}"),
        is_ready=partial(
            _is_ready, Readiness(database, vault, needed_purposes(settings)), database=database, signals=signals
        ),
    )


def _is_ready(readiness: Readiness, *, database: SqlDatabase, signals: SignalCounts) -> bool:
    faults = readiness.faults() or _broken_rules(database)
    for fault in faults:
        log.warning(f"not ready: {fault.text}", extra={"code": fault.code})
        if fault != NO_DATABASE:
            signals.count(UNFIT, endpoint="public.ready")
    return not faults


def _broken_rules(database: SqlDatabase) -> tuple[KeyFault, ...]:
    try:
        return tuple(KeyFault(rule, "`pledge db check` says more") for rule in database.broken_rules())
    except DatabaseUnavailable:
        return (NO_DATABASE,)


def lifecycle_rules(settings: Settings) -> LifecycleRules:
    """What an installation must satisfy."""
    return LifecycleRules(
        app_key=settings.connect_app_key or "",
        allowed_hosts=settings.connect_allowed_hosts,
        allow_http_loopback=settings.is_development,
        secret_grace_seconds=settings.connect_secret_grace_seconds,
        region=settings.region,
        policy=settings.policy,
    )


def forge_rules(settings: Settings) -> ForgeRules:
    """Which invocations are for us."""
    return ForgeRules(
        app_id=settings.forge_app_id or "",
        environments=frozenset(settings.forge_environments),
        api_url=settings.atlassian_api_url,
        connect_app_key=settings.connect_app_key,
        region=settings.region,
        policy=settings.policy,
        retention=timedelta(days=settings.retention_days),
    )


def leaving_of(settings: Settings, database: SqlDatabase, files: ExportFolder | None) -> Leaving:
    """How tenants leave."""
    return Leaving(
        database=database,
        key=partial(checkpoint_key, settings),
        retention=timedelta(days=settings.retention_days),
        backups_kept=timedelta(days=settings.backup_days),
        delete_files=(lambda _: None) if files is None else files.delete_of,
    )


def policy_names() -> tuple[str, ...]:
    """The policies at hand."""
    return tuple(sorted(path.stem for path in POLICIES.glob("*.toml")))


def policy_text(name: str) -> str:
    """The text of a policy file; raises `LookupError`."""
    path = POLICIES / f"{name}.toml"
    if not name.replace("-", "").isalnum() or not path.is_file():
        raise LookupError(name)
    return path.read_text()


def checkpoint_key(settings: Settings) -> CheckpointKeyFile:
    """Read where it is needed, which is in the worker and in commands, never in a web process."""
    return CheckpointKeyFile(required("AUDIT_SIGNING_KEY_FILE", settings.audit_signing_key_file))
