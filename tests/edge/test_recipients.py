"""Who is told, as administrators keep the list over HTTP, and the one click by which somebody ends it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import requests

from app import wiring
from app.domain.notices.letters import Letters
from tests.stories.conftest import UsedSite

ENTRY = {"label": "On call", "address": "planted-address@example.com", "zone": "Europe/Berlin", "severities": ["high"]}
PATH = "/api/v1/recipients"


@dataclass
class Desk:
    """The running product without a worker, two sites, and requests of their people."""

    stack: object
    services: object

    def ask(self, method, path, *, account="admin", site="genchi", **sent):
        token = self.stack.token(site, kind="context", account=account)
        headers = {"Authorization": f"JWT {token}"}
        return requests.request(method, self.stack.url + path, headers=headers, timeout=30, **sent)

    def add(self, site="genchi", **changes):
        answer = self.ask("POST", PATH, site=site, json=ENTRY | changes)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def listed(self, site="genchi"):
        return self.ask("GET", PATH, site=site).json()["recipients"]

    def entries(self, action):
        return self.stack.database.rows("SELECT actor, target, detail FROM app.audit_entries WHERE action = %s", action)

    def link_of(self, recipient):
        """As the next message to them would have it."""
        letters: Letters = self.services.telling.letters
        tenant = UsedSite(self.stack, "genchi").tenant
        return f"/unsubscribe/{letters._new_link(tenant, recipient['id'], now=datetime.now(UTC))}"


@pytest.fixture(scope="module")
def desk(make_stack):
    with make_stack(worker=False) as stack, pytest.MonkeyPatch.context() as environment:
        for name in [name for name in stack.env if name.startswith("PLEDGE_")]:
            environment.setenv(name, stack.env[name])
        for site in ("genchi", "kencha"):
            stack.install(site)
        with wiring.Operations().services() as services:
            yield Desk(stack, services)


def test_an_administrator_adds_sees_and_removes_somebody(desk):
    made = desk.add()
    assert made in desk.listed()
    assert (made["label"], made["standing"], made["zone"]) == ("On call", "active", "Europe/Berlin")
    assert desk.ask("DELETE", f"{PATH}/{made['id']}").status_code == 204
    assert made["id"] not in str(desk.listed())
    assert desk.ask("DELETE", f"{PATH}/{made['id']}").status_code == 404
    for action in ("recipient.added", "recipient.removed"):
        assert ("administrator", f"recipient/{made['id']}", {}) in desk.entries(action)


def test_an_address_is_taken_and_never_shown_nor_stored_in_the_open(desk):
    made = desk.add()
    assert "planted-address" not in str([made, desk.listed()])
    rows = desk.stack.database.rows(
        "SELECT t::text FROM app.recipients t UNION ALL SELECT t::text FROM app.audit_entries t"
    )
    assert "planted-address" not in str(rows)
    sealed = "SELECT count(*) FROM app.sealed_secrets WHERE purpose = 'mail-address' AND row_id = %s"
    assert desk.stack.database.rows(sealed, f"recipient/{made['id']}") == [(1,)]
    desk.ask("DELETE", f"{PATH}/{made['id']}")
    assert desk.stack.database.rows(sealed, f"recipient/{made['id']}") == [(0,)]


@pytest.mark.parametrize("account", ["developer", "lead", "outsider"])
def test_nobody_but_an_administrator_sees_or_changes_the_list(desk, account):
    made = desk.add()
    asked = [("GET", PATH, {}), ("POST", PATH, {"json": ENTRY}), ("DELETE", f"{PATH}/{made['id']}", {})]
    for method, path, sent in asked:
        assert desk.ask(method, path, account=account, **sent).status_code == 403
    assert made in desk.listed()


def test_another_tenants_recipient_is_nobody(desk):
    made = desk.add()
    assert made not in desk.listed("kencha")
    theirs = desk.ask("DELETE", f"{PATH}/{made['id']}", site="kencha")
    nobody = desk.ask("DELETE", f"{PATH}/00000000-0000-4000-8000-000000000000", site="kencha")
    assert theirs.status_code == nobody.status_code == 404
    assert theirs.json() | {"trace_id": ""} == nobody.json() | {"trace_id": ""}
    assert made in desk.listed()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"label": "x", "address": "a@example.com\r\nBcc: b@example.com"}, "body_malformed"),
        ({"label": "x", "address": "a@example.com", "more": 1}, "body_malformed"),
        ({"label": "x"}, "recipient_unfit"),
        ({"label": "x", "medium": "jira_comment", "address": "a@example.com"}, "recipient_unfit"),
    ],
)
def test_what_is_not_as_documented_is_refused(desk, body, code):
    answer = desk.ask("POST", PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_an_id_that_is_none_is_refused(desk):
    assert desk.ask("DELETE", f"{PATH}/1%20OR%201=1").status_code == 400


def test_looking_at_the_link_changes_nothing_and_one_click_ends_it(desk):
    made = desk.add()
    url = desk.stack.url + desk.link_of(made)
    looked = requests.get(url, timeout=30)
    assert (looked.status_code, made in desk.listed()) == (200, True)
    assert "form-action 'self'" in looked.headers["Content-Security-Policy"]
    assert '<form method="post">' in looked.text
    clicked = requests.post(url, data={"List-Unsubscribe": "One-Click"}, timeout=30)
    assert clicked.status_code == 200
    [shown] = [each for each in desk.listed() if each["id"] == made["id"]]
    assert shown["standing"] == "unsubscribed"
    sealed = "SELECT count(*) FROM app.sealed_secrets WHERE row_id = %s"
    assert desk.stack.database.rows(sealed, f"recipient/{made['id']}") == [(0,)]
    assert ("recipient", f"recipient/{made['id']}", {}) in desk.entries("recipient.unsubscribed")
    again = requests.post(url, timeout=30)
    assert (again.status_code, again.text) == (200, clicked.text)


def test_a_link_that_nobody_knows_gets_the_very_same_answers(desk):
    known, unknown = desk.stack.url + desk.link_of(desk.add()), f"{desk.stack.url}/unsubscribe/{'x' * 43}"
    for ask in (requests.get, requests.post):
        ours, nobodys = ask(known, timeout=30), ask(unknown, timeout=30)
        assert (ours.status_code, ours.text) == (nobodys.status_code, nobodys.text)
        counted = {"Date", "RateLimit"}
        assert {n: v for n, v in ours.headers.items() if n not in counted} == {
            n: v for n, v in nobodys.headers.items() if n not in counted
        }


def test_a_calendars_token_unsubscribes_nobody_and_an_unsubscribing_one_opens_no_calendar(desk):
    made = desk.add()
    token = desk.link_of(made).rpartition("/")[2]
    assert requests.get(f"{desk.stack.url}/calendar/{token}.ics", timeout=30).status_code == 404
    feed = desk.ask("POST", "/api/v1/calendar", account="developer").json()["url"]
    token = feed.rpartition("/")[2].removesuffix(".ics")
    requests.post(f"{desk.stack.url}/unsubscribe/{token}", timeout=30)
    assert requests.get(feed, timeout=30).status_code == 200
    assert made in desk.listed()


def test_old_links_are_forgotten_and_those_of_recent_messages_stay(desk):
    made = desk.add()
    old = desk.link_of(made).rpartition("/")[2]
    ages = "UPDATE registry.links SET made_at = made_at - interval '181 days' WHERE subject = %s"
    desk.stack.database.execute(ages, made["id"])
    recent = desk.link_of(made)
    requests.post(f"{desk.stack.url}/unsubscribe/{old}", timeout=30)
    assert made in desk.listed()
    requests.post(desk.stack.url + recent, timeout=30)
    assert made not in desk.listed()
