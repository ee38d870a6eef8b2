"""What every token must be before any cryptography, and the claims that every kind of token has in common.

One strict reader for all kinds, and the only one: what is verified is what was parsed here, so that no second
parser (PyJWT's accepts UTF-16, repeated names and NaN) can read another claim out of the same bytes.
"""

from __future__ import annotations

import json
import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NewType

from app.protocol import refusals

Algorithm = Literal["HS256", "RS256"]
"""Pinned by the caller, per kind of token. The header is compared with it and never obeyed."""

Unverified = NewType("Unverified", dict[str, object])
"""Members of a JSON object that anybody may have written."""

MAX_TOKEN_CHARS = 8 * 1024
"""The server's own limit for a header line; our largest example of an honest token is below 3 KiB."""
MAX_JSON_DEPTH = 32
LEEWAY_SECONDS = 30
"""How far two honest clocks may be apart. Atlassian gives no number; its libraries use 0 to 90."""
MAX_LIFE_SECONDS = 3600
"""Our own cap on `exp - iat`: the longest life seen is 900 s, and a leaked token must not serve for years."""

PRINTABLE = re.compile(r"[\x21-\x7e]{1,255}")
ACCOUNT_ID = re.compile(r"[A-Za-z0-9:_-]{1,128}")
"""Every form seen fits: 24 hex digits, `712020:` and a UUID, `qm:` of portal customers. The cap is ours."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)
_SURROGATE_OR_NUL = re.compile("[\ud800-\udfff\0]")
_NOT_UNDERSTOOD = frozenset({"crit", "b64", "zip"})
_LAST_SECOND = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A token taken apart: nothing in it is proven."""

    header: Unverified
    payload: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token whose form is right and whose claims are anybody's."""

    envelope: Envelope
    claims: Unverified = field(repr=False)

    @property
    def header(self) -> Unverified:
        """The members of the header."""
        return self.envelope.header


def read_unverified(token: str, *, algorithm: Algorithm) -> UnverifiedToken:
    """The token taken apart, its claims anybody's word; raises `TokenRefused` where its form is wrong."""
    envelope = read_envelope(token, algorithm=algorithm)
    return UnverifiedToken(envelope, Unverified(read_json_object(envelope.payload)))


def read_plausible(token: str, *, algorithm: Algorithm) -> UnverifiedToken:
    """As `read_unverified`, with everything that can be refused without a key: what no honest token lacks.

    1. Form and header (`read_envelope`). 2. The payload is a JSON object. 3. `iss` is fit to be looked up. 4. `iat`
    and `exp` are there and not too far apart (`stated_life`). Raises `TokenRefused`.
    """
    unverified = read_unverified(token, algorithm=algorithm)  # 1, 2
    issuer(unverified.claims)  # 3
    stated_life(unverified.claims)  # 4
    return unverified


def read_envelope(token: str, *, algorithm: Algorithm) -> Envelope:
    """A compact JWS (RFC 7515 §7.1) taken apart; raises `TokenRefused`.

    1. At most `MAX_TOKEN_CHARS`. 2. Three segments of the base64url alphabet, none empty, no padding. 3. Each
    segment in its one canonical spelling. 4. The header is a JSON object (`read_json_object`). 5. `alg` is
    the one that the caller pinned. 6. `typ` is absent or JWT. 7. `crit`, `b64` and `zip` are refused: they
    would change what was signed or how it is read. Knowingly ignored: `jku`, `jwk`, `x5u`, `x5c`, `x5t`,
    because the key never comes from the token (RFC 7515 §4.1 has a recipient ignore what it does not use),
    and every other member except `kid`.
    """
    if len(token) > MAX_TOKEN_CHARS:  # 1
        raise refusals.TokenTooLarge
    if not _COMPACT.fullmatch(token):  # 2
        raise refusals.TokenMalformed
    signing_input, _, signature = token.rpartition(".")
    header_segment, _, payload_segment = signing_input.partition(".")
    header = read_json_object(read_base64url(header_segment))  # 3, 4
    if header.get("alg") != algorithm:  # 5
        raise refusals.AlgorithmNotAllowed
    if header.get("typ", "JWT") != "JWT":  # 6
        raise refusals.TypeNotAllowed
    if not _NOT_UNDERSTOOD.isdisjoint(header):  # 7
        raise refusals.HeaderNotUnderstood
    return Envelope(
        header=Unverified(header),
        payload=read_base64url(payload_segment),
        signing_input=signing_input.encode("ascii"),
        signature=read_base64url(signature),
    )


def read_base64url(segment: str) -> bytes:
    """The bytes of an unpadded base64url text in its one canonical spelling; raises `Base64NotCanonical`."""
    try:
        decoded = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        raise refusals.Base64NotCanonical from None
    # Stray bits in the last character, or characters that the decoder skips: another text for the same bytes.
    if urlsafe_b64encode(decoded).rstrip(b"=").decode("ascii") != segment:
        raise refusals.Base64NotCanonical
    return decoded


def read_json_object(document: bytes) -> dict[str, object]:
    """A JSON object that every parser reads alike (I-JSON, RFC 7493).

    Raises `JsonMalformed`, `JsonNameRepeated`, `JsonTooDeep` or `TextNotAllowed`.
    """
    try:
        text = document.decode("utf-8")
        if _depth(text) > MAX_JSON_DEPTH:
            raise refusals.JsonTooDeep
        value = _STRICT_JSON.decode(text)
    except ValueError:
        raise refusals.JsonMalformed from None
    if not isinstance(value, dict):
        raise refusals.JsonMalformed
    if "\\u" in text and not _is_clean(value):  # only an escape can make what UTF-8 and JSON refuse in the raw
        raise refusals.TextNotAllowed
    return value


def _depth(text: str) -> int:
    """How deep the brackets outside strings nest. Linear, and for honest tokens only two counts."""
    openings = text.count("{") + text.count("[")
    if openings <= MAX_JSON_DEPTH:
        return openings
    depth = deepest = 0
    for mark in _STRING_OR_BRACKET.findall(text):
        depth += (mark in "{[") - (mark in "}]")
        deepest = max(deepest, depth)
    return deepest


def _is_clean(value: object) -> bool:
    if isinstance(value, str):
        return not _SURROGATE_OR_NUL.search(value)
    if isinstance(value, dict):
        return all(_is_clean(name) and _is_clean(member) for name, member in value.items())
    return not isinstance(value, list) or all(_is_clean(member) for member in value)


def _unrepeated(members: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(members)
    if len(named) != len(members):
        raise refusals.JsonNameRepeated
    return named


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):  # 1e999
        raise ValueError("not finite")
    return value


def _refuse_constant(constant: str) -> float:
    raise ValueError("NaN and Infinity are not JSON")


_STRICT_JSON = json.JSONDecoder(
    object_pairs_hook=_unrepeated, parse_float=_finite, parse_constant=_refuse_constant, strict=True
)


# -- claims
# --------------------------------------------------------------------------------------------------------


def text_claim(claims: Mapping[str, object], name: str, *, form: re.Pattern[str] = PRINTABLE) -> str:
    """A claim that is text of this form; raises `ClaimMissing` or `ClaimMalformed`."""
    if name not in claims:
        raise refusals.ClaimMissing(name)
    value = claims[name]
    if not isinstance(value, str) or not form.fullmatch(value):
        raise refusals.ClaimMalformed(name)
    return value


def optional_text_claim(claims: Mapping[str, object], name: str, *, form: re.Pattern[str] = PRINTABLE) -> str | None:
    """As `text_claim`, or None where the claim is absent or null."""
    return None if claims.get(name) is None else text_claim(claims, name, form=form)


def object_claim(claims: Mapping[str, object], name: str) -> dict[str, object]:
    """A claim that is a JSON object, empty where it is absent or null; raises `ClaimMalformed`."""
    value = claims.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refusals.ClaimMalformed(name)
    return value


def issuer(claims: Unverified) -> str:
    """`iss`, fit to be looked up; raises `IssuerMalformed`."""
    value = claims.get("iss")
    if not isinstance(value, str) or not PRINTABLE.fullmatch(value):
        raise refusals.IssuerMalformed
    return value


def stated_life(claims: Mapping[str, object]) -> tuple[float, float, float]:
    """When the token says that it begins, was issued and ends, in seconds since 1970; never more than we allow.

    Needs neither a key nor a clock, so it is asked before anything is looked up, fetched or computed for a
    stranger. `nbf` is obeyed where it is present. Raises `ClaimMissing`, `ClaimMalformed` or
    `TokenLifeNotAllowed`.
    """
    issued, expires = _seconds(claims, "iat"), _seconds(claims, "exp")
    begins = max(issued, _seconds(claims, "nbf")) if "nbf" in claims else issued
    if not 0 < expires - issued <= MAX_LIFE_SECONDS:
        raise refusals.TokenLifeNotAllowed
    return begins, issued, expires


def life(claims: Mapping[str, object], *, now: datetime) -> tuple[datetime, datetime]:
    """`iat` and `exp` of a token that is alive at `now` (aware), give or take `LEEWAY_SECONDS`.

    Raises what `stated_life` raises, `TokenExpired` or `TokenNotYetValid`.
    """
    begins, issued, expires = stated_life(claims)
    present = unix_seconds(now)
    if present >= expires + LEEWAY_SECONDS:
        raise refusals.TokenExpired
    if present < begins - LEEWAY_SECONDS:
        raise refusals.TokenNotYetValid
    return datetime.fromtimestamp(issued, UTC), datetime.fromtimestamp(expires, UTC)


def unix_seconds(now: datetime) -> float:
    """Seconds since 1970; a naive instant is a fault of the caller (`ValueError`): it means local time."""
    if now.tzinfo is None:
        raise ValueError("now must be aware")
    return now.timestamp()


def _seconds(claims: Mapping[str, object], name: str) -> float:
    if name not in claims:
        raise refusals.ClaimMissing(name)
    value = claims[name]
    # True is an int to Python; a text of digits is one to lenient parsers only.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
        raise refusals.ClaimMalformed(name)
    return value
