"""Commands for the one who operates Pledge; each works on a set-up that is broken or empty."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from app.domain.audit.model import LogBroken
from app.domain.identifiers import TenantId
from app.domain.operator import Operations
from app.domain.ports import DatabaseUnavailable
from app.domain.quota.queries import Standing
from app.jobs.supervisor import ChildEnded, ChildNotReady
from app.protocol.refusals import Refusal

KNOWN_ERRORS: tuple[type[Exception], ...] = (
    ValueError,
    LookupError,
    OSError,
    RuntimeError,
    DatabaseUnavailable,
    LogBroken,
    Refusal,
    ChildEnded,
    ChildNotReady,
)
"""Their texts are written for the one who reads them."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def show(document: Any, lines: Sequence[str], *, as_json: bool) -> None:  # noqa: ANN401  any JSON
    """Print one or the other."""
    if as_json:
        click.echo(json.dumps(document, indent=2, default=str))
    elif lines:
        click.echo("\n".join(lines))


@click.command()
@click.option("--processes", default=2, show_default=True, help="Web processes that are to run.")
@json_option
@click.pass_obj
def doctor(operations: Operations, *, processes: int, as_json: bool) -> int:
    """Say what is wrong with this set-up, and how to mend it."""
    found: list[str] = []
    for question in (
        operations.settings,
        lambda: found.extend(operations.keys().faults()),
        operations.audit_check,
        lambda: found.extend(operations.database_findings()),
        lambda: found.extend(operations.setup_findings(processes=processes)),
    ):
        try:
            question()
        except (*KNOWN_ERRORS, *operations.known_errors) as fault:
            found.append(str(fault))
    # A missing setting is a fault of everything that needs it, and mended once.
    findings = list(dict.fromkeys(found))
    # On a set-up that is broken there is nothing to ask.
    standing = None if findings else _standing(operations)
    show(
        {"ok": not findings, "findings": findings, "jira": None if standing is None else asdict(standing)},
        [*(findings or ["all is well"]), *([] if standing is None else _standing_lines(standing))],
        as_json=as_json,
    )
    return 1 if findings else 0


def _standing(operations: Operations) -> Standing | None:
    try:
        return operations.quota()
    except (*KNOWN_ERRORS, *operations.known_errors):
        return None


def _standing_lines(standing: Standing) -> list[str]:
    """What may be asked of Jira, and who waits."""
    lines = [f"Jira: {standing.left} of {standing.points_per_hour} points left until {standing.resets_at:%H:%M} UTC"]
    if standing.stopped_until is not None:
        lines.append(f"Jira: its quota is spent, all tenants' work waits until {standing.stopped_until:%H:%M:%S} UTC")
    for each in standing.waiting:
        until = "for points" if each.until is None else f"until {each.until:%H:%M:%S} UTC"
        lines.append(f"Jira: tenant {each.tenant} waits {until}{f' ({each.reason})' if each.reason else ''}")
    return lines


@click.group()
def db() -> None:
    """The database: migrate it, check it, print what its administrator needs."""


@db.command("upgrade")
@click.pass_obj
def db_upgrade(operations: Operations) -> None:
    """Migrate to the newest version, as PLEDGE_DATABASE_OWNER_URL. Safe to repeat."""
    click.echo(f"at version {operations.database_upgrade()}")


@db.command("roles")
@click.pass_obj
def db_roles(operations: Operations) -> None:
    """Print the SQL for roles and grants, to be run once per server by a superuser."""
    click.echo(operations.database_roles())


@db.command("check")
@json_option
@click.pass_obj
def db_check(operations: Operations, *, as_json: bool) -> int:
    """Compare row security, keys, grants and tables with the rules."""
    found = operations.database_findings()
    show({"ok": not found, "findings": found}, found or ("every rule holds",), as_json=as_json)
    return 1 if found else 0


@db.command("rewrite")
@click.pass_obj
def db_rewrite(operations: Operations) -> None:
    """Write every table anew, so that no deleted row is left in its files. Each is locked meanwhile."""
    for name in operations.database_rewrite():
        click.echo(name)
    click.echo("done")


@click.group()
def descriptor() -> None:
    """What we tell Atlassian about ourselves."""


@descriptor.command("connect")
@click.option("--check", is_flag=True, help="Say what Atlassian would refuse in it instead of printing it.")
@click.pass_obj
def descriptor_connect(operations: Operations, *, check: bool) -> int:
    """Print the Connect descriptor."""
    if not check:
        click.echo(json.dumps(operations.connect_descriptor(), indent=2))
        return 0
    faults = operations.connect_descriptor_faults()
    click.echo("\n".join(faults or ("valid",)))
    return 1 if faults else 0


@descriptor.command("forge")
@click.option("--migration", metavar="GUIDE_URL", help="For an app that was a Connect app: where its guide is.")
@click.option(
    "--output", default="build/forge-app", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--check", is_flag=True, help="Say what would not work, by Atlassian's validator and our own.")
@click.pass_obj
def descriptor_forge(operations: Operations, *, migration: str | None, output: Path, check: bool) -> int:
    """Write a folder for `forge deploy`: the manifest and the built pages. Needs Node."""
    manifest = operations.forge_manifest(moved_from_connect=migration)
    operations.write_forge_app(output, manifest)
    own_faults = operations.forge_manifest_faults(manifest)
    if not check:
        hint = "not to be deployed: --check says why" if own_faults else f"next: cd {output} && forge deploy"
        click.echo(f"wrote {output}; {hint}")
        return 0
    faults = (*own_faults, *operations.validate_forge_app(output))
    click.echo("\n".join(faults or ("valid",)))
    return 1 if faults else 0


@click.group()
def installations() -> None:
    """The sites that installed us."""


@installations.command("list")
@json_option
@click.pass_obj
def installations_list(operations: Operations, *, as_json: bool) -> None:
    """Every Connect installation: tenant, state, site, secret version."""
    with operations.services() as services, services.database.begin() as uow:
        found = uow.registry.list_connect()
    rows = [
        {"tenant": each.tenant, "state": each.state.value, "site": each.site_url, "version": each.secret_version}
        for each in found
    ]
    lines = [f"{row['tenant']:>6}  {row['state']:<11}  {row['site']}  secret {row['version']}" for row in rows]
    show(rows, lines or ["no site has installed us yet"], as_json=as_json)


@installations.command("policy")
@click.argument("tenant", type=int)
@click.argument("name")
@click.pass_obj
def installations_policy(operations: Operations, *, tenant: int, name: str) -> None:
    """Let the clocks of TENANT run under the policy NAME (`pledge policy list`)."""
    if name not in operations.policy_names():
        raise click.UsageError(f"there is no policy {name!r}; `pledge policy list` names them")
    with operations.services() as services:
        services.lifecycle.choose_policy(TenantId(tenant), name)
    click.echo(f"tenant {tenant}: {name}")


@click.group()
def jobs() -> None:
    """Work that waits, and work that failed."""


@jobs.command("list")
@json_option
@click.pass_obj
def jobs_list(operations: Operations, *, as_json: bool) -> None:
    """Jobs that wait, run or failed."""
    _show_jobs(operations.jobs(("todo", "doing", "failed")), as_json=as_json)


@jobs.command("failed")
@json_option
@click.pass_obj
def jobs_failed(operations: Operations, *, as_json: bool) -> int:
    """Jobs that failed for good; `pledge jobs retry ID` gives one back to the queue."""
    found = operations.jobs(("failed",))
    _show_jobs(found, as_json=as_json)
    return 1 if found else 0


@jobs.command("retry")
@click.argument("job_id", type=int)
@click.pass_obj
def jobs_retry(operations: Operations, *, job_id: int) -> None:
    """Give a failed job back to the queue."""
    operations.retry_job(job_id)
    click.echo(f"job {job_id} waits again")


def _show_jobs(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    lines = [f"{job['id']:>8}  {job['status']:<7}  {job['task']}  {json.dumps(job['args'])}" for job in found]
    show(list(found), lines or ["none"], as_json=as_json)


COMMANDS: tuple[click.Command, ...] = (doctor, db, descriptor, installations, jobs)
