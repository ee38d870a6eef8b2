"""The one source: what Pledge is called and which modules of Jira it fills.

`descriptor.connect` renders it as a Connect descriptor; a Forge manifest is rendered from the same values.
So nothing here is written in the spelling of one host: a context variable is `issue.id`, a change of an
issue is `created`, and each renderer adds its own brackets and prefixes. Only what is mounted stands here.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

IssueChange = Literal["created", "updated", "deleted"]


@dataclass(frozen=True, kw_only=True)
class IssueContext:
    """A collapsible panel in the right column of the issue view; answered by an HTML page.

    `key`: `[a-zA-Z0-9-]`, at most 100, unique in the app: fits both hosts. `parameters`: name in our query to
    the host's context variable, in the order of the query. `path`, `icon_path`: below the base URL.
    Source: https://developer.atlassian.com/cloud/jira/platform/modules/issue-context/
    """

    key: str
    title: str
    label: str
    icon_path: str
    path: str
    parameters: MappingProxyType[str, str]


@dataclass(frozen=True, kw_only=True)
class IssueEvent:
    """A change of an issue that Jira tells us of by a signed POST to `path`.

    The issue is named in the signed query: the body is covered by no signature and must not be trusted.
    Source: https://developer.atlassian.com/cloud/jira/platform/modules/webhook/
    """

    key: str
    change: IssueChange
    path: str
    parameters: MappingProxyType[str, str]


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """Where Jira reports that a site installed, removed, switched on or switched off the app: four paths."""

    installed: str
    uninstalled: str
    enabled: str
    disabled: str


NAME: Final = "Pledge"
DESCRIPTION: Final = (
    "Shows on every security issue how long the policy leaves to fix it, and why, and keeps the evidence."
)
VENDOR_NAME: Final = "Pledge"
VENDOR_URL: Final = "https://example.com"
IS_PAID: Final = True
"""Without it Atlassian says nothing of a licence (Forge), or `none` to everybody, as for every free app (Connect)."""

LIFECYCLE: Final = Lifecycle(
    installed="/connect/installed",
    uninstalled="/connect/uninstalled",
    enabled="/connect/enabled",
    disabled="/connect/disabled",
)

ISSUE_CONTEXT: Final = IssueContext(
    key="pledge-issue",
    title="Security deadline",
    label="Security deadline",
    icon_path="/static/icon.svg",
    path="/connect/issue",
    parameters=MappingProxyType(
        {"issueId": "issue.id", "issueKey": "issue.key", "projectId": "project.id"},
    ),
)


def _issue_event(change: IssueChange) -> IssueEvent:
    return IssueEvent(
        key=f"pledge-issue-{change}",
        change=change,
        path="/connect/webhooks",
        parameters=MappingProxyType({"issueId": "issue.id"}),
    )


ISSUE_EVENTS: Final = (_issue_event("created"), _issue_event("updated"), _issue_event("deleted"))
