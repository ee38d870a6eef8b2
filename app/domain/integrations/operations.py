"""Everything that is done with the grant, for edge, jobs and commands."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.integrations.connecting import Connecting
from app.domain.integrations.disconnecting import Disconnecting
from app.domain.integrations.queries import IntegrationStatus


@dataclass(frozen=True)
class Integrations:
    """The use cases of the one integration there is."""

    connecting: Connecting
    disconnecting: Disconnecting
    status: IntegrationStatus

    def tend(self, *, now: datetime) -> None:
        """Whatever is due: an exchange, an attempt that is over, a revocation, a receipt."""
        self.connecting.finish(now=now)
        self.disconnecting.go_on(now=now)
