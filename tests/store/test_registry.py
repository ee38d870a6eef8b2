"""The few global rows: one active installation per site, and one event at a time per client key and site."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from app.domain.identifiers import ClientKey
from app.domain.installations.model import InstallationState


def test_what_is_saved_is_found_by_client_key_in_any_state(web, worker, register, now):
    for state in InstallationState:
        registered = register(web, state=state, secret_version=3, previous_accepted_until=now + timedelta(seconds=5))
        assert web.find_connect(registered.client_key) == registered
        assert worker.find_connect(registered.client_key) == registered
        with web.begin() as uow:
            assert uow.registry.find_connect(registered.client_key) == registered


@pytest.mark.parametrize("key", ["", "nobody", "KEY-1", "%", "' OR true --"])
def test_an_unknown_client_key_is_none(web, key):
    assert web.find_connect(ClientKey(key)) is None


def test_only_an_active_installation_is_found_by_its_site(web, register):
    active = register(web)
    gone = register(web, state=InstallationState.UNINSTALLED)
    with web.begin() as uow:
        assert uow.registry.find_active_on_site(active.site_url) == active
        assert uow.registry.find_active_on_site(gone.site_url) is None
        assert uow.registry.find_active_on_site(active.site_url + "/") is None


def test_two_active_installations_on_one_site_are_refused_by_the_database(web, register):
    first = register(web)
    register(web, site_url=first.site_url, state=InstallationState.SUSPENDED)
    with pytest.raises(IntegrityError, match="uq_connect_installations_active_site"):
        register(web, site_url=first.site_url)


def test_saving_a_known_client_key_replaces_its_row(web, register, now, added):
    registered = register(web)
    changed = replace(registered, state=InstallationState.UNINSTALLED, applied_at=now + timedelta(hours=1))
    with web.begin(registered.tenant) as uow:
        uow.registry.save_connect(changed)
        uow.commit(because=added)
    assert web.find_connect(registered.client_key) == changed


def test_lists_come_in_order_of_tenant_and_the_active_ones_alone(web, worker, register):
    made = [register(web), register(web, state=InstallationState.UNINSTALLED), register(web)]
    tenants = {registered.tenant for registered in made}
    with worker.begin() as uow:
        listed = [row for row in uow.registry.list_connect() if row.tenant in tenants]
        active = [tenant for tenant in uow.registry.list_active() if tenant in tenants]
    assert listed == made
    assert active == [made[0].tenant, made[2].tenant]


def test_ids_are_never_given_twice(web, now):
    with web.begin() as uow:
        pairs = [uow.registry.next_ids(None, now) for _ in range(3)]
    with web.begin() as uow:
        pairs.append(uow.registry.next_ids(None, now))
    assert len({tenant for tenant, _ in pairs}) == len({installation for _, installation in pairs}) == 4


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (("key-a", "https://a.example.com"), ("key-a", "https://b.example.com")),
        (("key-a", "https://a.example.com"), ("key-b", "https://a.example.com")),
    ],
)
def test_a_lock_keeps_others_from_the_client_key_and_from_the_site(web, mine, theirs):
    waited, entered = [], threading.Event()

    def other():
        with web.begin() as uow:
            uow.registry.lock_connect(*theirs)
            waited.append(ended.is_set())
        entered.set()

    ended = threading.Event()
    thread = threading.Thread(target=other)
    with web.begin() as uow:
        uow.registry.lock_connect(*mine)
        thread.start()
        assert not entered.wait(0.2)
        ended.set()
    thread.join(10)
    assert waited == [True]


def test_two_events_that_name_the_same_pair_crosswise_do_not_wait_for_each_other_for_ever(web):
    """The locks are taken in one order, whatever the order of the names."""
    pairs = [("a", "b"), ("b", "a")] * 10
    failures = []

    def lock(pair):
        try:
            with web.begin() as uow:
                uow.registry.lock_connect(ClientKey(pair[0]), pair[1])
        except Exception as failure:  # noqa: BLE001  whatever it is, the test has failed
            failures.append(failure)

    threads = [threading.Thread(target=lock, args=(pair,)) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failures == []
