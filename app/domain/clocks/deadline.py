"""The bound of one cycle: counted from an origin, moved by pauses, extensions and changes of severity."""

from datetime import datetime, timedelta
from typing import NamedTuple

from app.domain.clocks.counting import Calendars, Due, count, give_back
from app.domain.clocks.model import SEVERITY_RANK, Event, Severity
from app.domain.clocks.outside import OutsideBounds, extended
from app.domain.clocks.rule import Choices, ExtensionForm, Rule, SeverityChange, Table, TableChange, Term
from app.domain.sentences import Sentence

_NOTHING = timedelta(0)


class Pause(NamedTuple):
    """A stretch in which the clock did not run; `shown` if it belongs to the present cycle."""

    since: datetime
    until: datetime
    shown: bool = True


class Deadline:
    """The bound of the open cycle and how it came about. Changed in place while the facts are read."""

    __slots__ = (
        "calendars", "dues", "level", "moves", "origin", "outside", "paused", "rule", "severity", "terms", "window",
    )  # fmt: skip

    def __init__(
        self,
        rule: Rule,
        calendars: Calendars,
        *,
        origin: datetime,
        severity: Severity | None,
        outside: OutsideBounds,
    ) -> None:
        self.rule = rule
        self.calendars = calendars
        self.outside = outside
        """Dates of others. They and `dues` do not know of each other: the bound is the tighter."""
        self.origin = origin
        """From where the amount counts; the start of the cycle, unless an earlier cycle is resumed."""
        self.severity = severity
        self.level = severity
        """The severity by which `dues` were counted; not the present one where the rule keeps the old bound."""
        self.moves: list[Pause | Event] = []
        """Pauses and extensions in order, to be laid upon another severity's bound."""
        self.terms: list[Term] = []
        self.dues: list[Due] = []
        """One for each of `terms`; empty while there is no deadline."""
        self.window = _NOTHING
        """The time given by the binding term."""
        self.paused = _NOTHING
        self._count_from_origin()

    def due(self) -> Due | None:
        """The bound: the earliest of the terms' and of those that others name."""
        own = self.own_due()
        if not self.outside.by_ticket:
            return own
        others = self.outside.due()
        return own if others is None or (own is not None and own.at <= others.at) else others

    def own_due(self) -> Due | None:
        """The earliest of the terms'."""
        dues = self.dues
        return min(dues, key=_instant) if len(dues) > 1 else dues[0] if dues else None

    def is_bound_by_others(self) -> bool:
        """Whether a date of somebody else is the tightest."""
        return bool(self.outside.by_ticket) and self.due() is not self.own_due()

    def binding_term(self) -> Term | None:
        """The term whose bound is the earliest; None if a date of somebody else is earlier."""
        if not self.dues or self.is_bound_by_others():
            return None
        return min(zip(self.dues, self.terms, strict=True), key=_instant_of_pair)[1]

    def given(self, started_at: datetime) -> timedelta:
        """The time that what binds gives, of which the at-risk share is taken."""
        due = self.due() if self.is_bound_by_others() else None
        return self.window if due is None else max(due.at - started_at, _NOTHING)

    def table_of(self, term: Term) -> Table | None:
        """The version of the severity table that binds this cycle."""
        return self._table_in_force(term.tables) if term.tables else None

    def _table_in_force(self, tables: tuple[Table, ...]) -> Table:
        if self.rule.choices.on_table_change is TableChange.ALL:
            return tables[-1]
        day = self.origin.date()
        for table in reversed(tables):
            if table.since <= day:
                return table
        return tables[0]

    def amount_of(self, term: Term, level: Severity | None) -> int | None:
        """How much the term gives at that severity; None if it gives no deadline."""
        if not term.tables:
            return term.amount or 0
        if level is None or level is Severity.NONE:
            return None
        return self._table_in_force(term.tables).amounts[level]

    def _count(self, since: datetime) -> tuple[list[Term], list[Due]]:
        terms, dues = [], []
        for term in self.rule.terms:
            amount = self.amount_of(term, self.severity)
            if amount is not None:
                terms.append(term)
                dues.append(count(term, amount, start=since, calendars=self.calendars))
        return terms, dues

    def _take(self, counted: tuple[list[Term], list[Due]], since: datetime) -> None:
        self.terms, self.dues = counted
        self.level = self.severity
        due = self.own_due()
        if due is not None:
            self.window = max(due.at - since, _NOTHING)

    def _count_from_origin(self) -> None:
        self._take(self._count(self.origin), self.origin)
        self.paused = _NOTHING
        for move in self.moves:
            self._lay(move)

    def holds(self, since: datetime) -> bool:
        """Whether a pause that begins at `since` holds the clock: a breach cannot be paused away."""
        due = self.own_due()
        return due is None or since < due.at

    def move(self, move: Pause | Event) -> None:
        """Take a pause that has ended, or a granted extension."""
        self.moves.append(move)
        self._lay(move)

    def _lay(self, move: Pause | Event) -> None:
        if isinstance(move, Event):
            self.dues = [
                extended(due, move, zone=term.zone_info) for term, due in zip(self.terms, self.dues, strict=True)
            ]
        elif self.holds(move.since):
            if move.shown:
                self.paused += move.until - move.since
            self.dues = [
                give_back(term, due, since=move.since, until=move.until, calendars=self.calendars)
                for term, due in zip(self.terms, self.dues, strict=True)
            ]

    def resume(self, closure: Pause) -> None:
        """Continue after a reopening: what was used up stays used up, the closed time is given back."""
        self.moves = [move if isinstance(move, Event) else move._replace(shown=False) for move in self.moves]
        self.move(closure)
        self.paused = _NOTHING

    def choice_for(self, level: Severity, since: datetime) -> SeverityChange:
        """The setting that a change to `level` falls under; a first level always counts from the origin."""
        if self.severity is None or since <= self.origin:
            return SeverityChange.FROM_ORIGINAL_START
        rises = SEVERITY_RANK[level] > SEVERITY_RANK[self.severity]
        return self.rule.choices.on_rise if rises else self.rule.choices.on_fall

    def change_level(self, level: Severity, since: datetime) -> None:
        """Move the bound as the rule says for a rise or a fall that counts from `since`."""
        choice = self.choice_for(level, since)
        self.severity = level
        if not self.rule.has_table or choice is SeverityChange.KEEP_OLD:
            return
        if choice is SeverityChange.FROM_ORIGINAL_START:
            self._count_from_origin()
            return
        old, counted = self.own_due(), self._count(since)
        if choice is SeverityChange.MIN_OLD_OR_CHANGE_PLUS_NEW and old is not None:
            new = min(counted[1], key=_instant, default=old)
            if old.at <= new.at:
                return
        self._take(counted, since)


def extension_refusal(choices: Choices, event: Event) -> Sentence | None:
    """Why an extension moves nothing; None if the rule with these choices allows it."""
    if (ExtensionForm.TIME if event.until is None else ExtensionForm.DATE) not in choices.extension_forms:
        return Sentence("the rule does not allow this form")
    if event.role not in choices.extension_roles:
        if not choices.extension_roles:
            return Sentence("only nobody may grant it")
        return Sentence("only %(roles)s may grant it", roles=", ".join(choices.extension_roles))
    if event.actor is None or event.reason is None:
        return Sentence("it does not say who granted it and why")
    if choices.extension_evidence and event.evidence is None:
        return Sentence("it names no evidence")
    return None


def _instant(due: Due) -> datetime:
    return due.at


def _instant_of_pair(pair: tuple[Due, Term]) -> datetime:
    return pair[0].at
