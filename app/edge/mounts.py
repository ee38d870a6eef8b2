"""TABLE 2: who gets in, by which gate, how often, and what their roles have to grant.

There is no other way in: an endpoint outside the table answers 403.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Flask, g, request

from app.domain.access.licence import require_licence
from app.domain.access.roles import Permission as May
from app.domain.access.roles import Role, refuse_at_the_door
from app.domain.installations.model import CallerKind
from app.edge import (
    api,
    calendar_feed,
    clock_list,
    connect_lifecycle,
    connect_webhooks,
    decisions,
    following,
    forge_remote,
    metrics,
    oauth,
    privacy,
    public,
    recipients,
    security_tab,
)
from app.edge.caller import caller, config
from app.edge.gates import (
    Gate,
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
from app.edge.limits import (
    DECISIONS,
    EVENTS,
    EXPORTS,
    HEALTH,
    LIFECYCLE,
    PAGES,
    PUBLIC,
    READS,
    LimitClass,
    View,
    refuse_late,
)
from app.edge.panels import admin, downloads, issue, issue_decisions, project, saved_views, site
from app.edge.problems import NotFound, NotMounted

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Guard = Callable[[LimitClass, View], View]

_HOST_GATES = frozenset(
    {open_to_all, signed_install, signed_request, forge_events, forge_lifecycle, forge_cron},
)
"""What changes something behind these is said by the host, whose facts are followed whatever a licence says."""


@dataclass(frozen=True)
class Mount:
    """One route: who is admitted, how often, and what answers."""

    method: str
    rule: str
    gate: Gate
    limits: LimitClass
    view: View
    permission: May
    """What the caller's roles have to grant."""
    host: str = "any"
    """`connect`, `forge`, `metrics`: answers 404 where that is off."""
    without_licence: bool = False
    """Export, erasure, disconnecting, reports: a lapsed licence holds nobody back from these."""

    @property
    def is_public(self) -> bool:
        """Whether anyone may see it."""
        return self.gate is open_to_all

    @property
    def needs_licence(self) -> bool:
        """Whether a person changes something here, which ends with the licence: any method but GET, unless said."""
        return self.method != "GET" and self.gate not in _HOST_GATES and not self.without_licence

    @property
    def endpoint(self) -> str:
        """The name of the route in logs: module and function of its view."""
        return f"{self.view.__module__.removeprefix('app.edge.')}.{self.view.__name__}"


_TAB = "/connect/security"
our_pages = by_scheme(JWT=context_token, Bearer=forge_page)

MOUNTS: tuple[Mount, ...] = (
    Mount("GET", "/atlassian-connect.json", open_to_all, PUBLIC, public.connect_descriptor, May.SEE_PUBLIC, "connect"),
    Mount("POST", "/connect/installed", signed_install, LIFECYCLE, connect_lifecycle.installed, May.INSTALL, "connect"),
    Mount(
        "POST", "/connect/uninstalled", signed_install, LIFECYCLE, connect_lifecycle.uninstalled, May.INSTALL, "connect"
    ),
    Mount("POST", "/connect/enabled", signed_request, LIFECYCLE, connect_lifecycle.enabled, May.INSTALL, "connect"),
    Mount("POST", "/connect/disabled", signed_request, LIFECYCLE, connect_lifecycle.disabled, May.INSTALL, "connect"),
    Mount("POST", "/connect/webhooks", signed_request, EVENTS, connect_webhooks.issue_changed, May.REPORT, "connect"),
    Mount("GET", "/connect/issue", signed_request, PAGES, issue.page, May.OPEN_PAGE, "connect"),
    Mount("GET", "/connect/project", signed_request, PAGES, project.page, May.OPEN_PAGE, "connect"),
    Mount("GET", "/connect/site", signed_request, PAGES, site.page, May.OPEN_PAGE, "connect"),
    Mount("GET", "/connect/admin", signed_request, PAGES, admin.page, May.OPEN_PAGE, "connect"),
    Mount("POST", f"{_TAB}/workspaces", signed_request, PAGES, security_tab.workspaces, May.LIST_CONTAINERS, "connect"),
    Mount("POST", f"{_TAB}/containers", signed_request, PAGES, security_tab.containers, May.LIST_CONTAINERS, "connect"),
    Mount(
        "GET", f"{_TAB}/containers/search", signed_request, PAGES, security_tab.search, May.LIST_CONTAINERS, "connect"
    ),
    Mount("GET", "/fragments/issue", our_pages, READS, issue.fragment, May.VIEW_ISSUE_CLOCKS),
    Mount("GET", "/fragments/project", our_pages, READS, project.fragment, May.LIST_CLOCKS),
    Mount("GET", "/fragments/site", our_pages, READS, site.fragment, May.LIST_CLOCKS),
    Mount("GET", "/fragments/download", our_pages, READS, downloads.fragment, May.LIST_CLOCKS),
    Mount("POST", "/fragments/views", our_pages, DECISIONS, saved_views.changed, May.KEEP_OWN_VIEWS),
    Mount("GET", "/fragments/admin", our_pages, READS, admin.fragment, May.VIEW_SETTINGS),
    Mount("POST", "/fragments/admin", our_pages, DECISIONS, admin.changed, May.CHANGE_SETTINGS),
    Mount(
        "POST",
        "/fragments/admin/rights",
        our_pages,
        EXPORTS,
        admin.right_used,
        May.MANAGE_REQUESTS,
        without_licence=True,
    ),
    Mount("GET", "/fragments/issue/decisions", our_pages, READS, issue_decisions.forms, May.VIEW_ISSUE_CLOCKS),
    Mount("POST", "/fragments/issue/decisions", our_pages, DECISIONS, issue_decisions.decided, May.RECORD_DECISION),
    Mount("GET", "/api/v1/issues/<id_or_key>/clocks", our_pages, READS, api.issue_clocks, May.VIEW_ISSUE_CLOCKS),
    Mount("GET", "/api/v1/issues/<id_or_key>/events", our_pages, READS, decisions.events, May.VIEW_ISSUE_CLOCKS),
    Mount("POST", "/api/v1/issues/<id_or_key>/events", our_pages, DECISIONS, decisions.record, May.RECORD_DECISION),
    Mount("GET", "/api/v1/clocks", our_pages, READS, clock_list.as_json, May.LIST_CLOCKS),
    Mount("GET", "/api/v1/clocks.csv", our_pages, READS, clock_list.as_csv, May.LIST_CLOCKS),
    Mount("GET", "/api/v1/me", our_pages, READS, api.own_roles, May.VIEW_OWN_ROLES),
    Mount("GET", "/api/v1/settings", our_pages, READS, api.settings, May.VIEW_SETTINGS),
    Mount("GET", "/api/v1/settings/following", our_pages, READS, following.shown, May.VIEW_SETTINGS),
    Mount("PUT", "/api/v1/settings/following", our_pages, READS, following.changed, May.CHANGE_SETTINGS),
    Mount("GET", "/api/v1/recipients", our_pages, READS, recipients.list_all, May.MANAGE_RECIPIENTS),
    Mount("POST", "/api/v1/recipients", our_pages, READS, recipients.add, May.MANAGE_RECIPIENTS),
    Mount(
        "DELETE",
        "/api/v1/recipients/<recipient>",
        our_pages,
        READS,
        recipients.remove,
        May.MANAGE_RECIPIENTS,
        without_licence=True,
    ),
    Mount("POST", "/api/v1/calendar", our_pages, READS, calendar_feed.make, May.KEEP_OWN_CALENDAR),
    Mount(
        "DELETE",
        "/api/v1/calendar",
        our_pages,
        READS,
        calendar_feed.revoke,
        May.KEEP_OWN_CALENDAR,
        without_licence=True,
    ),
    Mount("GET", "/calendar/<token>.ics", open_to_all, PUBLIC, calendar_feed.read, May.FOLLOW_LINK),
    Mount("GET", "/unsubscribe/<token>", open_to_all, PUBLIC, recipients.unsubscribe_page, May.FOLLOW_LINK),
    Mount("POST", "/unsubscribe/<token>", open_to_all, PUBLIC, recipients.unsubscribe, May.FOLLOW_LINK),
    Mount("GET", "/api/v1/exports", our_pages, READS, privacy.list_exports, May.EXPORT),
    Mount("POST", "/api/v1/exports", our_pages, EXPORTS, privacy.ask_export, May.EXPORT, without_licence=True),
    Mount("GET", "/exports/<token>", open_to_all, PUBLIC, privacy.fetch_export, May.FOLLOW_LINK),
    Mount("GET", "/receipts/<token>", open_to_all, PUBLIC, privacy.fetch_receipt, May.FOLLOW_LINK),
    Mount("GET", "/api/v1/privacy/requests", our_pages, READS, privacy.list_requests, May.MANAGE_REQUESTS),
    Mount(
        "POST",
        "/api/v1/privacy/requests",
        our_pages,
        EXPORTS,
        privacy.file_request,
        May.MANAGE_REQUESTS,
        without_licence=True,
    ),
    Mount("GET", "/oauth/callback", open_to_all, PUBLIC, oauth.callback, May.FOLLOW_LINK),
    Mount("POST", "/forge/lifecycle", forge_lifecycle, LIFECYCLE, forge_remote.lifecycle, May.INSTALL, "forge"),
    Mount("POST", "/forge/events", forge_events, EVENTS, forge_remote.events, May.REPORT, "forge"),
    Mount("POST", "/forge/cron", forge_cron, EVENTS, forge_remote.cron, May.INSTALL, "forge"),
    Mount("GET", "/healthz", open_to_all, HEALTH, public.alive, May.SEE_PUBLIC),
    Mount("GET", "/readyz", open_to_all, HEALTH, public.ready, May.SEE_PUBLIC),
    Mount("GET", "/metrics", metrics_token, HEALTH, metrics.scrape, May.SCRAPE, "metrics"),
    Mount("GET", "/.well-known/security.txt", open_to_all, PUBLIC, public.security_txt, May.SEE_PUBLIC),
    Mount("GET", "/static/<path:name>", open_to_all, PUBLIC, public.static, May.SEE_PUBLIC),
)


def install(app: Flask, mounts: tuple[Mount, ...] = MOUNTS, *, guard: Guard) -> None:
    """Add every route of the table, and refuse what is not in it; raises `ValueError` for a view mounted twice.

    `guard` puts the view behind the limits of its class.
    """
    rows = {mount.endpoint: mount for mount in mounts}
    for mount in mounts:
        if rows[mount.endpoint] is not mount:
            # The gate is found by endpoint: the later row's gate would silently stand for the earlier row too.
            raise ValueError(f"{mount.endpoint} is mounted twice; give each route a view of its own")
    # A merged or added slash would make the router serve another path than the one that was signed.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    for mount in mounts:
        view = guard(mount.limits, mount.view)
        app.add_url_rule(mount.rule, mount.endpoint, view, methods=[mount.method], provide_automatic_options=False)
    app.before_request(lambda: _admit(rows))


def below(base_path: str, app: WSGIApplication) -> WSGIApplication:
    """The app below the path of its public URL, whether or not a proxy takes that path off."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == base_path or path.startswith(base_path + "/"):
            environ["SCRIPT_NAME"] = base_path
            environ["PATH_INFO"] = path.removeprefix(base_path) or "/"
        return app(environ, start_response)

    return serve if base_path else app


def _admit(rows: Mapping[str, Mount]) -> None:
    g.now = datetime.now(UTC)
    if request.endpoint is None:
        return
    mount = rows.get(request.endpoint)
    if mount is None:
        raise NotMounted
    is_off = {
        "connect": not config().connect_enabled,
        "forge": config().forge_modules is None,
        "metrics": config().metrics_token_sha256 is None,
    }
    if is_off.get(mount.host, False):
        raise NotFound
    refuse_late(mount.limits)
    mount.gate()
    refuse_at_the_door(mount.permission, _proven(mount))
    if mount.needs_licence:
        require_licence(caller())


def _proven(mount: Mount) -> frozenset[Role]:
    """The roles that the gate has proven, before Jira is asked about any other."""
    roles = {Role.ANYONE}
    # The signature of a lifecycle or signed request covers this very target: Atlassian's server itself sends it here,
    # also where it names the person whose action is the reason.
    if "install_claims" in g or mount.gate is signed_request:
        roles.add(Role.APP)
    if mount.gate is metrics_token:
        roles.add(Role.SCRAPER)
    if "caller" in g:
        roles.add(Role.APP if g.caller.kind is CallerKind.HOST else Role.USER)
    return frozenset(roles)
