"""TABLE 5: who may do what. Roles are asked of Jira on the server; none is stored and none is taken from a token."""

from collections.abc import Mapping
from enum import StrEnum


class Permission(StrEnum):
    """What a route, a job or an operation needs: scope, resource, action."""

    SEE_PUBLIC = "public:facts:view"
    INSTALL = "tenant:installation:change"
    REPORT = "tenant:issue:report-change"
    FOLLOW = "tenant:issues:follow"
    """To read issues as the app, and to keep what is known of them in order."""
    PUBLISH = "tenant:labels:publish"
    """To write into Jira, as the app, what its issues' clocks say."""
    LIST_CONTAINERS = "tenant:containers:list"
    ERASE = "tenant:data:erase"
    EXPORT = "tenant:data:export"
    HAND_OVER = "tenant:data:hand-over"
    """To write what somebody with the permission to export asked for, and to put it away again."""
    MANAGE_REQUESTS = "tenant:requests:manage"
    KEEP_WATCH = "house:alerts:raise"
    SCRAPE = "house:metrics:view"
    FOLLOW_LINK = "public:link:follow"
    """Who has a link that was sent to one person is taken for that person."""
    TELL = "tenant:people:tell"
    REPORT_ACCOUNTS = "house:accounts:report"
    """To tell Atlassian whose data is held, and to erase whom it says is gone."""
    KEEP_INTEGRATIONS = "house:integrations:keep"
    """To exchange, renew and revoke what the vendor was granted."""
    OPEN_PAGE = "tenant:page:open"
    """The shell of a page, which holds no fact: what is in it is asked for once more."""
    VIEW_OWN_ROLES = "tenant:own-roles:view"
    LIST_CLOCKS = "tenant:clocks:list"
    """To ask for a list, which holds no fact: each issue in it is one that `VIEW_ISSUE_CLOCKS` is granted for."""
    VIEW_ISSUE_CLOCKS = "tenant:issue-clocks:view"
    RECORD_DECISION = "tenant:issue-clocks:decide"
    """To pause, extend, cancel and whatever else people decide about the clocks of an issue that they may see."""
    VIEW_SETTINGS = "tenant:settings:view"
    CHANGE_SETTINGS = "tenant:settings:change"
    MANAGE_RECIPIENTS = "tenant:recipients:manage"
    KEEP_OWN_CALENDAR = "tenant:own-calendar:keep"
    KEEP_OWN_VIEWS = "tenant:own-views:keep"
    """To keep filters and columns of lists under a name, which show whatever `LIST_CLOCKS` lets their owner see."""


class Role(StrEnum):
    """Who somebody is to us."""

    ANYONE = "anyone"
    """No proof at all."""
    APP = "app"
    """No person: Atlassian's server, in a request that it signed for us, or a job of our own."""
    SCRAPER = "scraper"
    """The operator's Prometheus, by the token of this cell; it is nobody to any tenant."""
    USER = "user"
    """A person of the site, by a token of the site."""
    ISSUE_BROWSER = "issue-browser"
    """Jira said within 15 minutes that this person may see this issue (BROWSE_PROJECTS, security level included)."""
    PROJECT_ADMIN = "project-admin"
    """Jira said within a minute that this person administers this project (ADMINISTER_PROJECTS)."""
    JIRA_ADMIN = "jira-admin"
    """Jira said within a minute that this person administers the site (ADMINISTER)."""


ROLES: Mapping[Role, frozenset[Permission]] = {
    Role.ANYONE: frozenset({Permission.SEE_PUBLIC, Permission.FOLLOW_LINK}),
    Role.APP: frozenset(
        {
            Permission.INSTALL,
            Permission.REPORT,
            Permission.FOLLOW,
            Permission.PUBLISH,
            Permission.ERASE,
            Permission.HAND_OVER,
            Permission.LIST_CONTAINERS,
            Permission.KEEP_WATCH,
            Permission.REPORT_ACCOUNTS,
            Permission.KEEP_INTEGRATIONS,
            Permission.TELL,
            Permission.OPEN_PAGE,
        }
    ),
    Role.SCRAPER: frozenset({Permission.SCRAPE}),
    Role.USER: frozenset(
        {
            Permission.OPEN_PAGE,
            Permission.VIEW_OWN_ROLES,
            Permission.LIST_CLOCKS,
            Permission.KEEP_OWN_CALENDAR,
            Permission.KEEP_OWN_VIEWS,
        }
    ),
    Role.ISSUE_BROWSER: frozenset({Permission.VIEW_ISSUE_CLOCKS}),
    Role.PROJECT_ADMIN: frozenset({Permission.RECORD_DECISION}),
    Role.JIRA_ADMIN: frozenset(
        {
            Permission.VIEW_SETTINGS,
            Permission.CHANGE_SETTINGS,
            Permission.RECORD_DECISION,
            Permission.MANAGE_RECIPIENTS,
            Permission.EXPORT,
            Permission.MANAGE_REQUESTS,
        }
    ),
}
"""A role gives what its own row says: who administers Jira may not see every issue, nor administer every project."""

ASKED_OF_JIRA = frozenset({Role.ISSUE_BROWSER, Role.PROJECT_ADMIN, Role.JIRA_ADMIN})
"""Roles that a user turns out to have or not to have, when the operation asks Jira."""


class NotPermitted(Exception):
    """No role of the caller grants this."""


def is_granted(permission: Permission, roles: frozenset[Role]) -> bool:
    """Whether one of these roles grants it; what no row grants is denied."""
    return any(permission in ROLES[role] for role in roles)


def refuse_at_the_door(permission: Permission, proven: frozenset[Role]) -> None:
    """Raise `NotPermitted` unless what is proven grants it, or could once the operation has asked Jira."""
    attainable = proven | ASKED_OF_JIRA if Role.USER in proven else proven
    if not is_granted(permission, attainable):
        raise NotPermitted
