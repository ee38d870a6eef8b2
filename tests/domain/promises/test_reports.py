import json
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.clocks.calendars import calendars_from
from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.promises.coverage import Today
from app.domain.promises.model import UnknownPromise
from app.domain.promises.preview import Subject
from app.domain.promises.reading import read_policy
from app.domain.promises.reports import (
    coverage_report,
    explain_report,
    lint_report,
    list_report,
    preview_report,
    show_report,
)

START = datetime(2026, 12, 21, 17, tzinfo=UTC)
REPORT = Event(kind=EventKind.REPORTED, at=START, source="mail:1")


def test_list_has_one_line_per_policy(shipped):
    report = list_report(shipped.values())
    assert len(report.lines) == len(report.json) == 4
    assert report.lines[1].startswith("genchi version 1 of 2026-11-22, ")


def test_show_has_every_promise_with_how_it_is_counted_and_what_is_ours(shipped):
    report = show_report(shipped["genible"])
    assert json.loads(json.dumps(report.json))["promises"][0]["counted"].startswith("critical 10, high 28")
    (line,) = (line for line in report.lines if line.startswith("N-22 "))
    assert "3 business days, America/Los_Angeles, calendar us_federal" in line
    assert "[ours: zone America/Los_Angeles" in line


def test_coverage_is_a_table_with_each_promise_once_and_its_totals(shipped):
    report = coverage_report(shipped.values(), today=Today(triggers={"security-bug-fix"}))
    rows = [line for line in report.lines if line.startswith("| ")][1:]
    assert len(rows) == len(report.json["promises"]) == sum(report.json["totals"].values())
    assert report.json["totals"]["clock"] == 2
    assert report.lines[0].startswith(f"{len(rows)} promises: 2 clock, 0 control, 0 statement, ")
    assert all(row.count("|") == 7 for row in rows)


def test_lint_exits_2_on_findings_and_1_on_faults(text_of):
    names = ("atlassian-marketplace", "genchi")
    report = lint_report(names, text_of, bases=names[:1], today=Today())
    assert (report.exit_code, report.json["faults"]) == (2, [])
    assert any("contradiction" in line for line in report.lines)
    texts = {names[0]: text_of(names[0]).replace('mode = "elapsed"', 'mode = "x"'), names[1]: text_of(names[1])}
    broken = lint_report(names, texts.__getitem__, today=Today())
    assert broken.exit_code == 1
    assert all(line.startswith("atlassian-marketplace.toml:") for line in broken.lines)
    assert len(broken.lines) == len(set(broken.lines))


def test_lint_has_nothing_to_say_about_a_policy_in_order(acme):
    report = lint_report(["acme"], {"acme": acme}.__getitem__, today=Today(triggers={"fix"}))
    assert (report.exit_code, report.lines) == (0, ("nothing found",))


def test_explain_derives_a_date_step_by_step_with_the_hash_of_its_holiday_list(shipped):
    policy = shipped["genible"]
    calendars = calendars_from(policy.calendars, years=range(2026, 2028))
    report = explain_report(policy, "N-23", [REPORT], calendars=calendars, now=START)
    assert report.lines[1] == "cycle 1: due on 2027-01-06, before 2027-01-07T08:00:00Z"
    assert calendars["us_federal"].sha256 in report.lines[3]
    assert [step["at"] for step in report.json["cycles"][0]["why"]] == ["2026-12-21T17:00:00Z"] * 3


def test_explain_of_what_has_no_date_says_so(shipped):
    report = explain_report(shipped["genchi"], "G-39", [REPORT], calendars={}, now=START)
    assert (report.exit_code, report.json["cycles"]) == (1, [])
    assert "as incident-notice-atlassian, incident-update" in report.lines[0]
    with pytest.raises(UnknownPromise):
        explain_report(shipped["genchi"], "G-99", [REPORT], calendars={}, now=START)


def test_explain_without_the_calendar_says_which_one_is_missing(shipped):
    report = explain_report(shipped["genible"], "N-23", [REPORT], calendars={}, now=START)
    assert (report.exit_code, report.lines) == (1, ("UnknownCalendar: us_federal",))


def test_preview_says_what_moves_and_exits_2_if_a_promise_would_be_broken(text_of, shipped):
    texts = {"kencha": text_of("kencha"), "atlassian-marketplace": text_of("atlassian-marketplace")}
    level = Event(kind=EventKind.SEVERITY_SET, at=START, source="s", severity=Severity.CRITICAL)
    subject = Subject(name="SEC-1", promise="security-bug-fix", events=(REPORT, level))
    texts["atlassian-marketplace"] = texts["atlassian-marketplace"].replace(
        'critical = "10 days"', 'critical = "5 days"'
    )
    new = read_policy("kencha", texts.__getitem__)
    for day, exit_code, breached in ((1, 0, 0), (6, 2, 1)):
        now = START + timedelta(days=day)
        report = preview_report(shipped["kencha"], new, subjects=[subject], calendars={}, now=now)
        assert (report.exit_code, report.json["breached"]) == (exit_code, breached)
        assert report.lines[1].startswith("SEC-1 security-bug-fix cycle 1: ")
        assert report.json["from"]["sha256"] != report.json["to"]["sha256"]
