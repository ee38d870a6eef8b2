"""What each `pledge policy` command says: lines for a person, JSON for a program, and the exit code of the contract."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

from app.domain.clocks import wording
from app.domain.clocks.counting import CalendarTooShort, UnknownCalendar
from app.domain.clocks.engine import bounds_of, explain
from app.domain.clocks.model import Calendar, Event
from app.domain.clocks.rule import Term
from app.domain.promises.coverage import Backing, Covered, Today, coverage_of
from app.domain.promises.faults import Fault, PolicyRefused
from app.domain.promises.lint import lint
from app.domain.promises.model import Policy, Promise
from app.domain.promises.preview import Preview, Subject, preview
from app.domain.promises.reading import TextOf, read_policy
from app.domain.sentences import Sentence

OK, ERROR, POLICY_SAYS_NO = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Report:
    """The answer of a command."""

    lines: tuple[str, ...]
    json: Any
    exit_code: int = OK


def list_report(policies: Iterable[Policy]) -> Report:
    """`pledge policy list`: one line per policy."""
    rows = [_head(policy) for policy in policies]
    lines = (f"{r['name']} version {r['version']} of {r['dated']}, {r['promises']} promises" for r in rows)
    return Report(tuple(lines), rows)


def show_report(policy: Policy) -> Report:
    """`pledge policy show NAME`: the policy in force, promise by promise."""
    head = _head(policy)
    lines = [f"{policy.title}, version {policy.version} of {policy.dated}", f"sha256 {policy.sha256}"]
    lines += [_promise_line(promise) for promise in policy.promises]
    return Report(tuple(lines), {**head, "promises": [_promise_json(promise) for promise in policy.promises]})


def _head(policy: Policy) -> dict[str, Any]:
    return {
        "name": policy.name,
        "title": policy.title,
        "version": policy.version,
        "dated": str(policy.dated),
        "sha256": policy.sha256,
        "source": policy.source,
        "extends": policy.extends,
        "promises": len(policy.promises),
    }


def _promise_line(promise: Promise) -> str:
    ours = f" [ours: {promise.ours}]" if promise.ours is not None else ""
    return f"{promise.id}  {promise.kind}  {promise.clause}  {promise.text}  →  {how_counted(promise)}{ours}"


def how_counted(promise: Promise) -> str:
    """Duration and mode of a promise in words; for what is no clock, the deadline as the text states it."""
    if promise.rule is not None:
        return reduce(_earliest, map(_term_text, promise.rule.terms))
    if promise.follows:
        return Sentence("as %(promises)s", promises=", ".join(promise.follows))
    return promise.deadline


def _earliest(known: Sentence, other: Sentence) -> Sentence:
    return Sentence("%(known)s; earliest of %(other)s", known=known, other=other)


def _term_text(term: Term) -> Sentence:
    if term.fixed_on is not None:
        return Sentence("%(first)s, %(then)s", first=term.fixed_on, then=term.zone)
    if not term.tables:
        return wording.amount_text(term, term.amount or 0)
    newest = term.tables[-1]
    return Sentence(
        "critical %(critical)s, high %(high)s, medium %(medium)s, low %(low)s %(unit)s, %(mode)s "
        "(table of %(day)s, %(older)s older)",
        **{level.value: amount for level, amount in newest.amounts.items()},
        unit=term.unit,
        mode=term.mode,
        day=newest.since,
        older=len(term.tables) - 1,
    )


def _promise_json(promise: Promise) -> dict[str, Any]:
    return {
        "id": promise.id,
        "policy": promise.policy,
        "kind": promise.kind,
        "clause": promise.clause,
        "text": promise.text,
        "trigger": promise.trigger,
        "actor": promise.actor,
        "deadline": promise.deadline,
        "counted": how_counted(promise),
        "evidence": promise.evidence,
        "source": promise.source,
        "ours": promise.ours,
        "follows": list(promise.follows),
        "checks": list(promise.checks),
        "told": list(promise.told),
        "published": promise.published,
    }


def lint_report(names: Iterable[str], text_of: TextOf, *, bases: Iterable[str] = (), today: Today) -> Report:
    """`pledge policy lint`: faults of the files (exit 1), otherwise what is wrong with what they say (exit 2)."""
    faults: list[Fault] = []
    policies = _readable(names, text_of, faults=faults)
    standards = _readable(bases, text_of, faults=faults)
    if faults:
        once = tuple(dict.fromkeys(faults))
        return Report(tuple(map(str, once)), {"faults": [each.to_json() for each in once]}, ERROR)
    findings = lint(policies, bases=standards, today=today)
    lines = tuple(f"{each.policy}: {each.where}: {each.check}: {each.text}" for each in findings)
    found = {"faults": [], "findings": [each.to_json() for each in findings]}
    return Report(lines or ("nothing found",), found, POLICY_SAYS_NO if findings else OK)


def _readable(names: Iterable[str], text_of: TextOf, *, faults: list[Fault]) -> list[Policy]:
    policies = []
    for name in names:
        try:
            policies.append(read_policy(name, text_of))
        except PolicyRefused as refused:
            faults += refused.faults
    return policies


def coverage_report(policies: Iterable[Policy], *, today: Today) -> Report:
    """`pledge policy coverage`: each promise once, as a Markdown table under its totals (the README's table)."""
    rows = {(row.promise.policy, row.promise.id): row for policy in policies for row in coverage_of(policy, today)}
    totals = Counter(row.backing for row in rows.values())
    summary = ", ".join(f"{totals[backing]} {backing}" for backing in Backing)
    lines = [f"{len(rows)} promises: {summary}.", "", "| promise | policy | what | kind | backed today | by |"]
    lines += ["|---|---|---|---|---|---|", *map(_table_row, rows.values())]
    counts = {backing.value: totals[backing] for backing in Backing}
    return Report(tuple(lines), {"totals": counts, "promises": [row.to_json() for row in rows.values()]})


def _table_row(row: Covered) -> str:
    promise = row.promise
    cells = (promise.id, promise.policy, promise.text, promise.kind, row.backing, row.by)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def explain_report(
    policy: Policy,
    promise_id: str,
    events: Iterable[Event],
    *,
    calendars: Mapping[str, Calendar],
    now: datetime,
) -> Report:
    """`pledge policy explain`: any date of any promise, step by step; raises `UnknownPromise`."""
    promise = policy.promise(promise_id)
    if promise.rule is None:
        text = f"{promise_id} is a {promise.kind}: it has no date of its own ({how_counted(promise)})"
        return Report((text,), {"promise": promise_id, "cycles": []}, ERROR)
    facts = tuple(events)
    try:
        bounds = bounds_of(promise.rule, facts, calendars=calendars)
        whys = explain(promise.rule, facts, calendars=calendars, now=now)
    except (UnknownCalendar, CalendarTooShort) as error:
        return Report((f"{type(error).__name__}: {error}",), {"promise": promise_id, "cycles": []}, ERROR)
    lines = [f"{promise.id} ({policy.name} version {policy.version}, sha256 {policy.sha256}): {promise.text}"]
    cycles = []
    for each, steps in zip(bounds, whys, strict=True):
        lines.append(f"cycle {each.cycle}: {wording.bound_text(each)}")
        lines += [
            f"  {number}. [{step.clause}] {step.rule}: {step.text} <{step.source}>"
            for number, step in enumerate(steps, 1)
        ]
        cycles.append({"cycle": each.cycle, "why": [step.to_json() for step in steps]})
    head = {"name": policy.name, "version": policy.version, "sha256": policy.sha256}
    return Report(tuple(lines), {"promise": promise.id, "policy": head, "cycles": cycles})


def preview_report(
    old: Policy,
    new: Policy,
    *,
    subjects: Iterable[Subject],
    calendars: Mapping[str, Calendar],
    now: datetime,
    calendars_before: Mapping[str, Calendar] | None = None,
    limit: int = 1000,
) -> Report:
    """`pledge policy preview FILE`: which bounds move; exit 2 if the change would break a promise."""
    found = preview(
        old,
        new,
        subjects=subjects,
        calendars=calendars,
        calendars_before=calendars_before,
        now=now,
        limit=limit,
    )
    lines = [f"{found.subjects} subjects: {found.moved} bounds move, {found.breached} become breached"]
    lines += _move_lines(found)
    versions = {"from": _head(old), "to": _head(new)}
    return Report(tuple(lines), versions | found.to_json(), POLICY_SAYS_NO if found.breached else OK)


def _move_lines(found: Preview) -> Iterable[str]:
    for move in found.moves:
        was = "no clock" if move.before is None else f"{move.state_before}, {wording.bound_text(move.before)}"
        will = "no clock" if move.after is None else f"{move.state_after}, {wording.bound_text(move.after)}"
        yield f"{move.subject} {move.promise} cycle {move.cycle}: {was} → {will}"
