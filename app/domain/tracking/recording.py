"""Decisions that people take about the clocks of issues: recorded as facts, each with its audit entry and new bounds.

Who decided stands in the clock event (`actor`) and, of what ended a cycle, in the bounds derived from it: for a person
of the site the account id, which is personal data and in no other row. The audit entry says only that it was a person.
A reason is in the words of whoever wrote it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.domain.audit.entry import Action, AuditEvent
from app.domain.clocks.engine import bounds_of
from app.domain.clocks.model import Bounds, Event, EventKind
from app.domain.identifiers import IssueId, TenantId
from app.domain.ports import Database, UnitOfWork, Vault
from app.domain.privacy.persons import by_person
from app.domain.promises.model import PolicyRef
from app.domain.promises.shelf import InForce
from app.domain.sentences import Sentence
from app.domain.tracking import ams
from app.domain.tracking.deciding import check_decision, check_instant_of, check_tracked
from app.domain.tracking.decision import AMS, Author, Decision, DecisionFault, DecisionRefused, DecisionReused
from app.domain.tracking.decision_file import Entry, Fault
from app.domain.tracking.derived import IssueFacts, bounds_from
from app.domain.tracking.model import IssueRecord, Tracking


@dataclass(frozen=True)
class Moved:
    """What decisions did to the newest cycle of one clock."""

    promise: str
    before: Bounds | None
    after: Bounds | None


@dataclass(frozen=True)
class Recorded:
    """What became of a decision."""

    issue: IssueId
    key: str
    events: tuple[Event, ...]
    """The new facts; none where the decision was known already, or tells nothing new."""
    moved: tuple[Moved, ...]
    """Every clock of the issue, whether it moved or not."""


@dataclass(frozen=True)
class Imported:
    """What became of a file. With faults nothing of it is recorded."""

    lines: int
    issues: int
    events: int
    """New facts."""
    known: int
    """Lines that told nothing new."""
    faults: tuple[Fault, ...]


@dataclass
class _Subject:
    """An issue while decisions about it are taken in."""

    record: IssueRecord
    force: InForce
    news: list[Event] = field(default_factory=list)

    @property
    def facts(self) -> tuple[Event, ...]:
        return (*self.record.events, *self.news)

    def take(self, decision: Decision, author: Author, *, now: datetime) -> bool:
        """Whether it told anything new; raises `DecisionFault`."""
        at = now if decision.at is None else decision.at
        take = self._reported if decision.kind == AMS else self._decided
        found = take(decision, author, at=at, now=now)
        self.news += found
        return bool(found)

    def _decided(self, decision: Decision, author: Author, *, at: datetime, now: datetime) -> Sequence[Event]:
        event = Event(
            kind=EventKind(decision.kind),
            at=at,
            source=f"{author.via}:{decision.id}",
            actor=author.name,
            severity=decision.severity,
            reason=decision.reason,
            clause=decision.clause,
            until=decision.until,
            added=decision.added,
            role=decision.role,
            evidence=decision.evidence,
            ticket=decision.ticket,
        )
        if self._is_known(event, decision):
            return ()
        check_decision(event, known=self.facts, force=self.force, now=now)
        return (event,)

    def _is_known(self, event: Event, decision: Decision) -> bool:
        same = [fact for fact in self.facts if fact.source == event.source]
        # A retry that names no instant is the same decision, though it is handed in later.
        if any(event != (fact if decision.at else replace(fact, at=event.at)) for fact in same):
            names = {"id": decision.id, "issue": self.record.key}
            raise DecisionReused(Sentence("id: %(id)s is that of another decision about %(issue)s", **names))
        return bool(same)

    def _reported(self, decision: Decision, author: Author, *, at: datetime, now: datetime) -> Sequence[Event]:
        report = ams.Report(decision, author, at, ams.said_last(decision.ticket, self.facts))
        known = report.told_before(self.facts)
        if known is not None:
            if not report.says_the_same(known):
                names = {"id": decision.id, "ticket": decision.ticket}
                raise DecisionReused(Sentence("id: %(id)s is that of another report about %(ticket)s", **names))
            return ()
        found = tuple(report.facts())
        for event in found[:1]:
            check_instant_of(event, self.facts, now=now)
            check_tracked(event, self.facts)
        return found

    def outcome(self, facts: Sequence[Event]) -> Recorded:
        """What is to be told, where these are the facts now."""
        moved = []
        for rule in self.force.issue_clocks:
            before = bounds_of(rule, self.record.events, calendars=self.force.calendars)
            after = bounds_of(rule, facts, calendars=self.force.calendars)
            moved.append(Moved(rule.promise, before[-1] if before else None, after[-1] if after else None))
        return Recorded(self.record.issue, self.record.key, tuple(self.news), tuple(moved))


@dataclass(frozen=True)
class Recording:
    """Takes decisions in. They are taken one after the other, so that each is checked against all before it."""

    database: Database
    in_force: Callable[[PolicyRef], InForce]
    vault: Vault

    def record(
        self,
        tenant: TenantId,
        issue: IssueId | str,
        *decisions: Decision,
        author: Author,
        now: datetime,
        dry_run: bool = False,
    ) -> Recorded:
        """Record what is not known already, all or nothing; with `dry_run` only say what it would change.

        Raises `DecisionRefused`, `DecisionReused`, `DecisionMalformed`, `VaultCannotAnswer`.
        """
        with self.database.begin(tenant) as uow:
            uow.issues.hold_decisions()
            subject = self._subject(uow, issue)
            for decision in decisions:
                subject.take(decision, author, now=now)
            if not subject.news or dry_run:
                return subject.outcome(subject.facts)
            facts = self._store(uow, subject, now=now)
            event = _decided_event(author, subject)
            uow.commit(because=by_person(event, author.account, uow=uow, vault=self.vault, tenant=tenant, now=now))
        return subject.outcome(facts)

    def import_file(
        self,
        tenant: TenantId,
        entries: Iterable[Entry],
        *,
        sha256: str,
        now: datetime,
        dry_run: bool = False,
        step: Callable[[], None] = lambda: None,
    ) -> Imported:
        """Record every decision of a file or, where one of them cannot be, none and say why for each such line.

        The order of the lines does not matter: about one issue the older decision comes first. `step` is called for
        each line. Nobody is told of what the file moves into the past.
        """
        by_issue: dict[str, list[Entry]] = {}
        for entry in entries:
            by_issue.setdefault(entry.issue, []).append(entry)
        told = _Told()
        with self.database.begin(tenant) as uow:
            uow.issues.hold_decisions()
            for issue, lines in by_issue.items():
                subject = self._take_lines(uow, issue, lines, told=told, now=now, step=step)
                if subject is not None and subject.news and not told.faults and not dry_run:
                    self._store(uow, subject, now=now, silent_before=now)
            if told.events and not told.faults and not dry_run:
                detail: dict[str, str | int | None] = {"facts": told.events, "issues": len(by_issue), "sha256": sha256}
                uow.commit(because=AuditEvent(Action.CLOCKS_IMPORTED, "operator", f"tenant/{tenant}", detail))
        faults = tuple(sorted(told.faults, key=lambda fault: fault.line))
        return Imported(
            lines=sum(map(len, by_issue.values())),
            issues=len(by_issue),
            events=told.events,
            known=told.known,
            faults=faults,
        )

    def _take_lines(
        self,
        uow: UnitOfWork,
        issue: str,
        lines: list[Entry],
        *,
        told: "_Told",
        now: datetime,
        step: Callable[[], None],
    ) -> _Subject | None:
        try:
            subject = self._subject(uow, IssueId(int(issue)) if issue.isdecimal() else issue)
        except DecisionFault as fault:
            told.faults += [Fault(line.number, str(fault)) for line in lines]
            for _ in lines:
                step()
            return None
        for line in sorted(lines, key=lambda line: (line.decision.at or now, line.number)):
            try:
                told.known += not subject.take(line.decision, line.author, now=now)
            except DecisionFault as fault:
                told.faults.append(Fault(line.number, str(fault)))
            step()
        told.events += len(subject.news)
        return subject

    def _subject(self, uow: UnitOfWork, issue: IssueId | str) -> _Subject:
        record = uow.issues.find(issue)
        if record is None or record.tracking is not Tracking.TRACKED:
            name = issue if record is None else record.key
            raise DecisionRefused(Sentence("%(issue)s is not tracked", issue=name))
        return _Subject(record, self.in_force(uow.tenants.tenant().policy))

    def _store(
        self, uow: UnitOfWork, subject: _Subject, *, now: datetime, silent_before: datetime | None = None
    ) -> Sequence[Event]:
        """Facts first: from then on nobody else makes bounds of this issue, and what was stored just before is seen."""
        record, force = subject.record, subject.force
        uow.issues.add_events(record.issue, subject.news, now)
        facts = uow.issues.events(record.issue)
        derived = bounds_from(IssueFacts(record.issue, record.project, facts), force)
        uow.bounds.save([derived], policy=force.policy.sha256, silent_before=silent_before)
        return facts


@dataclass
class _Told:
    """What a file has told so far."""

    faults: list[Fault] = field(default_factory=list)
    events: int = 0
    known: int = 0


def _decided_event(author: Author, subject: _Subject) -> AuditEvent:
    kinds = " ".join(event.kind for event in subject.news)
    detail = {"kinds": kinds, "source": subject.news[0].source}
    return AuditEvent(Action.CLOCK_DECIDED, author.kind, f"issue/{subject.record.issue}", detail)
