"""The project page: how the clocks of one project stand, for those who may browse it."""

from flask import Response, render_template

from app.domain.identifiers import ProjectId
from app.domain.tracking.derived import ClockFilter, Position
from app.edge import parameters
from app.edge.caller import caller, now, services
from app.edge.panels import lists, shell

TITLE = "Security deadlines"
PURPOSE = "How the clocks of this project stand."
SECTIONS = {"table": "Table"}
_ROWS = 50


def page() -> Response:
    """`GET /connect/project?projectId=&projectKey=`."""
    project, key = parameters.required_project_id(), parameters.project_key()
    url = shell.fragment_url("project", {"projectId": project, "projectKey": key})
    return shell.page(f"{TITLE} of {key}", lambda: _table(project, key), url=url)


def fragment() -> Response:
    """`GET /fragments/project?projectId=&projectKey=&section=`."""
    project, key = parameters.required_project_id(), parameters.project_key()
    section = shell.section_of(SECTIONS)
    url = shell.fragment_url("project", {"projectId": project, "projectKey": key, "section": section})
    return shell.fragment(lambda: _table(project, key), url=url)


def _table(project: ProjectId, key: str) -> str:
    who = caller()
    found = services().lists.page(who, ClockFilter(project=project), position=Position(), limit=_ROWS, now=now())
    site = services().database.view_tenant(who.tenant).display_url
    query = {"projectId": project, "projectKey": key}
    links = shell.sections("project", SECTIONS, current="table", query=query)
    url = shell.fragment_url("project", query | {"section": "table"})
    return render_template(
        "project_table.html",
        page=shell.frame(f"{TITLE} of {key}", PURPOSE, url=url, links=links),
        rows=[lists.row_of(each, display_url=site) for each in found.clocks],
    )
