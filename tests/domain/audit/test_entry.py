"""The leaf of an entry: fixed for ever, and different for every difference."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping, leaf_hash
from app.domain.identifiers import TenantId

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ENTRY = UUID("0f0e0d0c-0b0a-4908-8706-050403020100")
EVENT = AuditEvent(Action.INSTALLATION_ADDED, "atlassian", "installation/7", {"secret_version": 1, "suspended": None})


def leaf(event=EVENT, *, tenant=3, entry=ENTRY, at=AT):
    return leaf_hash(event, tenant=TenantId(tenant), entry=entry, at=at)


def test_a_leaf_of_version_one_is_hashed_from_these_bytes_for_ever():
    parts = [
        b"3",
        b"0f0e0d0c0b0a49088706050403020100",
        b"2026-11-22T09:00:00.000000+00:00",
        b"installation.added",
        b"atlassian",
        b"installation/7",
        b'{"secret_version":1,"suspended":null}',
    ]
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    assert leaf() == hashlib.sha256(b"\x00\x01" + framed).digest()


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": 4},
        {"entry": UUID(int=ENTRY.int + 1)},
        {"at": AT + timedelta(microseconds=1)},
        {"event": replace(EVENT, action=Action.INSTALLATION_RENEWED)},
        {"event": replace(EVENT, actor="operator")},
        {"event": replace(EVENT, target="installation/8")},
        {"event": replace(EVENT, detail={})},
        {"event": replace(EVENT, detail={"secret_version": "1", "suspended": None})},
        {"event": replace(EVENT, actor="atlassianinstallation", target="/7")},
    ],
)
def test_any_difference_makes_another_leaf(other):
    assert leaf(**other) != leaf()


def test_the_order_of_the_detail_makes_no_difference():
    turned = dict(reversed(EVENT.detail.items()))
    assert leaf(replace(EVENT, detail=turned)) == leaf()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(one=st.tuples(TEXTS, TEXTS), other=st.tuples(TEXTS, TEXTS))
def test_no_two_pairs_of_texts_run_into_each_other(one, other):
    leaves = [leaf(replace(EVENT, actor=actor, target=target)) for actor, target in (one, other)]
    assert (leaves[0] == leaves[1]) == (one == other)


def test_an_instant_in_another_zone_is_hashed_as_it_is_written():
    """The store gives UTC back, so UTC is what has to be hashed."""
    assert leaf(at=AT.astimezone(timezone(timedelta(hours=1)))) != leaf()


def test_actions_and_bookkeeping_are_two_closed_lists():
    assert not {str(action) for action in Action} & {str(reason) for reason in Bookkeeping}
