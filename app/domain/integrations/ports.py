"""What a grant needs from the world: its row, its sealed secrets, and the authorization server that gave it."""

from collections.abc import Callable, Collection, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from app.domain.identifiers import InstallationId
from app.domain.integrations.model import Connection, Part
from app.domain.secrets import Purpose, Secret

Fill = Callable[[MutableMapping[str, str]], None]
"""Puts the secrets of one request into its form, when it is about to go."""


@dataclass(frozen=True)
class Credential:
    """One sealed secret that a site has entrusted to us, without it."""

    kind: Purpose
    installation: InstallationId
    version: int
    since: datetime
    """When Atlassian handed it over; of a shared secret, when the last lifecycle event was applied."""
    expires_at: datetime | None
    """None = good until it is rotated or the app is removed."""
    key: str
    """The key-encryption key under which its data key is wrapped."""


class CredentialRows(Protocol):
    """The sealed secrets of a tenant, as far as they can be told."""

    def held(self) -> tuple[Credential, ...]:
        """Those that are there, by kind."""


@dataclass(frozen=True)
class Tokens:
    """What an authorization server gave."""

    access: Secret
    refresh: Secret | None
    good_for: timedelta
    scopes: frozenset[str] | None
    """None = it did not say, which means: as before."""


class Verdict(StrEnum):
    """How a request to the authorization server ended."""

    DONE = "done"
    GONE = "gone"
    """The grant, or the code, is good for nothing any more (`invalid_grant`)."""
    LATER = "later"
    ODD = "odd"
    """An answer that means nothing, or that refuses us for another reason: asking again by itself mends nothing."""


@dataclass(frozen=True)
class Answered:
    """What the authorization server said."""

    verdict: Verdict
    why: str = ""
    """A code of ours or of RFC 6749; nothing else of the answer."""
    tokens: Tokens | None = field(default=None, repr=False)
    retry_after_seconds: int | None = None


class AuthorizationServer(Protocol):
    """The provider's; none of these raises anything but what filling the form raises."""

    @property
    def issuer(self) -> str:
        """Its name, as RFC 9207 has it in redirects."""

    def authorization_url(self, *, redirect_uri: str, state: str, challenge: str) -> str:
        """Where the vendor's browser has to go."""

    def exchange(self, fill: Fill, *, redirect_uri: str) -> Answered:
        """Tokens for a code; `fill` gives `code` and `code_verifier`."""

    def refresh(self, fill: Fill) -> Answered:
        """Newer tokens; `fill` gives `refresh_token`, which is used up by that."""

    def revoke(self, fill: Fill) -> Answered:
        """End the grant (RFC 7009); `fill` gives `token`."""


class IntegrationRows(Protocol):
    """The row of the integration; only as the house."""

    def find(self) -> Connection:
        """As it is now; one that was never connected where there is none."""

    def hold(self) -> Connection:
        """The same, and nobody else changes it until this transaction ends."""

    def save(self, connection: Connection) -> None:
        """Everything of it."""

    def forget(self, parts: Collection[Part]) -> int:
        """Delete these sealed secrets, all versions; returns how many there were."""

    def destroy(self) -> int:
        """Delete every sealed secret and the data key, so that backups lose them too; returns how many secrets."""
