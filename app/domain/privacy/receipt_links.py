"""Whoever asks for the deletion of everything of a site gets a link, which leads to the signed receipt afterwards.

With the deletion the page on which it was asked for is gone, and whoever asked can prove to nobody who they are: so the
link is all that is needed. It is shown once; what is stored is its hash, in a row that outlives the tenant and knows
nothing of a person. A site has one: a link that is given out later takes the place of the one before, so that asking
again helps against one that was lost, or seen by others.

It leads to the receipt of that tenant, by whose word ever it was erased: whoever asks and then removes the app gets it
too. No other tenant ever has the same number.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from app.domain.identifiers import AccountId, TenantId
from app.domain.ports import Database
from app.domain.privacy.answering import FILED_BY_SITE, Answering
from app.domain.privacy.model import RECEIPT_LINK_GOOD_FOR
from app.domain.privacy.requests import PrivacyRequest, RequestKind, Verification

_TOKEN_BYTES = 32


class NoSuchReceipt(LookupError):
    """This link leads to nothing: it never did, it expired, or another one took its place."""


@dataclass(frozen=True)
class DeletionAsked:
    """A deletion that was asked for, with the token of the link to its receipt, which nobody can tell again."""

    request: PrivacyRequest
    token: str
    expires_at: datetime


@dataclass(frozen=True)
class DeletionSeen:
    """How far a deletion is, for whoever has the link."""

    asked_at: datetime
    expires_at: datetime
    """When the link leads nowhere any more."""
    refused_at: datetime | None
    receipt: str | None
    """The signed note; None until everything is deleted."""


@dataclass(frozen=True)
class ReceiptLinks:
    """From asking to the receipt."""

    database: Database
    answering: Answering

    def ask(
        self, tenant: TenantId, *, now: datetime, by: AccountId | None, verification: Verification | None
    ) -> DeletionAsked:
        """File the request of a site for the deletion of everything; raises `VaultCannotAnswer`."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        request = self.answering.file(
            tenant,
            RequestKind.ERASURE,
            account=None,
            filed_by=FILED_BY_SITE,
            received_at=now,
            verification=verification,
            by=by,
            token_sha256=_hash(token),
        )
        return DeletionAsked(request, token, now + RECEIPT_LINK_GOOD_FOR)

    def open(self, token: str, *, now: datetime) -> DeletionSeen:
        """What that link leads to; raises `NoSuchReceipt` for every reason alike."""
        with self.database.begin() as uow:
            link = uow.receipt_links.find(_hash(token))
            if link is None or now >= link.expires_at:
                raise NoSuchReceipt(NoSuchReceipt.__doc__)
            receipt = uow.departures.receipt_of(link.tenant)
        with self.database.begin(link.tenant) as uow:
            # It goes with the tenant, whose receipt comes a little later.
            request = uow.requests.find(link.request)
        refused_at = None if request is None else request.refused_at
        return DeletionSeen(link.asked_at, link.expires_at, refused_at, receipt)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
