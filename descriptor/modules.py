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
class Page:
    """A page of its own in Jira, answered by an HTML page: of a project, of the whole site, or of its administration.

    Fields as of `IssueContext`. Jira shows a page of the administration to its administrators only; whether somebody
    is one is asked again by whoever answers.
    Source: https://developer.atlassian.com/cloud/jira/platform/modules/page/ and …/project-page/, …/admin-page/
    """

    key: str
    title: str
    place: Literal["project", "site", "administration"]
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
class SearchableValue:
    """A value in an entity property that searches find under `alias`; `path` leads to it, its parts joined by dots."""

    path: str
    kind: Literal["number", "text", "string", "user", "date"]
    alias: str


@dataclass(frozen=True, kw_only=True)
class EntityProperty:
    """A property that we set on issues, and what of it Jira is to index.

    Source: https://developer.atlassian.com/cloud/jira/platform/modules/entity-property/
    """

    key: str
    title: str
    property_key: str
    values: tuple[SearchableValue, ...]


@dataclass(frozen=True, kw_only=True)
class SecurityProvider:
    """What Jira asks of whoever puts entries on its Security tab: three paths of ours, in signed requests.

    Source: https://developer.atlassian.com/cloud/jira/software/modules/security-information/
    """

    key: str
    fetch_workspaces: str
    fetch_containers: str
    search_containers: str


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

PAGES: Final = (
    Page(
        key="pledge-project",
        title="Security deadlines",
        place="project",
        icon_path="/static/icon.svg",
        path="/connect/project",
        parameters=MappingProxyType({"projectId": "project.id", "projectKey": "project.key"}),
    ),
    Page(
        key="pledge-site",
        title="Security deadlines",
        place="site",
        icon_path="/static/icon.svg",
        path="/connect/site",
        parameters=MappingProxyType({}),
    ),
    Page(
        key="pledge-admin",
        title="Pledge",
        place="administration",
        icon_path="/static/icon.svg",
        path="/connect/admin",
        parameters=MappingProxyType({}),
    ),
)

ISSUE_PROPERTY: Final = EntityProperty(
    key="pledge-issue-property",
    title="Security deadline",
    property_key="pledge-security",
    values=(
        SearchableValue(path="state", kind="string", alias="securityState"),
        SearchableValue(path="due", kind="date", alias="securityDue"),
    ),
)

SECURITY_PROVIDER: Final = SecurityProvider(
    key="pledge-security-provider",
    fetch_workspaces="/connect/security/workspaces",
    fetch_containers="/connect/security/containers",
    search_containers="/connect/security/containers/search",
)


def _issue_event(change: IssueChange) -> IssueEvent:
    return IssueEvent(
        key=f"pledge-issue-{change}",
        change=change,
        path="/connect/webhooks",
        parameters=MappingProxyType({"issueId": "issue.id"}),
    )


ISSUE_EVENTS: Final = (_issue_event("created"), _issue_event("updated"), _issue_event("deleted"))
