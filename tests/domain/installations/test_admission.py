"""Who is admitted: whoever a live secret of an active installation vouches for, and nobody a moment longer."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.identifiers import ClientKey
from app.domain.installations.admission import IssuerUnknown
from app.domain.installations.model import CallerKind
from app.domain.installations.site import site_access
from app.domain.secrets import Secret
from app.protocol.connect_jwt import SignedRequest
from app.protocol.refusals import KeyUnknown, TokenRefused

OLD, NEW = "s" * 40, "n" * 40
HOUR, MOMENT = timedelta(hours=1), timedelta(microseconds=1)


@pytest.fixture
def installed(lifecycle, body, claims, name, now):
    lifecycle.installed(body(name), claims(name), now=now)
    return name


@pytest.fixture
def rotate(lifecycle, body, claims, now):
    def rotate(name, *, grace_seconds):
        rules = replace(lifecycle.rules, secret_grace_seconds=grace_seconds)
        renewed = body(name, shared_secret=Secret(NEW))
        replace(lifecycle, rules=rules).installed(renewed, claims(name, now + HOUR), now=now)

    return rotate


@pytest.mark.parametrize("mode", ["computed", "context"])
@pytest.mark.parametrize(("account", "kind"), [("person", CallerKind.PERSON), (None, CallerKind.HOST)])
def test_a_token_of_an_active_installation_names_its_caller(admit, database, installed, mode, account, kind):
    caller = admit(installed, mode=mode, account=account)
    assert caller.tenant == database.find_connect(ClientKey(installed)).tenant
    assert (caller.account, caller.kind, caller.region, caller.licence_active) == (account, kind, "global", None)


def test_an_unknown_client_key_is_refused(admit):
    with pytest.raises(IssuerUnknown):
        admit("nobody")


def test_a_secret_of_another_installation_is_refused(admit, installed):
    with pytest.raises(TokenRefused):
        admit(installed, NEW)


def test_a_rotated_secret_is_refused_at_once_without_grace(admit, installed, rotate, now):
    assert admit(installed)
    rotate(installed, grace_seconds=0)
    assert admit(installed, NEW)
    with pytest.raises(TokenRefused):
        admit(installed, OLD)


def test_in_grace_both_secrets_are_live_and_afterwards_the_new_one_alone(admit, database, installed, rotate, now):
    rotate(installed, grace_seconds=60)
    registered = database.find_connect(ClientKey(installed))
    assert registered.live_versions(now) == (2, 1)
    assert registered.live_versions(now + timedelta(seconds=60) - MOMENT) == (2, 1)
    assert registered.live_versions(now + timedelta(seconds=60)) == (2,)
    assert admit(installed, OLD)
    assert admit(installed, NEW, at=now + timedelta(seconds=60))
    with pytest.raises(TokenRefused):
        admit(installed, OLD, at=now + timedelta(seconds=60))


def test_a_second_rotation_ends_the_grace_of_the_first(admit, lifecycle, body, claims, installed, rotate, now):
    rotate(installed, grace_seconds=60)
    rules = replace(lifecycle.rules, secret_grace_seconds=60)
    third = body(installed, shared_secret=Secret("t" * 40))
    replace(lifecycle, rules=rules).installed(third, claims(installed, now + 2 * HOUR), now=now)
    assert admit(installed, "t" * 40)
    assert admit(installed, NEW)
    with pytest.raises(TokenRefused):
        admit(installed, OLD)


def test_uninstalling_ends_access_at_once_although_the_vault_remembers_the_secret(
    admit, lifecycle, body, claims, installed, now
):
    assert admit(installed)
    lifecycle.uninstalled(body(installed), claims(installed, now + HOUR), now=now)
    with pytest.raises(IssuerUnknown):
        admit(installed)


def test_a_suspended_site_is_refused(admit, lifecycle, body, claims, installed, now):
    new = installed + "-imported"
    url = f"https://{installed}.atlassian.net"
    lifecycle.installed(body(new, base_url=url, shared_secret=Secret(NEW)), claims(new, now + HOUR), now=now)
    with pytest.raises(IssuerUnknown):
        admit(installed)
    assert admit(new, NEW)


def test_a_secret_that_vanished_between_registry_and_vault_is_a_refusal_and_no_failure(
    admit, installed, shared, database
):
    tenant = database.find_connect(ClientKey(installed)).tenant
    shared.execute("DELETE FROM app.sealed_secrets WHERE tenant_id = %s", tenant)
    with pytest.raises(IssuerUnknown):
        admit(installed)


def test_a_signed_install_whose_key_nobody_has_is_refused(admission, now):
    header = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImtpZCJ9"
    with pytest.raises((KeyUnknown, TokenRefused)):
        admission.admit_signed_install(SignedRequest("POST", "/connect/installed", "", f"{header}.e30.AAAA"), now=now)


def test_a_site_is_called_with_tokens_that_it_accepts(database, admission, installed, now):
    tenant = database.find_connect(ClientKey(installed)).tenant
    site = site_access(database, admission.vault, tenant, None, app_key="io.pledge.app", clock=lambda: now)
    assert site.base_url == f"https://{installed}.atlassian.net"
    first, second = {}, {}
    site.authorize(first, method="GET", target="/rest/api/3/issue/1")
    site.authorize(second, method="GET", target="/rest/api/3/issue/2")
    assert first != second
