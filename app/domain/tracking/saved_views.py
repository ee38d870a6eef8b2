"""What a person keeps of the lists that they look at: filters and columns, under a name of their own.

A view holds no fact, only what is asked for: it shows whatever its owner may see when they open it.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from app.domain.audit.entry import Bookkeeping
from app.domain.identifiers import AccountId
from app.domain.installations.model import Caller
from app.domain.ports import Database
from app.domain.tracking.ports import SavedView

MOST = 20
"""Views of one person on one site."""
LONGEST_NAME = 60
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


class ViewNameMalformed(ValueError):
    """A name has from 1 to 60 characters, none of which is a control character."""


class TooManyViews(Exception):
    """That person has as many views as a person may have."""


class ViewUnknown(LookupError):
    """The caller has no such view."""


@dataclass(frozen=True)
class SavedViews:
    """Keeps, lists and forgets the views of whoever asks."""

    database: Database

    def of(self, who: Caller) -> Sequence[SavedView]:
        """The caller's own, by name."""
        with self.database.begin(who.tenant) as uow:
            return uow.views.of(_owner(who))

    def save(self, who: Caller, name: str, *, query: str, now: datetime) -> None:
        """Keep it, in place of the caller's own of that name; raises `ViewNameMalformed`, `TooManyViews`."""
        view = SavedView(uuid4(), _checked(name), query)
        with self.database.begin(who.tenant) as uow:
            names = {each.name for each in uow.views.of(_owner(who))}
            if view.name not in names and len(names) >= MOST:
                raise TooManyViews(TooManyViews.__doc__)
            uow.views.save(_owner(who), view, now=now)
            uow.commit(because=Bookkeeping.VIEW_KEPT)

    def forget(self, who: Caller, view: UUID) -> None:
        """Raises `ViewUnknown`, also where it is somebody else's."""
        with self.database.begin(who.tenant) as uow:
            if not uow.views.remove(_owner(who), view):
                raise ViewUnknown(ViewUnknown.__doc__)
            uow.commit(because=Bookkeeping.VIEW_KEPT)


def _owner(who: Caller) -> AccountId:
    return AccountId(who.account or "")


def _checked(name: str) -> str:
    shown = " ".join(unicodedata.normalize("NFC", name).split())
    if not 1 <= len(shown) <= LONGEST_NAME or any(unicodedata.category(each) in _UNSEEN for each in shown):
        raise ViewNameMalformed(ViewNameMalformed.__doc__)
    return shown
