"""The bundle in Chromium, in a sandboxed frame under a strict policy, with a stand-in for the host's bridge.

The stand-in answers what `@forge/bridge` 7.2.0 asks (`invoke`, `getContext`, `enableTheming`, `navigate`); that the
real host answers alike is taken from that package, not seen.
"""

import functools
import json
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from descriptor.forge import RESOURCE_PATH
from tests.descriptor.conftest import ROOT
from tests.edge.panels.conftest import Templates

SCREENS = ROOT / "build" / "screens"
PLACE = "/cdn/1f2e3d/"
CONTEXT = {
    "locale": "de-DE",
    "timezone": "America/New_York",
    "moduleKey": "pledge-issue",
    "extension": {"type": "jira:issueContext", "issue": {"id": "10042", "key": "SEC-12"}},
}
BRIDGE = """(setup) => {
  window.asked = [];
  window.opened = [];
  const later = (value) => new Promise((resolve) => setTimeout(() => resolve(value), setup.delay));
  const answers = {
    getContext: () => (setup.contexts.length > 1 ? setup.contexts.shift() : setup.contexts[0]) ?? Promise.reject("no"),
    enableTheming: () => { document.documentElement.dataset.colorMode = setup.mode; },
    navigate: ({ url, type }) => window.opened.push([url, type]),
    invoke: (question) => {
      window.asked.push(question);
      return setup.answers.length > 1 ? setup.answers.shift() : setup.answers[0];
    },
  };
  globalThis.__bridge = { callBridge: async (name, payload) => later(await answers[name](payload)) };
}"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'none'; "
    "form-action 'none'; sandbox allow-downloads allow-forms allow-modals allow-pointer-lock allow-same-origin "
    "allow-scripts"
)
FORM = (
    '<section id="panel" class="panel"><form hx-post="/fragments/pause?issueId=10042" hx-target="#panel" '
    'hx-swap="outerHTML"><input name="reason" value="waiting"><input name="tag" value="a"><input name="tag" value="b">'
    '<button>Pause</button></form><a href="https://example.com/policy" target="_blank">Source</a>'
    '<a id="next" href="/fragments/next" hx-get="/fragments/next?page=2" hx-target="#panel">Next</a></section>'
)


def answer(html=None, *, status=200, **body):
    if html is not None:
        body["html"] = html
    return {
        "success": status < 400,
        "payload" if status < 400 else "error": {"status": status, "headers": {}, "body": body},
    }


@pytest.fixture(scope="module")
def fragment():
    """The very bytes that Connect's page shows."""
    return Templates().fragment("running")


class _Files(SimpleHTTPRequestHandler):
    def translate_path(self, path):
        assert path.startswith(PLACE)
        return super().translate_path(path.removeprefix(PLACE.rstrip("/")))

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def origin(folders):
    handler = functools.partial(_Files, directory=folders["new"] / RESOURCE_PATH)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def tab(browser, origin):
    """Opens the bundle; at the end no console error, no page error, and no request but for its own files."""
    complaints = []
    expected = []
    contexts = []

    def open_(*answers, contexts_given=(CONTEXT,), mode="light", delay=0, complaint=None):
        expected.extend([complaint] if complaint else [])
        context = browser.new_context(
            viewport={"width": 320, "height": 480}, locale="en-GB", timezone_id="Europe/Berlin"
        )
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda sent: None if _is_ours(sent.url) else complaints.append(f"foreign {sent.url}"))
        setup = {"answers": list(answers), "contexts": list(contexts_given), "mode": mode, "delay": delay}
        page.add_init_script(f"({BRIDGE})({json.dumps(setup)})")
        page.goto(f"{origin}{PLACE}index.html")
        return page

    def _is_ours(url):
        return url.startswith((f"{origin}{PLACE}", "data:"))

    yield open_
    for context in contexts:
        context.close()
    assert len(complaints) == len(expected), complaints
    assert all(text in complaint for text, complaint in zip(expected, complaints, strict=True))


def shown(page):
    page.wait_for_selector("#panel[hx-get^='/fragments/issue'] h2 .lozenge")
    return page


@pytest.mark.parametrize("delay", [0, 150])
def test_the_fragment_is_asked_for_through_the_bridge_and_shown(tab, fragment, delay):
    page = shown(tab(answer(fragment), delay=delay))
    assert page.evaluate("window.asked") == [
        {
            "path": "/fragments/issue?issueId=10042&issueKey=SEC-12",
            "method": "GET",
            "headers": {"Accept-Language": "de-DE"},  # the locale of the context
            "invokeType": "ui-remote-fetch",
        }
    ]
    assert page.locator("#panel").count() == 1
    assert page.locator("h3", has_text="security").count() == 1


def test_what_is_shown_is_the_same_bytes_as_in_connect(tab, fragment):
    page = shown(tab(answer(fragment)))
    plain = """(html) => {
      const [root] = new DOMParser().parseFromString(html, "text/html").body.children;
      for (const each of [root, ...root.querySelectorAll("*")]) each.removeAttribute("data-htmx-powered");
      for (const time of root.querySelectorAll("time[data-instant]")) {
        time.removeAttribute("title");
        time.textContent = "";
      }
      return root.outerHTML;
    }"""
    assert page.evaluate(plain, page.locator("#panel").evaluate("panel => panel.outerHTML")) == page.evaluate(
        plain, fragment
    )


def test_times_are_shown_in_the_reader_s_own_locale_and_zone(tab, fragment):
    page = shown(tab(answer(fragment)))
    text = page.locator("time[datetime='2026-12-20T09:00:00Z']").first.inner_text()
    assert "04:00" in text
    assert "Dez" in text


@pytest.mark.parametrize("given", [{"locale": "not a locale"}, {"timezone": "Moon/Crater"}])
def test_a_locale_or_zone_that_no_browser_knows_does_not_cost_the_reader_the_panel(tab, fragment, given):
    page = shown(tab(answer(fragment), contexts_given=[CONTEXT | given]))
    assert page.locator("time[data-instant]").count() > 0


@pytest.mark.parametrize(("mode", "ground"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(31, 31, 33)")])
def test_the_theme_is_the_host_s(tab, fragment, mode, ground):
    page = shown(tab(answer(fragment), mode=mode))
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == ground
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"forge-running-{mode}.png", full_page=True)


def test_the_panel_refreshes_through_the_bridge(tab, fragment):
    page = shown(tab(answer(fragment), answer(Templates().fragment("breached"))))
    page.evaluate("htmx.trigger('#panel', 'refresh')")
    page.wait_for_selector("#panel .due-danger")
    assert [each["method"] for each in page.evaluate("window.asked")] == ["GET", "GET"]
    assert page.evaluate("document.querySelector('#panel')._htmx.triggerSpecs.length") == 2


def test_a_form_travels_as_lists_of_values(tab):
    page = tab(answer(FORM), answer('<section id="panel">paused</section>'))
    page.click("button:text('Pause')")
    page.wait_for_selector("#panel:text('paused')")
    assert page.evaluate("window.asked[1]") == {
        "path": "/fragments/pause?issueId=10042",
        "method": "POST",
        "headers": {"Accept-Language": "de-DE", "Content-Type": "application/json"},
        "body": {"reason": ["waiting"], "tag": ["a", "b"]},
        "invokeType": "ui-remote-fetch",
    }


def test_a_link_out_is_opened_by_the_host_and_a_link_of_ours_is_a_fragment(tab):
    page = tab(answer(FORM), answer("second page"))
    page.click("a:text('Source')")
    page.wait_for_function("window.opened.length === 1")
    assert page.evaluate("window.opened") == [["https://example.com/policy", "new-tab"]]
    page.click("#next")
    page.wait_for_selector("#panel:text('second page')")
    assert page.evaluate("window.asked[1].path") == "/fragments/next?page=2"
    assert page.evaluate("window.opened.length") == 1


@pytest.mark.parametrize("status", [401, 404])
def test_whoever_may_no_longer_see_the_issue_sees_no_old_copy(tab, fragment, status):
    page = shown(tab(answer(fragment), answer(status=status, trace_id="0af7651916cd43dd")))
    page.evaluate("htmx.trigger('#panel', 'refresh')")
    page.wait_for_selector("#refresh-failed:not([hidden])")
    assert page.locator("#refresh-failed-trace code").inner_text() == "0af7651916cd43dd"
    assert page.locator("#panel").inner_text() == ""


@pytest.mark.parametrize(
    "refusal",
    [
        answer(status=503),
        answer(status=403),
        {"success": False, "error": {"message": "Remote invocation timed out"}},
        {"success": True, "payload": {"status": 200, "headers": {}, "body": {"surprise": 1}}},
        {"success": True, "payload": {"status": 204, "headers": {}}},
        None,
    ],
)
def test_an_answer_that_is_no_fragment_leaves_the_panel_and_says_so(tab, fragment, refusal):
    page = shown(tab(answer(fragment), refusal, answer(fragment)))
    page.evaluate("htmx.trigger('#panel', 'refresh')")
    page.wait_for_selector("#refresh-failed:not([hidden])")
    assert page.locator("#panel .lozenge").count() > 0
    page.click("#refresh-failed button")
    page.wait_for_selector("#refresh-failed", state="hidden")


def test_a_host_that_tells_no_context_at_first_can_be_asked_again(tab, fragment):
    page = tab(answer(fragment), contexts_given=[None, CONTEXT])
    page.click("#refresh-failed button")
    shown(page)
    assert page.locator("#refresh-failed").is_hidden()


@pytest.mark.parametrize(
    ("contexts", "lang", "opening", "failed"),
    [
        ([CONTEXT], "de", "Wird geöffnet …", "Diese Ansicht ließ sich nicht auffrischen"),
        ([CONTEXT | {"locale": "fr-FR"}], "en", "Opening…", "This panel could not be refreshed"),
        ([None], "en", "Opening…", "This panel could not be refreshed"),
    ],
)
def test_what_stands_before_the_first_fragment_is_in_the_language_of_the_host_s_reader(
    tab, contexts, lang, opening, failed
):
    page = tab(answer(status=503), contexts_given=contexts)
    page.wait_for_selector("#refresh-failed:not([hidden])")
    assert page.locator("html").get_attribute("lang") == lang
    assert page.locator("#panel h2").inner_text() == opening
    assert page.locator("#refresh-failed h2").first.inner_text() == failed
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"forge-before-{lang}.png", full_page=True)


def test_the_page_cannot_be_made_to_ask_another_host(tab):
    foreign = '<section id="panel"><a hx-get="https://example.com/steal" hx-target="#panel">go</a></section>'
    page = tab(answer(foreign), complaint="of our own backend only")
    page.click("a:text('go')")
    page.wait_for_selector("#refresh-failed:not([hidden])")
    assert len(page.evaluate("window.asked")) == 1
