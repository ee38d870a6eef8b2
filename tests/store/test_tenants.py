"""A tenant, its installations and their sealed secrets."""

from datetime import timedelta
from uuid import uuid4

import pytest

from app.domain.secrets import Purpose, Sealed, SecretMissing, SecretPlace, WrappedKey


@pytest.fixture
def registered(web, register):
    return register(web)


def key_of(tenant, purpose=Purpose.CONNECT_SECRET):
    return WrappedKey(tenant, purpose, uuid4(), "kek-1", b"wrapped")


def place_of(registered, version=1, purpose=Purpose.CONNECT_SECRET):
    return SecretPlace(registered.tenant, purpose, str(registered.installation), version)


def test_a_tenant_is_read_with_its_current_installation(web, registered):
    tenant = web.view_tenant(registered.tenant)
    assert (tenant.tenant, tenant.installation, tenant.client_key, tenant.base_url, tenant.region, tenant.policy) == (
        registered.tenant,
        registered.installation,
        registered.client_key,
        registered.site_url,
        "global",
        "genchi",
    )


def test_installing_again_updates_the_site_and_keeps_policy_and_region(web, registered, install, now, added):
    renamed = install(registered, base_url="https://new.example.com", display_url="https://jira.example.com")
    with web.begin(registered.tenant) as uow:
        uow.tenants.save_install(renamed, region="eu", policy="other", now=now + timedelta(days=1))
        uow.commit(because=added)
    tenant = web.view_tenant(registered.tenant)
    assert (tenant.base_url, tenant.display_url) == ("https://new.example.com", "https://jira.example.com")
    assert (tenant.region, tenant.policy) == ("global", "genchi")


def test_uninstalling_deletes_the_secrets_and_installing_again_clears_the_mark(
    web, registered, install, shared, now, added
):
    key = key_of(registered.tenant)
    with web.begin(registered.tenant) as uow:
        uow.tenants.add_data_key(key, now)
        uow.tenants.add_sealed(Sealed(place_of(registered), b"envelope", key))
        uow.tenants.mark_uninstalled(registered.installation, now)
        with pytest.raises(SecretMissing):
            uow.tenants.sealed(place_of(registered))
        uow.commit(because=added)
    query = "SELECT uninstalled_at FROM app.installations WHERE tenant_id = %s"
    assert shared.rows(query, registered.tenant) == [(now,)]
    with web.begin(registered.tenant) as uow:
        uow.tenants.save_install(install(registered), region="global", policy="genchi", now=now)
        uow.commit(because=added)
    assert shared.rows(query, registered.tenant) == [(None,)]


def test_a_hint_is_remembered(web, registered, shared, added):
    for enabled in (True, False):
        with web.begin(registered.tenant) as uow:
            uow.tenants.hint_enabled(enabled=enabled)
            uow.commit(because=added)
        query = "SELECT enabled_hint FROM app.installations WHERE tenant_id = %s"
        assert shared.rows(query, registered.tenant) == [(enabled,)]


def test_the_newest_data_key_of_a_purpose_is_the_one(web, registered, now):
    old, new, other = (
        key_of(registered.tenant),
        key_of(registered.tenant),
        key_of(registered.tenant, Purpose.OAUTH_TOKEN),
    )
    with web.begin(registered.tenant) as uow:
        assert uow.tenants.data_key(Purpose.CONNECT_SECRET) is None
        uow.tenants.add_data_key(new, now)
        uow.tenants.add_data_key(old, now - timedelta(days=1))
        uow.tenants.add_data_key(other, now + timedelta(days=1))
        assert uow.tenants.data_key(Purpose.CONNECT_SECRET) == new
        assert uow.tenants.data_key(Purpose.OAUTH_TOKEN) == other


def test_an_envelope_is_found_at_its_own_place_only(web, registered, now):
    key = key_of(registered.tenant)
    sealed = Sealed(place_of(registered, 2), b"envelope", key)
    with web.begin(registered.tenant) as uow:
        uow.tenants.add_data_key(key, now)
        uow.tenants.add_sealed(sealed)
        assert uow.tenants.sealed(sealed.place) == sealed
        for place in (
            place_of(registered, 1),
            place_of(registered, 2, Purpose.OAUTH_TOKEN),
            SecretPlace(registered.tenant, Purpose.CONNECT_SECRET, "0", 2),
        ):
            with pytest.raises(SecretMissing):
                uow.tenants.sealed(place)


def test_an_envelope_of_another_tenant_is_missing_whatever_the_place_says(web, register, registered, now, added):
    other = register(web)
    key = key_of(other.tenant)
    with web.begin(other.tenant) as uow:
        uow.tenants.add_data_key(key, now)
        uow.tenants.add_sealed(Sealed(place_of(other), b"envelope", key))
        uow.commit(because=added)
    with web.begin(registered.tenant) as uow, pytest.raises(SecretMissing):
        uow.tenants.sealed(place_of(other))


def test_older_envelopes_of_the_row_are_forgotten_and_no_others(web, registered, now):
    key, others = key_of(registered.tenant), key_of(registered.tenant, Purpose.OAUTH_TOKEN)
    places = [place_of(registered, version) for version in (1, 2, 3)]
    bystander = place_of(registered, 1, Purpose.OAUTH_TOKEN)
    with web.begin(registered.tenant) as uow:
        uow.tenants.add_data_key(key, now)
        uow.tenants.add_data_key(others, now)
        for place in places:
            uow.tenants.add_sealed(Sealed(place, b"envelope", key))
        uow.tenants.add_sealed(Sealed(bystander, b"envelope", others))
        uow.tenants.forget_sealed(places[1])
        with pytest.raises(SecretMissing):
            uow.tenants.sealed(places[0])
        assert [uow.tenants.sealed(place).place for place in (*places[1:], bystander)] == [*places[1:], bystander]
