"""How the grant stands, for people and for the reports that depend on it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.clocks.model import instant_text
from app.domain.identifiers import HOUSE
from app.domain.integrations.model import ATLASSIAN, CONNECTING, Connection, State
from app.domain.ports import Database


@dataclass(frozen=True)
class IntegrationStatus:
    """What `pledge integrations status` says; no secret, and nothing that leads to one."""

    database: Database

    def read(self, *, now: datetime) -> dict[str, Any]:
        """The state in force, instants, and what is the matter."""
        known = self._known()
        is_attempting = known.open_attempt(now) is not None
        return {
            "integration": ATLASSIAN,
            "state": CONNECTING if is_attempting and known.state is not State.CONNECTED else known.state.value,
            "since": _text(known.changed_at),
            "scopes": known.scopes,
            "access_expires_at": _text(known.access_expires_at),
            "attempt_expires_at": _text(known.attempt.expires_at) if is_attempting and known.attempt else None,
            "waits_until": _text(known.waits_until) if known.waits(now) else None,
            "failures": known.failures,
            "problem": known.problem,
            "disconnected_at": _text(known.disconnected_at),
            "has_receipt": known.receipt is not None,
        }

    def receipt(self) -> str | None:
        """That of the last disconnection."""
        return self._known().receipt

    def lacking(self) -> str | None:
        """Why nobody can be asked under the grant; None = somebody can."""
        state = self._known().state
        return None if state is State.CONNECTED else f"{ATLASSIAN} is {state.value}"

    def _known(self) -> Connection:
        with self.database.begin(HOUSE) as uow:
            return uow.integrations.find()


def _text(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)
