"""What an answer says about when to come back and how much is left, in all the forms that have been seen.

Sources: RFC 9110 §10.2.3 (`Retry-After`: seconds or a date), draft-ietf-httpapi-ratelimit-headers (`RateLimit`),
https://developer.atlassian.com/cloud/jira/platform/rate-limiting/ ; some gateways send fractions, and nothing at all.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 3600.0
"""Every quota of Jira begins anew at the full hour, so no wait is longer."""
_NONSENSE_SECONDS = 86_400.0
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{0,9})?")
_QUOTA = re.compile(r'"([a-z-]{1,40})"((?:;[a-z]=[0-9]{1,12}){1,4})')
_WORD = re.compile("[a-z-]{1,40}")
_APP_QUOTA = "global-app-quota"
"""The points that all tenants share; a tenant's own quota has another name."""


@dataclass(frozen=True)
class Advice:
    """What could be believed; nothing of it is certain."""

    seconds: float | None = None
    """When to come back: 1 to `LONGEST_SECONDS`."""
    reason: str = ""
    """Which limit was hit, as in `RateLimit-Reason`."""
    is_near_limit: bool = False
    points_left: int | None = None
    """Of the quota of the whole app, by Jira's own count."""


def advice_of(headers: Mapping[str, str], *, now: datetime) -> Advice:
    """What these headers say; raises nothing, whatever they hold. The first of several that can be read counts.

    `headers` are looked up by name without regard to case, as `requests` keeps them.
    """
    return Advice(
        seconds=next(_seconds(headers, now), None),
        reason=_reason(headers),
        is_near_limit="true"
        in {headers.get(name, "").strip().lower() for name in ("X-RateLimit-NearLimit", "X-Beta-RateLimit-NearLimit")},
        points_left=_app_quota(headers).get("r"),
    )


def whole_seconds(seconds: float) -> int:
    """For a header or a schedule: never before the time, at least one."""
    return max(1, math.ceil(seconds))


def _reason(headers: Mapping[str, str]) -> str:
    """A word and nothing else: it is kept, and shown on terminals."""
    text = (headers.get("RateLimit-Reason") or headers.get("X-Beta-RateLimit-Reason") or "").strip().lower()
    return text if _WORD.fullmatch(text) else ""


def _seconds(headers: Mapping[str, str], now: datetime) -> Iterator[float]:
    """Every believable wait, the most explicit first."""
    instants = ("X-RateLimit-Reset", "X-Beta-RateLimit-Reset", "RateLimit-Reset")
    said = [_number(headers.get("Retry-After", "")), _until(_date(headers.get("Retry-After", "")), now)]
    for name in instants:
        # The draft has seconds under that name, Atlassian an instant.
        said += [_until(_iso(headers.get(name, "")), now), _number(headers.get(name, ""))]
    quota = _app_quota(headers).get("t")
    said.append(None if quota is None else float(quota))
    for seconds in said:
        if seconds is not None and 0 <= seconds <= _NONSENSE_SECONDS:
            yield min(max(seconds, 1.0), LONGEST_SECONDS)


def _number(text: str) -> float | None:
    """Seconds, whole or not; a negative number is none."""
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _iso(text: str) -> datetime | None:
    """`2026-11-22T09:00Z`: Atlassian cuts off the seconds, so it may be past already; then it says nothing."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _until(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else (at - now).total_seconds()


def _app_quota(headers: Mapping[str, str]) -> dict[str, int]:
    """`"global-app-quota";r=0;t=2788` as its parameters; empty where there is none."""
    for text in (headers.get("Beta-RateLimit", ""), headers.get("RateLimit", "")):
        for name, parameters in _QUOTA.findall(text[:400]):
            if name == _APP_QUOTA:
                return {pair[0]: int(pair[2:]) for pair in parameters[1:].split(";")}
    return {}
