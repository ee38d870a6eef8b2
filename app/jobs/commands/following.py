"""`pledge installations following` and `sync`: how a tenant's issues are followed, and how far that is."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from app.domain.identifiers import TenantId
from app.domain.operator import Operations
from app.domain.services import Services
from app.domain.tracking.configuration import ConfigurationRefused
from app.domain.tracking.runs import Cause, Phase, Run, RunKind
from app.domain.tracking.settings import FollowingView
from app.jobs.commands.operating import json_option, show

REFUSED, PARTIAL = 2, 5
_LOOK_SECONDS = 0.5
_SAY_SECONDS = 5.0


@click.command("following")
@click.argument("tenant", type=int)
@click.option(
    "--set", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Put this JSON in force."
)
@json_option
@click.pass_obj
def following(operations: Operations, *, tenant: int, file: Path | None, as_json: bool) -> int:
    """Which issues of TENANT count and what their fields mean; exit 2 if a configuration cannot be in force."""
    with operations.services() as services:
        if file is not None:
            findings = _change(services, TenantId(tenant), json.loads(file.read_text()))
            if findings:
                show({"findings": findings}, [f"{f['where']}: {f['reason']}" for f in findings], as_json=as_json)
                return REFUSED
        view = services.following_settings.view(TenantId(tenant))
    show(view.to_json(), _lines(view), as_json=as_json)
    return 0


@click.command("sync")
@click.argument("tenant", type=int)
@click.option("--start", "kind", flag_value=RunKind.IMPORT.value, help="Read every issue that counts, now.")
@click.option(
    "--reconcile", "kind", flag_value=RunKind.RECONCILIATION.value, help="Look for what webhooks missed, now."
)
@click.option("--wait", is_flag=True, help="Until it has ended; a worker has to run.")
@json_option
@click.pass_obj
def sync(operations: Operations, *, tenant: int, kind: str | None, wait: bool, as_json: bool) -> int:
    """How far the import and the reconciliation of TENANT are; exit 5 if one is under way, 1 if one failed."""
    with operations.services() as services:
        if kind is not None:
            services.synchronizing.ask(TenantId(tenant), RunKind(kind), Cause.ASKED, now=datetime.now(UTC))
        view = _awaited(services, TenantId(tenant)) if wait else services.following_settings.view(TenantId(tenant))
    told = view.to_json()
    document = {name: told[name] for name in ("tracked", *RunKind)}
    show(document, [f"{view.tracked} issues are tracked", *_run_lines(view)], as_json=as_json)
    runs = [run for run in view.runs.values() if run is not None]
    if any(run.is_unfinished for run in runs):
        return PARTIAL
    return 1 if any(run.phase is Phase.FAILED for run in runs) else 0


def _change(services: Services, tenant: TenantId, document: Any) -> list[dict[str, str]]:  # noqa: ANN401  a file
    if not isinstance(document, dict):
        raise click.UsageError("the file has to hold a JSON object")
    version = services.following_settings.view(tenant).configuration.version
    try:
        services.following_settings.change(tenant, document, version=version, actor="operator", now=datetime.now(UTC))
    except ConfigurationRefused as refusal:
        return [{"where": finding.where, "reason": finding.reason} for finding in refusal.findings]
    return []


def _awaited(services: Services, tenant: TenantId) -> FollowingView:
    """The view once nothing is under way; meanwhile one line that changes on a terminal, else one now and then."""
    said_at = time.monotonic()
    is_terminal = sys.stderr.isatty()
    while True:
        view = services.following_settings.view(tenant)
        under_way = [run for run in view.runs.values() if run is not None and run.is_unfinished]
        if not under_way:
            return view
        if is_terminal or time.monotonic() - said_at >= _SAY_SECONDS:
            said_at = time.monotonic()
            click.echo(("\r" if is_terminal else "") + _run_line(under_way[0]), nl=not is_terminal, err=True)
        time.sleep(_LOOK_SECONDS)


def _lines(view: FollowingView) -> list[str]:
    chosen = view.configuration.to_json()
    lines = [f"version {view.configuration.version}, {view.tracked} issues are tracked"]
    lines += [f"  {name}: {json.dumps(value)}" for name, value in chosen.items()]
    lines += [f"no meaning is given to the {v.kind} {v.name!r} (issue {v.issue})" for v in view.unmapped]
    return [*lines, *_run_lines(view)]


def _run_lines(view: FollowingView) -> list[str]:
    return [_run_line(run) for run in view.runs.values() if run is not None]


def _run_line(run: Run) -> str:
    counts = run.counts
    parts = [f"{run.kind.value} ({run.cause.value}): {run.phase.value}", f"{counts.created} created"]
    parts += [f"{counts.updated} updated", f"{counts.unchanged} unchanged", f"{counts.moved} moved"]
    parts += [f"{counts.gone} gone", *(f"{many} skipped: {why}" for why, many in counts.skipped.items())]
    return ", ".join([*parts, *([run.problem] if run.problem else [])])
