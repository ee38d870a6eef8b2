"""The cycle: how often each account is reported, and whether that is so.

Source: https://developer.atlassian.com/platform/forge/user-privacy-guidelines/ . The form of `Cycle-Period` is not
documented; every form that implementations are known to expect is read.
"""

import re
from datetime import datetime, timedelta
from enum import StrEnum

PROMISES = ("personal-data-report", "closed-account-erasure")
"""What of the policies this cycle keeps, by the instants that it writes down."""
SHORTEST, LONGEST = timedelta(days=1), timedelta(days=60)
LATE_AFTER = timedelta(days=1)
"""After the instant at which an account is due: from then on the promise is broken, and somebody is told."""
ERASE_WITHIN = timedelta(days=1)
"""Of the answer `closed`; our own figure, the guide has none."""
HOLD = timedelta(hours=12)
"""For so long accounts wait for others, so that requests are full; half of the time in which they are not late."""
_MOST_DAYS = 366
"""A bare number above is one of seconds."""
_DAYS = re.compile(r"(?:P(\d{1,9})D|(\d{1,9})\s*days?)", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


def period_of(text: str) -> timedelta | None:
    """What a `Cycle-Period` says, between 1 and 60 days; None where it says nothing that we understand."""
    text = text.strip()
    if (days := _DAYS.fullmatch(text)) is not None:
        return _clamped(days=int(days[1] or days[2]))
    if _NUMBER.fullmatch(text) is None:
        return None
    number = int(text)
    return _clamped(days=number) if number <= _MOST_DAYS else _clamped(seconds=number)


def _clamped(*, days: int = 0, seconds: int = 0) -> timedelta:
    asked = timedelta(days=min(days, LONGEST.days), seconds=seconds)
    return min(max(asked, SHORTEST), LONGEST)


class CycleState(StrEnum):
    """Whether each account is reported once per cycle."""

    NOTHING_HELD = "nothing held"
    ON_TIME = "on time"
    BEHIND = "behind"
    """An account is due for longer than it waits for others."""
    BREACHED = "breached"


def state_of(
    *, accounts: int, oldest_due: datetime | None, oldest_unerased: datetime | None, now: datetime
) -> CycleState:
    """From the account that is due for longest, and the closed one that is longest not erased."""
    if oldest_unerased is not None and oldest_unerased + ERASE_WITHIN <= now:
        return CycleState.BREACHED
    if oldest_due is not None and oldest_due + LATE_AFTER <= now:
        return CycleState.BREACHED
    if oldest_due is not None and oldest_due + HOLD < now:
        return CycleState.BEHIND
    return CycleState.ON_TIME if accounts else CycleState.NOTHING_HELD
