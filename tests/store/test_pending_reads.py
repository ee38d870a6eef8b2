"""Reads that are to be done: leased one by one, done once, and again when asked for in between."""

from datetime import timedelta

import pytest

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import IssueId

ISSUE = IssueId(10001)


@pytest.fixture
def keep(worker, tenant):
    def keep(act):
        with worker.begin(tenant) as uow:
            result = act(uow.issues)
            uow.commit(because=Bookkeeping.READ_ASKED)
        return result

    return keep


@pytest.fixture
def lease(keep, now):
    """Lease as a job at `now` does: due again after ten seconds, doubled with each attempt."""

    def lease(at=now):
        return keep(lambda i: i.lease_pending(now=at, until=lambda tries: at + timedelta(seconds=10 * 2**tries)))

    return lease


def test_a_leased_read_is_due_again_later_each_time(keep, lease, now):
    keep(lambda issues: issues.ask_read(ISSUE, now=now))
    first = lease()
    assert (first.issue, first.asked_at, first.attempts) == (ISSUE, now, 0)
    assert lease() is None
    assert lease(now + timedelta(seconds=9)) is None
    second = lease(now + timedelta(seconds=10))
    assert (second.asked_at, second.attempts) == (now, 1)
    assert lease(now + timedelta(seconds=29)) is None
    assert lease(now + timedelta(seconds=30)).attempts == 2


def test_a_settled_read_is_gone(keep, lease, now):
    keep(lambda issues: issues.ask_read(ISSUE, now=now))
    read = lease()
    keep(lambda issues: issues.settle_read(read))
    assert keep(lambda issues: issues.next_pending()) is None


def test_a_read_that_was_asked_for_again_meanwhile_is_not_settled(keep, lease, now):
    keep(lambda issues: issues.ask_read(ISSUE, now=now))
    read = lease()
    again = now + timedelta(microseconds=1)
    keep(lambda issues: issues.ask_read(ISSUE, now=again))
    keep(lambda issues: issues.settle_read(read))
    waiting = keep(lambda issues: issues.next_pending())
    assert (waiting.asked_at, waiting.due_at, waiting.attempts) == (again, again, 0)


def test_a_first_read_does_not_disturb_one_that_is_under_way(keep, lease, now):
    keep(lambda issues: issues.ask_first_read(ISSUE, now=now))
    read = lease()
    keep(lambda issues: issues.ask_first_read(ISSUE, now=now + timedelta(seconds=1)))
    assert lease(now + timedelta(seconds=1)) is None
    keep(lambda issues: issues.settle_read(read))
    assert keep(lambda issues: issues.next_pending()) is None


def test_what_was_tried_least_comes_first_and_then_what_waits_longest(keep, lease, now):
    for number, age in ((1, 5), (2, 9), (3, 7)):
        keep(lambda i, n=number, a=age: i.ask_read(IssueId(n), now=now - timedelta(seconds=a)))
    assert lease().issue == 2
    later = now + timedelta(seconds=60)
    assert [lease(later).issue for _ in range(3)] == [3, 1, 2]


def test_what_is_not_due_is_not_leased(keep, lease, now):
    keep(lambda issues: issues.ask_read(ISSUE, now=now + timedelta(seconds=1)))
    assert lease() is None
    assert keep(lambda issues: issues.next_pending()).due_at == now + timedelta(seconds=1)


def test_what_a_clock_that_was_wrong_has_put_off_is_due(keep, lease, now):
    keep(lambda issues: issues.ask_read(ISSUE, now=now))
    lease(now + timedelta(days=40))
    read = lease()
    assert (read.issue, read.attempts) == (ISSUE, 1)


def test_a_lease_that_is_rolled_back_is_none(worker, tenant, keep, lease, now):
    keep(lambda issues: issues.ask_read(ISSUE, now=now))
    with worker.begin(tenant) as uow:
        assert uow.issues.lease_pending(now=now, until=lambda _: now + timedelta(hours=1)) is not None
    assert lease().attempts == 0


def test_a_read_of_another_tenant_is_neither_leased_nor_settled(web, worker, register, lease, keep, now):
    other = register(web).tenant
    with web.begin(other) as uow:
        uow.issues.ask_read(ISSUE, now=now)
        uow.commit(because=Bookkeeping.READ_ASKED)
    assert lease() is None
    with worker.begin(other) as uow:
        read = uow.issues.next_pending()
    keep(lambda issues: issues.settle_read(read))
    with worker.begin(other) as uow:
        assert uow.issues.next_pending() == read
