"""Lifecycle requests, panels and tokens, as an app receives them."""

import re
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from atlassian_jwt import Authenticator
from atlassian_jwt.url_utils import hash_url


class Verifier(Authenticator):
    """Atlassian's own verifier, with one secret."""

    def __init__(self, secret):
        super().__init__()
        self._secret = secret

    def get_shared_secret(self, client_key):
        return self._secret


def verify_lifecycle(simulator, app, received):
    kid = jwt.get_unverified_header(received.token)["kid"]
    pem = requests.get(f"{simulator.control_url}/install-keys/{kid}", timeout=30).text
    return jwt.decode(
        received.token,
        pem,
        algorithms=["RS256"],
        audience=app.url,
        options={"require": ["iss", "aud", "exp", "qsh"]},
    )


def test_an_install_is_signed_with_the_key_that_the_key_server_serves(simulator, installed):
    received = installed.received("/installed")[0]
    claims = verify_lifecycle(simulator, installed, received)
    assert claims["iss"] == received.json["clientKey"] == simulator.site("genchi").client_key
    assert claims["aud"] == [installed.url]
    assert claims["qsh"] == hash_url("POST", "/installed")
    assert len(received.json["sharedSecret"]) == 64


def test_enabled_follows_installed_and_is_signed_with_the_new_secret(installed, secret):
    received = installed.received("/enabled")[0]
    headers = {"Authorization": f"JWT {received.token}"}
    assert Verifier(secret).authenticate("POST", "/enabled", headers).client_key == received.json["clientKey"]


def test_no_control_answer_holds_the_secret(control, installed, app):
    answers = [control("POST", f"/sites/genchi/{what}") for what in ("rotate-secret", "rename", "import")]
    answers += [control("GET", "/sites/genchi"), control("GET", "/control")]
    secrets = [one.json["sharedSecret"] for one in app.received("/installed")]
    assert len(set(secrets)) == 3  # a rename keeps the secret
    assert not any(secret in str(answers) for secret in secrets)


def test_a_refused_rotation_keeps_the_old_secret(control, rest, installed):
    installed.answers.append(500)
    outcome = control("POST", "/sites/genchi/rotate-secret")
    assert (outcome["status"], outcome["accepted"]) == (500, False)
    assert rest("GET", "/rest/api/3/myself").status_code == 200


def test_a_rotation_ends_the_old_secret(control, rest):
    control("POST", "/sites/genchi/rotate-secret")
    assert rest("GET", "/rest/api/3/myself").status_code == 401


def test_an_import_brings_a_new_client_key_on_the_same_url(control, installed):
    before = installed.received("/installed")[0].json
    control("POST", "/sites/genchi/import")
    after = installed.received("/installed")[1].json
    assert before["baseUrl"] == after["baseUrl"]
    assert before["clientKey"] != after["clientKey"]


def test_a_rename_changes_the_spelling_of_the_base_url(control, simulator, installed):
    control("POST", "/sites/genchi/rename")
    url = installed.received("/installed")[1].json["baseUrl"]
    assert url.startswith("http://localhost:")
    assert requests.get(f"{url}/_edge/tenant_info", timeout=30).json() == {"cloudId": simulator.site("genchi").cloud_id}


def test_uninstall_is_signed_and_ends_access_at_once(simulator, control, rest, installed):
    control("POST", "/sites/genchi/uninstall")
    received = installed.received("/uninstalled")[0]
    assert verify_lifecycle(simulator, installed, received)["qsh"] == hash_url("POST", "/uninstalled")
    assert "sharedSecret" not in received.json
    assert rest("GET", "/rest/api/3/myself").status_code == 401


def test_another_machine_cannot_be_installed_as_an_app(simulator):
    url = f"{simulator.control_url}/sites/genchi/install?app=http://app.example.com"
    answer = requests.post(url, timeout=30)
    assert (answer.status_code, "loopback" in answer.text) == (400, True)


def frame_url(page):
    return re.search(r'<iframe[^>]* src="([^"]+)"', page)[1].replace("&amp;", "&")


def test_a_panel_address_carries_context_and_a_token_whose_hash_fits(simulator, installed, secret):
    site = simulator.site("genchi")
    page = requests.get(f"{site.url}/browse/SEC-1?as=developer&theme=dark", timeout=30)
    url = urlsplit(frame_url(page.text))
    query = parse_qs(url.query, keep_blank_values=True)
    claims = Verifier(secret).authenticate("GET", f"{url.path}?{url.query}").claims
    assert claims["sub"] == site.person("developer").account_id
    assert query["issueId"] == [site.issue("SEC-1").id]
    assert {"xdm_e": [site.url], "cp": [""], "lic": ["active"]}.items() <= query.items()
    assert installed.url in page.headers["Content-Security-Policy"]
    assert 'data-color-mode="dark"' in page.text


@pytest.mark.parametrize(("person", "key", "status"), [("outsider", "SEC-1", 404), ("developer2", "SEC-11", 404)])
def test_a_page_is_shown_only_to_who_may_see_the_issue(simulator, person, key, status):
    page = f"{simulator.site('genchi').url}/browse/{key}"
    assert requests.get(f"{page}?as={person}", timeout=30).status_code == status
    assert requests.get(f"{page}?as=admin", timeout=30).status_code == 200


def test_a_page_gets_fresh_context_tokens(simulator, installed, secret):
    site = simulator.site("genchi")
    token = requests.get(f"{site.url}/host/token?as=developer2&issue=SEC-1", timeout=30).json()["token"]
    claims = jwt.decode(token, secret, algorithms=["HS256"])
    assert (claims["qsh"], claims["sub"]) == ("context-qsh", site.person("developer2").account_id)
    assert claims["context"]["jira"]["issue"] == {"id": site.issue("SEC-1").id, "key": "SEC-1"}


def test_tests_can_mint_genuine_old_and_broken_tokens(control, secret, installed):
    wanted = {"method": "GET", "path": "/panel?a=1", "account": "admin"}
    genuine = control("POST", "/sites/genchi/token", json=wanted)["token"]
    assert jwt.decode(genuine, secret, algorithms=["HS256"])["qsh"] == hash_url("GET", "/panel?a=1")
    broken = wanted | {"overrides": {"sub": None, "iss": ["a"]}, "remove": ["exp"], "algorithm": "none"}
    token = control("POST", "/sites/genchi/token", json=broken)["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert ("exp" in claims, claims["iss"], claims["sub"]) == (False, ["a"], None)
    assert jwt.get_unverified_header(token)["alg"] == "none"
    control("POST", "/sites/genchi/rotate-secret")
    old = control("POST", "/sites/genchi/token", json=wanted | {"previous": 1})["token"]
    assert jwt.decode(old, secret, algorithms=["HS256"])["qsh"] == claims["qsh"]


def test_a_minted_install_token_verifies_with_the_served_key(simulator, control, installed):
    wanted = {"kind": "install", "method": "POST", "path": "/installed"}
    token = control("POST", "/sites/genchi/token", json=wanted)["token"]
    pem = simulator.world.install_key.public_pem
    claims = jwt.decode(token, pem, algorithms=["RS256"], audience=installed.url)
    assert claims["iss"] == simulator.site("genchi").client_key


@pytest.mark.parametrize("headers", [{"Host": "evil.example.com"}, {"Origin": "http://evil.example.com"}])
def test_dns_rebinding_and_cross_site_posts_are_refused(simulator, headers):
    answer = requests.post(f"{simulator.control_url}/control", json={}, headers=headers, timeout=30)
    assert answer.status_code == 403
