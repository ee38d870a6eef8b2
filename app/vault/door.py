"""The one door to secrets. Its methods answer questions; none returns what an envelope holds.

What trusting it costs: this process's memory holds the key-encryption keys for as long as it runs, and each
opened secret for less than a minute.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal, NoReturn, TypeVar
from uuid import uuid4

from app.domain.identifiers import TenantId
from app.domain.secrets import (
    KeyFault,
    KeyProof,
    Purpose,
    Sealed,
    Secret,
    SecretPlace,
    VaultCannotAnswer,
    WrappedKey,
)
from app.protocol.connect_jwt import (
    ConnectClaims,
    SignedRequest,
    sign_app_request,
    verify_context_token,
    verify_signed_request,
)
from app.protocol.refusals import SignatureWrong
from app.vault import _envelope
from app.vault._cipher import DoesNotDecrypt, Plain, random_key
from app.vault._keyring import FileKeyring, KekNotHeld, Keyring, PurposeNotHeld
from app.vault._keyring_file import KeyFacts, KeyringUnusable, KeyState
from app.vault._opened import CAPACITY, Opened, OpenedSecrets

__all__ = [
    "Door",
    "KeyFacts",
    "KeyState",
    "KeyringUnusable",
    "PurposeNotHeld",
    "SecretDoesNotOpen",
    "SecretNotSealable",
    "VaultStatus",
]

_Answer = TypeVar("_Answer")
_BEARERS = frozenset({Purpose.FORGE_TOKEN, Purpose.OAUTH_TOKEN})
_VERIFIERS = {"computed": verify_signed_request, "context": verify_context_token}


class SecretDoesNotOpen(VaultCannotAnswer):
    """A stored secret does not open: it was changed or moved, or its key is lost or retired."""

    def __init__(self, tenant: TenantId, purpose: Purpose) -> None:
        super().__init__(f"a {purpose} of tenant {tenant} does not open: changed, moved, or its key is lost or retired")


class SecretNotSealable(ValueError):
    """A secret must be text that is not empty and that UTF-8 can carry."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True)
class VaultStatus:
    """What `pledge doctor` may know."""

    keys: tuple[KeyFacts, ...]
    """The keys of this process that open something; retired ones are left out."""
    flaw: str | None
    """Why a changed keyring file could not be taken over, if so."""

    @property
    def purposes(self) -> frozenset[Purpose]:
        """What this process may open."""
        return frozenset(key.purpose for key in self.keys)

    @property
    def primaries(self) -> Mapping[Purpose, KeyFacts]:
        """The key of each purpose that wraps new data keys."""
        return {key.purpose: key for key in self.keys if key.state is KeyState.PRIMARY}


class Door:
    """Seals, checks and signs; safe between threads.

    `monotonic` is read in seconds, for nothing but the time that opened secrets are kept.
    """

    def __init__(
        self,
        keyring: Keyring,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        capacity: int = CAPACITY,
    ) -> None:
        self._keyring = keyring
        self._opened = OpenedSecrets(monotonic=monotonic, capacity=capacity)
        self._counts: Counter[tuple[TenantId, Purpose]] = Counter()
        self._counts_lock = threading.Lock()

    @classmethod
    def from_keyring_file(
        cls,
        path: Path,
        *,
        purposes: Collection[Purpose] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> "Door":
        """A door on the keys of that file, or on those of the given purposes only.

        Raises KeyringUnusable.
        """
        return cls(FileKeyring(path, purposes=purposes), monotonic=monotonic)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Door is neither pickled nor copied")

    def new_data_key(self, tenant: TenantId, purpose: Purpose) -> WrappedKey:
        """A fresh random data key, wrapped under the primary key-encryption key of that purpose.

        Raises PurposeNotHeld.
        """
        key_id = uuid4()
        kek_id, wrapped = self._keyring.wrap(
            purpose, data_key=random_key(), binding=_envelope.data_key_binding(tenant, purpose, key_id)
        )
        return WrappedKey(tenant=tenant, purpose=purpose, key_id=key_id, kek_id=kek_id, wrapped=wrapped)

    def seal(self, secret: Secret, *, place: SecretPlace, data_key: WrappedKey) -> Sealed:
        """An envelope that opens only at that place.

        Raises SecretNotSealable, SecretDoesNotOpen (the data key is not of that tenant and purpose),
        PurposeNotHeld.
        """
        plain = _plain(secret)
        key = self._unwrap(data_key, tenant=place.tenant, purpose=place.purpose)
        envelope = _envelope.seal(plain, place=place, key_id=data_key.key_id, data_key=key)
        return Sealed(place=place, envelope=envelope, data_key=data_key)

    def check_connect_token(
        self,
        request: SignedRequest,
        *,
        mode: Literal["computed", "context"],
        places: Sequence[SecretPlace],
        fetch: Callable[[SecretPlace], Sealed],
        audiences: frozenset[str],
        now: datetime,
    ) -> ConnectClaims:
        """The claims of a token that the secret at one of `places` (newest first) signed.

        `fetch` is called only for a secret that was not opened within the last minute. Only a signature that
        does not fit moves on to the next place: an expired token stays expired.

        Raises a protocol `Refusal` (SignatureWrong also for no place at all), SecretDoesNotOpen,
        PurposeNotHeld, ValueError for a place of another purpose, and whatever `fetch` raises.
        """
        verify = partial(_VERIFIERS[mode], request, audiences=audiences, now=now)
        refusal = SignatureWrong()
        for place in places:
            try:
                return self._answer(place, fetch=fetch, question=verify)
            except SignatureWrong as error:
                refusal = error
        raise refusal

    def sign_connect_token(
        self,
        *,
        method: str,
        target: str,
        base_path: str,
        app_key: str,
        client_key: str,
        place: SecretPlace,
        fetch: Callable[[SecretPlace], Sealed],
        now: datetime,
    ) -> str:
        """A token for one call from the app to its site; errors as in `check_connect_token`."""
        sign = partial(
            sign_app_request,
            method=method,
            target=target,
            base_path=base_path,
            app_key=app_key,
            client_key=client_key,
            now=now,
        )
        return self._answer(place, fetch=fetch, question=sign)

    def stamp(
        self, headers: MutableMapping[str, str], *, place: SecretPlace, fetch: Callable[[SecretPlace], Sealed]
    ) -> None:
        """Put the bearer token at that place on a request that is about to go; errors as in `check_connect_token`."""
        if place.purpose not in _BEARERS:
            raise ValueError(f"a {place.purpose} is no bearer token")
        secret = self._opened.find(place) or self._open_fetched(place, fetch)
        headers["Authorization"] = f"Bearer {secret.reveal().decode()}"
        self._count(place, secret)

    def put_address(
        self, fields: MutableMapping[str, str], *, place: SecretPlace, fetch: Callable[[SecretPlace], Sealed]
    ) -> None:
        """Put the mail address at that place on a message that is about to go; errors as in `check_connect_token`."""
        if place.purpose is not Purpose.MAIL_ADDRESS:
            raise ValueError(f"a {place.purpose} is no address")
        address = self._opened.find(place) or self._open_fetched(place, fetch)
        fields["To"] = address.reveal().decode()
        self._count(place, address)

    def put_in_form(
        self,
        form: MutableMapping[str, str],
        field: str,
        *,
        place: SecretPlace,
        fetch: Callable[[SecretPlace], Sealed],
    ) -> None:
        """Put what is at that place into a form that is about to go to who gave it; errors as in
        `check_connect_token`.
        """
        if place.purpose is not Purpose.OAUTH_TOKEN:
            # Each of the others has a place of its own on a request, and none is for an authorization server.
            raise ValueError(f"a {place.purpose} goes into no form")
        secret = self._opened.find(place) or self._open_fetched(place, fetch)
        form[field] = secret.reveal().decode()
        self._count(place, secret)

    def stamp_fresh(self, headers: MutableMapping[str, str], *, token: Secret) -> None:
        """The same with a token that came with this very request and has no place yet."""
        headers["Authorization"] = f"Bearer {token.reveal()}"

    def reseal(self, sealed: Sealed | WrappedKey) -> WrappedKey:
        """The same data key under the current primary; unchanged if it is there already. No envelope changes.

        Raises SecretDoesNotOpen, PurposeNotHeld.
        """
        data_key = sealed.data_key if isinstance(sealed, Sealed) else sealed
        if data_key.kek_id == self._keyring.primary(data_key.purpose):
            return data_key
        kek_id, wrapped = self._keyring.wrap(
            data_key.purpose,
            data_key=self._unwrap(data_key, tenant=data_key.tenant, purpose=data_key.purpose),
            binding=_envelope.data_key_binding(data_key.tenant, data_key.purpose, data_key.key_id),
        )
        return replace(data_key, kek_id=kek_id, wrapped=wrapped)

    def primaries(self) -> Mapping[Purpose, str]:
        """The id of the key-encryption key that wraps, of each purpose that this process holds."""
        return {purpose: key.kek_id for purpose, key in self.status().primaries.items()}

    def prove(self, purpose: Purpose) -> KeyProof:
        """What shows later whether a key is the one that is primary now.

        Raises PurposeNotHeld.
        """
        kek_id, wrapped = self._keyring.wrap(purpose, data_key=random_key(), binding=_envelope.proof_binding(purpose))
        return KeyProof(kek_id, purpose, wrapped)

    def faults(self, *, needed: Collection[Purpose], proofs: Sequence[KeyProof]) -> tuple[KeyFault, ...]:
        """Why this process could not open what it has to: a broken file, a needed purpose, a missing or wrong key."""
        status = self.status()
        broken = [] if status.flaw is None else [KeyFault("keyring_flawed", status.flaw)]
        lacking = [
            KeyFault("keyring_lacks_purpose", f"PLEDGE_KEYRING_FILE has no key for {purpose}, which this process needs")
            for purpose in sorted(set(needed) - status.purposes)
        ]
        doubts = [self._doubt(proof) for proof in proofs if proof.purpose in status.purposes]
        return (*broken, *lacking, *(doubt for doubt in doubts if doubt is not None))

    def _doubt(self, proof: KeyProof) -> KeyFault | None:
        try:
            self._keyring.unwrap(
                proof.purpose,
                kek_id=proof.kek_id,
                wrapped=proof.wrapped,
                binding=_envelope.proof_binding(proof.purpose),
            )
        except (KekNotHeld, PurposeNotHeld):
            why = "lacks the key {}, under which stored data keys are wrapped; restore the file that has it"
            return KeyFault("keyring_key_missing", f"PLEDGE_KEYRING_FILE {why.format(proof.kek_id)}")
        except DoesNotDecrypt:
            why = "has under the id {} another key than the one that wrapped stored data keys; restore that file"
            return KeyFault("keyring_key_wrong", f"PLEDGE_KEYRING_FILE {why.format(proof.kek_id)}")
        return None

    def status(self) -> VaultStatus:
        """Which keys this process holds, and since when they exist."""
        return VaultStatus(keys=self._keyring.facts(), flaw=self._keyring.flaw())

    def take_open_counts(self) -> Mapping[tuple[TenantId, Purpose], int]:
        """How many secrets were opened and used since the last call; whoever takes the counts has to audit them.

        A secret that was opened for a token which then proved to be bad is not counted until it is of use: a stranger
        could fill the audit log of a tenant otherwise.
        """
        with self._counts_lock:
            taken, self._counts = self._counts, Counter()
        return dict(taken)

    def _answer(
        self,
        place: SecretPlace,
        *,
        fetch: Callable[[SecretPlace], Sealed],
        question: Callable[..., _Answer],
    ) -> _Answer:
        """What `question` says when it is given the secret at `place` as `key`."""
        if place.purpose is not Purpose.CONNECT_SECRET:
            # an OAuth token accepted as a signing secret would let its other holders sign as the site
            raise ValueError(f"a {place.purpose} signs no Connect token")
        secret = self._opened.find(place) or self._open_fetched(place, fetch)
        try:
            answer = question(key=secret.reveal())
        except BaseException as error:
            # the frames below hold the secret as a plain variable, and error reports print variables
            _forget_frames(error)
            raise error
        self._count(place, secret)
        return answer

    def _count(self, place: SecretPlace, secret: Opened) -> None:
        if not secret.is_counted:
            with self._counts_lock:
                self._counts[place.tenant, place.purpose] += not secret.is_counted
                secret.is_counted = True

    def _open_fetched(self, place: SecretPlace, fetch: Callable[[SecretPlace], Sealed]) -> Opened:
        sealed = fetch(place)
        try:
            return self._open(place, sealed)
        except SecretDoesNotOpen:
            # Since it was read its data key may have been wrapped anew, and the former key retired.
            again = fetch(place)
            if again.data_key == sealed.data_key:
                raise
        return self._open(place, again)

    def _open(self, place: SecretPlace, sealed: Sealed) -> Opened:
        key = self._unwrap(sealed.data_key, tenant=place.tenant, purpose=place.purpose)
        try:
            secret = _envelope.unseal(sealed.envelope, place=place, key_id=sealed.data_key.key_id, data_key=key)
        except DoesNotDecrypt as error:
            raise SecretDoesNotOpen(place.tenant, place.purpose) from error
        opened = Opened(secret.reveal())
        self._opened.keep(place, opened)
        return opened

    def _unwrap(self, data_key: WrappedKey, *, tenant: TenantId, purpose: Purpose) -> Plain:
        """`tenant` and `purpose` are those of the place: what the row says of itself proves nothing."""
        try:
            return self._keyring.unwrap(
                purpose,
                kek_id=data_key.kek_id,
                wrapped=data_key.wrapped,
                binding=_envelope.data_key_binding(tenant, purpose, data_key.key_id),
            )
        except (DoesNotDecrypt, KekNotHeld) as error:
            raise SecretDoesNotOpen(tenant, purpose) from error


def _plain(secret: Secret) -> Plain:
    encoded = _encoded(secret)
    if encoded is None:
        raise SecretNotSealable
    return encoded


def _encoded(secret: Secret) -> Plain | None:
    """None instead of an error: that of the codec carries the whole secret."""
    try:
        return Plain(secret.reveal().encode()) if secret.reveal() else None
    except UnicodeEncodeError:
        return None


def _forget_frames(error: BaseException) -> None:
    """The error and all that led to it keep their words and lose their frames."""
    chain: list[BaseException | None] = [error]
    seen: set[int] = set()
    while chain:
        link = chain.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            link.__traceback__ = None
            chain += [link.__cause__, link.__context__]
