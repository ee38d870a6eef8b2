"""What people read: states, durations and refusals in words, in the language of the request.

Durations: at most two units, rounded towards zero, so that nobody is told of time that is not there. Beyond
14 days only days, below 48 hours hours, below 2 hours minutes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Final, Literal
from zoneinfo import ZoneInfo

from app.domain.clocks.model import Severity, State
from app.edge.translation import day_words, mark
from app.edge.translation import gettext as _

Appearance = Literal["neutral", "information", "success", "warning", "danger", "discovery", "critical"]
"""The design system's names of a lozenge's look; `critical`, ours, is the bold form of `danger`."""

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


@dataclass(frozen=True)
class Lozenge:
    """A word or two with a shape: the colour (`appearance`) is never the only carrier of the meaning.

    `text` is English, and is translated where it is shown.
    """

    text: str
    appearance: Appearance
    icon: str


STATE_LOZENGES: Final = MappingProxyType(
    {
        State.AWAITING_TRIAGE: Lozenge(mark("Awaiting triage"), "discovery", "question"),
        State.RUNNING: Lozenge(mark("On track"), "information", "clock"),
        State.AT_RISK: Lozenge(mark("At risk"), "warning", "clock"),
        State.PAUSED: Lozenge(mark("Paused"), "neutral", "pause"),
        State.BREACHED: Lozenge(mark("Overdue"), "danger", "alarm"),
        State.MET: Lozenge(mark("Met"), "success", "tick"),
        State.MET_LATE: Lozenge(mark("Met late"), "warning", "tick"),
        State.NO_DEADLINE: Lozenge(mark("No deadline"), "neutral", "dash"),
        State.CANCELLED: Lozenge(mark("Cancelled"), "neutral", "cross"),
    }
)

SEVERITY_LOZENGES: Final = MappingProxyType(
    {
        Severity.CRITICAL: Lozenge(mark("Critical"), "critical", "octagon"),
        Severity.HIGH: Lozenge(mark("High"), "danger", "triangle"),
        Severity.MEDIUM: Lozenge(mark("Medium"), "warning", "diamond"),
        Severity.LOW: Lozenge(mark("Low"), "information", "circle"),
        Severity.NONE: Lozenge(mark("None"), "neutral", "dash"),
    }
)

SEVERITY_UNSET: Final = Lozenge(mark("Severity not set"), "neutral", "dashed")

_AROUND_DURATION: Final = MappingProxyType(
    {
        # state: (while the bound lies ahead, once it lies behind)
        State.RUNNING: (mark("due in %(time)s"), mark("%(time)s overdue")),
        State.AT_RISK: (mark("due in %(time)s"), mark("%(time)s overdue")),
        State.PAUSED: (mark("paused with %(time)s left"), mark("paused %(time)s overdue")),
        State.BREACHED: (mark("due in %(time)s"), mark("%(time)s overdue")),
        State.MET: (mark("met %(time)s before due"), mark("met %(time)s late")),
        State.MET_LATE: (mark("met %(time)s before due"), mark("met %(time)s late")),
    }
)


def duration_text(seconds: int) -> str:
    """A length of time (its sign ignored) in at most two units: `27 d`, `2 d 4 h`, `37 h`, `95 min`."""
    length = abs(seconds)
    if length < _MINUTE:
        return _("less than 1 min")
    if length < 2 * _HOUR:
        return _("%(minutes)s min", minutes=length // _MINUTE)
    if length < 2 * _DAY:
        return _("%(hours)s h", hours=length // _HOUR)
    days, rest = divmod(length, _DAY)
    hours = rest // _HOUR
    if days < 14 and hours:
        return _("%(days)s d %(hours)s h", days=days, hours=hours)
    return _("%(days)s d", days=days)


def due_text(state: State, remaining_seconds: int | None) -> str:
    """Where a clock stands, to follow the severity: `due in 27 d`, `2 d 4 h overdue`, `paused with 3 d left`.

    `remaining_seconds` is negative past the bound. Without it, or in a state that has no bound: the state alone.
    """
    around = _AROUND_DURATION.get(state)
    if around is None or remaining_seconds is None:
        return state_text(state)
    return _(around[remaining_seconds < 0], time=duration_text(remaining_seconds))


def state_text(state: State) -> str:
    """The state within a sentence: `on track`."""
    said = _(STATE_LOZENGES[state].text)
    return said[:1].lower() + said[1:]


def severity_lozenge(level: Severity | None) -> Lozenge:
    """The lozenge of a level; None means that nobody has set one."""
    return SEVERITY_UNSET if level is None else SEVERITY_LOZENGES[level]


def severity_text(level: Severity | None) -> str:
    """The level within a sentence: `high`."""
    said = _(severity_lozenge(level).text)
    return said[:1].lower() + said[1:]


def title_of(promise: str) -> str:
    """A promise's name for people: `security-bug-fix` becomes `Security bug fix`."""
    words = promise.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


JUSTIFICATIONS: Final = MappingProxyType(
    {
        "component_not_present": mark("The component is not part of the product"),
        "vulnerable_code_not_present": mark("The vulnerable code is not in the product"),
        "vulnerable_code_not_in_execute_path": mark("The vulnerable code is never run"),
        "vulnerable_code_cannot_be_controlled_by_adversary": mark("An attacker cannot reach the vulnerable code"),
        "inline_mitigations_already_exist": mark("Something else in the product prevents it already"),
    }
)
"""Why a product is not affected, by the names of OpenVEX (and of CISA's VEX status justifications, June 2022)."""


def reason_words(reason: str | None) -> str | None:
    """A reason as people read it: that of a VEX statement in words, any other as it was written."""
    words = JUSTIFICATIONS.get(reason or "")
    return reason if words is None else _(words)


@dataclass(frozen=True)
class Advice:
    """What a state means for whoever reads it, above the clock."""

    title: str
    text: str
    appearance: Appearance


ADVICE: Final = MappingProxyType(
    {
        State.AT_RISK: Advice(
            mark("Little time is left"),
            mark(
                "If the fix may come later, ask for an extension now: the date moves once one is granted, not before."
            ),
            "warning",
        ),
        State.BREACHED: Advice(
            mark("The date has passed"),
            mark("The clock counts on until the fix. A breach is neither paused nor closed away."),
            "danger",
        ),
    }
)


@dataclass(frozen=True)
class RefusalText:
    """Why a whole page is not there, and what the reader can do."""

    title: str
    explanation: str
    advice: str


_REFUSALS: Final = MappingProxyType(
    {
        # 401 and 403 stay vague on purpose: which check failed would help only who forges
        401: RefusalText(
            mark("This panel needs a fresh start"),
            mark("Jira's permission to show it has expired or could not be confirmed."),
            mark("Reload the issue in Jira to open the panel again."),
        ),
        403: RefusalText(
            mark("This panel is not available here"),
            mark("Pledge is not switched on for this site, or this page was opened from somewhere else."),
            mark("Open the issue in Jira. If the panel stays away, ask a Jira administrator."),
        ),
        404: RefusalText(
            mark("Nothing to show here"),
            mark("Pledge knows nothing under this address."),
            mark("Open the issue in Jira and try again from there."),
        ),
        429: RefusalText(
            mark("Too many requests"),
            mark("Your site has asked for more than Pledge can answer right now."),
            mark("Wait a minute, then reload the issue in Jira."),
        ),
        503: RefusalText(
            mark("Pledge is not available right now"),
            mark("Something that Pledge depends on does not answer."),
            mark("Wait a minute, then reload the issue in Jira."),
        ),
    }
)

_ANY_REFUSAL: Final = RefusalText(
    mark("Pledge could not show this panel"),
    mark("The request could not be answered."),
    mark("Reload the issue in Jira. If it happens again, send the trace id to whoever runs Pledge."),
)


def refusal_text(status: int) -> RefusalText:
    """The words of a refused page, by HTTP status; a status without its own words gets general ones."""
    return _REFUSALS.get(status, _ANY_REFUSAL)


def instant_words(at: datetime) -> str:
    """An instant for readers without script, in UTC: `Sun 20 Dec 2026, 09:00 UTC`."""
    utc = at.astimezone(UTC)
    return f"{date_words(utc)}, {utc:%H:%M} UTC"


def instant_iso(at: datetime) -> str:
    """An instant for machines, to the second: `2026-12-20T09:00:00Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)", re.ASCII)


def with_instants(text: str) -> tuple[str | datetime, ...]:
    """A sentence with its instants taken out, so that they can be shown in the reader's own zone."""
    return tuple(_instant_of(part) or part for part in _INSTANT.split(text) if part)


def _instant_of(part: str) -> datetime | None:
    try:
        return datetime.fromisoformat(part) if _INSTANT.fullmatch(part) else None
    except ValueError:  # a reason that somebody typed may look like an instant and be none
        return None


_JIRA_SOURCE: Final = re.compile(r"jira:changelog:(\d+)")
_DECISION: Final = re.compile(r"(?:form|command|csv):(.+)")


def source_words(source: str) -> str:
    """Where a fact was read: `jira:changelog:10023` in words; another source as it is."""
    if source == "jira:created":
        return _("the issue in Jira")
    entry, decision = _JIRA_SOURCE.fullmatch(source), _DECISION.fullmatch(source)
    if decision is not None:
        return _("decision %(id)s", id=decision[1])
    return source if entry is None else _("entry %(id)s of the issue's history in Jira", id=entry[1])


def zoned_words(at: datetime, zone: str) -> str:
    """An instant in a zone of the tz database: `Sun 20 Dec 2026, 10:00 CET`."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{date_words(local)}, {local:%H:%M %Z}"


def place_of(zone: str) -> str:
    """A zone for people: `Europe/Berlin` becomes `Berlin`."""
    return zone.rpartition("/")[2].replace("_", " ")


def date_words(day: date) -> str:
    """A calendar day, with the month by name: `Sun 20 Dec 2026`."""
    return day_words(day)


FILTERS: Final[Mapping[str, Callable[..., str]]] = MappingProxyType(
    {"instant_words": instant_words, "instant_iso": instant_iso, "date_words": date_words}
)
"""What the templates need from their environment besides the view models."""
