"""Who is calling? From a request with a token to a `Caller`, or a refusal."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.identifiers import AccountId, ClientKey, TenantId
from app.domain.installations.model import Caller, CallerKind, InstallationState, Registered
from app.domain.installations.ports import KeyDirectory
from app.domain.ports import Database, Vault
from app.domain.secrets import Purpose, Sealed, SecretMissing, SecretPlace
from app.protocol.connect_jwt import (
    ConnectClaims,
    InstallClaims,
    SignedRequest,
    unverified_issuer,
    unverified_kid,
    verify_signed_install,
)
from app.protocol.refusals import TokenRefused


class IssuerUnknown(TokenRefused):
    """No active installation has this client key."""

    code = "issuer_unknown"


class KeysUnavailable(Exception):
    """The install keys cannot be asked for at the moment."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(self.__doc__)
        self.retry_after_seconds = retry_after_seconds


def connect_place(registered: Registered, version: int) -> SecretPlace:
    """Where version `version` of the shared secret of that installation is kept."""
    return SecretPlace(registered.tenant, Purpose.CONNECT_SECRET, str(registered.installation), version)


@dataclass(frozen=True)
class Admission:
    """The three Connect gates. State and live secret versions are read from the database on every request."""

    database: Database
    vault: Vault
    install_keys: KeyDirectory
    audiences: frozenset[str]
    region: str

    def admit_connect(self, request: SignedRequest, *, mode: Literal["computed", "context"], now: datetime) -> Caller:
        """The caller of a page, webhook (`computed`) or JSON and fragment call (`context`).

        Raises a protocol `TokenRefused`, always the same to the outside.
        """
        registered = self.database.find_connect(ClientKey(unverified_issuer(request)))
        if registered is None or registered.state is not InstallationState.ACTIVE:
            raise IssuerUnknown
        claims = self.vault.check_connect_token(
            request,
            mode=mode,
            places=[connect_place(registered, version) for version in registered.live_versions(now)],
            fetch=lambda place: self._sealed(registered.tenant, place),
            audiences=self.audiences,
            now=now,
        )
        return self._caller(registered, claims)

    def admit_signed_install(self, request: SignedRequest, *, now: datetime) -> InstallClaims:
        """The claims of a lifecycle token; the body is compared with them by the operation.

        Raises `TokenRefused` or `KeysUnavailable`.
        """
        key = self.install_keys.key(unverified_kid(request))
        return verify_signed_install(request, public_key_pem=key, audiences=self.audiences, now=now)

    def _sealed(self, tenant: TenantId, place: SecretPlace) -> Sealed:
        try:
            with self.database.begin(tenant) as uow:
                return uow.tenants.sealed(place)
        except SecretMissing as gone:
            # Removed or rotated between the registry row and here.
            raise IssuerUnknown from gone

    def _caller(self, registered: Registered, claims: ConnectClaims) -> Caller:
        account = claims.account_id
        return Caller(
            tenant=registered.tenant,
            account=None if account is None else AccountId(account),
            kind=CallerKind.HOST if account is None else CallerKind.PERSON,
            environment="production",
            region=self.region,
            licence_active=claims.license_active,
        )
