"""Who can write every row of the database still opens nothing: what is sealed opens where it was sealed, or nowhere."""

from dataclasses import replace

import psycopg
import pytest

from app.domain.secrets import Purpose
from app.vault.administration import rotate
from app.vault.door import Door, SecretDoesNotOpen

SET_SEALED = "UPDATE app.sealed_secrets SET envelope = {} WHERE tenant_id = %(own)s"
SET_KEY = "UPDATE app.data_keys SET wrapped = {} WHERE tenant_id = %(own)s"
OTHERS_SEALED = "(SELECT envelope FROM app.sealed_secrets WHERE tenant_id = %(other)s)"
OTHERS_KEY = "(SELECT wrapped FROM app.data_keys WHERE tenant_id = %(other)s AND purpose = 'connect-secret')"
ATTACKS = {
    "another tenant's envelope": [SET_SEALED.format(OTHERS_SEALED)],
    "another tenant's data key": [SET_KEY.format(OTHERS_KEY)],
    "another tenant's envelope and data key": [SET_SEALED.format(OTHERS_SEALED), SET_KEY.format(OTHERS_KEY)],
    "the whole row of another tenant under the own name": [
        "UPDATE app.data_keys SET tenant_id = -1 WHERE tenant_id = %(own)s",
        "UPDATE app.sealed_secrets SET tenant_id = -1 WHERE tenant_id = %(own)s",
        "UPDATE app.data_keys SET tenant_id = %(own)s WHERE tenant_id = %(other)s",
        "UPDATE app.sealed_secrets SET tenant_id = %(own)s, row_id = %(row)s WHERE tenant_id = %(other)s",
    ],
    "the own envelope at another row": ["UPDATE app.sealed_secrets SET row_id = 'elsewhere' WHERE tenant_id = %(own)s"],
    "the own envelope as another version": ["UPDATE app.sealed_secrets SET version = 2 WHERE tenant_id = %(own)s"],
    "an envelope of another purpose": [
        "UPDATE app.data_keys SET purpose = 'connect-secret' WHERE tenant_id = %(own)s",
        "UPDATE app.sealed_secrets SET purpose = 'connect-secret' WHERE tenant_id = %(own)s",
    ],
    "the data key in the column of the envelope": [
        SET_SEALED.format("(SELECT wrapped FROM app.data_keys WHERE tenant_id = %(own)s LIMIT 1)")
    ],
    "the envelope in the column of the data key": [
        SET_KEY.format("(SELECT envelope FROM app.sealed_secrets WHERE tenant_id = %(own)s LIMIT 1)")
    ],
    "the proof in the column of the data key": [
        SET_KEY.format("(SELECT wrapped FROM registry.key_proofs WHERE purpose = 'connect-secret' LIMIT 1)")
    ],
    "another key version": ["UPDATE app.data_keys SET kek_id = %(newer)s WHERE tenant_id = %(own)s"],
    "a key version that nobody has": ["UPDATE app.data_keys SET kek_id = 'none' WHERE tenant_id = %(own)s"],
    "another data key's name": [
        "UPDATE app.data_keys SET key_id = gen_random_uuid() WHERE tenant_id = %(own)s",
        (
            "UPDATE app.sealed_secrets s SET key_id = k.key_id FROM app.data_keys k"
            " WHERE k.tenant_id = s.tenant_id AND k.tenant_id = %(own)s"
        ),
    ],
    "the envelope cut off": [SET_SEALED.format("substring(envelope FROM 1 FOR length(envelope) - 1)")],
    "the envelope made longer": [SET_SEALED.format("envelope || 'x'")],
    "the envelope emptied": [SET_SEALED.format("''")],
    "the data key cut off": [SET_KEY.format("substring(wrapped FROM 1 FOR length(wrapped) - 1)")],
    "a bit of the nonce": [SET_SEALED.format("set_bit(envelope, 9, 1 - get_bit(envelope, 9))")],
    "a bit of the format": [SET_SEALED.format("set_bit(envelope, 0, 1 - get_bit(envelope, 0))")],
    "a bit of the text": [SET_SEALED.format("set_bit(envelope, 200, 1 - get_bit(envelope, 200))")],
    "a bit of the data key": [SET_KEY.format("set_bit(wrapped, 200, 1 - get_bit(wrapped, 200))")],
}


ASKED_AT = {
    "the own envelope at another row": {"row": "elsewhere"},
    "the own envelope as another version": {"version": 2},
    "an envelope of another purpose": {"purpose": Purpose.CONNECT_SECRET},
}
"""Where it is looked for, if not where it was sealed."""


def write(database, statements, values):
    """As a superuser who heeds no foreign key."""
    with psycopg.connect(database.superuser) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            assert connection.execute(statement, values).rowcount > 0


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_superuser_moves_or_changes_does_not_open(attack, database, install, opens, keyring_path, now):
    is_of_another_purpose = "purpose" in ASKED_AT.get(attack, {})
    own, other = install(purpose=Purpose.FORGE_TOKEN if is_of_another_purpose else Purpose.CONNECT_SECRET), install()
    assert is_of_another_purpose or opens(Door.from_keyring_file(keyring_path), own)
    rotate(keyring_path, purpose=Purpose.CONNECT_SECRET, now=now)
    newer = Door.from_keyring_file(keyring_path).primaries()[Purpose.CONNECT_SECRET]
    values = {"own": own.tenant, "other": other.tenant, "row": own.place.row, "newer": newer}
    write(database, ATTACKS[attack], values)
    own.place = replace(own.place, **ASKED_AT.get(attack, {}))
    with pytest.raises(SecretDoesNotOpen):
        opens(Door.from_keyring_file(keyring_path), own)
