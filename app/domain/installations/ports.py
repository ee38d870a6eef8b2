"""What the gates ask of others before a tenant is known: public keys, and Jira which app it knew."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Protocol

from app.domain.identifiers import ClientKey


class ForgeKeyDirectory(Protocol):
    """Public keys of Forge invocation tokens."""

    def keys(self, kid: str) -> Mapping[str, bytes]:
        """PEM by kid, fetched anew if that kid is not among them; raises `KeysUnavailable`."""


class ForgeSites(Protocol):
    """What is asked of a site before its tenant is known."""

    def connect_client_key(
        self, api_base_url: str, *, app_key: str, authorize: Callable[[MutableMapping[str, str]], None]
    ) -> ClientKey | None:
        """The client key that Jira keeps for an app that was a Connect app there; raises `JiraUnavailable`."""


class KeyDirectory(Protocol):
    """Public keys of signed installs."""

    def key(self, kid: str) -> bytes:
        """PEM of that key id; raises `KeyUnknown` (no server has it) or `KeysUnavailable` (try later)."""
