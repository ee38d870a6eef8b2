"""What anybody has who uses a site with the app: genuine tokens of Forge, for any path, method and body he likes."""

import json

import pytest

ROUTES = {
    "ui": ("GET", "/api/v1/issues/10001/clocks"),
    "events": ("POST", "/forge/events"),
    "lifecycle": ("POST", "/forge/lifecycle"),
    "cron": ("POST", "/forge/cron"),
}
TASK = {"id": "99999", "key": "SEC-999", "fields": {"issuetype": {"name": "Task"}, "labels": []}}
EVENT = {"eventType": "avi:jira:updated:issue", "issue": TASK}


class ForgeArena:
    """The arena once its first site has moved to Forge; an honest event of an issue that matters to no promise."""

    def __init__(self, arena):
        self.arena, self.stack = arena, arena.stack

    event = EVENT

    def fit(self, route="ui", **wanted):
        own = {"account": "developer", "issue": "10001"} if route == "ui" else {}
        return self.stack.fit(kind=route, **own | wanted)

    def lines(self, fit, *, only=("authorization", "x-forge-oauth-system", "x-forge-oauth-user"), **instead):
        """The headers of an invocation as lines, some of them replaced or left out."""
        sent = {name.lower(): value for name, value in fit["headers"].items() if name.lower() in only}
        return [f"{name}: {value}" for name, value in (sent | instead).items() if value is not None]

    def call(self, route, *lines, body=None, path=None, method=None):
        own_method, target = ROUTES[route]
        method = method or own_method
        if method == "GET":
            return self.arena.request(method, path or target, *lines)
        body = json.dumps(EVENT).encode() if body is None else body
        return self.arena.request(method, path or target, "Content-Type: application/json", *lines, body=body)

    def sign(self, claims, *, key=None, **header):
        kid, newest = self.arena.world.invocation_keys.newest()
        return self.arena.sign({"alg": "RS256", "kid": kid, "typ": "JWT"} | header, claims, key=key or newest)

    def is_honest(self):
        """Whoever is entitled is still served."""
        for route in ROUTES:
            reply = self.arena.send(self.call(route, *self.lines(self.fit(route))))
            assert reply.status == 200, (route, reply)

    def reason(self, reply):
        """The one check that refused, which only our log tells."""
        trace = reply.document["trace_id"]
        return self.stack.eventually(
            lambda: next((json.loads(line)["code"] for line in self.stack.web.lines if trace in line), None), seconds=5
        )

    def refuses(self, raw, outward, reason):
        reply = self.arena.send(raw)
        assert (reply.status, reply.document.get("code")) == outward, reply
        self.arena.is_problem(reply)
        assert self.reason(reply) == reason
        self.arena.is_untouched()
        return reply


@pytest.fixture(scope="package")
def forge(make_arena, canary):
    with make_arena(canary) as arena:
        made = ForgeArena(arena)
        for site in ("genchi", "kencha"):
            assert arena.stack.forge("install", site)["accepted"]
        made.is_honest()
        arena.settle()
        yield made
        arena.is_untouched()
        made.is_honest()
