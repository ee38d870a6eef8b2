"""What Forge tells of one site in the course of days: twice, in any order and a day late; and an oracle of its end.

Of each installation: `installed`, two upgrades, the hourly call and events of issues. Forge sends a call again under
the same token (a copy) or under a new one (a retry, or one held up for a day): a token lives for half a minute, so
whoever plays yesterday's is refused. Each installation is heard of before the next one is made, as its hourly calls
see to; what comes of it after its removal is known brings nothing back.
"""

import random
import time
from collections import Counter
from dataclasses import dataclass, field

import requests

from simulator.forge_app import read_app
from simulator.minting import forge_token

DAY_SECONDS = 86_400
EVENTS = 4
"""Of each installation."""
TRIES = 5
"""Of Forge: four retries follow the first."""
A_DAY_PASSES = (
    "UPDATE registry.forge_installations SET seen_at = seen_at - interval '1 day' WHERE cloud_id = %s",
    """
    UPDATE app.forge_tokens SET received_at = received_at - interval '1 day', expires_at = expires_at - interval '1 day'
    WHERE tenant_id IN (SELECT tenant_id FROM registry.forge_installations WHERE cloud_id = %s)
    """,
)
KNOWN = """
    SELECT forge_installation, state, app_version, tenant_id, installation_id FROM registry.forge_installations
    WHERE cloud_id = %s
"""
SEALED = """
    SELECT (SELECT count(*) FROM app.sealed_secrets WHERE tenant_id = %s AND purpose = 'forge-token'),
           (SELECT count(*) FROM app.forge_tokens WHERE tenant_id = %s)
"""
AUDITED = """
    SELECT action, detail->>'from_version', detail->>'to_version' FROM app.audit_entries
    WHERE tenant_id = %s AND target = %s AND action LIKE 'installation.%%' ORDER BY at
"""
STORED = "SELECT count(*) FROM app.webhook_deliveries WHERE tenant_id = %s AND delivery_id = %s"


@dataclass(frozen=True)
class Call:
    """One call, under whatever token it comes."""

    installation: str
    kind: str
    version: str
    body: dict = field(default_factory=dict)
    event: str | None = None
    """Under which name an event is stored."""


@dataclass
class Lived:
    """What the oracle knows of one installation."""

    first: str
    """The version of its first call."""
    upgrades: list = field(default_factory=list)
    is_removed: bool = False

    @property
    def version(self):
        return self.upgrades[-1][1] if self.upgrades else self.first

    def hears(self, version):
        if major(version) > major(self.version):
            self.upgrades.append((self.version, version))


class ForgeDays:
    """The Forge app of one site; `seed` decides in what order things come."""

    def __init__(self, stack, name, *, seed):
        self.stack, self.world = stack, stack.simulator.world
        self.site, self.forge = stack.simulator.site(name), self.world.forge[name]
        self.rng = random.Random(seed)  # noqa: S311  the same shuffling each time
        self.lived = {}
        self.events = set()
        self.late = []
        self.answers = Counter()
        self.surprises = []

    def pass_by(self, installations, *, stays):
        """So many installations, one after the other; the last one `stays`, or is removed as those before it were."""
        for left in reversed(range(installations)):
            calls = self.install()
            # Twice, in any order, and among them what was held up of the installations before.
            for call in self.shuffled(calls * 2 + self.late):
                self.send(call)
            for statement in A_DAY_PASSES:
                self.stack.database.execute(statement, self.site.cloud_id)
            for call in self.shuffled(calls):
                self.send(call)
            self.play_yesterdays(calls)
            if left or not stays:
                self.remove(calls)
                self.late += self.rng.sample(calls, 3)

    def install(self):
        """An installation that the product has not heard of, and all its calls."""
        known = major(max((one.version for one in self.lived.values()), default="0.0.0", key=major))
        app = read_app({"app": self.stack.url}, api_url=self.world.api_url)
        ari = self.forge.install(app).id
        at, two, three = (f"{known + number}.0.0" for number in (1, 2, 3))
        calls = [
            Call(ari, "lifecycle", at, {"eventType": "avi:forge:installed:app"}),
            Call(ari, "lifecycle", two, {"eventType": "avi:forge:upgraded:app"}),
            Call(ari, "lifecycle", three, {"eventType": "avi:forge:upgraded:app"}),
            Call(ari, "cron", two),
        ]
        return calls + [self.event(ari, self.rng.choice((at, two, three)), number) for number in range(EVENTS)]

    def event(self, ari, version, number):
        kind, issue = "avi:jira:updated:issue", str(900_000 + len(self.lived) * EVENTS + number)
        updated = f"2026-11-0{1 + number}T00:00:00.000+0000"
        body = {"eventType": kind, "issue": {"id": issue, "fields": {"updated": updated}}}
        return Call(ari, "events", version, body, event=f"forge:{kind}:{issue}:{updated}")

    def remove(self, calls):
        """The call before a removal comes twice, and all others once more, a day late."""
        removal = Call(calls[0].installation, "uninstall", calls[0].version)
        self.send(removal)
        self.forge.uninstall(self.forge.installation)
        for call in self.shuffled([*calls, removal]):
            self.send(call)

    def play_yesterdays(self, calls):
        """Their tokens have long run out."""
        issued_at = int(time.time()) - DAY_SECONDS
        times = {"iat": issued_at, "nbf": issued_at, "exp": issued_at + 25}
        for call in {one.kind: one for one in calls}.values():
            self.note(call, self.post(call, self.headers(call, overrides=times)), wanted=401)

    def send(self, call):
        """As Forge does: again under a new token while the answer is 503; some come as two copies under one token."""
        status, headers = 503, {}
        for _ in range(TRIES):
            headers = self.headers(call)
            status = self.post(call, headers)
            if status != 503:
                break
        self.note(call, status, wanted=self.take(call))
        if call.kind != "uninstall" and self.rng.random() < 0.3:
            self.note(call, self.post(call, headers), wanted=self.take(call))

    def take(self, call):
        """What a call changes, by the oracle; returns how it is answered."""
        one = self.lived.setdefault(call.installation, Lived(call.version))
        if one.is_removed:
            return 403
        one.hears(call.version)
        one.is_removed = call.kind == "uninstall"
        if call.event is not None:
            self.events.add(call.event)
        return 200

    def note(self, call, status, *, wanted):
        self.answers[status] += 1
        if status != wanted:
            self.surprises.append((call, status, wanted))

    def headers(self, call, **wanted):
        asked = {"kind": call.kind, "installation_id": call.installation, "app_version": call.version}
        return forge_token(self.forge, asked | wanted)["headers"]

    def post(self, call, headers):
        url = self.forge.installation.app.url(self.forge.installation.app.routes[call.kind])
        return requests.post(url, json=call.body, headers=headers, timeout=30).status_code

    def shuffled(self, calls):
        return self.rng.sample(calls, len(calls))

    def counts(self):
        """What is otherwise than the oracle says: lost, doubled, half done."""
        rows = self.stack.database.rows(KNOWN, self.site.cloud_id)
        known = {ari: (state, version) for ari, state, version, _, _ in rows}
        wanted = {ari: ("uninstalled" if one.is_removed else "active", one.version) for ari, one in self.lived.items()}
        tenants = {tenant for *_, tenant, _ in rows}
        [tenant] = list(tenants)[:1]
        stored = [self.stack.database.rows(STORED, tenant, name)[0][0] for name in self.events]
        is_alive = any(not one.is_removed for one in self.lived.values())
        sealed = [count - is_alive for count in self.stack.database.rows(SEALED, tenant, tenant)[0]]
        audited = [self.is_audited(rows, ari, one) for ari, one in self.lived.items()]
        return {
            "lost": stored.count(0) + sum(known.get(ari) != each for ari, each in wanted.items()),
            "doubled": sum(count > 1 for count in stored) + len(tenants) - 1 + audited.count(False),
            "half done": sum(abs(count) for count in sealed),
        }

    def is_audited(self, rows, ari, one):
        """Whether each thing that happened to an installation stands in the log once, in its order."""
        [(tenant, installation)] = [(tenant, number) for each, _, _, tenant, number in rows if each == ari]
        told = [("installation.added" if ari == next(iter(self.lived)) else "installation.returned", None, None)]
        told += [("installation.upgraded", before, after) for before, after in one.upgrades]
        told += [("installation.removed", None, None)] * one.is_removed
        return self.stack.database.rows(AUDITED, tenant, f"installation/{installation}") == told


def major(version):
    return int(version.partition(".")[0])
