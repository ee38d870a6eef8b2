"""How often anybody may call: requests per minute by tenant, by person and by network, for each class of routes.

Tenants and persons are those that the gate has verified, never those that a token claims. Atlassian's servers call
for all sites from the same networks, so only routes that are open to all are limited by network; of the address
nothing is kept but a keyed hash of its network, in this process, under a key that nobody else has and that ends with
it. So each process counts networks for itself; all else the processes count together where they share a store.

No token that is refused counts for anyone: else a stranger could use up what belongs to the tenant that he names.

What Atlassian's servers send again by themselves is refused besides where this server is behind: before its token is
looked at, because that is most of the work. So whoever waits in a browser is served while a storm is turned away.
"""

import hashlib
import math
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from ipaddress import IPv6Address, ip_address

from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter, RateLimitExceeded, RouteLimit
from flask_limiter._limits import RuntimeLimit
from limits import RateLimitItem

from app.edge.caller import caller, install_claims

View = Callable[..., ResponseReturnValue]
WAITED = "pledge.waited_seconds"
"""In the environment of a request: how long it has waited for its turn, where the server knows."""


@dataclass(frozen=True)
class LimitClass:
    """One row: requests per minute; None = not limited by that."""

    name: str
    tenant: int | None
    subject: int | None
    network: int | None
    patience_seconds: float | None = None
    """A request that has waited longer than this for its turn is refused unread; None = never."""

    @property
    def rates(self) -> Mapping[str, int]:
        """The limits of this class by name, in the order in which they are asked.

        The person's comes first: what is refused to one person is not taken from all of the site.
        """
        parts = {"subject": self.subject, "tenant": self.tenant, "network": self.network}
        return {f"{self.name}.{part}": rate for part, rate in parts.items() if rate is not None}


PAGES = LimitClass("pages", tenant=6_000, subject=600, network=None)
"""Ten thousand people who each open an issue every two minutes are 5,000; one person who opens ten a second is 600."""

READS = LimitClass("reads", tenant=18_000, subject=1_200, network=None)
"""What our own pages ask: three for each page. All of a site's is two fifths of what two cores answer."""

DECISIONS = LimitClass("decisions", tenant=600, subject=60, network=None)
"""What people decide by a form, one issue at a time: each waits for the one before it; many at once go by a file."""

EVENTS = LimitClass("events", tenant=12_000, subject=None, network=None, patience_seconds=2.0)
"""Webhooks and events. Jira spreads a change of 10,000 issues over 15 minutes; at once it would still pass.

Not by person: a bulk change is one person's. What is refused comes again: Connect sends up to five times 5 to 15
minutes apart, and 429 is among the answers after which it does; Forge four times, 60 s apart. What is lost even so is
found when the issue is next read. What is told to come again comes minutes later: so a server says it that stays
behind, and not one that was held up for a moment.
"""

EXPORTS = LimitClass("exports", tenant=60, subject=30, network=None)
"""What an administrator asks for once in a month, and of which each may be hours of work for a worker."""

LIFECYCLE = LimitClass("lifecycle", tenant=4_000, subject=None, network=None)
"""A site sends a few in a month, and does not repeat what was refused; 500 in 10 s are a site gone wrong, served."""

PUBLIC = LimitClass("public", tenant=None, subject=None, network=3_000)
"""Four files for a first page: an office of 700 behind one address on the morning of a release."""

HEALTH = LimitClass("health", tenant=None, subject=None, network=None)
"""Not limited: who shares a network with whoever asks for our health could have us taken out of service."""

CLASSES = (PAGES, READS, DECISIONS, EVENTS, EXPORTS, LIFECYCLE, PUBLIC, HEALTH)


class Overloaded(Exception):
    """This request has waited for too long already; others wait behind it."""

    retry_after_seconds = 30


class UnknownLimit(ValueError):
    """A limit that is configured is none of the table."""


def rates(overrides: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    """Every limit of the table by name, requests per minute, with these in place of those; raises `UnknownLimit`."""
    found = {name: rate for each in CLASSES for name, rate in each.rates.items()}
    for name, rate in overrides:
        if name not in found:
            raise UnknownLimit(f"PLEDGE_RATE_LIMITS names {name!r}; the limits are {', '.join(found)}")
        found[name] = rate
    return found


def refuse_late(limit_class: LimitClass) -> None:
    """Raise `Overloaded` where this request has waited longer than its class has patience."""
    waited = float(request.environ.get(WAITED, 0.0))
    if limit_class.patience_seconds is not None and waited > limit_class.patience_seconds:
        raise Overloaded(Overloaded.__doc__)


class Limits:
    """The limits of one app; raises `UnknownLimit`.

    Flask-Limiter holds them, picks the storage and judges. What it would do around each request, resolving, parsing
    and collecting all that may apply, is done once, here: it takes many times longer than the judging.
    """

    def __init__(self, app: Flask, *, storage_url: str, overrides: Iterable[tuple[str, int]]) -> None:
        self.refused: Counter[str] = Counter()
        """How many requests each limit has refused in this process."""
        self._rates = rates(overrides)
        self._network_key = secrets.token_bytes(32)
        self._keys = {"subject": _subject, "tenant": _tenant, "network": self._network}
        self._limiter = Limiter(_tenant, storage_uri=storage_url, strategy="moving-window")
        # Beside the app: on it, the library's hooks would run around every request, and find nothing to do.
        self._limiter.init_app(Flask(__name__))
        app.after_request(self._tell)

    @property
    def store_failures(self) -> int:
        """How often the shared store did not answer this process."""
        return int(getattr(self._limiter.storage, "failures", 0))

    def guard(self, limit_class: LimitClass, view: View) -> View:
        """That view, behind the limits of its class. They are asked after all gates, just before the view."""
        limits = tuple(each for name in limit_class.rates for each in self._limit(name))
        policy = ", ".join(f'"{each.scope}";q={each.limit.amount};w={each.limit.get_expiry()}' for each in limits)

        @wraps(view)
        def guarded(**arguments: object) -> ResponseReturnValue:
            g.limit_policy, g.limits_asked = policy, []
            for each in limits:
                if not each.is_exempt:
                    self._ask(each)
            return view(**arguments)

        return guarded if limits else view

    def _limit(self, name: str) -> RouteLimit:
        part = name.rpartition(".")[2]
        return RouteLimit(
            limit_provider=f"{self._rates[name]} per minute",
            limiter=self._limiter,
            key_function=self._keys[part],
            scope=name,
            shared=True,
            exempt_when=_is_nobody if part == "subject" else None,
        )

    def _ask(self, limit: RuntimeLimit) -> None:
        name, key = str(limit.scope), limit.key_func()
        g.limits_asked.append((name, limit.limit, key))
        if not self._limiter.limiter.hit(limit.limit, key, name):
            self.refused[name] += 1
            raise RateLimitExceeded(limit)

    def _tell(self, response: Response) -> Response:
        """RateLimit fields as of draft-ietf-httpapi-ratelimit-headers-11 on every answer that was counted."""
        asked: list[tuple[str, RateLimitItem, str]] = g.get("limits_asked") or []
        if asked:
            windows = [(name, self._limiter.limiter.get_window_stats(item, key, name)) for name, item, key in asked]
            response.headers["RateLimit-Policy"] = g.limit_policy
            response.headers["RateLimit"] = ", ".join(
                f'"{name}";r={max(0, left)};t={math.ceil(seconds)}' for name, (seconds, left) in windows
            )
            if response.status_code == 429:
                # The last that was asked is the one that refused.
                response.headers["Retry-After"] = str(math.ceil(windows[-1][1].reset_time))
        return response

    def _network(self) -> str:
        """Never shown, handed on or logged; 16 bytes of a keyed hash of the /24 or /56."""
        network = _network_of(request.remote_addr or "")
        return "network:" + hashlib.blake2b(network, key=self._network_key, digest_size=16).hexdigest()


def _tenant() -> str:
    """The verified tenant; for a site that installs, the client key that Atlassian has signed."""
    if "caller" in g:
        return f"tenant:{caller().tenant}"
    return f"site:{_hash(install_claims().client_key)}"


def _subject() -> str:
    """An account is personal data, and the store is shared: it learns a hash."""
    return f"subject:{_hash(f'{caller().tenant}:{caller().account}')}"


def _is_nobody() -> bool:
    return caller().account is None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _network_of(address: str) -> bytes:
    """The /24 of an IPv4 address, the /56 of an IPv6 address; all that have none are one."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return b""
    if isinstance(ip, IPv6Address):
        return ip.packed[:7] if ip.ipv4_mapped is None else ip.ipv4_mapped.packed[:3]
    return ip.packed[:3]
