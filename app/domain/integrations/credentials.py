"""What a site has entrusted to us to reach it: described for its administrators, and never opened for that."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.audit.entry import Action
from app.domain.audit.model import EntryFilter
from app.domain.identifiers import HOUSE, TenantId
from app.domain.integrations.model import Connection
from app.domain.integrations.ports import Credential
from app.domain.ports import Database

_LOOKED_BACK = 2_000
"""Entries of the audit log in which the last use is looked for."""


@dataclass(frozen=True)
class Entrusted:
    """Everything of one site. `last_used` is to the minute, by purpose; what is longer ago is not in it."""

    credentials: tuple[Credential, ...]
    last_used: Mapping[str, datetime]
    grant: Connection
    """The vendor's own, under which accounts may be reported: the same for every site."""


@dataclass(frozen=True)
class Entrustments:
    """Describes credentials; it has no vault, and could open none."""

    database: Database

    def of(self, tenant: TenantId) -> Entrusted:
        """Of that site; raises `DatabaseUnavailable`."""
        with self.database.begin(tenant) as uow:
            held = uow.credentials.held()
            wanted = EntryFilter(action=Action.SECRETS_OPENED)
            page = uow.seen_log.newest(wanted, before=None, limit=_LOOKED_BACK, window=_LOOKED_BACK)
        with self.database.begin(HOUSE) as uow:
            grant = uow.integrations.find()
        used: dict[str, datetime] = {}
        for seen in page.entries:
            if seen.stored is not None:
                purpose = seen.stored.target.removeprefix("purpose/")
                used.setdefault(purpose, _minute(seen.stored.detail, otherwise=seen.stored.at))
        return Entrusted(held, used, grant)


def _minute(detail: Mapping[str, Any], *, otherwise: datetime) -> datetime:
    try:
        return datetime.fromisoformat(str(detail.get("minute")))
    except ValueError:
        return otherwise
