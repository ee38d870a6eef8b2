"""What happened, for people: by cycle, and without the id of anybody."""

from app.domain.clocks.model import EventKind
from app.edge.panels.history import history_of, without_ids
from tests.edge.panels.conftest import COLLEAGUE, FACTS, ME, fact


def test_a_reopened_issue_has_a_cycle_more_and_the_newest_fact_stands_first():
    cycles = history_of(FACTS, reader=ME)
    assert [cycle.number for cycle in cycles] == [2, 1]
    assert [line.text for line in cycles[0].lines][-1] == "Reopened"
    assert all(
        line.at >= later.at for cycle in cycles for line, later in zip(cycle.lines, cycle.lines[1:], strict=False)
    )


def test_who_decided_is_you_or_somebody_else_and_no_account_id_is_told():
    told = [
        line for reader in (ME, COLLEAGUE, None) for cycle in history_of(FACTS, reader=reader) for line in cycle.lines
    ]
    assert {line.who for line in told} == {"you", "somebody else", "the operator", None}
    assert not [line for line in told if ME in repr(line) or COLLEAGUE in repr(line)]


def test_who_reported_a_ticket_by_a_form_is_not_told_by_id_either():
    """The source of such a fact names the ticket and not the way it came."""
    facts = [fact(EventKind.EXTERNAL_BOUND, 1, "ams:AMS-1:r1", actor=COLLEAGUE, reason="Needs Patch", ticket="AMS-1")]
    [line] = history_of(facts, reader=ME)[0].lines
    assert (line.who, COLLEAGUE in repr(line)) == ("somebody else", False)
    assert without_ids(f"Told by {COLLEAGUE}.", facts, reader=ME) == "Told by somebody else."


def test_a_reason_in_the_words_of_the_engine_names_nobody_either():
    text = f"Held from 2026-11-24T09:00:00Z by {ME}; runs again by {COLLEAGUE}."
    assert without_ids(text, FACTS, reader=ME) == "Held from 2026-11-24T09:00:00Z by you; runs again by somebody else."
    assert without_ids(None, FACTS, reader=ME) is None


def test_every_kind_of_fact_has_words_and_a_repeated_fact_is_told_once():
    kinds = [
        kind for kind in EventKind if kind not in {EventKind.SEVERITY_SET, EventKind.EXTENDED, EventKind.EXTERNAL_BOUND}
    ]
    facts = [fact(kind, 1, "jira:created", actor="jira", reason="made up") for kind in kinds]
    lines = [line for cycle in history_of([*facts, *facts], reader=None) for line in cycle.lines]
    assert len(lines) == len(kinds)
    assert all(line.text[0].isupper() and "_" not in line.text for line in lines)
