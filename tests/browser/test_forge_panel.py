"""The same panel through Forge: the packed bundle in the simulated issue page, its calls proxied with real tokens."""

import re
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import expect

from descriptor import forge, forge_package
from tests.browser.test_issue_panel import CONTRAST, RAISED, READABLE_RATIO, TEXTS, computed
from tests.descriptor.conftest import APP_ID, CELLS, STATIC, TOOLS, packages  # noqa: F401  `packages` is a fixture

SITE = "genible"
"""Has Pledge from Forge alone: what is seen there never came through Connect."""


@pytest.fixture(scope="module")
def through_forge(make_stack, packages, tmp_path_factory):  # noqa: F811  the fixture of that name
    """One running product that a site has as a Forge app, with the pages as they are packed for deployment."""
    folder = tmp_path_factory.mktemp("forge")
    document = forge.render(app_id=APP_ID, cells=CELLS, migration=None)
    forge_package.write(folder, document=document, static=STATIC, tools=TOOLS)
    with make_stack() as running:
        running.simulator.world.forge_ui = folder / forge.RESOURCE_PATH
        assert running.forge("install", SITE)["accepted"]
        running.eventually(
            lambda: running.invoke("/api/v1/issues/10001/clocks", site=SITE).json()["tracking"] == "tracked"
        )
        yield running


@pytest.fixture
def opened(watched, through_forge):
    """An issue page of that site; the browser itself has asked nothing of our server, only Forge has."""

    def open_(key="SEC-1", **options):
        return watched(through_forge, key, site=SITE, **options)

    return open_


def test_severity_due_date_and_reasons_are_read_inside_the_frame_and_follow_the_theme(opened, through_forge):
    asked = []
    with opened(theme="dark") as tab:
        tab.page.on("request", lambda sent: asked.append(urlsplit(sent.url)))
        tab.page.reload()
        expect(tab.headline).to_have_text("High · due in 26 d")
        tab.frame.evaluate("() => { window.sameDocument = true; }")
        tab.panel.get_by_text("Why this date?").click()
        for said in ("CVSS 8.1", "high = 28 days, elapsed", "Security Bug Fix Policy, cloud apps"):
            expect(tab.panel).to_contain_text(said)
        [clock] = through_forge.invoke("/api/v1/issues/10001/clocks", site=SITE).json()["clocks"]
        due = tab.panel.locator(f"time[datetime='{clock['due_at']}']")
        expect(due.first).to_have_text(
            re.compile(r"\w{3}, \w+ \d+, \d{4}, \d\d:\d\d [AP]M UTC")
        )  # the account's, not ours
        seen = {}
        for mode in ("dark", tab.switch_theme):
            theme = mode if isinstance(mode, str) else mode()
            seen[theme] = [computed(tab, where, "color") for where in ("body", ".lozenge", ".due", "summary")]
            assert [found for found in tab.frame.evaluate(CONTRAST, TEXTS) if found[0] < READABLE_RATIO] == []
            tab.shoot(f"forge-{theme}")
            tab.shoot(f"forge-page-{theme}", whole=True)
        assert [pair for pair in zip(*seen.values(), strict=True) if pair[0] == pair[1]] == []
        assert tab.frame.evaluate("window.sameDocument")
    ours = urlsplit(through_forge.url).netloc
    assert [url.path for url in asked if url.netloc == ours] == []
    assert "/host/forge/invoke" in {url.path for url in asked}


def test_an_open_panel_shows_a_changed_severity_at_its_next_refresh(opened, through_forge):
    with opened("SEC-5") as tab:
        expect(tab.headline).to_have_text(re.compile("Medium · due in 63 d"))
        tab.panel.get_by_text("Why this date?").click()
        control = f"{through_forge.simulator.control_url}/sites/{SITE}/issues/SEC-5"
        requests.patch(control, json=RAISED, timeout=30).raise_for_status()
        clocks = "/api/v1/issues/10005/clocks"
        through_forge.eventually(
            lambda: through_forge.invoke(clocks, issue="10005", site=SITE).json()["severity"]["level"] == "high"
        )
        tab.refresh()
        expect(tab.headline).to_have_text(re.compile(r"High · due in \d+ d"))
        expect(tab.panel.locator("ol.why")).to_contain_text("Severity goes from medium to high")


def test_a_link_of_the_panel_is_opened_by_the_host_in_a_new_tab(opened):
    # the source is on another host: where the new tab is sent is looked at, without going there
    sent = []
    with opened(expected=(r"^https://",)) as tab:
        tab.page.context.route(
            lambda url: url.startswith("https://"), lambda route: (sent.append(route.request.url), route.abort())
        )
        expect(tab.headline).to_contain_text("due in")
        tab.panel.get_by_text("Why this date?").click()
        link = tab.panel.locator("ol.why a").first
        with tab.page.context.expect_page(lambda new: new.url != "about:blank"):
            link.click()
        expect(tab.headline).to_contain_text("due in")
        assert sent == [link.get_attribute("href")]


def test_an_open_panel_says_at_its_next_refresh_that_the_licence_has_lapsed(opened, through_forge):
    url = f"{through_forge.simulator.control_url}/sites/{SITE}/forge"
    with opened() as tab:
        expect(tab.headline).to_contain_text("due in")
        requests.patch(url, json={"license": "inactive"}, timeout=30).raise_for_status()
        tab.refresh()
        expect(tab.panel.get_by_role("heading", name="Licence lapsed: read only")).to_be_visible()
        expect(tab.headline).to_contain_text("due in")
        for theme in ("light", tab.switch_theme):
            tab.shoot(f"forge-read-only-{theme if isinstance(theme, str) else theme()}")
        requests.patch(url, json={"license": "active"}, timeout=30).raise_for_status()


def test_what_forge_could_not_fetch_is_said_and_try_again_fetches_it(opened, through_forge):
    with opened() as tab:
        expect(tab.headline).to_contain_text("due in")
        through_forge.web.stop()
        tab.try_refresh()
        expect(tab.notice).to_contain_text("could not be refreshed")
        expect(tab.headline).to_contain_text("due in")  # what was seen stays
        tab.shoot("forge-not-refreshed-light")
        through_forge.web.start()
        through_forge.await_ready()
        tab.notice.get_by_role("button", name="Try again").click()
        expect(tab.notice).to_be_hidden()
        expect(tab.headline).to_contain_text("due in")
