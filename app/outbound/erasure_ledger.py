"""The ledger of erasures as a file that only grows: a line that names it, then one JSON line per erasure.

Format law of `pledge-erasures-1`: the first line has the format and a salt; each other line `at`, `tenant`, `since`
(when that tenant began) and, where a person was erased, `account`: HMAC-SHA-256 of the account id under the salt. Its
worth is its place: not on the disk of the database, and not in its backups.
"""

import fcntl
import hashlib
import hmac
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from app.domain.backup.erasures import AccountErased, LedgerUnfit, TenantErased
from app.domain.backup.model import LedgerMark
from app.domain.identifiers import TenantId

FORMAT = "pledge-erasures-1"
_SALT_BYTES = 32


class ErasureLedgerFile:
    """See `app.domain.backup.ports.ErasureLedger`. Several processes may record, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, erased: TenantErased | AccountErased) -> None:
        """Returns when the disk has it."""
        with self._opened() as (descriptor, salt):
            entry: dict[str, Any] = {
                "at": erased.at.isoformat(),
                "tenant": erased.tenant,
                "since": erased.since.isoformat(),
            }
            if isinstance(erased, AccountErased):
                entry["account"] = _hash_of(erased.account, salt)
            _append(descriptor, entry)

    def mark(self) -> LedgerMark:
        """Which ledger, and how many lines."""
        with self._opened() as (_, salt):
            return LedgerMark(ledger=_name_of(salt), erasures=sum(1 for _ in self._lines()))

    def refuse_unless_follows(self, mark: LedgerMark) -> None:
        """Also where there is none: an empty one would forget whatever was erased."""
        if not self._path.exists():
            raise LedgerUnfit(f"there is no ledger of erasures at {self._path}; bring it there")
        found = self.mark()
        if found.ledger != mark.ledger:
            raise LedgerUnfit(
                f"{self._path} is another ledger ({found.ledger}) than that of the backup ({mark.ledger})"
            )
        if found.erasures < mark.erasures:
            raise LedgerUnfit(f"{self._path} has {found.erasures} erasures, it had {mark.erasures} at the backup")

    def tenants(self) -> Iterator[TenantErased]:
        """In their order."""
        for number, entry in self._lines():
            if "account" not in entry:
                tenant, since, at = self._parts(number, entry)
                yield TenantErased(tenant, since, at)

    def accounts(self, *, since: datetime) -> Mapping[tuple[TenantId, datetime], Callable[[str], bool]]:
        """By hash."""
        with self._opened() as (_, salt):
            found: dict[tuple[TenantId, datetime], set[str]] = defaultdict(set)
            for number, entry in self._lines():
                tenant, began, at = self._parts(number, entry)
                if "account" in entry and at >= since:
                    found[tenant, began].add(str(entry["account"]))
        return {key: partial(_is_among, hashes, salt) for key, hashes in found.items()}

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, bytes]]:
        """Locked, and begun where there was none; with its salt."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_size == 0:
                _append(descriptor, {"format": FORMAT, "salt": os.urandom(_SALT_BYTES).hex()})
                _keep_name(self._path)
            yield descriptor, self._salt()
        finally:
            os.close(descriptor)

    def _salt(self) -> bytes:
        with self._path.open("rb") as file:
            first = _parsed(file.readline())
        if first is None or first.get("format") != FORMAT:
            raise LedgerUnfit(f"{self._path} does not begin as a ledger of {FORMAT}")
        try:
            salt = bytes.fromhex(first["salt"])
        except (KeyError, TypeError, ValueError):
            salt = b""
        if len(salt) != _SALT_BYTES:
            raise LedgerUnfit(f"{self._path} has no salt in its first line")
        return salt

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every erasure. One that a power cut left half written was not confirmed to anybody, and is left out."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                entry = _parsed(line)
                if entry is None and b"}" in line:
                    raise LedgerUnfit(f"{self._path}, line {number}: is damaged")
                if number > 1 and entry is not None:
                    yield number, entry

    def _parts(self, number: int, entry: dict[str, Any]) -> tuple[TenantId, datetime, datetime]:
        try:
            since, at = (datetime.fromisoformat(entry[name]) for name in ("since", "at"))
            return TenantId(int(entry["tenant"])), since, at
        except (KeyError, TypeError, ValueError) as fault:
            raise LedgerUnfit(f"{self._path}, line {number}: is damaged") from fault


def _append(descriptor: int, entry: dict[str, Any]) -> None:
    size = os.fstat(descriptor).st_size
    # A line that a power cut left half written stays alone on its line.
    gap = b"" if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n" else b"\n"
    line = gap + json.dumps(entry).encode() + b"\n"
    if os.write(descriptor, line) != len(line):
        raise OSError("the ledger of erasures was not written as a whole")
    os.fsync(descriptor)


def _keep_name(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _name_of(salt: bytes) -> str:
    return hashlib.sha256(b"pledge ledger" + salt).hexdigest()[:16]


def _hash_of(account: str, salt: bytes) -> str:
    return hmac.new(salt, account.encode(), hashlib.sha256).hexdigest()


def _is_among(hashes: set[str], salt: bytes, account: str) -> bool:
    return _hash_of(account, salt) in hashes
