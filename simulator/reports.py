"""Personal data reports: whose account is closed or changed, what the API answers, and who reported whom and when."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest

from simulator.people import Json
from simulator.signing import TokenRefused

MAX_ACCOUNTS = 90
_ACCOUNT_ID = re.compile(r"[A-Za-z0-9:-]{1,128}")
_CHANGES = frozenset({"close", "update", "malformed", "cycle_period", "answers", "rate", "latency_seconds", "reset"})
SHARED_RULES = ("/app/report-accounts/", "/app/report-accounts")
SITE_RULES = ("/rest/atlassian-connect/latest/report-accounts",)


@dataclass
class Canned:
    """The next `times` requests get this answer, whatever they say; `body` is text, repeated to `size` bytes."""

    status: int = 200
    body: str = ""
    content_type: str = "application/json"
    retry_after: str | None = None
    size: int = 0
    delay_seconds: float = 0.0
    times: int = 1

    def response(self) -> Response:
        """Return the answer."""
        body = self.body
        if self.size:
            body = (self.body or "x") * (self.size // len(self.body or "x"))
        answer = Response(body, self.status, content_type=self.content_type)
        if self.retry_after is not None:
            answer.headers["Retry-After"] = self.retry_after
        return answer


class Reports:
    """The reporting API, one for all sites. A closed account stays closed; a change counts for older copies only."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now, self._lock = now, threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self.closed: set[str] = set()
        self.malformed: set[str] = set()
        self.changed: dict[str, datetime] = {}
        self.cycle_period: str | None = None
        self.canned: deque[Canned] = deque()
        self.rate: tuple[int, float] | None = None
        self.latency_seconds = 0.0
        self.ledger: list[Json] = []
        self._window: deque[float] = deque()

    def blueprint(self, name: str, rules: Sequence[str], *, admit: Callable[[], object]) -> Blueprint:
        """Return the routes for one way to authenticate; `admit` raises `TokenRefused`."""
        routes = Blueprint(f"reports-{name}", __name__)

        def report() -> Response:
            try:
                admit()
            except TokenRefused:
                return self._keep(name, [], _error(401, "Unauthorized"))
            return self._answer(name)

        for number, rule in enumerate(rules):
            routes.add_url_rule(rule, f"report{number}", report, methods=["POST"])
        return routes

    def change(self, wanted: object) -> None:
        """Close accounts, change them, break answers.

        Keys: close, update and malformed (lists of account ids), cycle_period (the header's text, or null), answers
        (list of `Canned`), rate ({requests, seconds} or null), latency_seconds, reset.
        """
        if not isinstance(wanted, dict) or not wanted.keys() <= _CHANGES:
            raise BadRequest(f"accounts is an object with some of {', '.join(sorted(_CHANGES))}")
        answers = [canned(one) for one in wanted.get("answers", [])]
        with self._lock:
            if wanted.get("reset"):
                self._clear()
            self.closed.update(wanted.get("close", []))
            self.malformed.update(wanted.get("malformed", []))
            self.changed.update(dict.fromkeys(wanted.get("update", []), self._now()))
            self.cycle_period = wanted.get("cycle_period", self.cycle_period)
            self.canned.extend(answers)
            self.latency_seconds = float(wanted.get("latency_seconds", self.latency_seconds))
            if "rate" in wanted:
                rate = wanted["rate"]
                self.rate = None if rate is None else (int(rate["requests"]), float(rate["seconds"]))

    def show(self, expected: Sequence[str] = ()) -> Json:
        """Return the ledger, who was reported more than once, and who of those expected never was.

        What counts as reported is what was answered with 200 or 204.
        """
        with self._lock:
            ledger = list(self.ledger)
        reported: dict[str, list[str]] = {}
        for line in ledger:
            for one in line["accounts"] if line["status"] in {200, 204} else ():
                reported.setdefault(one["accountId"], []).append(line["at"])
        doubles = {account: times for account, times in reported.items() if len(times) > 1}
        missing = [account for account in expected if account not in reported]
        return {"requests": ledger, "reported": reported, "doubles": doubles, "missing": missing}

    def _answer(self, way: str) -> Response:
        time.sleep(self.latency_seconds)
        body = request.get_json(silent=True)
        accounts = body.get("accounts") if isinstance(body, dict) else None
        with self._lock:
            fault = self._next_canned()
            limited = self._limited()
        if fault is not None:
            time.sleep(fault.delay_seconds)
            return self._keep(way, accounts, fault.response())
        if limited is not None:
            return self._keep(way, accounts, limited)
        wrong = self._fault(accounts)
        if wrong is not None:
            return self._keep(way, accounts, _error(400, wrong))
        return self._keep(way, accounts, self._judged(accounts or []))

    def _judged(self, accounts: list[Json]) -> Response:
        told = []
        for one in accounts:
            account, changed_at = one["accountId"], self.changed.get(one["accountId"])
            if account in self.closed:
                told.append({"accountId": account, "status": "closed"})
            elif changed_at is not None and datetime.fromisoformat(one["updatedAt"]) < changed_at:
                told.append({"accountId": account, "status": "updated"})
        answer = jsonify({"accounts": told}) if told else Response(status=204)
        if self.cycle_period is not None:
            answer.headers["Cycle-Period"] = self.cycle_period
        return answer

    def _fault(self, accounts: object) -> str | None:
        if not isinstance(accounts, list) or not 0 < len(accounts) <= MAX_ACCOUNTS:
            return f"between 1 and {MAX_ACCOUNTS} accounts are needed"
        for one in accounts:
            account = one.get("accountId") if isinstance(one, dict) else None
            if not isinstance(account, str) or not _ACCOUNT_ID.fullmatch(account) or account in self.malformed:
                return "accountId is not valid"
            try:
                has_offset = datetime.fromisoformat(one["updatedAt"]).tzinfo is not None
            except (KeyError, TypeError, ValueError):
                has_offset = False
            if not has_offset:
                return "updatedAt is no RFC 3339 instant"
        return None

    def _next_canned(self) -> Canned | None:
        if not self.canned:
            return None
        first = self.canned[0]
        first.times -= 1
        if first.times < 1:
            self.canned.popleft()
        return first

    def _limited(self) -> Response | None:
        if self.rate is None:
            return None
        requests, seconds = self.rate
        now = self._now().timestamp()
        while self._window and self._window[0] <= now - seconds:
            self._window.popleft()
        if len(self._window) < requests:
            self._window.append(now)
            return None
        answer = _error(429, "Too many requests")
        answer.headers["Retry-After"] = str(max(1, int(self._window[0] + seconds - now)))
        return answer

    def _keep(self, way: str, accounts: object, answer: Response) -> Response:
        kept = accounts if isinstance(accounts, list) else []
        line = {"at": self._now().isoformat(), "way": way, "status": answer.status_code, "accounts": kept}
        with self._lock:
            self.ledger.append(line)
        return answer


def _error(status: int, message: str) -> Response:
    body = json.dumps({"errorType": "BAD_REQUEST" if status == 400 else "ERROR", "errorMessage": message})
    return Response(body, status, content_type="application/json")


def canned(wanted: object) -> Canned:
    """Return the answer that a control request describes."""
    known = {one.name for one in fields(Canned)}
    if not isinstance(wanted, dict) or not wanted.keys() <= known:
        raise BadRequest(f"an answer has some of {', '.join(sorted(known))}")
    return Canned(**wanted)
