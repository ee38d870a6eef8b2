"""Before this process serves anybody: does the database keep tenants apart? Asked once, and until the answer is yes."""

import threading
import time
from collections.abc import Callable

from sqlalchemy import Engine

from app.store import tables as _tables  # noqa: F401  its import fills the metadata
from app.store.catalogue import listing_findings, structure_findings
from app.store.db import Base
from app.store.revision import newest_revision, stored_revision

_AGAIN_AFTER_SECONDS = 15.0
"""`/readyz` is open to all: what a process that serves nobody asks of the database must not depend on who asks it."""


class StartCheck:
    """The catalogue as this process found it. `elapsed` is a monotonic clock in seconds."""

    def __init__(self, engine: Engine, *, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._found: tuple[str, ...] | None = None
        self._asked_at = 0.0

    def findings(self) -> tuple[str, ...]:
        """Every violation, as a sentence; empty for good once it was empty. Raises what the driver raises."""
        with self._lock:
            now = self._elapsed()
            if self._found is None or (self._found and now - self._asked_at >= _AGAIN_AFTER_SECONDS):
                self._found, self._asked_at = self._ask(), now
            return self._found

    def _ask(self) -> tuple[str, ...]:
        with self._engine.connect() as connection:
            found = structure_findings(connection)
            if stored_revision(connection) == newest_revision():
                # A newer schema, which is good for this code too, has more than this code has written down.
                found += listing_findings(connection, expected=Base.metadata)
            return found
