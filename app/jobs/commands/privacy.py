"""`pledge privacy`: what is held of people, and whether it is reported to Atlassian in time."""

from datetime import UTC, datetime
from typing import Any

import click

from app.domain.operator import Operations
from app.domain.privacy.cycle import CycleState
from app.jobs.commands.operating import json_option, show

BREACHED, UNKNOWN, PARTIAL = 2, 3, 5


@click.group()
def privacy() -> None:
    """People's data: where it is, whether it is reported to Atlassian, and what became of it."""


@privacy.command("map")
@json_option
@click.pass_obj
def privacy_map(operations: Operations, *, as_json: bool) -> None:
    """Every place that can hold personal data: kind, purpose, retention, and how it is erased. Needs no database."""
    rows = [each.to_json() for each in operations.personal_data()]
    lines = [
        f"{row['where']}\n    {row['kind']}: {row['purpose']}\n    kept {row['retention']}; {row['erased']}"
        for row in rows
    ]
    show(rows, lines, as_json=as_json)


@privacy.command("report")
@click.option("--now", "at_once", is_flag=True, help="Also what was never reported, and requests that are not full.")
@json_option
@click.pass_obj
def privacy_report(operations: Operations, *, at_once: bool, as_json: bool) -> int:
    """Report what is due, as the worker does every ten minutes, and erase whose account is closed.

    Safe beside a worker, and to interrupt. Exit 5 if a request failed or nobody may be asked at the moment.
    """
    with operations.services() as services:
        run = services.reporting.run(at_once=at_once).to_json()
    line = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in run.items() if name != "waits_for")
    waits = [f"nobody is asked at the moment: {run['waits_for']}"] if run["waits_for"] else []
    show(run, [line, *waits], as_json=as_json)
    return PARTIAL if run["failed"] or waits else 0


@privacy.command("status")
@json_option
@click.pass_obj
def privacy_status(operations: Operations, *, as_json: bool) -> int:
    """How far the cycle of reports is; exit 2 if an account is a day late, 3 if nothing was ever listed."""
    with operations.services() as services:
        status = services.report_status.read(now=datetime.now(UTC))
    show(status, _status_lines(status), as_json=as_json)
    if status["state"] is CycleState.BREACHED:
        return BREACHED
    return UNKNOWN if status["listed_at"] is None else 0


def _status_lines(status: dict[str, Any]) -> list[str]:
    days = status["period_seconds"] / 86400
    said = f" (Cycle-Period: {status['period_text']})" if status["period_text"] else ""
    lines = [
        f"{status['state']}: {status['accounts']} accounts, once in {days:g} days{said}, by {status['way']}",
        f"pass {status['pass']} since {status['pass_started_at']}: {status['pass_left']} accounts left",
        f"{status['due']} are due, the oldest since {status['oldest_due_at']}; late from {status['breach_at']}",
        f"{status['set_aside']} are set aside, {status['closed_unerased']} are closed and not erased yet",
    ]
    if status["lacking"] is not None:
        lines.append(f"nobody can be asked: {status['lacking']}; see `pledge integrations status`")
    if status["waits_until"] is not None:
        lines.append(f"nobody is asked before {status['waits_until']}: {status['waits_for']}")
    for row in status["requests"]:
        lines.append(f"{row['at']}  {row['accounts']:>3} accounts  {row['status']}  {row['outcome']}")
    return lines


COMMANDS: tuple[click.Command, ...] = (privacy,)
