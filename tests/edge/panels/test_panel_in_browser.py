"""The panel in Chromium under our Content-Security-Policy: adapter, refresh, pictures of every state."""

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

SCREENS = Path(__file__).parents[3] / "build" / "screens"
PROBLEM = "application/problem+json"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def problem(status):
    return status, PROBLEM, json.dumps({"status": status, "trace_id": TRACE, "title": "<b>no</b>"})


@pytest.fixture
def tab(browser, site):
    """Opens a sample; at the end no console error, no page error, no request to a foreign host."""
    complaints = []
    expected = {"failures": 0}
    contexts = []

    def open_(name, *, mode="light", reduced_motion="reduce", fails=0, **context):
        expected["failures"] = fails
        options = {
            "viewport": {"width": 320, "height": 480},
            "timezone_id": "Europe/Berlin",
            "locale": "en-GB",
        }
        contexts.append(browser.new_context(reduced_motion=reduced_motion, **options | context))
        page = contexts[-1].new_page()
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda sent: None if _is_ours(sent.url) else complaints.append(f"foreign {sent.url}"))
        page.goto(f"{site.origin}/page?{urlencode({'name': name})}")
        page.evaluate("mode => { if (mode) document.documentElement.dataset.colorMode = mode }", mode)
        return page

    def _is_ours(url):
        return url.startswith((site.origin, site.host_origin, "data:"))

    yield open_
    for context in contexts:
        context.close()
    refused = [text for text in complaints if "Failed to load resource" in text]
    assert [text for text in complaints if text not in refused] == []
    assert len(refused) == expected["failures"]


def refresh(page):
    page.evaluate("htmx.trigger('#panel', 'refresh')")


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_page_fits_320_pixels_and_is_drawn_in_its_mode(tab, page_name, mode):
    page = tab(page_name, mode=mode)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(31, 31, 33)"}[mode]
    SCREENS.mkdir(parents=True, exist_ok=True)
    for why in page.locator("summary:not(#decide summary)").all():
        why.click()
    page.screenshot(path=SCREENS / f"panel-{page_name}-{mode}.png", full_page=True)


@pytest.mark.parametrize(("scheme", "colour"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(31, 31, 33)")])
def test_without_a_theme_of_the_host_the_browser_decides(tab, scheme, colour):
    page = tab("running", mode=None, color_scheme=scheme)
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == colour


def test_due_times_are_shown_in_the_zone_of_the_reader(tab):
    page = tab("running")
    assert page.locator("time[datetime='2026-12-20T09:00:00Z']").inner_text() == "Sun, 20 Dec 2026, 10:00 CET"


def test_the_host_is_told_a_height_that_shows_everything(tab):
    page = tab("running")
    page.wait_for_function("window.heights.length > 0")
    before = page.evaluate("parseInt(window.heights.at(-1))")
    page.locator("#why-1-summary").click()
    page.wait_for_function("before => parseInt(window.heights.at(-1)) > before", arg=before)
    assert page.evaluate("parseInt(window.heights.at(-1)) >= document.getElementById('content').scrollHeight")


def test_an_unknown_issue_is_asked_for_with_a_fresh_token_each_time_until_it_is_known(tab, site):
    site.will_answer(site.fragment("unknown"), site.fragment("running"))
    page = tab("unknown")
    page.wait_for_selector("text=due in 27 d", timeout=15_000)
    assert page.locator("h2:visible").inner_text() == "High · due in 27 d"
    sent = [headers["Authorization"] for _, headers in site.asked]
    assert sent == ["JWT token-1", "JWT token-2"]
    page.wait_for_timeout(3_500)
    assert len(site.asked) == 2


def test_the_signed_address_of_the_page_is_never_sent_along(tab, site):
    site.will_answer(site.fragment("running"))
    page = tab("running")
    with page.expect_response("**/fragments/**"):
        refresh(page)
    ((target, headers),) = site.asked
    assert target == "/fragments/issue?issueId=10042"
    assert not [value for value in headers.values() if "/page?" in value]
    assert headers["HX-Request"] == "true"


def test_why_stays_open_and_focused_when_the_panel_is_refreshed(tab, site):
    site.will_answer(site.fragment("at_risk"))
    page = tab("running")
    page.locator("#why-1-summary").click()
    refresh(page)
    page.wait_for_selector("text=due in 45 h")
    assert page.locator("#why-1").evaluate("details => details.open")
    assert page.evaluate("document.activeElement.id") == "why-1-summary"


def test_a_screen_reader_hears_a_new_state_and_not_the_countdown(tab, site):
    site.will_answer(site.fragment("stale"), site.fragment("breached"))
    page = tab("running")
    refresh(page)
    page.wait_for_selector("text=Data from an earlier time")
    assert page.locator("#announcement").inner_text() == ""
    refresh(page)
    page.wait_for_selector("text=2 d 4 h overdue")
    assert "Overdue" in page.locator("#announcement").inner_text()
    assert page.locator("[aria-live]").count() == 0


def test_a_token_that_was_refused_is_replaced_once(tab, site):
    site.will_answer(problem(401), site.fragment("at_risk"))
    page = tab("running", fails=1)
    refresh(page)
    page.wait_for_selector("text=due in 45 h")
    assert [headers["Authorization"] for _, headers in site.asked] == ["JWT token-1", "JWT token-2"]
    assert page.locator("#refresh-failed").is_hidden()


def test_a_failed_refresh_keeps_what_is_shown_and_says_so_with_the_trace_id(tab, site):
    site.will_answer(problem(503), site.fragment("running"))
    page = tab("running", fails=1)
    refresh(page)
    page.wait_for_selector("text=This panel could not be refreshed")
    assert "due in 27 d" in page.locator("#panel").inner_text()
    assert TRACE in page.locator("#refresh-failed").inner_text()
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector("#refresh-failed", state="hidden")


@pytest.mark.parametrize("status", [403, 429])
def test_a_refusal_that_is_not_about_seeing_takes_nothing_away(tab, site, status):
    site.will_answer(problem(status))
    page = tab("running", fails=1)
    refresh(page)
    page.wait_for_selector("text=This panel could not be refreshed")
    assert "due in 27 d" in page.locator("#panel").inner_text()
    assert page.locator("#refresh-failed-reason").inner_text() == "<b>no</b>"


def test_a_page_of_a_proxy_is_never_put_on_the_page(tab, site):
    site.will_answer((403, "text/html", "<p>surprise</p>"))
    page = tab("running", fails=1)
    refresh(page)
    page.wait_for_selector("text=This panel could not be refreshed")
    assert page.locator("text=surprise").count() == 0


def test_times_are_the_readers_before_anything_is_painted(tab, site):
    painted = """() => new Promise((done) => {
        const seen = [];
        document.addEventListener("htmx:after:swap", () => requestAnimationFrame(() => {
            seen.push(...[...document.querySelectorAll("time[data-instant]")].map((time) => time.textContent));
            done(seen);
        }), {once: true});
        htmx.trigger("#panel", "refresh");
    })"""
    site.will_answer(site.fragment("met"))
    seen = tab("running").evaluate(painted)
    assert seen
    assert not [text for text in seen if "UTC" in text]


def test_the_time_of_the_policy_is_said_only_where_it_is_another_than_the_readers(tab):
    policy = "text=Sun 20 Dec 2026, 10:00 CET, as the policy counts"
    assert tab("running", timezone_id="America/New_York").locator(policy).is_visible()
    assert tab("running", timezone_id="Europe/Rome").locator(policy).is_hidden()


@pytest.mark.parametrize("status", [401, 404])
def test_who_may_no_longer_see_the_issue_keeps_no_copy_on_the_screen(tab, site, status):
    site.will_answer(problem(status))
    page = tab("running", fails={401: 2, 404: 1}[status])  # after a 401 once more, with a newer token
    refresh(page)
    page.wait_for_selector("text=This panel could not be refreshed")
    assert "due in" not in page.locator("#panel").inner_text()


def test_an_answer_that_is_no_fragment_is_never_put_on_the_page(tab, site):
    site.will_answer((200, "application/json", '{"html": "<p>surprise</p>"}'))
    page = tab("running")
    refresh(page)
    page.wait_for_selector("text=This panel could not be refreshed")
    assert page.locator("text=surprise").count() == 0


def test_a_reader_without_script_sees_everything_that_the_page_says(tab):
    page = tab("running", mode=None, java_script_enabled=False)
    text = page.locator("#panel").inner_text()
    assert "High · due in 27 d" in text
    assert "Sun 20 Dec 2026, 09:00 UTC" in text
