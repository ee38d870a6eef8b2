"""Who is told: added and removed by administrators, gone by their own word with one click."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.audit.entry import Action, AuditEvent
from app.domain.identifiers import AccountId, TenantId
from app.domain.keys.operations import own_data_key
from app.domain.notices.letters import address_place, hash_of
from app.domain.notices.model import Medium, Recipient, RecipientId, Standing
from app.domain.ports import Database, UnitOfWork, Vault
from app.domain.privacy.persons import by_person
from app.domain.secrets import Purpose, Secret
from app.domain.sentences import Sentence

MOST = 500
"""Recipients of one tenant."""
_UNFIT = Sentence("Mail needs an address and nothing else does; a site has at most %(most)s recipients.", most=MOST)


class RecipientUnfit(ValueError):
    """Mail needs an address and nothing else does; a site has at most so many recipients."""


class RecipientUnknown(LookupError):
    """There is no such recipient."""


@dataclass(frozen=True)
class Recipients:
    """Keeps the list of those who are told. `actor` is `administrator` or `operator`."""

    database: Database
    vault: Vault

    def list_all(self, tenant: TenantId) -> Sequence[Recipient]:
        """Every recipient of that tenant; without addresses, which nobody can read."""
        with self.database.begin(tenant) as uow:
            return uow.recipients.list_all()

    def add(
        self,
        tenant: TenantId,
        recipient: Recipient,
        *,
        address: Secret | None,
        actor: str,
        by: AccountId | None = None,
    ) -> None:
        """Tell them from now on. Raises `RecipientUnfit`, `VaultCannotAnswer`."""
        with self.database.begin(tenant) as uow:
            is_mail = recipient.medium is Medium.MAIL
            if is_mail is (address is None) or len(uow.recipients.list_all()) >= MOST:
                raise RecipientUnfit(_UNFIT)
            if address is not None:
                place, at = address_place(tenant, recipient.recipient), recipient.added_at
                data_key = own_data_key(uow, self.vault, tenant, purpose=Purpose.MAIL_ADDRESS, now=at)
                uow.tenants.add_sealed(self.vault.seal(address, place=place, data_key=data_key))
            uow.recipients.add(recipient)
            event = AuditEvent(Action.RECIPIENT_ADDED, actor, _target(recipient.recipient))
            at = recipient.added_at
            uow.commit(because=by_person(event, by, uow=uow, vault=self.vault, tenant=tenant, now=at))

    def remove(
        self, tenant: TenantId, recipient: RecipientId, *, actor: str, now: datetime, by: AccountId | None = None
    ) -> None:
        """Forget them, their address and what waits for them; raises `RecipientUnknown`, `VaultCannotAnswer`."""
        with self.database.begin(tenant) as uow:
            if not uow.recipients.remove(recipient):
                raise RecipientUnknown(RecipientUnknown.__doc__)
            _forget_address(uow, tenant, recipient)
            event = AuditEvent(Action.RECIPIENT_REMOVED, actor, _target(recipient))
            uow.commit(because=by_person(event, by, uow=uow, vault=self.vault, tenant=tenant, now=now))

    def unsubscribe(self, token: str) -> None:
        """Whoever has the link is told no more; an unknown one does nothing, and nobody learns that."""
        with self.database.begin() as uow:
            link = uow.links.find(hash_of(token), "unsubscribe")
            if link is None:
                return
            recipient = RecipientId(link.subject)
            uow.enter(link.tenant)
            if uow.recipients.change(recipient, standing=Standing.UNSUBSCRIBED):
                _forget_address(uow, link.tenant, recipient)
                uow.notices.discard(recipient)
                uow.commit(because=AuditEvent(Action.RECIPIENT_UNSUBSCRIBED, "recipient", _target(recipient)))


def _forget_address(uow: UnitOfWork, tenant: TenantId, recipient: RecipientId) -> None:
    uow.links.forget(tenant, recipient)
    place = address_place(tenant, recipient)
    uow.tenants.forget_sealed(replace(place, version=place.version + 1))


def _target(recipient: RecipientId) -> str:
    return f"recipient/{recipient}"
