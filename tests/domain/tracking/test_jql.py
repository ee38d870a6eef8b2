"""What of a tenant's JQL is sent: nothing that could end the brackets it is put in, or that two readers read apart."""

import re
from datetime import UTC, datetime
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.identifiers import IssueId
from app.domain.tracking.jql import DEEPEST, LONGEST, MOST_TOKENS, Jql, JqlRefused
from simulator.jql import JqlWrong, select
from simulator.site import Site

SITE_NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ISSUES = tuple(Site("genchi", "http://127.0.0.1:1", seed=1, number=0, epoch=SITE_NOW).issues.values())
WORDS = (
    """project = != in not ( ) , and OR order 1 labels "a_b" 'x' " ' \\ \\" ") is empty cf[10050] -30d currentUser()"""
)
PIECES = st.sampled_from([*WORDS.split(), "ORDER BY key", "\u202e", "\0", "\n", "–"])
CLAUSES = st.sampled_from(
    (
        "project = OPS",
        'labels in ("security", "a) OR (b")',
        "priority is EMPTY",
        "id != 10001",
        "NOT issuetype = Bug",
        "created >= -20d",
        "status = 'To Do'",
        "key = SEC-2",
    )
)
RESTRICTIONS = st.recursive(
    CLAUSES,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR", ") OR ("]), inner)
        | st.builds("{} OR {}".format, inner, inner)
    ),
    max_leaves=6,
)
"""Queries that a Jira understands, and some that try to get out of their brackets."""
QUERIES = st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=60)


@pytest.mark.parametrize(
    "text",
    [
        "project = SEC",
        'labels in ("security", vulnerability) AND (status != Done OR resolution is EMPTY)',
        "summary ~ \"a ) in quotes\" and text ~ 'and ( here'",
        r'labels = "with \"quotes\" and \\ in it"',
        "cf[10050] = x and created >= -30d && !(project = OPS)",
        'issue.property["a) b"].x = 1',
        "reporter = currentUser()",
        "labels = naïve OR labels = 安全",
    ],
)
def test_a_restriction_is_taken_as_it_is(text):
    assert Jql(text).text == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "restricts nothing"),
        ("   ", "restricts nothing"),
        ("()", "restricts nothing"),
        ("ORDER BY key", "ORDER BY"),
        ("project = SEC oRdEr by key", "ORDER BY"),
        ("(project = SEC", "not closed"),
        ("(" * (DEEPEST + 1) + "a = 1" + ")" * (DEEPEST + 1), "deeper"),
        ("a=1 " * (MOST_TOKENS // 2), "parts"),
        ("a" * (LONGEST + 1), "characters"),
    ],
)
def test_what_restricts_nothing_orders_or_is_too_large_is_refused(text, why):
    with pytest.raises(JqlRefused, match=why):
        Jql(text)


@pytest.mark.parametrize(
    "text",
    [
        "x) OR (1=1",
        ") OR (project = OPS",
        "project = SEC) OR (project = OPS",
        "project = SEC))((",
        "labels in (a)) or (b in (c)",
    ],
)
def test_attack_closing_the_bracket_that_we_opened(text):
    with pytest.raises(JqlRefused, match="not opened"):
        Jql(text)


@pytest.mark.parametrize(
    "text",
    [
        'project = "SEC',
        "project = 'SEC",
        'labels = "\\u0022) OR (project = OPS) OR labels = \\u0022"',
        'labels = "a\\',
        "labels = a\\",
        "labels = \\) OR (x = y",
    ],
)
def test_attack_a_quote_that_one_reader_sees_closed_and_another_does_not(text):
    with pytest.raises(JqlRefused):
        Jql(text)


@pytest.mark.parametrize(
    "letter", ["\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u200b", "\ud800"]
)
def test_attack_characters_that_nobody_sees(letter):
    with pytest.raises(JqlRefused, match="control character"):
        Jql(f"project = SEC{letter}")


@given(QUERIES)
def test_whatever_is_taken_keeps_its_brackets_and_quotes_to_itself(text):
    """By another reader than ours: what is in quotes is taken out first, then brackets are counted."""
    try:
        taken = Jql(text).text
    except JqlRefused:
        return
    bare = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", "", taken)
    assert not {'"', "'", "\\"} & set(bare)
    depths = list(accumulate((letter == "(") - (letter == ")") for letter in bare))
    assert min(depths, default=0) >= 0
    assert not depths or depths[-1] == 0
    assert "order by" not in " ".join(bare.lower().split())


@given(RESTRICTIONS)
def test_what_the_simulated_jira_finds_with_it_is_never_more_than_what_stands_beside_it(text):
    """`(<jql>) AND id = …` finds that issue or none, whatever the tenant wrote."""
    try:
        jql = Jql(text)
        found = select(jql.with_issue(IssueId(10001)), ISSUES, now=SITE_NOW)
    except JqlRefused:
        with pytest.raises(JqlWrong):
            select(text, ISSUES, now=SITE_NOW)
        return
    assert [issue.id for issue in found] in ([], ["10001"])


def test_the_queries_that_are_made_of_it_find_what_they_say():
    jql = Jql('labels = "security" OR issuetype = Task')
    everything = {issue.id for issue in select(jql.text, ISSUES, now=SITE_NOW)}
    assert {issue.id for issue in select(jql.all(), ISSUES, now=SITE_NOW)} == everything
    [one] = select(jql.with_issue(IssueId(10001)), ISSUES, now=SITE_NOW)
    assert one.id == "10001"
    young = [issue.id for issue in select(jql.changed_within(3 * 24 * 60), ISSUES, now=SITE_NOW)]
    assert 0 < len(young) < len(everything)
    assert set(young) <= everything
