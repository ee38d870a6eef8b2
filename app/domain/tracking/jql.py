"""JQL that a tenant wrote: read far enough to know that it stays what it is inside a larger query. Jira does the rest.

Nothing here evaluates a query. It is proven that brackets and quotes that are opened are closed, in order, and that
nothing follows that Jira would not read as a part of the restriction: `(<jql>) AND …` then means what it says.
Source of the grammar: https://support.atlassian.com/jira-software-cloud/docs/use-advanced-search-with-jql/
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.identifiers import IssueId
from app.domain.sentences import Sentence

LONGEST = 2_000
MOST_TOKENS = 400
DEEPEST = 20
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that two readers could see or count differently: controls, directions, separators."""
# Of the escapes of JQL only those that spell themselves: `\u0022` could be a quote to one reader and none to another.
_TOKEN = re.compile(
    r""" *(?:(?P<quoted>"(?:[^"\\]|\\["'\\])*"|'(?:[^'\\]|\\["'\\])*')|(?P<sign>[(),]|[=!<>~&|]+)"""
    r"""|(?P<word>[^\s"'\\(),=!<>~&|]+))"""
)


class JqlRefused(ValueError):
    """This JQL is not sent to Jira, or Jira refused it; `why` says so to whoever wrote it."""

    def __init__(self, why: Sentence) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Jql:
    """A restriction that may be sent; there is no instance of any other. Raises `JqlRefused`."""

    text: str

    def __post_init__(self) -> None:
        _check_characters(self.text)
        _check_structure(list(_tokens(self.text)))

    def with_issue(self, issue: IssueId) -> str:
        """The query that finds that issue if it is within."""
        return f"({self.text}) AND id = {int(issue)}"

    def changed_within(self, minutes: int) -> str:
        """The query that finds what changed in so many minutes, by Jira's own clock; oldest first."""
        return f'({self.text}) AND updated >= "-{int(minutes)}m" ORDER BY created ASC'

    def all(self) -> str:
        """The query that finds everything within, oldest first: what is made meanwhile comes last."""
        return f"({self.text}) ORDER BY created ASC"


def _check_characters(text: str) -> None:
    if len(text) > LONGEST:
        counts = {"number": len(text), "most": LONGEST}
        raise JqlRefused(Sentence("it has %(number)s characters; at most %(most)s are taken", **counts))
    for position, letter in enumerate(text):
        if unicodedata.category(letter) in _UNSEEN:
            names = {"position": position + 1, "code": f"U+{ord(letter):04X}"}
            raise JqlRefused(
                Sentence("character %(position)s (%(code)s) is a control character or cannot be seen", **names)
            )


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each token; raises `JqlRefused` where none begins."""
    position = 0
    end = len(text.rstrip(" "))
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            place = position + 1
            raise JqlRefused(
                Sentence("a quote that is not closed, or a backslash, at character %(position)s", position=place)
            )
        yield str(found.lastgroup), found[0].strip(" ")
        position = found.end()


def _check_structure(tokens: list[tuple[str, str]]) -> None:
    if not any(kind != "sign" for kind, _ in tokens):
        raise JqlRefused(Sentence("it restricts nothing"))
    if len(tokens) > MOST_TOKENS:
        counts = {"number": len(tokens), "most": MOST_TOKENS}
        raise JqlRefused(Sentence("it has %(number)s parts; at most %(most)s are taken", **counts))
    depth = 0
    for kind, part in tokens:
        if kind == "word" and part.casefold() == "order":
            raise JqlRefused(Sentence("ORDER BY is not taken: it says nothing about which issues count"))
        if kind == "sign":
            depth += (part == "(") - (part == ")")
        if depth < 0:
            raise JqlRefused(Sentence("a bracket is closed that was not opened"))
        if depth > DEEPEST:
            raise JqlRefused(Sentence("brackets are nested deeper than %(most)s", most=DEEPEST))
    if depth:
        raise JqlRefused(Sentence("a bracket is not closed"))
