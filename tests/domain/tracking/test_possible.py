"""Which decisions are offered follows from the facts and the policy; a triage is one or two of them, or refused."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.identifiers import IssueId
from app.domain.promises.shelf import PolicyShelf
from app.domain.tracking.decision import DecisionMalformed, DecisionRefused
from app.domain.tracking.model import IssueRecord, Tracking
from app.domain.tracking.possible import TRIAGE, Possible, possible, triage
from tests.domain.tracking.test_recording import policy_text

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
OPEN = {TRIAGE, "ams", "extension_requested", "fixed", "cancelled"}
VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"  # 9.8


def fact(kind, days, **said):
    return Event(kind=kind, at=NOW - timedelta(days=days), source=f"form:{kind}-{days}", actor="kim", **said)


REPORTED = (fact(EventKind.REPORTED, 10), fact(EventKind.SEVERITY_SET, 10, severity=Severity.HIGH))
PAUSED = fact(EventKind.PAUSED, 2, reason="vendor")


def offered(*facts, policy="pausing", tracking=Tracking.TRACKED, now=NOW):
    record = IssueRecord(IssueId(1), "SEC-1", 1, tracking, None, None, NOW, (*REPORTED, *facts))
    return possible(record, PolicyShelf(policy_text).in_force(policy), now=now)


@pytest.mark.parametrize(
    ("facts", "kinds"),
    [
        ((), OPEN | {"paused"}),
        ((PAUSED,), OPEN | {"resumed"}),
        ((PAUSED, fact(EventKind.RESUMED, 1)), OPEN | {"paused"}),
        ((fact(EventKind.FIXED, 1),), {"reopened"}),
        ((fact(EventKind.CANCELLED, 1, reason="duplicate"),), {"reopened"}),
        ((fact(EventKind.UNTRACKED, 1, reason="not ours"),), set()),
    ],
)
def test_what_is_offered_follows_from_the_facts(facts, kinds):
    assert offered(*facts).kinds == kinds


def test_a_policy_without_a_pause_offers_none_and_a_breach_is_not_paused_away():
    assert offered(policy="atlassian-marketplace").kinds == OPEN
    assert offered(now=NOW + timedelta(days=100)).kinds == OPEN | {"explained"}
    assert offered().pause_reasons == ("vendor", "customer")


def test_nothing_is_offered_of_an_issue_that_is_not_tracked():
    assert offered(tracking=Tracking.NOT_TRACKED) == Possible()


def test_a_first_triage_sets_the_severity_and_says_that_it_was_triaged():
    both = triage(VECTOR, {"id": "a", "reason": "seen"}, now_is=offered())
    assert [(one.kind, one.id, one.severity, one.evidence, one.reason) for one in both] == [
        ("severity_set", "a", Severity.CRITICAL, VECTOR, "seen"),
        ("triaged", "a-triaged", None, VECTOR, "seen"),
    ]


def test_a_second_triage_tells_only_what_is_new():
    triaged = offered(fact(EventKind.TRIAGED, 1))
    assert [one.kind for one in triage(VECTOR, {"id": "a"}, now_is=triaged)] == ["severity_set"]
    done = offered(fact(EventKind.TRIAGED, 2), fact(EventKind.SEVERITY_SET, 1, severity=Severity.CRITICAL))
    with pytest.raises(DecisionRefused, match="triaged already"):
        triage(VECTOR, {"id": "a"}, now_is=done)
    again = {"id": "severity_set-1"}
    assert [one.kind for one in triage(VECTOR, again, now_is=done)] == ["severity_set"]


@pytest.mark.parametrize("vector", ["", "CVSS:4.0/AV:N", "CVSS:3.1/AV:N", "high"])
def test_a_triage_needs_a_vector_of_cvss_3(vector):
    with pytest.raises(DecisionMalformed):
        triage(vector, {"id": "a"}, now_is=offered())
