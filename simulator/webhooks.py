"""Webhooks: what a site tells a Connect app about issues, signed and tried again as Jira does."""

from __future__ import annotations

import json
from dataclasses import dataclass

from simulator.connect import fill
from simulator.faults import Deliveries
from simulator.issues import Issue
from simulator.jql import matches
from simulator.lanes import Delivery, Lane, Request
from simulator.people import Json, Person
from simulator.signing import claims_for, sign
from simulator.site import Site

RETRIED = frozenset({None, 408, 409, 425, 429})


@dataclass
class Webhook(Delivery):
    """One webhook on its way."""

    body: bytes | None = None


class WebhookLane(Lane[Webhook]):
    """The webhooks of one site."""

    def announce(self, event: str, issue: Issue, *, author: Person, at_ms: int, entry: Json | None) -> None:
        """Queue an event for every webhook of the installed app that declares it and whose filter matches."""
        installation = self._site.installation
        if installation is None or not installation.active:
            return
        for module in installation.descriptor.modules.get("webhooks", []):
            if module["event"] == event and matches(module.get("filter", ""), issue):
                body = _body(self._site, event, issue=issue, author=author, at_ms=at_ms, entry=entry)
                content = None if module.get("excludeBody") else json.dumps(body).encode()
                path = fill(module["url"], issue, opening="${")
                self.queue(Webhook(event, path, {"id": issue.id, "key": issue.key}, body=content))

    def _faults(self) -> Deliveries:
        return self._site.faults.webhooks

    def _request(self, delivery: Webhook) -> Request | None:
        installation = self._site.installation
        if installation is None or not installation.active:
            return None
        # signed anew each time: the secret may have been rotated since the first attempt
        claims = claims_for("POST", delivery.path, issuer=installation.client_key, context={})
        headers = {
            "Authorization": f"JWT {sign(claims, installation.secret)}",
            "Content-Type": "application/json",
            "User-Agent": "Atlassian Webhook HTTP Client",
            "X-Atlassian-Webhook-Identifier": delivery.identifier,
            "X-Atlassian-Webhook-Flow": "Primary",
        }
        if delivery.retries:
            headers["X-Atlassian-Webhook-Retry"] = str(delivery.retries)
        return Request(installation.descriptor.base_url + delivery.path, headers, delivery.body)

    def _tried_again(self, delivery: Webhook, status: int | None) -> bool:
        return status in RETRIED or (status or 0) >= 500


def _body(site: Site, event: str, *, issue: Issue, author: Person, at_ms: int, entry: Json | None) -> Json:
    body: Json = {"timestamp": at_ms, "webhookEvent": event, "user": author.render(site.url)}
    if event != "jira:issue_deleted":
        body["issue_event_type_name"] = "issue_created" if event.endswith("created") else "issue_generic"
    body["issue"] = site.render_issue(issue)
    return body | ({"changelog": {"id": entry["id"], "items": entry["items"]}} if entry else {})
