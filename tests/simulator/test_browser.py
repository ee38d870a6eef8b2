"""An issue page in a browser: the frame, its tokens, its size, light and dark."""

import re
import time

import jwt
import pytest
from playwright.sync_api import expect

PAGE = """<!doctype html><title>panel</title><link rel="icon" href="data:,">
<script src="{host_script}"></script>
<div id="content"><p style="height: 420px; margin: 0">tall</p></div><p id="token"></p><p id="context"></p>
<script>
AP.theming.initializeTheming();
AP.context.getToken((token) => {{ document.getElementById("token").textContent = token; }});
AP.context.getContext().then((one) => {{ document.getElementById("context").textContent = one.jira.issue.key; }});
</script>"""


@pytest.fixture
def page(browser):
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture
def console(page):
    """Everything that a console would show as an error."""
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


@pytest.fixture
def panel(simulator, installed):
    installed.page = PAGE.format(host_script=f"{simulator.site('kencha').url}/host.js")
    return installed


def test_a_framed_page_gets_tokens_context_size_and_theme(simulator, panel, secret, page, console):
    site = simulator.site("genchi")
    page.goto(f"{site.url}/browse/SEC-2?as=developer&theme=dark")
    frame = page.frame_locator("iframe")
    expect(frame.locator("#context")).to_have_text("SEC-2")
    expect(frame.locator("html")).to_have_attribute("data-color-mode", "dark")
    page.get_by_role("button", name="Light / dark").click()
    expect(frame.locator("html")).to_have_attribute("data-color-mode", "light")
    expect(page.locator("iframe")).to_have_attribute("style", re.compile(r"height: 4\d\dpx"))
    expect(frame.locator("#token")).to_have_text(re.compile(r".+\..+\..+"))
    claims = jwt.decode(frame.locator("#token").text_content(), secret, algorithms=["HS256"])
    assert (claims["sub"], claims["qsh"]) == (site.person("developer").account_id, "context-qsh")
    assert console == []


def test_a_frame_on_another_channel_or_origin_gets_nothing(simulator, panel, page):
    page.goto(f"{simulator.site('genchi').url}/browse/SEC-2")
    expect(page.frame_locator("iframe").locator("#context")).to_have_text("SEC-2")
    ask = """(channel) => new Promise((done) => {
        window.addEventListener("message", () => done("answered"));
        window.parent.postMessage({channel, id: 99, call: "getToken"}, "*");
        setTimeout(() => done("silence"), 400);
    })"""
    assert page.frames[1].evaluate(ask, "channel-panel") == "answered"
    assert page.frames[1].evaluate(ask, "channel-other") == "silence"
    page.evaluate("document.querySelector('iframe').dataset.origin = 'http://other.example.com'")
    assert page.frames[1].evaluate(ask, "channel-panel") == "silence"


def test_an_issue_is_changed_on_its_page(simulator, control, panel, page):
    site = simulator.site("genchi")
    page.goto(f"{site.url}/browse/SEC-1?as=developer2")
    page.get_by_label("CVSS").select_option("critical")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("ol")).to_contain_text("CVSS Score: 8.1 → 9.8")
    entry = site.issue("SEC-1").changelog[-1]
    assert entry["author"]["accountId"] == site.person("developer2").account_id
    sent = control("GET", "/sites/genchi/webhooks", params={"wait": 5})["deliveries"]
    assert [one["state"] for one in sent] == ["delivered"]


def test_the_control_page_installs_and_sets_faults(simulator, app, page, console):
    page.goto(simulator.control_url)
    card = page.locator("section", has_text="kencha")
    card.get_by_label("App URL").fill(app.url)
    card.get_by_role("button", name="Install", exact=True).click()
    expect(page.locator("#answer")).to_contain_text('"accepted":true')
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#answer")).to_contain_text('"count":10')
    deadline = time.monotonic() + 5
    while simulator.site("kencha").faults.storm is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert simulator.site("kencha").faults.storm.status == 429
    assert console == []
