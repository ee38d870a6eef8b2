"""The part of the composition root that `pledge doctor` asks: over what would a process of this configuration stumble?

Each question is asked whatever the others have found. Keyring, signing key and catalogue are asked elsewhere.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.domain.backup.erasures import LedgerUnfit
from app.domain.ports import DatabaseUnavailable
from app.domain.promises.shelf import PolicyShelf
from app.edge import limits, metrics
from app.setting_values import PREFIX, required
from app.settings import Settings, check_processes
from app.store import administration, windows
from app.store.administration import ServerFacts
from app.store.row_security import BACKUP, OWNER, WEB, WORKER
from app.vault.backup_key import BackupKeyFile
from app.vault.client_secret import ClientSecretFile
from app.wiring_services import erasure_ledger, policy_text

_ROLES = {
    "database_url": WEB,
    "database_worker_url": WORKER,
    "database_owner_url": OWNER,
    "database_backup_url": BACKUP,
}
_CLOCKS_APART_SECONDS = 30.0
"""The leeway that a token has."""


@dataclass(frozen=True)
class SetUp:
    """What was configured, and how it is to be run."""

    settings: Settings
    processes: int
    """How many web processes there are to be."""
    connections: int
    """To the database, of all of them and one worker."""
    clock: Callable[[], datetime]

    def findings(self, known: tuple[type[Exception], ...]) -> tuple[str, ...]:
        """What is wrong, each as a sentence with its remedy; errors of these kinds are such sentences."""
        found: list[str] = []
        for question in _QUESTIONS:
            try:
                found.extend(question(self))
            except known as fault:
                found.append(str(fault))
        return tuple(dict.fromkeys(found))


def _hosts(given: SetUp) -> Iterator[str]:
    if given.settings.connect_app_key is None and given.settings.forge_app_id is None:
        yield f"{PREFIX}CONNECT_APP_KEY and {PREFIX}FORGE_APP_ID are not set; without either every call answers 404"


def _policy(given: SetUp) -> Iterator[str]:
    try:
        policy_text(given.settings.policy)
    except LookupError:
        yield f"{PREFIX}POLICY is {given.settings.policy!r}; `pledge policy list` names those that there are"
    else:
        PolicyShelf(policy_text).in_force(given.settings.policy)


def _limits(given: SetUp) -> Sequence[str]:
    limits.rates(given.settings.rate_limits or ())
    return ()


def _shared_store(given: SetUp) -> Iterator[str]:
    check_processes(given.settings, processes=given.processes)
    if given.settings.redis_url is not None:
        fault = windows.fault_of(given.settings.redis_url)
        if fault is not None:
            yield f"{PREFIX}REDIS_URL: the shared store does not answer ({fault}); each process counts for itself"


def _metrics(given: SetUp) -> Sequence[str]:
    metrics.token_sha256(given.settings.metrics_token_file)
    return ()


def _worker(given: SetUp) -> Iterator[str]:
    """Only where a worker is configured: a web process is given neither key nor anchor."""
    if given.settings.database_worker_url is not None:
        required("AUDIT_SIGNING_KEY_FILE", given.settings.audit_signing_key_file)
        anchor = required("AUDIT_ANCHOR", given.settings.audit_anchor)
        if not _can_be_written(anchor):
            yield f"{PREFIX}AUDIT_ANCHOR: {anchor} cannot be written here; the log would wait for its anchor"


def _ledger(given: SetUp) -> Iterator[str]:
    """Needed by whoever erases, and whoever makes or restores a backup."""
    settings = given.settings
    if settings.database_worker_url is None and settings.database_backup_url is None:
        return
    ledger = required("ERASURE_LEDGER", settings.erasure_ledger)
    if ledger == settings.audit_anchor:
        yield f"{PREFIX}ERASURE_LEDGER and {PREFIX}AUDIT_ANCHOR are one file, {ledger}; give each a file of its own"
    elif not _can_be_written(ledger):
        yield f"{PREFIX}ERASURE_LEDGER: {ledger} cannot be written here; nothing could be erased"
    elif ledger.exists():
        try:
            erasure_ledger(settings).mark()
        except LedgerUnfit as fault:
            yield f"{PREFIX}ERASURE_LEDGER: {fault}; bring back the one that was kept"


def _backups(given: SetUp) -> Sequence[str]:
    # The database of development has a role for backups whether any are made or not.
    if given.settings.database_backup_url is not None and not given.settings.is_development:
        BackupKeyFile(required("BACKUP_KEY_FILE", given.settings.backup_key_file))
    return ()


def _exports(given: SetUp) -> Iterator[str]:
    folder = given.settings.export_dir
    if folder is not None and not _can_be_written(folder / "export"):
        yield f"{PREFIX}EXPORT_DIR: {folder} cannot be written here; no export could be made"


def _client_secret(given: SetUp) -> Sequence[str]:
    if given.settings.database_worker_url is not None and given.settings.oauth_client_secret_file is not None:
        ClientSecretFile(given.settings.oauth_client_secret_file).check()
    return ()


def _can_be_written(file: Path) -> bool:
    place = next(each for each in (file, *file.absolute().parents) if each.exists())
    return place.is_dir() is (place != file) and os.access(place, os.W_OK)


def _databases(given: SetUp) -> Iterable[str]:
    met: dict[str, ServerFacts] = {}
    for name, role in _ROLES.items():
        url: str | None = getattr(given.settings, name)
        if url is None:
            continue
        setting = PREFIX + name.upper()
        try:
            found = met[setting] = administration.facts_of(url)
        except DatabaseUnavailable as fault:
            yield str(fault)
            continue
        if found.user != role:
            yield f"{setting} connects as {found.user}; it has to be {role}, which has all rights it needs"
        apart = abs((given.clock() - found.at).total_seconds())
        if apart > _CLOCKS_APART_SECONDS:
            yield f"the clocks of this machine and of the database are {apart:.0f} s apart; set them by NTP"
        if found.forgetful and not given.settings.is_development:
            # "Acknowledged" is told to Atlassian, which then never sends it again.
            yield f"the database has {found.forgetful} off; what was acknowledged could be lost, switch that on"
    if len({found.place for found in met.values()}) > 1:
        yield f"{' and '.join(met)} do not all lead to the same database; give each the same host, port and name"
    least = min((found.connections for found in met.values()), default=given.connections)
    if least < given.connections:
        yield (
            f"the database takes {least} connections, and {given.processes} web processes and a worker open up to"
            f" {given.connections}; raise its max_connections, or run fewer processes"
        )


_QUESTIONS: tuple[Callable[[SetUp], Iterable[str]], ...] = (
    _hosts,
    _policy,
    _limits,
    _shared_store,
    _metrics,
    _worker,
    _ledger,
    _backups,
    _exports,
    _client_secret,
    _databases,
)
