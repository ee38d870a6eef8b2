"""How Atlassian signs and what it accepts: RS256 with a published key, HS256 with a site's shared secret.

Tokens live in real time whatever the simulator's clock says, because the app checks them by its own.
"""

from __future__ import annotations

import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from atlassian_jwt.url_utils import hash_url
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator.people import Json

LIFETIME_SECONDS = 900  # of a lifecycle token seen in the wild; Atlassian promises no figure
LEEWAY_SECONDS = 30


class TokenRefused(Exception):
    """The app's token is not valid for this request."""


@dataclass(frozen=True)
class InstallKey:
    """The key that signs lifecycle requests; a new kid in every run, since apps keep a kid's key for good."""

    kid: str = field(default_factory=lambda: str(uuid.uuid4()))
    private: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @property
    def public_pem(self) -> str:
        """Return the public half as the key server serves it."""
        info = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, info).decode()


def claims_for(method: str, target: str, *, issuer: str, **more: object) -> Json:
    """Return the claims of a request token; `target` is relative to the verifying side's base URL."""
    now = int(time.time())
    return {
        "iss": issuer,
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
        "qsh": hash_url(method, target),
        **more,
    }


def sign(
    claims: Mapping[str, Any],
    key: str | rsa.RSAPrivateKey,
    *,
    algorithm: str = "HS256",
    header: Mapping[str, Any] | None = None,
) -> str:
    """Return the token for these claims, however odd: tests ask for broken ones as well."""
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return jwt.PyJWS().encode(payload, "" if algorithm == "none" else key, algorithm, dict(header or {}))


def check_app_token(token: str, *, app_key: str, secrets: tuple[str, ...], method: str, target: str) -> None:
    """Verify what an app sends to Jira: HS256, its key as issuer, not expired, the hash of this request.

    Raises:
        TokenRefused: with the check that failed.
    """
    for secret in secrets:
        try:
            claims = jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                issuer=app_key,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "iat", "exp", "qsh"], "verify_aud": False},
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as problem:
            raise TokenRefused(str(problem)) from problem
        if not hmac.compare_digest(str(claims["qsh"]).encode(), hash_url(method, target).encode()):
            raise TokenRefused("qsh does not match the request")
        return
    raise TokenRefused("signed with no secret of this site")
