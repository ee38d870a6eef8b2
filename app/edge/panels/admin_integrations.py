"""What this site and its vendor have entrusted to us: kind, age, end, scope and last use of each; never the thing."""

import json
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from app.domain.access.roles import Permission
from app.domain.integrations.credentials import Entrustments
from app.domain.integrations.model import Connection, State
from app.domain.integrations.ports import Credential
from app.domain.secrets import Purpose
from app.edge.caller import caller, config, now, services
from app.edge.panels import admin_frame
from app.edge.panels.wording import Lozenge
from app.edge.translation import gettext as _
from app.edge.translation import mark

SECTION = "integrations"
_KINDS = MappingProxyType(
    {
        Purpose.CONNECT_SECRET: (
            mark("Shared secret of the Connect app"),
            mark("Requests of this site, and calls to its Jira"),
        ),
        Purpose.FORGE_TOKEN: (mark("System token of the Forge app"), mark("Calls to this site's Jira, as the app")),
    }
)
_GRANT_STATES = MappingProxyType(
    {
        State.CONNECTED: Lozenge(mark("Connected"), "success", "tick"),
        State.NOT_CONNECTED: Lozenge(mark("Not connected"), "neutral", "dash"),
        State.NEEDS_RECONNECTING: Lozenge(mark("Needs reconnecting"), "warning", "question"),
        State.DISCONNECTING: Lozenge(mark("Being disconnected"), "information", "clock"),
        State.DISCONNECTED: Lozenge(mark("Disconnected"), "neutral", "cross"),
    }
)


@dataclass(frozen=True, kw_only=True)
class CredentialRow:
    """One credential in words."""

    title: str
    use: str
    scopes: str
    lozenge: Lozenge
    version: int
    since: datetime
    expires_at: datetime | None
    last_used: datetime | None
    key: str


@dataclass(frozen=True, kw_only=True)
class GrantView:
    """The vendor's own grant in words."""

    lozenge: Lozenge
    scopes: str
    since: datetime | None
    expires_at: datetime | None


def shown() -> str:
    """The section as it stands."""
    services().roles.require(Permission.VIEW_SETTINGS, caller(), now=now())
    found = Entrustments(services().database).of(caller().tenant)
    return admin_frame.rendered(
        SECTION,
        credentials=tuple(_row(each, found.last_used.get(each.kind)) for each in found.credentials),
        grant=_grant(found.grant),
    )


def _row(credential: Credential, last_used: datetime | None) -> CredentialRow:
    title, use = _KINDS[credential.kind]
    has_ended = credential.expires_at is not None and credential.expires_at <= now()
    return CredentialRow(
        title=_(title),
        use=_(use),
        scopes=_connect_scopes()
        if credential.kind is Purpose.CONNECT_SECRET
        else _("Those that the site has approved"),
        lozenge=Lozenge(mark("Expired"), "warning", "alarm") if has_ended else Lozenge(mark("Good"), "success", "tick"),
        version=credential.version,
        since=credential.since,
        expires_at=credential.expires_at,
        last_used=last_used,
        key=credential.key,
    )


def _connect_scopes() -> str:
    return ", ".join(json.loads(config().descriptor or b"{}").get("scopes", ()))


def _grant(grant: Connection) -> GrantView:
    return GrantView(
        lozenge=_GRANT_STATES[grant.state],
        scopes=grant.scopes or "",
        since=grant.changed_at,
        expires_at=grant.access_expires_at,
    )
