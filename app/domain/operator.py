"""What an operator's command asks for; implemented by the wiring."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from app.domain.backup.model import Manifest
from app.domain.backup.restoring import Restored
from app.domain.keys.operations import KeyUpkeep
from app.domain.privacy.register import Declared
from app.domain.quota.queries import Standing
from app.domain.secrets import Purpose
from app.domain.services import Services


class KeyOperations(Protocol):
    """What an operator does with the keyring; only what says so needs a database. Facts about keys, no secrets."""

    def init(self) -> Sequence[Mapping[str, str]]:
        """Make a keyring; returns the facts about its keys."""

    def status(self) -> Sequence[Mapping[str, str]]:
        """Facts about every key of the file."""

    def faults(self) -> tuple[str, ...]:
        """Why a process with this keyring is not ready; asks the database where it can be reached."""

    def rotate(self, purpose: Purpose | Literal["all"]) -> Sequence[Mapping[str, str]]:
        """A new primary in the file; what it wraps from now on is the business of `upkeep`."""

    def export(self, file: Path, *, purposes: Sequence[Purpose], replace: bool) -> Sequence[Mapping[str, str]]:
        """A keyring for a process that needs no more than these purposes."""

    def retire(self, kek_id: str) -> Sequence[Mapping[str, str]]:
        """That key opens nothing any more; raises `KeyStillNeeded`, `DatabaseUnavailable`."""

    def destroy(self, kek_id: str) -> Sequence[Mapping[str, str]]:
        """That retired key is gone from the file."""

    def counts(self) -> Mapping[tuple[Purpose, str], int]:
        """How many stored data keys each key wraps; raises `DatabaseUnavailable`, `SettingsRefused`."""

    def upkeep(self) -> AbstractContextManager[KeyUpkeep]:
        """Work on stored data keys; raises `DatabaseUnavailable` before any is begun, `SettingsRefused`."""


class BackupOperations(Protocol):
    """What is done with backups; `progress` hears how far it is."""

    def make_key(self) -> str:
        """A new key of backups, first in its file; returns its id."""

    def make(self, path: Path, *, progress: Callable[[str], None]) -> Manifest:
        """A backup of the database as it is now, in a new file."""

    def check(self, path: Path, *, progress: Callable[[str], None]) -> Manifest:
        """Read that backup to its end, and touch no database; raises `BackupRefused`."""

    def restore(self, path: Path, *, progress: Callable[[str], None]) -> Restored:
        """Bring that backup back into an empty database; raises `BackupRefused`, `DatabaseNotEmpty` and more."""

    def seal(self, source: Path | None, target: Path, *, key_file: Path) -> None:
        """Any file, or standard input, into a new sealed one; one that holds the same already is left as it is."""

    def unseal(self, source: Path, target: Path, *, key_file: Path) -> None:
        """What was sealed, into a new file; raises `BackupRefused`."""

    def finish(self, *, recovered_to: datetime, progress: Callable[[str], None]) -> Restored:
        """What a restore does after it has loaded, on a database that its server has recovered to that instant."""


class Operations(Protocol):
    """What an operator asks of a set-up, also of a broken or empty one; each method needs only what it is about."""

    known_errors: tuple[type[Exception], ...]
    """What these methods raise with a text that is written for the operator."""

    def settings(self) -> Mapping[str, str]:
        """Every setting with the value in force; raises `SettingsRefused`, which says how to mend it."""

    def database_upgrade(self) -> str:
        """Migrate to the newest version, and grant; returns the version."""

    def database_roles(self) -> str:
        """SQL that makes the roles and grants."""

    def database_findings(self) -> tuple[str, ...]:
        """What is wrong with the catalogue; empty when all rules hold."""

    def database_rewrite(self) -> Iterator[str]:
        """Write every table anew, so that its files hold no deleted rows; the names, each before its turn."""

    def keys(self) -> "KeyOperations":
        """What is done with the keyring."""

    def backups(self) -> "BackupOperations":
        """What is done with backups."""

    def audit_init(self, *, name: str | None) -> str:
        """Make a checkpoint key for logs of that name (without one: that of this app); returns the verifier's key."""

    def audit_check(self) -> None:
        """Raises where a checkpoint key is named that cannot be used."""

    def setup_findings(self, *, processes: int) -> tuple[str, ...]:
        """What so many web processes, or a worker, would stumble over; raises `SettingsRefused`."""

    def connect_descriptor(self) -> Mapping[str, object]:
        """The Connect descriptor of this cell."""

    def connect_descriptor_faults(self) -> tuple[str, ...]:
        """What Atlassian would refuse in it."""

    def forge_manifest(self, *, moved_from_connect: str | None) -> Mapping[str, object]:
        """The Forge manifest; with the address of a guide, the variant for an app that was a Connect app."""

    def forge_manifest_faults(self, manifest: Mapping[str, object]) -> tuple[str, ...]:
        """What would not work in it, though Atlassian's validator accepts it."""

    def write_forge_app(self, folder: Path, manifest: Mapping[str, object]) -> None:
        """A folder for `forge deploy`: manifest and built pages; needs Node."""

    def validate_forge_app(self, folder: Path) -> tuple[str, ...]:
        """What Atlassian's own validator says of that folder; needs Node."""

    def policy_text(self, name: str) -> str:
        """The text of a policy file; raises `LookupError`."""

    def policy_names(self) -> tuple[str, ...]:
        """The policies at hand."""

    def existing_checks(self) -> Mapping[str, str]:
        """The test modules of this checkout, text by path; empty where there is none."""

    def public_pages(self) -> tuple[str, ...]:
        """The addresses that anyone may see."""

    def personal_data(self) -> tuple[Declared, ...]:
        """The register of personal data; needs no database."""

    def serve_web(self, *, host: str, port: int, processes: int) -> None:
        """Serve HTTP until told to stop."""

    def run_worker(self) -> None:
        """Run jobs until told to stop."""

    def private_database(self) -> AbstractContextManager[Mapping[str, str]]:
        """The private PostgreSQL, running; yields the environment that points at it."""

    def jobs(self, states: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """The jobs in one of these states (`todo`, `doing`, `failed`), newest first: id, status, task, args."""

    def retry_job(self, job: int) -> None:
        """Give a failed job back to the queue; raises `LookupError`."""

    def quota(self) -> Standing:
        """How Jira's quota stands; raises `DatabaseUnavailable`, `SettingsRefused`."""

    def services(self) -> AbstractContextManager[Services]:
        """The use cases, on the worker's database."""
