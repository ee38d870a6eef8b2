"""A Forge panel: its frame, its bundle on another origin, and `invokeRemote` through the host."""

import re

import pytest
import requests
from playwright.sync_api import expect

# calls the bridge as @forge/bridge 7.2.0 does
BUNDLE = """<!doctype html><html><HEAD lang="en"><title>panel</title><link rel="icon" href="data:,">
<script src="./assets/main.js" defer></script></HEAD><body><p id="context"></p><p id="said"></p><p id="error"></p>
</body></html>"""
SCRIPT = """
const show = (id, text) => { document.getElementById(id).textContent = text; };
const { callBridge } = globalThis.__bridge;
(async () => {
  await callBridge("enableTheming");
  const context = await callBridge("getContext");
  show("context", [context.extension.issue.key, context.accountId, context.theme.colorMode].join(" "));
  const input = { path: "/fragments/issue", method: "POST", body: { a: 1 }, headers: { "X-Own": "1" } };
  const { success, payload } = await callBridge("invoke", { ...input, invokeType: "ui-remote-fetch" });
  show("said", `${success} ${payload.status} ${payload.body.html}`);
  document.body.style.minHeight = "420px";
  document.body.addEventListener("dblclick", () => {
    callBridge("navigate", { url: "/browse/SEC-3", type: "same-tab" });
  });
  await callBridge("openModal").catch((error) => show("error", error.message));
})();
"""


@pytest.fixture
def bundle(simulator, tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(BUNDLE)
    (tmp_path / "assets" / "main.js").write_text(SCRIPT)
    (tmp_path.parent / "outside.js").write_text("outside")
    simulator.world.forge_ui = tmp_path
    return simulator.world.forge_ui_url


@pytest.fixture
def answering(forge):
    forge.replies["/fragments/issue"] = {"html": "<p>28 days left</p>"}
    return forge


@pytest.fixture
def invoke(simulator, answering):
    """`invokeRemote` as the host page sends it; return the answer of the bridge."""

    def call(person="developer", issue="SEC-1", **asked):
        url = f"{simulator.site('genchi').url}/host/forge/invoke?as={person}&issue={issue}"
        return requests.post(url, json={"path": "/fragments/issue", "method": "POST"} | asked, timeout=20)

    return call


def test_an_issue_page_frames_the_bundle_in_a_sandbox_of_another_origin(simulator, bundle, forge, installed):
    site = simulator.site("genchi")
    both, own, other = [
        requests.get(f"{site.url}/browse/SEC-1?host={host}", timeout=30) for host in ("both", "forge", "connect")
    ]
    assert [answer.text.count("<iframe") for answer in (both, own, other)] == [2, 1, 1]
    assert f'src="{bundle}/pledge-issue/index.html?host=' in own.text
    assert "allow-popups" not in own.text
    policies = [answer.headers["Content-Security-Policy"] for answer in (both, own, other)]
    assert [bundle in policy for policy in policies] == [True, True, False]
    assert [forge.url in policy for policy in policies] == [True, False, True]


def test_without_a_bundle_the_page_says_how_to_get_one(simulator, forge):
    page = requests.get(f"{simulator.site('genchi').url}/browse/SEC-1", timeout=30).text
    assert ("--forge-ui" in page, "<iframe" in page) == (True, False)


def test_a_bundle_that_is_made_while_the_simulator_runs_is_shown_from_then_on(simulator, forge, tmp_path):
    simulator.world.forge_ui = tmp_path / "panel"
    page = f"{simulator.site('genchi').url}/browse/SEC-1"
    assert "--forge-ui" in requests.get(page, timeout=30).text
    simulator.world.forge_ui.mkdir()
    (simulator.world.forge_ui / "index.html").write_text(BUNDLE)
    assert "<iframe" in requests.get(page, timeout=30).text


def test_the_bundle_is_served_with_the_bridge_and_a_policy_without_inline_scripts(bundle):
    page = requests.get(f"{bundle}/pledge-issue/index.html", timeout=30)
    assert '<HEAD lang="en"><script src="/bridge.js"></script>' in page.text
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    assert requests.get(f"{bundle}/pledge-issue/assets/main.js", timeout=30).text == SCRIPT
    assert requests.get(f"{bundle}/assets/main.js", timeout=30).status_code == 404  # relative addresses only
    assert "callBridge" in requests.get(f"{bundle}/bridge.js", timeout=30).text


@pytest.mark.parametrize("path", ["..%2foutside.js", "..%2foutside.html", "%2fetc%2fpasswd", "missing.html"])
def test_nothing_outside_the_bundle_is_served(bundle, path):
    assert requests.get(f"{bundle}/pledge-issue/{path}", timeout=30).status_code == 404


def test_a_call_goes_through_the_host_with_a_token_for_the_person_and_issue(simulator, invoke, answering, verify, ask):
    answer = invoke(body={"issueKey": "SEC-1"}, headers={"X-Own": "1", "Authorization": "Bearer mine"}).json()
    assert (answer["success"], answer["payload"]["status"]) == (True, 200)
    assert answer["payload"]["body"] == {"html": "<p>28 days left</p>"}
    assert answer["payload"]["headers"]["content-type"] == ["application/json"]
    (received,) = answering.received("/fragments/issue")
    claims, site = verify(received), simulator.site("genchi")
    assert claims["principal"] == site.person("developer").account_id
    assert claims["context"]["extension"]["issue"]["id"] == "10001"
    assert (received.json, received.headers["X-Own"]) == ({"issueKey": "SEC-1"}, "1")
    user = ask(received.headers["x-forge-oauth-user"], "/rest/api/3/myself").json()
    assert user["accountId"] == site.person("developer").account_id


def test_headers_that_look_like_forge_s_are_not_passed_on(invoke, answering):
    invoke(headers={"X-Forge-Oauth-System": "forged", "x-b3-traceid": "forged"})
    assert "forged" not in str(answering.received("/fragments/issue")[0].headers)


def test_a_browser_may_send_its_token_to_any_path_of_the_remote(invoke, answering, verify):
    invoke(path="/forge/events", body={"eventType": "avi:jira:deleted:issue"})
    claims = verify(answering.received("/forge/events")[0])
    assert claims["principal"]


@pytest.mark.parametrize(
    "asked",
    [
        {"path": "http://127.0.0.1:9/"},
        {"path": "//127.0.0.1:9/"},
        {"method": "TRACE"},
        {"path": None},
        {"body": [1]},
        {"method": "GET", "body": {"a": 1}},
        {"body": {"a": "b" * 500_000}},
    ],
)
def test_what_forge_would_not_pass_on_is_refused(invoke, answering, asked):
    answer = invoke(**asked).json()
    assert (answer["success"], answer["error"]["status"]) == (False, 400)
    assert answering.received("/fragments/issue") == []


@pytest.mark.parametrize(
    ("status", "success", "shown"),
    [
        (401, False, "Remote could not verify the Forge Invocation Token"),
        (302, False, "Invalid response"),
        (403, True, ""),
    ],
)
def test_refusals_of_the_remote_are_passed_back_as_forge_does(invoke, answering, status, success, shown):
    answering.answers.append(status)
    answer = invoke().json()
    assert answer["success"] is success
    assert shown in answer.get("error", {}).get("message", "")
    assert success is False or answer["payload"]["status"] == status


def test_a_person_calls_only_from_issues_that_he_may_see(invoke, answering):
    assert invoke(person="outsider").status_code == 404
    assert answering.received("/fragments/issue") == []


def test_no_other_page_calls_through_the_host(simulator, answering):
    url = f"{simulator.site('genchi').url}/host/forge/invoke?issue=SEC-1"
    body = {"path": "/fragments/issue", "method": "POST"}
    answer = requests.post(url, json=body, headers={"Origin": simulator.world.forge_ui_url}, timeout=30)
    assert (answer.status_code, answering.received("/fragments/issue")) == (403, [])


@pytest.fixture
def page(browser):
    with browser.new_context() as context:
        yield context.new_page()


def test_a_bundle_runs_in_its_frame(simulator, bundle, answering, page):
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    site = simulator.site("genchi")
    page.goto(f"{site.url}/browse/SEC-2?as=developer&theme=dark&host=forge")
    frame = page.frame_locator("iframe")
    expect(frame.locator("#context")).to_have_text(f"SEC-2 {site.person('developer').account_id} dark")
    expect(frame.locator("#said")).to_have_text("true 200 <p>28 days left</p>")
    expect(frame.locator("#error")).to_have_text("openModal is not simulated")
    expect(frame.locator("html")).to_have_attribute("data-color-mode", "dark")
    page.get_by_role("button", name="Light / dark").click()
    expect(frame.locator("html")).to_have_attribute("data-color-mode", "light")
    expect(page.locator("iframe")).to_have_attribute("style", re.compile(r"height: 4\d\dpx"))
    frame.locator("#said").dblclick()
    page.wait_for_url("**/browse/SEC-3?as=developer&theme=light&host=forge")
    assert errors == []


def test_both_panels_of_a_page_work(simulator, bundle, answering, installed, page):
    installed.page = '<!doctype html><title>panel</title><link rel="icon" href="data:,"><p>Connect here</p>'
    page.goto(f"{simulator.site('genchi').url}/browse/SEC-2?as=developer")
    expect(page.frame_locator("iframe").nth(0).get_by_text("Connect here")).to_be_visible()
    expect(page.frame_locator("iframe").nth(1).locator("#said")).to_have_text("true 200 <p>28 days left</p>")


def test_the_control_page_installs_as_forge(simulator, app, page):
    page.goto(simulator.control_url)
    card = page.locator("section", has_text="kencha")
    card.get_by_label("Remote").fill(app.url)
    card.get_by_role("button", name="Install as Forge").click()
    expect(page.locator("#answer")).to_contain_text('"accepted":true')
    assert simulator.world.forge["kencha"].installation.active
