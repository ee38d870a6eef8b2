"""Webhooks: one lane per site sends them, tries again as Jira does, and keeps a ledger of every answer."""

from __future__ import annotations

import heapq
import itertools
import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.connect import fill, send
from simulator.issues import Issue
from simulator.jql import matches
from simulator.people import Json, Person
from simulator.signing import claims_for, sign
from simulator.site import Site

RETRIED = frozenset({None, 408, 409, 425, 429})


@dataclass
class Delivery:
    """One webhook on its way; the identifier stays the same when it is sent again."""

    event: str
    issue: Mapping[str, str]
    path: str
    body: bytes | None
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "pending"
    attempts: list[Json] = field(default_factory=list)

    def render(self) -> Json:
        """Return the ledger's line about it."""
        shown = {"identifier": self.identifier, "event": self.event, "issue": self.issue, "path": self.path}
        return shown | {"state": self.state, "attempts": list(self.attempts)}


class Lane:
    """The webhooks of one site, in order unless a fault says otherwise."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Delivery]] = []
        self._held: list[Delivery] = []
        self._ledger: list[Delivery] = []
        self._change = threading.Condition()
        self._stopped = self._sending = False
        self._thread = threading.Thread(target=self._run, name=f"webhooks-{site.name}", daemon=True)
        self._thread.start()

    def announce(self, event: str, issue: Issue, *, author: Person, at_ms: int, entry: Json | None) -> None:
        """Queue an event for every webhook of the installed app that declares it and whose filter matches."""
        installation = self._site.installation
        if installation is None or not installation.active:
            return
        for module in installation.descriptor.modules.get("webhooks", []):
            if module["event"] == event and matches(module.get("filter", ""), issue):
                body = self._body(event, issue, author=author, at_ms=at_ms, entry=entry)
                content = None if module.get("excludeBody") else json.dumps(body).encode()
                path = fill(module["url"], issue, opening="${")
                self._queue(Delivery(event, {"id": issue.id, "key": issue.key}, path, content))

    def ledger(self, *, wait_seconds: float = 0) -> list[Json]:
        """Return all deliveries so far, oldest first; first wait, at most so long, until none is pending."""
        with self._change:
            self._change.wait_for(self._settled, timeout=wait_seconds)
            return [delivery.render() for delivery in self._ledger]

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

    def _body(self, event: str, issue: Issue, *, author: Person, at_ms: int, entry: Json | None) -> Json:
        site = self._site
        body: Json = {"timestamp": at_ms, "webhookEvent": event, "user": author.render(site.url)}
        if event != "jira:issue_deleted":
            body["issue_event_type_name"] = "issue_created" if event.endswith("created") else "issue_generic"
        body["issue"] = site.render_issue(issue)
        return body | ({"changelog": {"id": entry["id"], "items": entry["items"]}} if entry else {})

    def _queue(self, delivery: Delivery) -> None:
        faults = self._site.faults.webhooks
        with self._change:
            self._ledger.append(delivery)
            if self._site.faults.next_dropped():
                delivery.state = "dropped"
            elif faults.reorder:
                self._held.append(delivery)
                if len(self._held) >= faults.reorder:
                    self.release()
            else:
                for _ in range(1 + faults.duplicate):
                    self._schedule(delivery, faults.delay_seconds)

    def _schedule(self, delivery: Delivery, seconds: float) -> None:
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

    def _next(self) -> Delivery | None:
        with self._change:
            while not self._stopped:
                wait_seconds = self._due[0][0] - time.monotonic() if self._due else None
                if wait_seconds is not None and wait_seconds <= 0:
                    self._sending = True
                    return heapq.heappop(self._due)[2]
                self._change.wait(wait_seconds)
            return None

    def _attempt(self, delivery: Delivery) -> None:
        installation, faults = self._site.installation, self._site.faults.webhooks
        if installation is None or not installation.active:
            self._settle(delivery, "undeliverable")
            return
        # signed anew each time: the secret may have been rotated since the first attempt
        claims = claims_for("POST", delivery.path, issuer=installation.client_key, context={})
        tries = len(delivery.attempts)
        headers = {
            "Authorization": f"JWT {sign(claims, installation.secret)}",
            "Content-Type": "application/json",
            "User-Agent": "Atlassian Webhook HTTP Client",
            "X-Atlassian-Webhook-Identifier": delivery.identifier,
            "X-Atlassian-Webhook-Flow": "Primary",
        }
        if tries and delivery.state == "pending":
            headers["X-Atlassian-Webhook-Retry"] = str(tries)
        url = installation.descriptor.base_url + delivery.path
        timeout = max(faults.timeout_seconds, 0.1)
        answer = send("POST", url, headers=headers, body=delivery.body, timeout_seconds=timeout)
        delivery.attempts.append({"status": answer.status, "error": answer.body if not answer.status else None})
        if answer.status is not None and 200 <= answer.status < 300:
            self._settle(delivery, "delivered")
        elif (answer.status in RETRIED or (answer.status or 0) >= 500) and tries < len(faults.retry_seconds):
            self._schedule(delivery, faults.retry_seconds[tries])
        else:
            self._settle(delivery, "failed")

    def _settle(self, delivery: Delivery, state: str) -> None:
        with self._change:
            delivery.state = state
            self._change.notify_all()
