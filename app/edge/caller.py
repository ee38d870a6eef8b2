"""Typed access to what a request carries: the services, the instant, and who was admitted."""

from dataclasses import dataclass
from datetime import datetime

from flask import current_app, g

from app.domain.installations.model import Caller
from app.domain.services import Services
from app.edge.assets import Assets
from app.protocol.connect_jwt import InstallClaims
from app.protocol.forge_fit import ForgeInvocation


@dataclass(frozen=True)
class ForgeModules:
    """Which keys of the manifest may call which routes; rendered from the same source as the manifest."""

    pages: frozenset[str]
    events: frozenset[str]
    lifecycle: frozenset[str]
    removal: frozenset[str]
    """Those of `lifecycle` that announce the removal of the app."""
    cron: frozenset[str]


@dataclass(frozen=True)
class EdgeConfig:
    """What the edge shows or compares; made by the wiring from the settings."""

    base_path: str
    connect_enabled: bool
    forge_modules: ForgeModules | None
    """None where Forge is off."""
    descriptor: bytes
    """The rendered Connect descriptor, empty where Connect is off."""
    host_script_url: str
    security_contact: str | None
    base_url: str
    assets: Assets
    deployed_at: datetime
    """When this process started: security.txt counts from it."""
    metrics_token_sha256: bytes | None = None
    """None where metrics are off; the token itself is not kept."""
    has_security_tab: bool = False
    """Whether Jira's Security tab is filled, and Jira asks us about it."""


def config() -> EdgeConfig:
    """The configuration of this app."""
    found: EdgeConfig = current_app.extensions["pledge.config"]
    return found


def services() -> Services:
    """The use cases."""
    found: Services = current_app.extensions["pledge.services"]
    return found


def now() -> datetime:
    """The instant at which this request came in; read once."""
    at: datetime = g.now
    return at


def caller() -> Caller:
    """Who was admitted by the gate; raises `AttributeError` behind a gate that admits nobody."""
    admitted: Caller = g.caller
    return admitted


def forge_invocation() -> ForgeInvocation:
    """What the invocation token of a Forge call has proven."""
    found: ForgeInvocation = g.forge_invocation
    return found


def is_forge() -> bool:
    """Whether the answer goes through Forge, which carries JSON only."""
    return bool(g.get("is_forge", False))


def install_claims() -> InstallClaims:
    """The claims of the lifecycle token that was admitted."""
    claims: InstallClaims = g.install_claims
    return claims
