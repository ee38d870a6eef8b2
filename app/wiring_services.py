"""The part of the composition root that makes the use cases: settings → adapters → services. No logic."""

import logging
import os
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

from app.domain.access.administration import CONFIRMED_FOR, SiteRoles
from app.domain.access.decisions import Confirmations, IssueAccess
from app.domain.alerts.counting import SignalCounts
from app.domain.alerts.operations import Watch
from app.domain.alerts.rules import UNFIT
from app.domain.audit.log import AuditLog
from app.domain.backup.erasing_again import Remembering
from app.domain.identifiers import TenantId
from app.domain.installations.admission import Admission
from app.domain.installations.forge import ForgeAdmission, ForgeRules, ForgeUpkeep
from app.domain.installations.moving import Moving, Retirement
from app.domain.installations.operations import Lifecycle, LifecycleRules
from app.domain.installations.site import site_access, site_in_turn
from app.domain.installations.standing import Standings
from app.domain.integrations.connecting import Connecting
from app.domain.integrations.disconnecting import Disconnecting
from app.domain.integrations.operations import Integrations
from app.domain.integrations.queries import IntegrationStatus
from app.domain.integrations.sealing import Keeping
from app.domain.integrations.tokens import AccessTokens
from app.domain.keys.operations import Openings
from app.domain.keys.queries import NO_DATABASE, Readiness
from app.domain.metrics.operations import Measuring, MetricCounts
from app.domain.metrics.queries import Metrics
from app.domain.notices.calendars import Calendars
from app.domain.notices.letters import Letters
from app.domain.notices.model import Medium
from app.domain.notices.operations import Telling
from app.domain.notices.ports import Channel
from app.domain.notices.recipients import Recipients
from app.domain.ports import DatabaseUnavailable, SiteAccess
from app.domain.privacy.answering import Answering
from app.domain.privacy.erasing import Erasing
from app.domain.privacy.evidence import ReportStatus
from app.domain.privacy.exporting import Exporting
from app.domain.privacy.facts import DataFacts
from app.domain.privacy.handing_over import HandingOver
from app.domain.privacy.importing import Importing
from app.domain.privacy.leaving import Leaving
from app.domain.privacy.reporting import Reporting
from app.domain.promises.shelf import PolicyShelf
from app.domain.publishing.operations import Places, Publishing
from app.domain.publishing.tab import SecurityTab
from app.domain.quota.operations import Quota
from app.domain.quota.queries import QuotaStanding
from app.domain.secrets import KeyFault, Secret, VaultCannotAnswer
from app.domain.services import Services
from app.domain.tracking.board import PromiseBoards
from app.domain.tracking.choosing import PolicyChoices
from app.domain.tracking.listing import ClockLists
from app.domain.tracking.operations import Following
from app.domain.tracking.own_numbers import OwnNumbers
from app.domain.tracking.queries import IssueViews
from app.domain.tracking.recomputing import Recomputing
from app.domain.tracking.recording import Recording
from app.domain.tracking.rule import TrackingRule
from app.domain.tracking.saved_views import SavedViews
from app.domain.tracking.settings import FollowingSettings
from app.domain.tracking.sight import Overviews, Sights
from app.domain.tracking.synchronizing import Synchronizing
from app.edge import mounts
from app.jobs import logs
from app.jobs.schedule import JOB_NAMES
from app.outbound.anchor_file import AnchorFile
from app.outbound.authorization_server import AtlassianAuthorization
from app.outbound.budget import Budget
from app.outbound.comments import CommentChannel
from app.outbound.erasure_ledger import ErasureLedgerFile
from app.outbound.export_files import ExportFolder
from app.outbound.forge_keys import ForgeKeys
from app.outbound.forge_sites import ForgeSiteQuestions
from app.outbound.jira_writes import WritingJira
from app.outbound.key_directories import InstallKeys
from app.outbound.mail import MailChannel
from app.setting_values import SettingsRefused, required
from app.settings import Settings
from app.store import personal_columns, tenant_erasure
from app.store.database import Engines, SqlDatabase
from app.vault.checkpoint_key import CheckpointKeyFile
from app.vault.client_secret import ClientSecretFile
from app.vault.door import Door
from app.wiring_keys import needed_purposes
from app.wiring_privacy import export_files, report_routes
from descriptor import modules

POLICIES = Path(__file__).parent / "policies"
log = logging.getLogger("pledge")
_Value = TypeVar("_Value")


def now() -> datetime:
    """The instant; read here and handed down."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Adapters:
    """What the use cases of one process share."""

    database: SqlDatabase
    vault: Door
    shelf: PolicyShelf
    budget: Budget
    jira: WritingJira
    site_for_people: Callable[[TenantId, Secret | None], SiteAccess]
    """How a site is called while somebody waits for the answer."""
    site_of: Callable[[TenantId, Secret | None], SiteAccess]
    """The same for work that waits for its turn."""
    forge_sites: ForgeSiteQuestions


def adapters_of(settings: Settings, engines: Engines) -> Adapters:
    """The database, the vault, the policies and Jira."""
    database = SqlDatabase(engines, clock=now)
    vault = Door.from_keyring_file(settings.keyring_file)
    shelf = PolicyShelf(policy_text, database.policy_texts)
    shelf.in_force(settings.policy)
    budget = Budget(Quota(database, settings.jira_points_per_hour), clock=now)
    site_for_people = partial(site_access, database, vault, app_key=settings.connect_app_key or "", clock=now)
    return Adapters(
        database=database,
        vault=vault,
        shelf=shelf,
        budget=budget,
        jira=WritingJira(budget=budget, elapsed=time.monotonic),
        site_for_people=site_for_people,
        site_of=partial(site_in_turn, site_for_people, budget.await_turn),
        forge_sites=ForgeSiteQuestions(settings.atlassian_api_url, budget=budget),
    )


def services_of(settings: Settings, engines: Engines, *, process: str) -> Services:
    """The use cases on that database, for a process of that kind."""
    made = adapters_of(settings, engines)
    database, vault, jira, in_force = made.database, made.vault, made.jira, made.shelf.in_force
    site_of, site_for_people = made.site_of, made.site_for_people
    rule = TrackingRule(fixed_resolutions=frozenset(name.lower() for name in settings.fixed_resolutions))
    integrations, tokens = integrations_of(settings, made)
    routes = report_routes(settings, database, site_of, granted=(tokens, integrations.status.lacking))
    retirement = Retirement(after=timedelta(days=settings.connect_retirement_days))
    access = IssueAccess(jira=jira, site_of=site_for_people, confirmations=Confirmations())
    erasing, quota = Erasing(database, remembering_of(settings)), QuotaStanding(database, settings.jira_points_per_hour)
    policies, signals = PolicyChoices(database, in_force, policy_names(), vault), SignalCounts(database)
    leaving, exporting = leaving_of(settings, database, export_files(settings)), Exporting(database)
    return Services(
        admission=admission(settings, made),
        lifecycle=Lifecycle(database, vault, jira, site_for_people, lifecycle_rules(settings)),
        following=Following(database, jira, site_of, rule, in_force),
        recomputing=Recomputing(database, in_force),
        synchronizing=Synchronizing(database, jira, site_of, rule, in_force),
        following_settings=FollowingSettings(database, jira, site_of, rule, in_force, vault),
        reporting=Reporting(database, routes, clock=now, erasing=erasing),
        report_status=ReportStatus(database, way=routes.name, lacking=routes.lacking),
        erasing=erasing,
        forge=forge_admission(settings, made),
        integrations=integrations,
        forge_upkeep=ForgeUpkeep(database=database),
        moving=Moving(database, made.forge_sites, site_for_people, settings.connect_app_key, retirement),
        standings=Standings(database, retirement),
        overviews=Overviews(database, Sights(database, jira, site_for_people, access.confirmations)),
        lists=ClockLists(database=database, access=access),
        access=access,
        roles=SiteRoles(jira=jira, site_of=site_for_people, confirmations=Confirmations(confirmed_for=CONFIRMED_FOR)),
        views=IssueViews(database, in_force, database.notices_of),
        promises=PromiseBoards(database, in_force, {row.rule for row in mounts.MOUNTS if row.is_public}),
        policies=policies,
        numbers=OwnNumbers(policies, policy_text),
        recording=Recording(database, in_force, vault),
        publishing=publishing(settings, made),
        recipients=Recipients(database, vault),
        calendars=Calendars(database, access, settings.base_url),
        saved_views=SavedViews(database),
        telling=telling(settings, made),
        audit=audit_log(settings, made),
        watch=Watch(database=database, tell=logs.log_alert),
        signals=signals,
        leaving=leaving,
        exporting=exporting,
        answering=Answering(database, leaving, exporting, key=partial(checkpoint_key, settings), vault=vault),
        handing_over=HandingOver(database, exporting, export_files(settings), vault),
        data_facts=data_facts(settings),
        importing=Importing(database, knows_policy=lambda name: name in policy_names()),
        counts=MetricCounts(database),
        measuring=Measuring(database),
        metrics=Metrics(database, quota, JOB_NAMES),
        database=database,
        openings=Openings(database, vault, process=f"{process}-{os.getpid()}-{token_hex(4)}"),
        quota=quota,
        budget=made.budget,
        is_ready=partial(_is_ready, Readiness(database, vault, needed_purposes(settings)), database, signals),
    )


def admission(settings: Settings, made: Adapters) -> Admission:
    """The Connect gates."""
    return Admission(
        database=made.database,
        vault=made.vault,
        install_keys=InstallKeys(settings.connect_install_keys_urls),
        audiences=frozenset({settings.base_url}),
        region=settings.region,
    )


def forge_admission(settings: Settings, made: Adapters) -> ForgeAdmission:
    """The Forge gates."""
    return ForgeAdmission(
        database=made.database,
        keys=ForgeKeys(settings.forge_jwks_url),
        sites=made.forge_sites,
        vault=made.vault,
        rules=forge_rules(settings),
    )


def integrations_of(settings: Settings, made: Adapters) -> tuple[Integrations, AccessTokens]:
    """Our own grant at Atlassian; without a client id nobody can get one, and nothing is asked."""
    database, keeping = made.database, Keeping(made.database, made.vault)
    client_id = partial(_of_client, "OAUTH_CLIENT_ID", settings.oauth_client_id)
    server = AtlassianAuthorization(settings.oauth_url, client_id, partial(_identify, settings))
    redirect_uri = f"{settings.base_url}/oauth/callback"
    integrations = Integrations(
        connecting=Connecting(database, keeping, server, redirect_uri),
        disconnecting=Disconnecting(
            database,
            keeping,
            server,
            key=partial(checkpoint_key, settings),
            backups_kept=timedelta(days=settings.backup_days),
        ),
        status=IntegrationStatus(database),
    )
    return integrations, AccessTokens(database, keeping, server, clock=now, pause=time.sleep)


def _identify(settings: Settings, form: MutableMapping[str, str]) -> None:
    ClientSecretFile(_of_client("OAUTH_CLIENT_SECRET_FILE", settings.oauth_client_secret_file)).put_in_form(form)


def _of_client(name: str, value: _Value | None) -> _Value:
    """A grant may be there of a client that is not configured any more: it can still be ended, unconfirmed."""
    try:
        return required(name, value)
    except SettingsRefused as missing:
        raise VaultCannotAnswer(str(missing)) from missing


def publishing(settings: Settings, made: Adapters) -> Publishing:
    """What is written back into Jira."""
    return Publishing(
        database=made.database,
        jira=made.jira,
        site_of=made.site_of,
        in_force=made.shelf.in_force,
        places=places(settings) if settings.write_to_jira else None,
        tab=SecurityTab(made.database, made.jira) if settings.security_tab else None,
    )


def telling(settings: Settings, made: Adapters) -> Telling:
    """How people are told."""
    letters = Letters(made.database, made.vault, settings.base_url)
    ways = channels(settings, CommentChannel(made.jira, made.site_of))
    return Telling(made.database, letters, ways, made.shelf.in_force)


def audit_log(settings: Settings, made: Adapters) -> AuditLog:
    """The log; key and anchor are asked for by those who need them only."""
    return AuditLog(
        database=made.database,
        key=partial(checkpoint_key, settings),
        anchor=lambda: AnchorFile(required("AUDIT_ANCHOR", settings.audit_anchor)),
    )


def _is_ready(readiness: Readiness, database: SqlDatabase, signals: SignalCounts) -> bool:
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


def places(settings: Settings) -> Places:
    """Where issues hold what we write, as the descriptors declare it."""
    return Places(
        property_key=modules.ISSUE_PROPERTY.property_key,
        panel_key=modules.ISSUE_CONTEXT.key,
        connect_app=settings.connect_app_key or "",
        forge_app=(settings.forge_app_id or "").rpartition("/")[2],
    )


def channels(settings: Settings, comments: CommentChannel) -> dict[Medium, Channel]:
    """The ways to tell people: mail only if it is configured."""
    found: dict[Medium, Channel] = {Medium.JIRA_COMMENT: comments}
    if settings.smtp_url is not None and settings.mail_from is not None:
        found[Medium.MAIL] = MailChannel(
            settings.smtp_url, sender=settings.mail_from, allow_plain_loopback=settings.is_development
        )
    return found


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
        remembering=remembering_of(settings),
    )


def data_facts(settings: Settings) -> DataFacts:
    """What administrators are told about the data that is kept."""
    return DataFacts(
        register=tuple(personal_columns.register()),
        stays=tenant_erasure.STAYS,
        retention=timedelta(days=settings.retention_days),
        backups_kept=timedelta(days=settings.backup_days),
    )


def erasure_ledger(settings: Settings) -> ErasureLedgerFile:
    """The ledger of this app; raises `SettingsRefused`."""
    return ErasureLedgerFile(required("ERASURE_LEDGER", settings.erasure_ledger))


def remembering_of(settings: Settings) -> Remembering:
    """Where erasures are recorded."""
    return Remembering(partial(erasure_ledger, settings), clock=now)


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
