"""Who was told, as the panel says it: counts of the clock and the state that are asked about, and no other's."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.clocks.model import State
from app.domain.notices.model import (
    AT_RISK,
    BREACHED,
    HALF,
    REMINDED,
    IssueNotices,
    Medium,
    ToldCount,
    WaitingCount,
)
from app.edge.panels.told import told_of

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def count(threshold, *, recipients=1, day=0, medium=Medium.MAIL, cycle=1, promise="fix"):
    return ToldCount(
        promise=promise, cycle=cycle, threshold=threshold, medium=medium, recipients=recipients, told_at=AT + day * DAY
    )


def waiting(*, recipients=1, medium=Medium.MAIL, again_at=None, cycle=1):
    return WaitingCount(promise="fix", cycle=cycle, medium=medium, recipients=recipients, again_at=again_at)


def view(*told, waits=(), recipients=5, state=State.BREACHED):
    return told_of(IssueNotices(recipients, told, tuple(waits)), "fix", cycle=1, state=state)


def test_the_newest_of_each_medium_counts_and_each_threshold_is_a_line_the_newest_first():
    shown = view(
        count(HALF, day=-9),
        count(AT_RISK, day=-2, recipients=2),
        count(BREACHED, recipients=3),
        count(BREACHED, medium=Medium.JIRA_COMMENT, day=0.1),
        count(REMINDED, day=1, recipients=4),
    )
    assert shown.ways == "by mail to 4 recipients of this site, by a comment on the issue"
    assert [(line.what, line.ways, line.at) for line in shown.lines] == [
        ("Again: the date has passed", "by mail to 4 recipients of this site", AT + DAY),
        (
            "The date has passed",
            "by mail to 3 recipients of this site, by a comment on the issue",
            AT + 0.1 * DAY,
        ),
        ("Little time is left", "by mail to 2 recipients of this site", AT - 2 * DAY),
        ("Half of the time has passed", "by mail to 1 recipient of this site", AT - 9 * DAY),
    ]


@pytest.mark.parametrize(
    ("state", "threshold", "is_told"),
    [
        (State.AT_RISK, HALF, False),
        (State.AT_RISK, AT_RISK, True),
        (State.AT_RISK, BREACHED, False),
        (State.BREACHED, AT_RISK, False),
        (State.BREACHED, BREACHED, True),
        (State.BREACHED, REMINDED, True),
    ],
)
def test_nobody_was_told_of_a_state_who_was_told_of_another(state, threshold, is_told):
    shown = view(count(threshold), state=state)
    assert (shown.ways is not None, len(shown.lines)) == (is_told, 1)


def test_another_promise_and_another_cycle_are_nothing_to_this_clock():
    shown = view(count(BREACHED, cycle=2), count(BREACHED, promise="triage"), waits=[waiting(cycle=2)])
    assert (shown.ways, shown.lines, shown.waits) == (None, (), ())


def test_what_waits_says_how_many_and_until_when():
    later = AT + DAY
    shown = view(
        waits=[
            waiting(recipients=2),
            waiting(recipients=1, again_at=later),
            waiting(medium=Medium.JIRA_COMMENT),
            waiting(medium=Medium.JIRA_COMMENT, again_at=later),
        ]
    )
    assert [(line.text, line.again_at) for line in shown.waits] == [
        ("The comment is not on the issue yet.", later),
        ("The comment on the issue waits its turn.", None),
        ("The mail to 1 recipient has not gone out yet.", later),
        ("2 recipients are told by their next mail.", None),
    ]


@pytest.mark.parametrize("recipients", [0, 1])
def test_a_site_without_recipients_is_told_apart_from_one_where_nobody_was_told(recipients):
    assert view(recipients=recipients).has_recipients is bool(recipients)
