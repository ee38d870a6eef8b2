"""Due dates of others: the tighter binds, no pause of ours moves them, what is said later replaces what was said."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.cases import run_cases
from app.domain.clocks.engine import bounds_of, explain, standing
from app.domain.clocks.model import Event, EventKind, IncompleteEvent, NotAnInstant, Severity, State
from app.domain.clocks.rule import Choices, Mode, Rule, Term, Unit
from app.domain.clocks.state import remaining_seconds, state_of
from tests.domain.clocks.test_engine_properties import CALENDARS, HOUR, START, histories, rules

DOCUMENT = json.loads((Path(__file__).parents[2] / "vectors" / "outside_cases.json").read_text())
CASES = {case["id"]: case for case in DOCUMENT["cases"]}
RESULTS = {entry["id"]: entry for entry in run_cases(DOCUMENT)}
DAY = timedelta(days=1)


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_the_expected_result(name):
    assert RESULTS[name] == {"id": name, "result": CASES[name]["expected"]}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"outside": 1}, "outside: is not a list"),
        ({"outside": [["2026-02-02T10:00:00Z", "AMS-1"]]}, "is not a list of 3 texts"),
        ({"outside": [["2026-02-02T10:00:00Z", "AMS-1", 5]]}, "is not a list of 3 texts"),
        ({"outside": [["2026-02-02T10:00:00Z", None, "2026-02-12"]]}, "needs a ticket"),
        ({"outside": [["2026-02-02", "AMS-1", "2026-02-12"]]}, "names no zone"),
        ({"outside": [["2026-02-02T10:00:00Z", "AMS-1", "soon"]]}, "is not a date"),
        ({"extended": [["2026-02-02T10:00:00Z", None]]}, "needs either a date or an added time"),
    ],
)
def test_bad_input_of_a_case_is_refused_by_field(given, error):
    case = {"id": "x", "mode": "elapsed", "input": {"start": "2026-02-01T09:00:00Z", "days": 10} | given}
    [entry] = run_cases([case])
    assert error in entry["error"]


def named(story, day, *, ticket="AMS-1", **data):
    """That ticket says something, `day` days after the report."""
    return story.fact(EventKind.EXTERNAL_BOUND, day, ticket=ticket, role="atlassian", **data)


def on(story, day):
    """The date that is so many days after the report."""
    return (datetime(2026, 11, 1, tzinfo=UTC) + day * DAY).date()


def test_the_why_names_the_ticket_as_its_source(story):
    events = [
        story.reported(),
        story.severity(Severity.HIGH),
        named(story, 1, until=on(story, 5), reason="Needs Patch"),
    ]
    [why] = explain(story.fix_rule(), events, calendars={}, now=START + 50 * DAY)
    [step] = [step for step in why if "AMS-1" in step.text]
    assert "Needs Patch" in step.text
    assert "due on 2026-11-06" in step.text
    assert step.source == "external_bound1"


def test_their_date_binds_also_while_the_severity_is_not_known_or_none(story):
    for level in ([], [story.severity(Severity.NONE)]):
        bounds = story.only(story.fix_rule(), story.reported(), *level, named(story, 1, until=on(story, 5)))
        assert bounds.due_date == on(story, 5)
        assert state_of(bounds, now=bounds.started_at + 2 * DAY) is State.RUNNING
        assert state_of(bounds, now=bounds.started_at + 6 * DAY) is State.BREACHED


def test_their_date_that_lies_before_the_start_of_a_bounty_clock_is_breached_all_the_same(story):
    events = [story.reported(channel="bug_bounty"), story.severity(Severity.HIGH), named(story, 1, until=on(story, 5))]
    bounds = story.only(story.fix_rule(), *events)
    assert bounds.started_at == events[0].at + 14 * DAY
    assert state_of(bounds, now=events[0].at + 3 * DAY) is State.AWAITING_TRIAGE
    assert state_of(bounds, now=events[0].at + 7 * DAY) is State.BREACHED


def test_an_open_pause_freezes_ours_until_theirs_is_passed(story):
    """A pause that hid the day on which Atlassian hides the app would be the worst thing that a pause can do."""
    rule = story.fix_rule(pauses=("vendor",))
    events = [story.reported(), story.severity(Severity.CRITICAL), story.fact(EventKind.PAUSED, 2, reason="vendor")]
    bounds = story.only(rule, *events, named(story, 3, until=on(story, 14)))
    at = bounds.started_at
    assert bounds.paused_since == at + 2 * DAY
    assert bounds.overrun_at == at + 15 * DAY
    assert remaining_seconds(bounds, now=at + 5 * DAY) == 8 * 86400
    assert remaining_seconds(bounds, now=at + 14 * DAY) == 86400
    assert state_of(bounds, now=at + 15 * DAY - timedelta(microseconds=1)) is State.PAUSED
    assert state_of(bounds, now=at + 15 * DAY) is State.BREACHED
    assert remaining_seconds(bounds, now=at + 16 * DAY) == -86400


def test_an_open_pause_holds_nothing_where_theirs_is_the_tighter(story):
    rule = story.fix_rule(pauses=("vendor",))
    events = [story.reported(), story.severity(Severity.HIGH), story.fact(EventKind.PAUSED, 2, reason="vendor")]
    bounds = story.only(rule, *events, named(story, 3, until_at=events[0].at + 5 * DAY))
    assert (bounds.paused_since, bounds.overrun_at) == (None, None)
    assert bounds.due_at == events[0].at + 5 * DAY
    assert bounds.at_risk_at == events[0].at + 4 * DAY  # four fifths of what theirs gives
    resumed = story.only(rule, *events, named(story, 3, until=None), story.fact(EventKind.RESUMED, 4, reason="vendor"))
    assert story.days_given(resumed) == 30


def test_an_instant_is_passed_a_microsecond_later_unless_the_bound_itself_is_too_late(story):
    for inclusive, late in ((True, timedelta(microseconds=1)), (False, timedelta())):
        rule = story.fix_rule(pauses=("vendor",), due_inclusive=inclusive)
        events = [story.reported(), story.severity(Severity.CRITICAL), story.fact(EventKind.PAUSED, 2, reason="vendor")]
        theirs = events[0].at + 14 * DAY
        bounds = story.only(rule, *events, named(story, 3, until_at=theirs))
        assert bounds.overrun_at == theirs + late


def test_an_extension_by_time_moves_the_dates_of_whoever_grants_it(story):
    rule = story.fix_rule(extension_roles=("atlassian", "lead"))
    events = [story.reported(), story.severity(Severity.HIGH), named(story, 1, until=on(story, 5))]
    for role, due in (("atlassian", 7), ("lead", 5)):
        granted = story.granted(4, added=2 * DAY, role=role)
        assert story.only(rule, *events, granted).due_date == on(story, due)
    at = events[0].at + 5 * DAY
    by_instant = [*events[:2], named(story, 1, until_at=at), story.granted(4, added=2 * DAY)]
    assert story.only(rule, *by_instant).due_at == at + 2 * DAY


def test_an_extension_for_one_ticket_leaves_the_dates_of_the_others(story):
    events = [story.reported(), story.severity(Severity.HIGH), named(story, 1, until=on(story, 5))]
    other = named(story, 2, ticket="AMS-2", until=on(story, 9))
    granted = story.granted(4, until=on(story, 20), ticket="AMS-1")
    assert story.only(story.fix_rule(), *events, other, granted).due_date == on(story, 9)
    refused = story.granted(4, until=on(story, 20), ticket="AMS-1", evidence=None)
    assert story.only(story.fix_rule(), *events, refused).due_date == on(story, 5)


def test_their_date_outlives_the_cycle_and_is_told_again(story):
    events = [story.reported(), story.severity(Severity.HIGH), named(story, 1, until=on(story, 5))]
    events += [story.fact(EventKind.FIXED, 2), story.fact(EventKind.REOPENED, 8)]
    for choices in ({}, {"on_reopen": "restart"}, {"on_reopen": "never_stopped"}):
        rule = story.fix_rule(**choices)
        first, second = bounds_of(rule, events, calendars={})
        assert first.due_date == second.due_date == on(story, 5)
        why = explain(rule, events, calendars={}, now=START + 99 * DAY)[1]
        [step] = [step for step in why if "AMS-1" in step.text]
        assert "it binds" in step.text


def test_it_is_the_fix_that_they_bound_and_no_other_duty(story):
    term = Term(mode=Mode.BUSINESS_DAYS, unit=Unit.BUSINESS_DAYS, amount=5, clause="§7", source="x", calendar="de_he")
    rule = Rule(promise="p", clause="§7", source="x", terms=(term,), stops=EventKind.ACKNOWLEDGED)
    events = [story.reported(), named(story, 1, until=on(story, 2))]
    assert bounds_of(rule, events, calendars=CALENDARS) == bounds_of(rule, events[:1], calendars=CALENDARS)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"until": date(2026, 1, 1)},
        {"ticket": "AMS-1", "until": date(2026, 1, 1), "until_at": START},
        {"ticket": "AMS-1", "until": date(3000, 1, 1)},
        {"ticket": "AMS-1", "until_at": START.replace(tzinfo=None)},
    ],
)
def test_a_date_of_nobody_or_two_dates_are_no_fact(data):
    with pytest.raises((IncompleteEvent, NotAnInstant)):
        Event(kind=EventKind.EXTERNAL_BOUND, at=START, source="x", **data)


@pytest.mark.parametrize("kind", [EventKind.UNTRACKED, EventKind.TRACKED])
@pytest.mark.parametrize("data", [{"actor": "a"}, {"reason": "r"}])
def test_nobody_leaves_or_comes_back_without_actor_and_reason(kind, data):
    with pytest.raises(IncompleteEvent):
        Event(kind=kind, at=START, source="x", **data)


def test_a_refused_extension_moves_nothing_and_is_told(story):
    events = [story.reported(), story.severity(Severity.HIGH), story.fact(EventKind.EXTENSION_REQUESTED, 1)]
    refused = story.fact(EventKind.EXTENSION_REFUSED, 2, actor="a-1", reason="no plan", evidence="AMS-1")
    assert story.only(story.fix_rule(), *events, refused) == story.only(story.fix_rule(), *events)
    [why] = explain(story.fix_rule(), [*events, refused], calendars={}, now=START)
    assert why[-2].text.startswith("Extension refused at 2026-11-03T00:00:00Z by a-1 (no plan; evidence AMS-1): the")


def test_who_has_left_is_moved_by_nothing_that_happens_later(story):
    decided = {"actor": "a-1", "reason": "no product of ours"}
    events = [story.reported(), story.severity(Severity.HIGH), story.fact(EventKind.UNTRACKED, 3, **decided)]
    later = [story.fact(EventKind.REOPENED, 5), story.severity(Severity.LOW, 6), story.fact(EventKind.FIXED, 7)]
    bounds = story.only(story.fix_rule(), *events, *later)
    assert state_of(bounds, now=START + 90 * DAY) is State.CANCELLED
    assert (bounds.cancelled_by, bounds.cancelled_reason) == ("a-1", "no product of ours")
    [why] = explain(story.fix_rule(), events, calendars={}, now=START)
    assert why[-2].text.startswith("Left tracking at 2026-11-04T00:00:00Z by a-1: no product of ours")


def test_whoever_is_tracked_again_has_won_no_time(story):
    decided = {"actor": "a-1", "reason": "a mistake"}
    events = [story.reported(), story.severity(Severity.HIGH)]
    detour = [story.fact(EventKind.UNTRACKED, 3, **decided), story.fact(EventKind.TRACKED, 20, **decided)]
    assert story.only(story.fix_rule(), *events, *detour) == story.only(story.fix_rule(), *events)
    [why] = explain(story.fix_rule(), [*events, *detour], calendars={}, now=START)
    assert ["taken back" in step.text for step in why[-3:-1]] == [True, False]
    again = story.fact(EventKind.UNTRACKED, 30, **decided)
    assert story.only(story.fix_rule(), *events, *detour, again).stopped_at == again.at


def test_where_a_clock_stands_after_the_facts(story):
    rule = story.fix_rule(pauses=("vendor", "customer"))
    assert standing(rule, [], calendars={}).bounds is None
    events = [story.reported(), story.severity(Severity.HIGH), story.fact(EventKind.PAUSED, 2, reason="vendor")]
    found = standing(rule, events, calendars={})
    assert (found.is_open, found.severity, found.pauses) == (True, Severity.HIGH, {"vendor"})
    assert found.bounds.paused_since == events[2].at
    assert not standing(rule, [*events, story.fact(EventKind.FIXED, 3)], calendars={}).is_open


@st.composite
def outside(draw, tickets=("AMS-1", "AMS-2")):
    """What tickets say: a date, an instant, or none any more."""
    at = START + draw(st.integers(0, 24 * 120)) * HOUR
    due = START + draw(st.integers(-24 * 10, 24 * 150)) * HOUR
    data = draw(st.sampled_from([{"until": due.date()}, {"until_at": due}, {}]))
    role = draw(st.sampled_from(["atlassian", "lead"]))
    ticket = draw(st.sampled_from(tickets))
    source = f"ams:{ticket}:{draw(st.integers(0, 999))}"
    return Event(kind=EventKind.EXTERNAL_BOUND, at=at, source=source, ticket=ticket, role=role, **data)


def told_outside(most):
    return st.lists(outside(), max_size=most, unique_by=lambda event: event.source)


def dues(rule, history):
    return [
        (bounds.due_at or bounds.due_before, bounds.cycle) for bounds in bounds_of(rule, history, calendars=CALENDARS)
    ]


@given(rules(), histories(), told_outside(4), outside(tickets=("AMS-3",)))
def test_a_date_of_another_ticket_never_makes_anything_due_later(rule, history, told, more):
    before, after = dues(rule, history + told), dues(rule, [*history, *told, more])
    assert len(before) == len(after)
    for (was, _), (now, _) in zip(before, after, strict=True):
        assert was is None or now <= was


@given(rules(), histories(), told_outside(4), st.randoms())
def test_dates_of_others_told_late_twice_and_in_any_order_end_in_the_same_bounds(rule, history, told, random):
    told = history + told
    expected = bounds_of(rule, told, calendars=CALENDARS)
    again = told + random.sample(told, k=len(told) // 2)
    random.shuffle(again)
    assert bounds_of(rule, again, calendars=CALENDARS) == expected


@given(rules(), histories(), outside())
def test_a_date_that_is_withdrawn_at_once_is_as_if_it_had_never_been_named(rule, history, more):
    withdrawn = Event(kind=more.kind, at=more.at, source=f"{more.source}0000", ticket=more.ticket, role=more.role)
    assert dues(rule, [*history, more, withdrawn]) == dues(rule, history)


@given(rules(), histories(), told_outside(3), st.lists(st.integers(-100, 24 * 400), max_size=6))
def test_time_alone_never_takes_a_breach_back(rule, history, told, hours):
    order = [State.AWAITING_TRIAGE, State.PAUSED, State.RUNNING, State.AT_RISK, State.BREACHED]
    for bounds in bounds_of(rule, history + told, calendars=CALENDARS):
        states = [state_of(bounds, now=START + hour * HOUR) for hour in sorted(hours)]
        if set(states) <= set(order):
            assert [order.index(state) for state in states] == sorted(map(order.index, states))


@given(histories(), told_outside(3), st.integers(0, 24 * 200))
def test_no_pause_keeps_a_passed_date_of_others_from_being_a_breach(history, told, hour):
    """Stated without the engine's own order of things: what is named at the end, and the clock that is open then."""
    rule = Rule(
        promise="p", clause="§1", source="x", choices=Choices(pauses=("*",), extension_forms=()),
        terms=(Term(mode=Mode.ELAPSED, amount=30, clause="§1", source="x"),),
    )  # fmt: skip
    last = {}
    for event in sorted(told, key=Event.order):
        last[event.ticket] = event.until_at or (event.until and datetime.combine(event.until, datetime.min.time(), UTC))
    theirs = min(filter(None, last.values()), default=None)
    bounds, now = bounds_of(rule, history + told, calendars={})[-1], START + hour * HOUR
    if theirs is not None and bounds.stopped_at is None and now > theirs + DAY and now >= bounds.started_at:
        assert state_of(bounds, now=now) is State.BREACHED
