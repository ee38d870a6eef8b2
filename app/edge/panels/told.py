"""Who was told that a clock is at risk or overdue: how many recipients, by what and when. Names are for administrators.

Whoever may see the issue is shown this. What a recipient is called, and which projects somebody is told of, is what
administrators wrote down; an address is sealed, and this process never opens one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from app.domain.clocks.model import State
from app.domain.notices.model import (
    AT_RISK,
    BREACHED,
    HALF,
    REMINDED,
    IssueNotices,
    Medium,
    Threshold,
    ToldCount,
    WaitingCount,
)
from app.edge.translation import gettext as _
from app.edge.translation import mark, ngettext

ASKED_OF: Final[Mapping[State, frozenset[Threshold]]] = MappingProxyType(
    {State.AT_RISK: frozenset({AT_RISK}), State.BREACHED: frozenset({BREACHED, REMINDED})}
)
"""The states in which the panel says it, and what has to have been told of each."""

_WHAT: Final[Mapping[Threshold, str]] = MappingProxyType(
    {
        HALF: mark("Half of the time has passed"),
        AT_RISK: mark("Little time is left"),
        BREACHED: mark("The date has passed"),
        REMINDED: mark("Again: the date has passed"),
    }
)


@dataclass(frozen=True, kw_only=True)
class ToldLine:
    """One threshold that was told, once by each medium."""

    counts: tuple[ToldCount, ...]

    @property
    def what(self) -> str:
        """What they know."""
        return _(_WHAT[self.counts[0].threshold])

    @property
    def ways(self) -> str:
        """`by mail to 3 recipients of this site, by a comment on the issue`."""
        return _ways(self.counts)

    @property
    def at(self) -> datetime:
        """When the last of them went out."""
        return max(count.told_at for count in self.counts)


@dataclass(frozen=True, kw_only=True)
class WaitingLine:
    """What has not gone out."""

    count: WaitingCount

    @property
    def text(self) -> str:
        """What waits, and for how many."""
        return _waits(self.count, is_begun=self.again_at is not None)

    @property
    def again_at(self) -> datetime | None:
        """Before that it is not tried again; None = it waits for its turn."""
        return self.count.again_at


@dataclass(frozen=True, kw_only=True)
class ToldView:
    """Who was told of a clock that is in one of the states of `ASKED_OF`.

    `has_recipients`: whether anybody of the site can be told.
    """

    state: State
    told: tuple[ToldCount, ...]
    waiting: tuple[WaitingCount, ...]
    has_recipients: bool

    @property
    def ways(self) -> str | None:
        """How those were told who know of the state in which it is now; None = nobody was."""
        return _ways(each for each in self.told if each.threshold in ASKED_OF[self.state]) or None

    @property
    def lines(self) -> tuple[ToldLine, ...]:
        """All that was told, the newest first."""
        by_threshold: dict[Threshold, list[ToldCount]] = {}
        for each in sorted(self.told, key=lambda each: each.told_at, reverse=True):
            by_threshold.setdefault(each.threshold, []).append(each)
        return tuple(ToldLine(counts=tuple(counts)) for counts in by_threshold.values())

    @property
    def waits(self) -> tuple[WaitingLine, ...]:
        """What is tried again, and then what waits for its turn."""
        ordered = sorted(self.waiting, key=lambda each: (each.medium, each.again_at is None))
        return tuple(WaitingLine(count=each) for each in ordered)


def told_of(notices: IssueNotices, promise: str, *, cycle: int, state: State) -> ToldView:
    """What the panel says of that cycle. `state`: one of `ASKED_OF`."""
    return ToldView(
        state=state,
        told=tuple(each for each in notices.told if (each.promise, each.cycle) == (promise, cycle)),
        waiting=tuple(each for each in notices.waiting if (each.promise, each.cycle) == (promise, cycle)),
        has_recipients=notices.recipients > 0,
    )


def _ways(told: Iterable[ToldCount]) -> str:
    """Of several by the same medium the newest counts."""
    newest = {each.medium: each for each in sorted(told, key=lambda each: each.told_at)}
    return ", ".join(_way(newest[medium]) for medium in Medium if medium in newest)


def _way(told: ToldCount) -> str:
    if told.medium is Medium.JIRA_COMMENT:
        return _("by a comment on the issue")
    return ngettext(
        "by mail to %(number)s recipient of this site",
        "by mail to %(number)s recipients of this site",
        number=told.recipients,
    )


def _waits(waiting: WaitingCount, *, is_begun: bool) -> str:
    number = waiting.recipients
    if waiting.medium is Medium.JIRA_COMMENT:
        return _("The comment is not on the issue yet.") if is_begun else _("The comment on the issue waits its turn.")
    if is_begun:
        return ngettext(
            "The mail to %(number)s recipient has not gone out yet.",
            "The mail to %(number)s recipients has not gone out yet.",
            number=number,
        )
    return ngettext(
        "%(number)s recipient is told by their next mail.",
        "%(number)s recipients are told by their next mail.",
        number=number,
    )
