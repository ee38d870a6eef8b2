"""A person opens an issue: the panel in its frame says how severe, how long and why, in every look of the page."""

import gzip
import re

import pytest
import requests
from playwright.sync_api import expect

# Issues that every site starts with, and what their panels say; the hours depend on the minute of the test.
STATES = {
    "running": ("SEC-1", r"High · due in 26 d", "On track"),
    "at_risk": ("SEC-4", r"High · due in 2 d 2[123] h", "At risk"),
    "at_risk_by_the_hour": ("SEC-2", r"Critical · due in [789] h", "At risk"),
    "breached": ("SEC-3", r"Critical · 3 d( \d h)? overdue", "Overdue"),
    "medium": ("SEC-5", r"Medium · due in 63 d", "On track"),
    "low": ("SEC-6", r"Low · due in 144 d", "On track"),
    "met": ("SEC-7", r"High · met 8 d before due", "Met"),
    "met_late": ("SEC-8", r"Medium · met 16 d late", "Met late"),
    "cancelled": ("SEC-9", r"Low · cancelled", "Cancelled"),
    "rated_by_priority": ("SEC-12", r"Critical · due in 7 d 2[123] h", "On track"),
    "reopened": ("SEC-13", r"Medium · ", "Security bug fix, cycle 2"),
    "raised": ("SEC-14", r"High · due in 9 d 2[23] h", "Severity goes from medium to high"),
    "no_deadline": ("SEC-15", r"None · no deadline", "No deadline"),
    "awaiting_triage": ("SEC-18", r"Severity not set · awaiting triage", "Awaiting triage"),
    "not_tracked": ("SEC-19", r"Not tracked", "label security"),
}
RAISED = {"cvss_vector": "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:N", "cvss_score": 8.1}
STATIC = ("htmx.min.js", "panel.js", "pledge.css", "tokens.css")
READABLE_RATIO = 4.5  # WCAG 2.2, 1.4.3
CONTRAST = """(selector) => {
    const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const over = (layers) => {
        paint.clearRect(0, 0, 1, 1);
        layers.forEach((layer) => { paint.fillStyle = layer; paint.fillRect(0, 0, 1, 1); });
        return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = (rgb) => {
        const [r, g, b] = rgb.map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    return [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility()).map((one) => {
        const grounds = [];
        for (let at = one; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
        const both = [light(over(grounds)), light(over([...grounds, getComputedStyle(one).color]))];
        const [dark, bright] = both.sort((a, b) => a - b);
        return [(bright + 0.05) / (dark + 0.05), one.textContent.trim().slice(0, 40)];
    });
}"""
TEXTS = "#panel :is(.headline, .due, .lozenge, .quiet, p, h3, summary, li, dd, dt, a)"


PAGE_BYTES, ALL_COMPRESSED_BYTES = 16_384, 32_768  # a page of one clock; with its styles and scripts, compressed


def computed(tab, selector, name):
    return tab.frame.locator(selector).first.evaluate("(one, name) => getComputedStyle(one)[name]", name)


def test_an_issue_that_was_never_read_says_so_and_fills_itself(product, watched):
    with watched(product, "OPS-1") as tab:  # it does not count, so that no import has read it
        expect(tab.headline).to_have_text("Reading this issue from Jira…")
        tab.shoot("reading-light")
        expect(tab.headline).to_have_text("Not tracked")


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_shown_in_light_and_dark_and_can_be_read(product, watched, state):
    key, headline, said = STATES[state]
    issue = product.simulator.site("genchi").issue(key).id
    product.eventually(lambda: product.clocks(issue).json()["tracking"] != "unknown")
    with watched(product, key) as tab:
        expect(tab.headline).to_have_text(re.compile(headline))
        for why in tab.panel.locator("summary:not(#decide summary)").all():
            why.click()
        assert said in tab.text()
        grounds = set()
        for mode in ("light", tab.switch_theme):
            theme = mode if isinstance(mode, str) else mode()
            grounds.add(computed(tab, "html", "backgroundColor"))
            faint = [found for found in tab.frame.evaluate(CONTRAST, TEXTS) if found[0] < READABLE_RATIO]
            assert faint == []
            tab.shoot(f"{state}-{theme}")
        assert len(grounds) == 2


def test_severity_due_date_and_reasons_are_read_inside_the_frame_and_follow_the_theme(product, watched):
    product.tracked("10001")
    with watched(product, "SEC-1", theme="dark") as tab:
        expect(tab.headline).to_have_text("High · due in 26 d")
        tab.frame.evaluate("() => { window.sameDocument = true; }")
        tab.panel.get_by_text("Why this date?").click()
        for said in ("CVSS 8.1", "high = 28 days, elapsed", "Security Bug Fix Policy, cloud apps"):
            expect(tab.panel).to_contain_text(said)
        [clock] = product.clocks("10001").json()["clocks"]
        due = tab.panel.locator(f"time[datetime='{clock['due_at']}']")
        expect(due.first).to_have_text(re.compile(r"\w{3}, \d+ \w+ \d{4}, \d\d:\d\d (CET|CEST)"))
        dark = [computed(tab, where, "color") for where in ("body", ".lozenge", ".due", "summary")]
        tab.shoot("page-dark", whole=True)
        assert tab.switch_theme() == "light"
        light = [computed(tab, where, "color") for where in ("body", ".lozenge", ".due", "summary")]
        assert [pair for pair in zip(dark, light, strict=True) if pair[0] == pair[1]] == []
        tab.shoot("page-light", whole=True)
        assert tab.frame.evaluate("window.sameDocument")


def test_why_is_opened_by_keyboard_and_stays_open_and_focused_across_a_refresh(product, watched):
    product.tracked("10001")
    with watched(product, "SEC-1") as tab:
        expect(tab.headline).to_contain_text("due in")
        tab.page.get_by_role("button", name="Save").focus()
        tab.page.keyboard.press("Tab")
        assert tab.frame.evaluate("document.activeElement.textContent") == "What the score says"
        tab.page.keyboard.press("Tab")
        assert tab.frame.evaluate("document.activeElement.textContent") == "Why this date?"
        ring = tab.frame.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert ring == "2px"
        tab.page.keyboard.press("Enter")
        expect(tab.panel.locator("ol.why")).to_be_visible()
        tab.shoot("focus-light")
        tab.refresh()
        expect(tab.panel.locator("ol.why")).to_be_visible()
        assert tab.frame.evaluate("document.activeElement.textContent") == "Why this date?"


@pytest.mark.parametrize("key", ["SEC-1", "SEC-3", "SEC-13", "SEC-19"])
def test_nothing_scrolls_sideways_at_320_pixels(product, watched, key):
    product.eventually(
        lambda: product.clocks(product.simulator.site("genchi").issue(key).id).json()["tracking"] != "unknown"
    )
    with watched(product, key, viewport={"width": 320, "height": 640}) as tab:
        expect(tab.headline).not_to_be_empty()
        for why in tab.panel.locator("summary:not(#decide summary)").all():
            why.click()
        tab.shoot(f"narrow-{key}", whole=True)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert (tab.frame.evaluate(wide), tab.page.evaluate(wide)) == (0, 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_increased_contrast_and_forced_colours_are_honoured(product, watched, scheme):
    product.tracked("10003")
    with watched(product, "SEC-3", theme=scheme) as tab:
        expect(tab.headline).to_contain_text("overdue")
        usual = computed(tab, ".due", "color")
        tab.page.emulate_media(contrast="more")
        assert computed(tab, ".due", "color") != usual
        faint = [found for found in tab.frame.evaluate(CONTRAST, TEXTS) if found[0] < 7]  # WCAG 2.2, 1.4.6
        assert faint == []
        tab.shoot(f"contrast-{scheme}")
        tab.page.emulate_media(contrast="no-preference", forced_colors="active", color_scheme=scheme)
        assert computed(tab, ".lozenge", "borderTopWidth") == "1px"
        tab.shoot(f"forced-{scheme}")


def test_an_open_panel_shows_a_changed_severity_at_its_next_refresh(product, watched):
    product.tracked("10005")
    with watched(product, "SEC-5") as tab:
        expect(tab.headline).to_have_text("Medium · due in 63 d")
        requests.patch(f"{product.simulator.control_url}/sites/genchi/issues/SEC-5", json=RAISED, timeout=30)
        product.eventually(lambda: product.clocks("10005").json()["severity"]["level"] == "high")
        expect(tab.headline).to_have_text("Medium · due in 63 d")
        tab.refresh()
        expect(tab.headline).to_have_text(re.compile(r"High · due in \d+ d"))
        expect(tab.panel.locator("ol.why")).to_contain_text("Severity goes from medium to high")


def test_the_panel_is_light(product, watched):
    product.tracked("10001")
    answers = []
    with watched(product, "SEC-1") as tab:
        tab.page.on("response", lambda response: answers.append(response))
        tab.page.reload()
        tab.refresh()
        ours = {one.url: one.body() for one in answers if one.url.startswith(product.url)}
    paths = {url: url.partition("?")[0].removeprefix(product.url) for url in ours}
    sizes = {paths[url]: (len(body), len(gzip.compress(body))) for url, body in ours.items()}
    assert sizes.keys() == {"/connect/issue", "/fragments/issue"} | {f"/static/{name}" for name in STATIC}
    assert sizes["/connect/issue"][0] < PAGE_BYTES
    assert sum(packed for path, (_, packed) in sizes.items() if path != "/fragments/issue") < ALL_COMPRESSED_BYTES
