"""Pages of a site that belong to no issue and frame the app's own: of a project, the site, its administration."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template

from simulator.connect import page_url
from simulator.forge_pages import forge_frames
from simulator.issues import Project
from simulator.pages import HOSTS, SANDBOX, THEMES, choice, secured
from simulator.people import Json, Person
from simulator.site import Site
from simulator.viewing import viewer, visible_project
from simulator.world import World

MODULES = {"project": "jiraProjectPages", "site": "generalPages", "admin": "adminPages"}
"""Kinds of page, and where a Connect descriptor declares them."""


class Places:
    """Those pages of one site; all take `as`, `theme` and `host`, as the page of an issue does."""

    def __init__(self, site: Site, world: World) -> None:
        self._site, self._world = site, world

    def blueprint(self) -> Blueprint:
        """Return the routes of the pages."""
        routes = Blueprint("places", __name__)
        routes.add_url_rule("/projects/<key>", "project", self.project)
        routes.add_url_rule("/apps", "site", self.whole_site)
        routes.add_url_rule("/admin/apps", "admin", self.administration)
        return routes

    def project(self, key: str) -> Response:
        """Show the app's page of a project, to those who may browse it."""
        person = viewer(self._site)
        project = visible_project(self._site, key, person)
        if project is None:
            return self._refused(person)
        return self._shown("project", person, project=project, title=f"{project.name} / {key}")

    def whole_site(self) -> Response:
        """Show the app's page of the site, to anybody."""
        return self._shown("site", viewer(self._site), project=None, title="Apps")

    def administration(self) -> Response:
        """Show the app's page of the administration, to those who administer Jira."""
        person = viewer(self._site)
        if person.handle not in self._site.jira_admins:
            return self._refused(person)
        return self._shown("admin", person, project=None, title="Administration / Apps")

    def _shown(self, kind: str, person: Person, *, project: Project | None, title: str) -> Response:
        host = choice("host", HOSTS)
        query = {"as": person.handle} | ({} if project is None else {"project": project.key})
        panels = self._connect(kind, person, project=project, query=query) if host != "forge" else []
        if host != "connect":
            panels += forge_frames(self._world.forge[self._site.name], self._world, kind=kind, query=query)
        return secured(
            render_template("place.html", **self._around(person), title=title, panels=panels, host=host),
            frames=" ".join(sorted({panel["origin"] for panel in panels})) or "'none'",
        )

    def _refused(self, person: Person) -> Response:
        return secured(render_template("refused.html", **self._around(person), host=HOSTS[0], what="page"), status=404)

    def _around(self, person: Person) -> Json:
        shown = {"site": self._site, "people": self._site.people.values(), "person": person}
        return shown | {"theme": choice("theme", THEMES), "hosts": HOSTS}

    def _connect(self, kind: str, person: Person, *, project: Project | None, query: Mapping[str, str]) -> list[Json]:
        installed = self._site.installation
        if installed is None or not installed.active:
            return []
        return [
            {
                "host": "connect",
                "title": module["name"]["value"],
                "label": "Connect",
                "channel": f"channel-{module['key']}",
                "origin": installed.descriptor.origin,
                "sandbox": SANDBOX,
                "query": urlencode(query),
                "url": page_url(self._site, installed, module=module, project=project, person=person),
            }
            for module in installed.descriptor.modules.get(MODULES[kind], [])
        ]
