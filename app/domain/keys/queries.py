"""What is known about keys in use: who wraps how much, and whether this process has the keys that it needs."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.domain.identifiers import HOUSE, TenantId
from app.domain.ports import Database, DatabaseUnavailable, Vault
from app.domain.secrets import KeyFault, Purpose

NO_DATABASE = KeyFault(
    "database_unavailable_or_not_migrated", "the database cannot be reached, or `pledge db upgrade` is due"
)


def each_tenant(database: Database) -> Iterator[TenantId]:
    """Every tenant there is, in order of id, also those that are gone: their data keys may be needed again."""
    last = TenantId(0)
    while True:
        with database.begin() as uow:
            page = uow.registry.page_tenants(after=last)
        if not page:
            return
        yield from page
        last = page[-1]


def each_key_holder(database: Database) -> Iterator[TenantId]:
    """The same, and last our own house, whose grants are sealed with keys of its own."""
    yield from each_tenant(database)
    yield HOUSE


@dataclass(frozen=True)
class KeyUse:
    """How many data keys each key-encryption key wraps."""

    database: Database

    def counts(self) -> Mapping[tuple[Purpose, str], int]:
        """By purpose and id of the key-encryption key, over all tenants; raises `DatabaseUnavailable`."""
        found: Counter[tuple[Purpose, str]] = Counter()
        for tenant in each_key_holder(self.database):
            with self.database.begin(tenant) as uow:
                found.update(uow.tenants.count_data_keys())
        return found


@dataclass(frozen=True)
class Readiness:
    """Whether a process can do its work."""

    database: Database
    vault: Vault
    needed: frozenset[Purpose]
    """Whose keys this process cannot do without."""

    def faults(self) -> tuple[KeyFault, ...]:
        """What is missing; empty when all is there. A key that is retired this very moment is looked at twice."""
        return self._faults() and self._faults()

    def _faults(self) -> tuple[KeyFault, ...]:
        faults = self.vault.faults(needed=self.needed, proofs=())
        if faults:
            return faults
        if not self.database.is_current():
            return (NO_DATABASE,)
        try:
            with self.database.begin() as uow:
                # Read before the keyring is looked at: a key is in the file before anything is wrapped under it.
                proofs = uow.registry.list_key_proofs()
        except DatabaseUnavailable:
            return (NO_DATABASE,)
        return self.vault.faults(needed=self.needed, proofs=proofs)
