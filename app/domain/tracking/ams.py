"""What Atlassian's Marketplace Security project (AMS) says of a finding, as facts about its fix clock.

The status names are those of the issue type Security Vulnerability, from the pages `vulnerability-tracking-more-info`
(2021-01-08, and a later copy whose end is missing) and `vulnerability-review-practices-for-atlassian-partners`
(2022-07-25) under https://developer.atlassian.com/platform/marketplace/. Other names are reported, never guessed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from app.domain.clocks.model import Event, EventKind
from app.domain.sentences import Sentence
from app.domain.tracking.decision import Author, Decision, DecisionMalformed, DecisionRefused

ATLASSIAN = "atlassian"
"""The role in which AMS names dates and grants extensions."""


class Means(Enum):
    """What being in a status does to the fix clock."""

    FIX = "the partner has to fix it by the date of the ticket"
    REVIEW = "Atlassian has to look; nothing says that this pauses, so it does only where the policy lists the status"
    RELEASE = "fixed and not released; the release has to keep the date"
    EXTENSION = "a later date was asked for; the request alone moves nothing"
    DONE = "fixed"
    DUPLICATE = "handled elsewhere; that the clock ends is a decision of its own"


STATUSES: Mapping[str, Means] = {
    "Needs Patch": Means.FIX,
    "Needs Security Review": Means.REVIEW,
    "Waiting for Release": Means.RELEASE,
    "Extension Requested": Means.EXTENSION,
    "Patched": Means.DONE,
    "Duplicate": Means.DUPLICATE,
}
_BY_FOLDED = {name.casefold(): name for name in STATUSES}


def status_of(text: str) -> str:
    """The status of that name, without regard to case and spaces; raises `DecisionMalformed` with the known ones."""
    name = _BY_FOLDED.get(" ".join(text.split()).casefold())
    if name is None:
        known = ", ".join(STATUSES)
        raise DecisionMalformed(
            Sentence("status: %(text)r is not a known status of AMS: %(known)s", text=text, known=known)
        )
    return name


@dataclass(frozen=True)
class Report:
    """One look at a ticket."""

    decision: Decision
    author: Author
    at: datetime
    before: Event | None
    """What the ticket said last."""

    @property
    def source(self) -> str:
        """Where its facts are recorded: named after the ticket, and after the report that told them."""
        return f"ams:{self.decision.ticket}:{self.decision.id}"

    def told_before(self, facts: Iterable[Event]) -> Event | None:
        """What the report of this id said of the ticket, where it was handed in before."""
        said = (fact for fact in facts if fact.source == self.source)
        return next((fact for fact in said if fact.kind is EventKind.EXTERNAL_BOUND), None)

    def says_the_same(self, known: Event) -> bool:
        """Whether it is that report again; one that names no instant or no date is, whatever these were."""
        decision = self.decision
        told = (status_of(decision.status or ""), decision.evidence, decision.at or known.at)
        same_date = not decision.due_given or decision.due == known.until
        return same_date and told == (known.reason, known.evidence, known.at)

    def facts(self) -> Iterator[Event]:
        """What is new since the ticket was looked at last; nothing if nothing is.

        Raises `DecisionMalformed` for an unknown status, `DecisionRefused` for a report that is older than the last:
        between two looks it could mean something else than what was made of them.
        """
        status = status_of(self.decision.status or "")
        before, until = self.before, self.decision.due
        if before is not None and not self.decision.due_given:
            until = before.until
        is_same = before is not None and (before.until, before.reason) == (until, status)
        if before is not None and (self.at < before.at or (self.at == before.at and not is_same)):
            names = {"ticket": self.decision.ticket, "at": before.at.isoformat()}
            raise DecisionRefused(Sentence("%(ticket)s was reported later already, as of %(at)s", **names))
        if is_same:
            return
        said = Event(
            kind=EventKind.EXTERNAL_BOUND,
            at=self.at,
            source=self.source,
            actor=self.author.name,
            reason=status,
            until=until,
            role=ATLASSIAN,
            evidence=self.decision.evidence,
            ticket=self.decision.ticket,
        )
        yield said
        yield from self._consequences(said)

    def _consequences(self, said: Event) -> Iterator[Event]:
        was = None if self.before is None else STATUSES.get(self.before.reason or "")
        now = STATUSES.get(said.reason or "")
        if was is now:
            return
        if was is Means.EXTENSION:
            yield from self._answer(said, now)
        if was is Means.REVIEW and self.before is not None:
            yield self._event(EventKind.RESUMED, reason=self.before.reason)
        if was is Means.DONE:
            yield self._event(EventKind.REOPENED, reason=f"{said.ticket} is in {said.reason} again")
        if now is Means.REVIEW:
            yield self._event(EventKind.PAUSED, reason=said.reason)
        if now is Means.EXTENSION:
            yield self._event(EventKind.EXTENSION_REQUESTED, reason=f"{said.ticket} is in {said.reason}")
        if now is Means.DONE:
            yield self._event(EventKind.FIXED, reason=f"{said.ticket} is in {said.reason}")

    def _answer(self, said: Event, now: Means | None) -> Iterator[Event]:
        """A request is granted when the date moves on, and refused when the ticket goes back with the old one."""
        if now is Means.FIX and not self.decision.due_given:
            raise DecisionMalformed(
                Sentence("due: is missing; it tells whether %(ticket)s has got its extension", ticket=said.ticket)
            )
        asked = None if self.before is None else self.before.until
        if said.until is None or asked is None:
            return
        if said.until > asked:
            reason = f"{said.ticket} went from {asked} to {said.until}"
            yield self._event(EventKind.EXTENDED, reason=reason, granted=said)
        elif now is Means.FIX:
            yield self._event(EventKind.EXTENSION_REFUSED, reason=f"{said.ticket} went back to {said.reason}")

    def _event(self, kind: EventKind, *, reason: str | None, granted: Event | None = None) -> Event:
        return Event(
            kind=kind,
            at=self.at,
            source=self.source,
            actor=self.author.name,
            reason=reason,
            until=None if granted is None else granted.until,
            role=ATLASSIAN,
            evidence=self.decision.evidence or self.decision.ticket,
            ticket=self.decision.ticket,
        )


def said_last(ticket: str | None, events: Iterable[Event]) -> Event | None:
    """What that ticket said last."""
    said = [event for event in events if event.kind is EventKind.EXTERNAL_BOUND and event.ticket == ticket]
    return max(said, key=Event.order, default=None)
