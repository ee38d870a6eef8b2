from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.clocks.calendars import HolidayList, calendars_from
from app.domain.clocks.engine import bounds_of, explain
from app.domain.clocks.model import Event, EventKind, Severity, State
from app.domain.clocks.rule import Choices, Mode, Reopen, Rule, SeverityChange, Table, Term, Unit
from app.domain.clocks.state import is_late, remaining_seconds, state_of

START = datetime(2026, 10, 20, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
CALENDARS = calendars_from((HolidayList("de_he", "DE", "HE"),), years=range(2024, 2040))
TABLE = Table(
    date(2026, 1, 1),
    {Severity.CRITICAL: 10, Severity.HIGH: 28, Severity.MEDIUM: 84, Severity.LOW: 175},
    "https://example.com",
)
PROGRESS = [State.AWAITING_TRIAGE, State.RUNNING, State.AT_RISK, State.BREACHED]


def term(mode, **amount):
    calendar = "de_he" if mode in (Mode.BUSINESS_DAYS, Mode.MONTHS) else None
    return Term(mode=mode, clause="§1", source="x", zone="Europe/Berlin", calendar=calendar, **amount)


TERMS = {
    "elapsed": (term(Mode.ELAPSED, tables=(TABLE,)),),
    "wall": (term(Mode.WALL, amount=10),),
    "date": (term(Mode.DATE_EOD, amount=10),),
    "business": (term(Mode.BUSINESS_DAYS, unit=Unit.BUSINESS_DAYS, amount=5),),
    "months": (term(Mode.MONTHS, unit=Unit.MONTHS, amount=1),),
    "hours": (term(Mode.REG1182_HOURS, unit=Unit.HOURS, amount=72),),
    "fixed": (term(Mode.FIXED_DATE, fixed_on=date(2026, 12, 1)),),
    "min_of": (term(Mode.DATE_EOD, amount=30), term(Mode.MONTHS, unit=Unit.MONTHS, amount=1)),
}

hours = st.integers(min_value=0, max_value=24 * 120)
reasons = st.sampled_from(["a", "b", "c"])
kinds = st.sampled_from([
    EventKind.SEVERITY_SET, EventKind.PAUSED, EventKind.RESUMED, EventKind.EXTENDED, EventKind.EXTENSION_REQUESTED,
    EventKind.EXTENSION_REFUSED, EventKind.TRIAGED, EventKind.FIXED, EventKind.REOPENED, EventKind.CANCELLED,
    EventKind.UNTRACKED, EventKind.TRACKED,
])  # fmt: skip
choices = st.builds(
    Choices,
    on_rise=st.sampled_from(SeverityChange),
    on_fall=st.sampled_from(SeverityChange),
    on_reopen=st.sampled_from(Reopen),
    due_inclusive=st.booleans(),
    pauses=st.just(("*",)),
    at_risk_hours=st.none() | st.integers(min_value=0, max_value=100),
)


@st.composite
def rules(draw):
    terms = TERMS[draw(st.sampled_from(sorted(TERMS)))]
    return Rule(promise="p", clause="§1", source="x", terms=terms, choices=draw(choices))


@st.composite
def events(draw, at=hours):
    kind = draw(kinds)
    data = {
        EventKind.SEVERITY_SET: {"severity": draw(st.sampled_from(Severity))},
        EventKind.PAUSED: {"reason": draw(reasons)},
        EventKind.RESUMED: {"reason": draw(reasons | st.none())},
        EventKind.EXTENDED: {"added": draw(st.integers(min_value=1, max_value=400)) * HOUR, "role": "atlassian"},
    }.get(kind, {})
    proof = {"actor": "a-1", "evidence": "AMS-1", "reason": "why"}
    at = START + draw(at) * HOUR
    return Event(kind=kind, at=at, source=str(draw(st.integers(0, 999))), **(proof | data))


@st.composite
def histories(draw):
    report = Event(kind=EventKind.REPORTED, at=START, source="r", channel=draw(st.sampled_from([None, "bug_bounty"])))
    level = Event(kind=EventKind.SEVERITY_SET, at=START, source="s", severity=draw(st.sampled_from(Severity)))
    # of one kind and source there is one fact: two that differ cannot both be stored
    told = draw(st.lists(events(), max_size=8, unique_by=lambda event: (event.kind, event.source)))
    return [report, level, *told]


@settings(deadline=None)  # a loaded machine is no wrong date
@given(rules(), histories(), st.randoms())
def test_late_reordered_and_repeated_events_end_in_the_same_bounds(rule, history, random):
    expected = bounds_of(rule, history, calendars=CALENDARS)
    told = history + random.sample(history, k=len(history) // 2)
    random.shuffle(told)
    assert bounds_of(rule, told, calendars=CALENDARS) == expected


@settings(deadline=None)  # a loaded machine is no wrong date
@given(rules(), histories(), st.lists(st.integers(-100, 24 * 400), min_size=2, max_size=6))
def test_time_alone_never_turns_a_state_back(rule, history, instants):
    for bounds in bounds_of(rule, history, calendars=CALENDARS):
        states = [state_of(bounds, now=START + hour * HOUR) for hour in sorted(instants)]
        if set(states) <= set(PROGRESS):
            assert [PROGRESS.index(state) for state in states] == sorted(map(PROGRESS.index, states))
        else:
            assert len(set(states) - {State.AWAITING_TRIAGE}) == 1


@settings(deadline=None)  # a loaded machine is no wrong date
@given(rules(), histories(), st.integers(-100, 24 * 400), st.integers(0, 24 * 400))
def test_time_left_never_grows_and_is_negative_exactly_when_it_is_too_late(rule, history, hour, later):
    now = START + hour * HOUR
    for bounds in bounds_of(rule, history, calendars=CALENDARS):
        left = remaining_seconds(bounds, now=now)
        if left is not None:
            assert remaining_seconds(bounds, now=now + later * HOUR) <= left
        if left is not None and bounds.due_at is not None and bounds.paused_since is None:
            assert (left < 0) == is_late(bounds, bounds.stopped_at or now)


@settings(deadline=None)  # a loaded machine is no wrong date
@given(rules(), histories())
def test_bounds_are_of_one_kind_and_in_order(rule, history):
    for number, bounds in enumerate(bounds_of(rule, history, calendars=CALENDARS), 1):
        assert bounds.cycle == number
        assert not (bounds.due_at is not None and bounds.due_before is not None)
        assert not (bounds.due_date is not None and bounds.due_before is None)
        assert bounds.paused_seconds >= 0
        due = bounds.due_at or bounds.due_before
        if due is not None:
            assert bounds.started_at <= bounds.at_risk_at or bounds.at_risk_at == bounds.started_at


@settings(deadline=None)  # a loaded machine is no wrong date
@given(rules(), histories(), hours)
def test_why_is_told_of_the_very_cycles_that_are_stored(rule, history, hour):
    now = START + hour * HOUR
    bounds = bounds_of(rule, history, calendars=CALENDARS)
    whys = explain(rule, history, calendars=CALENDARS, now=now)
    assert len(whys) == len(bounds)
    for each, steps in zip(bounds, whys, strict=True):
        assert state_of(each, now=now) in steps[-1].text
        assert all(step.clause and step.rule and step.source and step.text for step in steps)


@settings(deadline=None)  # a loaded machine is no wrong date
@given(st.lists(st.tuples(hours, st.integers(0, 200)), max_size=5), st.permutations(range(5)))
def test_pauses_commute_and_overlapping_ones_count_once(pauses, order):
    rule = Rule(
        promise="p",
        clause="§1",
        source="x",
        terms=(term(Mode.ELAPSED, amount=60),),
        choices=Choices(pauses=("*",)),
    )
    base = [Event(kind=EventKind.REPORTED, at=START, source="r")]
    names = [str(number) for number in order]
    told = list(base)
    for name, (since, length) in zip(names, pauses, strict=False):
        for kind, hour in ((EventKind.PAUSED, since), (EventKind.RESUMED, since + length)):
            told.append(Event(kind=kind, at=START + hour * HOUR, source=name, reason=name))
    (bounds,) = bounds_of(rule, told, calendars={})
    assert bounds.due_at == START + 24 * 60 * HOUR + paused_hours(pauses) * HOUR
    assert bounds.paused_seconds == paused_hours(pauses) * 3600


def paused_hours(pauses):
    """What the engine should find, said another way: hour by hour."""
    left, hour, paused = 24 * 60, 0, 0
    held = {hour for since, length in pauses for hour in range(since, since + length)}
    while left:
        if hour in held:
            paused += 1
        else:
            left -= 1
        hour += 1
    return paused
