"""Invocation tokens for tests: genuine ones of every route, and every way to break one."""

import jwt
import pytest
import requests


@pytest.fixture
def mint(control, forge):
    return lambda **wanted: control("POST", "/sites/genchi/fit", json=wanted)


def test_a_page_s_token_names_the_person_the_module_and_the_issue(simulator, mint, verify):
    site = simulator.site("genchi")
    minted = mint(account="developer", issue="SEC-1")
    claims = jwt.decode(minted["token"], options={"verify_signature": False})
    assert claims == minted["claims"]
    assert claims["principal"] == site.person("developer").account_id
    assert claims["app"]["module"] == {"type": "jira:issueContext", "key": "pledge-issue"}
    extension = claims["context"]["extension"]
    assert extension["issue"] == {"id": "10001", "key": "SEC-1", "type": "Vulnerability", "typeId": "10103"}
    assert extension["project"] == {"id": "10000", "key": "SEC", "type": "software"}
    assert (claims["context"]["siteUrl"], claims["context"]["cloudId"]) == (site.url, site.cloud_id)
    assert {"x-forge-oauth-system", "x-forge-oauth-user", "Authorization"} <= minted["headers"].keys()


@pytest.mark.parametrize(
    ("kind", "key"), [("events", "ep-events"), ("lifecycle", "ep-lifecycle"), ("uninstall", "ep-uninstall")]
)
def test_a_system_call_has_no_principal_unless_asked_for(mint, kind, key):
    minted = mint(kind=kind)
    assert minted["claims"]["app"]["module"] == {"type": "core:endpoint", "key": key}
    assert "principal" not in minted["claims"]
    assert "x-forge-oauth-user" not in minted["headers"]
    assert "principal" in mint(kind=kind, account="developer")["claims"]
    assert "principal" not in mint(account=None)["claims"]


def test_claims_are_set_and_left_out_by_dotted_path(mint):
    overrides = {"app.environment.type": "STAGING", "icLabel": "x", "context.extension.issue": {"id": "1"}}
    claims = mint(overrides=overrides, remove=["nbf", "app.installation.id"])["claims"]
    assert (claims["app"]["environment"]["type"], claims["icLabel"]) == ("STAGING", "x")
    assert claims["context"]["extension"]["issue"] == {"id": "1"}
    assert "nbf" not in claims
    assert claims["app"]["installation"].keys() == {"contexts"}


def test_another_environment_has_an_id_of_its_own_and_no_licence(mint):
    production, development = mint()["claims"]["app"], mint(environment="DEVELOPMENT")["claims"]["app"]
    assert production["environment"]["id"] != development["environment"]["id"]
    assert ("license" in production, "license" in development) == (True, False)
    assert mint(license="inactive")["claims"]["app"]["license"]["active"] is False


def test_tokens_of_former_installations_are_minted(control, app, mint):
    before = mint()["claims"]["app"]["installationId"]
    control("POST", "/sites/genchi/install", params={"app": app.url, "as": "forge"})
    assert mint(previous=1)["claims"]["app"]["installationId"] == before != mint()["claims"]["app"]["installationId"]


def test_keys_headers_and_algorithms_are_chosen(simulator, control, mint):
    url = f"{simulator.control_url}/.well-known/jwks.json"
    control("POST", "/control", json={"jwks": "rotate"})
    (old, new) = requests.get(url, timeout=30).json()["keys"]
    header = jwt.get_unverified_header
    assert header(mint()["token"])["kid"] == new["kid"]
    assert header(mint(key=old["kid"])["token"])["kid"] == old["kid"]
    assert header(mint(key="unknown")["token"])["kid"] not in {old["kid"], new["kid"]}
    impostor = mint(key="impostor")["token"]
    assert header(impostor)["kid"] == new["kid"]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(impostor, jwt.PyJWK(new), algorithms=["RS256"], options={"verify_aud": False})
    assert header(mint(algorithm="none")["token"])["alg"] == "none"
    assert header(mint(header={"kid": "", "jku": "x"})["token"]).items() >= {"kid": "", "jku": "x"}.items()


@pytest.mark.parametrize("wanted", [{"kind": "other"}, {"key": "no such kid"}])
def test_what_cannot_be_minted_is_said(simulator, forge, wanted):
    answer = requests.post(f"{simulator.control_url}/sites/genchi/fit", json=wanted, timeout=30)
    assert answer.status_code == 400


def test_a_site_without_forge_mints_none(simulator):
    answer = requests.post(f"{simulator.control_url}/sites/genchi/fit", json={}, timeout=30)
    assert answer.status_code == 409
