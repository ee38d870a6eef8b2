"""The HTML of every state: one root, well nested, nothing inline, nothing hostile alive, the right words."""

import gzip
from html.parser import HTMLParser
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[3] / "app" / "edge" / "static"
VOID = {"meta", "link", "br", "img", "input"}
LANDMARK = {
    "running": [
        "High · due in 27 d",
        "On track",
        "CVSS 8.1",
        "v3.1",
        "Due Sun 20 Dec 2026, 09:00 UTC",
        "10:00 CET, as the policy counts",
        "Network: reachable over the internet",
    ],
    "second_cycle": [
        "Cycle 2",
        "Severity set to medium",
        "Paused by you",
        "waiting for the vendor; 4.2",
        "Runs again by somebody else",
        "From decision a1",
        "Extension requested by the operator",
        "Extended to Mon 4 Jan 2027",
        "Met Mon 14 Dec 2026",
    ],
    "at_risk": ["High · due in 45 h", "At risk", "Little time is left"],
    "breached": ["High · 2 d 4 h overdue", "Overdue", "Was due Sun", "The date has passed", "107 % of the time used"],
    "explained": ["Why it was late", "AMS-7, Needs Patch", "it waits for this fix", "released", "decision pending"],
    "told": [
        "Told by mail to 3 recipients of this site, by a comment on the issue 1 recipient is told by their next mail.",
        "Who was told, and when? The date has passed Sun 20 Dec 2026, 09:00 UTC Told by mail to 3 recipients",
    ],
    "told_late": [
        "The comment is not on the issue yet. It is tried again, not before Sun 22 Nov 2026, 09:00 UTC.",
        "The mail to 2 recipients has not gone out yet. It is tried again, not before Sun 22 Nov 2026, 09:00 UTC.",
    ],
    "told_nobody": ["No message about this is on record. Messages go out every quarter of an hour"],
    "told_to_none_there": ["Nobody is told: this site has no recipient. A Jira administrator adds"],
    "breached_long_ago": ["Critical · 300 d overdue", "1171 % of the time used"],
    "paused": [
        "Medium · paused with 12 d 12 h left",
        "waiting for the upstream fix",
        "Stood still for 3 d",
        "Paused since Tue 1 Dec",
    ],
    "met": ["Low · met 6 d before due", "Met Mon 14 Dec 2026, 09:00 UTC"],
    "met_late": ["High · met 2 d late", "Met late"],
    "cancelled": ["High · cancelled", "Cancelled by Ana: Duplicate", "Ended Mon 14 Dec 2026"],
    "awaiting_triage": [
        "Severity not set · awaiting triage",
        "Set a CVSS score or a priority",
        "the field of the CVSS vector (customfield_10050) is empty",
        "priority 'Blocker'",
    ],
    "no_deadline": ["None · no deadline", "CVSS 0.0"],
    "two_clocks": [
        "Triage update, cycle 2",
        "Due in 100 min",
        "Due by the end of Fri 4 Dec 2026 in UTC",
        "priority in Jira",
    ],
    "no_clock": ["No promise of the policy sets a date"],
    "stale": ["Data from an earlier time", "Sun 22 Nov 2026, 11:00 UTC", "due in 27 d"],
    "read_only": ["Licence lapsed: read only", "are still followed", "High · due in 27 d"],
    "gone": ["Jira no longer shows this issue", "never a promise met", "due in 27 d"],
    "not_tracked": ["Not tracked", "security or vulnerability"],
    "unknown": ["Reading this issue from Jira…"],
    "unconfirmed": ["Cannot confirm your access", "0af7651916cd43dd8448eb211c80319c"],
    "refused": ["You cannot see this", "permission to browse its project"],
    "hostile": ["<script>alert(1)</script>", "{{ 7 * 7 }}", "javascript:alert(3)"],
}


class Page(HTMLParser):
    """Elements with their attributes, text with white space folded, and every breach of nesting."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.broken, self.roots, self._open, self._text = [], [], 0, [], []
        self.feed(html)
        self.close()
        self.broken += self._open

    @property
    def text(self):
        return " ".join("".join(self._text).split())

    def handle_starttag(self, tag, attrs):
        self.roots += not self._open
        self.elements.append((tag, dict(attrs)))
        if len(attrs) != len(dict(attrs)):
            self.broken.append(f"{tag} repeats an attribute")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.broken.append(f"/{tag}")

    def handle_data(self, data):
        if self._open and self._open[-1] in ("script", "style") and data.strip():
            self.broken.append(f"inline {self._open[-1]}")
        self._text.append(data)


@pytest.fixture
def fragment(panel_name, templates):
    return templates.fragment(panel_name)


def test_a_fragment_has_one_root_element_and_is_well_nested(fragment):
    page = Page(fragment)
    assert page.broken == []
    assert page.roots == 1
    # htmx would put white space around the root beside it, again with every swap
    assert fragment == fragment.strip()


def test_a_fragment_says_what_its_state_is(panel_name, fragment):
    text = Page(fragment).text
    assert [words for words in LANDMARK[panel_name] if words not in text] == []


def test_a_page_holds_nothing_inline_and_loads_only_our_files_and_the_host_script(page_name, templates):
    page = Page(templates.page(page_name))
    assert page.broken == []
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith(("on", "hx-on"))}
    assert "style" not in {tag for tag, _ in page.elements}
    scripts = [attributes["src"] for tag, attributes in page.elements if tag == "script"]
    assert scripts[0] == "https://host.example.com/all.js"
    assert all(src.startswith("/static/") and "?v=" in src for src in scripts[1:])


def test_no_value_of_an_issue_becomes_markup_or_an_address_that_runs(panel_name, fragment):
    page = Page(fragment)
    assert not {"script", "img", "b", "iframe"} & {tag for tag, _ in page.elements}
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert all(link.startswith("https://") for link in links)
    assert "49" not in page.text or panel_name != "hostile"


def test_every_id_of_a_page_is_there_once_and_headings_begin_at_two(page_name, templates):
    page = Page(templates.page(page_name))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {"html", "title", "main"} <= {tag for tag, _ in page.elements}
    assert page.elements[0] == ("html", {"lang": "en"})
    assert "h1" not in {tag for tag, _ in page.elements}
    assert "h2" in {tag for tag, _ in page.elements}


def test_every_shape_is_hidden_from_screen_readers_or_named_for_them(fragment):
    shapes = [attributes for tag, attributes in Page(fragment).elements if tag == "svg"]
    assert all(shape.get("aria-hidden") == "true" or shape.get("aria-label") for shape in shapes)


def test_a_link_that_opens_a_tab_says_so_and_gives_nothing_away(templates):
    page = Page(templates.fragment("running"))
    (link,) = [attributes for tag, attributes in page.elements if tag == "a"]
    assert link["rel"] == "noopener noreferrer"
    assert "opens in a new tab" in page.text


def test_a_refused_page_tells_what_still_works_and_its_trace_id(templates):
    for name in ("refusal_401", "refusal_500"):
        text = Page(templates.page(name)).text
        assert "0af7651916cd43dd8448eb211c80319c" in text
        assert "The rest of the issue works as usual" in text


def test_a_panel_asks_for_its_fragment_at_the_address_it_was_given(templates):
    root = Page(templates.fragment("unknown")).elements[0][1]
    assert root["hx-get"] == "/fragments/issue?issueId=10042"
    assert root["hx-trigger"] == "every 3s, refresh"


def test_the_compressed_weight_of_a_first_visit_stays_below_40_kb_in_every_state(page_name, templates):
    """With every form that there is."""
    files = [path.read_bytes() for path in STATIC.iterdir() if path.suffix in (".js", ".css")]
    files += [templates.page(page_name).encode(), templates.forms().encode()]
    assert sum(len(gzip.compress(content)) for content in files) <= 40_000


def test_htmx_is_the_published_file():
    text = (STATIC / "htmx.min.js").read_text(encoding="utf-8")
    assert "4.0.1" in text
    assert "Zero-Clause BSD" in (STATIC / "htmx.LICENSE.txt").read_text(encoding="utf-8")
