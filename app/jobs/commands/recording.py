"""`pledge clocks record|ams|import`: decisions about clocks by an operator, one by one or as a file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from app.domain.clocks import wording
from app.domain.clocks.model import Bounds
from app.domain.clocks.state import state_of
from app.domain.identifiers import IssueId, TenantId
from app.domain.operator import Operations
from app.domain.tracking.ams import STATUSES
from app.domain.tracking.decision import AMS, KINDS, NO_DATE, Author, DecisionRefused, Via, read_decision
from app.domain.tracking.decision_file import COLUMNS, OPERATOR, Fault, read_file
from app.domain.tracking.recording import Imported, Recorded
from app.jobs.commands.operating import json_option, show
from app.jobs.commands.progress import Progress

POLICY_SAYS_NO = 2

_at = click.option("--at", help="When it was decided, like 2026-02-12T09:00:00Z; now, if not given.")
_evidence = click.option("--evidence", help="Where the decision can be read.")
_actor = click.option("--actor", default=OPERATOR, show_default=True, help="Who decided.")
_id = click.option("--id", "given_id", help="Your own id of it: the same one twice is recorded once.")
_dry_run = click.option("--dry-run", is_flag=True, help="Only say what would change.")


@click.command("record")
@click.argument("tenant", type=int)
@click.argument("issue")
@click.argument("kind", type=click.Choice([str(kind) for kind in KINDS if kind != AMS]))
@_at
@click.option("--reason", help="Why; of a pause one that the policy allows.")
@click.option("--clause", help="What it relies on.")
@click.option("--until", help="The granted date, like 2026-02-12.")
@click.option("--added-days", help="The granted time.")
@click.option("--role", help="In which role it was granted, for example atlassian.")
@_evidence
@click.option("--severity", help="critical, high, medium, low or none.")
@_actor
@_id
@_dry_run
@json_option
@click.pass_obj
def record(operations: Operations, /, **given: Any) -> int:  # noqa: ANN401  the options above
    """Record a decision of KIND about ISSUE (key or id) of TENANT; exit 2 if the policy or the clock does not allow it.

    \b
    severity_set needs --severity; paused, reopened, cancelled, untracked, tracked and extension_refused need --reason;
    extended needs --reason, --role and one of --until and --added-days.
    """
    return _record(operations, given)


@click.command("ams")
@click.argument("tenant", type=int)
@click.argument("issue")
@click.option("--key", "ticket", required=True, help="Of the ticket in Atlassian's Marketplace Security project.")
@click.option("--status", required=True, help=f"In which it is: {', '.join(STATUSES)}.")
@click.option("--due", help=f"Its Remediation Due Date; `{NO_DATE}` = it names none any more; not given = as before.")
@_at
@_evidence
@_actor
@_id
@_dry_run
@json_option
@click.pass_obj
def ams(operations: Operations, /, **given: Any) -> int:  # noqa: ANN401  the options above
    """Record what a ticket in Atlassian's Marketplace Security project says of ISSUE (key or id) of TENANT."""
    return _record(operations, given | {"kind": AMS})


def _record(operations: Operations, given: dict[str, Any]) -> int:
    tenant, issue, actor = TenantId(given.pop("tenant")), given.pop("issue"), given.pop("actor")
    dry_run, as_json = given.pop("dry_run"), given.pop("as_json")
    named = {name: value for name, value in given.items() if value is not None}
    named["id"] = named.pop("given_id", uuid4().hex)
    decision, now = read_decision(named), datetime.now(UTC)
    author = Author(Via.COMMAND, actor, OPERATOR)
    by = IssueId(int(issue)) if issue.isascii() and issue.isdecimal() else issue
    try:
        with operations.services() as services:
            done = services.recording.record(tenant, by, decision, author=author, now=now, dry_run=dry_run)
    except DecisionRefused as refusal:
        click.echo(f"refused: {refusal}", err=True)
        return POLICY_SAYS_NO
    show(_document(done, dry_run=dry_run, now=now), _lines(done, dry_run=dry_run, now=now), as_json=as_json)
    return 0


def _document(done: Recorded, *, dry_run: bool, now: datetime) -> dict[str, Any]:
    return {
        "issue": done.key,
        "dry_run": dry_run,
        "recorded": [{"kind": event.kind.value, "source": event.source} for event in done.events],
        "clocks": [
            {"promise": each.promise, "before": _bound(each.before, now), "after": _bound(each.after, now)}
            for each in done.moved
        ],
    }


def _lines(done: Recorded, *, dry_run: bool, now: datetime) -> list[str]:
    verb = "would record" if dry_run else "recorded"
    kinds = ", ".join(event.kind.value for event in done.events)
    head = f"{done.key}: {verb} {kinds}" if done.events else f"{done.key}: nothing new, this is known already"
    return [head, *(f"  {e.promise}: {_bound(e.before, now)} → {_bound(e.after, now)}" for e in done.moved)]


def _bound(bounds: Bounds | None, now: datetime) -> str:
    return "no clock" if bounds is None else f"{state_of(bounds, now=now)}, {wording.bound_text(bounds)}"


@click.command("import")
@click.argument("tenant", type=int)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_dry_run
@json_option
@click.pass_obj
def import_(operations: Operations, *, tenant: int, file: Path, dry_run: bool, as_json: bool) -> int:
    """Record every decision of FILE, or none of them: each line that cannot be is named, with its reason."""
    read = read_file(file.read_bytes())
    progress = Progress(len(read.entries), what="decisions")
    with operations.services() as services:
        # With a line that cannot be read nothing is recorded; the others are looked at, so that all is told at once.
        done = services.recording.import_file(
            TenantId(tenant),
            read.entries,
            sha256=read.sha256,
            now=datetime.now(UTC),
            dry_run=dry_run or bool(read.faults),
            step=progress.step,
        )
    faults = sorted((*read.faults, *done.faults), key=lambda fault: fault.line)
    document = {
        "lines": done.lines + len(read.faults),
        "issues": done.issues,
        "recorded": 0 if faults or dry_run else done.events,
        "known": done.known,
        "dry_run": dry_run,
        "faults": [{"line": fault.line, "reason": fault.reason} for fault in faults],
    }
    show(document, _import_lines(done, faults, dry_run=dry_run), as_json=as_json)
    return 1 if faults else 0


import_.help = f"{import_.help}\n\nColumns: {', '.join(COLUMNS)}."


def _import_lines(done: Imported, faults: list[Fault], *, dry_run: bool) -> list[str]:
    if faults:
        return [
            *(f"line {fault.line}: {fault.reason}" for fault in faults),
            f"nothing is recorded: {len(faults)} lines cannot be",
        ]
    verb = "would be" if dry_run else "were"
    return [f"{done.events} facts about {done.issues} issues {verb} recorded; {done.known} lines told nothing new"]


COMMANDS: tuple[click.Command, ...] = (record, ams, import_)
