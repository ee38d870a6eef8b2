"""Who is admitted: each gate, on the app as it is built, with genuine tokens and almost genuine ones."""

import pytest
from flask import g

from app.edge import gates
from app.edge.gates import RawTargetMissing
from tests.edge.conftest import SECRET

PAGE = "/connect/issue?issueId=10001&issueKey=SEC-1&projectId=1"
FRAGMENT = "/fragments/issue?issueId=10001&issueKey=SEC-1"
CLOCKS = "/api/v1/issues/10001/clocks"
HOOK = "/connect/webhooks?issueId=10001"


def code_of(answer):
    return answer.get_json()["code"]


@pytest.fixture
def reason(web, monkeypatch):
    """Why the last request was refused: for the log only, so the log is where it is read."""
    said = []
    monkeypatch.setattr("app.edge.problems.log.info", lambda _, *, extra: said.append(extra["code"]))
    return lambda: said[-1]


def test_a_page_admits_a_signed_request(web):
    assert web.ask("GET", PAGE, kind="request").status_code == 200


def test_a_page_admits_a_token_in_the_query(web):
    assert web.client.get(f"{PAGE}&jwt={web.token('GET', PAGE)}").status_code == 200


def test_the_same_token_twice_is_one_token(web):
    token = web.token("GET", PAGE)
    assert web.ask("GET", f"{PAGE}&jwt={token}", token=token).status_code == 200


def test_two_different_tokens_in_one_request_are_refused(web, reason):
    token, other = web.token("GET", PAGE), web.token("GET", PAGE, sub="another")
    assert web.ask("GET", f"{PAGE}&jwt={token}", token=other).status_code == 401
    assert reason() == "two_tokens"
    assert web.ask("GET", f"{PAGE}&jwt={token}&jwt={other}").status_code == 401
    assert reason() == "two_tokens"


def test_a_context_token_in_the_query_is_refused_even_beside_a_genuine_one(web, reason):
    token = web.token(kind="context")
    assert web.ask("GET", f"{FRAGMENT}&jwt={token}", token=token).status_code == 401
    assert reason() == "two_tokens"
    assert web.ask("GET", f"{CLOCKS}?jwt={token}").status_code == 401


@pytest.mark.parametrize("target", [FRAGMENT, CLOCKS])
def test_our_own_routes_refuse_a_signed_request_of_the_host(web, reason, target):
    assert web.ask("GET", target, kind="request").status_code == 401
    assert reason() == "qsh_context_required"


@pytest.mark.parametrize(("method", "target"), [("GET", PAGE), ("POST", HOOK), ("POST", "/connect/enabled")])
def test_a_route_of_the_host_refuses_a_context_token(web, reason, method, target):
    assert web.ask(method, target, kind="context").status_code == 401
    assert reason() == "qsh_context_refused"


@pytest.mark.parametrize("target", [FRAGMENT, CLOCKS])
def test_our_own_routes_need_a_person(web, reason, target):
    token = web.token(kind="context", remove=["sub"])
    assert web.ask("GET", target, token=token).status_code == 401
    assert reason() == "person_needed"


@pytest.mark.parametrize("target", [FRAGMENT, CLOCKS])
@pytest.mark.parametrize(
    ("header", "why"),
    [
        (None, "token_missing"),
        ("", "token_missing"),
        ("Basic {}", "scheme_unknown"),
        ("Bearer {}", "scheme_unknown"),
        ("jwt {}", "scheme_unknown"),
        ("JWT\t{}", "scheme_unknown"),
    ],
)
def test_another_scheme_is_refused_before_the_token_is_read(web, reason, target, header, why):
    headers = {} if header is None else {"Authorization": header.format(web.token(kind="context"))}
    assert web.ask("GET", target, headers=headers).status_code == 401
    assert reason() == why


@pytest.mark.parametrize("header", [None, "Bearer {}", "jwt {}", "{}"])
def test_a_signed_route_takes_no_other_scheme(web, reason, header):
    headers = {} if header is None else {"Authorization": header.format(web.token("GET", PAGE))}
    assert web.ask("GET", PAGE, headers=headers).status_code == 401
    assert reason() == "token_missing"


@pytest.mark.parametrize(
    "target",
    [
        PAGE.replace("/connect", "/%63onnect"),
        PAGE.replace("/issue", "/%69ssue"),
        PAGE.replace("/connect/issue", "/connect/./issue"),
    ],
)
def test_a_path_spelled_so_that_router_and_hash_might_disagree_is_refused(web, target):
    answer = web.ask("GET", target, token=web.token("GET", target))
    assert answer.status_code in {401, 404}


@pytest.mark.parametrize("target", [PAGE.replace("/connect", "//connect"), PAGE.replace("/issue", "//issue")])
def test_a_doubled_slash_is_no_way_in(web, target):
    environ = {"RAW_URI": target, "PATH_INFO": target.partition("?")[0], "QUERY_STRING": target.partition("?")[2]}
    answer = web.client.get(
        "/", environ_overrides=environ, headers={"Authorization": f"JWT {web.token('GET', target)}"}
    )
    assert answer.status_code in {401, 404}


def test_a_server_that_decodes_the_path_is_no_server_for_us(web):
    with web.app.test_request_context("/x") as context:
        for name in ("RAW_URI", "REQUEST_URI"):
            context.request.environ.pop(name, None)
        with pytest.raises(RawTargetMissing):
            gates.raw_target()


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "nobody"}, "issuer_unknown"),
        ({"iat": 1_000_000, "exp": 1_000_180}, "token_expired"),
        ({"qsh": "context-qsh"}, "qsh_context_refused"),
        ({"qsh": "0" * 64}, "qsh_wrong"),
    ],
)
def test_a_claim_that_does_not_fit_is_refused(web, reason, claims, why):
    assert web.ask("GET", PAGE, token=web.token("GET", PAGE, **claims)).status_code == 401
    assert reason() == why


def test_a_secret_of_somebody_else_is_refused(web, reason):
    token = web.token("GET", PAGE, secret=SECRET[::-1])
    assert web.ask("GET", PAGE, token=token).status_code == 401
    assert reason() == "token_signature"


def test_an_install_token_opens_no_other_route_and_no_other_token_installs(web):
    assert web.ask("GET", PAGE, kind="install").status_code == 401
    assert web.ask("GET", CLOCKS, kind="install").status_code == 401
    body = {"data": web.lifecycle_body(), "content_type": "application/json"}
    for kind in ("request", "context"):
        assert web.ask("POST", "/connect/installed", kind=kind, **body).status_code == 401
        assert web.ask("POST", "/connect/uninstalled", kind=kind, **body).status_code == 401


def test_an_install_token_installs(web):
    body = {"data": web.lifecycle_body(), "content_type": "application/json"}
    assert web.ask("POST", "/connect/installed", kind="install", **body).status_code == 204


def test_a_body_of_another_site_is_not_for_this_token(web):
    body = {"data": web.lifecycle_body(clientKey="victim"), "content_type": "application/json"}
    answer = web.ask("POST", "/connect/installed", kind="install", **body)
    assert (answer.status_code, code_of(answer)) == (403, "not_for_this")


def test_a_gate_admits_the_tenant_of_the_token_and_the_person_in_it(web):
    with web.app.test_request_context(PAGE, headers={"Authorization": f"JWT {web.token('GET', PAGE)}"}):
        web.app.preprocess_request()
        ((tenant,),) = web.database.rows("SELECT tenant_id FROM registry.connect_installations")
        assert g.caller.tenant == tenant
        assert g.caller.account == "5b10ac8d82e05b22cc7d4ef5"
