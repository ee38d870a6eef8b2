"""The part of JQL that an app needs to find and re-read issues.

Fields: project, key, id, issuetype, labels, status, statusCategory, priority, resolution, created, updated.
Operators: =, !=, in, not in, is (not) empty, and <, <=, >, >= for instants; AND, OR, NOT, brackets, ORDER BY.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from simulator.issues import CHOICES, STATUSES, Issue

Test = Callable[[Issue], bool]
_TOKEN = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(!=|<=|>=|[=<>(),])|([^\s=!<>(),"']+))""")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_INSTANTS = frozenset({"created", "updated"})
_ALIASES = {"type": "issuetype", "issuekey": "key", "issue": "key"}
_FIELDS = frozenset({"project", "key", "id", "labels", "statuscategory", *CHOICES} - {"security"})
_MAX_DEPTH = 30
_MAX_CHARACTERS = 10_000


class JqlWrong(ValueError):
    """The query cannot be read, or uses what this site does not know."""


def matches(jql: str, issue: Issue) -> bool:
    """Say whether an issue matches a query; the empty query matches all."""
    return not jql.strip() or _Parser(jql, issue.updated).parse()[0](issue)


def parsed(jql: str) -> dict[str, object]:
    """Return a query as `jql/parse` does when it validates strictly: its structure, else what is wrong.

    The structure is kept short: whether there is a restriction, and an order.
    """
    try:
        parser = _Parser(jql, datetime.now(UTC))
        is_bounded = parser.is_bounded
        order = parser.parse()[1] if is_bounded else []
        parser.check_values()
    except JqlWrong as wrong:
        return {"query": jql, "errors": [str(wrong)]}
    fields = [{"field": {"name": name}, "direction": "desc" if down else "asc"} for name, down in order]
    structure: dict[str, object] = {"where": {"clauses": parser.clauses}} if is_bounded else {}
    if parser.is_ordered:
        structure["orderBy"] = {"fields": fields}
    return {"query": jql, "structure": structure}


def select(jql: str, issues: Iterable[Issue], *, now: datetime) -> list[Issue]:
    """Return the issues that match, in the order asked for (newest first by default).

    Raises:
        JqlWrong: not a query, or an unbounded one, which Jira refuses.
    """
    test, order = _Parser(jql, now).parse()
    found = [issue for issue in issues if test(issue)]
    for name, descending in reversed(order):
        found.sort(key=lambda issue: _sort_key(issue, name), reverse=descending)
    return found


def _sort_key(issue: Issue, name: str) -> tuple[str, int]:
    if name in _INSTANTS:
        return getattr(issue, name).isoformat(), int(issue.id)
    if name in {"key", "id"}:
        return issue.project.key if name == "key" else "", int(issue.id)
    return ",".join(_values(issue, name)), int(issue.id)


def _values(issue: Issue, name: str) -> tuple[str, ...]:
    """Return everything that equals the field's value: names and ids, in lower case."""
    if name == "labels":
        return tuple(label.lower() for label in issue.values["labels"])
    if name == "project":
        return issue.project.key.lower(), issue.project.id, issue.project.name.lower()
    if name in {"key", "id"}:
        return issue.key.lower(), issue.id
    if name == "statuscategory":
        _, number, key, label = STATUSES[issue.values["status"]]
        return key, str(number), label.lower()
    value = issue.values[name]
    return () if value is None else (value.lower(), CHOICES[name][value])


class _Parser:
    def __init__(self, jql: str, now: datetime) -> None:
        if len(jql) > _MAX_CHARACTERS:
            raise JqlWrong("the query is too long")
        self._tokens, position = list[tuple[str, bool]](), 0
        while jql[position:].strip():
            found = _TOKEN.match(jql, position)
            if found is None:
                raise JqlWrong(f"cannot read the query at character {position}")
            quoted = found[1] is not None or found[2] is not None
            text = next(group for group in found.groups() if group is not None)
            self._tokens.append((re.sub(r"\\(.)", r"\1", text) if quoted else text, quoted))
            position = found.end()
        self._at, self._depth, self._now = 0, 0, now
        self.clauses: list[dict[str, object]] = []
        self.is_ordered = False

    @property
    def is_bounded(self) -> bool:
        """Say whether there is anything before the order."""
        return bool(self._tokens) and self._peek() != "order"

    def check_values(self) -> None:
        """Refuse what this site does not have, as Jira does when it validates strictly."""
        for clause in self.clauses:
            name, values = str(clause["field"]), clause["values"]
            known = {word for choice in CHOICES.get(name, {}).items() for word in (choice[0].lower(), choice[1])}
            for value in sorted(values - known) if known and isinstance(values, set) else ():
                raise JqlWrong(f"The value '{value}' does not exist for the field '{name}'.")
        for clause in self.clauses:
            clause["values"] = sorted(clause["values"]) if isinstance(clause["values"], set) else []

    def parse(self) -> tuple[Test, list[tuple[str, bool]]]:
        if not self.is_bounded:
            raise JqlWrong("unbounded queries are not allowed here; add a search restriction")
        test, order = self._any_of(), list[tuple[str, bool]]()
        if self._take("order"):
            self.is_ordered = True
            self._expect("by")
            order.append(self._order_field())
            while self._take(","):
                order.append(self._order_field())
        if self._at < len(self._tokens):
            raise JqlWrong(f"did not expect {self._tokens[self._at][0]!r}")
        return test, order or [("created", True)]

    def _order_field(self) -> tuple[str, bool]:
        name = self._field()
        descending = self._take("desc")
        if not descending:
            self._take("asc")
        return name, descending

    def _any_of(self) -> Test:
        tests = [self._all_of()]
        while self._take("or"):
            tests.append(self._all_of())
        return lambda issue: any(test(issue) for test in tests)

    def _all_of(self) -> Test:
        tests = [self._one()]
        while self._take("and"):
            tests.append(self._one())
        return lambda issue: all(test(issue) for test in tests)

    def _one(self) -> Test:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise JqlWrong("the query is nested too deeply")
        try:
            if self._take("not"):
                inner = self._one()
                return lambda issue: not inner(issue)
            if self._take("("):
                inner = self._any_of()
                self._expect(")")
                return inner
            return self._clause()
        finally:
            self._depth -= 1

    def _clause(self) -> Test:
        name = self._field()
        if name in _INSTANTS:
            return self._instant_clause(name)
        if self._take("is"):
            negated = self._take("not")
            if not (self._take("empty") or self._take("null")):
                raise JqlWrong("`is` takes EMPTY")
            return lambda issue: (not _values(issue, name)) is not negated
        negated = self._take("!=") or self._take("not")
        several = self._take("in")
        if not several and not negated:
            self._expect("=")
        wanted = self._list() if several else {self._word().lower()}
        self.clauses.append({"field": name, "values": wanted})
        # as in Jira, != and `not in` never match an empty field
        return lambda issue: bool(_values(issue, name)) and (not wanted.isdisjoint(_values(issue, name))) is not negated

    def _instant_clause(self, name: str) -> Test:
        operator = self._word()
        bound = self._instant(self._word())
        compare: dict[str, Callable[[datetime], bool]] = {
            "<": lambda at: at < bound,
            "<=": lambda at: at <= bound,
            ">": lambda at: at > bound,
            ">=": lambda at: at >= bound,
        }
        if operator not in compare:
            raise JqlWrong(f"{name} is compared with <, <=, > or >=")
        self.clauses.append({"field": name, "values": None})
        return lambda issue: compare[operator](getattr(issue, name))

    def _instant(self, text: str) -> datetime:
        if relative := re.fullmatch(r"-(\d{1,5})([mhdw])", text):
            return self._now - timedelta(**{_UNITS[relative[2]]: int(relative[1])})
        for form in ("%Y-%m-%d %H:%M", "%Y-%m-%d"):
            try:
                return datetime.strptime(text.replace("/", "-"), form).replace(tzinfo=UTC)
            except ValueError:
                continue
        raise JqlWrong(f"{text!r} is not a date")

    def _list(self) -> set[str]:
        self._expect("(")
        words = {self._word().lower()}
        while self._take(","):
            words.add(self._word().lower())
        self._expect(")")
        return words

    def _field(self) -> str:
        word = self._word().lower()
        name = _ALIASES.get(word, word)
        if name not in _FIELDS | _INSTANTS:
            raise JqlWrong(f"Field '{word}' does not exist or you do not have permission to view it.")
        return name

    def _peek(self) -> str | None:
        """Return the next bare word or sign in lower case; None at the end or before a quoted text."""
        text, quoted = self._tokens[self._at] if self._at < len(self._tokens) else ("", True)
        return None if quoted else text.lower()

    def _take(self, word: str) -> bool:
        taken = self._peek() == word
        self._at += taken
        return taken

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise JqlWrong(f"expected {word!r}")

    def _word(self) -> str:
        if self._at >= len(self._tokens):
            raise JqlWrong("the query ends too early")
        self._at += 1
        return self._tokens[self._at - 1][0]
