"""Choosing a policy: what it would do is told before, for a site as it is, and only then it is in force."""

from datetime import timedelta
from pathlib import Path

import pytest

import app
from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Event, EventKind, Severity, State
from app.domain.identifiers import IssueId
from app.domain.promises.shelf import PolicyShelf
from app.domain.tracking import choosing
from app.domain.tracking.choosing import PolicyChoices, differences, issue_of
from app.domain.tracking.model import IssueRecord, Tracking
from app.domain.tracking.settings import VersionConflict

OURS, STRICTER = "atlassian-marketplace", "stricter"
TEXT = (Path(app.__file__).parent / "policies" / f"{OURS}.toml").read_text()


def text_of(name):
    if name == OURS:
        return TEXT
    return TEXT.replace(f'name = "{OURS}"', f'name = "{STRICTER}"').replace('high = "4 weeks"', 'high = "7 days"')


@pytest.fixture
def choices(roles):
    return PolicyChoices(roles[1], PolicyShelf(text_of).in_force, (OURS, STRICTER), vault=None)


@pytest.fixture
def reported(roles, tenant, now):
    """An issue of high severity that was reported so many days ago."""

    def reported(number, days):
        events = (
            Event(kind=EventKind.REPORTED, at=now - timedelta(days=days), source="jira:created"),
            Event(kind=EventKind.SEVERITY_SET, at=now - timedelta(days=days), source="jira:1", severity=Severity.HIGH),
        )
        record = IssueRecord(IssueId(number), f"SEC-{number}", 10000, Tracking.TRACKED, None, None, now, events)
        with roles[1].begin(tenant) as uow:
            uow.issues.save(record, now)
            uow.commit(because=Bookkeeping.CLOCK_DERIVED)

    return reported


def test_every_clock_that_moves_is_told_and_which_promise_breaks_by_it(choices, reported, tenant, now):
    reported(1, days=10)
    reported(2, days=3)
    found = choices.impact(tenant, choices.in_force(STRICTER), now=now)
    assert (found.issues, found.tracked, found.found.moved, found.found.breached) == (2, 2, 2, 1)
    first, second = found.found.moves
    assert issue_of(first.subject) == (IssueId(1), "SEC-1")
    assert (first.state_before, first.state_after) == (State.RUNNING, State.BREACHED)
    assert second.after.due_at - second.before.due_at == -timedelta(days=21)
    assert choices.impact(tenant, choices.in_force(OURS), now=now).found.moved == 0


def test_of_a_large_site_so_many_are_looked_at_and_it_says_so(choices, reported, tenant, now, monkeypatch):
    monkeypatch.setattr(choosing, "MOST_ISSUES", 1)
    reported(1, days=10)
    reported(2, days=10)
    found = choices.impact(tenant, choices.in_force(STRICTER), now=now)
    assert (found.issues, found.tracked, found.found.moved) == (1, 2, 1)


def test_only_what_two_policies_count_differently_is_a_difference(choices):
    ours, stricter = (choices.in_force(name).policy for name in (OURS, STRICTER))
    [only] = differences(ours, stricter)
    assert only.promise == "security-bug-fix"
    assert "high 7," in only.after
    assert differences(ours, ours) == ()


def test_nothing_is_chosen_over_what_somebody_else_has_chosen_meanwhile(choices, roles, tenant, now):
    before = choices.in_force(OURS).policy.sha256
    choices.choose(tenant, STRICTER, before=before, actor="jira-admin", now=now)
    assert roles[1].view_tenant(tenant).policy == STRICTER
    with pytest.raises(VersionConflict):
        choices.choose(tenant, OURS, before=before, actor="jira-admin", now=now)
    with pytest.raises(LookupError):
        choices.choose(tenant, "nowhere", before=before, actor="jira-admin", now=now)
    assert roles[1].view_tenant(tenant).policy == STRICTER
