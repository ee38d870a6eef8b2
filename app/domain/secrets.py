"""Values that carry secrets, in the clear for a moment or sealed for good."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from app.domain.identifiers import TenantId


class Secret:
    """A secret on its way into the vault; shows only `***` wherever text is made of it.

    A shared secret reaches logs, error reports and JSON by accident, not by intent: so the accident yields nothing.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The secret itself. Only `app.vault` may call this; an architecture test looks for other callers."""
        return self.__value

    def __len__(self) -> int:
        """How many bytes of UTF-8 it has."""
        return len(self.__value.encode())

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret is neither pickled nor copied")


class VaultCannotAnswer(Exception):
    """The vault cannot answer: a key or a stored secret is missing or damaged."""


class Purpose(StrEnum):
    """What a secret is for. Each purpose of each tenant has a data key of its own."""

    CONNECT_SECRET = "connect-secret"  # noqa: S105  a name, not a secret
    AUDIT_PERSON = "audit-person"
    OAUTH_TOKEN = "oauth-token"  # noqa: S105  a name, not a secret
    FORGE_TOKEN = "forge-token"  # noqa: S105  a name, not a secret
    MAIL_ADDRESS = "mail-address"


@dataclass(frozen=True)
class SecretPlace:
    """Where a secret belongs. The envelope is bound to it: moved elsewhere, it does not open."""

    tenant: TenantId
    purpose: Purpose
    row: str
    """The id of the row that owns the secret, for example an installation id."""
    version: int
    """Counts up with each rotation, so that an opened key can be kept by (place, version)."""


@dataclass(frozen=True)
class WrappedKey:
    """A data key, encrypted under a key-encryption key of the keyring."""

    tenant: TenantId
    purpose: Purpose
    key_id: UUID
    kek_id: str
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True)
class KeyProof:
    """Shows whether a key-encryption key is still the one that wrapped data keys under that id; holds no secret."""

    kek_id: str
    purpose: Purpose
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True)
class KeyFault:
    """Why a process cannot do its work, by code and for the one who mends it."""

    code: str
    text: str


@dataclass(frozen=True)
class Sealed:
    """An envelope and the wrapped data key that it needs."""

    place: SecretPlace
    envelope: bytes = field(repr=False)
    data_key: WrappedKey


class SecretMissing(LookupError):
    """There is no such secret (any more): the installation was removed or its secret rotated meanwhile."""
