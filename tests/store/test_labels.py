"""What is written into Jira, row by row: marked with its bounds, leased, settled unless it was marked meanwhile."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Bounds, Outcome, Severity
from app.domain.identifiers import InstallationId, IssueId
from app.domain.publishing.ports import Publication
from app.domain.tracking.model import Tracking
from tests.stored_bounds import save_bounds

ISSUE = IssueId(10001)
PROPERTY, LOZENGE = {"state": "running"}, {"type": "lozenge", "value": {"label": "Due in 9d", "type": "inprogress"}}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def keep(worker, tenant):
    """Run something in a transaction of its own and commit it."""

    def keep(act):
        with worker.begin(tenant) as uow:
            result = act(uow)
            uow.commit(because=Bookkeeping.LABEL_SETTLED)
        return result

    return keep


@pytest.fixture
def bounds(now):
    return Bounds(
        cycle=1,
        severity=Severity.HIGH,
        started_at=now,
        due_at=now + timedelta(days=28),
        at_risk_at=now,
        paused_seconds=7,
    )


@pytest.fixture
def tracked(keep, record, now, bounds):
    """An issue whose bounds were just saved."""
    keep(lambda uow: uow.issues.save(record(), now))
    keep(lambda uow: save_bounds(uow, ISSUE, fix=[bounds]))


def lease(keep, now):
    return keep(lambda uow: uow.labels.lease(now=now, until=lambda tries: now + MINUTE * (1 + tries)))


def test_saved_bounds_mark_the_issue_in_the_same_transaction(worker, tenant, keep, record, now, bounds):
    keep(lambda uow: uow.issues.save(record(), now))
    with worker.begin(tenant) as uow:
        save_bounds(uow, ISSUE, fix=[bounds])
    assert lease(keep, now) is None  # rolled back with the bounds
    keep(lambda uow: save_bounds(uow, ISSUE, fix=[bounds]))
    look = lease(keep, now)
    assert (look.issue, look.clocks) == (ISSUE, (("fix", bounds),))
    assert (look.property, look.lozenge, look.is_hidden) == (None, None, False)


def test_bounds_that_are_stored_already_mark_nothing(keep, tracked, now, bounds):
    keep(lambda uow: uow.labels.settle(lease(keep, now), written=(PROPERTY, LOZENGE), next_at=None))
    keep(lambda uow: save_bounds(uow, ISSUE, fix=[bounds]))
    assert lease(keep, now) is None
    keep(lambda uow: save_bounds(uow, ISSUE, fix=[]))
    look = lease(keep, now)
    assert (look.clocks, look.property, look.lozenge) == ((), PROPERTY, LOZENGE)


def test_bounds_come_back_as_they_were_saved(keep, record, now, bounds):
    ended = Bounds(cycle=1, due_before=now, due_date=now.date(), stopped_at=now, outcome=Outcome.CANCELLED)
    again = Bounds(cycle=2, severity=Severity.NONE, paused_since=now, cancelled_reason="r", cancelled_by="a")
    keep(lambda uow: uow.issues.save(record(), now))
    keep(lambda uow: save_bounds(uow, ISSUE, fix=[ended, again], also=[bounds]))
    assert lease(keep, now).clocks == (("also", bounds), ("fix", ended), ("fix", again))


def test_what_is_leased_is_nobody_else_s_until_its_lease_ends_and_each_lease_is_longer(keep, tracked, now):
    assert lease(keep, now) is not None
    assert lease(keep, now) is None
    assert keep(lambda uow: uow.labels.next_look()) == now + MINUTE
    assert lease(keep, now + MINUTE) is not None
    assert keep(lambda uow: uow.labels.next_look()) == now + 3 * MINUTE


def test_a_settled_look_is_due_again_when_its_label_changes(keep, tracked, now):
    look = lease(keep, now)
    keep(lambda uow: uow.labels.settle(look, written=(PROPERTY, LOZENGE), next_at=now + 5 * MINUTE))
    assert lease(keep, now + 4 * MINUTE) is None
    again = lease(keep, now + 5 * MINUTE)
    assert (again.property, again.lozenge) == (PROPERTY, LOZENGE)
    assert keep(lambda uow: uow.labels.next_look()) == now + 6 * MINUTE  # counted from the first try again


def test_what_is_marked_while_it_is_written_is_looked_at_again(keep, tracked, now):
    look = lease(keep, now)
    keep(lambda uow: uow.labels.mark([ISSUE]))
    keep(lambda uow: uow.labels.settle(look, written=(PROPERTY, LOZENGE), next_at=None))
    again = lease(keep, now)
    assert (again.property, again.lozenge) == (PROPERTY, LOZENGE)


def test_of_two_that_are_due_the_one_tried_least_comes_first(keep, tracked, record, now, bounds):
    lease(keep, now)
    keep(lambda uow: uow.issues.save(record(10002), now))
    keep(lambda uow: save_bounds(uow, IssueId(10002), fix=[bounds]))
    assert [lease(keep, now + MINUTE).issue for _ in range(2)] == [IssueId(10002), ISSUE]


def test_what_jira_refused_is_tried_again_once_jira_shows_the_issue(keep, tracked, record, now):
    look = lease(keep, now)
    keep(lambda uow: uow.labels.settle(look, written=(None, None), next_at=None, refused_at=now))
    keep(lambda uow: uow.issues.save(record(hidden_since=now), now))
    assert lease(keep, now) is None
    keep(lambda uow: uow.issues.save(record(), now))
    assert not lease(keep, now).is_hidden


def test_many_are_marked_at_once_and_only_what_is_there(keep, tracked, now):
    keep(lambda uow: uow.labels.settle(lease(keep, now), written=(PROPERTY, LOZENGE), next_at=None))
    keep(lambda uow: uow.labels.mark([ISSUE, IssueId(99)]))
    assert (lease(keep, now).issue, lease(keep, now)) == (ISSUE, None)


def test_everything_is_as_if_unwritten_and_what_is_not_tracked_stays_out(keep, tracked, record, now):
    keep(lambda uow: uow.labels.settle(lease(keep, now), written=(PROPERTY, LOZENGE), next_at=None))
    keep(lambda uow: uow.issues.save(record(10002, tracking=Tracking.NOT_TRACKED), now))
    keep(lambda uow: uow.issues.save(record(10003), now))
    keep(lambda uow: uow.labels.mark_all())
    looks = [lease(keep, now) for _ in range(3)]
    assert [(look.issue, look.property) for look in looks[:2]] == [(ISSUE, None), (IssueId(10003), None)]
    assert looks[2] is None


def test_where_publication_began_is_forgotten_with_the_installation(web, worker, keep, register, now):
    registered = register(web)
    began = Publication(InstallationId(registered.installation), now, None, now + MINUTE)
    with worker.begin(registered.tenant) as uow:
        assert uow.labels.publication() is None
        uow.labels.save_publication(Publication(InstallationId(1)))
        uow.labels.save_publication(began)
        assert uow.labels.publication() == began
        uow.commit(because=Bookkeeping.LABELS_ASKED)
    with web.begin(registered.tenant) as uow:
        uow.tenants.mark_uninstalled(registered.installation, now)
        uow.commit(because=Bookkeeping.LABELS_ASKED)
    with worker.begin(registered.tenant) as uow:
        assert uow.labels.publication() is None


def test_entries_are_leased_together_each_under_a_higher_number(keep, tracked, record, now):
    keep(lambda uow: uow.pushes.backfill())
    [first] = keep(lambda uow: uow.pushes.lease(now=now, until=lambda _: now + MINUTE, limit=5))
    assert (first.key, first.is_backfill, first.pushed) == ("SEC-10001", True, None)
    assert first.introduced_at == now - timedelta(days=1)
    assert keep(lambda uow: uow.pushes.lease(now=now, until=lambda _: now, limit=5)) == ()
    # the clock was set back an hour
    earlier = now - timedelta(hours=1)
    keep(lambda uow: uow.pushes.ask(ISSUE))
    [second] = keep(lambda uow: uow.pushes.lease(now=earlier, until=lambda _: now, limit=5))
    assert second.sequence > first.sequence


def test_an_entry_that_jira_took_is_not_due_and_one_that_it_refused_keeps_what_it_had(keep, tracked, now):
    keep(lambda uow: uow.pushes.ask(ISSUE))
    [push] = keep(lambda uow: uow.pushes.lease(now=now, until=lambda _: now, limit=5))
    keep(lambda uow: uow.pushes.settle(replace(push, pushed={"id": "1"}), refused_at=None))
    assert keep(lambda uow: uow.pushes.next_push()) is None
    keep(lambda uow: uow.pushes.ask(ISSUE))
    [push] = keep(lambda uow: uow.pushes.lease(now=now, until=lambda _: now, limit=5))
    assert (push.pushed, push.is_backfill) == ({"id": "1"}, False)
    keep(lambda uow: uow.pushes.ask(ISSUE))
    keep(lambda uow: uow.pushes.settle(replace(push, pushed={"id": "2"}), refused_at=now))
    [again] = keep(lambda uow: uow.pushes.lease(now=now, until=lambda _: now, limit=5))
    assert again.pushed == {"id": "1"}
    assert keep(lambda uow: uow.labels.counts()) == {
        "labels": 1,
        "labels_waiting": 1,
        "labels_refused": 0,
        "entries": 1,
        "entries_waiting": 0,
        "entries_refused": 1,
    }
