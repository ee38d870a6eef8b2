"""What Jira asks about its Security tab: our one workspace per site, and the Jira projects that are containers in it.

Where the tab is switched off, these routes are not there. Of a project its key is told, which is all that we know of
its name, and to nobody but Jira itself.
Source: https://developer.atlassian.com/cloud/jira/software/modules/security-information-actions/
"""

from collections.abc import Iterable
from typing import Any

from flask import Response, jsonify

from app.domain.clocks.model import instant_text
from app.domain.publishing.ports import Project
from app.domain.publishing.vulnerabilities import WORKSPACE, container_id
from app.edge import parameters
from app.edge.bodies import asked_ids
from app.edge.caller import caller, config, services
from app.edge.problems import NotFound
from app.edge.shields import LIFECYCLE_BODY_BYTES, read_body

_MOST_FOUND = 200


def workspaces() -> Response:
    """`fetchWorkspaces`: those of the asked ids that are ours."""
    ids = _asked()
    return jsonify({"workspaces": [_workspace()] if WORKSPACE in ids else []})


def containers() -> Response:
    """`fetchContainers`: those of the asked ids that are ours."""
    ids = _asked()
    return _shown(project for project in _projects() if container_id(project.project) in ids)


def search() -> Response:
    """`searchContainers`: projects of our workspace whose key has the searched text in it, in any case."""
    _refuse_without_tab()
    workspace, wanted = parameters.text("workspaceId"), parameters.text("searchQuery").upper()
    found = _projects() if workspace == WORKSPACE else ()
    return _shown([project for project in found if wanted in project.key][:_MOST_FOUND])


def _asked() -> frozenset[str]:
    _refuse_without_tab()
    return asked_ids(read_body(LIFECYCLE_BODY_BYTES))


def _refuse_without_tab() -> None:
    if not config().has_security_tab:
        raise NotFound


def _projects() -> tuple[Project, ...]:
    return services().publishing.projects(caller().tenant)


def _workspace() -> dict[str, Any]:
    return {"id": WORKSPACE, "name": "Pledge", "url": _site_url(), "avatarUrl": _icon()}


def _shown(projects: Iterable[Project]) -> Response:
    site, icon = _site_url(), _icon()
    rows = [
        {
            "id": container_id(project.project),
            "name": project.key,
            "url": f"{site}/browse/{project.key}",
            "avatarUrl": icon,
            "lastUpdatedDate": instant_text(project.read_at.replace(microsecond=0)),
        }
        for project in projects
    ]
    return jsonify({"containers": rows})


def _site_url() -> str:
    return services().database.view_tenant(caller().tenant).display_url


def _icon() -> str:
    return f"{config().base_url}/static/icon.svg"
