"""The app as a site knows it: what its descriptor says, and the trust that an installation is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Descriptor:
    """What an app says about itself at `/atlassian-connect.json`."""

    key: str
    base_url: str
    lifecycle: Mapping[str, str]
    modules: Mapping[str, Any]
    scopes: frozenset[str] = frozenset()

    @property
    def origin(self) -> str:
        """Return the origin that its pages have."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class Installation:
    """One app on one site, with the secret they share.

    `forge_id` is what a Connect module inside a Forge app (Connect on Forge) is told: the installation's ARI.
    """

    descriptor: Descriptor
    client_key: str
    secret: str
    active: bool = True
    forge_id: str | None = None

    def __repr__(self) -> str:
        return f"Installation({self.descriptor.key!r}, client_key={self.client_key!r}, active={self.active})"
