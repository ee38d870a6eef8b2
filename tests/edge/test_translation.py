"""Texts, numbers and dates in the language of the reader: everything is marked, and German says all of it."""

import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from app.domain.clocks.model import State
from app.edge import translation
from app.edge.languages import extract
from app.edge.panels import wording
from tests.edge.panels.conftest import EDGE, SAMPLES, Templates

APP = Flask("languages")
TEMPLATES = EDGE / "templates"
ALL = sorted(path.name for path in TEMPLATES.glob("*.html"))
READ_ALOUD = {"aria-label", "title", "placeholder", "alt", "data-announcement"}
WORD = re.compile(r"[A-Za-z]{2,}")
NAMES = {"SEC", "Pledge", "CSV", "JSON", "SHA"}
PLACEHOLDER = re.compile(r"%\((\w+)\)[sr]|%%")
TAG = re.compile(r"</?\w+>")
OF_A_MACRO = re.compile(r'\b(hx-\w+|method|action)="[^"<>]*"')
"""Attributes that a macro adds to a tag which is not its own."""
ENGLISH = [message.id for message in extract.marked() if message.id]
SENTENCES = [text for text in ENGLISH if isinstance(text, str) and " " in text and "%" not in text and "<" not in text]


def asking(query="", **headers):
    return APP.test_request_context(f"/x?{query}", headers=headers)


class Shown(HTMLParser):
    """The words that people would read or hear."""

    def __init__(self, source):
        super().__init__()
        self.words = []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in READ_ALOUD:
                self.words += WORD.findall(value or "")

    def handle_data(self, data):
        self.words += WORD.findall(data)


def literal(source):
    """A template without what it calculates, and without what is marked."""
    environment = Environment(autoescape=True)
    translation.install(environment)
    kept, is_marked, tokens = [], False, list(environment.lex(source))
    for place, (_line, kind, value) in enumerate(tokens):
        if kind == "block_begin":
            name = next(text for _, what, text in tokens[place + 1 :] if what == "name")
            is_marked = name in ("trans", "pluralize") or (is_marked and name != "endtrans")
        elif kind == "data" and not is_marked:
            kept.append(value)
    return OF_A_MACRO.sub("", "".join(kept))


@pytest.mark.parametrize("name", ALL)
def test_no_visible_text_of_a_template_is_unmarked(name):
    source = (TEMPLATES / name).read_text(encoding="utf-8")
    assert [word for word in Shown(literal(source)).words if word not in NAMES] == []


@pytest.mark.parametrize("name", ALL)
def test_only_what_stands_in_a_template_is_taken_for_a_text_of_ours(name):
    """A translation is markup: whatever came from outside would be too, if it were looked up as a text."""
    source = (TEMPLATES / name).read_text(encoding="utf-8")
    assert re.findall(r'\b_\((?!")', source) == []


def test_the_filter_for_constants_leaves_markup_from_outside_to_be_escaped():
    environment = Environment(autoescape=True)
    translation.install(environment)
    shown = environment.from_string("{{ text|translated }}").render(text="<script>")
    assert shown == "&lt;script&gt;"


@pytest.mark.parametrize("loc", translation.LANGUAGES)
def test_what_is_put_into_a_translation_is_escaped(loc):
    environment = Environment(autoescape=True)
    translation.install(environment)
    piece = "{% trans label=label %}Type <bdi>{{ label }}</bdi>{% endtrans %}"
    call = '{{ _("Type %(site)s to ask for it", site=label) }}'
    with asking(f"loc={loc}"):
        shown = environment.from_string(piece + call).render(label="<script>%(x)s")
    assert "<bdi>&lt;script&gt;%(x)s</bdi>" in shown
    assert "<script>" not in shown


def test_unmarked_text_is_found():
    source = '<p title="More">{{ _("Fine") }} {# no #}{% trans a=b %}So {{ a }}{% endtrans %} left over</p>'
    assert Shown(literal(source)).words == ["More", "left", "over"]


@pytest.mark.parametrize("language", [each for each in translation.LANGUAGES if each != translation.SOURCE])
def test_a_catalogue_says_everything_that_is_marked_and_nothing_else(language):
    """When it does not: `python -m app.edge.languages.extract`, and translate what it has added."""
    stored = extract.of(language)
    assert {message.id for message in stored} - {""} == set(ENGLISH)
    forms = [
        (message.id, form)
        for message in stored
        if message.id
        for form in (message.string if isinstance(message.string, tuple) else (message.string,))
    ]
    assert [text for text, form in forms if not form] == []
    assert not any(message.fuzzy for message in stored)


@pytest.mark.parametrize("language", [each for each in translation.LANGUAGES if each != translation.SOURCE])
def test_a_translation_has_the_placeholders_and_tags_of_what_it_translates(language):
    for message in extract.of(language):
        ours = message.id if isinstance(message.id, tuple) else (message.id,)
        theirs = message.string if isinstance(message.string, tuple) else (message.string,)
        if message.id:
            for form in theirs:
                assert set(PLACEHOLDER.findall(form)) == set(PLACEHOLDER.findall(ours[-1])), message.id
                assert sorted(TAG.findall(form)) == sorted(TAG.findall(ours[-1])), message.id
                assert "<" not in TAG.sub("", form), message.id


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "de-AT,de;q=0.9,en;q=0.8", "de"),
        ("", "fr-FR,fr;q=0.9", "en"),
        ("", "fr-FR,de;q=0.5", "de"),
        ("loc=de-DE", "en", "de"),
        ("loc=de_DE", "en", "de"),
        ("loc=en-US", "de", "en"),
        ("loc=pt-BR", "de", "en"),
    ],
)
def test_the_language_is_that_of_the_host_else_that_of_the_browser(query, accepted, language):
    with asking(query, **{"Accept-Language": accepted}):
        assert translation.language() == language
    assert translation.language() == "en"


@given(st.text(max_size=200), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_whatever_is_asked_for_some_language_is_found(loc, accepted):
    with APP.test_request_context("/x", query_string={"loc": loc}, headers={"Accept-Language": accepted}):
        assert translation.language() in translation.LANGUAGES


def test_the_same_english_word_has_another_german_one_at_another_place():
    with asking("loc=de"):
        assert translation.pgettext("who acted", "you") == "Sie"
        assert translation.gettext("you") == "Ihnen"
    assert translation.pgettext("who acted", "you") == "you"


def test_dates_lengths_of_time_and_numbers_of_things_are_those_of_the_language():
    day, at = date(2026, 12, 20), datetime(2026, 12, 20, 9, tzinfo=UTC)
    plural = ("%(number)s clock", "%(number)s clocks")
    with asking("loc=de"):
        assert wording.date_words(day) == "So., 20. Dez. 2026"
        assert wording.instant_words(at) == "So., 20. Dez. 2026, 09:00 UTC"
        assert translation.short_day_words(day) == "20. Dez."
        assert wording.due_text(State.RUNNING, 2 * 86400 + 4 * 3600) == "fällig in 2 T 4 Std."
        assert [translation.ngettext(*plural, number=number) for number in (0, 1, 2)] == ["0 Uhren", "1 Uhr", "2 Uhren"]
    assert wording.date_words(day) == "Sun 20 Dec 2026"
    assert wording.due_text(State.RUNNING, 2 * 86400 + 4 * 3600) == "due in 2 d 4 h"
    assert [translation.ngettext(*plural, number=number) for number in (0, 1, 2)] == ["0 clocks", "1 clock", "2 clocks"]


@pytest.mark.parametrize("name", [name for name, panel in SAMPLES.items() if not panel.history])
def test_a_german_panel_has_none_of_our_english_sentences(name):
    templates = Templates()
    with asking("loc=de"):
        german = templates.fragment(name)
    assert 'lang="de"' in german
    english = templates.fragment(name)
    assert [text for text in SENTENCES if text in german] == []
    assert any(text in english for text in SENTENCES)
