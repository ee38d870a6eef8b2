"""`pledge policy`: what the policies promise, what backs it, and what a change would do."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.identifiers import TenantId
from app.domain.operator import Operations
from app.domain.privacy.cycle import PROMISES
from app.domain.promises import reports
from app.domain.promises.coverage import Today, checks_in
from app.domain.promises.reading import read_policy
from app.domain.promises.shelf import InForce, PolicyShelf
from app.jobs.commands.operating import json_option, show

STANDARD = "atlassian-marketplace"
"""Whose numbers no other policy may undercut without saying so."""


@click.group()
def policy() -> None:
    """The promises: list, check and explain them, say what backs them, preview a change."""


@policy.command("list")
@json_option
@click.pass_obj
def policy_list(operations: Operations, *, as_json: bool) -> int:
    """The policies at hand."""
    shelf = PolicyShelf(operations.policy_text)
    return _say(reports.list_report(shelf.in_force(name).policy for name in operations.policy_names()), as_json=as_json)


def own_options(command: Callable[..., int]) -> Callable[..., int]:
    """`--tenant` and `--version`: which of a site's own policies is meant."""
    command = click.option("--version", type=int, default=None, help="Which of them; the newest without it.")(command)
    return click.option("--tenant", type=int, default=None, help="NAME is a policy of this site's own.")(command)


@policy.command("show")
@click.argument("name")
@own_options
@click.option("--text", "as_text", is_flag=True, help="The text of its file.")
@json_option
@click.pass_obj
def policy_show(
    operations: Operations, *, name: str, tenant: int | None, version: int | None, as_text: bool, as_json: bool
) -> int:
    """A policy in force, promise by promise."""
    text_of = _texts(operations, name, tenant=tenant, version=version)
    found = read_policy(name, text_of)
    if as_text:
        text = text_of(name)
        show({"name": name, "sha256": found.sha256, "text": text}, [text.rstrip()], as_json=as_json)
        return reports.OK
    return _say(reports.show_report(found), as_json=as_json)


@policy.command("lint")
@click.argument("names", nargs=-1)
@json_option
@click.pass_obj
def policy_lint(operations: Operations, *, names: tuple[str, ...], as_json: bool) -> int:
    """Placeholders, contradictions, weak numbers, promises without backing. NAMES or files; all without any."""
    text_of, wanted = _with_files(operations, names or operations.policy_names())
    return _say(reports.lint_report(wanted, text_of, bases=(STANDARD,), today=_today(operations)), as_json=as_json)


@policy.command("coverage")
@click.argument("names", nargs=-1)
@json_option
@click.pass_obj
def policy_coverage(operations: Operations, *, names: tuple[str, ...], as_json: bool) -> int:
    """What backs each promise today: a clock, a control with its check, a page, or nothing yet."""
    found = [read_policy(name, operations.policy_text) for name in names or operations.policy_names()]
    return _say(reports.coverage_report(found, today=_today(operations)), as_json=as_json)


@policy.command("explain")
@click.argument("name")
@click.argument("promise")
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="KIND[:SEVERITY]@INSTANT",
    help="A fact, for example reported@2026-11-22T09:00:00Z or severity_set:high@2026-11-22T09:00:00Z.",
)
@click.option("--now", "at", default=None, metavar="INSTANT", help="The instant to explain for; this one by default.")
@own_options
@json_option
@click.pass_obj
def policy_explain(
    operations: Operations,
    *,
    name: str,
    promise: str,
    events: tuple[str, ...],
    at: str | None,
    tenant: int | None,
    version: int | None,
    as_json: bool,
) -> int:
    """Derive the dates of PROMISE of policy NAME from facts, step by step."""
    force = InForce(read_policy(name, _texts(operations, name, tenant=tenant, version=version)))
    facts = [_event(text, number) for number, text in enumerate(events, 1)]
    now = datetime.now(UTC) if at is None else _instant(at)
    report = reports.explain_report(force.policy, promise, facts, calendars=force.calendars, now=now)
    return _say(report, as_json=as_json)


@policy.command("preview")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tenant", type=int, default=None, help="FILE replaces what is in force for this site alone.")
@json_option
@click.pass_obj
def policy_preview(operations: Operations, *, file: Path, tenant: int | None, as_json: bool) -> int:
    """Which bounds of stored issues move if FILE replaces the policy of that name; exit 2 if one is then breached.

    Sites with numbers of their own are not under that policy; what FILE does to one of them is told with --tenant.
    """
    name = file.stem
    text_of, _ = _with_files(operations, (str(file),))
    new = InForce(read_policy(name, text_of))
    with operations.services() as services:
        site = None if tenant is None else TenantId(tenant)
        old = services.views.in_force(name if site is None else services.database.view_tenant(site).policy)
        report = reports.preview_report(
            old.policy,
            new.policy,
            subjects=services.views.subjects(name) if site is None else services.views.subjects_of(site, new),
            calendars=new.calendars,
            calendars_before=old.calendars,
            now=datetime.now(UTC),
        )
    return _say(report, as_json=as_json)


def _say(report: reports.Report, *, as_json: bool) -> int:
    show(report.json, report.lines, as_json=as_json)
    return report.exit_code


def _with_files(operations: Operations, names: tuple[str, ...]) -> tuple[Callable[[str], str], list[str]]:
    """Where texts come from when some of the names are files: a file stands for the policy it is named after."""
    files = {Path(name).stem: Path(name) for name in names if name.endswith(".toml")}

    def text_of(name: str) -> str:
        return files[name].read_text() if name in files else operations.policy_text(name)

    return text_of, [Path(name).stem if name.endswith(".toml") else name for name in names]


def _texts(operations: Operations, name: str, *, tenant: int | None, version: int | None) -> Callable[[str], str]:
    """Where the text of that policy and of what it extends comes from: our files, or what a site has stored."""
    if tenant is None:
        if version is not None:
            raise click.UsageError("--version is that of a site's own policy: say --tenant too")
        return operations.policy_text
    with operations.services() as services, services.database.begin(TenantId(tenant)) as uow:
        for stored in uow.policies.versions():
            if str(stored.ref) == name and version in {None, stored.version}:
                return dict(uow.policies.texts(stored.ref.sha256) or {}).__getitem__
    raise click.UsageError(f"tenant {tenant} has no such version of a policy {name!r} of its own")


def _today(operations: Operations) -> Today:
    return Today(
        checks=checks_in(operations.existing_checks()),
        triggers=(
            *PROMISES,
            *(
                rule.promise
                for name in operations.policy_names()
                for rule in InForce(read_policy(name, operations.policy_text)).issue_clocks
            ),
        ),
        pages=operations.public_pages(),
    )


def _event(text: str, number: int) -> Event:
    what, _, when = text.partition("@")
    kind, _, severity = what.partition(":")
    try:
        return Event(
            kind=EventKind(kind),
            at=_instant(when),
            source=f"--event {number}",
            severity=Severity(severity) if severity else None,
        )
    except ValueError as fault:
        raise click.UsageError(f"--event {text}: {fault}") from fault


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as fault:
        raise click.UsageError(f"{text!r} is not an instant such as 2026-11-22T09:00:00Z") from fault
    if at.tzinfo is None:
        raise click.UsageError(f"{text!r} has no zone; write 2026-11-22T09:00:00Z")
    return at.astimezone(UTC)


COMMANDS: tuple[click.Command, ...] = (policy,)
