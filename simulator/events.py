"""What Forge itself sends to an app's remote: events, lifecycle, the hourly trigger, preUninstall.

Events and lifecycle have 5 s and four retries with a `retryContext`
(https://developer.atlassian.com/platform/forge/remote/sending-product-events/); the spacing, a minute at
Forge, is shortened. Scheduled triggers and preUninstall are tried once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.faults import Deliveries
from simulator.forge import Forge, new_id
from simulator.forge_app import ForgeInstallation
from simulator.issues import Issue, render_fields
from simulator.lanes import Delivery, Lane, Request
from simulator.people import Json, Person

ISSUE_EVENTS = {
    "jira:issue_created": "avi:jira:created:issue",
    "jira:issue_updated": "avi:jira:updated:issue",
    "jira:issue_deleted": "avi:jira:deleted:issue",
}
INSTALLED, UPGRADED = "avi:forge:installed:app", "avi:forge:upgraded:app"
_RETRIED = frozenset({"events", "lifecycle"})
_FIELDS = ("summary", "issuetype", "project", "status", "created", "updated")


@dataclass
class Invocation(Delivery):
    """One system call on its way; every retry has a FIT of its own, an extra copy of a call has the same `jti`."""

    kind: str = "events"
    installation_id: str = ""
    body: Mapping[str, object] = field(default_factory=dict)
    identifier: str = field(default_factory=new_id)

    def render(self) -> Json:
        """Return the ledger's line about it; its identifier is the `jti` of the first attempt."""
        return super().render() | {"installation": self.installation_id}


class EventLane(Lane[Invocation]):
    """What one site sends to its Forge app."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        super().__init__(forge.site)

    def announce(self, event: str, issue: Issue, *, author: Person, entry: Json | None) -> None:
        """Queue what happened to an issue, under its Forge name and with Forge's reduced payload."""
        installation = self._forge.installation
        if installation is None or not installation.active:
            return
        accounts = {"associatedUsers": [{"accountId": author.account_id}]}
        body: Json = {
            "eventType": ISSUE_EVENTS[event],
            "selfGenerated": author == self._site.app_user,
            "issue": self._reduced(issue),
            "atlassianId": author.account_id,
            "associatedUsers": accounts,
        }
        if entry is not None:
            body["changelog"] = {"items": entry["items"]}
        call = self._call("events", ISSUE_EVENTS[event], body=body, installation=installation)
        call.issue = {"id": issue.id, "key": issue.key}
        self.queue(call)

    def lifecycle(self, event: str, installation: ForgeInstallation) -> Invocation:
        """Queue `installed` or `upgraded`; ids in the body are bare, unlike those in the FIT."""
        app, admin = installation.app, self._site.people["admin"]
        known = {"id": app.uuid, "version": app.app_version, "name": app.name}
        actor = "installerAccountId" if event == INSTALLED else "upgraderAccountId"
        body: Json = {"id": installation.uuid, actor: admin.account_id, "app": known}
        body["environment"] = {"id": app.environment_uuid}
        if not self._forge.reads_otherwise:
            # one page of the documentation shows these two, another does not
            body |= {"context": f"ari:cloud:jira::site/{self._site.cloud_id}", "eventType": event}
        call = self._call("lifecycle", event, body=body, installation=installation)
        self.queue(call)
        return call

    def trigger(self, kind: str, installation: ForgeInstallation) -> Invocation:
        """Queue a call of `cron` or `uninstall`, on which the faults of events have no bearing."""
        event = {"cron": "scheduledTrigger", "uninstall": "preUninstall"}[kind]
        context = self._forge.context(installation, kind, about=None)
        body: Json = {"context": context, "contextToken": self._forge.context_token()}
        call = self._call(kind, event, body=body, installation=installation)
        self.queue_without_faults(call)
        return call

    @staticmethod
    def _call(kind: str, event: str, *, body: Json, installation: ForgeInstallation) -> Invocation:
        path = installation.app.routes[kind]
        return Invocation(event, path, kind=kind, body=body, installation_id=installation.id)

    def _reduced(self, issue: Issue) -> Json:
        shown = render_fields(issue, self._site.url)
        fields = {name: shown[name] for name in _FIELDS}
        fields["project"] = {"id": issue.project.id, "key": issue.project.key}
        for name in ("issuetype", "status"):
            fields[name] = {part: fields[name][part] for part in ("id", "name", "subtask") if part in fields[name]}
        return {"id": issue.id, "key": issue.key, "fields": fields}

    def _faults(self) -> Deliveries:
        return self._site.faults.events

    def _request(self, delivery: Invocation) -> Request | None:
        forge, installation = self._forge, self._forge.installation
        if installation is None or not installation.active or installation.id != delivery.installation_id:
            return None
        claims = forge.claims(installation, delivery.kind)
        if not delivery.retries:
            claims["jti"] = delivery.identifier
        headers = forge.headers(installation, forge.fit(claims), fresh=delivery.kind == "cron")
        body = json.dumps(self._with_retry_context(delivery)).encode()
        return Request(installation.app.url(delivery.path), headers, body)

    def _tried_again(self, delivery: Invocation, status: int | None) -> bool:
        return delivery.kind in _RETRIED

    def _with_retry_context(self, delivery: Invocation) -> Json:
        body = dict(delivery.body)
        if not delivery.retries:
            return body
        context = {"retryCount": delivery.retries, "retryReason": _reason(delivery.attempts[-1]), "retryData": None}
        # one page of the documentation draws it at the root, another below `payload`
        placed = {"retryContext": context}
        return body | ({"payload": placed} if self._forge.reads_otherwise else placed)


def _reason(attempt: Json) -> str:
    if attempt["status"] == 401:
        return "INVALID_FORGE_INVOCATION_TOKEN"
    timed_out = attempt["status"] is None and "Timeout" in attempt["error"]
    return "TIMEOUT_ERROR" if timed_out else "INVALID_REMOTE_INVOCATION_ERROR"
