"""System tokens of Forge installations: sealed as they come, renewed by newer ones, and a sign of life.

Source: https://developer.atlassian.com/platform/forge/remote/calling-product-apis/
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.installations.app_versions import is_later
from app.domain.installations.model import ForgeRegistered, InstallationState
from app.domain.keys.operations import own_data_key
from app.domain.ports import Database, UnitOfWork, Vault
from app.domain.secrets import Purpose, Secret, SecretPlace
from app.protocol.forge_fit import ForgeInvocation
from app.protocol.refusals import NotForThis

_TOKEN_LIFE = timedelta(hours=2)
"""A system token that comes straight from Forge is good for two hours at least (Forge docs, calling product APIs)."""
_TOKEN_RENEWED_AFTER = timedelta(minutes=30)
_SEEN_EVERY = timedelta(hours=1)


class InstallationUnknown(NotForThis):
    """This installation was removed, or is another site's; only a new one is accepted."""

    code = "unknown_installation"


@dataclass(frozen=True)
class SystemTokens:
    """The app's own access to Jira, which Forge brings with its calls and nobody can ask for."""

    database: Database
    vault: Vault

    def keep(
        self, registered: ForgeRegistered, invocation: ForgeInvocation, *, system_token: Secret | None, now: datetime
    ) -> None:
        """Seal the system token if it is newer by enough than ours, and remember that the app lives and its version.

        What is newer is told by when the invocation was issued, never by when it came: nothing binds the headers to
        it, and whoever repeats one with a token of their own would else plant that. So a call that comes again, under
        whatever headers, changes nothing, however much time has passed, also where it brought no token at first: where
        one is wanted, only a call that was issued after all those seen before it may bring it. Raises
        `InstallationUnknown` where the app was removed, or linked to another tenant, since the call was admitted.
        """
        at = invocation.issued_at
        # A row that was made or brought back at this very instant is this call's doing, which so is its first.
        seen_before = None if registered.seen_at == now else registered.seen_at
        is_known = at - registered.seen_at < _SEEN_EVERY and not is_later(
            invocation.app_version, registered.app_version
        )
        with self.database.begin(registered.tenant) as uow:
            if is_known and not _is_wanted(uow.tenants.forge_token(registered.installation), at, seen_before):
                return
        with self.database.begin(registered.tenant) as uow:
            # Calls come at once, and one of them may be the removal: what is written is decided again, alone.
            current = uow.registry.lock_forge(
                registered.forge_installation, site_name(registered.cloud_id, registered.environment)
            )
            if current is None or current.state is not InstallationState.ACTIVE or current.tenant != registered.tenant:
                raise InstallationUnknown
            if seen_before is not None:
                seen_before = current.seen_at
            is_news = is_later(invocation.app_version, current.app_version)
            version = invocation.app_version if is_news else current.app_version
            uow.registry.save_forge(replace(current, seen_at=max(at, current.seen_at), app_version=version))
            known = uow.tenants.forge_token(registered.installation)
            # With a later version it always is taken: only that token carries what an administrator just agreed to.
            if system_token is not None and (is_news or _is_wanted(known, at, seen_before)):
                self._seal(uow, registered, system_token, version=1 if known is None else known[0] + 1, at=at)
                if uow.issues.next_pending() is not None:
                    uow.enqueue("read-issues", registered.tenant)
                if known is None:
                    # What the first contact asked for may have been tried without it, and would wait for its next try.
                    uow.enqueue("sync-issues", registered.tenant)
            uow.commit(because=_upgrade(current, version) if is_news else Bookkeeping.FORGE_SEEN)

    def _seal(self, uow: UnitOfWork, registered: ForgeRegistered, token: Secret, *, version: int, at: datetime) -> None:
        data_key = own_data_key(uow, self.vault, registered.tenant, purpose=Purpose.FORGE_TOKEN, now=at)
        place = SecretPlace(registered.tenant, Purpose.FORGE_TOKEN, str(registered.installation), version)
        uow.tenants.replace_sealed(self.vault.seal(token, place=place, data_key=data_key), kept_since=version)
        uow.tenants.save_forge_token(
            registered.installation, version=version, received_at=at, expires_at=at + _TOKEN_LIFE
        )


def site_name(cloud_id: str, environment: str) -> str:
    """What only one transaction decides about at a time: the Forge installations of a site and environment."""
    return f"{cloud_id}:{environment}"


def _upgrade(current: ForgeRegistered, version: str | None) -> AuditEvent | Bookkeeping:
    if current.app_version is None:
        # Known since before versions were kept: nothing is known to have changed.
        return Bookkeeping.FORGE_SEEN
    return AuditEvent(
        Action.INSTALLATION_UPGRADED,
        "atlassian",
        f"installation/{current.installation}",
        {"from_version": current.app_version, "to_version": version},
    )


def _is_wanted(token: tuple[int, datetime] | None, at: datetime, seen_before: datetime | None) -> bool:
    is_fresh = token is not None and at - token[1] < _TOKEN_RENEWED_AFTER
    return not is_fresh and (seen_before is None or at > seen_before)
