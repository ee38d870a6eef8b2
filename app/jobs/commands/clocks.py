"""`pledge clocks`: which promises fall due, why, and the stored bounds made anew from the facts."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import click

from app.domain.clocks import wording
from app.domain.clocks.model import instant_text
from app.domain.identifiers import IssueId, TenantId
from app.domain.operator import Operations
from app.domain.promises import reports
from app.domain.promises.shelf import PolicyShelf
from app.domain.tracking.recomputing import Recomputing
from app.jobs.commands.operating import json_option, show
from app.jobs.commands.progress import Progress


@click.group()
def clocks() -> None:
    """The clocks of all tenants: what falls due, why, and the stored bounds."""


@clocks.command("due")
@click.option(
    "--within-days", default=7, show_default=True, type=click.IntRange(0, 3650), help="How far to look ahead."
)
@click.option("--tenant", type=int, help="Of this tenant only.")
@json_option
@click.pass_obj
def clocks_due(operations: Operations, *, within_days: int, tenant: int | None, as_json: bool) -> int:
    """Open clocks that are breached or fall due soon, the most urgent first; exit 2 if one is breached."""
    now = datetime.now(UTC)
    within = timedelta(days=within_days)
    with operations.services() as services:
        tenants = services.following.tenants() if tenant is None else [TenantId(tenant)]
        found = [(each, due) for each in tenants for due in services.lists.due(each, within=within, now=now)]
    found.sort(key=lambda each: each[1].remaining_seconds or 0)
    rows = [
        {
            "tenant": each,
            "issue": due.clock.key,
            "promise": due.clock.promise,
            "cycle": due.clock.bounds.cycle,
            "state": due.state.value,
            "due": wording.bound_text(due.clock.bounds),
            "remaining_seconds": due.remaining_seconds,
        }
        for each, due in found
    ]
    lines = [f"{row['tenant']:>6}  {row['issue']}  {row['promise']}  {row['state']}  {row['due']}" for row in rows]
    show(rows, lines or [f"nothing falls due within {within_days} days"], as_json=as_json)
    return 2 if any(row["state"] == "breached" for row in rows) else 0


@clocks.command("explain")
@click.argument("tenant", type=int)
@click.argument("issue")
@json_option
@click.pass_obj
def clocks_explain(operations: Operations, *, tenant: int, issue: str, as_json: bool) -> int:
    """Each date of ISSUE (key or id) of TENANT, step by step from the stored facts; exit 3 if it was never read."""
    now = datetime.now(UTC)
    with operations.services() as services:
        by = IssueId(int(issue)) if issue.isascii() and issue.isdigit() else issue
        found = services.views.view(TenantId(tenant), by, now=now)
    record = found.record
    if record is None:
        show({"tracking": found.tracking.value, "clocks": []}, [f"{issue} has not been read yet"], as_json=as_json)
        return 3
    force = PolicyShelf(operations.policy_text).in_force(found.tenant.policy)
    explained = [
        reports.explain_report(force.policy, rule.promise, record.events, calendars=force.calendars, now=now)
        for rule in force.issue_clocks
        if found.clocks
    ]
    left = "" if found.departure is None else f" since {instant_text(found.departure.at)}: {found.departure.reason}"
    head = f"{record.key}: {found.tracking.value}{left}, as of {instant_text(record.read_at)}"
    show(
        {"issue": record.key, "tracking": found.tracking.value, "clocks": [each.json for each in explained]},
        [head, *(line for each in explained for line in each.lines)],
        as_json=as_json,
    )
    return 0


@clocks.command("recompute")
@click.option("--tenant", type=int, help="Of this tenant only.")
@json_option
@click.pass_obj
def clocks_recompute(operations: Operations, *, tenant: int | None, as_json: bool) -> None:
    """Make the stored bounds anew from the facts; a worker does so by itself after a change of policy.

    Writes only what differs, goes on where it was interrupted, and can be run while everything else goes on.
    """
    with operations.services() as services:
        tenants = services.following.tenants() if tenant is None else [TenantId(tenant)]
        rows = [_recompute(services.recomputing, each) for each in tenants]
    lines = ["tenant {tenant}: {issues} issues, {written} bounds written, {deleted} deleted".format(**r) for r in rows]
    show(rows, lines or ["no site has installed us yet"], as_json=as_json)


def _recompute(recomputing: Recomputing, tenant: TenantId) -> dict[str, int]:
    progress = Progress(recomputing.remaining(tenant), what=f"issues of tenant {tenant}")
    done: Counter[str] = Counter(issues=0, written=0, deleted=0)
    is_last = False
    while not is_last:
        each = recomputing.advance(tenant, now=datetime.now(UTC))
        done.update(issues=each.issues, written=each.written, deleted=each.deleted)
        progress.step(each.issues)
        is_last = each.is_last
    return {"tenant": int(tenant), **done}


COMMANDS: tuple[click.Command, ...] = (clocks,)
