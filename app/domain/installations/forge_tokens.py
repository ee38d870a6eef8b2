"""System tokens of Forge installations: sealed as they come, renewed by newer ones, and a sign of life.

Source: https://developer.atlassian.com/platform/forge/remote/calling-product-apis/
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.audit.entry import Bookkeeping
from app.domain.installations.model import ForgeRegistered, InstallationState
from app.domain.ports import Database, UnitOfWork, Vault
from app.domain.secrets import Purpose, Secret, SecretPlace
from app.protocol.refusals import NotForThis

_TOKEN_LIFE = timedelta(hours=2)
"""A system token that comes straight from Forge is good for two hours at least (Forge docs, calling product APIs)."""
_TOKEN_RENEWED_AFTER = timedelta(minutes=30)
_SEEN_EVERY = timedelta(hours=1)


class InstallationUnknown(NotForThis):
    """This installation was removed; only a new one is accepted."""

    code = "unknown_installation"


@dataclass(frozen=True)
class SystemTokens:
    """The app's own access to Jira, which Forge brings with its calls and nobody can ask for."""

    database: Database
    vault: Vault

    def keep(self, registered: ForgeRegistered, system_token: Secret | None, *, now: datetime) -> None:
        """Seal the system token if it is newer than what we have by enough, and remember that the app lives.

        Raises `InstallationUnknown` where the app was removed since the call was admitted.
        """
        is_seen = now - registered.seen_at < _SEEN_EVERY
        with self.database.begin(registered.tenant) as uow:
            if is_seen and (system_token is None or _is_fresh(uow.tenants.forge_token(registered.installation), now)):
                return
        with self.database.begin(registered.tenant) as uow:
            # Calls come at once, and one of them may be the removal: what is written is decided again, alone.
            current = uow.registry.lock_forge(
                registered.forge_installation, site_name(registered.cloud_id, registered.environment)
            )
            if current is None or current.state is not InstallationState.ACTIVE:
                raise InstallationUnknown
            uow.registry.save_forge(replace(current, seen_at=now))
            known = uow.tenants.forge_token(registered.installation)
            if system_token is not None and not _is_fresh(known, now):
                self._seal(uow, registered, system_token, version=1 if known is None else known[0] + 1, now=now)
                if uow.issues.next_pending() is not None:
                    uow.enqueue("read-issues", registered.tenant)
            uow.commit(because=Bookkeeping.FORGE_SEEN)

    def _seal(
        self, uow: UnitOfWork, registered: ForgeRegistered, token: Secret, *, version: int, now: datetime
    ) -> None:
        data_key = uow.tenants.data_key(Purpose.FORGE_TOKEN)
        if data_key is None:
            data_key = self.vault.new_data_key(registered.tenant, Purpose.FORGE_TOKEN)
            uow.tenants.add_data_key(data_key, now)
        place = SecretPlace(registered.tenant, Purpose.FORGE_TOKEN, str(registered.installation), version)
        uow.tenants.add_sealed(self.vault.seal(token, place=place, data_key=data_key))
        uow.tenants.forget_sealed(place)
        uow.tenants.save_forge_token(
            registered.installation, version=version, received_at=now, expires_at=now + _TOKEN_LIFE
        )


def site_name(cloud_id: str, environment: str) -> str:
    """What only one transaction decides about at a time: the Forge installations of a site and environment."""
    return f"{cloud_id}:{environment}"


def _is_fresh(token: tuple[int, datetime] | None, now: datetime) -> bool:
    return token is not None and now - token[1] < _TOKEN_RENEWED_AFTER
