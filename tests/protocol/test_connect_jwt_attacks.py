"""Known attacks on the tokens of Connect, each refused by the reason that is for it."""

import json
from base64 import urlsafe_b64decode

import jwt
import pytest
from atlassian_jwt.url_utils import hash_url

from app.protocol import refusals
from app.protocol.connect_jwt import sign_app_request
from app.protocol.connect_qsh import CONTEXT_QSH

PANEL = "/connect/issue?issueId=10042&lic=active&jwt=x.y.z"
HS256 = {"typ": "JWT", "alg": "HS256"}


def test_attack_algorithm_none(other_side, gates, page_claims):
    unsigned = other_side.by_hand({"typ": "JWT", "alg": "none"}, page_claims()).rpartition(".")[0]
    for token, reason in ((unsigned + ".", refusals.TokenMalformed), (unsigned + ".AA", refusals.AlgorithmNotAllowed)):
        with pytest.raises(reason):
            gates.page(token)


def test_attack_rs256_token_on_a_page(other_side, gates, page_claims):
    with pytest.raises(refusals.AlgorithmNotAllowed):
        gates.page(other_side.rs256(page_claims()))


def test_attack_public_key_taken_for_a_shared_secret(other_side, gates, page_claims):
    token = other_side.by_hand(HS256, page_claims(), key=other_side.public_pem)
    with pytest.raises(refusals.SecretUnfit):
        gates.page(token, key=other_side.public_pem)


def test_attack_signed_with_another_tenants_secret(other_side, gates, page_claims):
    with pytest.raises(refusals.SignatureWrong):
        gates.page(other_side.by_hand(HS256, page_claims(), key=b"another tenant's secret" * 2))


def test_attack_claims_changed_after_signing(other_side, gates, page_claims):
    header, _, signature = other_side.hs256(page_claims()).split(".")
    payload = other_side.hs256(page_claims(sub="557058:victim")).split(".")[1]
    with pytest.raises(refusals.SignatureWrong):
        gates.page(f"{header}.{payload}.{signature}")


@pytest.mark.parametrize("length", [1, 16, 31])
def test_attack_signature_cut_short(other_side, gates, page_claims, length):
    signed, _, signature = other_side.hs256(page_claims()).rpartition(".")
    cut = urlsafe_b64decode(signature + "=")[:length]
    with pytest.raises(refusals.SignatureWrong):
        gates.page(f"{signed}.{jwt.utils.base64url_encode(cut).decode()}")


@pytest.mark.parametrize("size", [0, 1, 31])
def test_attack_short_secret(other_side, gates, page_claims, size):
    key = b"k" * size
    with pytest.raises(refusals.KeyTooShort):
        gates.page(other_side.by_hand(HS256, page_claims(), key=key), key=key)


def test_attack_context_token_on_a_page(other_side, gates):
    with pytest.raises(refusals.ContextTokenRefused):
        gates.page(other_side.hs256(other_side.claims(qsh=CONTEXT_QSH)))


def test_attack_page_token_on_a_script_route(other_side, gates, page_claims):
    with pytest.raises(refusals.ContextTokenRequired):
        gates.script(other_side.hs256(page_claims()), target=PANEL)


@pytest.mark.parametrize("qsh", ["Context-qsh", "context-qsh ", "context_qsh", "*", "context-qsh\u200b"])
def test_attack_almost_the_context_qsh(other_side, gates, qsh):
    with pytest.raises((refusals.ContextTokenRequired, refusals.ClaimMalformed)):
        gates.script(other_side.hs256(other_side.claims(qsh=qsh)))


@pytest.mark.parametrize(
    "target",
    [
        "/connect/issue?issueId=10043&lic=active",
        "/connect/issue?issueId=10042&lic=active&issueId=10043",
        "/connect/issue?issueId=10042,10043&lic=active",
        "/connect/issue//?issueId=10042&lic=active",
        "//connect/issue?issueId=10042&lic=active",
        "/connect/%69ssue?issueId=10042&lic=active",
        "/connect/admin?issueId=10042&lic=active",
        "/x://app.example.com/connect/issue?issueId=10042&lic=active",
        "/connect/issue;x?issueId=10042&lic=active",
    ],
)
def test_attack_token_moved_to_another_target(other_side, gates, page_claims, target):
    with pytest.raises(refusals.QshWrong):
        gates.page(other_side.hs256(page_claims()), target=target)


def test_attack_token_moved_to_another_method(other_side, gates, page_claims):
    with pytest.raises(refusals.QshWrong):
        gates.page(other_side.hs256(page_claims()), method="POST")


def test_attack_upper_case_hash(other_side, gates, page_claims):
    with pytest.raises(refusals.QshWrong):
        gates.page(other_side.hs256(page_claims(qsh=hash_url("GET", PANEL).upper())))


OTHER_AUDIENCES = [
    "https://other-app.example.net",
    "https://app.example.com.evil.example.net",
    "https://app.example.co",
    "https://app.example.com/",
    "https://APP.example.com",
    " https://app.example.com",
    "",
    None,
    True,
    [],
    [[]],
    [None],
    {"https://app.example.com": 1},
    ["https://app.example.com", "https://other-app.example.net"],
    [["https://app.example.com"]],
]


@pytest.mark.parametrize("aud", OTHER_AUDIENCES, ids=repr)
def test_attack_token_for_another_app(other_side, gates, page_claims, install_claims, aud):
    for verify, token in (
        (gates.page, other_side.hs256(page_claims(aud=aud))),
        (gates.script, other_side.hs256(other_side.claims(aud=aud))),
        (gates.install, other_side.rs256(install_claims(aud=aud))),
    ):
        with pytest.raises(refusals.AudienceWrong):
            verify(token)


def test_attack_our_own_request_to_jira_sent_back(other_side, gates):
    request = {"method": "GET", "target": PANEL, "base_path": "", "app_key": "io.pledge.app"}
    token = sign_app_request(**request, client_key=other_side.client_key, key=other_side.secret, now=other_side.now)
    assert gates.issuer(token) == "io.pledge.app"
    with pytest.raises(refusals.AudienceWrong):
        gates.page(token)


@pytest.mark.parametrize("iss", [..., None, "", 7, True, ["5f1c"], {}, "a b", "a\nb", "é", "\0", "x" * 256], ids=repr)
def test_attack_issuer_of_another_form(other_side, gates, page_claims, install_claims, iss):
    token = other_side.hs256(page_claims(iss=iss))
    for call in (
        lambda: gates.issuer(token),
        lambda: gates.page(token),
        lambda: gates.install(other_side.rs256_by_hand(install_claims(iss=iss))),
    ):
        with pytest.raises((refusals.IssuerMalformed, refusals.TextNotAllowed)):
            call()


@pytest.mark.parametrize("claim", ["exp", "iat", "qsh"])
def test_attack_claim_left_out(other_side, gates, page_claims, install_claims, claim):
    without = {claim: ...}
    for verify, token in (
        (gates.page, other_side.hs256(page_claims(**without))),
        (gates.script, other_side.hs256(other_side.claims(**without))),
        (gates.install, other_side.rs256(install_claims(**without))),
    ):
        with pytest.raises(refusals.ClaimMissing, match=claim):
            verify(token)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 10 * 365 * 86400}, refusals.TokenLifeNotAllowed),
        ({"exp": 3601}, refusals.TokenLifeNotAllowed),
        ({"exp": -1}, refusals.TokenLifeNotAllowed),
        ({"iat": -180, "exp": -30}, refusals.TokenExpired),
        ({"iat": 31}, refusals.TokenNotYetValid),
        ({"nbf": 31}, refusals.TokenNotYetValid),
    ],
)
def test_attack_token_out_of_its_time(other_side, gates, page_claims, install_claims, claims, reason):
    moved = {name: other_side.seconds(offset) for name, offset in claims.items()}
    for verify, token in (
        (gates.page, other_side.hs256(page_claims(**moved))),
        (gates.script, other_side.hs256(other_side.claims(**moved))),
        (gates.install, other_side.rs256(install_claims(**moved))),
    ):
        with pytest.raises(reason):
            verify(token)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("exp", "1795341600"),
        ("exp", True),
        ("exp", None),
        ("iat", "now"),
        ("iat", []),
        ("qsh", None),
        ("qsh", ["context-qsh"]),
        ("qsh", ""),
        ("sub", 557058),
        ("sub", ["a"]),
        ("sub", ""),
        ("sub", "a b"),
        ("sub", "a/../b"),
        ("sub", "x" * 129),
        ("context", "text"),
        ("context", [1]),
    ],
)
def test_attack_claim_of_another_type(other_side, gates, claim, value):
    with pytest.raises(refusals.ClaimMalformed, match=claim):
        gates.script(other_side.hs256(other_side.claims(**{claim: value})))


def test_attack_repeated_claim(other_side, gates):
    honest = json.dumps(other_side.claims())
    payload = honest.replace("{", '{"sub":"557058:victim",', 1).encode()
    with pytest.raises(refusals.JsonNameRepeated):
        gates.script(other_side.hs256(payload))


@pytest.mark.parametrize(
    "member",
    [
        {"jwk": {"kty": "oct", "k": "QUFB"}},
        {"jku": "https://evil.example.net/jwks"},
        {"x5u": "https://evil.example.net"},
        {"kid": "../../x"},
    ],
)
def test_attack_key_offered_by_the_token_is_never_looked_at(other_side, gates, page_claims, member):
    forged = other_side.by_hand(HS256 | member, page_claims(), key=b"the key that the token itself offers")
    with pytest.raises(refusals.SignatureWrong):
        gates.page(forged)
    assert gates.page(other_side.by_hand(HS256 | member, page_claims()))


@pytest.mark.parametrize("member", [{"crit": ["exp"]}, {"b64": False}, {"zip": "DEF"}])
def test_attack_header_that_changes_what_was_signed(other_side, gates, page_claims, member):
    with pytest.raises(refusals.HeaderNotUnderstood):
        gates.page(other_side.by_hand(HS256 | member, page_claims()))


def test_attack_one_megabyte_token(gates):
    with pytest.raises(refusals.TokenTooLarge):
        gates.page("eyJhbGciOiJIUzI1NiJ9." + "e" * 1_000_000 + ".AA")


def test_attack_deep_json(other_side, gates):
    with pytest.raises(refusals.JsonTooDeep):
        gates.script(other_side.hs256(b'{"context":' + b'{"a":' * 900 + b"1" + b"}" * 901))
