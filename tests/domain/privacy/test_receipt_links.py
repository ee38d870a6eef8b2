"""Whoever asked for the deletion of everything has a link, which is good without Jira and leads to the receipt."""

from datetime import timedelta

import pytest

from app.domain.identifiers import AccountId
from app.domain.privacy.answering import Answering
from app.domain.privacy.exporting import Exporting
from app.domain.privacy.handing_over import HandingOver
from app.domain.privacy.model import RECEIPT_LINK_GOOD_FOR, AskedBy
from app.domain.privacy.receipt_links import NoSuchReceipt, ReceiptLinks
from app.domain.privacy.receipts import read_receipt, receipt_origin
from app.domain.privacy.requests import RequestKind, Verification

PERSON = AccountId("5b10a2844c20165700ede21g")
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
ROWS = "SELECT count(*) FROM registry.receipt_links"


@pytest.fixture
def operator(filled):
    """As commands have it."""
    return Answering(filled.worker, filled.leaving, Exporting(filled.worker), lambda: filled.key, filled.vault)


@pytest.fixture
def links(filled):
    """As a web process has it."""
    answering = Answering(filled.web, filled.leaving, Exporting(filled.web), lambda: filled.key, filled.vault)
    return ReceiptLinks(filled.web, answering)


@pytest.fixture
def ask(links, now):
    """A deletion that an administrator has asked for."""

    def ask(tenant, *, at=now):
        found = Verification(at, "site administrator", "typed the name of the site")
        return links.ask(tenant, now=at, by=PERSON, verification=found)

    return ask


def test_the_link_leads_to_the_receipt_once_everything_is_deleted_and_says_before_that_it_is_not(
    links, ask, operator, filled, now
):
    tenant = filled.fill(filled.tenant())
    asked = ask(tenant)
    waiting = links.open(asked.token, now=now)
    assert (waiting.asked_at, waiting.expires_at, waiting.refused_at, waiting.receipt) == (
        now,
        asked.expires_at,
        None,
        None,
    )
    operator.erase(tenant, asked.request.request, now=now)
    assert links.open(asked.token, now=now) == waiting
    filled.erase(tenant, now=now + DAY)
    seen = links.open(asked.token, now=now + DAY)
    document = read_receipt(seen.receipt, origin=receipt_origin(filled.key.name), trusted=filled.key.trusted)
    assert (document["subject"], document["asked_by"]) == (f"tenant/{tenant}", "request")
    assert {each["table"]: each["rows"] for each in document["stays"]}["registry.receipt_links"] == 1


def test_what_is_stored_outlives_the_tenant_and_holds_neither_the_token_nor_a_person(links, ask, operator, filled, now):
    tenant = filled.tenant()
    asked = ask(tenant)
    assert filled.mentions(asked.token, tenant) == []
    operator.erase(tenant, asked.request.request, now=now)
    filled.erase(tenant, now=now + DAY)
    assert filled.rows(tenant)["registry.receipt_links"] == 1
    assert filled.mentions(PERSON, tenant) == []


def test_who_asks_and_then_removes_the_app_gets_the_receipt_of_that(links, ask, filled, now):
    tenant = filled.tenant()
    asked = ask(tenant)
    filled.uninstall(tenant, at=now)
    filled.leaving.wake(now=now + 30 * DAY)
    assert links.open(asked.token, now=now + 30 * DAY).receipt is None
    filled.erase(tenant, now=now + 30 * DAY)
    assert links.open(asked.token, now=now + 30 * DAY).receipt == filled.leaving.departure(tenant).receipt


def test_a_refusal_is_told_until_everything_is_deleted_for_another_reason(links, ask, operator, filled, now):
    tenant = filled.tenant()
    asked = ask(tenant)
    operator.refuse(tenant, asked.request.request, reason="another administrator objects", now=now + DAY)
    seen = links.open(asked.token, now=now + DAY)
    assert (seen.refused_at, seen.receipt) == (now + DAY, None)
    filled.leaving.leave(tenant, asked_by=AskedBy.OPERATOR, at_once=True, now=now + DAY)
    filled.erase(tenant, now=now + DAY)
    assert links.open(asked.token, now=now + DAY).receipt == filled.leaving.departure(tenant).receipt


def test_a_link_that_is_given_out_later_takes_the_place_of_the_one_before(links, ask, filled, now):
    tenant, another = filled.tenant(), filled.tenant()
    first, theirs = ask(tenant), ask(another)
    second = ask(tenant, at=now + SECOND)
    with pytest.raises(NoSuchReceipt):
        links.open(first.token, now=now + SECOND)
    assert links.open(second.token, now=now + SECOND).asked_at == now + SECOND
    assert links.open(theirs.token, now=now + SECOND).asked_at == now
    assert filled.database.rows(ROWS) == [(2,)]


def test_the_link_of_one_tenant_leads_to_nothing_of_another(links, ask, operator, filled, now):
    ours, theirs = filled.tenant(), filled.tenant()
    waiting, asked = ask(ours), ask(theirs)
    operator.erase(theirs, asked.request.request, now=now)
    filled.erase(theirs, now=now + DAY)
    assert links.open(asked.token, now=now + DAY).receipt
    assert links.open(waiting.token, now=now + DAY).receipt is None


def test_a_link_expires_and_goes_with_the_next_tidying_but_the_receipt_stays(links, ask, operator, filled, now):
    tenant = filled.tenant()
    asked = ask(tenant)
    operator.erase(tenant, asked.request.request, now=now)
    filled.erase(tenant, now=now + DAY)
    end = now + RECEIPT_LINK_GOOD_FOR
    assert asked.expires_at == end
    tidying = HandingOver(filled.worker, Exporting(filled.worker), filled.files, filled.vault)
    assert links.open(asked.token, now=end - SECOND).receipt
    tidying.tidy(now=end - SECOND)
    assert filled.database.rows(ROWS) == [(1,)]
    with pytest.raises(NoSuchReceipt):
        links.open(asked.token, now=end)
    tidying.tidy(now=end)
    assert filled.database.rows(ROWS) == [(0,)]
    assert filled.leaving.departure(tenant).receipt


@pytest.mark.parametrize("spoilt", ["", "x", "\0", "\ud800", "\u202e" * 300, "a" * 10_000])
def test_a_guessed_token_leads_nowhere(links, ask, filled, now, spoilt):
    token = ask(filled.tenant()).token
    for wrong in (spoilt, token + spoilt, token[:-1], token.swapcase()):
        if wrong != token:
            with pytest.raises(NoSuchReceipt):
                links.open(wrong, now=now)


def test_nobody_gets_a_link_for_the_data_of_a_person_or_by_the_word_of_the_operator(operator, filled, now):
    tenant = filled.tenant()
    for account, by in ((PERSON, "site"), (None, "operator")):
        operator.file(tenant, RequestKind.ERASURE, account=account, filed_by=by, received_at=now)
    assert filled.database.rows(ROWS) == [(0,)]


def test_a_web_process_that_is_broken_into_reads_of_who_has_left_only_receipts_and_deletes_no_link(filled):
    may = "SELECT has_column_privilege('pledge_web', 'registry.departures', %s, 'SELECT')"
    columns = ("tenant_id", "receipt", "left_at", "due_at", "asked_by", "begun_at", "erased_at", "counts")
    assert [name for name in columns if filled.database.rows(may, name) == [(True,)]] == ["tenant_id", "receipt"]
    deleting = "SELECT has_table_privilege('pledge_web', 'registry.{}', 'DELETE')"
    for table in ("departures", "receipt_links"):
        assert filled.database.rows(deleting.format(table)) == [(False,)]
