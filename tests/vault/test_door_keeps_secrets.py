"""No way out: the door returns no secret, and no accident shows one."""

import base64
import copy
import gc
import inspect
import io
import json
import logging
import pickle
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import timedelta
from types import NoneType

import pytest

from app.domain.identifiers import TenantId
from app.domain.secrets import KeyFault, KeyProof, Purpose, Sealed, Secret, SecretPlace, WrappedKey
from app.protocol.connect_jwt import ConnectClaims, SignedRequest, verify_signed_request
from app.protocol.refusals import Refusal
from app.vault import _cipher, _envelope, _keyring, _keyring_file, administration
from app.vault import door as door_module
from app.vault.administration import rotate
from app.vault.door import Door, SecretDoesNotOpen, VaultStatus

CANARY = "CANARY-shared-secret-that-must-never-be-shown-7f3a"
FORMS = (
    CANARY,
    repr(CANARY.encode())[2:-1],
    base64.b64encode(CANARY.encode()).decode()[:40],
    CANARY.encode().hex(),
    str(list(CANARY.encode()))[1:40],
)
MAY_LEAVE = {
    "new_data_key": WrappedKey,
    "seal": Sealed,
    "check_connect_token": ConnectClaims,
    "sign_connect_token": str,
    "stamp": NoneType,
    "stamp_fresh": NoneType,
    "put_address": NoneType,
    "put_in_form": NoneType,
    "reseal": WrappedKey,
    "primaries": Mapping[Purpose, str],
    "prove": KeyProof,
    "faults": tuple[KeyFault, ...],
    "status": VaultStatus,
    "take_open_counts": Mapping[tuple[TenantId, Purpose], int],
    "from_keyring_file": Door,
}
"""The whole surface of the door. A new method is a new line here, and a reviewer's question."""


def _shows_none(text: str) -> bool:
    return not any(form in text for form in FORMS)


def _everything_in(value: object) -> list[object]:
    """The value and all that can be reached from it without entering the door, modules or classes."""
    reached: dict[int, object] = {}
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in reached or isinstance(one, (type, Door)) or inspect.ismodule(one) or callable(one):
            continue
        reached[id(one)] = one
        waiting += gc.get_referents(one)
    return list(reached.values())


@pytest.fixture
def place(shelf) -> SecretPlace:
    return shelf.put(CANARY)


def test_no_public_method_is_annotated_to_return_plaintext():
    public = {
        name: typing.get_type_hints(inspect.unwrap(getattr(Door, name)))["return"]
        for name, _ in inspect.getmembers(Door, callable)
        if not name.startswith("_")
    }
    assert public == MAY_LEAVE


def test_nothing_that_may_leave_has_a_field_for_plaintext():
    """Bytes leave in three fields only, and all are ciphertext."""
    carried = {}
    waiting = [kind for kind in MAY_LEAVE.values() if is_dataclass(kind)]
    for kind in waiting:
        for name, hint in typing.get_type_hints(kind).items():
            carried[kind.__name__, name] = hint
            waiting += [hint] if is_dataclass(hint) and hint not in waiting else []
    assert {where for where, hint in carried.items() if hint is bytes} == {
        ("WrappedKey", "wrapped"),
        ("Sealed", "envelope"),
        ("KeyProof", "wrapped"),
    }
    assert not [where for where, hint in carried.items() if hint in (Secret, _cipher.Plain)]


def test_no_function_that_an_operator_calls_returns_a_key():
    for name in administration.__all__:
        function = getattr(administration, name)
        if inspect.isfunction(function):
            assert typing.get_type_hints(function)["return"] == tuple[_keyring_file.KeyFacts, ...]


def test_no_public_method_returns_plaintext(shelf, place, check, sign, token, keyring_path, now):
    door = shelf.door
    former = shelf.rows[place].data_key
    answers = [shelf.rows[place], check(token(CANARY), place), sign(place), door.status(), door.take_open_counts()]
    data_key = door._unwrap(former, tenant=place.tenant, purpose=place.purpose).reveal()
    rotate(keyring_path, purpose="all", now=now)
    answers += [door.reseal(shelf.rows[place]), door.new_data_key(place.tenant, place.purpose), door.status()]
    proof = door.prove(place.purpose)
    answers += [proof, door.primaries(), door.faults(needed=Purpose, proofs=[replace(proof, wrapped=b"")])]
    keks = [kek.key.reveal() for kek in door._keyring._keys]
    reached = _everything_in(answers)
    assert any(one == former.kek_id for one in reached)
    for one in reached:
        assert not isinstance(one, (_cipher.Plain, Secret))
        if isinstance(one, str):
            assert _shows_none(one)
        if isinstance(one, bytes):
            assert not any(secret in one for secret in (CANARY.encode(), data_key, *keks))


def test_no_text_made_of_anything_the_vault_gives_or_holds_shows_a_secret(shelf, place, check, token):
    check(token(CANARY), place)
    opened = shelf.door._opened
    things = [
        Secret(CANARY),
        shelf.rows[place],
        shelf.door,
        shelf.door.status(),
        shelf.door._keyring,
        shelf.door._keyring._keys,
        opened,
        opened._entries,
    ]
    for thing in things:
        for show in (repr, str, "{}".format, "{!r:>200}".format, lambda one: f"{[one]} { ({'key': one}) }"):
            assert _shows_none(show(thing))
    assert CANARY.encode() in [plain.reveal() for _, plain in opened._entries.values()]


def test_no_repr_of_a_dataclass_shows_secret_or_ciphertext(shelf, place):
    sealed = shelf.rows[place]
    for shown in (repr(sealed), repr(sealed.data_key)):
        for ciphertext in (sealed.envelope, sealed.data_key.wrapped):
            assert repr(ciphertext)[2:20] not in shown
            assert ciphertext.hex()[:20] not in shown
    for module in (door_module, _keyring, _keyring_file, _envelope, _cipher):
        for kind in vars(module).values():
            if isinstance(kind, type) and is_dataclass(kind):
                assert not [one.name for one in fields(kind) if one.type in (bytes, "bytes") and one.repr]


@pytest.mark.parametrize(
    "give_away", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, lambda one: json.dumps([one])]
)
def test_what_holds_a_secret_is_neither_pickled_nor_copied_nor_serialised(shelf, place, check, token, give_away):
    check(token(CANARY), place)
    door = shelf.door
    for thing in (Secret(CANARY), door, door._keyring._keys[0].key, door._opened.find(place)):
        with pytest.raises(TypeError) as refusal:
            give_away(thing)
        assert _shows_none(str(refusal.value))


@pytest.mark.parametrize("give_away", [pickle.dumps, asdict])
def test_a_key_encryption_key_is_neither_pickled_nor_taken_apart(door, give_away):
    with pytest.raises(TypeError):
        give_away(door._keyring._keys[0])


def test_a_pickled_envelope_holds_no_plaintext(shelf, place):
    assert CANARY.encode() not in pickle.dumps(shelf.rows[place])


def _failing(shelf, place, check, sign, token, now) -> dict:
    """Every way in which a call fails once the secret is in the door's hands."""
    good, sealed, unopened = token(CANARY), shelf.rows[place], replace(place, version=2)
    expired = token(CANARY, at=now - timedelta(hours=1))

    def damaged(_: SecretPlace) -> Sealed:
        return replace(sealed, envelope=sealed.envelope[:-1] + b"\0")

    def no_data_key(_: SecretPlace) -> Sealed:
        return replace(sealed, data_key=replace(sealed.data_key, wrapped=b"\x01" + bytes(60)))

    return {
        "bad signature": lambda: check(good[:-6] + "AAAAAA", place),
        "signed by another": lambda: check(token("another-secret-of-nobody-we-know-000000003"), place),
        "no token": lambda: check("CANARY", place),
        "expired": lambda: check(expired, place),
        "another request": lambda: check(token(CANARY, qsh="0" * 64), place),
        "wrong kind of token": lambda: check(good, place, mode="context"),
        "a fault of the caller in the verifier": lambda: check(good, place, now=now.replace(tzinfo=None)),
        "a fault of the caller in the signer": lambda: shelf.door.sign_connect_token(
            method="GET", target=7, base_path="", app_key="", client_key="", place=place, fetch=shelf.fetch, now=now
        ),
        "damaged envelope": lambda: check(good, unopened, fetch=damaged),
        "damaged data key": lambda: check(good, unopened, fetch=no_data_key),
        "sealed elsewhere": lambda: shelf.door.seal(
            Secret(CANARY), place=replace(place, tenant=TenantId(9)), data_key=sealed.data_key
        ),
        "not text": lambda: shelf.door.seal(Secret(CANARY + "\ud800"), place=place, data_key=sealed.data_key),
    }


def test_no_failure_shows_a_secret_not_even_with_the_variables_of_every_frame(
    shelf, place, check, sign, token, now, report
):
    for name, fails in _failing(shelf, place, check, sign, token, now).items():
        for temperature in ("cold", "warm"):
            with pytest.raises((Refusal, SecretDoesNotOpen, ValueError, TypeError, AttributeError)) as failure:
                fails()
            assert _shows_none(report(failure.value)), (name, temperature)


def test_the_report_used_here_would_show_a_secret(token, now, report):
    """The check of the check: the same failure, not through the door."""
    request = SignedRequest(method="GET", raw_target="/", base_path="", token=token(CANARY))
    with pytest.raises(Refusal) as failure:
        verify_signed_request(request, key=CANARY.encode(), audiences=frozenset(), now=now)
    assert not _shows_none(report(failure.value))


def test_causes_keep_their_words_and_lose_their_frames(shelf, place, check, token, now):
    with pytest.raises(ValueError, match="now must be aware") as failure:
        check(token(CANARY), place, now=now.replace(tzinfo=None))
    frames = [entry.name for entry in failure.traceback]
    assert frames[-1] == "_answer"


def _raised(error: BaseException) -> BaseException:
    try:
        raise error
    except type(error):
        return error


def test_the_frames_of_every_cause_and_context_are_lost():
    error, cause, context, deeper = (_raised(kind()) for kind in (ValueError, LookupError, KeyError, OSError))
    error.__cause__, error.__context__, cause.__context__ = cause, context, deeper
    assert None not in [one.__traceback__ for one in (error, cause, context, deeper)]
    door_module._forget_frames(error)
    assert [one.__traceback__ for one in (error, cause, context, deeper)] == [None] * 4
    assert (error.__cause__, error.__context__, cause.__context__) == (cause, context, deeper)


def test_a_logged_failure_shows_no_secret(shelf, place, check, token):
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger = logging.Logger("vault", logging.DEBUG)
    logger.addHandler(handler)
    try:
        check(token(CANARY)[:-6] + "AAAAAA", place)
    except Refusal:
        logger.exception("refused %s %r", Secret(CANARY), shelf.door)
    assert "SignatureWrong" in written.getvalue()
    assert _shows_none(written.getvalue())


def test_a_message_names_tenant_and_purpose_and_no_ciphertext(shelf, place, check, token):
    sealed = shelf.rows[place]
    shelf.rows[place] = replace(sealed, envelope=sealed.envelope[:-1])
    with pytest.raises(SecretDoesNotOpen) as failure:
        check(token(CANARY), place)
    assert str(failure.value).startswith("a connect-secret of tenant 3 does not open")
    cause = failure.value.__cause__
    while cause is not None:
        assert str(cause) == ""
        cause = cause.__cause__
