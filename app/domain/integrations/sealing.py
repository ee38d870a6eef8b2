"""Secrets of the grant on their way into the vault, and out of it into a request: never into a variable of ours."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.identifiers import HOUSE
from app.domain.integrations.model import Part, place_of
from app.domain.integrations.ports import Fill
from app.domain.keys.operations import own_data_key
from app.domain.ports import Database, UnitOfWork, Vault
from app.domain.secrets import Purpose, Sealed, Secret, SecretMissing, SecretPlace, VaultCannotAnswer


class GrantGone(VaultCannotAnswer):
    """The secret of this grant is not there any more: it was disconnected, or renewed, since it was looked for."""


@dataclass(frozen=True)
class Keeping:
    """Where the secrets of the grant are."""

    database: Database
    vault: Vault

    def seal(self, uow: UnitOfWork, part: Part, secret: Secret, *, version: int, now: datetime) -> None:
        """Keep that secret, and forget its earlier versions; raises `VaultCannotAnswer`."""
        place = place_of(part, version)
        data_key = own_data_key(uow, self.vault, HOUSE, purpose=Purpose.OAUTH_TOKEN, now=now)
        uow.tenants.replace_sealed(self.vault.seal(secret, place=place, data_key=data_key), kept_since=version)

    def filling(self, fields: Mapping[str, SecretPlace]) -> Fill:
        """What puts these secrets into a form, by the name of the field."""

        def fill(form: MutableMapping[str, str]) -> None:
            for name, place in fields.items():
                self.vault.put_in_form(form, name, place=place, fetch=self._fetch)

        return fill

    def stamp(self, headers: MutableMapping[str, str], *, version: int) -> None:
        """Put the access token on a request that is about to go; raises `VaultCannotAnswer`."""
        self.vault.stamp(headers, place=place_of(Part.ACCESS, version), fetch=self._fetch)

    def _fetch(self, place: SecretPlace) -> Sealed:
        try:
            with self.database.begin(HOUSE) as uow:
                return uow.tenants.sealed(place)
        except SecretMissing as gone:
            raise GrantGone(GrantGone.__doc__) from gone
