"""What Forge calls us for: keys of modules, endpoints, routes. Plain data, read by the manifest and by the gates.

A genuine token of any user can be sent to any path of ours, because the browser chooses the path. What tells
Forge's own calls apart is the module that the token names; so the manifest that declares the modules and the
gates that admit them must hold the same keys, and both take them from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from descriptor import modules


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A way into the remote, one for each trust class.

    `path`: the fixed route of calls by Forge itself; None where the browser chooses it. `callers`: the keys of
    the modules that use it. `system_token`, `user_token`: what Forge sends along; a token that is not asked
    for can be neither misused nor lost.
    Source: https://developer.atlassian.com/platform/forge/manifest-reference/endpoint/
    """

    key: str
    path: str | None
    callers: tuple[str, ...]
    system_token: bool = False
    user_token: bool = False


ISSUE_TRIGGER_KEY: Final = "pledge-issue-events"
LIFECYCLE_TRIGGER_KEY: Final = "pledge-lifecycle"
UNINSTALL_KEY: Final = "pledge-uninstall"
SCHEDULE_KEY: Final = "pledge-hourly"

# Whether this person may see this issue is asked of Jira as this person: only an administrator may ask for
# somebody else, and the exception for Connect apps is documented for Connect apps alone. Pages get no system token.
UI: Final = Endpoint(
    key="ep-ui",
    path=None,
    callers=(modules.ISSUE_CONTEXT.key, *(page.key for page in modules.PAGES)),
    user_token=True,
)
EVENTS: Final = Endpoint(key="ep-events", path="/forge/events", callers=(ISSUE_TRIGGER_KEY,), system_token=True)
LIFECYCLE: Final = Endpoint(
    key="ep-lifecycle",
    path="/forge/lifecycle",
    callers=(LIFECYCLE_TRIGGER_KEY,),
    system_token=True,
)
# An endpoint of its own on the same path: the body of the call before a removal is not documented, so the token has to
# say what it is, whichever of the two keys it names.
UNINSTALL: Final = Endpoint(key="ep-uninstall", path="/forge/lifecycle", callers=(UNINSTALL_KEY,), system_token=True)
SCHEDULE: Final = Endpoint(key="ep-cron", path="/forge/cron", callers=(SCHEDULE_KEY,), system_token=True)
ENDPOINTS: Final = (UI, EVENTS, LIFECYCLE, UNINSTALL, SCHEDULE)

SYSTEM_ROUTES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        # the documentation can be read either way: a token may name the endpoint or the module that uses it
        path: frozenset(key for each in ENDPOINTS if each.path == path for key in (each.key, *each.callers))
        for path in (endpoint.path for endpoint in ENDPOINTS)
        if path is not None
    }
)
"""Route of calls by Forge itself to the module keys that its tokens may name: what a gate has to admit, and no more."""

REMOVAL_KEYS: Final = frozenset({UNINSTALL.key, *UNINSTALL.callers})
"""Those of the lifecycle route that announce the removal of the app."""

UI_MODULE_KEYS: Final = frozenset(UI.callers)
"""The module keys that a token from one of our pages may name."""

EVENT_SCOPES: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        **{f"avi:jira:{event.change}:issue": "read:jira-work" for event in modules.ISSUE_EVENTS},
        "avi:forge:installed:app": None,
        "avi:forge:upgraded:app": None,
    }
)
"""Every event that we may name, and the scope without which it never comes. An invented name is accepted by
Atlassian's validator and then simply never happens (there is no `avi:forge:uninstalled:app`).
Source: https://developer.atlassian.com/platform/forge/events-reference/jira/"""
