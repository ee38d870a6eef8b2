"""What is known of issues: saved as read, written only when changed, read again when asked for again."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.identifiers import IssueId
from app.domain.tracking.model import SeverityReading, Tracking

ISSUE = IssueId(10001)


@pytest.fixture
def keep(worker, tenant):
    """Run something in a transaction of its own and commit it."""

    def keep(act):
        with worker.begin(tenant) as uow:
            result = act(uow.issues)
            uow.commit(because=Bookkeeping.CLOCK_DERIVED)
        return result

    return keep


@pytest.mark.parametrize(
    "severity",
    [
        None,
        SeverityReading(Severity.HIGH, Decimal("8.1"), "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:N", "field"),
        SeverityReading(Severity.CRITICAL, Decimal("10.0"), None, "field"),
        SeverityReading(Severity.LOW, None, None, "priority"),
    ],
)
def test_a_saved_issue_is_found_as_it_was(worker, web, tenant, keep, record, now, severity):
    saved = record(severity=severity, hidden_since=now)
    keep(lambda issues: issues.save(saved, now))
    with worker.begin(tenant) as uow:
        assert uow.issues.find(ISSUE) == saved
        assert uow.issues.is_tracked(ISSUE)
    assert web.view_issue(tenant, ISSUE)[1] == saved
    assert web.view_issue(tenant, saved.key)[1] == saved


def test_an_issue_that_was_never_read_is_none(web, tenant):
    found, record = web.view_issue(tenant, ISSUE)
    assert (found.tenant, record) == (tenant, None)
    with web.begin(tenant) as uow:
        assert uow.issues.find(ISSUE) is None
        assert not uow.issues.is_tracked(ISSUE)


def test_an_issue_without_events_has_none(worker, tenant, keep, record, now):
    keep(lambda issues: issues.save(record(events=(), tracking=Tracking.NOT_TRACKED), now))
    with worker.begin(tenant) as uow:
        assert uow.issues.find(ISSUE).events == ()
        assert not uow.issues.is_tracked(ISSUE)


def test_saving_again_updates_the_issue_and_keeps_the_facts(worker, tenant, keep, record, now):
    first = record()
    later = now + timedelta(hours=1)
    more = Event(kind=EventKind.FIXED, at=now, source="jira:changelog:7")
    told_otherwise = replace(first.events[0], at=now)
    keep(lambda issues: issues.save(first, now))
    keep(lambda issues: issues.save(replace(first, key="OPS-1", read_at=later, events=(told_otherwise, more)), later))
    with worker.begin(tenant) as uow:
        found = uow.issues.find(ISSUE)
        assert (found.key, found.read_at) == ("OPS-1", later)
        assert sorted(found.events, key=Event.order) == [first.events[0], more]
        assert sorted(uow.issues.events(ISSUE), key=Event.order) == [first.events[0], more]


def test_of_two_issues_with_one_key_the_last_read_is_meant(web, tenant, keep, record, now):
    keep(lambda issues: issues.save(record(10001, key="SEC-1", read_at=now), now))
    keep(lambda issues: issues.save(record(10002, key="SEC-1", read_at=now + timedelta(seconds=1)), now))
    keep(lambda issues: issues.save(record(10003, key="SEC-1", read_at=now - timedelta(seconds=1)), now))
    assert web.view_issue(tenant, "SEC-1")[1].issue == 10002
    assert web.view_issue(tenant, IssueId(10001))[1].issue == 10001


def test_a_key_is_compared_exactly(web, tenant, keep, record, now):
    keep(lambda issues: issues.save(record(key="SEC-1"), now))
    for key in ("SEC-%", "SEC_1", "' OR true --", "SEC-1 ", ""):
        assert web.view_issue(tenant, key)[1] is None


def test_a_view_says_since_when_a_newer_read_is_waiting(web, tenant, keep, record, now):
    keep(lambda issues: issues.save(record(), now))
    assert web.view_issue(tenant, ISSUE)[1].read_asked_at is None
    keep(lambda issues: issues.ask_read(ISSUE, now=now))
    assert web.view_issue(tenant, ISSUE)[1].read_asked_at == now


def test_a_delivery_is_accepted_once_and_by_each_tenant_for_itself(web, register, now):
    one, two = register(web).tenant, register(web).tenant
    answers = []
    for tenant in (one, one, two):
        with web.begin(tenant) as uow:
            answers.append(uow.issues.accept_delivery("hook", issue=ISSUE, now=now))
            uow.commit(because=Bookkeeping.WEBHOOK_STORED)
    assert answers == [True, False, True]


def test_old_deliveries_are_forgotten_and_younger_ones_are_not(web, worker, tenant, now):
    with web.begin(tenant) as uow:
        for age in (0, 1, 2):
            uow.issues.accept_delivery(f"hook{age}", issue=ISSUE, now=now - timedelta(days=age))
        uow.commit(because=Bookkeeping.WEBHOOK_STORED)
    with worker.begin(tenant) as uow:
        assert uow.issues.purge_deliveries(now - timedelta(days=1)) == 1
        uow.commit(because=Bookkeeping.DELIVERIES_PURGED)
    with web.begin(tenant) as uow:
        assert not uow.issues.accept_delivery("hook1", issue=ISSUE, now=now)
        assert uow.issues.accept_delivery("hook2", issue=ISSUE, now=now)
