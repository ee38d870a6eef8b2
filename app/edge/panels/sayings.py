"""What the domain says, in the language of whoever reads: its sentences, its own words, the names of its fields.

What somebody has typed, a policy has worded or Jira has answered stands in a sentence as it was written.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from app.domain.sentences import Sentence
from app.edge.translation import gettext as _
from app.edge.translation import mark

WORDS: Final = (
    # how severe
    *(mark("critical"), mark("high"), mark("medium"), mark("low"), mark("none")),
    # what happened
    *(mark("published"), mark("detected"), mark("reported"), mark("verified"), mark("triaged"), mark("confirmed")),
    *(mark("suspected"), mark("aware"), mark("patch_available"), mark("requested"), mark("closed"), mark("planned")),
    *(mark("severity_set"), mark("external_bound"), mark("paused"), mark("resumed"), mark("extension_requested")),
    *(mark("extended"), mark("extension_refused"), mark("explained"), mark("acknowledged"), mark("opened")),
    *(mark("notified"), mark("updated"), mark("answered"), mark("reviewed"), mark("erased"), mark("completed")),
    *(mark("fixed"), mark("resolved"), mark("cancelled"), mark("reopened"), mark("untracked"), mark("tracked")),
    # how a clock stands
    *(mark("awaiting_triage"), mark("running"), mark("at_risk"), mark("breached"), mark("met"), mark("met_late")),
    mark("no_deadline"),
    # how time is counted, and in what
    *(mark("elapsed"), mark("wall"), mark("date_eod"), mark("business_days"), mark("reg1182_hours")),
    *(mark("fixed_date"), mark("seconds"), mark("minutes"), mark("hours"), mark("days"), mark("weeks"), mark("months")),
    # what a promise is
    *(mark("clock"), mark("control"), mark("statement")),
)
"""The values of the domain's enumerations that stand in sentences; a test has them all."""

FIELDS: Final = MappingProxyType(
    {
        "reason": mark("Reason"),
        "evidence": mark("Evidence"),
        "clause": mark("Clause"),
        "ticket": mark("Ticket"),
        "status": mark("Status"),
        "due": mark("Date"),
        "label": mark("Name"),
        "medium": mark("Told by"),
        "address": mark("Mail address"),
        "jql": mark("Issues that count (JQL)"),
        "vector_field": mark("Field with the CVSS vector"),
        "score_field": mark("Field with the CVSS score"),
        "reported_field": mark("Field with the day of the report"),
        "priorities": mark("Priorities"),
        "pausing": mark("Statuses in which the clock pauses"),
        "fixed_resolutions": mark("Resolutions that meet the promise"),
        "other_resolutions": mark("Resolutions that end the clock without a fix"),
        "example": mark("Issue"),
        "triage_days": mark("Days within which a finding of a bug bounty is triaged"),
    }
)
"""What a form calls the fields of what it sends."""


def said(text: str) -> str:
    """A sentence of the domain in the reader's language; any other text as it is."""
    if not isinstance(text, Sentence):
        return text
    return _(text.template, **{name: _value(name, value) for name, value in text.values.items()})


def field_words(name: str) -> str:
    """What a form calls it: `pausing.waiting` is a line of the field `pausing`."""
    field, _dot, line = name.partition(".")
    label = _(FIELDS[field]) if field in FIELDS else field
    return f"{label} ({line})" if line else label


def _value(name: str, value: object) -> object:
    if isinstance(value, Sentence):
        return said(value)
    if isinstance(value, StrEnum):
        return _(value.value)
    return field_words(value) if name == "field" and isinstance(value, str) else value
