"""What anyone may see: whether we are well, whom to tell of a vulnerability, the descriptor."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app import wiring
from descriptor.connect import render
from tests.edge.conftest import BASE_URL


@pytest.fixture
def configured(web, monkeypatch):
    """Change what the edge is configured with."""

    def change(**values):
        monkeypatch.setitem(web.app.extensions, "pledge.config", replace(web.app.extensions["pledge.config"], **values))

    return change


@pytest.fixture
def own_web(monkeypatch, database, keyring_file, tmp_path):
    """An app with a database and keyring of its own, to be broken."""
    keyring = tmp_path / "keyring.json"
    shutil.copy(keyring_file, keyring)
    monkeypatch.setenv("PLEDGE_PROFILE", "development")
    monkeypatch.setenv("PLEDGE_KEYRING_FILE", str(keyring))
    monkeypatch.setenv("PLEDGE_DATABASE_URL", database.web)
    monkeypatch.setattr(wiring.logs, "configure", lambda _: None)
    app = wiring.web_app()
    yield app.test_client(), keyring
    app.extensions["pledge.services"].database._engines.dispose()


def fields_of(answer):
    return [tuple(line.split(": ", 1)) for line in answer.get_data(as_text=True).splitlines()]


def test_security_txt_has_the_fields_of_the_rfc(web):
    answer = web.client.get("/.well-known/security.txt")
    assert answer.content_type == "text/plain; charset=utf-8"
    fields = dict(fields_of(answer))
    assert len(fields) == len(fields_of(answer)) == 4
    assert fields["Contact"] == "mailto:security@example.com"
    assert fields["Canonical"] == f"{BASE_URL}/.well-known/security.txt"
    assert fields["Preferred-Languages"] == "en"
    expires = datetime.fromisoformat(fields["Expires"])
    assert datetime.now(UTC) < expires < datetime.now(UTC) + timedelta(days=365)
    assert answer.get_data().endswith(b"\n")


@pytest.mark.parametrize(("age_days", "status"), [(0, 200), (179, 200), (181, 404), (4000, 404)])
def test_security_txt_is_not_served_past_its_expiry(web, configured, age_days, status):
    configured(deployed_at=datetime.now(UTC) - timedelta(days=age_days))
    assert web.client.get("/.well-known/security.txt").status_code == status


def test_without_a_contact_there_is_no_security_txt(web, configured):
    configured(security_contact=None)
    assert web.client.get("/.well-known/security.txt").status_code == 404


def test_the_descriptor_is_the_rendered_one(web):
    answer = web.client.get("/atlassian-connect.json")
    assert answer.mimetype == "application/json"
    assert json.loads(answer.get_data()) == render(app_key="io.pledge.app", base_url=BASE_URL, security_tab=True)


def test_where_connect_is_off_its_routes_are_not_there(web, configured):
    configured(connect_enabled=False)
    for method, path in (("GET", "/atlassian-connect.json"), ("GET", "/connect/issue"), ("POST", "/connect/installed")):
        answer = web.ask(method, path, kind="request")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
    assert web.client.get("/healthz").status_code == 200


def test_health_needs_nothing_and_readiness_everything(own_web):
    client, _ = own_web
    assert (client.get("/healthz").data, client.get("/readyz").data) == (b"ok", b"ok")


def is_unavailable(client):
    answer = client.get("/readyz")
    assert client.get("/healthz").status_code == 200
    return (answer.status_code, answer.data, int(answer.headers["Retry-After"]) > 0) == (503, b"unavailable", True)


def test_a_database_at_another_version_is_not_ready(own_web, database):
    client, _ = own_web
    database.execute("UPDATE registry.alembic_version SET version_num = '0000'")
    assert is_unavailable(client)


def test_a_database_that_lets_tenants_see_each_other_is_not_ready_and_the_log_says_by_which_rule(
    own_web, database, caplog
):
    client, _ = own_web
    database.execute("ALTER TABLE app.issues NO FORCE ROW LEVEL SECURITY; GRANT TRUNCATE ON app.issues TO pledge_web")
    with caplog.at_level("WARNING", logger="pledge"):
        assert is_unavailable(client)
    codes = [record.code for record in caplog.records]
    assert codes == ["row_security_is_not_enabled_and_forced", "granted_but_not_written_down"]


@pytest.mark.usefixtures("own_web")
def test_a_database_that_does_not_answer_is_not_ready(monkeypatch):
    monkeypatch.setenv("PLEDGE_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert is_unavailable(wiring.web_app().test_client())


@pytest.mark.parametrize("break_it", [lambda path: path.unlink(), lambda path: path.write_text("{}")])
def test_a_keyring_that_was_lost_or_broken_is_not_ready_and_a_mended_one_is(own_web, keyring_file, break_it):
    client, keyring = own_web
    break_it(keyring)
    assert is_unavailable(client)
    keyring.unlink(missing_ok=True)
    shutil.copy(keyring_file, keyring)
    assert client.get("/readyz").data == b"ok"


def test_a_static_file_is_found_by_the_address_that_the_page_uses(web):
    assets = web.app.extensions["pledge.config"].assets
    for address in (assets.tokens_css, assets.pledge_css, assets.htmx_js, assets.panel_js):
        with web.client.get(address) as answer:
            assert answer.status_code == 200
            assert answer.mimetype in {"text/css", "text/javascript"}


@pytest.mark.usefixtures("own_web")
@pytest.mark.parametrize("prefix", ["", "/pledge"])
def test_below_a_path_the_app_answers_whether_or_not_a_proxy_takes_the_path_off(monkeypatch, prefix):
    monkeypatch.setenv("PLEDGE_BASE_URL", "http://127.0.0.1:8000/pledge")
    client = wiring.web_app().test_client()
    assert client.get(f"{prefix}/healthz").data == b"ok"
    assert client.get(f"{prefix}/atlassian-connect.json").get_json()["baseUrl"] == "http://127.0.0.1:8000/pledge"
    assert client.get("/pledgehealthz").status_code == 404
