"""An issue page of the simulated Jira in Chromium, with the running product in its frame, and a watch on both."""

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Frame, Page, expect

from tests.browser.accessibility import axe_source

SCREENS = Path(__file__).parents[2] / "build" / "screens"
SWAPPED = """() => new Promise((done) => {
    document.addEventListener("htmx:after:swap", () => done(), {once: true});
    htmx.trigger("#panel", "refresh");
})"""

NOTE_BARS = """
new MutationObserver(() => { window.barsSeen ||= document.querySelector(".waiting")?.checkVisibility(); })
    .observe(document, {childList: true, subtree: true});
"""
"""They give way in a second or two, which is over before a busy machine has looked from outside."""


@dataclass
class IssueTab:
    """An open issue page. `complaints`: what the console said, and requests to hosts that have no business here."""

    page: Page
    app_url: str
    complaints: list[str] = field(default_factory=list)

    @property
    def frame(self) -> Frame:
        """The frame that shows our panel, once it is there."""
        return self.page.wait_for_selector("iframe").content_frame()

    @property
    def headline(self):
        return self.page.frame_locator("iframe").locator("#panel .headline")

    @property
    def panel(self):
        return self.page.frame_locator("iframe").locator("#panel")

    def text(self):
        return self.panel.inner_text()

    def refresh(self):
        """Ask for a fresh fragment as the timer would, and wait until it is on the page."""
        self.frame.evaluate(SWAPPED)

    def try_refresh(self):
        """Ask for a fresh fragment, whatever comes of it."""
        self.frame.evaluate("() => { htmx.trigger('#panel', 'refresh'); }")

    @property
    def notice(self):
        return self.page.frame_locator("iframe").locator("#refresh-failed")

    def switch_theme(self):
        before = self.frame.locator("html").get_attribute("data-color-mode")
        self.page.get_by_role("button", name="Light / dark").click()
        after = {"light": "dark", "dark": "light"}[before]
        expect(self.page.frame_locator("iframe").locator("html")).to_have_attribute("data-color-mode", after)
        return after

    def shoot(self, name, *, whole=False):
        """A picture of the frame, or of the whole page, for people to look at."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.settle()
        path = SCREENS / f"issue-{name}.png"
        if whole:
            self.page.screenshot(path=path, full_page=True)
        else:
            self.page.locator("section.card", has=self.page.locator("iframe")).screenshot(path=path)

    def settle(self):
        """Wait until the host has given the frame the height of its content; frames out of sight are not laid out."""
        self.page.locator("iframe").scroll_into_view_if_needed()
        height = self.frame.evaluate("document.getElementById('content').getBoundingClientRect().height")
        self.page.wait_for_function(
            "least => document.querySelector('iframe').getBoundingClientRect().height >= least", arg=height
        )


@pytest.fixture(scope="session")
def axe():
    """The script of axe-core."""
    return axe_source()


@pytest.fixture(scope="package")
def product(make_stack):
    """One running product for all these tests, on two sites; each test that breaks something mends it."""
    with make_stack() as running:
        for site in ("genchi", "kencha"):
            running.install(site)
            running.tracked("10001", site=site)
        yield running


@pytest.fixture
def watched(browser):
    """Opens issue pages of a stack; at the end nothing was complained about that the test did not expect.

    `expected`: patterns, each for exactly one line of the console. `until`: what of the page is waited for.
    """

    @contextmanager
    def open_(stack, key, *, account="developer", theme="light", site="genchi", expected=(), until="load", **context):
        site_url = stack.simulator.site(site).url
        world = stack.simulator.world
        ours = tuple(f"{url}/" for url in (site_url, stack.simulator.control_url, world.forge_ui_url, stack.url))
        options = {"viewport": {"width": 1000, "height": 900}, "locale": "en-GB", "timezone_id": "Europe/Berlin"}
        with browser.new_context(reduced_motion="reduce", **options | context) as opened:
            opened.add_init_script(NOTE_BARS)
            tab = IssueTab(opened.new_page(), stack.url)
            note = tab.complaints.append
            tab.page.on("console", lambda said: note(said.text) if said.type in ("error", "warning") else None)
            opened.on("weberror", lambda failure: note(str(failure.error)))
            opened.on("request", lambda sent: None if sent.url.startswith((*ours, "data:")) else note(sent.url))
            tab.page.goto(f"{site_url}/browse/{key}?as={account}&theme={theme}", wait_until=until)
            yield tab
            unmet = list(expected)
            for said in tab.complaints:
                matching = next((pattern for pattern in unmet if re.search(pattern, said)), None)
                assert matching is not None, f"unexpected on the console or the wire: {said}"
                unmet.remove(matching)
            assert unmet == []

    return open_
