"""Deliveries: a lane sends them in order, wrong on request, tries again, and keeps a ledger of every answer."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, TypeVar

from simulator.connect import send
from simulator.faults import Deliveries
from simulator.people import Json
from simulator.site import Site


@dataclass
class Delivery:
    """One message on its way; the identifier stays the same when it is sent again."""

    event: str
    path: str
    issue: Mapping[str, str] | None = None
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "pending"
    attempts: list[Json] = field(default_factory=list)

    @property
    def retries(self) -> int:
        """Return how often it was tried in vain; an extra copy of what arrived is no retry."""
        return len(self.attempts) if self.state == "pending" else 0

    def render(self) -> Json:
        """Return the ledger's line about it."""
        shown = {"identifier": self.identifier, "event": self.event, "issue": self.issue, "path": self.path}
        return shown | {"state": self.state, "attempts": list(self.attempts)}


@dataclass(frozen=True)
class Request:
    """What one attempt sends."""

    url: str
    headers: Mapping[str, str]
    body: bytes | None


Sent = TypeVar("Sent", bound=Delivery)


class Lane(ABC, Generic[Sent]):
    """What one site sends to one app, in order unless a fault says otherwise."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Sent]] = []
        self._held: list[Sent] = []
        self._ledger: list[Sent] = []
        self._change = threading.Condition()
        self._stopped = self._sending = False
        self._thread = threading.Thread(target=self._run, name=f"{type(self).__name__}-{site.name}", daemon=True)
        self._thread.start()

    @abstractmethod
    def _faults(self) -> Deliveries:
        """Return what goes wrong in this lane, as it stands now."""

    @abstractmethod
    def _request(self, delivery: Sent) -> Request | None:
        """Return what to send now; None if nobody is there to receive it."""

    @abstractmethod
    def _tried_again(self, delivery: Sent, status: int | None) -> bool:
        """Say whether this answer (None: none came) is followed by another attempt, if any is left."""

    def ledger(self, *, wait_seconds: float = 0) -> list[Json]:
        """Return all deliveries so far, oldest first; first wait, at most so long, until none is pending."""
        with self._change:
            self._change.wait_for(self._settled, timeout=wait_seconds)
            return [delivery.render() for delivery in self._ledger]

    @property
    def waiting(self) -> int:
        """Return how many wait for their turn, the first or another."""
        return len(self._due)

    def release(self) -> None:
        """Send what a reorder fault still holds back, last one first."""
        with self._change:
            for delivery in reversed(self._held):
                self._schedule(delivery, 0)
            self._held.clear()

    def stop(self) -> None:
        """Send nothing more."""
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def queue(self, delivery: Sent) -> None:
        """Send this as soon as its turn comes, subject to the faults of the lane."""
        faults = self._faults()
        with self._change:
            self._ledger.append(delivery)
            if faults.next_dropped():
                delivery.state = "dropped"
            elif faults.reorder:
                self._held.append(delivery)
                if len(self._held) >= faults.reorder:
                    self.release()
            else:
                for _ in range(1 + faults.duplicate):
                    self._schedule(delivery, faults.delay_seconds)

    def queue_without_faults(self, delivery: Sent) -> None:
        """Send this as soon as its turn comes."""
        with self._change:
            self._ledger.append(delivery)
            self._schedule(delivery, 0)

    def wait_for_answer(self, delivery: Sent, *, wait_seconds: float) -> None:
        """Wait, at most so long, until it was tried once, or lost, or held back."""
        with self._change:
            self._change.wait_for(
                lambda: delivery.attempts or delivery.state != "pending" or delivery in self._held,
                timeout=wait_seconds,
            )

    def _schedule(self, delivery: Sent, seconds: float) -> None:
        with self._change:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), delivery))
            self._change.notify_all()

    def _settled(self) -> bool:
        return not (self._due or self._sending) and all(delivery.state != "pending" for delivery in self._ledger)

    def _run(self) -> None:
        while (delivery := self._next()) is not None:
            self._attempt(delivery)
            with self._change:
                self._sending = False
                self._change.notify_all()

    def _next(self) -> Sent | None:
        with self._change:
            while not self._stopped:
                wait_seconds = self._due[0][0] - time.monotonic() if self._due else None
                if wait_seconds is not None and wait_seconds <= 0:
                    self._sending = True
                    return heapq.heappop(self._due)[2]
                self._change.wait(wait_seconds)
            return None

    def _attempt(self, delivery: Sent) -> None:
        request, faults = self._request(delivery), self._faults()
        if request is None:
            self._settle(delivery, "undeliverable")
            return
        timeout, tries = max(faults.timeout_seconds, 0.1), len(delivery.attempts)
        answer = send("POST", request.url, headers=request.headers, body=request.body, timeout_seconds=timeout)
        error = None if answer.status in range(200, 300) else answer.body
        with self._change:  # nobody sees an answer without what follows from it
            at = datetime.now(UTC).isoformat()
            delivery.attempts.append({"status": answer.status, "error": error, "at": at})
            if error is None:
                self._settle(delivery, "delivered")
            elif self._tried_again(delivery, answer.status) and tries < len(faults.retry_seconds):
                self._schedule(delivery, faults.retry_seconds[tries])
            else:
                self._settle(delivery, "failed")

    def _settle(self, delivery: Sent, state: str) -> None:
        with self._change:
            delivery.state = state
            self._change.notify_all()
