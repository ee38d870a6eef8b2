"""Which facts the changelog holds: the same ones in whatever order, and however often, it is told."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.clocks.model import EventKind, Severity
from app.domain.tracking.rule import TrackingRule, facts_of

RULE = TrackingRule()
VECTOR, SCORE = "customfield_1", "customfield_2"
HIGH = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:N"
MEDIUM = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"
DONE = {"status_is_done": True}


def told(snapshot):
    """Facts as (kind, days after creation, severity or reason, source), without the report itself."""
    first, *facts = facts_of(snapshot, RULE)
    assert (first.kind, first.at, first.source) == (EventKind.REPORTED, snapshot.created_at, "jira:created")
    return [
        (f.kind.value, (f.at - snapshot.created_at) / timedelta(days=1), f.severity or f.reason, f.source)
        for f in facts
    ]


def log(number):
    return f"jira:changelog:{number}"


CASES = {
    "nothing but its creation": ([], {}, []),
    "a priority only": ([], {"priority": "High"}, [("severity_set", 0, "high", "jira:created")]),
    "a vector that never changed": ([], {"cvss_vector": HIGH}, [("severity_set", 0, "high", "jira:created")]),
    "a priority that was raised": (
        [(1, 2, "priority", "Low", "High")],
        {"priority": "High"},
        [("severity_set", 0, "low", "jira:created"), ("severity_set", 2, "high", log(1))],
    ),
    "a change within one level": (
        [(1, 2, SCORE, "7.1", "8.9")],
        {"cvss_score": "8.9"},
        [("severity_set", 0, "high", "jira:created")],
    ),
    "a rating that came later": (
        [(1, 3, VECTOR, None, HIGH)],
        {"cvss_vector": HIGH},
        [("severity_set", 3, "high", log(1))],
    ),
    "two fields in one history": (
        [(1, 2, VECTOR, HIGH, MEDIUM), (1, 2, SCORE, "8.1", "6.1")],
        {"cvss_vector": MEDIUM, "cvss_score": "6.1"},
        [("severity_set", 0, "high", "jira:created"), ("severity_set", 2, "medium", log(1))],
    ),
    "two fields in one history that pass through another level": (
        [(1, 2, VECTOR, HIGH, None), (1, 2, SCORE, "1.0", "8.0")],
        {"cvss_score": "8.0"},
        [("severity_set", 0, "high", "jira:created")],
    ),
    "a vector that became unreadable, with a score behind it": (
        [(1, 2, VECTOR, HIGH, "CVSS:3.1/oops")],
        {"cvss_vector": "CVSS:3.1/oops", "cvss_score": "5.0"},
        [("severity_set", 0, "high", "jira:created"), ("severity_set", 2, "medium", log(1))],
    ),
    "a severity that was taken away and given back": (
        [(1, 2, "priority", "High", None), (2, 3, "priority", None, "High")],
        {"priority": "High"},
        [("severity_set", 0, "high", "jira:created"), ("severity_set", 3, "high", log(2))],
    ),
    "another field with the same values": ([(1, 2, "customfield_9", "Low", "High")], {}, []),
    "fixed": (
        [(1, 4, "resolution", None, "Fixed")],
        DONE | {"resolution": "Fixed"},
        [("fixed", 4, None, log(1))],
    ),
    "cancelled": (
        [(1, 4, "resolution", None, "Won't Do")],
        DONE | {"resolution": "Won't Do"},
        [("cancelled", 4, "Won't Do", log(1))],
    ),
    "fixed, then called a duplicate": (
        [(1, 4, "resolution", None, "Done"), (2, 5, "resolution", "Done", "Duplicate")],
        DONE | {"resolution": "Duplicate"},
        [("fixed", 4, None, log(1))],
    ),
    "fixed and reopened": (
        [(1, 4, "resolution", None, "Fixed"), (2, 6, "resolution", "Fixed", None)],
        {},
        [("fixed", 4, None, log(1)), ("reopened", 6, None, log(2))],
    ),
    "fixed, reopened and fixed again": (
        [(1, 4, "resolution", None, "Done"), (2, 6, "resolution", "Done", None), (3, 7, "resolution", None, "Done")],
        DONE | {"resolution": "Done"},
        [("fixed", 4, None, log(1)), ("reopened", 6, None, log(2)), ("fixed", 7, None, log(3))],
    ),
    "a resolution cleared that was never set": ([(1, 4, "resolution", "Old", None)], {}, []),
    "reopened by its status, the resolution forgotten": (
        [(1, 4, "resolution", None, "Fixed"), (1, 4, "status", "To Do", "Done"), (2, 6, "status", "Done", "To Do")],
        {"resolution": "Fixed"},
        [("fixed", 4, None, log(1)), ("reopened", 6, None, log(2))],
    ),
    "resolved without ever reaching a status that is done": (
        [(1, 3, "status", "To Do", "Doing"), (2, 4, "resolution", None, "Fixed")],
        {"resolution": "Fixed"},
        [],
    ),
    "done, undone, moved and done again, the resolution kept all the while": (
        [
            (1, 4, "resolution", None, "Fixed"),
            (1, 4, "status", "new", "done"),
            (2, 5, "status", "done", "indeterminate"),
            (3, 6, "status", "indeterminate", "new"),
            (4, 7, "status", "new", "done"),
        ],
        DONE | {"resolution": "Fixed"},
        [("fixed", 4, None, log(1)), ("reopened", 5, None, log(2)), ("fixed", 7, None, log(4))],
    ),
    "a resolution set before the status is done": (
        [(1, 3, "resolution", None, "Fixed"), (2, 4, "status", "new", "done")],
        DONE | {"resolution": "Fixed"},
        [("fixed", 4, None, log(2))],
    ),
    "a resolution in a status that never changed and is not done": (
        [(1, 3, "resolution", None, "Fixed")],
        {"resolution": "Fixed"},
        [],
    ),
    "done without a resolution": ([(1, 4, "status", "To Do", "Done")], DONE, []),
}


@pytest.mark.parametrize("case", CASES)
def test_facts_of_an_issue_with(snapshot, case):
    changes, values, wanted = CASES[case]
    assert told(snapshot(*changes, **values)) == wanted


def test_an_issue_imported_as_resolved_ended_when_its_field_says(snapshot, now):
    resolved = snapshot(status_is_done=True, resolution="Fixed", resolved_at=now)
    assert told(resolved) == [("fixed", 10, None, "jira:resolutiondate")]
    cancelled = replace(resolved, resolution="Duplicate")
    assert told(cancelled) == [("cancelled", 10, "Duplicate", "jira:resolutiondate")]
    assert told(replace(resolved, status_is_done=False)) == []


def test_a_site_without_cvss_fields_has_priorities(snapshot):
    bare = snapshot(
        (1, 2, "priority", "Low", "High"), priority="High", vector_field=None, score_field=None, cvss_vector=HIGH
    )
    assert [fact[2] for fact in told(bare)] == ["low", "high"]


RESOLUTIONS = st.sampled_from([None, "Fixed", "Done", "Duplicate"])
PRIORITIES = st.sampled_from([None, "Low", "High", "P1"])


@st.composite
def histories(draw):
    """A changelog that hangs together: what a change finds is what the one before left."""
    now = {"priority": draw(PRIORITIES), "resolution": None, VECTOR: draw(st.sampled_from([None, HIGH, MEDIUM]))}
    choices = {"priority": PRIORITIES, "resolution": RESOLUTIONS, VECTOR: st.sampled_from([None, HIGH, MEDIUM, "?"])}
    changes = []
    for number in range(1, draw(st.integers(0, 8)) + 1):
        for field in draw(st.sets(st.sampled_from(sorted(choices)), min_size=1)):
            after = draw(choices[field])
            if after != now[field]:
                changes.append((number, number, field, now[field], after))
                now[field] = after
    values = {"priority": now["priority"], "resolution": now["resolution"], "cvss_vector": now[VECTOR]}
    return changes, values | {"status_is_done": now["resolution"] is not None}


HYPOTHESIS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@HYPOTHESIS
@given(histories())
def test_facts_are_in_order_each_under_a_source_of_its_own_and_tell_the_present(snapshot, history):
    changes, values = history
    facts = facts_of(snapshot(*changes, **values), RULE)
    assert list(facts) == sorted(facts, key=lambda fact: fact.order())
    assert len({(fact.kind, fact.source) for fact in facts}) == len(facts)
    endings = [f.kind for f in facts if f.kind in {EventKind.FIXED, EventKind.CANCELLED, EventKind.REOPENED}]
    ended = bool(endings) and endings[-1] is not EventKind.REOPENED
    assert ended == (values["resolution"] is not None)


@HYPOTHESIS
@given(histories(), st.integers(0, 8))
def test_a_longer_changelog_only_adds_facts(snapshot, history, known):
    """What was once read stays true, so that stored facts and a new reading never contradict each other."""
    changes, values = history
    whole = set(facts_of(snapshot(*changes, **values), RULE))
    last = {"priority": None, "resolution": None, VECTOR: None}
    for field in last:
        of_field = [change for change in changes if change[2] == field]
        before = [change for change in of_field if change[0] <= known]
        value = {"priority": values["priority"], "resolution": values["resolution"], VECTOR: values["cvss_vector"]}[
            field
        ]
        last[field] = before[-1][4] if before else of_field[0][3] if of_field else value
    part = snapshot(
        *(change for change in changes if change[0] <= known),
        priority=last["priority"],
        resolution=last["resolution"],
        cvss_vector=last[VECTOR],
        status_is_done=last["resolution"] is not None,
    )
    assert set(facts_of(part, RULE)) <= whole


@HYPOTHESIS
@given(histories())
def test_a_change_told_twice_is_told_once(snapshot, history):
    """Pages of a changelog overlap when it grows between two of them."""
    changes, values = history
    doubled = [change for change in changes for _ in range(2)]
    once = {(f.kind, f.source): f for f in facts_of(snapshot(*changes, **values), RULE)}
    twice = {(f.kind, f.source): f for f in facts_of(snapshot(*doubled, **values), RULE)}
    assert twice == once


@pytest.mark.parametrize(
    ("issue_type", "labels", "tracked"),
    [
        ("Bug", ["security"], True),
        ("Bug", [" Security "], True),
        ("Bug", ["other", "VULNERABILITY"], True),
        ("Vulnerability", [], True),
        ("ecoscanner vulnerability", [], True),
        ("Security Vulnerability ", [], True),
        ("Bug", ["security-debt"], False),
        ("Bug", [], False),
        ("", [""], False),
    ],
)
def test_tracked_is_an_issue_by_label_or_type(issue_type, labels, tracked):
    assert RULE.matches(issue_type=issue_type, labels=labels) is tracked


@pytest.mark.parametrize(("resolution", "fixed"), [("Fixed", True), (" done", True), ("Won't Do", False), ("", False)])
def test_only_some_resolutions_meet_a_promise(resolution, fixed):
    assert RULE.counts_as_fixed(resolution) is fixed


def test_every_level_can_be_told(snapshot):
    scores = {"critical": "9.0", "high": "7.0", "medium": "4.0", "low": "0.1", "none": "0"}
    assert {told(snapshot(cvss_score=score))[0][2] for score in scores.values()} == set(Severity)
