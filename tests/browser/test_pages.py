"""The pages of a project, of the site and of its administration, in the frames of both hosts.

One running product and one browser for all: a site has Pledge as a Connect app and as a Forge app at once.
"""

import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from descriptor import forge, forge_package
from tests.browser.looks import check
from tests.descriptor.conftest import APP_ID, CELLS, STATIC, TOOLS, packages  # noqa: F401  `packages` is a fixture

SITE = "genchi"
PAGES = {
    "/projects/SEC": {
        "project-board": None,
        "project-heat": "#section-heat",
        "project-burn-down": "#section-burn-down",
        "project-table": "#section-table",
    },
    "/apps": {
        "site-promises": None,
        "site-clocks": "#section-clocks",
        "site-upcoming": "#section-upcoming",
        "site-breaches": "#section-breaches",
    },
    "/admin/apps": {
        "admin": None,
        "admin-following": "#section-following",
        "admin-policies": "#section-policies",
        "admin-numbers": "#section-numbers",
        "admin-integrations": "#section-integrations",
        "admin-audit": "#section-audit",
        "admin-privacy": "#section-privacy",
        "admin-people": "#section-people",
    },
}
"""By the page of the host: the sections, and how each is come to."""
HOSTS = ("connect", "forge")
NOWHERE = """() => {
    const url = "/fragments/project?projectId=4711&projectKey=ELSE";
    htmx.ajax("GET", url, {target: "#panel", swap: "outerMorph"});
}"""


@pytest.fixture(scope="module")
def both(make_stack, packages, tmp_path_factory):  # noqa: F811  the fixture of that name
    """One running product that a site has through both hosts, with issues that have been read."""
    folder = tmp_path_factory.mktemp("forge")
    document = forge.render(app_id=APP_ID, cells=CELLS, migration=None)
    forge_package.write(folder, document=document, static=STATIC, tools=TOOLS)
    with make_stack() as running:
        running.simulator.world.forge_ui = folder / forge.RESOURCE_PATH
        running.install(SITE)
        assert running.forge("install", SITE)["accepted"]
        for issue in ("10001", "10003", "10007", "10008", "10018"):
            running.tracked(issue, site=SITE)
        yield running


class PageTab:
    """A page of the simulated Jira with ours in its frame."""

    def __init__(self, page):
        self.page = page

    @property
    def inside(self):
        return self.page.frame_locator("iframe")

    @property
    def panel(self):
        return self.inside.locator("#panel")

    @property
    def frame(self):
        return self.page.wait_for_selector("iframe").content_frame()

    def go(self, selector):
        """Follow a link of ours, and wait for what it leads to."""
        here = self.panel.get_attribute("hx-get")
        self.inside.locator(selector).click()
        expect(self.panel).not_to_have_attribute("hx-get", here)

    def settle(self):
        """Wait until the host has given the frame the height of its content."""
        height = self.frame.evaluate("document.getElementById('content').getBoundingClientRect().height")
        self.page.wait_for_function(
            "least => document.querySelector('iframe').getBoundingClientRect().height >= least - 1", arg=height
        )


@pytest.fixture
def opened(browser, both):
    """Opens a page; at the end no console error, and no request to a host that has no business here."""

    @contextmanager
    def open_(path, host, *, account="admin", theme="light", width=1400, locale="en-GB", refused=0):
        site_url, complaints = both.simulator.site(SITE).url, []
        world = both.simulator.world
        ours = tuple(f"{url}/" for url in (site_url, both.simulator.control_url, world.forge_ui_url, both.url))
        options = {"viewport": {"width": width, "height": 900}, "locale": locale, "timezone_id": "Europe/Berlin"}
        with browser.new_context(reduced_motion="reduce", **options) as context:
            page = context.new_page()
            page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
            context.on("weberror", lambda failure: complaints.append(str(failure.error)))
            context.on(
                "request",
                lambda sent: None if sent.url.startswith((*ours, "data:")) else complaints.append(sent.url),
            )
            page.goto(f"{site_url}{path}?as={account}&theme={theme}&host={host}")
            tab = PageTab(page)
            expect(tab.inside.locator("#panel .title")).to_be_visible()
            yield tab
        told = [complaint for complaint in complaints if "400 (BAD REQUEST)" in complaint]
        assert len(told) <= refused
        assert [complaint for complaint in complaints if complaint not in told] == []

    return open_


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_for_everybody_in_every_look_and_width(opened, axe, path, host):
    with opened(path, host) as tab:
        for name, section in PAGES[path].items():
            if section:
                tab.go(section)
            check(tab, axe, f"{name}-{host}")


@pytest.mark.parametrize("host", HOSTS)
def test_what_opens_on_a_page_is_for_everybody_too(opened, axe, host):
    """Columns, saved views, the reasons of a date, the numbers of a chart; and a list in which nothing is."""
    with opened("/projects/SEC", host) as tab:
        tab.go("#section-burn-down")
        tab.inside.locator("#chart-table-summary").click()
        check(tab, axe, f"project-burn-down-table-{host}")
        tab.go("#section-table")
        tab.inside.locator("#filter-columns").click()
        for name in ("score", "clause", "ticket", "version"):
            tab.inside.locator(f"input[value={name}]").check()
        tab.inside.locator("#filter-go").press("Enter")
        expect(tab.inside.locator("table.clocks")).to_contain_text("Fix version")
        tab.inside.locator("#views-summary").click()
        tab.inside.locator("#view-name").fill(f"Everything, {host}")
        tab.inside.locator("#view-name").press("Enter")
        expect(tab.inside.locator("#views [data-focus]")).to_be_focused()
        expect(tab.inside.locator("#views")).to_contain_text(f"Everything, {host}")
        check(tab, axe, f"project-views-{host}")
        tab.inside.locator("#filter-key").fill("\u202eSEC-\U0001f525" + "m" * 200)
        tab.inside.locator("#filter-go").press("Enter")
        expect(tab.panel).to_contain_text("No clocks match")
        check(tab, axe, f"project-nothing-{host}")
        tab.inside.locator("#views").evaluate("views => { views.open = true; }")
        tab.inside.get_by_role("link", name=f"Everything, {host}").click()
        expect(tab.inside.locator("table.clocks")).to_contain_text("Fix version")
    with opened("/apps", host) as tab:
        tab.go("#section-breaches")
        for summary in tab.panel.locator("summary").all():
            summary.click()
        check(tab, axe, f"site-breaches-open-{host}")


@pytest.mark.parametrize("host", HOSTS)
def test_a_page_without_a_fact_is_for_everybody_too(opened, axe, both, host):
    """A project that is nowhere, or another's; whoever sees no issue; and everybody, while Jira does not answer."""
    with opened("/projects/SEC", host) as tab:
        tab.frame.evaluate(NOWHERE)
        expect(tab.panel).to_contain_text("You cannot see this project")
        check(tab, axe, f"project-denied-{host}")
    with opened("/apps", host, account="outsider") as tab:
        tab.go("#section-breaches")
        expect(tab.panel).to_contain_text("None that you may see")
        check(tab, axe, f"site-nothing-{host}")
    both.control("/control", site=SITE, storm={"status": 503, "count": 1000, "retry_after": "absent"})
    with opened("/projects/SEC", host, account="developer2") as tab:
        expect(tab.panel).to_contain_text("Cannot confirm what you may see")
        check(tab, axe, f"project-unconfirmed-{host}")
    both.control("/control", site=SITE, storm=None)


@pytest.mark.parametrize("host", HOSTS)
def test_a_page_speaks_the_language_of_its_reader_and_goes_on_in_it(opened, axe, both, host):
    """By the browser in Connect, by the context in Forge; and so does what is asked for later."""
    both.simulator.world.forge[SITE].locale = "de-DE"
    with opened("/projects/SEC", host, locale="de-DE") as tab:
        expect(tab.panel).to_contain_text("Sicherheitsfristen von SEC")
        expect(tab.panel).to_have_attribute("lang", "de")
        check(tab, axe, f"project-german-{host}")
        tab.go("#section-table")
        expect(tab.panel).to_contain_text("Alle Uhren")
        check(tab, axe, f"project-table-german-{host}")
    both.simulator.world.forge[SITE].locale = "en-US"


def test_the_administration_speaks_german_where_its_words_are_longest(opened, axe):
    with opened("/admin/apps", "connect", locale="de-DE", refused=1) as tab:
        tab.go("#section-following")
        tab.inside.locator("#admin-pausing").fill("Limbo = lunch")
        tab.inside.locator("#following-save").click()
        expect(tab.panel).to_contain_text("diese Site hat keinen Status")
        check(tab, axe, "admin-following-refused-german")


@pytest.mark.parametrize("host", HOSTS)
def test_each_number_leads_to_exactly_that_list(opened, host):
    with opened("/projects/SEC", host) as tab:
        for tile in ("open", "at-risk", "overdue", "met"):
            number = int(tab.inside.locator(f"#tile-{tile} .metric").inner_text())
            tab.go(f"#tile-{tile}")
            assert tab.inside.locator("table.clocks tbody tr").count() == number > 0
            assert tab.frame.evaluate("document.activeElement.id") == f"tile-{tile}"


@pytest.mark.parametrize("host", HOSTS)
def test_a_filter_is_set_by_keyboard_and_its_file_has_the_same_rows(opened, host):
    with opened("/projects/SEC", host) as tab:
        tab.go("#section-table")
        tab.inside.locator("#filter-state").select_option("breached")
        tab.inside.locator("#filter-go").press("Enter")
        expect(tab.panel).to_contain_text("Clear filters")
        rows = tab.inside.locator("table.clocks tbody tr")
        tab.inside.locator("#export-1").click()
        link = tab.inside.locator("#download a")
        expect(link).to_have_text("Save clocks.csv")
        with tab.page.expect_download() as saved:
            link.click()
        lines = Path(saved.value.path()).read_text().splitlines()
        assert len(lines) == 1 + rows.count() > 1
        assert all(",breached," in line for line in lines[1:])


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_shown_is_in_the_address_and_the_way_back_works(opened, host):
    with opened("/projects/SEC", host) as tab:
        tab.go("#tile-overdue")
        expect(tab.panel).to_contain_text("Clear filters")
        tab.page.wait_for_url("**/projects/SEC*state%3Dbreached*")
        tab.page.reload()
        expect(tab.inside.locator("#filter-state")).to_have_value("breached")
        tab.page.go_back()
        expect(tab.inside.locator("#section-board")).to_have_attribute("aria-current", "page")
        tab.page.evaluate("location.hash = '#!section%3Dtable%26projectId%3D10001%26state%3Dmet'")
        expect(tab.inside.locator("#filter-state")).to_have_value("met")
        expect(tab.panel).to_contain_text("of SEC")


@pytest.mark.parametrize("host", HOSTS)
def test_somebody_who_is_no_administrator_sees_no_fact_of_the_administration(opened, both, host):
    with opened("/apps", host, account="developer") as tab:
        expect(tab.panel).to_contain_text("promises of the policy")
    answer = both.get("/fragments/admin", account="developer")
    assert "for administrators" in answer.text
    assert not re.search("Policy|Region", answer.text)


@pytest.mark.parametrize("host", HOSTS)
def test_a_form_says_what_it_came_to_and_puts_the_focus_there(opened, axe, host):
    """By keyboard alone; the Enter key tries, and does not save."""
    with opened("/admin/apps", host, refused=1) as tab:
        tab.go("#section-following")
        tab.inside.locator("#admin-example").fill("SEC-1")
        tab.inside.locator("#admin-example").press("Enter")
        outcome = tab.inside.locator("[data-sent]")
        expect(outcome).to_contain_text("SEC-1 counts")
        expect(outcome).to_be_focused()
        expect(tab.inside.locator("#admin-example")).to_have_value("SEC-1")
        tab.go("#section-policies")
        tab.go("#compare-genchi")
        tab.inside.locator("#policy-preview").press("Enter")
        expect(tab.inside.locator("#impact-title")).to_be_focused()
        check(tab, axe, f"admin-impact-{host}")
        tab.go("#section-numbers")
        tab.inside.locator("#number-1-a_high").fill("twenty")
        tab.inside.locator("#number-1-a_high").press("Enter")
        expect(outcome).to_contain_text("cannot be in force")
        expect(outcome).to_be_focused()
        expect(tab.inside.locator("#number-1-a_high")).to_have_attribute("aria-invalid", "true")
        check(tab, axe, f"admin-numbers-refused-{host}")
        tab.inside.locator("#number-1-a_high").fill("1")
        tab.inside.locator("#number-1-a_high").press("Enter")
        expect(tab.inside.locator("#impact-title")).to_be_focused()
        check(tab, axe, f"admin-numbers-impact-{host}")
        tab.go("#section-privacy")
        tab.inside.locator("#privacy-erase").press("Enter")
        _, name, *_ = tab.inside.locator("label[for=admin-site]").inner_text().split()
        tab.inside.locator("#admin-site").fill(name)
        tab.inside.locator("#admin-site").press("Enter")
        expect(outcome).to_contain_text("Deletion is asked for")
        expect(outcome).to_be_focused()
        check(tab, axe, f"admin-deletion-asked-{host}")
