"""Tokens whose header, signature or spelling is not what the route pins: nothing of them is believed or fetched."""

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

KINDS = ("panel", "webhook", "clocks", "installed")
FOREIGN_KEY = rsa.generate_private_key(65537, 2048)


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


HEADERS = {
    "alg none": {"alg": "none"},
    "alg None": {"alg": "None"},
    "alg nOnE": {"alg": "nOnE"},
    "alg empty": {"alg": ""},
    "alg missing": {"alg": ...},
    "alg null": {"alg": None},
    "alg a list": {"alg": ["HS256", "RS256"]},
    "alg an object": {"alg": {"HS256": 1}},
    "alg a number": {"alg": 256},
    "alg hs256 in lower case": {"alg": "hs256"},
    "alg with a space behind": {"alg": "HS256 "},
    "alg with NUL behind": {"alg": "HS256\0"},
    "alg HS384": {"alg": "HS384"},
    "alg HS512": {"alg": "HS512"},
    "alg RS512": {"alg": "RS512"},
    "alg PS256": {"alg": "PS256"},
    "alg ES256": {"alg": "ES256"},
    "alg EdDSA": {"alg": "EdDSA"},
    "alg dir": {"alg": "dir", "enc": "A128GCM"},
    "alg PBES2 with two thousand million rounds": {"alg": "PBES2-HS256+A128KW", "p2c": 2**31 - 1, "p2s": "AAAA"},
    "typ at+jwt": {"typ": "at+jwt"},
    "typ a list": {"typ": ["JWT"]},
    "typ a number": {"typ": 1},
    "crit": {"crit": ["exp"]},
    "crit empty": {"crit": []},
    "b64 false": {"b64": False, "crit": ["b64"]},
    "zip": {"zip": "DEF"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_that_asks_for_other_processing_is_refused(arena, kind, header):
    arena.refuses(arena.call(kind, token=arena.token(kind, header=header)), 401, "token_invalid", kind=kind)


def spelled(header=None, payload=None, signature=None, between="."):
    """A change to the three segments of an honest token."""

    def change(token):
        parts = token.split(".")
        for at, new in enumerate((header, payload, signature)):
            if new is not None:
                parts[at] = new(parts[at])
        return between.join(parts)

    return change


def stray_bits(segment):
    """Another last character for the same bytes, where there are unused bits; an added one else."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) + 1] if len(segment) % 4 else segment + "A"


SPELLINGS = {
    "no signature": spelled(signature=lambda _: ""),
    "no signature and no dot": lambda token: token.rpartition(".")[0],
    "signature of zeros": spelled(signature=lambda _: "A" * 43),
    "signature cut short": spelled(signature=lambda one: one[:-4]),
    "signature with a byte more": spelled(signature=lambda one: one + "AAAA"),
    "signature with another last bit": spelled(signature=stray_bits),
    "signature with its first bit turned": spelled(signature=lambda one: ("A" if one[0] != "A" else "B") + one[1:]),
    "signature padded": spelled(signature=lambda one: one + "=" * (-len(one) % 4 or 4)),
    "header empty": spelled(header=lambda _: ""),
    "payload empty": spelled(payload=lambda _: ""),
    "payload of another token": spelled(payload=lambda _: base64url(b'{"iss":"a"}')),
    "payload padded": spelled(payload=lambda one: one + "=="),
    "header with a tab": spelled(header=lambda one: one[:4] + "%09" + one[4:]),
    "only dots": lambda _: "..",
    "one segment": lambda token: token.replace(".", ""),
    "four segments": lambda token: token + ".AAAA",
    "five segments, as an encrypted token": lambda token: token + ".AAAA.AAAA",
    "twice in one": lambda token: token + token,
    "commas for dots": spelled(between=","),
    "percent-encoded dots": spelled(between="%252E"),
    "in quotation marks": lambda token: f"%22{token}%22",
    "JSON serialisation": lambda token: '{"payload":"' + token.replace(".", '","signature":"') + '"}',
    "alphabet of standard base64": spelled(signature=lambda one: one[:-2] + "+/"),
    "7,000 characters of signature more": spelled(signature=lambda one: one + "A" * 7000),
    "text that is no token": lambda _: "null",
    "a path": lambda _: "../../etc/passwd",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_another_spelling_of_an_honest_token_is_refused(arena, kind, change):
    arena.refuses(arena.call(kind, token=change(arena.token(kind))), 401, "token_invalid", kind=kind)


PAYLOADS = {
    "no JSON": lambda text: b"iss=genchi",
    "a JSON array": lambda text: b"[" + text + b"]",
    "a JSON text": lambda text: b'"claims"',
    "null": lambda text: b"null",
    "cut short": lambda text: text[:-1],
    "something behind": lambda text: text + b"x",
    "two objects": lambda text: text + text,
    "exp twice": lambda text: text[:-1] + b',"exp":99999999999}',
    "iss twice": lambda text: b'{"iss":"a",' + text[1:],
    "iss twice, once escaped": lambda text: b'{"\\u0069ss":"a",' + text[1:],
    "NaN": lambda text: text[:-1] + b',"nbf":NaN}',
    "Infinity": lambda text: text[:-1] + b',"nbf":-Infinity}',
    "a number without end": lambda text: text[:-1] + b',"nbf":1e999}',
    "a number of 5,000 digits": lambda text: text[:-1] + b',"nbf":' + b"9" * 5000 + b"}",
    "nested 2,000 deep": lambda text: text[:-1] + b',"a":' + b"[" * 2000 + b"]" * 2000 + b"}",
    "nested 33 deep": lambda text: text[:-1] + b',"a":' + b'{"a":' * 33 + b"1" + b"}" * 33 + b"}",
    "invalid UTF-8": lambda text: text[:-1] + b',"a":"\xff\xfe"}',
    "overlong UTF-8": lambda text: text[:-1] + b',"a":"\xc0\xae"}',
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "a lone surrogate": lambda text: text[:-1] + b',"a":"\\ud800"}',
    "NUL in a text": lambda text: text[:-1] + b',"a":"\\u0000"}',
    "NUL behind": lambda text: text + b"\0",
    "a raw line break in a text": lambda text: text[:-1] + b',"a":"\n"}',
    "single quotes": lambda text: text.replace(b'"', b"'"),
    "a comment": lambda text: b"/* */" + text,
    "a comma too many": lambda text: text[:-1] + b",}",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_payload_that_two_parsers_may_read_differently_is_refused(arena, kind, change):
    payload = change(json.dumps(arena.claims(kind)).encode())
    arena.refuses(arena.call(kind, token=arena.token(kind, payload=payload)), 401, "token_invalid", kind=kind)


CONFUSIONS = {
    "HS256 signed with the public key": ("installed", "HS256", lambda a: a.world.install_key.public_pem.encode()),
    "HS256 signed with the public key on a page": (
        "panel",
        "HS256",
        lambda a: a.world.install_key.public_pem.encode(),
    ),
    "HS256 signed with the public key without its line end": (
        "installed",
        "HS256",
        lambda a: a.world.install_key.public_pem.strip().encode(),
    ),
    "RS256 in name, HMAC with the public key in fact": (
        "installed",
        "RS256",
        lambda a: a.world.install_key.public_pem.encode(),
    ),
    "HS256 with the site's secret on a lifecycle route": ("installed", "HS256", lambda a: a.secret()),
    "HS256 in name, RS256 in fact": ("panel", "HS256", lambda a: a.world.install_key.private),
    "RS256 on a page": ("panel", "RS256", lambda a: a.world.install_key.private),
    "RS256 on a webhook": ("webhook", "RS256", lambda a: a.world.install_key.private),
    "RS256 on the API": ("clocks", "RS256", lambda a: a.world.install_key.private),
    "RS256 with a key of the attacker": ("installed", "RS256", lambda a: FOREIGN_KEY),
    "RS256 with a key of the attacker on uninstalled": ("uninstalled", "RS256", lambda a: FOREIGN_KEY),
    "HS256 with an empty secret": ("panel", "HS256", lambda a: b"\0"),
    "HS256 with the client key as secret": ("panel", "HS256", lambda a: a.site().client_key.encode()),
    "HS256 with the app key as secret": ("clocks", "HS256", lambda a: b"io.pledge.app"),
    "HS256 with the secret of another site": ("panel", "HS256", lambda a: a.secret("kencha")),
    "HS256 with the secret of another site on the API": ("clocks", "HS256", lambda a: a.secret("kencha")),
    "HS256 with half of the secret": ("clocks", "HS256", lambda a: a.secret()[:32]),
}


@pytest.mark.parametrize(("kind", "algorithm", "key"), CONFUSIONS.values(), ids=CONFUSIONS.keys())
def test_a_token_of_another_key_is_refused(arena, kind, algorithm, key):
    header = {"alg": algorithm, "kid": arena.world.install_key.kid}
    token = arena.token(kind, header=header, key=key(arena))
    arena.refuses(arena.call(kind, token=token), 401, "token_invalid", kind=kind)


KIDS = {
    "kid missing": lambda a: ...,
    "kid null": lambda a: None,
    "kid empty": lambda a: "",
    "kid a list": lambda a: [a.world.install_key.kid],
    "kid a number": lambda a: 1,
    "kid an object": lambda a: {"a": "b"},
    "kid traversal": lambda a: "../../sites/genchi",
    "kid traversal in the middle": lambda a: "a/../../control",
    "kid traversal encoded": lambda a: "%2e%2e/%2e%2e/control",
    "kid traversal with backslashes": lambda a: "..\\..\\control",
    "kid of dots": lambda a: "..",
    "kid as path of a file": lambda a: "/etc/passwd",
    "kid as URL": lambda a: f"{a.canary.url}/key",
    "kid as URL without scheme": lambda a: f"//{a.canary.host}/key",
    "kid as host and port": lambda a: f"{a.canary.host}/key",
    "kid that makes the base user information": lambda a: f"@{a.canary.host}/key",
    "kid with a port and a password": lambda a: f":80@{a.canary.host}/key",
    "kid with a query": lambda a: f"{a.world.install_key.kid}?x=1",
    "kid with a fragment": lambda a: f"{a.world.install_key.kid}#x",
    "kid with a line break and a header": lambda a: f"a\r\nHost: {a.canary.host}",
    "kid with NUL": lambda a: f"{a.world.install_key.kid}\0",
    "kid with a space": lambda a: f"{a.world.install_key.kid} ",
    "kid in Unicode": lambda a: "kıd",
    "kid in full-width dots": lambda a: "\uff0e\uff0e/x",
    "kid that is SQL": lambda a: "' UNION SELECT 'secret",
    "kid that is a command": lambda a: "a;curl x",
    "kid of 5,000 characters": lambda a: "a" * 5000,
    "kid of four segments": lambda a: "a/b/c/d",
    "kid with a slash behind": lambda a: f"{a.world.install_key.kid}/",
    "kid with two slashes": lambda a: "a//b",
    "kid nobody published": lambda a: "no-such-key",
}


@pytest.mark.parametrize("kid", KIDS.values(), ids=KIDS.keys())
def test_a_key_id_leads_nowhere(arena, kid):
    token = arena.token("installed", header={"kid": kid(arena)}, key=FOREIGN_KEY)
    arena.refuses(arena.call("installed", token=token), 401, "token_invalid", kind="installed")


POINTERS = {
    "jku": lambda a: {"jku": f"{a.canary.url}/jwks.json"},
    "x5u": lambda a: {"x5u": f"{a.canary.url}/cert.pem"},
    "jku behind user information": lambda a: {"jku": f"http://install-keys.example.com@{a.canary.host}/"},
    "jwk": lambda a: {"jwk": {"kty": "RSA", "e": "AQAB", "n": base64url(b"\xff" * 256)}},
    "x5c": lambda a: {"x5c": ["MIIB"]},
    "x5t": lambda a: {"x5t": "AAAA", "x5t#S256": "AAAA"},
    "iss as URL of a key server": lambda a: {"iss": a.canary.url, "url": a.canary.url},
}


@pytest.mark.parametrize("kind", ["installed", "uninstalled", "panel"])
@pytest.mark.parametrize("header", POINTERS.values(), ids=POINTERS.keys())
def test_a_token_does_not_bring_its_own_key(arena, kind, header):
    token = arena.token(kind, header=header(arena), key=FOREIGN_KEY)
    arena.refuses(arena.call(kind, token=token), 401, "token_invalid", kind=kind)


@pytest.mark.parametrize("header", POINTERS.values(), ids=POINTERS.keys())
def test_a_pointer_in_an_honest_header_is_not_followed(arena, header):
    token = arena.token("installed", header=header(arena), iat=int(time.time()) - 600)
    assert arena.send(arena.call("installed", token=token)).status == 204
    arena.is_untouched()
