"""Keyrings and doors for the tests of the vault."""

import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest

from app.domain.identifiers import TenantId
from app.domain.secrets import Purpose, Sealed, Secret, SecretPlace
from app.protocol.connect_jwt import SignedRequest
from app.protocol.connect_qsh import query_hash
from app.vault.administration import create_keyring
from app.vault.door import Door

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
_TARGET = "/connect/issue?issueId=10042"


class Clock:
    """A monotonic clock that moves when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Shelf:
    """Sealed secrets by place, as a database would keep them; remembers what it was asked for."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.rows: dict[SecretPlace, Sealed] = {}
        self.fetched: list[SecretPlace] = []

    def put(self, text: str, *, row: str = "7", version: int = 1, tenant: int = 3) -> SecretPlace:
        place = SecretPlace(TenantId(tenant), Purpose.CONNECT_SECRET, row, version)
        data_key = self.door.new_data_key(place.tenant, place.purpose)
        self.rows[place] = self.door.seal(Secret(text), place=place, data_key=data_key)
        return place

    def fetch(self, place: SecretPlace) -> Sealed:
        self.fetched.append(place)
        return self.rows[place]


def error_report(error: BaseException) -> str:
    """What an error collector sends: the whole chain with the local variables of every frame but the tests' own."""
    frame = error.__traceback__
    while frame is not None and Path(frame.tb_frame.f_code.co_filename).parent == Path(__file__).parent:
        frame = frame.tb_next
    report = traceback.TracebackException(type(error), error, frame, capture_locals=True)
    return "".join(report.format()) + repr(error) + str(error.args)


@pytest.fixture
def report() -> Callable[[BaseException], str]:
    return error_report


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def keyring_path(tmp_path: Path) -> Path:
    path = tmp_path / "keyring.json"
    create_keyring(path, now=NOW)
    return path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(keyring_path: Path, clock: Clock) -> Door:
    return Door.from_keyring_file(keyring_path, monotonic=clock)


@pytest.fixture
def shelf(door: Door) -> Shelf:
    return Shelf(door)


@pytest.fixture
def token(now):
    """As Jira signs: with a secret, for one request or for the app's own pages."""

    def token(secret: str, *, qsh: str | None = None, at: datetime = now) -> str:
        claims = {
            "iss": "jira:1f0c",
            "iat": int(at.timestamp()),
            "exp": int(at.timestamp()) + 180,
            "qsh": qsh or query_hash("GET", _TARGET, base_path=""),
        }
        return jwt.encode(claims, secret, algorithm="HS256")

    return token


@pytest.fixture
def check(shelf, now):
    def check(token: str, *places: SecretPlace, **changes):
        arguments = {
            "mode": "computed",
            "fetch": shelf.fetch,
            "audiences": frozenset({"https://pledge.example.com"}),
            "now": now,
            **changes,
        }
        request = SignedRequest(method="GET", raw_target=_TARGET, base_path="", token=token)
        return shelf.door.check_connect_token(request, places=places, **arguments)

    return check


@pytest.fixture
def sign(shelf, now):
    def sign(place: SecretPlace) -> str:
        return shelf.door.sign_connect_token(
            method="GET",
            target="/rest/api/3/issue/10042",
            base_path="",
            app_key="io.pledge.app",
            client_key="jira:1f0c",
            place=place,
            fetch=shelf.fetch,
            now=now,
        )

    return sign
