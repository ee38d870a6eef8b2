"""A panel that stays open while tokens expire, Jira is down, or the product itself fails and comes back."""

import time

from playwright.sync_api import expect

UNREACHABLE = r"Failed to load resource: net::ERR_CONNECTION_REFUSED"
WATCH_SHIFTS = """() => new Promise((done) => {
    window.shifts = [];
    const note = (seen) => window.shifts.push({by: seen.value, of: seen.sources.map(({node}) => node?.nodeName)});
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({type: "layout-shift", buffered: true});
    setTimeout(done, 200);
})"""
WATCH_HEIGHTS = """() => {
    window.heights = [];
    const frame = document.querySelector("iframe");
    new ResizeObserver(() => window.heights.push(frame.getBoundingClientRect().height)).observe(frame);
}"""
STILL = """() => new Promise((done) => {
    const known = window.heights.length;
    setTimeout(() => done(window.heights.length === known), 500);
})"""
GOOD_SHIFT = 0.1
"""Where "Cumulative Layout Shift" is good (web.dev): what part of the view has moved, by what part of its height."""


def refused(status):
    return rf"Failed to load resource: the server responded with a status of {status} "


def test_an_expired_token_is_renewed_unnoticed(product, watched):
    now = int(time.time())
    expired = {"iat": now - 4000, "exp": now - 3100}
    stale = product.token(kind="context", account="developer", overrides=expired)
    with watched(product, "SEC-1", expected=[refused(401)]) as tab:
        expect(tab.headline).to_contain_text("due in")
        asked = []

        def hand_out(route):
            asked.append(route.request.url)
            route.fulfill(json={"token": stale}) if len(asked) == 1 else route.continue_()

        tab.page.route("**/host/token*", hand_out)
        tab.refresh()
        assert len(asked) == 2
        expect(tab.headline).to_contain_text("due in")
        expect(tab.notice).to_be_hidden()


def test_while_jira_is_down_access_cannot_be_confirmed_and_no_fact_is_shown(product, watched):
    product.control("/control", site="kencha", storm={"status": 503, "count": 1000, "retry_after": "absent"})
    with watched(product, "SEC-1", account="admin", site="kencha") as tab:
        expect(tab.headline).to_have_text("Cannot confirm your access")
        expect(tab.panel).to_contain_text("Trace id")
        assert tab.frame.locator("time, .lozenge, .clock").count() == 0
        tab.shoot("unconfirmed-light")
        tab.switch_theme()
        tab.shoot("unconfirmed-dark")
        product.control("/control", site="kencha", storm=None)
        tab.panel.get_by_role("button", name="Try again").click()
        expect(tab.headline).to_contain_text("due in")


def test_a_slow_jira_shows_bars_at_once_which_give_way_to_the_panel_and_nothing_jumps(product, watched):
    product.control("/control", site="kencha", latency_seconds=1.2)
    with watched(product, "SEC-1", account="developer2", site="kencha", until="commit") as tab:
        expect(tab.headline).to_contain_text("due in")
        expect(tab.page.frame_locator("iframe").locator(".waiting")).to_be_hidden()
        assert tab.frame.evaluate("window.barsSeen")
        product.control("/control", site="kencha", latency_seconds=0)
        tab.settle()
        tab.frame.evaluate(WATCH_SHIFTS)
        opening = tab.frame.evaluate("window.shifts.splice(0)")
        assert sum(each["by"] for each in opening) < GOOD_SHIFT, opening
        for _ in range(3):
            tab.refresh()
            tab.settle()
        assert tab.frame.evaluate("window.shifts") == []


def test_a_frame_that_gets_narrower_or_wider_finds_its_height_at_once_and_keeps_it(product, watched):
    with watched(product, "SEC-1") as tab:
        expect(tab.headline).to_contain_text("due in")
        tab.settle()
        tab.page.evaluate(WATCH_HEIGHTS)
        for width in (700, 340, 1000):
            tab.page.wait_for_function(STILL)
            tab.page.evaluate("window.heights = []")
            tab.page.set_viewport_size({"width": width, "height": 900})
            tab.page.wait_for_function(STILL)
            tab.settle()
            heights = tab.page.evaluate("window.heights")
            assert len(heights) <= 2, f"{width} px wide: the frame was first as high as before, then {heights[1:]}"
            assert tab.frame.evaluate("document.documentElement.scrollHeight <= innerHeight")


def test_a_deleted_issue_keeps_its_clock_and_is_flagged(product, watched):
    product.tracked("10007")
    site = product.simulator.site("genchi")
    with watched(product, "SEC-7") as tab:
        expect(tab.headline).to_contain_text("met 8 d before due")
        product.simulator.world.delete(site, site.issue("SEC-7"), author=site.person("admin"))
        product.eventually(lambda: product.clocks("10007").json()["hidden_since"])
        tab.refresh()
        expect(tab.panel).to_contain_text("Jira no longer shows this issue")
        expect(tab.headline).to_contain_text("met 8 d before due")
        tab.shoot("gone-light")


def test_data_that_cannot_be_read_again_says_from_when_it_is(product, watched):
    product.tracked("10006")
    with watched(product, "SEC-6") as tab:
        expect(tab.headline).to_contain_text("due in")
        product.control("/control", site="genchi", storm={"status": 503, "count": 1000})
        site = product.simulator.site("genchi")
        changed = {"cvss_score": 9.8, "cvss_vector": None}
        product.simulator.world.change(site, site.issue("SEC-6"), values=changed, author=site.person("admin"))
        product.eventually(lambda: product.database.rows("SELECT 1 FROM app.pending_reads WHERE attempts > 0"))
        product.database.execute("UPDATE app.pending_reads SET asked_at = asked_at - interval '5 minutes'")
        tab.refresh()
        expect(tab.panel).to_contain_text("Data from an earlier time")
        expect(tab.headline).to_have_text("Low · due in 144 d")
        tab.shoot("stale-light")
        tab.switch_theme()
        tab.shoot("stale-dark")
        product.control("/control", site="genchi", storm=None)


def test_a_failure_of_the_database_is_named_with_its_trace_id_and_passes(product, watched):
    database = product.database
    with watched(product, "SEC-1", expected=[refused(503)]) as tab:
        expect(tab.headline).to_contain_text("due in")
        database.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT 0")
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = 'pledge_web'",
            database.name,
        )
        tab.try_refresh()
        expect(tab.notice).to_be_visible()
        trace = tab.notice.locator("code").inner_text()
        assert f'"trace_id": "{trace}"' in product.web.output
        expect(tab.headline).to_contain_text("due in")
        tab.shoot("failed-light")
        tab.switch_theme()
        tab.shoot("failed-dark")
        database.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT -1")
        product.await_ready()
        tab.notice.get_by_role("button", name="Try again").click()
        expect(tab.notice).to_be_hidden()
        expect(tab.headline).to_contain_text("due in")


def test_a_restart_of_the_web_process_is_told_and_the_open_panel_recovers(product, watched):
    with watched(product, "SEC-1", expected=[UNREACHABLE, "htmx:error"]) as tab:
        expect(tab.headline).to_contain_text("due in")
        product.web.kill()
        tab.try_refresh()
        expect(tab.notice).to_be_visible()
        expect(tab.notice.locator("code")).to_be_hidden()
        expect(tab.headline).to_contain_text("due in")
        product.web.start()
        product.await_ready()
        tab.notice.get_by_role("button", name="Try again").click()
        expect(tab.notice).to_be_hidden()
        expect(tab.headline).to_contain_text("due in")
