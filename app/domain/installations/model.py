"""Tenants, their installations, and the caller that a gate admits."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from urllib.parse import urlsplit

from app.domain.identifiers import AccountId, ClientKey, CloudId, InstallationId, TenantId
from app.domain.promises.model import PolicyRef
from app.domain.secrets import Secret

PRODUCTION = "PRODUCTION"
"""The only environment of a Forge app whose installations may have a customer's data."""


class InstallationState(StrEnum):
    """Whether tokens of an installation are accepted: only those of an active one are."""

    ACTIVE = "active"
    UNINSTALLED = "uninstalled"
    SUSPENDED = "suspended"
    """Another client key was installed on the same site (a site import)."""


@dataclass(frozen=True)
class Registered:
    """What is known of a Connect installation before its tenant is: ids and state only."""

    client_key: ClientKey
    tenant: TenantId
    installation: InstallationId
    site_url: str
    state: InstallationState
    secret_version: int
    """The version of the shared secret that signs now."""
    previous_accepted_until: datetime | None
    """Until when the version before it is accepted too."""
    applied_at: datetime
    """`iat` of the last lifecycle event that was applied; older ones are ignored."""
    forge_installation: str | None = None
    """The Forge installation that this one has moved to."""
    linked_at: datetime | None = None
    """When it moved; None also for a link that was made before this was kept, until it is dated."""
    retired_at: datetime | None = None
    """When its shared secret was destroyed because the tenant is reached through Forge."""
    applied_token_sha256: bytes | None = None
    """Of the token of the last `installed` that was applied; None for one that was applied before this was kept."""

    def live_versions(self, now: datetime) -> tuple[int, ...]:
        """Secret versions that are accepted at `now`, newest first."""
        if self.previous_accepted_until is not None and now < self.previous_accepted_until:
            return (self.secret_version, self.secret_version - 1)
        return (self.secret_version,)


@dataclass(frozen=True)
class ForgeRegistered:
    """What is known of a Forge installation before its tenant is: ids and state only."""

    forge_installation: str
    """ARI; new with every reinstall."""
    tenant: TenantId
    installation: InstallationId
    cloud_id: CloudId
    environment: str
    """`PRODUCTION`, `STAGING` or `DEVELOPMENT`."""
    state: InstallationState
    seen_at: datetime
    """When it last proved to be alive, to the hour."""
    app_version: str | None = None
    """The newest version of the app that Forge has called for, to the minor version."""
    left_tenant: TenantId | None = None
    """The tenant that it had before it was linked to that of Connect, while its installation there is not closed."""


@dataclass(frozen=True)
class ForgeContact:
    """A Forge installation that has called, and of which could not be told yet whose it is."""

    forge_installation: str
    cloud_id: CloudId
    waits_for: Literal["token", "jira"]
    """A system token to ask Jira with, or an answer of Jira."""
    first_at: datetime
    last_at: datetime
    """When it called last, to the ten minutes."""


@dataclass(frozen=True)
class Install:
    """One trust relation, verified: what we keep of it."""

    tenant: TenantId
    installation: InstallationId
    client_key: ClientKey | None
    """None for Forge."""
    base_url: str
    """Where the REST API is."""
    display_url: str
    """What users see; a custom domain, or the base URL."""
    cloud_id: str | None
    product_type: str


@dataclass(frozen=True)
class ConnectInstallBody:
    """The fields of a lifecycle body that we use, checked in form but not yet believed."""

    key: str
    client_key: ClientKey
    base_url: str
    display_url: str
    cloud_id: str | None
    product_type: str
    shared_secret: Secret | None
    """Only in `installed`."""


@dataclass(frozen=True)
class Tenant:
    """One Jira site."""

    tenant: TenantId
    installation: InstallationId
    client_key: ClientKey | None
    """None once it is reached through Forge."""
    base_url: str
    display_url: str
    region: str
    policy: PolicyRef
    secret_version: int | None
    """Of the shared secret (Connect) or the system token (Forge); None = no token has come yet."""
    token_expires_at: datetime | None = None
    """Of the system token."""
    framing_urls: tuple[str, ...] = ()
    """Of the Connect installation, base and display URL, also while the tenant is reached through Forge already."""

    def frame_ancestors(self) -> tuple[str, ...]:
        """The origins that may frame our pages for this tenant: its own two, never a wildcard (custom domains)."""
        return tuple(sorted({_origin(url) for url in self.framing_urls}))


class CallerKind(StrEnum):
    """Who stands behind a request: a person in a page, or Jira itself."""

    PERSON = "person"
    HOST = "host"


@dataclass(frozen=True)
class Caller:
    """Who was admitted. Nothing behind the edge knows which host (Connect or Forge) it came through."""

    tenant: TenantId
    account: AccountId | None
    kind: CallerKind
    environment: str
    region: str
    licence_active: bool | None
    """None = the token does not say; absent is not inactive."""
    person_token: Secret | None = None
    """The person's own access to Jira, where it came along (Forge); used for this request and never stored."""
    site_url: str | None = None
    """Where people reach the site, as the token says; None where it does not."""

    @property
    def is_lapsed(self) -> bool:
        """Whether the licence of the app has lapsed: people can read everything and change nothing."""
        return self.licence_active is False


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
