"""Every state of the contract that an issue can be in, as the JSON and the panel tell it."""

import pytest

STATES = {
    "SEC-1": ("high", "running", "On track", "due in "),
    "SEC-2": ("critical", "at_risk", "At risk", "due in "),
    "SEC-3": ("critical", "breached", "Overdue", " overdue"),
    "SEC-7": ("high", "met", "Met", " before due"),
    "SEC-8": ("medium", "met_late", "Met late", " late"),
    "SEC-9": ("low", "cancelled", "Cancelled", "cancelled"),
    "SEC-15": ("none", "no_deadline", "No deadline", "no deadline"),
    "SEC-18": (None, "awaiting_triage", "Awaiting triage", "awaiting triage"),
}


@pytest.mark.parametrize("key", STATES)
def test_a_seeded_issue_shows_its_state_in_the_json_and_in_the_panel(genchi, key):
    level, state, word, due = STATES[key]
    seen = genchi.tracked(genchi.seeded.issue(key).id)
    assert (seen["severity"] or {"level": None})["level"] == level
    assert [clock["state"] for clock in seen["clocks"]] == [state]
    page = genchi.page(key).text
    assert f"</svg>{word}</span>" in page
    headline = page.partition('class="headline"')[2].partition("</h2>")[0]
    assert due in headline


def test_a_cancelled_clock_says_why_and_to_programs_by_whom(genchi):
    [clock] = genchi.tracked(genchi.seeded.issue("SEC-9").id)["clocks"]
    assert clock["cancelled"] == {"reason": "Won't Do", "actor": "jira"}
    assert "Cancelled: Won&#39;t Do" in genchi.page("SEC-9").text


def test_reopening_is_a_second_cycle_and_the_first_stays_closed(genchi):
    [second, first] = genchi.tracked(genchi.seeded.issue("SEC-13").id)["clocks"]
    assert (second["cycle"], first["cycle"], first["state"]) == (2, 1, "met")
    assert second["started_at"] > first["stopped_at"]
    assert "Security bug fix, cycle 2" in genchi.page("SEC-13").text


def test_an_issue_without_label_or_type_is_not_tracked_and_the_panel_says_how_it_would_be(genchi):
    task = genchi.seeded.issue("SEC-19").id
    seen = genchi.eventually(task, lambda seen: seen["tracking"] != "unknown")
    assert (seen["tracking"], seen["clocks"]) == ("not_tracked", [])
    assert "Not tracked" in genchi.page("SEC-19").text


def test_an_issue_that_nobody_has_read_is_unknown_and_says_so_until_it_is_read(genchi):
    new = genchi.seeded.issue("OPS-1").id  # it does not count, so the import left it alone
    assert genchi.clocks(new).json()["tracking"] == "unknown"
    genchi.eventually(new, lambda seen: seen["tracking"] == "not_tracked")
