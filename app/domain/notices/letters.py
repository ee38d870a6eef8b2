"""Digests made into messages, each with a link of its own by which its reader is told no more."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from secrets import token_urlsafe
from uuid import uuid4

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import TenantId
from app.domain.installations.model import Tenant
from app.domain.notices import wording
from app.domain.notices.model import Digest, Medium, Recipient, RecipientId, thread_of
from app.domain.notices.ports import Link, Parcel, Undeliverable
from app.domain.ports import Database, Vault
from app.domain.secrets import Purpose, Sealed, SecretMissing, SecretPlace

_TOKEN_BYTES = 32
_LINK_KEPT = timedelta(days=180)
"""How long the link in a message lets its reader unsubscribe."""


def new_token() -> str:
    """256 random bits, for an address."""
    return token_urlsafe(_TOKEN_BYTES)


def hash_of(token: str) -> bytes:
    """What is stored of a token: who reads the database cannot use it."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def address_place(tenant: TenantId, recipient: RecipientId) -> SecretPlace:
    """Where the sealed address of a recipient is."""
    return SecretPlace(tenant, Purpose.MAIL_ADDRESS, f"recipient/{recipient}", 1)


@dataclass(frozen=True)
class Letters:
    """Makes messages. The address stays sealed until the vault puts it on one that is about to go."""

    database: Database
    vault: Vault
    base_url: str
    """Ours, for the link."""

    def of_digest(self, digest: Digest, site: Tenant, *, now: datetime) -> Parcel:
        """The message of a digest."""
        recipient, clocks = digest.recipient, digest.clocks
        thread = thread_of(digest.tenant, clocks[0].name) if digest.total == 1 else str(recipient.recipient)
        subject = wording.subject_of(clocks, digest.total, now=now)
        parcel = Parcel(
            name=digest.digest, tenant=digest.tenant, thread=thread, subject=subject, text="", at=now,
            is_repeated=digest.attempt > 1,
        )  # fmt: skip
        if recipient.medium is Medium.JIRA_COMMENT:
            text = wording.comment_of(clocks[0], zone=recipient.zone)
            return replace(parcel, text=text, issue=clocks[0].name.issue)
        text = wording.text_of(clocks, digest.total, site_url=site.display_url, zone=recipient.zone, now=now)
        return self._addressed(replace(parcel, text=text), recipient, site)

    def of_summary(self, recipient: Recipient, site: Tenant, *, sent: int, waiting: int, now: datetime) -> Parcel:
        """What somebody who oversees is told of a run that had more messages than may be sent."""
        subject, text = wording.summary_of(sent, waiting)
        parcel = Parcel(
            name=uuid4(), tenant=site.tenant, thread=f"{site.tenant}/cap", subject=subject, text=text, at=now,
            is_repeated=False,
        )  # fmt: skip
        return self._addressed(parcel, recipient, site)

    def _addressed(self, parcel: Parcel, recipient: Recipient, site: Tenant) -> Parcel:
        url = f"{self.base_url}/unsubscribe/{self._new_link(site.tenant, recipient.recipient, now=parcel.at)}"
        return replace(
            parcel,
            text=parcel.text + wording.footer_of(site.display_url, url),
            unsubscribe_url=url,
            address=partial(
                self.vault.put_address,
                place=address_place(site.tenant, recipient.recipient),
                fetch=partial(self._sealed, site.tenant),
            ),
        )

    def _new_link(self, tenant: TenantId, recipient: RecipientId, *, now: datetime) -> str:
        """Only its hash is kept, so that each message needs one of its own."""
        token = new_token()
        with self.database.begin(tenant) as uow:
            uow.links.forget(tenant, recipient, before=now - _LINK_KEPT)
            uow.links.add(Link(hash_of(token), tenant, "unsubscribe", recipient), now=now)
            uow.commit(because=Bookkeeping.LINK_MADE)
        return token

    def _sealed(self, tenant: TenantId, place: SecretPlace) -> Sealed:
        try:
            with self.database.begin(tenant) as uow:
                return uow.tenants.sealed(place)
        except SecretMissing as gone:
            # Removed or unsubscribed since it was claimed: nobody is there any more.
            raise Undeliverable from gone
