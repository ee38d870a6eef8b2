"""A grant that the vendor has at somebody else's, and an attempt to get one."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.identifiers import HOUSE
from app.domain.secrets import Purpose, SecretPlace

ATLASSIAN = "atlassian"
"""The one integration there is: the vendor's own grant, under which people's accounts are reported. It is the house's,
no tenant's: its rows are those of tenant 0, its changes are in our own log."""
TARGET = f"integration/{ATLASSIAN}"
NEEDED = frozenset({"report:personal-data"})
ASKED = NEEDED | {"offline_access"}
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 30, 3600


class State(StrEnum):
    """How the grant stands. An attempt to connect is beside it: one that fails leaves a good grant as it is."""

    NOT_CONNECTED = "not connected"
    CONNECTED = "connected"
    NEEDS_RECONNECTING = "needs reconnecting"
    DISCONNECTING = "disconnecting"
    """Nothing is done under it any more; its provider has not confirmed the revocation yet."""
    DISCONNECTED = "disconnected"


CONNECTING = "connecting"
"""Shown where there is no grant and an attempt is open."""


class Stage(StrEnum):
    """How far an attempt is; none goes back, so that neither state nor code is used twice."""

    ASKED = "asked"
    ANSWERED = "answered"
    """The browser is back; the code waits, sealed."""
    EXCHANGING = "exchanging"


class Part(StrEnum):
    """What is sealed, each in a place of its own."""

    VERIFIER = "verifier"
    CODE = "code"
    ACCESS = "access"
    REFRESH = "refresh"


@dataclass(frozen=True)
class Attempt:
    """Somebody is to consent in a browser."""

    version: int
    """Of the sealed verifier and code."""
    state_sha256: bytes = field(repr=False)
    """Enough to know `state` again; whoever reads the database cannot say it."""
    redirect_uri: str
    expires_at: datetime
    stage: Stage = Stage.ASKED


@dataclass(frozen=True)
class Connection:
    """The row of an integration; no secret. Versions only count up: an opened secret is kept by place and version."""

    state: State
    changed_at: datetime | None = None
    """None = never."""
    attempt: Attempt | None = None
    attempt_version: int = 0
    access_version: int = 0
    refresh_version: int = 0
    scopes: str | None = None
    access_expires_at: datetime | None = None
    leased_until: datetime | None = None
    """Until then one process, and no other, speaks with the provider."""
    waits_until: datetime | None = None
    failures: int = 0
    problem: str | None = None
    """A code of ours: why the last thing failed."""
    disconnected_at: datetime | None = None
    erased_secrets: int = 0
    receipt: str | None = None

    def bare(self) -> "Connection":
        """What stays when everything else goes: the versions, so that none is given twice, and the last receipt."""
        return Connection(
            self.state,
            attempt_version=self.attempt_version,
            access_version=self.access_version,
            refresh_version=self.refresh_version,
            disconnected_at=self.disconnected_at,
            receipt=self.receipt,
        )

    def open_attempt(self, now: datetime) -> Attempt | None:
        """The attempt that can still succeed."""
        return self.attempt if self.attempt is not None and now < self.attempt.expires_at else None

    def is_held(self, now: datetime) -> bool:
        """Whether a process speaks with the provider."""
        return self.leased_until is not None and now < self.leased_until

    def waits(self, now: datetime) -> bool:
        """Whether nobody is to ask the provider yet."""
        return self.waits_until is not None and now < self.waits_until


def place_of(part: Part, version: int) -> SecretPlace:
    """Where a secret of the grant is."""
    return SecretPlace(HOUSE, Purpose.OAUTH_TOKEN, f"{ATLASSIAN}:{part}", version)


def pause_after(failures: int, retry_after_seconds: int | None) -> timedelta:
    """For how long nobody asks, after so many failures in a row: as the provider said, else twice as long each time."""
    if retry_after_seconds is not None:
        return timedelta(seconds=retry_after_seconds)
    return timedelta(seconds=min(_FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 10), _LONGEST_PAUSE_SECONDS))
