"""People decide about SEC-12 by form and by command, Atlassian's security project has its say; all is explained."""

import json
import re
import subprocess
import sys
from datetime import UTC, timedelta
from html import unescape

import pytest
import requests

from tests.edge.test_translation import SENTENCES

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
VENDOR = "waiting for the vendor"


class Desk:
    """One issue of a site whose policy allows pauses, and those who decide about it."""

    def __init__(self, site, issue):
        self.site, self.stack, self.issue = site, site.stack, issue
        self.key = site.seeded.issue(issue).key
        self.created = site.seeded.issue(issue).created.astimezone(UTC)

    def at(self, after):
        """That long after the report, as the API writes it."""
        return (self.created + after).isoformat().replace("+00:00", "Z")

    def day(self, days):
        return (self.created + days * DAY).date()

    def decide(self, kind, given_id, *, account="lead", after=None, **fields):
        """A person hands it in by form."""
        body = {"id": given_id, "kind": kind} | fields | ({} if after is None else {"at": self.at(after)})
        return self.post(body, account=account)

    def post(self, body, *, account="lead", token=None):
        token = token or self.site.token(kind="context", account=account)
        return requests.post(
            f"{self.stack.url}/api/v1/issues/{self.issue}/events",
            json=body,
            headers={"Authorization": f"JWT {token}"},
            timeout=30,
        )

    def pledge(self, *arguments):
        command = [sys.executable, "-m", "tests.pausing_product", "clocks", *map(str, arguments)]
        return subprocess.run(command, env=self.stack.env, capture_output=True, text=True, timeout=60)

    def command(self, *arguments):
        done = self.pledge(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ams(self, status, *arguments, after):
        where = (self.site.tenant, self.key, "--key", "AMS-123", "--status", status, "--at", self.at(after))
        return self.command("ams", *where, *arguments)

    def facts(self, *, account="developer"):
        return self.stack.get(f"/api/v1/issues/{self.issue}/events", account=account, site=self.site.name)

    def clock(self):
        [clock] = [clock for clock in self.site.clocks(self.issue).json()["clocks"] if clock["cycle"] == 1]
        return clock

    def stored(self):
        """The bounds of the first cycle as they are stored for searches."""
        query = "SELECT due_at, due_date, paused_since, outcome FROM app.clock_bounds WHERE issue_id = %s AND cycle = 1"
        return self.stack.database.rows(query, int(self.issue))[0]

    def audited(self):
        query = "SELECT actor, detail FROM app.audit_entries WHERE action = 'clock.decided' AND target = %s ORDER BY at"
        return self.stack.database.rows(query, f"issue/{self.issue}")


@pytest.fixture(scope="module")
def site(make_stack, used):
    with make_stack(module="tests.pausing_product", PLEDGE_POLICY="pausing") as stack:
        made = used(stack, "genchi")
        made.lifecycle("install")
        yield made


@pytest.fixture
def desk(site):
    """A seeded issue that has been read: `desk("10012")`."""

    def desk(issue):
        site.tracked(issue)
        return Desk(site, issue)

    return desk


def test_sec_12_is_paused_extended_triaged_again_bound_from_outside_and_explained(desk):
    sec_12 = desk("10012")
    created, day = sec_12.created, sec_12.day
    lead = sec_12.site.seeded.people["lead"].account_id
    assert sec_12.key == "SEC-12"

    lowered = {"severity": "high", "reason": "needs a login", "after": HOUR}
    assert sec_12.decide("severity_set", "again", **lowered).status_code == 201
    where = (sec_12.site.tenant, "SEC-12")
    pause = (*where, "paused", "--reason", VENDOR, "--clause", "§5", "--at", sec_12.at(2 * HOUR), "--actor", "kim")
    dry = sec_12.command("record", *pause, "--dry-run")
    assert dry.startswith("SEC-12: would record paused\n  security-bug-fix: running, due at ")
    assert "→ paused, due at " in dry
    assert sec_12.stored()[2] is None
    assert "SEC-12: recorded paused" in sec_12.command("record", *pause)
    assert sec_12.stored()[2] == created + 2 * HOUR
    assert sec_12.clock()["state"] == "paused"
    assert sec_12.decide("resumed", "on", after=14 * HOUR).status_code == 201
    assert sec_12.stored()[:1] == (created + 28 * DAY + 12 * HOUR,)

    link = ("--evidence", "https://ecosystem.example.com/browse/AMS-123")
    sec_12.ams("needs patch", "--due", day(20), *link, after=15 * HOUR)
    assert sec_12.clock()["due_date"] == str(day(20))
    asked = {"ticket": "AMS-123", "status": "Extension Requested", "after": 16 * HOUR}
    assert sec_12.decide("ams", "plan", **asked).status_code == 201
    assert sec_12.clock()["due_date"] == str(day(20))
    sec_12.ams("Needs Patch", "--due", day(40), *link, after=17 * HOUR)
    assert sec_12.clock()["due_date"] == str(day(40)) == str(sec_12.stored()[1])
    tighter = {"ticket": "AMS-124", "status": "Needs Patch", "due": str(day(35)), "after": 18 * HOUR}
    assert sec_12.decide("ams", "second", account="admin", **tighter).status_code == 201

    lines = sec_12.command("explain", *where).splitlines()
    said = [
        f"reported at {sec_12.at(0 * DAY)}: the clock starts.",
        f"critical = 10 days, elapsed: due at {sec_12.at(10 * DAY)}.",
        f"Severity goes from critical to high at {sec_12.at(HOUR)} by {lead}.",
        f"high = 28 days, elapsed: due at {sec_12.at(28 * DAY)}.",
        f"Held from {sec_12.at(2 * HOUR)} by kim: {VENDOR}.",
        f"Runs again from {sec_12.at(14 * HOUR)}, 43200 s paused so far",
        f"AMS-123 (Needs Patch) names due date {day(20)}, as operator reports: due on {day(20)}",
        "AMS-123 (Extension Requested)",
        f"Extension requested at {sec_12.at(16 * HOUR)} by {lead} (AMS-123 is in Extension Requested; evidence ",
        f"AMS-123 (Needs Patch) names due date {day(40)}, as operator reports: due at {sec_12.at(28.5 * DAY)}",
        f"Extended to {day(40)} by operator (AMS-123 went from {day(20)} to {day(40)}; evidence {link[1]})",
        f"AMS-124 (Needs Patch) names due date {day(35)}",
        "running, ",
    ]
    rest = iter(lines)
    assert [text for text in said if not any(text in line for line in rest)] == []
    assert lines[2].startswith(f"cycle 1: due on {day(35)}, before ")
    told = "\n".join(lines)
    assert "[§5] pauses allowed: waiting for the vendor, Needs Security Review: Held" in told
    assert all(source in told for source in ("<form:again>", "<form:on>", "<ams:AMS-123:", "<ams:AMS-124:second>"))

    facts = sec_12.facts().json()["events"]
    assert [fact["kind"] for fact in facts] == [
        "reported", "severity_set", "severity_set", "paused", "resumed", "external_bound", "external_bound",
        "extension_requested", "external_bound", "extended", "external_bound",
    ]  # fmt: skip
    assert facts[3] | {"source": ""} == {
        "kind": "paused", "at": sec_12.at(2 * HOUR), "source": "", "actor": "kim", "reason": VENDOR, "clause": "§5",
    }  # fmt: skip
    actors, details = zip(*sec_12.audited(), strict=True)
    assert set(actors) == {"person", "operator"}
    assert [detail["kinds"] for detail in details] == [
        "severity_set", "paused", "resumed", "external_bound", "external_bound extension_requested",
        "external_bound extended", "external_bound",
    ]  # fmt: skip
    assert lead not in json.dumps(details)


def test_nobody_decides_who_may_not_and_nothing_that_does_not_fit(desk):
    sec_4 = desk("10004")
    assert sec_4.decide("fixed", "x", account="outsider").status_code == 404
    assert sec_4.decide("fixed", "x", account="developer").status_code == 403
    assert sec_4.facts(account="outsider").status_code == 404
    refused = {
        (400, "decision_malformed"): [
            ({"kind": "met"}, "kind: is not one of triaged, severity_set, paused"),
            ({"kind": "paused"}, "id: is missing; reason: is missing"),
            ({"kind": "fixed", "id": "x", "at": "2026-02-12T09:00:00"}, "at: is not an instant with its zone"),
            ({"kind": "ams", "id": "x", "ticket": "AMS-1", "status": "Needs Coffee"}, "is not a known status of AMS"),
        ],
        (409, "decision_refused"): [
            ({"kind": "resumed", "id": "x"}, "the clock of security-bug-fix is not paused at that instant"),
            ({"kind": "paused", "id": "x", "reason": "lunch"}, "'lunch' is no reason for which security-bug-fix may"),
            ({"kind": "fixed", "id": "x", "at": "2999-01-01T00:00:00Z"}, "lies in the future"),
            ({"kind": "fixed", "id": "x", "at": "2001-01-01T00:00:00Z"}, "lies before the report"),
        ],
    }
    for outward, tries in refused.items():
        for body, detail in tries:
            answer = sec_4.post(body)
            assert (answer.status_code, answer.json()["code"]) == outward, answer.text
            assert detail in answer.json()["detail"]
    before = sec_4.facts().json()
    assert sec_4.facts().json() == before
    assert sec_4.audited() == []


def test_the_same_id_twice_is_one_decision_and_another_one_under_it_is_refused(desk):
    sec_5 = desk("10005")
    first = sec_5.decide("extension_requested", "once", reason="the vendor is late")
    assert (first.status_code, len(first.json()["recorded"])) == (201, 1)
    again = sec_5.decide("extension_requested", "once", reason="the vendor is late")
    assert (again.status_code, again.json()["recorded"]) == (200, [])
    other = sec_5.decide("extension_requested", "once", reason="we are late")
    assert (other.status_code, other.json()["code"]) == (409, "decision_reused")
    assert "once is that of another decision about SEC-5" in other.json()["detail"]
    assert len(sec_5.audited()) == 1


def test_an_issue_leaves_by_a_decision_for_good_and_comes_back_by_another(desk):
    sec_6 = desk("10006")
    due = sec_6.clock()["due_at"]
    left = sec_6.decide("untracked", "leave", account="admin", reason="not a product of ours")
    assert left.status_code == 201
    seen = sec_6.site.clocks("10006").json()
    assert (seen["tracking"], seen["clocks"][0]["state"]) == ("not_tracked", "cancelled")
    assert seen["clocks"][0]["cancelled"]["reason"] == "not a product of ours"
    sec_6.site.change("10006", status="Done", resolution="Fixed")
    sec_6.site.change("10006", status="To Do", resolution=None)
    seen = sec_6.site.read_again("10006")
    assert [clock["state"] for clock in seen["clocks"]] == ["cancelled"]
    refused = sec_6.decide("fixed", "late")
    assert (refused.status_code, "record `tracked` first" in refused.json()["detail"]) == (409, True)
    assert "not_tracked since" in sec_6.command("explain", sec_6.site.tenant, "SEC-6").splitlines()[0]
    assert sec_6.decide("tracked", "back", reason="it is ours after all").status_code == 201
    seen = sec_6.site.clocks("10006").json()
    assert seen["tracking"] == "tracked"
    assert [clock["state"] for clock in seen["clocks"]][-1] == "met"
    assert sec_6.clock()["due_at"] == due


def test_a_file_is_recorded_as_a_whole_or_not_at_all(desk, tmp_path):
    sec_1, sec_2 = desk("10001"), desk("10002")
    head = "issue,kind,id,at,reason,ticket,status,due"
    good = [
        f"SEC-1,resumed,p2,{sec_1.at(5 * HOUR)},,,,",
        f"SEC-1,paused,p1,{sec_1.at(2 * HOUR)},{VENDOR},,,",
        f"10002,ams,a1,{sec_2.at(HOUR)},,AMS-9,Needs Patch,{sec_2.day(5)}",
    ]
    bad = [
        "SEC-77,fixed,f1,,,,,",
        "SEC-1,resumed,p3,,,,,",
        "SEC-1,lunch,p4,,,,,",
        "nowhere,fixed,f2,,,,,",
        "SEC-1,fixed",
    ]
    file = tmp_path / "decisions.csv"
    tenant = sec_1.site.tenant

    file.write_text("\n".join([head, *good, *bad]))
    done = sec_1.pledge("import", tenant, file)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "line 5: SEC-77 is not tracked",
        "line 6: the clock of security-bug-fix is not paused at that instant",
        *[line for line in done.stdout.splitlines() if line.startswith("line 7: kind: is not one of ")],
        "line 8: issue: 'nowhere' is neither a key nor an id",
        "line 9: has not as many fields as the header",
        "nothing is recorded: 5 lines cannot be",
    ]
    assert len(done.stdout.splitlines()) == 6
    assert not any("csv:" in fact["source"] for fact in sec_1.facts().json()["events"])

    file.write_text("\n".join([head, *good]))
    assert "3 facts about 2 issues were recorded" in sec_1.command("import", tenant, file)
    assert sec_1.clock()["paused_seconds"] == 3 * 3600
    assert sec_2.clock()["due_date"] == str(sec_2.day(5))
    again = json.loads(sec_1.command("import", tenant, file, "--json"))
    assert (again["recorded"], again["known"]) == (0, 3)
    query = "SELECT detail FROM app.audit_entries WHERE action = 'clocks.imported'"
    [(detail,)] = sec_1.stack.database.rows(query)
    assert (detail["facts"], detail["issues"]) == (3, 2)


CRITICAL = {"AV": "N", "AC": "L", "PR": "N", "UI": "N", "S": "U", "C": "H", "I": "H", "A": "H"}
HOSTILE = "<script>alert(1)</script>\u202e\u200b\U0001f525 {{ 7 * 7 }}"


def sent(desk, account="lead", *, language="en", of="/decisions", **fields):
    """A form of the panel, as the browser sends it; without fields, the forms are asked for, or another part of it."""
    token = desk.site.token(kind="context", account=account)
    url = f"{desk.stack.url}/fragments/issue{of}?issueId={desk.issue}&issueKey={desk.key}"
    headers = {"Authorization": f"JWT {token}", "Accept-Language": language}
    return requests.request("POST" if fields else "GET", url, data=fields or None, headers=headers, timeout=30)


def test_the_panel_offers_forms_to_those_who_may_decide_and_tells_others_who_may(desk):
    sec_14 = desk("10014")
    offered = sent(sec_14)
    assert (offered.status_code, offered.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert [kind for kind in ("triage", "paused", "resumed", "fixed") if f'id="decide-{kind}"' in offered.text] == [
        "triage", "paused", "fixed",
    ]  # fmt: skip
    only_reads = sent(sec_14, account="developer")
    assert (only_reads.status_code, "<form" in only_reads.text) == (200, False)
    assert "those who administer the project or Jira" in only_reads.text
    assert sent(sec_14, account="outsider").status_code == 404


def test_a_triage_is_scored_and_shown_before_it_is_recorded_and_then_recorded_as_one(desk):
    sec_14 = desk("10014")
    form = {"kind": "triage", "id": "t1", "reason": "no account is needed"} | CRITICAL
    review = sent(sec_14, **form)
    assert (review.status_code, "CVSS 9.8, critical" in review.text, "would be" in review.text) == (200, True, True)
    assert sec_14.audited() == []
    for _ in range(2):
        done = sent(sec_14, **form, step="record")
        assert (done.status_code, "CVSS 9.8, critical" in done.text, "data-recorded" in done.text) == (200, True, True)
    [(actor, detail)] = sec_14.audited()
    assert (actor, detail["kinds"]) == ("person", "severity_set triaged")
    assert [fact["evidence"] for fact in sec_14.facts().json()["events"] if fact["source"].startswith("form:t1")] == [
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    ] * 2


def test_a_form_that_does_not_stand_comes_back_with_what_was_written_and_why(desk):
    sec_15 = desk("10003")
    hostile = {"reason": HOSTILE, "id": "x"}
    tries = [
        (400, {"kind": "met", "id": "x"}, "there is no such form"),
        (400, {"kind": "ams", "id": "x", "ticket": "AMS-1"}, "tatus: is missing"),
        (400, {"kind": "triage", "id": "x"} | CRITICAL | {"AV": "X"}, "very one of the eight metrics needs a value"),
        (400, {"kind": "reopened", "id": "x"}, "eason: is missing"),
        (400, {"kind": "extension_requested", "id": "x", "reason": "m" * 10_000}, "1 to 1000 characters"),
        (400, {"kind": "fixed", "id": "../x"}, "d: is not 1 to 100 letters"),
        (409, {"kind": "paused", "id": "x", "reason": VENDOR}, "a breach is not paused away"),
        (409, {"kind": "resumed", "id": "x"}, "is not paused at that instant"),
        (409, {"kind": "paused"} | hostile, "no reason for which security-bug-fix may pause"),
    ]
    for status, form, said in tries:
        answer = sent(sec_15, **form, step="record")
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (status, status)
        assert said in unescape(problem["html"]), form
        assert "<script>" not in problem["html"]
        assert "Nothing was recorded" in problem["html"]
    kept = sent(sec_15, kind="extension_requested", evidence=HOSTILE, id="x")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in kept.text
    refused = sent(sec_15, account="developer", kind="fixed", id="x", step="record")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")
    assert "those who administer the project or Jira" in refused.json()["html"]
    assert sent(sec_15, kind="fixed", id="x" * 20_000).status_code == 413
    assert sec_15.audited() == []


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"kind": "met"}, "Art: dieses Formular gibt es nicht."),
        ({"kind": "ams", "ticket": "AMS-1"}, "Status: fehlt."),
        ({"kind": "extension_requested", "reason": "m" * 10_000}, "Grund: ist kein Text aus 1 bis 1000 Zeichen."),
        ({"kind": "paused", "reason": VENDOR}, "Der Termin ist vorbei (fällig am "),
        (
            {"kind": "paused", "reason": "is missing"},
            "'is missing' ist kein Grund, aus dem security-bug-fix anhalten darf",
        ),
        ({"kind": "resumed"}, "Die Uhr von security-bug-fix ist zu diesem Zeitpunkt nicht angehalten."),
        ({"kind": "triage"}, "Jede der acht Metriken braucht einen Wert."),
    ],
)
def test_a_german_reader_is_told_in_german_why_a_form_does_not_stand(desk, form, said):
    problem = sent(desk("10003"), language="de", id="x", step="record", **form).json()
    assert said in unescape(problem["html"])
    assert problem["title"] in (
        "Die Entscheidung hat nicht die dokumentierte Form",
        "Die Zusage oder der Stand zu diesem Zeitpunkt erlaubt es nicht",
    )


def test_a_german_reader_is_told_in_german_why_the_date_is_what_it_is(desk):
    shown = unescape(sent(desk("10003"), language="de", of="").text)
    assert "beginnt, wenn gemeldet" in shown
    assert re.search(r": Die Uhr beginnt\.", shown)
    assert re.search(r"(kritisch|hoch|mittel|niedrig) = [0-9]+ Tage, verstrichene Zeit", shown)
    assert [sentence for sentence in SENTENCES if sentence in shown] == []
