"""TABLE 4: what happens by itself, and what a change can ask for. The bodies are one line: services do the work."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.domain.access.roles import Permission
from app.domain.identifiers import TenantId
from app.domain.ports import JobKind
from app.domain.services import Services


@dataclass(frozen=True)
class TenantJob:
    """Work for one tenant, asked for by a change; one waits and one runs per tenant at a time."""

    kind: JobKind
    run: Callable[[Services, TenantId, datetime], object]
    permission: Permission
    """What the role of the app has to grant."""
    why: str


@dataclass(frozen=True)
class PeriodicJob:
    """Work that happens by itself; once per tick, however many workers there are."""

    name: str
    cron: str
    """Five fields, UTC; a sixth is the second."""
    run: Callable[[Services, datetime], object]
    permission: Permission
    """What the role of the app has to grant."""
    why: str


@dataclass(frozen=True)
class SteadyJob:
    """Work that goes on all the time in every worker; who of them gets to do it is the work's own business."""

    name: str
    run: Callable[[Services, datetime], int]
    """A bounded slice; returns how much was done."""
    pause_seconds: float
    """After a slice in which nothing was to do, or that failed."""
    why: str


TENANT_JOBS: tuple[TenantJob, ...] = (
    TenantJob(
        "read-issues",
        lambda services, tenant, now: services.following.read_pending(tenant, now=now),
        Permission.FOLLOW,
        "a webhook or a view asked for an issue to be read",
    ),
    TenantJob(
        "recompute-clocks",
        lambda services, tenant, now: services.recomputing.go_on(tenant, now=now),
        Permission.FOLLOW,
        "stored bounds follow from the policy: another one was chosen, or its file or holidays have changed",
    ),
    TenantJob(
        "sync-issues",
        lambda services, tenant, now: services.synchronizing.advance(tenant, now=now),
        Permission.FOLLOW,
        "an import or a reconciliation was asked for, by an installation, a change of settings, or the hour",
    ),
    TenantJob(
        "publish-labels",
        lambda services, tenant, now: services.publishing.publish(tenant, now=now),
        Permission.PUBLISH,
        "the label of an issue in Jira may be another by now",
    ),
    TenantJob(
        "tell-people",
        lambda services, tenant, now: services.telling.tell(tenant, now=now),
        Permission.TELL,
        "deadlines that come closer or have passed, as one message for each who is to know",
    ),
    TenantJob(
        "erase-tenant",
        lambda services, tenant, now: services.leaving.erase_some(tenant, now=now),
        Permission.ERASE,
        "the time for which the data of a site that left is kept is over: it goes slice by slice",
    ),
    TenantJob(
        "export-tenant",
        lambda services, tenant, now: services.handing_over.run(tenant, now=now),
        Permission.HAND_OVER,
        "an administrator asked for everything that we have of the site",
    ),
    TenantJob(
        "tend-integrations",
        lambda services, tenant, now: services.integrations.tend(now=now),
        Permission.KEEP_INTEGRATIONS,
        "somebody consented to our grant or ended it, for our own house: the provider is to be asked",
    ),
)

SCHEDULE: tuple[PeriodicJob, ...] = (
    PeriodicJob(
        "wake-tenants",
        "*/10 * * * *",
        lambda services, now: services.following.wake(now=now),
        Permission.FOLLOW,
        "the net under everything else: reads that are due and that no job is waiting for",
    ),
    PeriodicJob(
        "reconcile",
        "11 * * * *",
        lambda services, now: services.synchronizing.ask_hourly(now=now),
        Permission.FOLLOW,
        "webhooks are lost, and some changes send none: each hour what they missed is looked for",
    ),
    PeriodicJob(
        "publish-labels-due",
        "* * * * *",
        lambda services, now: services.publishing.wake(now=now),
        Permission.PUBLISH,
        "labels change by what happens and by time; several changes within a minute are one write",
    ),
    PeriodicJob(
        "wake-tellers",
        "*/15 * * * *",
        lambda services, now: services.telling.wake(now=now),
        Permission.TELL,
        "time alone brings deadlines closer: no change asks for this",
    ),
    PeriodicJob(
        "look-again",
        "23 4 * * *",
        lambda services, now: services.following.look_again(now=now),
        Permission.FOLLOW,
        "an issue that Jira hid may be shown again without any event",
    ),
    PeriodicJob(
        "find-stale-clocks",
        "7 * * * *",
        lambda services, now: services.recomputing.ask_where_stale(),
        Permission.FOLLOW,
        "an upgrade may have brought another text of a policy, which nobody chose",
    ),
    PeriodicJob(
        "tidy-signals",
        "37 2 * * *",
        lambda services, now: services.watch.tidy(now=now),
        Permission.KEEP_WATCH,
        "counts are kept for as long as a baseline needs them, by the hour after a day",
    ),
    PeriodicJob(
        "report-accounts",
        "7-59/10 * * * *",
        lambda services, now: services.reporting.run(),
        Permission.REPORT_ACCOUNTS,
        "Atlassian is told once per cycle whose data is held; whoever closed their account is erased",
    ),
    PeriodicJob(
        "tend-integrations-due",
        "* * * * *",
        lambda services, now: services.integrations.tend(now=now),
        Permission.KEEP_INTEGRATIONS,
        "a revocation is tried again until it is confirmed, and what a killed worker began is ended",
    ),
    PeriodicJob(
        "mark-vanished",
        "41 * * * *",
        lambda services, now: services.forge_upkeep.mark_vanished(now=now),
        Permission.INSTALL,
        "Forge says nothing when a site is deleted: an installation without its hourly call for days is gone",
    ),
    PeriodicJob(
        "retire-connect",
        "29 2 * * *",
        lambda services, now: services.moving.retire(now=now),
        Permission.INSTALL,
        "a secret that nobody needs is one that can only be stolen: it goes some time after a tenant moved to Forge",
    ),
    PeriodicJob(
        "note-departures",
        "53 * * * *",
        lambda services, now: services.leaving.wake(now=now),
        Permission.ERASE,
        "a site that left is noted, and its data erased when its time is over, also after a kill",
    ),
    PeriodicJob(
        "tidy-exports",
        "11 * * * *",
        lambda services, now: services.handing_over.tidy(now=now),
        Permission.HAND_OVER,
        "an export that nobody fetched in time is one that can only be stolen; links that expired lead nowhere",
    ),
    PeriodicJob(
        "purge-deliveries",
        "17 3 * * *",
        lambda services, now: services.following.purge_deliveries(now=now),
        Permission.FOLLOW,
        "delivery ids are kept only as long as a webhook can be repeated",
    ),
)

STEADY: tuple[SteadyJob, ...] = (
    SteadyJob(
        "advance-audit-logs",
        lambda services, now: services.audit.sequencing.advance(now=now),
        1.0,
        "an entry is not proven before it is in its log, signed and anchored; no change waits for that",
    ),
    SteadyJob(
        "raise-alerts",
        lambda services, now: len(services.watch.evaluate(now=now)),
        15.0,
        "who attacks or breaks something is to be known within a minute, also while slow reads hold every job slot",
    ),
    SteadyJob(
        "measure",
        lambda services, now: services.measuring.measure(now=now),
        15.0,
        "how far work is behind is known to operators also, and above all, when every job slot is held",
    ),
)

JOB_NAMES: frozenset[str] = frozenset(
    {job.kind for job in TENANT_JOBS} | {f"wake:{job.kind}" for job in TENANT_JOBS} | {job.name for job in SCHEDULE}
)
"""Every name that a job in the queue has."""
