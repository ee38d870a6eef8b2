"""Who looks at a page of a site, at which issue: read from the query (`as`, `issue`)."""

from __future__ import annotations

from flask import abort, request

from simulator.issues import Issue, Project
from simulator.people import Json, Person
from simulator.site import Site, Unknown


def viewer(site: Site) -> Person:
    """Return whom `as` names, by handle or account id; answers 400 if nobody is called so."""
    try:
        return site.person(request.args.get("as", "admin"))
    except Unknown as unknown:
        abort(400, str(unknown))


def visible_issue(site: Site, key: str, person: Person) -> Issue | None:
    """Return the issue with this key; None if there is none that the person may see."""
    try:
        issue = site.issue(key)
    except Unknown:
        return None
    return issue if site.may_see(person, issue) else None


def visible_project(site: Site, key: str, person: Person) -> Project | None:
    """Return the project with this key; None if there is none that the person may browse."""
    project = site.projects.get(key)
    return project if project is not None and person.handle in site.browsers[key] else None


def panel_status(issue: Issue, *, app: str, module: str) -> Json | None:
    """Return what an app has set as the status of its panel on that issue, if Jira can show it."""
    status = issue.properties.get(f"com.atlassian.jira.issue:{app}:{module}:status")
    value = status.get("value") if isinstance(status, dict) and status.get("type") == "lozenge" else None
    return value if isinstance(value, dict) and isinstance(value.get("label"), str) else None
