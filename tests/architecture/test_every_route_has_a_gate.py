"""Who gets in is said by the table of mounts, and by nothing else."""

import inspect

import pytest
from flask import Flask

from app.domain.access.roles import Permission
from app.edge import mounts, public
from app.edge.gates import (
    by_scheme,
    context_token,
    forge_cron,
    forge_events,
    forge_lifecycle,
    forge_page,
    metrics_token,
    open_to_all,
    signed_install,
    signed_request,
)
from app.edge.limits import HEALTH
from app.edge.mounts import MOUNTS, Mount

CLASSES = {
    "GET /atlassian-connect.json": open_to_all,
    "POST /connect/installed": signed_install,
    "POST /connect/uninstalled": signed_install,
    "POST /connect/enabled": signed_request,
    "POST /connect/disabled": signed_request,
    "POST /connect/webhooks": signed_request,
    "GET /connect/issue": signed_request,
    "GET /connect/project": signed_request,
    "GET /connect/site": signed_request,
    "GET /connect/admin": signed_request,
    "POST /connect/security/workspaces": signed_request,
    "POST /connect/security/containers": signed_request,
    "GET /connect/security/containers/search": signed_request,
    "GET /fragments/issue": {"JWT": context_token, "Bearer": forge_page},
    "GET /fragments/project": {"JWT": context_token, "Bearer": forge_page},
    "GET /fragments/site": {"JWT": context_token, "Bearer": forge_page},
    "GET /fragments/download": {"JWT": context_token, "Bearer": forge_page},
    "POST /fragments/views": {"JWT": context_token, "Bearer": forge_page},
    "GET /fragments/admin": {"JWT": context_token, "Bearer": forge_page},
    "POST /fragments/admin": {"JWT": context_token, "Bearer": forge_page},
    "POST /fragments/admin/rights": {"JWT": context_token, "Bearer": forge_page},
    "GET /fragments/issue/decisions": {"JWT": context_token, "Bearer": forge_page},
    "POST /fragments/issue/decisions": {"JWT": context_token, "Bearer": forge_page},
    "GET /api/v1/issues/<id_or_key>/clocks": {"JWT": context_token, "Bearer": forge_page},
    "GET /api/v1/issues/<id_or_key>/events": {"JWT": context_token, "Bearer": forge_page},
    "POST /api/v1/issues/<id_or_key>/events": {"JWT": context_token, "Bearer": forge_page},
    "GET /api/v1/clocks": {"JWT": context_token, "Bearer": forge_page},
    "GET /api/v1/clocks.csv": {"JWT": context_token, "Bearer": forge_page},
    "GET /api/v1/me": {"JWT": context_token, "Bearer": forge_page},
    "GET /api/v1/settings": {"JWT": context_token, "Bearer": forge_page},
    "GET /api/v1/settings/following": {"JWT": context_token, "Bearer": forge_page},
    "PUT /api/v1/settings/following": {"JWT": context_token, "Bearer": forge_page},
    "GET /api/v1/recipients": {"JWT": context_token, "Bearer": forge_page},
    "POST /api/v1/recipients": {"JWT": context_token, "Bearer": forge_page},
    "DELETE /api/v1/recipients/<recipient>": {"JWT": context_token, "Bearer": forge_page},
    "POST /api/v1/calendar": {"JWT": context_token, "Bearer": forge_page},
    "DELETE /api/v1/calendar": {"JWT": context_token, "Bearer": forge_page},
    "GET /calendar/<token>.ics": open_to_all,
    "GET /unsubscribe/<token>": open_to_all,
    "POST /unsubscribe/<token>": open_to_all,
    "GET /api/v1/exports": {"JWT": context_token, "Bearer": forge_page},
    "POST /api/v1/exports": {"JWT": context_token, "Bearer": forge_page},
    "GET /exports/<token>": open_to_all,
    "GET /receipts/<token>": open_to_all,
    "GET /oauth/callback": open_to_all,
    "GET /api/v1/privacy/requests": {"JWT": context_token, "Bearer": forge_page},
    "POST /api/v1/privacy/requests": {"JWT": context_token, "Bearer": forge_page},
    "POST /forge/lifecycle": forge_lifecycle,
    "POST /forge/events": forge_events,
    "POST /forge/cron": forge_cron,
    "GET /healthz": open_to_all,
    "GET /readyz": open_to_all,
    "GET /metrics": metrics_token,
    "GET /.well-known/security.txt": open_to_all,
    "GET /static/<path:name>": open_to_all,
}
"""The documented trust class of each route; a route that is open to all is a reviewer's question."""


def class_of(mount):
    """The gate, or for a route of several authorization schemes the gate of each."""
    if "gates" in mount.gate.__code__.co_freevars:
        return inspect.getclosurevars(mount.gate).nonlocals["gates"]
    return mount.gate


def test_every_route_of_the_app_is_a_mount(built_app):
    served = {
        (method, rule.rule, rule.endpoint)
        for rule in built_app.url_map.iter_rules()
        for method in rule.methods - {"HEAD"}
    }
    assert served == {(mount.method, mount.rule, mount.endpoint) for mount in MOUNTS}


def test_every_route_has_its_documented_class():
    assert {f"{mount.method} {mount.rule}": class_of(mount) for mount in MOUNTS} == CLASSES


def test_there_is_one_class_for_each_route_and_view():
    assert len({(mount.method, mount.rule) for mount in MOUNTS}) == len(MOUNTS)
    assert len({mount.endpoint for mount in MOUNTS}) == len(MOUNTS)


def test_two_mounts_of_one_view_are_refused_because_one_gate_would_stand_for_both():
    twice = (
        Mount("GET", "/open", open_to_all, HEALTH, public.alive, Permission.SEE_PUBLIC),
        Mount("GET", "/closed", signed_request, HEALTH, public.alive, Permission.SEE_PUBLIC),
    )
    with pytest.raises(ValueError, match=r"public\.alive"):
        mounts.install(Flask("twice"), twice, guard=lambda _, view: view)


def test_an_endpoint_outside_the_table_answers_403(built_app):
    built_app.add_url_rule("/stray", "stray", lambda: "in")
    answer = built_app.test_client().get("/stray")
    assert answer.status_code == 403
    assert answer.get_json()["code"] == "not_mounted"


def test_a_mount_without_a_gate_cannot_be_built():
    with pytest.raises(TypeError, match="gate"):
        Mount("GET", "/forgotten", view=public.alive, permission=Permission.SEE_PUBLIC)


def test_a_mount_without_a_permission_cannot_be_built():
    with pytest.raises(TypeError, match="permission"):
        Mount("GET", "/forgotten", open_to_all, public.alive)


def test_every_connect_route_is_off_where_connect_is(monkeypatch, built_app):
    for mount in MOUNTS:
        assert (mount.host == "connect") is mount.rule.startswith(("/connect/", "/atlassian-connect"))


def test_the_scheme_alone_picks_the_gate(built_app):
    picked = []
    gate = by_scheme(JWT=lambda: picked.append("context"), Bearer=lambda: picked.append("forge"))
    for header in ("JWT x", "Bearer x", "JWT Bearer"):
        with built_app.test_request_context("/", headers={"Authorization": header}):
            gate()
    assert picked == ["context", "forge", "context"]
