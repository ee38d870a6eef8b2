"""View models: what they derive from facts, and what they refuse to carry."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import Severity, State
from app.edge.panels.view_models import (
    ClockView,
    IssuePanel,
    LeakingPanel,
    PolicyLine,
    SeverityLine,
    WhyStep,
)

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAY = 86400


def clock(**fields):
    known = {
        "promise": "security-bug-fix",
        "cycle": 1,
        "state": State.RUNNING,
        "started_at": START,
        "due_at": START + timedelta(days=10),
        "remaining_seconds": 5 * DAY,
    }
    return ClockView(**known | fields)


def panel(standing="tracked", **fields):
    return IssuePanel(standing=standing, issue_key="SEC-1", fragment_url="/fragments/issue", **fields)


@pytest.mark.parametrize("standing", ["unconfirmed", "refused", "unknown"])
@pytest.mark.parametrize(
    "fact",
    [
        {"severity": SeverityLine(level=Severity.HIGH)},
        {"clocks": (clock(),)},
        {"policy": PolicyLine(name="genchi", version=1, sha256="0" * 64)},
        {"as_of": START},
        {"stale": True},
        {"gone": True},
    ],
)
def test_a_panel_for_a_reader_who_is_not_cleared_cannot_carry_facts(standing, fact):
    with pytest.raises(LeakingPanel):
        panel(standing, **fact)


@pytest.mark.parametrize(
    ("fields", "percent"),
    [
        ({}, 50),
        ({"remaining_seconds": 10 * DAY}, 0),
        ({"remaining_seconds": 0}, 100),
        ({"remaining_seconds": -5 * DAY}, 150),
        ({"due_at": START + timedelta(days=12), "paused_seconds": 2 * DAY}, 50),
        ({"due_at": None, "due_before": START + timedelta(days=10)}, 50),
        ({"due_at": None}, None),
        ({"remaining_seconds": None}, None),
        ({"started_at": None}, None),
        ({"due_at": START}, None),
    ],
)
def test_progress_is_the_share_of_the_time_that_is_used(fields, percent):
    assert clock(**fields).progress_percent == percent


@given(st.integers(min_value=-(10**9), max_value=10 * DAY))
def test_progress_passes_100_exactly_when_the_bound_is_passed_and_the_bar_keeps_a_scale(remaining):
    shown = clock(remaining_seconds=remaining)
    assert (shown.progress_percent >= 100) == (remaining <= 0)
    assert 100 <= shown.progress_scale <= 400


@given(st.integers(min_value=1, max_value=10**6), st.floats(min_value=0, max_value=10))
def test_a_score_is_written_with_one_decimal(cycle, score):
    text = SeverityLine(level=Severity.LOW, cvss=score).score_text
    assert text == f"CVSS {score:.1f}"
    assert clock(cycle=cycle).title.endswith("fix" if cycle == 1 else f"cycle {cycle}")


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ("https://example.com/policy", "https://example.com/policy"),
        ("https://example.com/policy (read in May)", "https://example.com/policy"),
        ("javascript:alert(1)", None),
        ("http://example.com", None),
        (" https://example.com", None),
        ("jira:changelog:10023", None),
    ],
)
def test_only_an_https_source_becomes_a_link(source, link):
    step = WhyStep(clause="1", rule="r", source=source, at=START, text="t")
    assert step.link == link


def test_what_is_announced_does_not_change_with_the_countdown_but_with_the_state():
    first = panel(clocks=(clock(),))
    later = panel(clocks=(clock(remaining_seconds=4 * DAY),))
    late = panel(clocks=(clock(remaining_seconds=-1, state=State.BREACHED),))
    assert first.announcement == later.announcement
    assert first.announcement != late.announcement


def test_a_panel_asks_for_news_more_often_while_its_text_changes_soon():
    assert panel(clocks=(clock(),)).refresh_seconds == 900
    assert panel(clocks=(clock(remaining_seconds=DAY),)).refresh_seconds == 60
    assert panel(clocks=(clock(remaining_seconds=DAY, state=State.MET),)).refresh_seconds == 900
    assert panel("unknown").refresh_seconds == 3
    assert panel("unconfirmed").refresh_seconds == 30


def test_a_view_model_cannot_be_changed_after_it_was_made(samples):
    with pytest.raises(AttributeError):
        samples["running"].standing = "refused"
    assert replace(samples["running"], stale=True).stale
