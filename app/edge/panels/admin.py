"""The administration page, for those of whom Jira says within a minute that they administer the site."""

from collections.abc import Callable, Mapping

from flask import Response

from app.domain.access.roles import Permission
from app.domain.privacy.seen_reports import ReportsSeen
from app.edge.caller import caller, now, services
from app.edge.forms import read_form
from app.edge.panels import (
    admin_audit,
    admin_following,
    admin_frame,
    admin_integrations,
    admin_numbers,
    admin_people,
    admin_policies,
    admin_privacy,
    shell,
)
from app.edge.panels.admin_frame import SECTIONS, TITLE, Form


def page() -> Response:
    """`GET /connect/admin`."""
    return shell.page(TITLE, _overview, url=shell.fragment_url("admin"))


def fragment() -> Response:
    """`GET /fragments/admin?section=`."""
    section = shell.section_of(SECTIONS)
    return shell.fragment(_SHOWN[section], url=admin_frame.url(section))


def changed() -> Response:
    """`POST /fragments/admin?section=`: a form of that section; the section comes back with what it came to."""
    return _change(_CHANGED)


def right_used() -> Response:
    """`POST /fragments/admin/rights?section=`: the same for what a lapsed licence holds nobody back from."""
    return _change(_RIGHTS)


def _change(known: "_Changes") -> Response:
    permission, change = known[shell.section_of(known)]
    services().roles.require(permission, caller(), now=now())
    return change(read_form())


def _overview() -> str:
    services().roles.require(Permission.VIEW_SETTINGS, caller(), now=now())
    tenant = caller().tenant
    board, following = services().promises.of(tenant), services().following_settings.view(tenant)
    return admin_frame.rendered(
        "overview",
        site=board.site,
        site_url=shell.site_url(),
        policy=board.policy,
        tracked=following.tracked,
        runs=admin_following.run_lines(following),
        without_meaning=len(following.unmapped),
        recipients=len(services().recipients.list_all(tenant)),
        reports=ReportsSeen(services().database).of(tenant, now=now()),
        urls={section: admin_frame.url(section) for section in SECTIONS},
    )


_SHOWN: Mapping[str, Callable[[], str]] = {
    "overview": _overview,
    "following": admin_following.shown,
    "policies": admin_policies.shown,
    "numbers": admin_numbers.shown,
    "integrations": admin_integrations.shown,
    "audit": admin_audit.shown,
    "privacy": admin_privacy.shown,
    "people": admin_people.shown,
}
_Changes = Mapping[str, tuple[Permission, Callable[[Form], Response]]]
_CHANGED: _Changes = {
    "following": (Permission.CHANGE_SETTINGS, admin_following.changed),
    "policies": (Permission.CHANGE_SETTINGS, admin_policies.changed),
    "numbers": (Permission.CHANGE_SETTINGS, admin_numbers.changed),
    "people": (Permission.MANAGE_RECIPIENTS, admin_people.added),
}
_RIGHTS: _Changes = {
    "privacy": (Permission.MANAGE_REQUESTS, admin_privacy.changed),
    "people": (Permission.MANAGE_RECIPIENTS, admin_people.removed),
}
