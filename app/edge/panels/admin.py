"""The administration page, for those of whom Jira says within a minute that they administer the site."""

from flask import Response, render_template

from app.domain.access.roles import Permission
from app.edge.caller import caller, now, services
from app.edge.panels import shell

TITLE = "Pledge"
PURPOSE = "How this site is served."
SECTIONS = {"overview": "Overview"}


def page() -> Response:
    """`GET /connect/admin`."""
    return shell.page(TITLE, _overview, url=shell.fragment_url("admin"))


def fragment() -> Response:
    """`GET /fragments/admin?section=`."""
    section = shell.section_of(SECTIONS)
    return shell.fragment(_overview, url=shell.fragment_url("admin", {"section": section}))


def _overview() -> str:
    services().roles.require(Permission.VIEW_SETTINGS, caller(), now=now())
    board = services().promises.of(caller().tenant)
    url = shell.fragment_url("admin", {"section": "overview"})
    links = shell.sections("admin", SECTIONS, current="overview")
    return render_template(
        "admin_overview.html",
        page=shell.frame(TITLE, PURPOSE, url=url, links=links),
        site=board.site,
        site_url=shell.site_url(),
        policy=board.policy,
    )
