"""A site's own numbers: tried on its issues, stored as a version that nobody changes, and counted by from then on."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import app
from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Event, EventKind, Severity
from app.domain.identifiers import IssueId
from app.domain.promises.model import OwnPolicy
from app.domain.promises.numbers import NumbersRefused
from app.domain.promises.shelf import PolicyShelf
from app.domain.tracking import own_numbers
from app.domain.tracking.choosing import PolicyChoices
from app.domain.tracking.model import IssueRecord, Tracking
from app.domain.tracking.own_numbers import OwnNumbers
from app.domain.tracking.queries import IssueViews
from app.domain.tracking.recomputing import Recomputing
from app.domain.tracking.settings import VersionConflict

BASE, FIX = "atlassian-marketplace", "security-bug-fix"
UNITS = {f"a_{level}_unit": "days" for level in ("critical", "high", "medium", "low")}
FORM = UNITS | {"a_critical": "10", "a_high": "28", "a_medium": "84", "a_low": "175"}
FORM |= {"at_risk_percent": "80", "at_risk_hours": "48", "triage_days": "14"}


def text_of(name):
    path = Path(app.__file__).parent / "policies" / f"{name}.toml"
    if not path.is_file():
        raise LookupError(name)
    return path.read_text()


class Site:
    """One tenant, and what its administrator does."""

    def __init__(self, tenant, databases, now):
        self.tenant, self.web, self.worker, self.now = tenant, databases[0], databases[1], now
        shelf = PolicyShelf(text_of, self.web.policy_texts)
        self.choices = PolicyChoices(self.web, shelf.in_force, (BASE, "kencha"), vault=None)
        self.numbers = OwnNumbers(self.choices, text_of)

    @property
    def policy(self):
        return self.web.view_tenant(self.tenant).policy

    @property
    def in_force(self):
        return self.choices.in_force(self.policy).policy

    def candidate(self, **fields):
        return self.numbers.candidate(self.tenant, FIX, FORM | fields, now=self.now)

    def save(self, *, before=None, seen=None, **fields):
        if seen is None:
            found = self.candidate(**fields)
            base = getattr(self.policy, "base", self.policy)
            seen = self.choices.in_force(base).policy.sha256 if found is None else found.ref.sha256
        before = before or self.in_force.sha256
        return self.numbers.save(
            self.tenant, FIX, FORM | fields, seen=seen, before=before, actor="jira-admin", now=self.now
        )

    def report(self, number, *, days, level=Severity.HIGH):
        at = self.now - timedelta(days=days)
        events = (
            Event(kind=EventKind.REPORTED, at=at, source="jira:created"),
            Event(kind=EventKind.SEVERITY_SET, at=at, source="jira:1", severity=level),
        )
        key = f"SEC-{number}"
        record = IssueRecord(IssueId(number), key, 10000, Tracking.TRACKED, None, None, self.now, events)
        with self.worker.begin(self.tenant) as uow:
            uow.issues.save(record, self.now)
            uow.commit(because=Bookkeeping.CLOCK_DERIVED)


@pytest.fixture
def make(register, roles, now):
    return lambda: Site(register(), roles, now)


@pytest.fixture
def site(make):
    return make()


def test_what_numbers_would_do_is_told_by_severity_and_nothing_is_kept(site):
    site.report(1, days=20)
    site.report(2, days=3)
    site.report(3, days=3, level=Severity.LOW)
    found = site.candidate(a_high="14", a_low="170")
    impact = site.numbers.impact(site.tenant, found, now=site.now)
    tallies = {level: (tally.moved, tally.breached) for level, tally in impact.found.by_severity.items()}
    assert tallies == {Severity.HIGH: (2, 1), Severity.LOW: (1, 0)}
    assert (site.policy, site.choices.at_hand(site.tenant, most_own=5)[-1].key) == (BASE, "kencha")


def test_saved_numbers_are_a_version_by_which_every_clock_is_counted_and_explained(site):
    site.report(1, days=3)
    saved = site.save(a_high="14")
    assert site.policy == saved.ref
    views = IssueViews(site.worker, site.choices.in_force, site.worker.notices_of)
    view = views.view(site.tenant, IssueId(1), now=site.now)
    assert (view.policy.name, view.policy.version, view.policy.sha256) == (f"{BASE}.own", 1, saved.ref.sha256)
    [clock] = view.clocks
    assert clock.bounds.due_at == site.now + timedelta(days=11)
    assert any("set by this site, version 1" in step.source for step in clock.why)
    recomputing = Recomputing(site.worker, site.choices.in_force)
    assert recomputing.advance(site.tenant, now=site.now).written == 1
    assert (site.choices.remaking(site.tenant).behind, recomputing.advance(site.tenant, now=site.now).written) == (0, 0)
    assert [subject.name for subject in views.subjects(saved.ref)] == [f"{site.tenant}/SEC-1"]


def test_numbers_of_one_site_are_nobody_elses(site, make):
    other = make()
    site.save(a_high="14")
    other.save(a_high="7")
    assert {each.in_force.name for each in (site, other)} == {f"{BASE}.own"}
    high = [each.in_force.promise(FIX).rule.terms[0].tables[-1].amounts[Severity.HIGH] for each in (site, other)]
    assert high == [14, 7]
    theirs = OwnPolicy(site.tenant, BASE, other.policy.sha256)
    with pytest.raises(LookupError):
        site.choices.in_force(theirs)
    with pytest.raises(LookupError):
        site.choices.find(site.tenant, "own-2")


def test_each_version_stays_as_it_was_and_can_be_put_in_force_again(site):
    first = site.save(a_high="14")
    second = site.save(a_high="7")
    assert (second.force.policy.version, site.policy) == (2, second.ref)
    [*_, newest, oldest] = site.choices.at_hand(site.tenant, most_own=5)
    assert [newest.key, oldest.key, oldest.policy.sha256] == ["own-2", "own-1", first.ref.sha256]
    site.choices.choose(site.tenant, "own-1", before=second.ref.sha256, actor="jira-admin", now=site.now)
    assert site.policy == first.ref
    assert site.save(a_high="7").force.policy.version == 3
    with site.web.begin(site.tenant) as uow, pytest.raises(DBAPIError):
        uow._connection.execute(text("UPDATE app.policy_texts SET version = 9"))


def test_the_numbers_at_hand_are_the_policy_at_hand_again(site):
    site.save(a_high="14")
    assert site.save() is None
    assert site.policy == BASE


@pytest.mark.parametrize("own", [None, "14"])
def test_numbers_that_are_in_force_are_not_saved_once_more(site, own):
    if own:
        site.save(a_high=own)
    with pytest.raises(NumbersRefused, match="in force already"):
        site.candidate(a_high=own or "28")


def test_nothing_is_saved_that_nobody_has_seen_the_effect_of(site):
    found = site.candidate(a_high="14")
    seen, before = found.ref.sha256, site.in_force.sha256
    for wrong in (
        {"seen": seen, "a_high": "13"},
        {"seen": "", "a_high": "14"},
        {"seen": seen, "before": "0" * 64, "a_high": "14"},
    ):
        with pytest.raises(VersionConflict):
            site.save(**wrong)
    site.save(a_low="170")
    with pytest.raises(VersionConflict):
        site.save(seen=seen, before=before, a_high="14")


@pytest.mark.parametrize(("fields", "where"), [({"a_high": "29"}, "a_high"), ({"a_low": "0"}, "a_low")])
def test_what_gives_more_time_or_none_is_refused_at_its_field(site, fields, where):
    with pytest.raises(NumbersRefused) as refused:
        site.save(seen="x", **fields)
    assert [fault.name for fault in refused.value.faults] == [where]
    assert site.policy == BASE


def test_a_promise_without_a_clock_on_issues_has_no_numbers_here(site):
    with pytest.raises(LookupError):
        site.numbers.candidate(site.tenant, "incident-notice-atlassian", FORM, now=site.now)
    assert [each.promise for each in site.numbers.promises(site.tenant)] == [FIX]


def test_a_site_has_so_many_versions_and_no_more(site, monkeypatch):
    site.save(a_high="14")
    monkeypatch.setattr(own_numbers, "MOST_VERSIONS", 1)
    with pytest.raises(NumbersRefused, match="put an earlier one in force"):
        site.candidate(a_high="7")


def test_a_newer_text_of_the_policy_at_hand_changes_no_version_and_is_told(site):
    site.save(a_high="14")
    before = site.in_force
    newer = OwnNumbers(site.choices, lambda name: text_of(name) + "\n# newer\n")
    assert (site.numbers.is_behind(site.tenant), newer.is_behind(site.tenant)) == (False, True)
    assert PolicyShelf(text_of, site.web.policy_texts).in_force(site.policy).policy == before
    again = newer.candidate(site.tenant, FIX, FORM | {"a_high": "14"}, now=site.now)
    assert "# newer" in again.texts[BASE]
