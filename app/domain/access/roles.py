"""TABLE 5: who may do what. Roles are asked of Jira on the server; none is stored and none is taken from a token."""

from collections.abc import Mapping
from enum import StrEnum


class Permission(StrEnum):
    """What an operation needs: scope, resource, action."""

    VIEW_ISSUE_CLOCKS = "tenant:issue-clocks:view"


class Role(StrEnum):
    """Who somebody is to us, by Jira's word."""

    ISSUE_BROWSER = "issue-browser"
    """Jira said within 15 minutes that this person may see this issue (BROWSE_PROJECTS, security level included)."""


ROLES: Mapping[Role, frozenset[Permission]] = {
    Role.ISSUE_BROWSER: frozenset({Permission.VIEW_ISSUE_CLOCKS}),
}


def is_granted(permission: Permission, roles: frozenset[Role]) -> bool:
    """Whether one of these roles grants it; what no row grants is denied."""
    return any(permission in ROLES[role] for role in roles)
