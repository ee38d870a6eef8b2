"""The environment becomes a safe configuration, or a refusal that says which setting, why, and how to mend it."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentry_sdk.utils import Dsn

from app.setting_values import PREFIX, SettingsRefused
from app.settings import HOST_SCRIPT, SETTINGS, check_processes, read_settings

PRODUCTION = {
    "PLEDGE_BASE_URL": "https://app.example.com",
    "PLEDGE_DATABASE_URL": "postgresql+psycopg://web@db.example.com/pledge",
    "PLEDGE_KEYRING_FILE": "/etc/pledge/keyring.json",
}
DEVELOPMENT = {"PLEDGE_PROFILE": "development"}


def refusal(environ):
    with pytest.raises(SettingsRefused) as refused:
        read_settings(environ)
    return str(refused.value)


def test_production_needs_little_and_defaults_to_the_safe_side():
    settings = read_settings(PRODUCTION)
    assert settings.profile == "production"
    assert not settings.is_development
    assert settings.keyring_file == Path("/etc/pledge/keyring.json")
    assert settings.connect_allowed_hosts == ("atlassian.net", "jira.com")
    assert settings.connect_host_script_url == HOST_SCRIPT
    assert all(url.startswith("https://") for url in settings.connect_install_keys_urls)
    assert settings.connect_app_key is None
    assert (settings.audit_signing_key_file, settings.audit_anchor) == (None, None)
    assert settings.audit_name == "app.example.com/audit"
    assert settings.connect_secret_grace_seconds == 0
    assert settings.trusted_proxies == 0
    assert settings.region == "global"
    assert settings.policy == "atlassian-marketplace"
    assert settings.log_format == "json"
    assert settings.security_contact is None


@pytest.mark.parametrize("missing", ["PLEDGE_OAUTH_CLIENT_ID", "PLEDGE_OAUTH_CLIENT_SECRET_FILE"])
def test_reports_under_our_own_grant_need_the_client_and_its_secret(missing):
    client = {"PLEDGE_OAUTH_CLIENT_ID": "made-up", "PLEDGE_OAUTH_CLIENT_SECRET_FILE": "/etc/pledge/client-secret"}
    good = PRODUCTION | {"PLEDGE_REPORT_AUTH": "oauth"} | client
    assert read_settings(good).oauth_url == "https://auth.atlassian.com"
    said = refusal({name: value for name, value in good.items() if name != missing})
    assert said.startswith(f"{missing} is not set; set it to ")
    assert "https" in refusal(good | {"PLEDGE_OAUTH_URL": "http://auth.example.com"})


def test_labels_are_written_and_the_security_tab_is_left_alone_unless_said_otherwise():
    settings = read_settings(PRODUCTION)
    assert (settings.write_to_jira, settings.security_tab) == (True, False)
    changed = read_settings(PRODUCTION | {"PLEDGE_WRITE_TO_JIRA": "off"})
    assert not changed.write_to_jira


def test_the_security_tab_without_the_scope_to_write_is_refused():
    said = refusal(PRODUCTION | {"PLEDGE_WRITE_TO_JIRA": "off", "PLEDGE_SECURITY_TAB": "on"})
    assert said == "PLEDGE_SECURITY_TAB is on, but PLEDGE_WRITE_TO_JIRA is off; switch on both or neither"


@pytest.mark.parametrize("name", ["PLEDGE_WRITE_TO_JIRA", "PLEDGE_SECURITY_TAB"])
def test_a_switch_is_on_or_off_and_nothing_else(name):
    assert refusal(PRODUCTION | {name: "yes"}) == f"{name} is 'yes'; use one of on, off"


def test_development_needs_nothing():
    settings = read_settings(DEVELOPMENT)
    assert settings.is_development
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.connect_app_key == "io.pledge.app"
    assert settings.keyring_file == Path(".pledge/keyring.json")
    assert settings.database_url is None
    assert settings.audit_signing_key_file == Path(".pledge/audit-signing.key")
    assert settings.audit_anchor == Path(".pledge/audit-anchor.jsonl")
    assert settings.log_format == "console"
    assert {"127.0.0.1", "localhost", "atlassian.net"} <= set(settings.connect_allowed_hosts)


def test_without_a_profile_it_is_production():
    assert read_settings(PRODUCTION) == read_settings(PRODUCTION | {"PLEDGE_PROFILE": "production"})
    assert "PLEDGE_BASE_URL is not set" in refusal({})


@pytest.mark.parametrize("missing", PRODUCTION)
def test_what_production_cannot_do_without_is_named_with_its_remedy(missing):
    text = refusal({name: value for name, value in PRODUCTION.items() if name != missing})
    assert text.startswith(f"{missing} is not set; ")
    assert len(text) > len(f"{missing} is not set; ")


@pytest.mark.parametrize(
    ("name", "value", "fault", "remedy"),
    [
        ("PROFILE", "staging", "is 'staging'", "use one of production, development"),
        ("BASE_URL", "app.example.com", "is 'app.example.com'", "give a URL such as https://"),
        ("BASE_URL", "ftp://app.example.com", "is 'ftp:", "give a URL such as"),
        ("BASE_URL", "https://app.example.com/?x=1", "is 'https:", "without query or fragment"),
        ("BASE_URL", "https://app.example.com/#x", "is 'https:", "without query or fragment"),
        ("BASE_URL", "https://", "is 'https:", "give a URL"),
        ("BASE_URL", "https://[::1", "Invalid IPv6 URL", "Invalid"),
        ("AUDIT_ANCHOR", "/srv/anchor", "is '/srv/anchor'", "give file: and a path"),
        ("AUDIT_ANCHOR", "file:", "is 'file:'", "give file: and a path"),
        ("TRUSTED_PROXIES", "-1", "is '-1'", "give a whole number, 0 or more"),
        ("TRUSTED_PROXIES", "one", "is 'one'", "give a whole number"),
        ("TRUSTED_PROXIES", "²", "is '²'", "give a whole number"),
        ("CONNECT_INSTALL_KEYS_URLS", "keys.example.com", "is 'keys.example.com'", "give a URL"),
        ("CONNECT_ALLOWED_HOSTS", " , ", "is ' , '", "give host suffixes such as"),
        ("CONNECT_ALLOWED_HOSTS", "*", "is '*'", "give host suffixes such as"),
        ("CONNECT_HOST_SCRIPT_URL", "all.js", "is 'all.js'", "give a URL"),
        ("CONNECT_SECRET_GRACE_SECONDS", "1.5", "is '1.5'", "give a whole number"),
        ("REDIS_URL", "127.0.0.1:6379", "is no Redis URL", "give redis://"),
        ("REDIS_URL", "http://127.0.0.1", "is no Redis URL", "give redis://"),
        ("REDIS_URL", "redis://", "is no Redis URL", "rediss://:password@host:6379/0"),
        ("REDIS_URL", "redis://host:port", "is no Redis URL", "rediss://:password@host:6379/0"),
        ("REDIS_URL", "redis://host/name", "is no Redis URL", "rediss://:password@host:6379/0"),
        ("REDIS_URL", "unix://", "is no Redis URL", "unix:///path/to/socket"),
        ("RATE_LIMITS", "reads.tenant", "is 'reads.tenant'", "give requests per minute, such as reads.tenant="),
        ("RATE_LIMITS", "reads.tenant=0", "is 'reads.tenant=0'", "give requests per minute"),
        ("RATE_LIMITS", "reads.tenant=1e9", "is 'reads.tenant=1e9'", "give requests per minute"),
        ("SMTP_URL", "http://mail.example.com", "is no SMTP URL", "smtp://user:password@host:587"),
        ("SMTP_URL", "smtp://", "is no SMTP URL", "smtp://user:password@host:587"),
        ("SMTP_URL", "smtp://user@mail.example.com", "is no SMTP URL", "smtp://user:password@host:587"),
        ("SMTP_URL", "smtp://mail.example.com/x", "is no SMTP URL", "smtp://user:password@host:587"),
        ("SMTP_URL", "smtp://mail.example.com:0", "is no SMTP URL", "smtp://user:password@host:587"),
        ("SMTP_URL", "smtp://mail.example.com", "MAIL_FROM is not set", "set it to the address"),
        ("MAIL_FROM", "Pledge <pledge@example.com>", "is 'Pledge <", "give a plain address"),
        ("MAIL_FROM", "pledge@example.com\nBcc: x@example.com", "is 'pledge@", "give a plain address"),
        ("LOG_FORMAT", "xml", "is 'xml'", "use one of console, json"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_name_fault_and_remedy(name, value, fault, remedy):
    for environ in (PRODUCTION, DEVELOPMENT):
        text = refusal(environ | {PREFIX + name: value})
        assert text.startswith(f"PLEDGE_{name} ") or fault.startswith("MAIL_FROM")
        assert fault in text
        assert remedy in text


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("BASE_URL", "http://app.example.com", "production needs https"),
        ("CONNECT_INSTALL_KEYS_URLS", "https://keys.example.com,http://keys.example.net", "production needs https"),
        ("CONNECT_HOST_SCRIPT_URL", "http://script.example.com/all.js", "production needs https"),
        ("CONNECT_HOST_SCRIPT_URL", "https://script.example.com/all.js", "unset it"),
        ("CONNECT_ALLOWED_HOSTS", "atlassian.net,localhost", "give a domain such as atlassian.net"),
        ("CONNECT_ALLOWED_HOSTS", "127.0.0.1", "give a domain such as atlassian.net"),
        ("CONNECT_ALLOWED_HOSTS", "net", "give a domain such as atlassian.net"),
    ],
)
def test_production_refuses_what_is_unsafe(name, value, remedy):
    text = refusal(PRODUCTION | {PREFIX + name: value})
    assert text.startswith(f"PLEDGE_{name} ")
    assert remedy in text


@pytest.mark.parametrize(
    "value",
    [
        "sentry.example.com/7",
        "https://sentry.example.com/7",
        "https://key@sentry.example.com",
        "https://key@sentry.example.com/",
        "https://key@sentry.example.com/project",
        "https://key@/7",
        "https://key:secret@sentry.example.com/7",
        "https://key@sentry.example.com:0/7",
        "https://key@sentry.example.com:port/7",
        "https://key@sentry.example.com:99999/7",
        "https://key@[::1/7",
        "https://key@sentry.example.com/7?x=1",
        "https://key@sentry.example.com/7#x",
        "https://key@sentry.example.com/7\n",
        "ftp://key@sentry.example.com/7",
    ],
)
def test_a_dsn_that_is_none_is_refused_and_not_repeated(value):
    for environ in (PRODUCTION, DEVELOPMENT):
        text = refusal(environ | {"PLEDGE_SENTRY_DSN": value})
        assert text == (
            "PLEDGE_SENTRY_DSN is no DSN; give https://key@host/project, as Sentry's project settings show it"
        )


def test_production_refuses_a_dsn_without_tls_and_does_not_repeat_it():
    text = refusal(PRODUCTION | {"PLEDGE_SENTRY_DSN": "http://0123abcd@sentry.example.com/7"})
    assert text == "PLEDGE_SENTRY_DSN is plain http; production needs https"


@pytest.mark.parametrize(
    "value", ["https://0123abcd@o1.ingest.example.com/7", "https://k@sentry.example.com:8443/sub/7"]
)
def test_a_dsn_that_is_taken_is_one_for_sentry_too(value):
    assert read_settings(PRODUCTION | {"PLEDGE_SENTRY_DSN": value}).sentry_dsn == value
    assert Dsn(value).project_id == "7"


def test_development_takes_loopback_http():
    environ = DEVELOPMENT | {
        "PLEDGE_CONNECT_INSTALL_KEYS_URLS": "http://127.0.0.1:8100/install-keys/",
        "PLEDGE_CONNECT_HOST_SCRIPT_URL": "http://127.0.0.1:8100/host.js",
    }
    settings = read_settings(environ)
    assert settings.connect_install_keys_urls == ("http://127.0.0.1:8100/install-keys",)
    assert settings.connect_host_script_url == "http://127.0.0.1:8100/host.js"


def test_a_base_url_loses_its_last_slash_and_keeps_its_path():
    settings = read_settings(PRODUCTION | {"PLEDGE_BASE_URL": "https://example.com/pledge/"})
    assert settings.base_url == "https://example.com/pledge"
    assert settings.base_path == "/pledge"
    assert read_settings(PRODUCTION).base_path == ""


@pytest.mark.parametrize("written", ["atlassian.net, jira.com", "*.atlassian.net,.jira.com", "ATLASSIAN.NET,Jira.com,"])
def test_host_suffixes_are_read_in_every_usual_spelling(written):
    settings = read_settings(PRODUCTION | {"PLEDGE_CONNECT_ALLOWED_HOSTS": written})
    assert settings.connect_allowed_hosts == ("atlassian.net", "jira.com")


@pytest.mark.parametrize(
    "url", ["redis://db.example.com", "rediss://:secret@db.example.com:6380/3", "unix:///run/redis/socket?db=2"]
)
def test_a_store_for_rate_limits_is_named_by_its_url(url):
    assert read_settings(PRODUCTION | {"PLEDGE_REDIS_URL": url}).redis_url == url


def test_a_wrong_store_is_refused_without_its_password():
    assert "canary" not in refusal(PRODUCTION | {"PLEDGE_REDIS_URL": "http://:canary@db.example.com"})


def test_a_wrong_mail_server_is_refused_without_its_password():
    assert "canary" not in refusal(PRODUCTION | {"PLEDGE_SMTP_URL": "http://user:canary@mail.example.com"})


@pytest.mark.parametrize("url", ["smtp://mail.example.com", "smtps://us%3Aer:p%40ss@mail.example.com:465/"])
def test_a_mail_server_is_named_by_its_url(url):
    settings = read_settings(PRODUCTION | {"PLEDGE_SMTP_URL": url, "PLEDGE_MAIL_FROM": "pledge@example.com"})
    assert (settings.smtp_url, settings.mail_from) == (url, "pledge@example.com")


def test_limits_are_read_by_name():
    settings = read_settings(PRODUCTION | {"PLEDGE_RATE_LIMITS": "reads.tenant=30000, events.tenant=1"})
    assert settings.rate_limits == (("reads.tenant", 30_000), ("events.tenant", 1))


def test_several_web_processes_in_production_need_a_store_to_count_together():
    shared = {"PLEDGE_REDIS_URL": "redis://db.example.com"}
    for environ, processes in ((PRODUCTION, 1), (PRODUCTION | shared, 2), (DEVELOPMENT, 2)):
        check_processes(read_settings(environ), processes=processes)
    with pytest.raises(SettingsRefused, match=r"PLEDGE_REDIS_URL is not set, but 2 web processes.*; give a Redis"):
        check_processes(read_settings(PRODUCTION), processes=2)


def test_an_unknown_variable_is_ignored():
    assert read_settings(PRODUCTION | {"PLEDGE_TEST_REQUIRE": "all", "PLEDGE_": "x"}) == read_settings(PRODUCTION)


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
def test_an_empty_variable_is_an_unset_one(name):
    full = PRODUCTION | {"PLEDGE_PROFILE": "development"}
    without = {key: value for key, value in full.items() if key != PREFIX + name}
    if name == "PROFILE":
        without = PRODUCTION
    assert read_settings(without | {PREFIX + name: ""}) == read_settings(without)


def test_settings_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        read_settings(PRODUCTION).region = "eu"


def test_the_defaults_of_the_table_are_accepted_by_their_own_rows():
    for setting in SETTINGS:
        for default in (setting.default, setting.development):
            assert default is None or setting.read(default) is not None


@given(
    st.sampled_from([setting.name for setting in SETTINGS]),
    st.text(st.characters(exclude_characters="\0"), max_size=30),
)
def test_any_value_is_taken_or_refused_by_name(name, value):
    for environ in (PRODUCTION, DEVELOPMENT):
        try:
            read_settings(environ | {PREFIX + name: value})
        except SettingsRefused as refused:
            assert str(refused).startswith("PLEDGE_")  # noqa: PT017  taking the value is as good
