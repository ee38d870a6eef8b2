"""A recipient as an administrator writes it down (JSON), and as it is shown again: without the address."""

import re
from collections.abc import Mapping
from datetime import datetime, time
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from app.domain.clocks.model import Severity, instant_text
from app.domain.identifiers import ProjectId
from app.domain.notices.addresses import is_mail_address
from app.domain.notices.model import Medium, Quiet, Recipient, RecipientId, Rhythm
from app.domain.secrets import Secret
from app.domain.sentences import Sentence

_FIELDS = frozenset(
    {"label", "medium", "address", "projects", "severities", "roles", "zone", "quiet", "rhythm", "overseer"}
)
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_LABEL = re.compile(r"[^\x00-\x1f\x7f-\x9f@\u2028\u2029\ud800-\udfff]{1,60}")
"""Without an @: it is shown and kept as it is, and an address is not."""
_MOST = 100
_Word = TypeVar("_Word", bound=StrEnum)


class EntryMalformed(ValueError):
    """The entry of a recipient has not its documented form; the message names the field."""

    def __init__(self, why: Sentence) -> None:
        super().__init__(why)


def recipient_of(
    fields: Mapping[str, Any], *, recipient: RecipientId, added_at: datetime
) -> tuple[Recipient, Secret | None]:
    """The recipient and the address; raises `EntryMalformed`, whose text does not repeat what was given."""
    if not fields.keys() <= _FIELDS:
        raise EntryMalformed(Sentence("known fields are %(fields)s", fields=", ".join(sorted(_FIELDS))))
    made = Recipient(
        recipient=recipient,
        label=_label(fields.get("label")),
        medium=_word("medium", fields.get("medium", Medium.MAIL), Medium),
        projects=frozenset(ProjectId(_number(each)) for each in _list("projects", fields)),
        severities=frozenset(_word("severities", each, Severity) for each in _list("severities", fields)),
        roles=frozenset(_role(each) for each in _list("roles", fields)),
        zone=_zone(fields.get("zone", "UTC")),
        quiet=_quiet(fields.get("quiet")),
        rhythm=_word("rhythm", fields.get("rhythm", Rhythm.EACH_RUN), Rhythm),
        is_overseer=_yes_or_no(fields.get("overseer", False)),
        added_at=added_at,
    )
    return made, _address(fields.get("address"))


def document_of(recipient: Recipient) -> dict[str, Any]:
    """What is shown of a recipient."""
    quiet = recipient.quiet
    return {
        "id": str(recipient.recipient),
        "label": recipient.label,
        "medium": recipient.medium.value,
        "projects": sorted(recipient.projects),
        "severities": sorted(recipient.severities),
        "roles": sorted(recipient.roles),
        "zone": recipient.zone,
        "quiet": None if quiet is None else {"begins": f"{quiet.begins:%H:%M}", "ends": f"{quiet.ends:%H:%M}"},
        "rhythm": recipient.rhythm.value,
        "overseer": recipient.is_overseer,
        "standing": recipient.standing.value,
        "added_at": instant_text(recipient.added_at),
        "told_at": None if recipient.told_at is None else instant_text(recipient.told_at),
    }


def _label(value: object) -> str:
    if not isinstance(value, str) or not _LABEL.fullmatch(value) or not value.strip():
        raise EntryMalformed(Sentence("label: 1 to 60 letters, and no address"))
    return value


def _address(value: object) -> Secret | None:
    if value is None:
        return None
    if not isinstance(value, str) or not is_mail_address(value):
        raise EntryMalformed(Sentence("address: one plain mail address"))
    return Secret(value)


def _word(name: str, value: object, kind: type[_Word]) -> _Word:
    try:
        return kind(value if isinstance(value, str) else "")
    except ValueError as fault:
        raise EntryMalformed(Sentence("%(name)s: one of %(known)s", name=name, known=", ".join(kind))) from fault


def _list(name: str, fields: Mapping[str, Any]) -> list[Any]:
    value = fields.get(name, [])
    if not isinstance(value, list) or len(value) > _MOST:
        raise EntryMalformed(Sentence("%(name)s: a list of at most %(most)s", name=name, most=_MOST))
    return value


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**18:
        raise EntryMalformed(Sentence("projects: numeric ids"))
    return value


def _role(value: object) -> str:
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise EntryMalformed(Sentence("roles: names as in the policy, such as security"))
    return value


def _zone(value: object) -> str:
    try:
        return ZoneInfo(value if isinstance(value, str) else "").key
    except (ValueError, OSError, LookupError) as fault:
        raise EntryMalformed(Sentence("zone: a name of the tz database, such as Europe/Berlin")) from fault


def _quiet(value: object) -> Quiet | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"begins", "ends"}:
        raise EntryMalformed(Sentence('quiet: {"begins": "22:00", "ends": "07:00"}'))
    begins, ends = (_time(value[name]) for name in ("begins", "ends"))
    return Quiet(begins, ends)


def _time(value: object) -> time:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise EntryMalformed(Sentence("quiet: times of day, such as 22:00"))
    return time.fromisoformat(value)


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise EntryMalformed(Sentence("overseer: true or false"))
    return value
