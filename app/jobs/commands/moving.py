"""`pledge installations migrate`: how far the move from Connect to Forge is, and the links that are still missing."""

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime

import click

from app.domain.clocks.model import instant_text
from app.domain.installations.moving import Attempt, Outcome
from app.domain.installations.standing import Holding, Standing
from app.domain.operator import Operations
from app.domain.services import Services
from app.jobs.commands.operating import json_option, show
from app.jobs.commands.progress import Progress

PARTIAL = 5


@click.command("migrate")
@click.option("--status", is_flag=True, help="Say of every tenant what it holds, and whether it moved.")
@click.option("--backfill", is_flag=True, help="Ask Jira whose each unlinked installation is, and link it.")
@json_option
@click.pass_obj
def migrate(operations: Operations, *, status: bool, backfill: bool, as_json: bool) -> int:
    """The move of all tenants from Connect to Forge. Safe to repeat and to interrupt; exit 5 if something is open."""
    if status == backfill:
        raise click.UsageError("give either --status or --backfill")
    with operations.services() as services:
        if status:
            _show_status(services.standings.all(), as_json=as_json)
            return 0
        return _show_report(_backfill(services), as_json=as_json)


def _show_status(standings: tuple[Standing, ...], *, as_json: bool) -> None:
    held = Counter(each.holds for each in standings)
    totals = {kind.value: held[kind] for kind in Holding} | {
        "linked": sum(each.is_linked for each in standings),
        "retired": sum(each.retired_at is not None for each in standings),
    }
    document = {"tenants": [_standing_row(each) for each in standings], "totals": totals}
    show(document, [*map(_standing_line, standings), _totals_line(totals)], as_json=as_json)


def _standing_row(standing: Standing) -> dict[str, object]:
    values = asdict(standing)
    return {name: instant_text(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _standing_line(standing: Standing) -> str:
    parts = [f"{standing.tenant or '-':>6}", f"{standing.holds.value:<8}", standing.site]
    if standing.environment not in {None, "PRODUCTION"}:
        parts.append(f"({standing.environment})")
    if standing.is_linked:
        parts.append(f"linked {_day(standing.linked_at)}")
    if standing.retires_at is not None:
        parts.append(f"Connect secret retires {_day(standing.retires_at)}")
    if standing.retired_at is not None:
        parts.append(f"Connect secret retired {_day(standing.retired_at)}")
    return "  ".join(parts)


def _day(at: datetime | None) -> str:
    return "at an unknown date" if at is None else at.date().isoformat()


def _totals_line(totals: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in totals.items())


def _backfill(services: Services) -> list[Attempt]:
    moving = services.moving
    candidates, connect_tenants = moving.candidates(), moving.connect_tenants()
    progress, report = Progress(len(candidates), what="Forge installations"), list(moving.contacts())
    for known in candidates:
        report.append(moving.link(known, connect_tenants=connect_tenants, now=datetime.now(UTC)))
        progress.step()
    return report


def _show_report(report: list[Attempt], *, as_json: bool) -> int:
    made = Counter(each.outcome for each in report)
    totals = {outcome.value: made[outcome] for outcome in Outcome}
    lines = [
        f"{each.tenant or '-':>6}  {each.outcome.value:<8}  {each.forge_installation}  {each.reason}".rstrip()
        for each in report
        if each.outcome is not Outcome.ALREADY
    ]
    document = {"installations": [asdict(each) for each in report], "totals": totals}
    show(document, [*lines, _totals_line(totals)], as_json=as_json)
    return PARTIAL if any(each.is_open for each in report) else 0
