"""What an envelope and a wrapped data key are bound to: moved to another place, neither opens.

The bytes are those of `_cipher`. Everything bound is part of the format: a change here takes a new format
number.
"""

from uuid import UUID

from app.domain.identifiers import TenantId
from app.domain.secrets import Purpose, SecretPlace
from app.vault._cipher import Plain, associated, close, disclose


def seal(plain: Plain, *, place: SecretPlace, key_id: UUID, data_key: Plain) -> bytes:
    return close(plain, key=data_key, bound_to=secret_binding(place, key_id))


def unseal(envelope: bytes, *, place: SecretPlace, key_id: UUID, data_key: Plain) -> Plain:
    """Raises DoesNotDecrypt.

    `place` is where the secret was looked for, not where the row says it belongs: who can write rows can
    write both.
    """
    return disclose(envelope, key=data_key, bound_to=secret_binding(place, key_id))


def secret_binding(place: SecretPlace, key_id: UUID) -> bytes:
    return associated("secret", str(place.tenant), place.purpose.value, str(key_id), place.row, str(place.version))


def proof_binding(purpose: Purpose) -> bytes:
    """Of what only shows which key wrapped it: never to be taken for a data key."""
    return associated("proof", purpose.value)


def data_key_binding(tenant: TenantId, purpose: Purpose, key_id: UUID) -> bytes:
    """The keyring adds the id of the key-encryption key, which only it knows."""
    return associated("data key", str(tenant), purpose.value, str(key_id))
