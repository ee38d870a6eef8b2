"""What can go wrong at Atlassian's side, set through the control port and kept per site."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from simulator.people import Json

RETRY_AFTER = ("seconds", "date", "absent", "absurd", "fraction", "negative", "garbage", "past", "bare")
"""Forms of `Retry-After`; `bare` is a gateway that says 429 and no more."""
REASONS = (
    "jira-quota-global-based",
    "jira-quota-tenant-based",
    "jira-burst-based",
    "jira-per-issue-on-write",
    "jira-cost-based",
)
_QUOTAS = {"jira-quota-global-based": "global-app-quota", "jira-quota-tenant-based": "tenant-app-quota"}


class FaultUnknown(ValueError):
    """There is no such fault, or it does not take such a value."""


@dataclass
class Storm:
    """The next `count` REST requests are answered with `status`.

    401 and 403 are what big sites answer to a Forge app for minutes after its installation.
    """

    status: int = 429
    count: int = 1
    retry_after: str = "seconds"
    seconds: int = 2
    reason: str = "jira-burst-based"

    def __post_init__(self) -> None:
        if self.status not in {401, 403, 429, 500, 502, 503, 504} or self.retry_after not in RETRY_AFTER:
            raise FaultUnknown(f"a storm is 401, 403, 429 or 5xx, with retry_after one of {', '.join(RETRY_AFTER)}")
        if self.reason not in REASONS:
            raise FaultUnknown(f"the reason of a storm is one of {', '.join(REASONS)}")

    def headers(self) -> dict[str, str]:
        """Return the headers of the answer, as Jira's rate limiting sends them."""
        if self.status < 429 or self.retry_after == "bare":
            return {}
        reset = datetime.now(UTC) + timedelta(seconds=self.seconds)
        after = {
            "seconds": str(self.seconds),
            "date": format_datetime(reset, usegmt=True),
            "past": format_datetime(reset - timedelta(days=1), usegmt=True),
            "absurd": "99999999",
            "fraction": f"{self.seconds}.25",
            "negative": f"-{self.seconds}",
            "garbage": "in a while",
        }
        headers = {"Retry-After": after[self.retry_after]} if self.retry_after in after else {}
        if self.status != 429:
            return headers
        quota = _QUOTAS.get(self.reason)
        if quota is not None:
            headers |= {
                "Beta-RateLimit-Policy": f'"{quota}";q=65000;w=3600',
                "Beta-RateLimit": f'"{quota}";r=0;t={self.seconds}',
            }
        return headers | {
            "X-RateLimit-Limit": "100",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": f"{reset:%Y-%m-%dT%H:%MZ}",
            "X-RateLimit-NearLimit": "true",
            "RateLimit-Reason": self.reason,
        }


# what Connect's `webhooks` and Forge's `events` have in common: setting it for webhooks sets it for events
_SHARED = frozenset({"duplicate", "drop", "reorder", "delay_seconds"})


@dataclass
class Deliveries:
    """What happens to deliveries: extra copies of each, the next n dropped, or held and sent backwards."""

    duplicate: int = 0
    drop: int = 0
    reorder: int = 0
    delay_seconds: float = 0.0
    retry_seconds: list[float] = field(default_factory=lambda: [1, 2, 4, 8, 15])
    timeout_seconds: float = 5.0

    def next_dropped(self) -> bool:
        """Say whether this delivery is lost, and use up one loss."""
        lost = self.drop > 0
        self.drop -= lost
        return lost


def _events() -> Deliveries:
    """Return Forge's rule, 5 s and four retries, but with a second instead of a minute between them."""
    return Deliveries(retry_seconds=[1, 1, 1, 1])


@dataclass
class Faults:
    """The faults of one site."""

    latency_seconds: float = 0
    storm: Storm | None = None
    page_era: int = 0
    webhooks: Deliveries = field(default_factory=Deliveries)
    events: Deliveries = field(default_factory=_events)
    asked: int = 0
    """REST requests so far, those in storms included."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def next_storm(self) -> Storm | None:
        """Return the storm that this request is in, if any, and use up one of its answers."""
        with self._lock:
            self.asked += 1
            storm = self.storm
            if storm is None or storm.count < 1:
                return None
            storm.count -= 1
            return storm

    def change(self, wanted: Json) -> None:
        """Set faults: `latency_seconds`, `storm` (object or null), `webhooks` and `events` (objects), `page_era`.

        A new `page_era` ends the page tokens that searches gave until then, as Jira does after seven days.

        What `webhooks` says of duplicate, drop, reorder and delay_seconds holds for events as well, each lane
        counting for itself; `events` comes second.

        Raises:
            FaultUnknown: an unknown name or a value of the wrong kind; nothing has changed then.
        """
        latency = _number(wanted.get("latency_seconds", self.latency_seconds), "latency_seconds")
        era = int(_number(wanted.get("page_era", self.page_era), "page_era"))
        storm = wanted.get("storm", self.storm)
        if "storm" in wanted and storm is not None:
            storm = Storm(**_known(Storm(), storm))
        hooks = _known(Deliveries(), wanted.get("webhooks", {}))
        events = {name: value for name, value in hooks.items() if name in _SHARED}
        events |= _known(Deliveries(), wanted.get("events", {}))
        with self._lock:
            self.latency_seconds, self.storm, self.page_era = latency, storm, era
            self.webhooks = Deliveries(**vars(self.webhooks) | hooks)
            self.events = Deliveries(**vars(self.events) | events)

    def render(self) -> Json:
        """Return the faults as they stand, in the form that `change` takes."""
        storm = vars(self.storm) if self.storm else None
        lanes = {"webhooks": vars(self.webhooks), "events": vars(self.events)}
        return {"latency_seconds": self.latency_seconds, "page_era": self.page_era, "storm": storm, **lanes}


def _known(default: Storm | Deliveries, wanted: object) -> Json:
    """Return the wanted values, each known by name and of its default's kind."""
    names = {one.name: getattr(default, one.name) for one in fields(default)}
    if not isinstance(wanted, dict) or not wanted.keys() <= names.keys():
        raise FaultUnknown(f"an object with some of {', '.join(names)} is needed")
    for name, value in wanted.items():
        if isinstance(names[name], list):
            _ = [_number(one, name) for one in value] if isinstance(value, list) else _number(None, name)
        elif isinstance(names[name], int | float):
            _number(value, name)
            if isinstance(names[name], int) and not isinstance(value, int):
                raise FaultUnknown(f"{name} is a whole number")
    return wanted


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise FaultUnknown(f"{name} is a number from 0 to 3600")
    return value
