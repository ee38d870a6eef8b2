"""Every state of the panel in both hosts, in each look, 320 and 1280 pixels wide: readable by all, quiet, and in place.

`build/screens/state-*.png` are for a person to look at.
"""

from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import requests
from flask import Flask
from playwright.sync_api import expect

from app.domain.audit.entry import Bookkeeping
from app.store.database import SqlDatabase, open_engines
from descriptor import forge, forge_package
from tests.browser.looks import check
from tests.descriptor.conftest import APP_ID, CELLS, STATIC, TOOLS, packages  # noqa: F401  `packages` is a fixture
from tests.mail_server import MailServer

SITES = {"connect": "genchi", "forge": "genible"}
SUMMARY = (
    "\"><script>window.stolen = 1</script><img src=x onerror='window.stolen = 1'>"
    "\u202e\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u200b\u200d\ufeff \U0001f469\u200d\U0001f4bb\U0001f525 "
)
HOSTILE = SUMMARY + "m" * (300 - len(SUMMARY))


@pytest.fixture(scope="module")
def product(make_stack, packages, tmp_path_factory):  # noqa: F811  the fixture of that name
    """One running product, on a Connect site and on a Forge site, under a policy that allows pauses."""
    folder = tmp_path_factory.mktemp("forge")
    document = forge.render(app_id=APP_ID, cells=CELLS, migration=None)
    forge_package.write(folder, document=document, static=STATIC, tools=TOOLS)
    with MailServer() as mail, make_stack(module="tests.pausing_product", **settings(mail)) as running:
        running.mail = mail
        running.simulator.world.forge_ui = folder / forge.RESOURCE_PATH
        running.install(SITES["connect"])
        assert running.forge("install", SITES["forge"])["accepted"]
        for host in SITES:
            for number in (*range(1, 10), *range(12, 20)):
                known(running, host, f"SEC-{number}")
            decide(running, host, "SEC-5", kind="paused", reason="waiting for the vendor", clause="4.2")
            decide(running, host, "SEC-6", kind="extension_requested", reason="The fix needs a release")
        yield running


def settings(mail):
    return {"PLEDGE_POLICY": "pausing", "PLEDGE_SMTP_URL": mail.url, "PLEDGE_MAIL_FROM": "pledge@example.org"}


def clocks(product, host, issue):
    path = f"/api/v1/issues/{issue}/clocks"
    return product.get(path) if host == "connect" else product.invoke(path, issue=str(issue), site=SITES[host])


def known(product, host, key):
    issue = product.simulator.site(SITES[host]).issue(key).id
    product.eventually(lambda: clocks(product, host, issue).json()["tracking"] != "unknown")
    return issue


def decide(product, host, key, **decision):
    issue = product.simulator.site(SITES[host]).issue(key).id
    post(product, host, f"/api/v1/issues/{issue}/events", {"id": f"made-{key}"} | decision, issue=issue)


def post(product, host, path, body, *, issue=10001):
    site = SITES[host]
    if host == "connect":
        headers = {"Authorization": f"JWT {product.token(site, kind='context', account='admin')}"}
    else:
        headers = product.fit(site, kind="ui", account="admin", issue=str(issue))["headers"]
    answer = requests.post(product.url + path, json=body, headers=headers, timeout=30)
    assert answer.status_code == 201, answer.text


@pytest.fixture
def opened(product, watched):
    """An issue page in which the panel is the one of that host."""

    @contextmanager
    def open_(host, key, **options):
        wide = {"viewport": {"width": 1400, "height": 900}}
        with watched(product, key, site=SITES[host], **wide | options) as tab:
            yield tab

    return open_


def unfold(tab):
    """Everything that can be opened, but for the forms, which are states of their own."""
    for summary in tab.panel.locator("summary:not(#decide summary)").all():
        summary.click()


both_hosts = pytest.mark.parametrize("host", SITES)
STATES = {
    "running": ("SEC-1", "High · due in"),
    "at_risk": ("SEC-4", "High · due in"),
    "breached": ("SEC-3", "Critical · "),
    "paused": ("SEC-5", "Medium · paused with"),
    "extension_requested": ("SEC-6", "Low · due in"),
    "met": ("SEC-7", "High · met 8 d before due"),
    "met_late": ("SEC-8", "Medium · met 16 d late"),
    "cancelled": ("SEC-9", "Low · cancelled"),
    "reopened": ("SEC-13", "Medium · "),
    "no_deadline": ("SEC-15", "None · no deadline"),
    "awaiting_triage": ("SEC-18", "Severity not set · awaiting triage"),
    "not_tracked": ("SEC-19", "Not tracked"),
}


@both_hosts
@pytest.mark.parametrize("state", STATES)
def test_every_state_is_for_everybody_in_every_look_and_width(opened, axe, host, state):
    key, headline = STATES[state]
    with opened(host, key) as tab:
        expect(tab.headline).to_contain_text(headline)
        unfold(tab)
        check(tab, axe, f"state-{state}-{host}")


RECIPIENTS = (
    {"label": "On call", "address": "oncall@example.com"},
    {"label": "Product security", "address": "security@example.com"},
    {"label": "Out of room", "address": "full@example.com"},
    {"label": "Comments", "medium": "jira_comment"},
)
COUNTED = "SELECT coalesce(sum(recipients), 0)::int FROM app.told_counts"


def made_late(product, host):
    """An issue whose date passed half a day ago."""
    age_seconds = int(28.5 * 24 * 60 * 60)
    product.control("/control", advance_seconds=-age_seconds)
    fields = {"issuetype": "Vulnerability", "summary": "Late", "labels": ["security"], "cvss_score": 8.1}
    made = product.control(f"/sites/{SITES[host]}/issues", project="SEC", **fields)
    product.control("/control", advance_seconds=age_seconds)
    known(product, host, made["key"])
    return made["key"]


def tell_people(product):
    """As the schedule does it each quarter of an hour."""
    engines = open_engines(Flask("tell-people"), product.database.web, connections=1)
    database = SqlDatabase(engines, clock=lambda: datetime.now(UTC))
    with database.begin() as uow:
        tenants = uow.registry.list_active()
    for tenant in tenants:
        with database.begin(tenant) as uow:
            uow.enqueue("tell-people", tenant)
            uow.commit(because=Bookkeeping.TELLING_ASKED)
    engines.dispose()


@both_hosts
def test_a_breach_says_to_how_many_it_was_told_and_what_still_waits(product, opened, axe, host):
    for each in RECIPIENTS:
        post(product, host, "/api/v1/recipients", each)
    product.database.execute("UPDATE app.recipients SET added_at = now() - interval '1 year'")
    product.mail.box.codes = {"full@example.com": 452}
    key = made_late(product, host)
    [(before,)] = product.database.rows(COUNTED)
    tell_people(product)
    product.eventually(lambda: product.database.rows(COUNTED) == [(before + 3,)])
    with opened(host, key) as tab:
        expect(tab.panel).to_contain_text("Told by mail to 2 recipients of this site, by a comment on the issue")
        expect(tab.panel).to_contain_text("The mail to 1 recipient has not gone out yet. It is tried again, not before")
        unfold(tab)
        check(tab, axe, f"state-told-{host}")


@both_hosts
def test_an_issue_with_a_hostile_summary_has_a_clean_panel(product, opened, axe, host):
    fields = {"issuetype": "Vulnerability", "summary": HOSTILE, "labels": ["security"], "cvss_score": 8.1}
    made = product.control(f"/sites/{SITES[host]}/issues", project="SEC", **fields)
    known(product, host, made["key"])
    with opened(host, made["key"]) as tab:
        expect(tab.headline).to_contain_text("High · due in 27 d")
        unfold(tab)
        check(tab, axe, f"state-hostile-{host}")
        assert tab.frame.evaluate("window.stolen") is None


@both_hosts
def test_an_issue_that_was_not_read_yet_keeps_its_place(product, opened, axe, host):
    product.worker.stop()
    with opened(host, {"connect": "OPS-2", "forge": "OPS-3"}[host]) as tab:
        expect(tab.headline).to_have_text("Reading this issue from Jira…")
        check(tab, axe, f"state-unknown-{host}")
    product.worker.start()


@both_hosts
def test_access_that_cannot_be_confirmed_is_said_without_a_fact(product, opened, axe, host):
    product.control("/control", site=SITES[host], storm={"status": 503, "count": 1000, "retry_after": "absent"})
    with opened(host, "SEC-2", account="developer2") as tab:
        expect(tab.headline).to_have_text("Cannot confirm your access")
        check(tab, axe, f"state-unconfirmed-{host}")
    product.control("/control", site=SITES[host], storm=None)


@both_hosts
def test_a_lapsed_licence_shows_everything_and_offers_no_decision(product, opened, axe, host):
    url = f"{product.simulator.control_url}/sites/{SITES['forge']}/forge"

    def licence(value):
        if host == "connect":
            product.control("/control", site=SITES[host], license=value)
        else:
            requests.patch(url, json={"license": value}, timeout=30).raise_for_status()

    with opened(host, "SEC-1") as tab:
        licence("inactive")
        expect(tab.headline).to_contain_text("High · due in")
        tab.refresh()
        expect(tab.panel.get_by_role("heading", name="Licence lapsed: read only")).to_be_visible()
        expect(tab.panel.get_by_text("Decide about this clock")).to_have_count(0)
        check(tab, axe, f"state-read_only-{host}")
        licence("active")


CRITICAL = {"AV": "N", "AC": "L", "PR": "N", "UI": "N", "S": "U", "C": "H", "I": "H", "A": "H"}


def decisions(tab):
    """Where decisions are taken, once what is there was asked for."""
    tab.panel.get_by_text("Decide about this clock").click()
    place = tab.panel.locator("#decisions")
    expect(place.locator("[data-empty]")).to_have_count(0)
    return place


@both_hosts
def test_who_administers_is_offered_what_can_be_decided_and_every_form_can_be_read(opened, axe, host):
    with opened(host, "SEC-1", account="admin") as tab:
        place = decisions(tab)
        titles = [text.partition(":")[0] for text in place.locator("summary").all_inner_texts()]
        assert titles == [
            *("Triage", "Pause the clock", "Request an extension", "Link the AMS ticket", "Mark as fixed"),
            "Not affected",
        ]
        check(tab, axe, f"state-decide-{host}")
        for kind in ("triage", "paused", "extension_requested", "ams", "fixed", "cancelled"):
            place.locator(f"#decide-{kind}-summary").click()
        check(tab, axe, f"state-decide-not_affected-{host}")  # opening one closes the other
        place.locator("#decide-triage-summary").click()
        check(tab, axe, f"state-decide-triage-{host}")


@both_hosts
def test_who_may_only_look_is_told_who_may_decide(opened, axe, host):
    with opened(host, "SEC-1", account="developer2") as tab:
        expect(decisions(tab)).to_contain_text("for those who administer the project or Jira")
        check(tab, axe, f"state-decide-not_permitted-{host}")


@both_hosts
def test_a_triage_by_keyboard_alone_shows_score_and_dates_before_it_is_recorded(product, opened, axe, host):
    with opened(host, "SEC-12", account="admin") as tab:
        place = decisions(tab)
        tab.panel.locator("#decide-summary").focus()
        keyboard = tab.page.keyboard
        keyboard.press("Tab")
        assert tab.frame.evaluate("document.activeElement.id") == "decide-triage-summary"
        keyboard.press("Enter")
        low = CRITICAL | {"C": "L", "I": "N", "A": "N", "AV": "L"}
        for letters, letter in low.items():
            keyboard.press("Tab")
            assert tab.frame.evaluate("document.activeElement.name") == letters
            words = place.locator(f"[name={letters}] option[value={letter}]").inner_text()
            keyboard.type(words.partition(":")[0])
        keyboard.press("Tab")
        keyboard.type("Only the log can be read")
        keyboard.press("Enter")
        expect(place).to_contain_text("CVSS 4.0, medium")
        expect(place).to_contain_text("Before: due at")
        assert tab.frame.evaluate("document.activeElement.textContent") == "Triage: say how severe it is?"
        assert clocks(product, host, "10012").json()["severity"]["level"] == "critical"
        check(tab, axe, f"state-decide-review-{host}")
        place.locator("[data-focus]").focus()
        keyboard.press("Tab")
        keyboard.press("Enter")
        expect(place).to_contain_text("Recorded")
        expect(tab.headline).to_contain_text("Medium · due in")
        expect(tab.panel).to_contain_text("decided here")
        assert tab.frame.evaluate("document.activeElement.hasAttribute('data-recorded')")
        check(tab, axe, f"state-decide-recorded-{host}")
        place.get_by_role("button", name="Decide something else").click()
        expect(place).to_contain_text("Mark as fixed")


@both_hosts
def test_a_refused_decision_says_why_and_keeps_what_was_written(product, opened, axe, host):
    # Connect's browser notes the status of the refusal; Forge's bridge has none
    expected = [r"status of 409"] if host == "connect" else []
    with opened(host, "SEC-14", account="admin", expected=expected) as tab:
        place = decisions(tab)
        place.get_by_text("Pause the clock").click()
        place.locator("#decide-paused-reason").select_option("waiting for the vendor")
        place.get_by_label("Clause that allows it").fill("4.2")
        decide(product, host, "SEC-14", kind="paused", reason="waiting for the vendor")
        place.locator("#decide-paused").get_by_role("button", name="See what happens").click()
        expect(place.get_by_role("alert")).to_contain_text("is paused for 'waiting for the vendor' already")
        expect(place.get_by_label("Clause that allows it")).to_have_value("4.2")
        check(tab, axe, f"state-decide-refused-{host}")


@both_hosts
def test_a_form_that_is_being_filled_in_outlives_a_refresh(opened, host):
    with opened(host, "SEC-2", account="admin") as tab:
        place = decisions(tab)
        place.get_by_text("Request an extension").click()
        written = place.locator("#decide-extension_requested").get_by_label("Why", exact=True)
        written.fill("The fix needs a release")
        tab.refresh()
        expect(written).to_have_value("The fix needs a release")
        expect(written).to_be_focused()
