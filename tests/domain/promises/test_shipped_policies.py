import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.clocks.calendars import calendars_from
from app.domain.clocks.engine import bounds_of
from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.promises.model import Kind

PROMISES = json.loads((Path(__file__).parents[2] / "vectors" / "promises.json").read_text())["promises"]
BY_PREFIX = {"G": "genchi", "K": "kencha", "N": "genible"}


def test_the_four_policies_are_shipped(shipped):
    assert sorted(shipped) == ["atlassian-marketplace", "genchi", "genible", "kencha"]


def test_each_of_the_94_promises_appears_exactly_once_and_in_its_own_policy(shipped):
    found = [(each.id, policy.name) for policy in shipped.values() for each in policy.promises if each.id[1] == "-"]
    assert sorted(found) == sorted((each["id"], BY_PREFIX[each["id"][0]]) for each in PROMISES)
    assert len(found) == 94


@pytest.mark.parametrize("given", PROMISES, ids=lambda given: given["id"])
def test_a_promise_says_what_the_seed_says_and_how_it_is_to_be_kept(shipped, given):
    promise = shipped[BY_PREFIX[given["id"][0]]].promise(given["id"])
    said = (promise.text, promise.trigger, promise.actor, promise.deadline, promise.evidence)
    assert said == tuple(given[key] for key in ("promise", "trigger", "actor", "deadline", "evidence"))
    if promise.kind is Kind.CLOCK:
        assert (promise.rule is None) == bool(promise.follows)


@pytest.mark.parametrize("given", PROMISES, ids=lambda given: given["id"])
def test_a_number_that_the_text_does_not_give_is_marked_as_ours(shipped, given):
    policy = shipped[BY_PREFIX[given["id"][0]]]
    promise = policy.promise(given["id"])
    undefined = given["deadline"].startswith(("undefined", "none stated (set", "any time (set", "regularly"))
    if undefined and promise.kind is Kind.CLOCK:
        assert promise.ours or any(policy.promise(each).ours for each in promise.follows)


def test_every_clock_names_who_is_told(shipped):
    clocks = [promise for policy in shipped.values() for promise in policy.clocks()]
    assert [promise.id for promise in clocks if not promise.told] == []


def test_all_three_vendors_follow_atlassians_table(shipped):
    start = Event(kind=EventKind.REPORTED, at=_instant("2026-11-22T09:00:00+00:00"), source="r")
    for name in ("atlassian-marketplace", "genchi", "kencha", "genible"):
        rule = shipped[name].promise("security-bug-fix").rule
        for level, days in (("critical", 10), ("high", 28), ("medium", 84), ("low", 175)):
            level_set = Event(kind=EventKind.SEVERITY_SET, at=start.at, source="s", severity=Severity(level))
            (bounds,) = bounds_of(rule, (start, level_set), calendars={})
            assert (bounds.due_at - start.at).days == days


def test_older_versions_of_the_table_stay_with_their_source_and_day(shipped):
    (term,) = shipped["atlassian-marketplace"].promise("security-bug-fix").rule.terms
    days = [(str(table.since), [*table.amounts.values()]) for table in term.tables]
    assert days == [
        ("2022-12-06", [28, 42, 56, 175]),
        ("2023-10-08", [28, 42, 56, 175]),
        ("2026-01-01", [10, 28, 84, 175]),
    ]
    assert all(table.source.startswith("https://developer.atlassian.com/") for table in term.tables)


@pytest.mark.parametrize(
    ("policy", "promise", "kind", "start", "due"),
    [
        ("genchi", "G-26", EventKind.REPORTED, "2026-11-23T10:00:00-08:00", "2026-12-01"),
        ("genible", "N-22", EventKind.REPORTED, "2027-12-22T12:00:00-08:00", "2027-12-28"),
        ("genible", "N-23", EventKind.REPORTED, "2026-12-21T09:00:00-08:00", "2027-01-06"),
        ("genchi", "G-43", EventKind.REQUESTED, "2026-02-10T09:00:00-08:00", "2026-03-10"),
        ("kencha", "K-02", EventKind.REVIEWED, "2026-01-31T12:00:00+01:00", "2026-04-30"),
    ],
)
def test_a_promised_date_is_the_one_counted_by_hand(shipped, *, policy, promise, kind, start, due):
    in_force = shipped[policy]
    calendars = calendars_from(in_force.calendars, years=range(2025, 2030))
    event = Event(kind=kind, at=_instant(start), source="r")
    (bounds,) = bounds_of(in_force.promise(promise).rule, (event,), calendars=calendars)
    assert str(bounds.due_date) == due


def _instant(text):
    return datetime.fromisoformat(text).astimezone(UTC)
