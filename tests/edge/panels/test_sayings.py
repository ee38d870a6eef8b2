"""What the domain says, in the language of whoever reads; what people, policies and Jira say, as it was said."""

import pytest

from app.domain.clocks.model import EventKind, Severity, State
from app.domain.clocks.rule import Mode, Unit
from app.domain.promises.model import Kind
from app.domain.sentences import Sentence, recognised
from app.domain.tracking.rule import LACKS
from app.edge.panels.audit_words import detail_words
from app.edge.panels.sayings import WORDS, field_words, said
from app.edge.translation import gettext
from tests.edge.test_translation import asking


def test_every_word_of_ours_that_can_stand_in_a_sentence_is_translated():
    assert {each.value for kind in (Severity, EventKind, State, Mode, Unit, Kind) for each in kind} == set(WORDS)
    with asking("loc=de"):
        assert [word for word in WORDS if gettext(word) == word] == []


def test_a_sentence_in_a_sentence_and_a_word_of_ours_are_translated_too():
    time = Sentence("%(days)s d %(hours)s h", days=29, hours=0)
    limit = Sentence("%(days)s d %(hours)s h", days=28, hours=0)
    finding = Sentence(
        "%(level)s: %(time)s, where %(policy)s allows %(limit)s",
        level=Severity.HIGH, time=time, policy="genchi", limit=limit,
    )  # fmt: skip
    refusal = Sentence("the vendor has promised no more time: %(finding)s", finding=finding)
    with asking("loc=de"):
        assert (
            said(refusal)
            == "mehr Zeit hat der Hersteller nicht zugesagt: hoch: 29 T 0 Std., wo genchi 28 T 0 Std. erlaubt"
        )
    assert said(refusal) == refusal


@pytest.mark.parametrize("typed", ["high", "is missing", "paused", "%(reason)s", "<script>"])
def test_what_somebody_typed_stays_as_it_was_typed(typed):
    with asking("loc=de"):
        assert said(Sentence("it is paused for %(reason)r already", reason=typed)) == (
            f"wegen {typed!r} ist die Uhr schon angehalten"
        )
        assert said(typed) == typed


@pytest.mark.parametrize("template", LACKS)
def test_why_no_severity_is_known_is_translated_though_only_its_english_text_is_stored(template):
    values = dict.fromkeys(("field_id", "name"), "customfield_10050")
    stored = template % values
    with asking("loc=de"):
        shown = said(recognised(stored, LACKS))
    assert shown != stored
    assert ("customfield_10050" in shown) == ("%(" in template)


def test_a_field_is_called_as_its_form_calls_it():
    fault = Sentence("%(field)s: %(fault)s", field="evidence", fault=Sentence("is missing"))
    with asking("loc=de"):
        assert said(fault) == "Nachweis: fehlt"
        assert field_words("pausing.waiting") == "Status, in denen die Uhr anhält (waiting)"
        assert field_words("nobody's") == "nobody's"


def test_the_details_of_an_entry_are_words_but_for_names_numbers_and_hashes():
    detail = {
        "kinds": "paused severity_set", "changed": "jql priorities", "cause": "installed", "sha256": "ab12",
        "source": "form:d1", "host": None, "app.clock_events": 3, "policy": "high",
    }  # fmt: skip
    with asking("loc=de"):
        assert dict(detail_words(detail)) == {
            "Arten": "angehalten, Schweregrad gesetzt",
            "Verändert": "Vorgänge, die zählen (JQL), Prioritäten",
            "Anlass": "installiert",
            "SHA-256": "ab12",
            "Quelle": "Entscheidung d1",
            "app.clock_events": "3",
            "Richtlinie": "high",
        }
