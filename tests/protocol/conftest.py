"""The other side of the wire: tokens made by PyJWT, by atlassian-jwt or by hand, never by the code under test."""

import base64
import copy
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from atlassian_jwt.url_utils import hash_url
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.protocol.connect_jwt import (
    SignedRequest,
    unverified_issuer,
    unverified_kid,
    verify_context_token,
    verify_signed_install,
    verify_signed_request,
)
from app.protocol.forge_fit import ForgeInvocation, verify_invocation

FIT_EXAMPLES = json.loads((Path(__file__).parents[1] / "vectors" / "fit_example.json").read_text("utf-8"))
FIT_KID = FIT_EXAMPLES["examples"]["preUninstall"]["jwt_header"]["kid"]
PANEL = "/connect/issue?issueId=10042&lic=active&jwt=x.y.z"
INSTALLED = "/connect/installed"


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True)
class OtherSide:
    """Everything that a sender holds: honest values, and the means to send dishonest ones."""

    now: datetime
    secret: bytes
    private_key: rsa.RSAPrivateKey
    audiences: frozenset[str]
    client_key: str
    account_id: str

    @property
    def public_pem(self) -> bytes:
        return pem(self.private_key)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Honest Connect claims. A change to `...` leaves the claim out."""
        issued = int(self.now.timestamp())
        honest = {
            "iss": self.client_key,
            "sub": self.account_id,
            "iat": issued,
            "exp": issued + 180,
            "qsh": "context-qsh",
            "context": {"license": {"active": True}, "jira": {"issue": {"id": "10042"}}},
        }
        return {name: value for name, value in (honest | changes).items() if value is not ...}

    def by_hand(self, header: Any, payload: Any, *, key: bytes | None = None) -> str:
        """A token of any header and payload (bytes as they are, all else as JSON) with a right HMAC over it."""
        raw = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
        signed = ".".join(base64url(part) for part in raw)
        mac = hmac.digest(self.secret if key is None else key, signed.encode(), hashlib.sha256)
        return f"{signed}.{base64url(mac)}"

    def hs256(self, claims: Any) -> str:
        return self.by_hand({"typ": "JWT", "alg": "HS256"}, claims)

    def rs256(self, claims: Any, *, key: Any = None, **headers: Any) -> str:
        return jwt.encode(claims, key or self.private_key, "RS256", headers={"kid": "key-1"} | headers)

    def rs256_by_hand(self, payload: Any, *, key: Any = None, **headers: Any) -> str:
        """As `by_hand`, with a right RS256 signature: PyJWT's own `encode` refuses to write most attacks."""
        header = {"typ": "JWT", "alg": "RS256", "kid": "key-1"} | headers
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        signed = f"{base64url(json.dumps(header).encode())}.{base64url(raw)}"
        signature = (key or self.private_key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64url(signature)}"

    def signed(self, kind: str, header: bytes | None, payload: bytes, *, by: Any = None) -> str:
        """A token of these very bytes: `install` with an RSA key, anything else with the secret, or `by` another."""
        honest = {"alg": "RS256", "kid": "key-1"} if kind == "install" else {"alg": "HS256"}
        head = json.dumps(honest).encode() if header is None else header
        signed = f"{base64url(head)}.{base64url(payload)}"
        if kind == "install":
            signature = (by or self.private_key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            signature = hmac.digest(self.secret if by is None else b"x" * 48, signed.encode(), hashlib.sha256)
        return f"{signed}.{base64url(signature)}"

    def seconds(self, offset: float) -> int:
        return int(self.now.timestamp() + offset)


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="session")
def other_side() -> OtherSide:
    return OtherSide(
        now=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
        secret=b"a-made-up-shared-secret-of-48-bytes-for-testing!",
        private_key=rsa.generate_private_key(65537, 2048),
        audiences=frozenset({"https://app.example.com", "https://eu.app.example.com"}),
        client_key="5f1c3a52-7d0a-3e8f-9f43-1f0a1c9d2b11",
        account_id="712020:0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
    )


@pytest.fixture(scope="session")
def another_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class Gates:
    """The three verifiers, each called as its gate would call it, with what an honest sender would use."""

    def __init__(self, other_side):
        self.other_side = other_side

    def issuer(self, token):
        return unverified_issuer(SignedRequest("GET", PANEL, "", token))

    def kid(self, token):
        return unverified_kid(SignedRequest("POST", INSTALLED, "", token))

    def page(self, token, *, target=PANEL, method="GET", base_path="", **changes):
        return self._hs256(verify_signed_request, SignedRequest(method, target, base_path, token), changes)

    def script(self, token, *, target="/api/v1/issues/10042/clocks", **changes):
        return self._hs256(verify_context_token, SignedRequest("GET", target, "", token), changes)

    def install(self, token, *, target=INSTALLED, **changes):
        honest = {
            "public_key_pem": self.other_side.public_pem,
            "audiences": self.other_side.audiences,
            "now": self.other_side.now,
        }
        return verify_signed_install(SignedRequest("POST", target, "", token), **honest | changes)

    def _hs256(self, verify, request, changes):
        honest = {
            "key": self.other_side.secret,
            "audiences": self.other_side.audiences,
            "now": self.other_side.now,
        }
        return verify(request, **honest | changes)


@pytest.fixture(scope="session")
def gates(other_side):
    return Gates(other_side)


@pytest.fixture(scope="session")
def page_claims(other_side):
    return lambda **changes: other_side.claims(**{"qsh": hash_url("GET", PANEL)} | changes)


@pytest.fixture(scope="session")
def install_claims(other_side):
    honest = {"qsh": hash_url("POST", INSTALLED), "aud": ["https://app.example.com"], "context": {}}
    return lambda **changes: other_side.claims(**honest | changes)


class ForgeSide:
    """Forge and our gate for it: the example tokens with any change, and a verifier that accepts the honest ones."""

    def __init__(self, other_side: OtherSide) -> None:
        self.other_side = other_side

    def claims(self, example: str = "ui_jira_issuePanel_invokeRemote", **changes: Any) -> dict[str, Any]:
        """Claims of an example; a change names its place (`app__license`), and `...` leaves the member out."""
        claims = copy.deepcopy(FIT_EXAMPLES["examples"][example]["claims"])
        for place, value in changes.items():
            *parents, name = place.split("__")
            holder = claims
            for parent in parents:
                holder = holder.setdefault(parent, {}) if isinstance(holder.get(parent, {}), dict) else {}
            holder[name] = value
            if value is ...:
                del holder[name]
        return claims

    def sign(self, claims: Any, **headers: Any) -> str:
        return self.other_side.rs256_by_hand(claims, **{"kid": FIT_KID} | headers)

    def verify(self, token: str, **changes: Any) -> ForgeInvocation:
        honest = {
            "keys": {FIT_KID: self.other_side.public_pem},
            "app_id": FIT_EXAMPLES["constants"]["audience"],
            "environments": frozenset({"PRODUCTION"}),
            "now": datetime.fromtimestamp(FIT_EXAMPLES["constants"]["now_for_examples"], UTC),
        }
        return verify_invocation(token, **honest | changes)


@pytest.fixture(scope="session")
def forge(other_side: OtherSide) -> ForgeSide:
    return ForgeSide(other_side)
