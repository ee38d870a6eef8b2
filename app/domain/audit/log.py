"""The audit log as a whole: what is done with it, over one database, one key and one anchor."""

from collections.abc import Callable
from dataclasses import dataclass

from app.domain.audit.looking import AuditLooks
from app.domain.audit.operations import Sequencing
from app.domain.audit.ports import Anchor, CheckpointKey
from app.domain.audit.queries import AuditQueries
from app.domain.audit.verification import Verification
from app.domain.ports import Database


@dataclass(frozen=True)
class AuditLog:
    """Key and anchor are asked for by whoever needs them: a web process, which only adds entries, has neither."""

    database: Database
    key: Callable[[], CheckpointKey]
    anchor: Callable[[], Anchor]

    @property
    def sequencing(self) -> Sequencing:
        """What moves it."""
        return Sequencing(self.database, self.key, self.anchor)

    @property
    def queries(self) -> AuditQueries:
        """What leaves it."""
        return AuditQueries(self.database, self.key)

    @property
    def looks(self) -> AuditLooks:
        """What is seen of it without key and anchor."""
        return AuditLooks(self.database)

    @property
    def verification(self) -> Verification:
        """Whether it is what it was."""
        return Verification(self.database, self.key, self.anchor)
