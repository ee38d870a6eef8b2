import json
from pathlib import Path

import pytest

from app.domain.clocks.case_input import CaseRefused
from app.domain.clocks.cases import run_case, run_cases

DOCUMENT = json.loads((Path(__file__).parents[2] / "vectors" / "clock_cases.json").read_text())
CASES = {case["id"]: case for case in DOCUMENT["cases"]}
RESULTS = {entry["id"]: entry for entry in run_cases(DOCUMENT)}
START = "2026-11-01T00:00:00Z"


@pytest.mark.parametrize("name", CASES)
def test_a_given_case_has_the_expected_result(name):
    assert RESULTS[name] == {"id": name, "result": CASES[name]["expected"]}


@pytest.mark.parametrize("name", CASES)
def test_a_case_without_its_expectation_has_the_same_result_and_perhaps_more(name):
    bare = {key: value for key, value in CASES[name].items() if key != "expected"}
    ((entry),) = run_cases(DOCUMENT | {"cases": [bare]})
    assert CASES[name]["expected"].items() <= entry["result"].items()


@pytest.mark.parametrize(
    ("mode", "given", "result"),
    [
        (
            "elapsed",
            {"reported": START, "triaged": None, "channel": "bug_bounty", "days": 28},
            {"due_at": "2026-12-13T00:00:00Z"},
        ),
        ("elapsed", {"start": START, "weeks": 4}, {"due_at": "2026-11-29T00:00:00Z"}),
        ("elapsed", {"start": START, "minutes": 90}, {"due_at": "2026-11-01T01:30:00Z"}),
        (
            "reopen",
            {
                "start": START,
                "days": 10,
                "resolved_at": "2026-11-04T00:00:00Z",
                "reopened_at": "2026-12-01T00:00:00Z",
                "rule": "resume",
            },
            {"due_at": "2026-12-08T00:00:00Z"},
        ),
        (
            "paused",
            {
                "start": START,
                "days": 10,
                "pauses": [
                    ["2026-10-20T00:00:00Z", "2026-11-02T00:00:00Z"],
                    ["2026-11-01T12:00:00Z", "2026-11-03T00:00:00Z"],
                ],
            },
            {"due_at": "2026-11-13T00:00:00Z"},
        ),
        ("paused", {"start": START, "days": 10, "pauses": [[START, START]]}, {"due_at": "2026-11-11T00:00:00Z"}),
        (
            "severity_change",
            {
                "start": START,
                "old_days": 10,
                "new_days": 84,
                "change_at": "2026-11-06T00:00:00Z",
                "rule": "min_old_or_change_plus_new",
            },
            {"due_at": "2026-11-11T00:00:00Z"},
        ),
        (
            "wall",
            {"start": "2026-10-24T02:30:00+02:00", "zone": "Europe/Berlin", "days": 1},
            {"due_at": "2026-10-25T00:30:00Z", "due_local": "2026-10-25T02:30:00+02:00"},
        ),
        ("verdict", {"due_at": START, "fixed_at": START}, {"breached": False}),
        ("verdict", {"due_before": START, "fixed_at": START}, {"breached": True}),
        (
            "reg1182_hours",
            {"start": "2026-11-20T10:00:00+05:45", "hours": 1},
            {
                "due_at": "2026-11-20T06:15:00Z",
                "strict_due_at": "2026-11-20T05:15:00Z",
                "due_local": "2026-11-20T12:00:00+05:45",
            },
        ),
        (
            "business_days",
            {"start": START, "zone": "UTC", "calendar": "none", "business_days": 1},
            {"due_date": "2026-11-02", "due_before": "2026-11-03T00:00:00Z"},
        ),
    ],
)
def test_the_forms_that_are_not_among_the_given_cases(mode, given, result):
    (entry,) = run_cases({"calendars": {"none": []}, "cases": [{"id": "x", "mode": mode, "input": given}]})
    assert entry == {"id": "x", "result": result}


@pytest.mark.parametrize(
    ("mode", "given", "error"),
    [
        ("elapsed", {"start": "2026-11-01T00:00:00", "days": 10}, "names no zone"),
        ("elapsed", {"start": "2026-11-01", "days": 10}, "names no zone"),
        ("elapsed", {"start": "yesterday", "days": 10}, "is not an instant"),
        ("elapsed", {"start": START, "days": -10}, "-10 days is not between"),
        ("elapsed", {"start": START, "days": 1.5}, "not a whole number"),
        ("elapsed", {"start": START, "days": True}, "not a whole number"),
        ("elapsed", {"start": START}, "needs one of"),
        ("elapsed", {"start": START, "days": 1, "hours": 1}, "only min_of takes more than one"),
        ("elapsed", {"days": 10}, "start: is missing"),
        ("elapsed", {"start": START, "days": 1, "cvss": 11}, "is not a score"),
        ("elapsed", {"start": START, "days": 1, "cvss": float("nan")}, "is not a score"),
        ("elapsed", {"start": START, "policy": "ghost", "cvss": 9.8}, "no policy 'ghost'"),
        ("lunar", {"start": START, "days": 1}, "'lunar' is unknown"),
        ("wall", {"start": START, "days": 1, "zone": "Mars/X"}, "not a time zone"),
        ("business_days", {"start": START, "days": 1, "zone": "UTC"}, "need a named calendar"),
        ("business_days", {"start": START, "days": 1, "calendar": "ghost"}, "UnknownCalendar: ghost"),
        ("paused", {"start": START, "days": 1, "pauses": [["2026-11-02T00:00:00Z", START]]}, "ends before it begins"),
        ("paused", {"start": START, "days": 1, "pauses": [[START]]}, "not a pair of instants"),
        ("paused", {"start": START, "days": 1, "pauses": "all day"}, "not a list"),
        ("severity_change", {"start": START, "old_days": 1, "change_at": START}, "new_days: is missing"),
        ("reopen", {"start": START, "days": 1, "rule": "maybe"}, "'maybe' is not one of resume, restart"),
        ("verdict", {"due_at": START}, "fixed_at: is missing"),
        ("reg1182_hours", {"start": START, "days": 3}, "cannot count days"),
        ("fixed_date", {"start": START, "granted_date": "soon"}, "is not a date"),
        (
            "elapsed",
            {"start": "2999-12-31T00:00:00Z", "days": 1, "fixed_at": "3000-01-02T00:00:00Z"},
            "before the year 3000",
        ),
    ],
)
def test_bad_input_is_refused_by_field_and_the_other_cases_still_run(mode, given, error):
    good = {"id": "good", "mode": "elapsed", "input": {"start": START, "days": 1}}
    refused, entry = run_cases({"cases": [{"id": "bad", "mode": mode, "input": given}, good]})
    assert error in refused["error"]
    assert entry["result"] == {"due_at": "2026-11-02T00:00:00Z"}


@pytest.mark.parametrize("document", [[1], {"cases": 1}, {"policies": [], "cases": []}, "x", None])
def test_a_file_of_another_form_is_refused(document):
    with pytest.raises(CaseRefused):
        run_cases(document)


def test_a_single_case_needs_no_file_around_it():
    case = {"id": "x", "mode": "elapsed", "input": {"start": START, "days": 1}}
    assert run_cases(case) == [{"id": "x", "result": run_case(case)}]
