"""What Forge issues: signed invocation tokens (FIT) and their key set, and opaque OAuth tokens for Jira's REST."""

from __future__ import annotations

import json
import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from simulator.forge_app import ForgeInstallation
from simulator.people import Json, Person
from simulator.signing import TokenRefused

OAUTH_LIFE = timedelta(hours=4)
OAUTH_LEFT_ON_ARRIVAL = timedelta(hours=2)


class InvocationKeys:
    """The keys that sign FITs, made when first needed; the newest signs, all that are kept are published."""

    def __init__(self) -> None:
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self._lock = threading.Lock()
        self.available = True

    def newest(self) -> tuple[str, rsa.RSAPrivateKey]:
        """Return the kid and the key that signs now."""
        with self._lock:
            return list((self._keys or self._add()).items())[-1]

    def find(self, kid: str) -> rsa.RSAPrivateKey:
        """Return a key by its kid.

        Raises:
            KeyError: it was never there, or was dropped.
        """
        self.newest()
        return self._keys[kid]

    def rotate(self) -> None:
        """Sign with a new key from now on; the older stay published."""
        self.newest()
        with self._lock:
            self._add()

    def drop_old(self) -> None:
        """Publish the newest key only."""
        kid, key = self.newest()
        with self._lock:
            self._keys = {kid: key}

    def published(self) -> Json:
        """Return the key set, oldest key first."""
        self.newest()
        with self._lock:
            return {"keys": [self._public(kid, key) for kid, key in self._keys.items()]}

    def _add(self) -> dict[str, rsa.RSAPrivateKey]:
        # the form of kid is that of its sister, the context token; a FIT's is not documented
        kid = f"forge/invocation-token/{uuid.uuid4()}"
        self._keys = self._keys | {kid: rsa.generate_private_key(65537, 2048)}
        return self._keys

    @staticmethod
    def _public(kid: str, key: rsa.RSAPrivateKey) -> Json:
        public: Json = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": public["n"], "e": public["e"]}


@dataclass(frozen=True)
class _Grant:
    installation: ForgeInstallation
    person: Person
    expires_at: datetime


class OauthTokens:
    """The OAuth tokens of one site's Forge app, by the simulator's clock: hours pass when it is moved."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._grants: dict[str, _Grant] = {}
        self._lock = threading.Lock()

    def issue(self, installation: ForgeInstallation, person: Person, *, fresh: bool = False) -> str:
        """Return a token that acts as a person (or the app's own user) for at least two hours.

        As at Forge, a token is handed out again while half its life is left, unless a `fresh` one is wanted.
        """
        now = self._now()
        with self._lock:
            self._grants = {token: one for token, one in self._grants.items() if one.expires_at > now}
            for token, grant in reversed(self._grants.items()):
                lasts = grant.expires_at - now >= OAUTH_LEFT_ON_ARRIVAL
                if lasts and not fresh and (grant.installation.id, grant.person) == (installation.id, person):
                    return token
            token = f"simulated.{secrets.token_urlsafe(48)}"
            self._grants[token] = _Grant(installation, person, now + OAUTH_LIFE)
            return token

    def holder(self, token: str, installation: ForgeInstallation | None) -> Person:
        """Return whom a token acts as.

        Raises:
            TokenRefused: unknown, expired, or not of the site's present installation.
        """
        grant = self._grants.get(token)
        if grant is None or grant.expires_at <= self._now():
            raise TokenRefused("unknown or expired")
        if installation is None or not installation.active or grant.installation.id != installation.id:
            raise TokenRefused("the app is no longer installed")
        return grant.person

    def expire_all(self) -> int:
        """End every token that is out, and return how many there were."""
        with self._lock:
            count, self._grants = len(self._grants), {}
            return count
