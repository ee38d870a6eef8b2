"""`pledge installations publish`: what Jira shows of a tenant's clocks, brought up to date now."""

from dataclasses import asdict
from datetime import UTC, datetime

import click

from app.domain.identifiers import TenantId
from app.domain.operator import Operations
from app.domain.ports import JiraUnavailable
from app.domain.publishing.report import Report
from app.domain.services import Services
from app.jobs.commands.operating import json_option, show
from app.jobs.commands.progress import Progress

ERROR, UNKNOWN, PARTIAL = 1, 3, 5


@click.command("publish")
@click.argument("tenant", type=int)
@click.option("--backfill", is_flag=True, help="As if nothing had been written before: everything is, once more.")
@json_option
@click.pass_obj
def publish(operations: Operations, *, tenant: int, backfill: bool, as_json: bool) -> int:
    """Write into Jira what is due of TENANT. Safe to repeat and to interrupt; exit 5 if Jira refuses some of it, 3 if
    Jira does not answer: the worker goes on with the rest."""
    with operations.services() as services:
        if services.publishing.places is None:
            click.echo("error: nothing is written to Jira, because PLEDGE_WRITE_TO_JIRA is off", err=True)
            return ERROR
        services.database.view_tenant(TenantId(tenant))
        if backfill:
            services.publishing.ask_again(TenantId(tenant))
        try:
            done = _publish(services, TenantId(tenant))
        except JiraUnavailable as failure:
            click.echo(f"Jira cannot be asked; again in {failure.retry_after_seconds} s at the earliest", err=True)
            return UNKNOWN
        counts = services.publishing.counts(TenantId(tenant))
    lines = [f"{name.replace('_', ' ')}: {count}" for name, count in (asdict(done) | dict(counts)).items()]
    show({"done": asdict(done), "now": dict(counts)}, lines, as_json=as_json)
    return PARTIAL if counts["labels_refused"] or counts["entries_refused"] else 0


def _publish(services: Services, tenant: TenantId) -> Report:
    """Slice after slice, until nothing is due."""
    progress = Progress(services.publishing.counts(tenant)["labels_waiting"], what="labels")
    total = Report()
    while (report := services.publishing.publish(tenant, now=datetime.now(UTC))) != Report():
        total += report
        for _ in range(report.looked_at):
            progress.step()
    return total
