"""The one who may call Jira: asked before each call of this process, told of each answer.

`spend` before, `heard` after. Points come from the quota of all processes in chunks; so most calls cost no round trip
to the database, and those that a person waits for never do. What Jira says (`Retry-After` and its kin) is written down
for all processes before anything else is sent.

Nobody sleeps here for Jira's sake longer than a moment: work that has to wait raises `TurnAwaited`, and the job is
asked for again at that time, so that the waiting of one tenant takes no job slot from another.
"""

import random
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from app.domain.identifiers import HOUSE, TenantId
from app.domain.ports import TurnAwaited
from app.domain.quota.model import Need, hour_of, seconds_left
from app.domain.quota.operations import Quota
from app.outbound.advice import Advice, advice_of, whole_seconds
from app.outbound.bursts import CHANGES, ISSUE_WRITES, NEAR_LIMIT, READS, Bursts, Pace
from app.outbound.prices import BASE, endpoint, issue_written, points
from app.outbound.session import Meter

FIRST_CHUNK, CHUNK = 4, 64
"""Points that are taken at once: to read an issue costs four; twice as many each time that they are used up soon."""
_SOON_SECONDS = 10.0
_FRESH_SECONDS = 2.0
"""How long a process goes on with its chunk without asking what Jira told the others."""
_NEAR_SECONDS = 60.0
_PACED_SECONDS = 1.0
"""What is waited for here; more is the job's to wait for."""
_PEOPLE_SECONDS = 30.0
"""Nobody is kept from looking for longer because of one refused answer; a spent quota is another matter."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = (2.0, 5.0), 30.0
_JITTER = (0.7, 1.3)
_SETTLED = timedelta(minutes=2)
"""Into the hour: a count that Jira began before must not be taken for one of this hour."""
_GLOBAL = "jira-quota-global-based"
_OF_THE_TENANT = frozenset({"jira-quota-tenant-based", "jira-quota-based", "jira-cost-based"})


@dataclass(frozen=True)
class Call:
    """One request to one site."""

    tenant: TenantId
    method: str
    path: str
    """Without query."""
    is_for_person: bool
    """Somebody waits for the answer."""


@dataclass
class _Purse:
    """What this process has of one tenant's points."""

    points: int = 0
    """Negative: what calls cost more than was thought."""
    hour: datetime | None = None
    chunk: int = 0
    taken_at: float = float("-inf")
    fresh_until: float = float("-inf")
    failures: int = 0
    near_until: float = float("-inf")


class Budget:
    """Safe between threads. `elapsed` is a monotonic clock in seconds, `clock` tells the instant."""

    def __init__(
        self,
        quota: Quota,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._quota, self._clock, self._elapsed, self._sleep, self._chance = quota, clock, elapsed, sleep, chance
        self._bursts = Bursts(elapsed=elapsed)
        self._lock = threading.Lock()
        self._purses: dict[TenantId, _Purse] = {}
        self._people_spent = 0
        self._spent_by_jira: dict[datetime, int] = {}
        self._people_stopped: dict[TenantId, datetime] = {}
        self._closes_at = float("inf")
        self._stops = 0

    def wind_up(self, seconds: float) -> None:
        """This process ends: after so many seconds background work may not call any more, and waits for another one.

        So whatever is being done can still be finished, and a slow site cannot hold the process up: each call that is
        under way then has a timeout of its own.
        """
        self._closes_at = self._elapsed() + seconds

    def meter(self, tenant: TenantId, *, is_for_person: bool) -> Meter:
        """For a session that calls that tenant's site."""
        return _Metered(self, tenant, is_for_person)

    def await_turn(self, tenant: TenantId) -> None:
        """Return if background work of that tenant may begin now; raises `TurnAwaited`. Before any of it is claimed."""
        self._take(tenant, 0)

    def spend(self, call: Call) -> None:
        """Return when this call may be made; raises `TurnAwaited`."""
        if call.is_for_person:
            self._refuse_stopped_people(call.tenant)
            with self._lock:
                self._people_spent += BASE
            return
        self._take(call.tenant, BASE)
        self._pace(call)

    def heard(self, call: Call, answer: requests.Response | None) -> None:
        """What came of it; None = no answer. Written down for all where Jira says to wait."""
        now = self._clock()
        advice = Advice() if answer is None else advice_of(answer.headers, now=now)
        self._slow_down(call, advice, now=now)
        if answer is not None and answer.status_code != 429 and answer.status_code < 500:
            self._count(advice, now=now)
            self._settle(call, points(call.method, call.path, answer=_json(answer)) - BASE)
        elif not call.is_for_person or (answer is not None and answer.status_code == 429):
            # From a site that is down the breaker keeps people, and this the jobs.
            self._stop(call, advice, now=now)

    def share(self, now: datetime) -> None:
        """Tell the other processes what people's calls have cost, and learn whom Jira told to wait; every few seconds.

        Raises `DatabaseUnavailable`; what was spent is told the next time.
        """
        with self._lock:
            people, self._people_spent = self._people_spent, 0
            by_jira, self._spent_by_jira = self._spent_by_jira.get(hour_of(now), 0), {}
        try:
            stopped = self._quota.share(people_spent=people, spent_by_jira=by_jira, now=now)
        except BaseException:
            with self._lock:
                self._people_spent += people
            raise
        self._people_stopped = dict(stopped)

    def _refuse_stopped_people(self, tenant: TenantId) -> None:
        if not self._people_stopped:
            return
        now = self._clock()
        until = max(self._people_stopped.get(each, now) for each in (tenant, HOUSE))
        if until > now:
            raise TurnAwaited(whole_seconds((until - now).total_seconds()))

    def _take(self, tenant: TenantId, cost: int) -> None:
        """Pay from the purse; where it is empty, or has not been compared lately, the quota is asked first."""
        now, elapsed = self._clock(), self._elapsed()
        if elapsed > self._closes_at:
            raise TurnAwaited(1)
        with self._lock:
            purse = self._purse(tenant, now)
            is_enough = purse.points >= max(cost, 1)
            if is_enough and elapsed < purse.fresh_until:
                purse.points -= cost
                return
            owed, stops = max(0, -purse.points), self._stops
            # The quota counts it even when it gives nothing.
            purse.points += owed
            need = _need(purse, elapsed)
        if is_enough:
            taken = 0
            self._quota.look(tenant, now=now)
        else:
            taken = self._quota.take(tenant, need, owed=owed, now=now)
        with self._lock:
            purse = self._purse(tenant, now)
            purse.points += taken - cost
            if stops == self._stops:
                purse.fresh_until = elapsed + _FRESH_SECONDS
            if taken:
                purse.chunk, purse.taken_at = taken, elapsed

    def _purse(self, tenant: TenantId, now: datetime) -> _Purse:
        """Points are of one hour: those that are left are nobody's in the next."""
        purse = self._purses.setdefault(tenant, _Purse())
        if purse.hour != hour_of(now):
            purse.hour, purse.points = hour_of(now), min(purse.points, 0)
        return purse

    def _pace(self, call: Call) -> None:
        """Wait for a moment where calls come too fast; raises `TurnAwaited` where that is no moment."""
        is_near = self._elapsed() < self._purses[call.tenant].near_until
        usual = READS if call.method in {"GET", "HEAD", "POST"} else CHANGES
        paces: dict[Hashable, Pace] = {
            (call.tenant, call.method, endpoint(call.path)): NEAR_LIMIT if is_near else usual
        }
        issue = issue_written(call.method, call.path)
        if issue is not None:
            paces[call.tenant, issue] = ISSUE_WRITES
        pause = max(self._bursts.claim(key, pace, patience_seconds=_PACED_SECONDS) for key, pace in paces.items())
        if pause > _PACED_SECONDS:
            raise TurnAwaited(whole_seconds(pause))
        if pause > 0:
            self._sleep(pause)

    def _settle(self, call: Call, more: int) -> None:
        """It cost so much more than was paid before."""
        with self._lock:
            if call.is_for_person:
                self._people_spent += more
                return
            purse = self._purse(call.tenant, self._clock())
            purse.points -= more
            purse.failures = 0

    def _slow_down(self, call: Call, advice: Advice, *, now: datetime) -> None:
        if advice.is_near_limit:
            with self._lock:
                self._purse(call.tenant, now).near_until = self._elapsed() + _NEAR_SECONDS

    def _count(self, advice: Advice, *, now: datetime) -> None:
        """Take over Jira's own count. Not that of a refusal: it ends with the wait, which is not always the hour."""
        if advice.points_left is None or now - hour_of(now) <= _SETTLED:
            return
        spent = self._quota.points_per_hour - advice.points_left
        with self._lock:
            self._spent_by_jira[hour_of(now)] = max(self._spent_by_jira.get(hour_of(now), 0), spent)

    def _stop(self, call: Call, advice: Advice, *, now: datetime) -> None:
        """Whom it concerns and for how long: everybody, all of the tenant, or the kind of work that was refused."""
        seconds = self._pause(call, now) if advice.seconds is None else advice.seconds
        tenant, people = call.tenant, call.is_for_person
        if advice.reason == _GLOBAL:
            tenant, people = HOUSE, True
            seconds = float(seconds_left(now)) if advice.seconds is None else seconds
        elif tenant == HOUSE:
            # A site that is no tenant yet says nothing about the others.
            return
        elif advice.reason in _OF_THE_TENANT:
            people = True
        elif people:
            seconds = min(seconds, _PEOPLE_SECONDS)
        until = now + timedelta(seconds=seconds)
        try:
            self._quota.stop(tenant, until=until, reason=advice.reason or None, people=people)
        finally:
            self._heed(tenant, until=until, people=people)

    def _heed(self, tenant: TenantId, *, until: datetime, people: bool) -> None:
        """Nothing that was looked up before counts any more, neither what another thread is just looking up."""
        with self._lock:
            self._stops += 1
            for purse in self._purses.values() if tenant == HOUSE else [self._purses.setdefault(tenant, _Purse())]:
                purse.fresh_until = float("-inf")
            if people:
                self._people_stopped = {**self._people_stopped, tenant: until}

    def _pause(self, call: Call, now: datetime) -> float:
        """Where nothing is said: 2 to 5 s, twice as long each time in a row, 30 s at most."""
        with self._lock:
            purse = self._purse(call.tenant, now)
            purse.failures += 1
            doubled = self._chance(*_FIRST_PAUSE_SECONDS) * 2.0 ** min(purse.failures - 1, 10)
        return min(doubled * self._chance(*_JITTER), _LONGEST_PAUSE_SECONDS)


@dataclass(frozen=True)
class _Metered:
    """See `app.outbound.session.Meter`: the calls of one tenant, for a person or not."""

    budget: Budget
    tenant: TenantId
    is_for_person: bool

    def before(self, request: requests.PreparedRequest) -> None:
        """Return if it may be sent now; raises `TurnAwaited`."""
        self.budget.spend(self._call(request))

    def after(self, request: requests.PreparedRequest, answer: requests.Response | None) -> None:
        """What came of it."""
        self.budget.heard(self._call(request), answer)

    def _call(self, request: requests.PreparedRequest) -> Call:
        path = request.path_url.partition("?")[0]
        return Call(self.tenant, str(request.method), path, self.is_for_person)


def _need(purse: _Purse, elapsed: float) -> Need:
    """A little, which is enough for most; twice the last chunk where that was used up soon."""
    lasted = elapsed - purse.taken_at > _SOON_SECONDS
    return Need(least=BASE, wanted=FIRST_CHUNK if lasted else min(max(2 * purse.chunk, FIRST_CHUNK), CHUNK))


def _json(answer: requests.Response) -> Any:  # noqa: ANN401  whatever JSON Jira sent
    """None where it is none: the one who asked says what that means."""
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None
