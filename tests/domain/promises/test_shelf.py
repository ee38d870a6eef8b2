"""Policies at hand: a site's own are kept by whose they are and by their hash, and are what was stored."""

from datetime import date

import pytest

from app.domain.identifiers import TenantId
from app.domain.promises import shelf as shelf_module
from app.domain.promises.faults import PolicyRefused
from app.domain.promises.model import OwnPolicy
from app.domain.promises.numbers import own_text
from app.domain.promises.reading import read_parts, read_policy
from app.domain.promises.shelf import PolicyShelf

FIX, DAY = "security-bug-fix", date(2026, 11, 22)


@pytest.fixture
def texts_of(text_of):
    """The texts of a site's own policy with so many days for high, and its hash."""

    def texts_of(days):
        own = own_text(read_parts("kencha", text_of), {FIX: {"a_high": f"{days} days"}}, version=1, dated=DAY)
        texts = {
            "kencha.own": own,
            "kencha": text_of("kencha"),
            "atlassian-marketplace": text_of("atlassian-marketplace"),
        }
        return texts, read_policy("kencha.own", texts.__getitem__).sha256

    return texts_of


def high(shelf, own):
    return shelf.in_force(own).issue_clocks[0].terms[0].tables[-1].amounts["high"]


def test_two_sites_with_a_policy_of_one_name_have_their_own_numbers(text_of, texts_of):
    made = {TenantId(number): texts_of(days) for number, days in ((1, 20), (2, 10))}
    shelf = PolicyShelf(text_of, lambda own: made[own.tenant][0])
    first, second = (OwnPolicy(tenant, "kencha", sha256) for tenant, (_, sha256) in made.items())
    assert str(first) == str(second) == "kencha.own"
    assert [high(shelf, each) for each in (first, second, first)] == [20, 10, 20]
    assert shelf.in_force("kencha").policy.name == "kencha"


def test_the_hash_of_one_site_opens_nothing_of_another(text_of, texts_of):
    texts, sha256 = texts_of(20)

    def stored(own):
        if own.tenant != TenantId(1):
            raise LookupError(str(own))
        return texts

    shelf = PolicyShelf(text_of, stored)
    shelf.in_force(OwnPolicy(TenantId(1), "kencha", sha256))
    with pytest.raises(LookupError):
        shelf.in_force(OwnPolicy(TenantId(2), "kencha", sha256))


def test_a_text_that_is_not_the_one_that_was_stored_is_refused(text_of, texts_of):
    texts, sha256 = texts_of(20)
    own = OwnPolicy(TenantId(1), "kencha", sha256)
    for name in texts:
        changed = texts | {name: texts[name] + "\n"}
        with pytest.raises(PolicyRefused):
            PolicyShelf(text_of, lambda _, changed=changed: changed).in_force(own)
        missing = {each: text for each, text in texts.items() if each != name}
        with pytest.raises(PolicyRefused):
            PolicyShelf(text_of, lambda _, missing=missing: missing).in_force(own)
    with pytest.raises(PolicyRefused):
        PolicyShelf(text_of, lambda _: texts).in_force(OwnPolicy(TenantId(1), "genchi", sha256))


def test_so_many_own_policies_are_kept_and_no_more(text_of, texts_of, monkeypatch):
    monkeypatch.setattr(shelf_module, "_MOST_OWN", 2)
    texts, sha256 = texts_of(20)
    asked = []

    def stored(own):
        asked.append(own.tenant)
        return texts

    shelf = PolicyShelf(text_of, stored)
    for tenant in (1, 1, 2, 3, 3, 1):
        shelf.in_force(OwnPolicy(TenantId(tenant), "kencha", sha256))
    assert asked == [1, 2, 3, 1]
