"""A stranger's page that frames the panel stays empty; who may not see learns nothing; hostile text stays text."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import expect

HOSTILE_KEY = "<img/src=x/onerror=alert(1)>-1"
HOSTILE = "\"><script>window.stolen = 1</script><img src=x onerror='window.stolen = 1'>{{ 7 * 7 }}"
FACTS = ("High", "due in", "CVSS", "On track", "Why this date?")


@pytest.fixture(scope="module")
def attacker():
    """A page of another origin that frames what `?url=` names and tries to read it."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"<!doctype html><title>win a prize</title><iframe width=400 height=400></iframe>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def signed(product, key="SEC-1", *, account="developer", site="genchi"):
    """A panel's address with a token that is good for it."""
    address = f"{product.simulator.control_url}/sites/{site}/issues/{key}/panel"
    return requests.get(address, params={"as": account}, timeout=30).json()["urls"][0]


def framed_text(page, url):
    """What the frame of the open page shows once it was sent to that address."""
    with page.expect_event("framenavigated"):
        page.evaluate("(url) => { document.querySelector('iframe').src = url; }", url)
    frame = page.wait_for_selector("iframe").content_frame()
    frame.wait_for_load_state()
    return frame.locator("body").inner_text()


def assert_no_fact(text):
    assert [fact for fact in FACTS if fact in text] == []


@pytest.mark.parametrize("page_of", ["stranger", "another customer"])
def test_a_page_of_another_origin_that_has_a_valid_signed_address_frames_nothing(product, browser, attacker, page_of):
    page_url = attacker if page_of == "stranger" else f"{product.simulator.site('kencha').url}/browse/SEC-1"
    url = signed(product)
    with browser.new_context() as opened:
        page = opened.new_page()
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(page_url)
        answered = requests.get(url, timeout=30)
        assert (answered.status_code, "High" in answered.text) == (200, True)
        with page.expect_response(lambda response: response.url == url) as answer:
            assert_no_fact(framed_text(page, url))
        assert answer.value.status == 200
        assert page.frames[1].url.startswith("chrome-error:")
        assert [text for text in said if "frame-ancestors" in text]


def test_a_page_of_another_origin_can_neither_fetch_the_panel_nor_run_it_as_a_script(product, browser, attacker):
    with browser.new_context() as opened:
        page = opened.new_page()
        page.goto(attacker)
        assert (
            page.evaluate("(url) => fetch(url).then(() => 'read', (error) => error.name)", signed(product))
            == "TypeError"
        )
        load = """(url) => new Promise((done) => {
            const script = document.createElement("script");
            script.onload = () => done("ran");
            script.onerror = () => done("refused");
            script.src = url;
            document.head.append(script);
        })"""
        assert page.evaluate(load, signed(product)) == "refused"


@pytest.mark.parametrize(("key", "account"), [("SEC-1", "outsider"), ("SEC-11", "developer2")])
def test_who_may_not_see_the_issue_sees_a_refusal_without_a_fact(product, watched, key, account):
    product.tracked("10011")
    with watched(product, "SEC-1") as tab:
        expect(tab.headline).to_contain_text("High")
        text = framed_text(tab.page, signed(product, key, account=account))
        expect(tab.headline).to_have_text("You cannot see this")
        assert_no_fact(text)
        assert tab.panel.locator("time, .lozenge, .clock, code").count() == 0
        tab.shoot("refused-light")
        tab.switch_theme()
        tab.shoot("refused-dark")


def test_the_host_itself_shows_an_outsider_no_frame(product, browser):
    with browser.new_context() as opened:
        page = opened.new_page()
        page.goto(f"{product.simulator.site('genchi').url}/browse/SEC-1?as=outsider")
        expect(page.get_by_role("heading")).to_have_text("You can't view this issue")
        assert page.locator("iframe").count() == 0


def test_a_signed_address_with_a_hostile_key_is_refused_and_runs_nothing(product, browser):
    path = f"/connect/issue?issueId=10001&issueKey={quote(HOSTILE, safe='')}&projectId=10000"
    wanted = {"kind": "request", "method": "GET", "path": path, "account": "developer"}
    minted = requests.post(f"{product.simulator.control_url}/sites/genchi/token", json=wanted, timeout=30)
    with browser.new_context() as opened:
        page = opened.new_page()
        answer = page.goto(f"{product.url}{path}&jwt={minted.json()['token']}")
        assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
        assert HOSTILE not in answer.text()
        assert page.evaluate("window.stolen") is None


def test_hostile_texts_of_jira_stay_text_on_both_pages(product, watched):
    site = product.simulator.site("genchi")
    fields = {"issuetype": "Vulnerability", "summary": HOSTILE, "labels": [HOSTILE.replace(" ", "\u200b")]}
    fields |= {"cvss_vector": f"CVSS:3.1/{HOSTILE}", "cvss_score": 8.1}
    made = product.control("/sites/genchi/issues", project="SEC", **fields)
    issue = site.issue(made["id"])
    issue.key = HOSTILE_KEY
    product.tracked(made["id"])
    issue.key = made["key"]
    with watched(product, made["key"]) as tab:
        expect(tab.headline).to_have_text("High · due in 27 d")
        assert tab.page.title() == f"{made['key']} · {HOSTILE}"
        tab.shoot("hostile-light", whole=True)
        tab.refresh()
        for page in (tab.page, tab.frame):
            assert page.evaluate("window.stolen") is None
            assert page.locator("script:not([src]), img").count() == 0
