"""Every route, asked with another tenant's ids and tokens: the same answer as for what is nowhere.

Made from the table of mounts: a route without a row here fails.
"""

import json
import re
from dataclasses import dataclass

import pytest

from app.edge.mounts import MOUNTS

SECRET = b"a secret that no site was ever given, of 48 bytes"


@dataclass(frozen=True)
class Row:
    """How a route is called. `connect` and `forge` are the kinds of token of the two arenas, None where it takes none.

    `targets` name an object by `{id}` or `{key}`; `in_body` says that the body does. `method`: if it is not
    that of the kind on Forge.
    """

    connect: str | None = None
    forge: str | None = None
    targets: tuple[str, ...] = ()
    method: str | None = None
    in_body: bool = False


PUBLIC = Row()
ROWS = {
    "GET /atlassian-connect.json": PUBLIC,
    "POST /connect/installed": Row(connect="installed", in_body=True),
    "POST /connect/uninstalled": Row(connect="uninstalled", in_body=True),
    "POST /connect/enabled": Row(connect="enabled"),
    "POST /connect/disabled": Row(connect="disabled"),
    "POST /connect/webhooks": Row(connect="webhook", targets=("/connect/webhooks?issueId={id}",)),
    "GET /connect/issue": Row(connect="panel", targets=("/connect/issue?issueId={id}&issueKey={key}&projectId=10000",)),
    "GET /connect/project": Row(connect="project page"),
    "GET /connect/site": Row(connect="site page"),
    "GET /connect/admin": Row(connect="admin page"),
    "POST /connect/security/workspaces": Row(connect="workspaces"),
    "POST /connect/security/containers": Row(connect="containers"),
    "GET /connect/security/containers/search": Row(connect="search"),
    "GET /fragments/issue": Row(
        connect="fragment", forge="ui", targets=("/fragments/issue?issueId={id}&issueKey={key}",)
    ),
    "GET /fragments/project": Row(connect="project", forge="ui"),
    "GET /fragments/site": Row(connect="site", forge="ui"),
    "GET /fragments/download": Row(connect="download", forge="ui"),
    "POST /fragments/views": Row(connect="view kept", forge="ui", method="POST"),
    "GET /fragments/admin": Row(connect="admin", forge="ui"),
    "POST /fragments/admin": Row(connect="admin form", forge="ui", method="POST"),
    "POST /fragments/admin/rights": Row(connect="admin right", forge="ui", method="POST"),
    "GET /fragments/issue/decisions": Row(
        connect="forms", forge="ui", targets=("/fragments/issue/decisions?issueId={id}&issueKey={key}",)
    ),
    "POST /fragments/issue/decisions": Row(
        connect="form sent",
        forge="ui",
        targets=("/fragments/issue/decisions?issueId={id}&issueKey={key}",),
        method="POST",
    ),
    "GET /api/v1/issues/<id_or_key>/clocks": Row(
        connect="clocks", forge="ui", targets=("/api/v1/issues/{id}/clocks", "/api/v1/issues/{key}/clocks")
    ),
    "GET /api/v1/issues/<id_or_key>/events": Row(
        connect="facts", forge="ui", targets=("/api/v1/issues/{id}/events", "/api/v1/issues/{key}/events")
    ),
    "POST /api/v1/issues/<id_or_key>/events": Row(
        connect="decide",
        forge="ui",
        targets=("/api/v1/issues/{id}/events", "/api/v1/issues/{key}/events"),
        method="POST",
    ),
    "GET /api/v1/clocks": Row(connect="list", forge="ui"),
    "GET /api/v1/clocks.csv": Row(connect="sheet", forge="ui"),
    "GET /api/v1/me": Row(connect="me", forge="ui"),
    "GET /api/v1/settings": Row(connect="settings", forge="ui"),
    "GET /api/v1/settings/following": Row(connect="following", forge="ui"),
    "PUT /api/v1/settings/following": Row(connect="following-changed", forge="ui"),
    "GET /api/v1/recipients": Row(connect="recipients", forge="ui"),
    "POST /api/v1/recipients": Row(connect="recipient added", forge="ui"),
    "DELETE /api/v1/recipients/<recipient>": Row(connect="recipient removed", forge="ui"),
    "POST /api/v1/calendar": Row(connect="calendar made", forge="ui"),
    "DELETE /api/v1/calendar": Row(connect="calendar ended", forge="ui"),
    "GET /calendar/<token>.ics": PUBLIC,
    "GET /unsubscribe/<token>": PUBLIC,
    "POST /unsubscribe/<token>": PUBLIC,
    "GET /api/v1/exports": Row(connect="exports", forge="ui"),
    "POST /api/v1/exports": Row(connect="ask-export", forge="ui"),
    "GET /exports/<token>": PUBLIC,
    "GET /receipts/<token>": PUBLIC,
    "GET /api/v1/privacy/requests": Row(connect="requests", forge="ui"),
    "POST /api/v1/privacy/requests": Row(connect="file-request", forge="ui"),
    "GET /oauth/callback": PUBLIC,
    "POST /forge/lifecycle": Row(forge="lifecycle"),
    "POST /forge/events": Row(forge="events", in_body=True),
    "POST /forge/cron": Row(forge="cron"),
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": Row(),
    "GET /.well-known/security.txt": PUBLIC,
    "GET /static/<path:name>": PUBLIC,
}


def rows(wanted):
    return [pytest.param(name, id=name) for name, row in ROWS.items() if wanted(row)]


def aims(host):
    """Every way in which a route of that host names an object in its address."""
    found = [(name, row, target) for name, row in ROWS.items() if getattr(row, host) for target in row.targets]
    return [pytest.param(row, target, id=f"{name.split()[0]} {target}") for name, row, target in found]


def test_every_route_of_the_table_has_a_row_and_every_row_is_a_route():
    assert ROWS.keys() == {f"{mount.method} {mount.rule}" for mount in MOUNTS}


@pytest.mark.parametrize("mount", MOUNTS, ids=lambda mount: f"{mount.method} {mount.rule}")
def test_a_row_asks_every_host_that_its_route_serves(mount):
    row = ROWS[f"{mount.method} {mount.rule}"]
    hosts = set() if mount.is_public else {"connect", "forge"} if mount.host == "any" else {mount.host} - {"metrics"}
    assert {host for host in ("connect", "forge") if getattr(row, host)} == hosts
    # A recipient is no issue: tests/edge/test_recipients.py asks with another tenant's.
    assert not re.search("<(?!recipient)|issue", mount.rule) or row.targets or mount.is_public


def told(reply, *names):
    """All that the caller learns, but for the trace, for how much he may still ask and for what he has said himself."""
    text = reply.body.decode()
    for name in names:
        text = text.replace(name, "?" * len(name))
    return (
        reply.status,
        reply.headers | {"date": None, "ratelimit": None},
        re.sub('"trace_id": "[0-9a-f]{32}"', '"trace_id": ""', text),
    )


def nowhere(issue):
    """An id and a key as long as those of that issue, of no site."""
    project, number = issue.key.split("-")
    return "9" * len(issue.id), f"{project}-{'9' * len(number)}"


def is_alike(arena, *asked):
    """Each request, with the names in it, is answered alike; nothing changes."""
    told_each = [told(arena.send(raw), *names) for raw, *names in asked]
    assert told_each[1:] == told_each[:1] * (len(asked) - 1)
    arena.is_untouched()
    return told_each[0]


@pytest.mark.parametrize(("row", "target"), aims("connect"))
def test_an_object_of_another_tenant_is_nowhere_on_connect(arena, row, target):
    asked = []
    for issue, key in ((arena.only_kencha.id, arena.only_kencha.key), nowhere(arena.only_kencha)):
        aimed = target.format(id=issue, key=key)
        asked.append((arena.call(row.connect, target=aimed), issue, key))
    status, _, text = is_alike(arena, *asked)
    assert status in {200, 204, 404}
    assert "Ruby" not in text


@pytest.mark.parametrize(("row", "target"), aims("forge"))
def test_an_object_of_another_tenant_is_nowhere_on_forge(forge, row, target):
    asked, theirs = [], forge.arena.only_kencha
    for issue, key in ((theirs.id, theirs.key), nowhere(theirs)):
        # a page that names no issue, so that nothing is refused before Jira and our rows are asked
        lines = forge.lines(forge.stack.fit(kind=row.forge, account="developer"))
        aimed = target.format(id=issue, key=key)
        asked.append((forge.call(row.forge, *lines, path=aimed, method=row.method), issue, key))
    status, _, text = is_alike(forge.arena, *asked)
    assert status in {200, 404}
    assert "Ruby" not in text


@pytest.mark.parametrize("name", rows(lambda row: row.connect and row.in_body))
def test_another_tenant_named_in_a_lifecycle_body_is_nobody(arena, name):
    kind = ROWS[name].connect
    known = arena.site("kencha").installation.client_key
    asked = [arena.call(kind, body=arena.body(kind, clientKey=key)) for key in (known, "n" * len(known))]
    status, _, text = is_alike(arena, *[(raw,) for raw in asked])
    assert (status, json.loads(text)["code"]) == (403, "not_for_this")


def test_another_tenants_issue_in_the_body_of_an_event_is_nowhere(forge):
    asked, theirs = [], forge.arena.only_kencha
    for issue, key in ((theirs.id, theirs.key), nowhere(theirs)):
        event = forge.event | {"issue": forge.event["issue"] | {"id": issue, "key": key}}
        lines = forge.lines(forge.fit("events"))
        asked.append((forge.call("events", *lines, body=json.dumps(event).encode()), issue, key))
    assert is_alike(forge.arena, *asked)[0] == 200


@pytest.mark.parametrize("name", rows(lambda row: row.connect and row.connect not in {"installed", "uninstalled"}))
def test_a_token_of_another_tenant_is_nobodys_on_connect(arena, name):
    """Its secret under our name, our secret under its name, and a secret of nobody's under the name of nobody."""
    kind, (ours, theirs) = (
        ROWS[name].connect,
        [arena.site(site).installation.client_key for site in ("genchi", "kencha")],
    )
    tokens = (
        arena.token(kind, iss=ours, key=arena.secret("kencha")),
        arena.token(kind, iss=theirs, key=arena.secret("genchi")),
        arena.token(kind, iss="n" * len(ours), key=SECRET),
    )
    assert is_alike(arena, *[(arena.call(kind, token=token),) for token in tokens])[0] == 401


@pytest.mark.parametrize("name", rows(lambda row: row.connect in {"installed", "uninstalled"}))
def test_a_genuine_token_of_another_tenant_installs_and_removes_nobody(arena, name):
    kind = ROWS[name].connect
    asked = (
        arena.call(kind, token=arena.token(kind, site="kencha")),
        arena.call(kind, token=arena.token(kind, iss="nobody")),
    )
    assert is_alike(arena, *[(raw,) for raw in asked])[0] == 403


@pytest.mark.parametrize("name", rows(lambda row: row.forge))
def test_a_token_that_names_the_installation_of_another_tenant_is_for_nobody_on_forge(forge, name):
    """As if Forge itself had mixed two sites up, beside a token for a module that is none of ours."""
    theirs = forge.arena.world.forge["kencha"].installation.id
    kind, asked = ROWS[name].forge, []
    for wanted in ({"installation_id": theirs}, {"overrides": {"app.module.key": "pledge-of-nobody"}}):
        asked.append((forge.call(kind, *forge.lines(forge.fit(kind, **wanted))),))
    assert is_alike(forge.arena, *asked)[0] == 403


@pytest.mark.parametrize("name", rows(lambda row: row is PUBLIC))
def test_a_public_route_says_the_same_to_every_tenant_and_to_nobody(arena, name):
    method, path = name.replace("<path:name>", "pledge.css").replace("<token>", "a-token").split()
    tokens = [(), *[(f"Authorization: JWT {arena.token('clocks', site=site)}",) for site in ("genchi", "kencha")]]
    is_alike(arena, *[(arena.request(method, path, *lines),) for lines in tokens])
