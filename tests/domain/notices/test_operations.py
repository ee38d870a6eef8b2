"""What is told, to whom, how often, over a real mail server; and what a kill, a failure or a flood changes in that."""

import threading
from dataclasses import replace
from datetime import time, timedelta

import pytest

from app.domain.audit.entry import Bookkeeping
from app.domain.clocks.model import Outcome, Severity
from app.domain.identifiers import IssueId
from app.domain.notices.model import AT_RISK, BREACHED, REMINDED, IssueNotices, Medium, Quiet, Rhythm
from app.domain.notices.ports import MediumUnavailable, NotDelivered
from app.domain.secrets import VaultCannotAnswer
from app.outbound.mail import MailChannel
from tests.domain.notices.conftest import DAY, NOW
from tests.stored_bounds import save_bounds

HOUR = timedelta(hours=1)
NIGHT = Quiet(time(20), time(7))


class Killed(BaseException):
    """As if the process had ended here."""


def test_a_breach_is_told_once_with_key_severity_due_and_link_and_nothing_else(site):
    site.person()
    site.clock(due=NOW - HOUR)
    assert [site.tell(), site.tell(), site.tell(NOW + HOUR)] == [1, 0, 0]
    [message] = site.box.messages
    assert message["Subject"] == "[Pledge] SEC-1 High: overdue for 60 minutes"
    url = message["List-Unsubscribe"].strip("<>")
    assert message.get_content().splitlines() == [
        "SEC-1  High: overdue for 60 minutes (Fri 20 Nov 2026, 08:00 UTC)",
        "  Security bug fix: the deadline has passed.",
        f"  {site.url}/browse/SEC-1",
        "",
        "-- ",
        f"An administrator of {site.url} has Pledge send this to you.",
        f"Not any more: {url}",
    ]


def test_what_is_crossed_later_is_told_later(site):
    site.person()
    site.clock(due=NOW)
    days = [-6, -5, -4, -2, -1, 0, 0.1, 1.1, 2.1, 2.2, 7.1, 8.1, 9.1, 14.1]
    sent = [site.tell(NOW + day * DAY) for day in days]
    assert sent == [0, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 1]
    assert len({message["References"] for message in site.box.messages}) == 1


def test_many_clocks_are_one_message_for_each_who_is_to_know(site):
    site.person("a@example.com")
    site.person("b@example.com", severities=frozenset({Severity.LOW}))
    site.person("c@example.com", projects=frozenset({7}))
    for number in range(1, 61):
        site.clock(number, due=NOW - number * HOUR, severity=Severity.LOW if number <= 3 else Severity.HIGH)
    assert site.tell() == 2
    [all_of_them], [low] = site.box.to("a@example.com"), site.box.to("b@example.com")
    assert all_of_them["Subject"] == "[Pledge] 60 deadlines, 50 or more overdue"
    assert all_of_them.get_content().count("/browse/SEC-") == 50
    assert "And 10 more" in all_of_them.get_content()
    assert low["Subject"] == "[Pledge] 3 deadlines overdue"


@pytest.mark.parametrize(
    "change",
    [
        {"stopped_at": NOW, "outcome": Outcome.MET},
        {"stopped_at": NOW, "outcome": Outcome.CANCELLED},
        {"due_at": NOW + 100 * DAY, "at_risk_at": NOW + 80 * DAY},
    ],
    ids=["met", "cancelled", "extended"],
)
def test_what_is_no_longer_true_when_the_message_goes_is_not_told(site, change):
    site.person(quiet=NIGHT)
    night = NOW.replace(hour=23)
    bounds = site.clock(due=night - HOUR)
    assert site.tell(night) == 0
    with site.worker.begin(site.tenant) as uow:
        save_bounds(uow, 10001, security_bug_fix=[replace(bounds, **change)])
        uow.commit(because=Bookkeeping.CLOCK_DERIVED)
    assert site.tell(night + 10 * HOUR) == 0
    assert site.box.messages == []
    assert site.rows("SELECT count(*) FROM app.notices WHERE tenant_id = %s", site.tenant) == [(0,)]


def test_what_is_paused_when_the_message_goes_waits(site):
    site.person(quiet=NIGHT)
    night = NOW.replace(hour=23)
    bounds = site.clock(due=night + DAY)
    assert site.tell(night) == 0
    for since, expected in ((night, 0), (None, 1)):
        with site.worker.begin(site.tenant) as uow:
            paused = replace(bounds, paused_since=since)
            save_bounds(uow, 10001, security_bug_fix=[paused])
            uow.commit(because=Bookkeeping.CLOCK_DERIVED)
        assert site.tell(night + 10 * HOUR) == expected


def test_nobody_is_woken_but_for_a_clock_of_72_hours(site):
    site.person(quiet=NIGHT)
    night = NOW.replace(hour=23)
    site.clock(1, due=night - HOUR)
    site.clock(2, due=night - HOUR, given=72 * HOUR)
    assert site.tell(night) == 1
    assert [message["Subject"].split()[1] for message in site.box.messages] == ["SEC-2"]
    assert site.tell(night + 10 * HOUR) == 1
    assert [message["Subject"].split()[1] for message in site.box.messages] == ["SEC-2", "SEC-1"]


def test_a_day_is_one_message_for_whoever_wants_it_so_and_the_newest_threshold_counts(site):
    site.person(rhythm=Rhythm.DAILY)
    site.clock(1, due=NOW - HOUR)
    assert site.tell() == 1
    site.clock(2, due=NOW + HOUR)
    assert [site.tell(NOW + hours * HOUR) for hours in (1, 2, 14)] == [0, 0, 0]
    assert site.tell(NOW + 16 * HOUR) == 1
    assert site.box.subjects[-1] == "[Pledge] SEC-2 High: overdue for 15 hours"


def test_imports_and_recomputations_tell_nobody(site):
    site.person()
    site.clock(1, due=NOW - 30 * DAY, silent_before=NOW)
    site.clock(2, due=NOW + HOUR, silent_before=NOW)
    assert site.tell(NOW + timedelta(minutes=15)) == 0
    assert site.tell(NOW + 2 * HOUR) == 1
    assert site.box.subjects == ["[Pledge] SEC-2 High: overdue for 60 minutes"]


def test_whoever_is_added_is_not_told_of_what_was_before(site):
    site.clock(due=NOW - 3 * DAY)
    site.person(added_at=NOW)
    assert [site.tell(), site.tell(NOW + 1.1 * DAY)] == [0, 1]


def test_a_site_that_uninstalled_is_told_nothing(site, shared):
    site.person()
    site.clock(due=NOW - HOUR)
    state = "UPDATE registry.connect_installations SET state = %s WHERE tenant_id = %s"
    shared.execute(state, "uninstalled", site.tenant)
    assert (site.tell(), site.telling.wake(now=NOW) >= 0) == (0, True)
    assert site.box.messages == []
    shared.execute(state, "active", site.tenant)


def test_a_tenant_with_nobody_to_tell_has_no_job(site, shared):
    queued = "SELECT count(*) FROM jobs.procrastinate_jobs WHERE task_name = 'tell-people' AND args ->> 'tenant' = %s"
    site.telling.wake(now=NOW)
    assert shared.rows(queued, str(site.tenant)) == [(0,)]
    site.person()
    site.telling.wake(now=NOW)
    assert shared.rows(queued, str(site.tenant)) == [(1,)]


def kill(*_):
    raise Killed


def test_killed_after_noting_nothing_is_lost(site, monkeypatch):
    site.person()
    site.clock(due=NOW - HOUR)
    monkeypatch.setattr(type(site.telling), "_send", kill)
    with pytest.raises(Killed):
        site.tell()
    monkeypatch.undo()
    assert [site.tell(), site.tell(NOW + HOUR)] == [1, 0]
    assert len(site.box.messages) == 1


def test_killed_before_sending_it_is_sent_once_when_the_lease_is_over(site, monkeypatch):
    site.person()
    site.clock(due=NOW - HOUR)
    monkeypatch.setattr(MailChannel, "_deliver", kill)
    with pytest.raises(Killed):
        site.tell()
    monkeypatch.undo()
    assert [site.tell(NOW + timedelta(minutes=minutes)) for minutes in (1, 29, 30, 60)] == [0, 0, 1, 0]
    assert len(site.box.messages) == 1


def test_killed_between_sending_and_marking_it_comes_again_under_the_same_name_with_nothing_added(site, monkeypatch):
    """The one moment in which somebody may be told twice: mail programs show such a message once."""
    site.person()
    site.clock(1, due=NOW - HOUR)
    with monkeypatch.context() as patch:
        patch.setattr("app.store.notices.SqlNotices.settle", kill)
        with pytest.raises(Killed):
            site.tell()
    site.clock(2, due=NOW + HOUR)
    later = NOW + 2 * HOUR
    assert [site.tell(later), site.tell(later)] == [2, 0]
    first, again, other = site.box.messages
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert [message["Subject"].split()[1] for message in site.box.messages] == ["SEC-1", "SEC-1", "SEC-2"]


def test_workers_at_once_send_one_message(site):
    for number in range(3):
        site.person(f"person{number}@example.com")
    for number in range(1, 30):
        site.clock(number, due=NOW - HOUR)
    start, sent = threading.Barrier(4), []

    def work():
        start.wait()
        sent.append(site.tell())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sent) == 3
    assert sorted(message["To"] for message in site.box.messages) == [f"person{n}@example.com" for n in range(3)]
    assert {message["Subject"] for message in site.box.messages} == {"[Pledge] 29 deadlines overdue"}


def test_while_the_mail_server_is_gone_everything_waits_and_then_goes_out_once(site):
    site.person("a@example.com")
    site.person("b@example.com")
    site.clock(due=NOW - HOUR)
    gone = {medium: MailChannel("smtp://127.0.0.1:1", sender="p@example.org") for medium in site.telling.channels}
    for minutes in (0, 5, 30):
        with pytest.raises(MediumUnavailable):
            site.tell(NOW + timedelta(minutes=minutes), channels=gone)
    assert site.tell(NOW + 4 * HOUR) == 2
    assert sorted(message["To"] for message in site.box.messages) == ["a@example.com", "b@example.com"]


def test_one_mailbox_that_is_full_holds_up_no_other_and_gets_its_message_later(site):
    site.person("full@example.com")
    site.person("b@example.com")
    site.clock(due=NOW - HOUR)
    site.box.codes = {"full@example.com": 452}
    with pytest.raises(NotDelivered):
        site.tell()
    assert len(site.box.to("b@example.com")) == 1
    site.box.codes = {}
    assert [site.tell(NOW + timedelta(minutes=minutes)) for minutes in (4, 5, 20)] == [0, 1, 0]
    assert len(site.box.to("full@example.com")) == 1


def test_a_mailbox_that_is_refused_for_good_is_flagged_and_gets_no_more(site):
    gone = site.person("gone@example.com")
    site.clock(due=NOW - HOUR)
    site.box.codes = {"gone@example.com": 550}
    assert site.tell() == 0
    [shown] = site.people.list_all(site.tenant)
    assert (shown.recipient, shown.standing) == (gone.recipient, "refused")
    site.box.codes = {}
    assert site.tell(NOW + 2 * DAY) == 0
    assert ("recipient.refused", {}) in site.actions()


def test_an_address_that_does_not_open_holds_up_nobody_else(site, shared):
    site.person("a@example.com")
    broken = site.person("b@example.com")
    flip = (
        "UPDATE app.sealed_secrets SET envelope = set_bit(envelope, 200, 1 - get_bit(envelope, 200)) WHERE row_id = %s"
    )
    shared.execute(flip, f"recipient/{broken.recipient}")
    site.clock(due=NOW - HOUR)
    with pytest.raises(VaultCannotAnswer):
        site.tell()
    assert [message["To"] for message in site.box.messages] == ["a@example.com"]
    shared.execute(flip, f"recipient/{broken.recipient}")
    assert site.tell(NOW + HOUR) == 1


def test_a_flood_is_cut_and_told_to_whoever_oversees_and_nothing_is_lost(site):
    overseer = site.person("overseer@example.com", is_overseer=True)
    for number in range(7):
        site.person(f"person{number}@example.com")
    site.clock(due=NOW - HOUR)
    assert site.tell(cap=3) == 3
    assert "[Pledge] 3 messages sent, 5 people wait" in site.box.subjects
    assert ("notices.capped", {"sent": 3, "waiting": 5}) in site.actions()
    assert [site.tell(NOW + timedelta(minutes=15 * run), cap=3) for run in (1, 2, 3)] == [3, 2, 0]
    told = [message["To"] for message in site.box.messages if "SEC-1" in message["Subject"]]
    assert len(told) == len(set(told)) == 8
    assert overseer.is_overseer


def test_the_log_counts_messages_and_names_no_address(site):
    person = site.person()
    site.clock(due=NOW - HOUR)
    site.tell()
    entries = site.actions()
    assert ("notices.sent", {"medium": "mail", "notices": 1, "attempt": 1}) in entries
    assert "example.com" not in str(entries).replace(site.url, "")
    targets = site.rows("SELECT target FROM app.audit_entries WHERE action = 'notices.sent'")
    assert (f"recipient/{person.recipient}",) in targets


def test_who_reads_the_database_learns_no_address_and_no_link(site, shared):
    site.person("planted-address@example.com")
    site.clock(due=NOW - HOUR)
    site.tell()
    [message] = site.box.messages
    token = message["List-Unsubscribe"].strip("<>").rpartition("/")[2]
    tables = shared.rows("SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('app', 'registry')")
    text = str([shared.rows(f"SELECT t::text FROM {table} t") for (table,) in tables])  # noqa: S608  our own tables
    for secret in ("planted-address", token):
        assert secret not in text
        assert secret.encode().hex() not in text
    assert len(token) >= 43


def told(site, issue=10001):
    """Of that issue, as its panel asks for it, on the connection of a web process."""
    found = site.web.notices_of(site.tenant, IssueId(issue))
    return found, {each.threshold: (each.medium, each.recipients, each.told_at) for each in found.told}


def test_who_was_told_is_counted_by_threshold_and_outlives_the_recipients(site):
    people = [site.person(f"{name}@example.com") for name in "ab"]
    site.person("low@example.com", severities=frozenset({Severity.LOW}))
    site.clock(due=NOW)
    for day in (-1, 0.1, 1.1, 2.1):
        site.tell(NOW + day * DAY)
    for person in people:
        site.people.remove(site.tenant, person.recipient, actor="administrator", now=NOW)
    found, counts = told(site)
    assert (found.recipients, found.waiting) == (1, ())
    assert counts == {
        AT_RISK: (Medium.MAIL, 2, NOW - DAY),
        BREACHED: (Medium.MAIL, 2, NOW + 0.1 * DAY),
        REMINDED: (Medium.MAIL, 2, NOW + 2.1 * DAY),
    }


def test_a_breach_that_is_told_again_after_an_extension_is_counted_anew(site):
    people = [site.person(f"{name}@example.com") for name in "ab"]
    bounds = site.clock(due=NOW - HOUR)
    site.tell()
    site.people.remove(site.tenant, people[0].recipient, actor="administrator", now=NOW)
    with site.worker.begin(site.tenant) as uow:
        later = replace(bounds, due_at=NOW + 3 * HOUR, at_risk_at=NOW + 2 * HOUR)
        save_bounds(uow, 10001, security_bug_fix=[later])
        uow.commit(because=Bookkeeping.CLOCK_DERIVED)
    site.tell(NOW + 4 * HOUR)
    assert told(site)[1] == {BREACHED: (Medium.MAIL, 1, NOW + 4 * HOUR)}


def test_what_was_not_delivered_is_told_as_waiting_and_a_refused_mailbox_as_nothing(site):
    site.person("full@example.com")
    site.person("gone@example.com")
    site.person("asleep@example.com", quiet=NIGHT)
    night = NOW.replace(hour=23)
    site.clock(due=night - HOUR)
    site.box.codes = {"full@example.com": 452, "gone@example.com": 550}
    with pytest.raises(NotDelivered):
        site.tell(night)
    found, counts = told(site)
    assert (found.recipients, counts) == (2, {})
    waiting = {each.again_at: (each.promise, each.cycle, each.medium, each.recipients) for each in found.waiting}
    one = ("security-bug-fix", 1, Medium.MAIL, 1)
    assert waiting == {None: one, night + timedelta(minutes=5): one}


def test_a_message_that_had_no_address_any_more_told_nobody(site, shared):
    person = site.person()
    site.clock(due=NOW - HOUR)
    shared.execute("DELETE FROM app.sealed_secrets WHERE row_id = %s", f"recipient/{person.recipient}")
    site.tell()
    assert "notices.dropped" in dict(site.actions())
    assert told(site)[0].told == told(site)[0].waiting == ()


def test_of_a_long_message_only_what_it_names_was_told(site):
    site.person()
    for number in range(1, 53):
        site.clock(number, due=NOW - number * HOUR)
    site.tell()
    assert [len(told(site, 10000 + number)[0].told) for number in (52, 3, 2, 1)] == [1, 1, 0, 0]


def test_another_tenants_issue_of_the_same_number_says_nothing_of_this_one(site, roles, mail, keyring_file, shared):
    other = type(site)(roles, mail, keyring_file, shared.rows)
    site.person()
    for each in (site, other):
        each.clock(due=NOW - HOUR)
        each.tell()
    assert (len(told(site)[0].told), told(other)[0]) == (1, IssueNotices(0, (), ()))


def test_dates_and_times_are_those_of_the_readers_zone(site):
    site.person("tokyo@example.com", zone="Asia/Tokyo")
    site.clock(1, due=NOW - HOUR)
    site.tell()
    [message] = site.box.messages
    assert "(Fri 20 Nov 2026, 17:00 JST)" in message.get_content()


def test_another_tenants_run_tells_nothing_of_this_one(site, roles, mail, keyring_file, shared):
    site.person("ours@example.com")
    other = type(site)(roles, mail, keyring_file, shared.rows)
    other.person("theirs@example.com")
    other.clock(due=NOW - HOUR)
    assert (site.tell(), other.tell()) == (0, 1)
    assert [message["To"] for message in site.box.messages] == ["theirs@example.com"]
