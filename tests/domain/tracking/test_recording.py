"""Decisions meet the promise and what held at their instant. On the real database, as the web and as the worker."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

import app
from app.domain.audit.entry import Bookkeeping
from app.domain.backup.erasing_again import Remembering
from app.domain.clocks.model import Event, EventKind, Severity, State
from app.domain.clocks.state import state_of
from app.domain.identifiers import AccountId, IssueId
from app.domain.privacy.erasing import Erasing
from app.domain.promises.shelf import PolicyShelf
from app.domain.tracking.decision import Author, DecisionRefused, DecisionReused, Via, read_decision
from app.domain.tracking.decision_file import read_file
from app.domain.tracking.model import IssueRecord, Tracking
from app.domain.tracking.queries import IssueViews
from app.domain.tracking.recording import Recording
from app.outbound.erasure_ledger import ErasureLedgerFile
from app.vault.door import Door

PAUSING = """
name = "pausing"
title = "A policy that allows pauses"
version = 1
dated = 2026-11-22
source = "made up for tests"
extends = "atlassian-marketplace"

[choices]
pauses = ["vendor", "customer"]
"""
ISSUE, HOUR, DAY = IssueId(10001), timedelta(hours=1), timedelta(days=1)
LEAD = Author(Via.FORM, "5b10ac8d82e05b22cc7d4ef5", "person")


def policy_text(name):
    if name == "pausing":
        return PAUSING
    return (Path(app.__file__).parent / "policies" / f"{name}.toml").read_text()


class Desk:
    """An issue of high severity, reported ten days ago, and whoever decides about it."""

    def __init__(self, roles, tenant, now, vault):
        self.web, self.worker, self.tenant, self.now = *roles, tenant, now
        self.reported = now - 10 * DAY
        self.vault = vault
        self.shelf = PolicyShelf(policy_text)
        self.recording = Recording(self.web, self.shelf.in_force, self.vault)
        self.views = IssueViews(self.web, self.shelf.in_force, self.web.notices_of)
        self.keep()
        self.choose("pausing")

    def keep(self, issue=ISSUE, key="SEC-1", tracking=Tracking.TRACKED):
        facts = (
            Event(kind=EventKind.REPORTED, at=self.reported, source="jira:created"),
            Event(kind=EventKind.SEVERITY_SET, at=self.reported, source="jira:created", severity=Severity.HIGH),
        )
        record = IssueRecord(issue, key, 10000, tracking, None, None, self.now, facts)
        with self.worker.begin(self.tenant) as uow:
            uow.issues.save(record, self.now)
            uow.commit(because=Bookkeeping.CLOCK_DERIVED)

    def choose(self, policy):
        with self.web.begin(self.tenant) as uow:
            uow.tenants.save_policy(policy)
            uow.commit(because=Bookkeeping.HINT_STORED)

    def decide(self, kind, *, day=None, given_id=None, author=LEAD, issue=ISSUE, dry_run=False, **fields):
        """At that many days after the report; at this very moment without."""
        self.count = getattr(self, "count", 0) + 1
        at = {} if day is None else {"at": (self.reported + day * DAY).isoformat()}
        decision = read_decision({"id": given_id or f"d{self.count}", "kind": kind} | fields | at)
        return self.recording.record(self.tenant, issue, decision, author=author, now=self.now, dry_run=dry_run)

    def refusal(self, kind, **given):
        with pytest.raises(DecisionRefused) as refusal:
            self.decide(kind, **given)
        return str(refusal.value)

    def clock(self):
        """The newest cycle as it is shown."""
        return self.views.view(self.tenant, ISSUE, now=self.now).clocks[0]

    def days_given(self):
        return (self.clock().bounds.due_at - self.reported) / DAY


@pytest.fixture
def desk(roles, tenant, now, keyring_file):
    return Desk(roles, tenant, now, Door.from_keyring_file(Path(keyring_file)))


@pytest.fixture
def rows(shared, tenant):
    """A query about the tenant."""
    return lambda query: shared.rows(query, tenant)


def test_a_decision_is_one_fact_one_audit_entry_and_new_bounds(desk, rows):
    done = desk.decide("paused", day=2, given_id="p1", reason="vendor", clause="§5")
    assert [event.source for event in done.events] == ["form:p1"]
    [moved] = done.moved
    assert (moved.before.paused_since, moved.after.paused_since) == (None, desk.reported + 2 * DAY)
    assert desk.clock().state is State.PAUSED
    stored = "SELECT paused_since, silent_before FROM app.clock_bounds WHERE tenant_id = %s"
    assert rows(stored) == [(desk.reported + 2 * DAY, None)]
    audited = "SELECT actor, target, detail FROM app.audit_entries WHERE tenant_id = %s AND action = 'clock.decided'"
    assert rows(audited) == [("person", "issue/10001", {"kinds": "paused", "source": "form:p1"})]


def test_who_decided_stands_in_the_fact_and_in_no_audit_entry(desk, rows):
    desk.decide("cancelled", reason="won't fix")
    assert desk.clock().bounds.cancelled_by == LEAD.name
    assert LEAD.name not in str(rows("SELECT * FROM app.audit_entries WHERE tenant_id = %s"))


def test_a_dry_run_says_what_would_change_and_changes_nothing(desk, rows):
    query = "SELECT count(*), max(xmin::text) FROM app.clock_events WHERE tenant_id = %s"
    before = rows(query)
    done = desk.decide(
        "extended", day=1, until="2027-03-01", role="atlassian", reason="granted", evidence="AMS-1", dry_run=True
    )
    [moved] = done.moved
    assert moved.after.due_date.isoformat() == "2027-03-01"
    assert moved.before.due_at == desk.reported + 28 * DAY
    assert rows(query) == before
    assert desk.days_given() == 28


def test_a_retry_is_known_by_its_id_also_if_it_names_no_instant(desk):
    desk.decide("paused", given_id="p1", reason="vendor")
    desk.now += HOUR
    assert desk.decide("paused", given_id="p1", reason="vendor").events == ()
    for other in ({"reason": "customer"}, {"reason": "vendor", "day": 3}, {"reason": "vendor", "clause": "§5"}):
        with pytest.raises(DecisionReused, match="id: p1 is that of another decision about SEC-1"):
            desk.decide("paused", given_id="p1", **other)
    with pytest.raises(DecisionReused):
        desk.decide("fixed", given_id="p1")
    with pytest.raises(DecisionReused):
        desk.decide("paused", given_id="p1", reason="vendor", author=Author(Via.FORM, "another", "person"))


def test_a_report_about_a_ticket_is_known_by_its_id_too(desk):
    told = {"ticket": "AMS-1", "status": "Needs Patch", "due": "2026-12-01"}
    assert len(desk.decide("ams", given_id="a1", **told).events) == 1
    desk.now += HOUR
    assert desk.decide("ams", given_id="a1", **told).events == ()
    assert desk.decide("ams", given_id="a2", **told).events == ()  # nothing new, under whatever id
    for other in ({"due": "2026-12-02"}, {"status": "Patched"}, {"evidence": "x"}, {"day": 3}):
        with pytest.raises(DecisionReused, match="id: a1 is that of another report about AMS-1"):
            desk.decide("ams", given_id="a1", **told | other)


FIXED, CANCELLED = ("fixed", {"day": 5}), ("cancelled", {"day": 5, "reason": "r"})
LEFT = ("untracked", {"day": 5, "reason": "r"})
PAUSED = ("paused", {"reason": "vendor", "day": 3})
GRANTED = {"reason": "r", "role": "atlassian", "evidence": "x"}
TICKET = {"ticket": "AMS-1", "status": "Needs Patch", "due": "2026-11-14"}
MISFITS = [
    (
        None,
        "paused",
        {"reason": "lunch"},
        "'lunch' is no reason for which security-bug-fix may pause: vendor, customer",
    ),
    (PAUSED, "paused", {"reason": "vendor"}, "it is paused for 'vendor' already"),
    (PAUSED, "paused", {"reason": "vendor", "day": 2}, "it is paused for 'vendor' already"),
    (("ams", TICKET | {"day": 1}), "paused", {"reason": "vendor"}, "a breach is not paused away"),
    (FIXED, "paused", {"reason": "vendor"}, "does not run at that instant"),
    (None, "resumed", {}, "is not paused at that instant"),
    (PAUSED, "resumed", {"day": 2}, "is not paused at that instant"),
    (PAUSED, "resumed", {"reason": "customer"}, "it is not paused for 'customer' but for 'vendor'"),
    (("triaged", {"day": 1}), "triaged", {}, "it was triaged at 2026-11-13T09:00:00Z already"),
    (None, "severity_set", {"severity": "high"}, "its severity is high at that instant already"),
    (None, "extended", GRANTED | {"added_days": 1, "role": "lead"}, "only atlassian may grant it"),
    (None, "extended", GRANTED | {"added_days": 1, "evidence": None}, "it names no evidence"),
    (None, "extended", GRANTED | {"until": "2026-11-30"}, "it moves nothing (due at 2026-12-10T09:00:00Z"),
    (FIXED, "extended", GRANTED | {"added_days": 1}, "does not run at that instant"),
    (FIXED, "extension_requested", {}, "does not run at that instant"),
    (None, "extension_refused", {"reason": "no plan"}, "no request for an extension is open"),
    (FIXED, "fixed", {}, "does not run at that instant"),
    (CANCELLED, "cancelled", {"reason": "r"}, "does not run at that instant"),
    (None, "reopened", {"reason": "r"}, "the clock of security-bug-fix runs at that instant"),
    (None, "tracked", {"reason": "r"}, "it is tracked: there is nothing to take back"),
    (LEFT, "tracked", {"day": 4, "reason": "r"}, "it is tracked: there is nothing to take back"),
    (LEFT, "fixed", {}, "it left tracking at 2026-11-17T09:00:00Z by 5b10ac8d82e05b22cc7d4ef5: r; record `tracked`"),
    (LEFT, "untracked", {"reason": "r"}, "record `tracked` first"),
    (LEFT, "ams", TICKET, "record `tracked` first"),
    (None, "ams", TICKET | {"day": 11}, "at: 2026-11-23T09:00:00Z lies in the future"),
    (None, "fixed", {"day": 11}, "at: 2026-11-23T09:00:00Z lies in the future"),
    (None, "fixed", {"day": -0.01}, "lies before the report, 2026-11-12T09:00:00Z"),
]


@pytest.mark.parametrize(("before", "kind", "given", "reason"), MISFITS)
def test_what_does_not_fit_is_refused_with_the_precise_reason(desk, rows, before, kind, given, reason):
    if before is not None:
        desk.decide(before[0], **before[1])
    facts = rows("SELECT count(*) FROM app.clock_events WHERE tenant_id = %s")
    assert reason in desk.refusal(kind, **given)
    assert rows("SELECT count(*) FROM app.clock_events WHERE tenant_id = %s") == facts


def test_a_policy_without_pauses_refuses_each_and_says_so(desk):
    desk.choose("atlassian-marketplace")
    text = "security-bug-fix of the policy atlassian-marketplace allows no pause"
    assert desk.refusal("paused", reason="vendor") == text


def test_what_fits_moves_the_clock(desk):
    desk.decide("triaged", day=0.5)
    desk.decide("paused", day=1, reason="vendor")
    desk.decide("paused", day=2, reason="customer")
    desk.decide("resumed", day=3)  # every reason
    assert desk.days_given() == 30
    desk.decide("severity_set", day=4, severity="critical")
    assert desk.days_given() == 12
    desk.decide("extension_requested", day=5)
    desk.decide("extension_refused", day=6, reason="no plan")
    desk.decide("extension_requested", day=7)
    desk.decide("extended", day=8, added_days=2, role="atlassian", reason="a plan", evidence="AMS-1")
    assert desk.days_given() == 14
    desk.decide("fixed", day=9)
    assert desk.clock().state is State.MET
    desk.decide("reopened", day=9.5, reason="the fix was none")
    assert (desk.clock().bounds.cycle, desk.clock().state) == (2, State.RUNNING)
    assert "no request for an extension is open" in desk.refusal("extension_refused", reason="late")
    desk.decide("untracked", reason="not ours")
    assert desk.views.view(desk.tenant, ISSUE, now=desk.now).tracking is Tracking.NOT_TRACKED
    desk.now += HOUR
    desk.decide("tracked", reason="ours after all")
    assert desk.clock().state is State.RUNNING


def test_nobody_decides_about_what_is_not_tracked_or_was_never_read(desk):
    desk.keep(IssueId(10002), "SEC-2", Tracking.NOT_TRACKED)
    assert desk.refusal("fixed", issue=IssueId(10002)) == "SEC-2 is not tracked"
    assert desk.refusal("fixed", issue="SEC-99") == "SEC-99 is not tracked"


def test_a_decision_waits_for_whoever_reads_the_issue_and_sees_what_was_read(desk, shared):
    """Each derives bounds from all facts: if neither waited, the last one would write bounds that lack the other's."""
    done = []
    with desk.worker.begin(desk.tenant) as uow:
        uow.bounds.hold([ISSUE])
        decides = threading.Thread(target=lambda: done.append(desk.decide("paused", day=2, reason="vendor")))
        decides.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while shared.rows(waiting) == [(0,)]:
            assert decides.is_alive()
        uow.issues.add_events(
            ISSUE, [Event(kind=EventKind.FIXED, at=desk.reported + DAY, source="jira:changelog:1")], desk.now
        )
        uow.commit(because=Bookkeeping.CLOCK_DERIVED)
    decides.join()
    assert [event.kind for event in done[0].events] == [EventKind.PAUSED]
    stored = "SELECT stopped_at, paused_since FROM app.clock_bounds WHERE tenant_id = %s"
    assert shared.rows(stored, desk.tenant) == [(desk.reported + DAY, None)]


def test_of_two_decisions_at_once_the_second_sees_the_first(desk):
    told, both = [], threading.Barrier(2)

    def decide(number):
        both.wait()
        try:
            told.append(len(desk.decide("paused", day=2, reason="vendor", given_id=f"p{number}").events))
        except DecisionRefused:
            told.append(0)

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [0, 1]


def import_file(desk, *lines, **options):
    read = read_file("\n".join(("issue,kind,id,at,reason,severity,ticket,status,due", *lines)).encode())
    assert read.faults == ()
    worker = Recording(desk.worker, desk.shelf.in_force, desk.vault)
    return worker.import_file(desk.tenant, read.entries, sha256=read.sha256, now=desk.now, **options)


def test_a_file_is_recorded_in_the_order_of_its_instants_and_nobody_is_told(desk, rows):
    day = [(desk.reported + n * DAY).isoformat() for n in range(5)]
    steps = []
    lines = [f"SEC-1,resumed,r,{day[3]},,,,,", f"10001,paused,p,{day[1]},vendor,,,,"]
    done = import_file(desk, lines[1].replace("10001", "SEC-1"), lines[0], step=lambda: steps.append(1))
    assert (done.lines, done.issues, done.events, done.known, done.faults) == (2, 1, 2, 0, ())
    assert len(steps) == 2
    assert desk.days_given() == 30
    assert rows("SELECT silent_before FROM app.clock_bounds WHERE tenant_id = %s") == [(desk.now,)]
    again = import_file(desk, lines[0], f"SEC-1,paused,p,{day[1]},vendor,,,,")
    assert (again.events, again.known, again.faults) == (0, 2, ())
    imports = "SELECT count(*) FROM app.audit_entries WHERE tenant_id = %s AND action = 'clocks.imported'"
    assert rows(imports) == [(1,)]


def test_a_file_with_a_line_that_cannot_be_recorded_changes_nothing(desk, rows):
    desk.keep(IssueId(10002), "SEC-2")
    before = rows("SELECT count(*) FROM app.clock_events WHERE tenant_id = %s")
    done = import_file(
        desk,
        "SEC-1,fixed,f1,,,,,,",
        "SEC-2,resumed,r1,,,,,,",
        "SEC-9,fixed,f2,,,,,,",
        "SEC-9,fixed,f3,,,,,,",
        "SEC-2,fixed,f1,,,,,,",
        "SEC-2,fixed,f4,,,,,,",
    )
    assert [(fault.line, fault.reason) for fault in done.faults] == [
        (3, "the clock of security-bug-fix is not paused at that instant"),
        (4, "SEC-9 is not tracked"),
        (5, "SEC-9 is not tracked"),
        (7, "the clock of security-bug-fix does not run at that instant"),
    ]
    assert rows("SELECT count(*) FROM app.clock_events WHERE tenant_id = %s") == before
    assert rows("SELECT count(*) FROM app.audit_entries WHERE tenant_id = %s AND action = 'clocks.imported'") == [(0,)]


def test_a_file_may_be_tried(desk, rows):
    done = import_file(desk, "SEC-1,fixed,f1,,,,,,", dry_run=True)
    assert (done.events, done.faults) == (1, ())
    assert rows("SELECT count(*) FROM app.clock_events WHERE tenant_id = %s") == [(2,)]


def test_the_rows_of_a_ticket_may_stand_in_any_order(desk):
    day = [(desk.reported + n * DAY).isoformat() for n in range(5)]
    done = import_file(
        desk,
        f"SEC-1,ams,a3,{day[3]},,,AMS-1,Needs Patch,2026-12-05",
        f"SEC-1,ams,a1,{day[1]},,,AMS-1,Needs Patch,2026-11-25",
        f"SEC-1,ams,a2,{day[2]},,,AMS-1,Extension Requested,",
    )
    assert (done.events, done.faults) == (5, ())
    clock = desk.clock()
    assert clock.bounds.due_date.isoformat() == "2026-12-05"
    assert any("Extended to 2026-12-05" in step.text for step in clock.why)
    assert state_of(clock.bounds, now=desk.now) is State.RUNNING


def test_the_log_names_who_decided_to_whom_it_may_and_nobody_once_that_person_is_erased(desk, rows, tmp_path):
    desk.decide("paused", day=1, reason="vendor")
    [(entry, sealed)] = rows("SELECT entry_id, sealed FROM app.audit_persons WHERE tenant_id = %s")
    told = rows(
        "SELECT row_to_json(e)::text FROM app.audit_entries e WHERE tenant_id = %s AND action = 'clock.decided'"
    )
    assert not any(LEAD.name in line for (line,) in told)
    assert LEAD.name.encode() not in sealed

    def who():
        with desk.worker.begin(desk.tenant) as uow:
            return uow.people.who(entry)

    assert who() == LEAD.name
    remembering = Remembering(lambda: ErasureLedgerFile(tmp_path / "erasures.jsonl"), clock=lambda: desk.now)
    Erasing(desk.worker, remembering).erase(desk.tenant, [AccountId(LEAD.name)], actor="operator", reason="request")
    assert who() is None
    assert rows("SELECT count(*) FROM app.audit_persons WHERE tenant_id = %s") == [(0,)]
    assert rows("SELECT count(*) FROM app.data_keys WHERE tenant_id = %s AND purpose = 'audit-person'") == [(0,)]
