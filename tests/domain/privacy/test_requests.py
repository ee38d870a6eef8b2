"""Requests: two clocks, of which the earlier counts; nothing is answered before somebody was verified."""

import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import Event, EventKind
from app.domain.identifiers import AccountId, IssueId
from app.domain.privacy.accounts import ERASED
from app.domain.privacy.answering import Answering
from app.domain.privacy.exporting import Exporting
from app.domain.privacy.receipts import read_receipt, receipt_origin
from app.domain.privacy.requests import (
    Extension,
    PrivacyRequest,
    RequestKind,
    RequestRefused,
    RequestState,
    Verification,
    document_of,
)
from app.domain.tracking.model import IssueRecord, Tracking

PERSON, BYSTANDER = AccountId("5b10a2844c20165700ede21g"), AccountId("5b10a2844c20165700ede21h")
ERASURE, ACCESS = RequestKind.ERASURE, RequestKind.ACCESS


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def received(text, **changes):
    return replace(PrivacyRequest(uuid4(), ERASURE, PERSON, "site", at(text)), **changes)


def verified(request, text):
    return request.verified(Verification(at(text), "support", "signed in at the site"))


@pytest.mark.parametrize(
    ("receipt", "verification", "due"),
    [
        ("2026-02-10T09:00:00", None, "2026-03-11T00:00:00"),
        ("2026-02-10T09:00:00", "2026-02-10T09:00:00", "2026-03-11T00:00:00"),  # the month is shorter than 30 days
        ("2026-01-10T09:00:00", "2026-01-10T09:00:00", "2026-02-09T09:00:00"),  # 30 days are shorter than the month
        ("2026-01-31T23:59:59", "2026-02-27T00:00:00", "2026-03-01T00:00:00"),  # of a shorter month the last day
        ("2026-08-15T00:00:00", "2026-08-15T00:00:00", "2026-09-14T00:00:00"),
        ("2026-10-22T12:00:00", None, "2026-11-23T00:00:00"),  # a Sunday gives no day more
    ],
)
def test_the_earlier_of_both_bounds_counts(receipt, verification, due):
    request = received(receipt)
    if verification is not None:
        request = verified(request, verification)
    assert request.due_at == at(due)
    assert not request.is_late(at(due))
    assert request.is_late(at(due) + timedelta(seconds=1))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  hypothesis adds it
    st.timedeltas(timedelta(0), timedelta(days=40)),
)
def test_no_bound_is_later_than_a_month_and_the_day_and_verification_can_only_bring_it_forward(receipt, delay):
    request = PrivacyRequest(uuid4(), ACCESS, PERSON, "site", receipt)
    found = request.verified(Verification(receipt + delay, "support", "by mail"))
    assert found.due_at <= request.due_at <= receipt + timedelta(days=32)
    assert found.required_before == request.required_before
    assert found.promised_by == receipt + delay + timedelta(days=30)


def test_an_extension_moves_the_bound_of_the_law_and_tells_that_the_promise_was_not_kept():
    request = verified(received("2026-01-10T09:00:00"), "2026-01-11T09:00:00")
    extended = request.extended(Extension(at("2026-02-01T00:00:00"), 2, "many sources"))
    assert extended.due_at == at("2026-04-11T00:00:00")
    assert extended.promised_by == request.promised_by
    with pytest.raises(RequestRefused, match="one extension"):
        extended.extended(Extension(at("2026-02-02T00:00:00"), 1, "again"))


@pytest.mark.parametrize("months", [0, 3, -1])
def test_an_extension_is_of_one_or_two_months(months):
    with pytest.raises(RequestRefused, match="one or 2"):
        received("2026-01-10T09:00:00").extended(Extension(at("2026-01-11T00:00:00"), months, "why"))


def test_an_extension_after_the_first_month_is_none():
    request = received("2026-01-10T09:00:00")
    assert request.extended(Extension(at("2026-02-10T23:59:59"), 1, "why")).extension
    with pytest.raises(RequestRefused, match="first month"):
        request.extended(Extension(at("2026-02-11T00:00:00"), 1, "why"))


def test_what_is_answered_is_not_answered_again():
    request = verified(received("2026-01-10T09:00:00"), "2026-01-11T09:00:00")
    now = at("2026-01-12T00:00:00")
    for ended in (request.refused("no", now=now), request.fulfilled(now=now)):
        assert ended.state in {RequestState.REFUSED, RequestState.FULFILLED}
        for again in (
            lambda ended=ended: ended.fulfilled(now=now),
            lambda ended=ended: ended.refused("no", now=now),
            lambda ended=ended: verified(ended, "2026-01-13T00:00:00"),
            lambda ended=ended: ended.extended(Extension(now, 1, "why")),
        ):
            with pytest.raises(RequestRefused):
                again()


def test_nobody_gets_or_loses_anything_before_somebody_was_verified(answering, filled, now):
    tenant = filled.tenant()
    asked = answering.file(tenant, ERASURE, account=PERSON, filed_by="site", received_at=now)
    with pytest.raises(RequestRefused, match="received"):
        answering.erase(tenant, asked.request, now=now)
    access = answering.file(tenant, ACCESS, account=PERSON, filed_by="site", received_at=now)
    target = io.BytesIO()
    with pytest.raises(RequestRefused):
        answering.hand_over(tenant, access.request, target, now=now)
    assert target.getvalue() == b""


@pytest.fixture
def answering(filled):
    return Answering(filled.worker, filled.leaving, Exporting(filled.worker), lambda: filled.key, filled.vault)


@pytest.fixture
def cancelled(filled, now):
    """A tenant in which two people have cancelled something."""

    def cancelled():
        tenant = filled.tenant()
        facts = [
            Event(kind=EventKind.CANCELLED, at=now, source=f"decision-{n}", actor=who, reason="duplicate")
            for n, who in enumerate((PERSON, BYSTANDER))
        ]
        record = IssueRecord(
            issue=IssueId(10001),
            key="SEC-1",
            project=10000,
            tracking=Tracking.TRACKED,
            severity=None,
            hidden_since=None,
            read_at=now,
            events=tuple(facts),
        )
        with filled.worker.begin(tenant) as uow:
            uow.issues.save(record, now)
            uow.commit(because=filled.reason)
        return tenant

    return cancelled


def ask(answering, tenant, kind, now, *, account=PERSON):
    found = Verification(now, "support", "signed in at the site")
    return answering.file(
        tenant, kind, account=account, filed_by="operator", received_at=now, verification=found
    ).request


def test_an_access_request_hands_over_all_about_that_person_and_nothing_of_another(answering, cancelled, now):
    tenant, target = cancelled(), io.BytesIO()
    done = answering.hand_over(tenant, ask(answering, tenant, ACCESS, now), target, now=now)
    document = json.loads(target.getvalue())
    [fact] = document["held"]["app.clock_events"]
    assert fact["data"] == {"actor": PERSON, "reason": "duplicate"}
    assert [each["account"] for each in document["held"]["app.privacy_requests"]] == [PERSON]
    assert BYSTANDER not in target.getvalue().decode()
    assert "tenant_id" not in target.getvalue().decode()
    assert (done.state, done.account) == (RequestState.FULFILLED, ERASED)


def test_an_erased_person_is_in_no_table_of_the_tenant_and_the_receipt_says_what_went(
    answering, cancelled, filled, now
):
    tenant, other = cancelled(), cancelled()
    earlier = answering.file(tenant, ACCESS, account=PERSON, filed_by="site", received_at=now)
    asked = ask(answering, tenant, ERASURE, now)
    done = answering.erase(tenant, asked, now=now)
    assert filled.mentions(PERSON, tenant) == []
    assert filled.mentions(BYSTANDER, tenant) == ["app.clock_events"]
    assert filled.mentions(PERSON, other) == ["app.clock_events"]
    document = read_receipt(done.receipt, origin=receipt_origin(filled.key.name), trusted=filled.key.trusted)
    assert document["erased"] == {"app.clock_events": 1, "app.privacy_requests": 2}
    assert document["subject"] == f"request/{asked}"
    assert PERSON not in done.receipt
    assert {each.account for each in answering.list_of(tenant) if each.request in {earlier.request, asked}} == {ERASED}


def test_a_request_for_a_tenant_ends_its_access_and_lets_it_go_at_once(answering, filled, now):
    tenant = filled.fill(filled.tenant())
    answering.erase(tenant, ask(answering, tenant, ERASURE, now, account=None), now=now)
    left = filled.leaving.departure(tenant)
    assert (left.asked_by.value, left.due_at) == ("request", now)


def test_a_tenants_own_data_is_handed_over_as_its_export(answering, filled, now):
    tenant, target = filled.fill(filled.tenant()), io.BytesIO()
    answering.hand_over(tenant, ask(answering, tenant, ACCESS, now, account=None), target, now=now)
    assert target.getvalue().startswith(b"PK")


def test_a_request_of_one_kind_is_not_fulfilled_as_the_other(answering, cancelled, filled, now):
    tenant = cancelled()
    with pytest.raises(RequestRefused, match="access, not for erasure"):
        answering.erase(tenant, ask(answering, tenant, ACCESS, now), now=now)
    with pytest.raises(RequestRefused, match="erasure, not for access"):
        answering.hand_over(tenant, ask(answering, tenant, ERASURE, now), io.BytesIO(), now=now)
    assert "app.clock_events" in filled.mentions(PERSON, tenant)


def test_a_request_of_another_tenant_is_none(answering, cancelled, now):
    asked = ask(answering, cancelled(), ERASURE, now)
    with pytest.raises(LookupError):
        answering.erase(cancelled(), asked, now=now)


def test_every_step_is_audited_by_the_id_of_the_request_and_never_by_the_person(answering, cancelled, filled, now):
    tenant = cancelled()
    asked = answering.file(tenant, ERASURE, account=PERSON, filed_by="site", received_at=now)
    answering.verify(tenant, asked.request, Verification(now, "support", "by mail"))
    answering.extend(tenant, asked.request, Extension(now, 1, "complex"))
    answering.erase(tenant, asked.request, now=now)
    other = answering.file(tenant, ACCESS, account=PERSON, filed_by="site", received_at=now)
    answering.refuse(tenant, other.request, reason="not the person", now=now)
    query = "SELECT action, target FROM app.audit_entries WHERE tenant_id = %s AND action LIKE 'request.%%'"
    told = sorted(filled.database.rows(query, tenant))
    first, second = f"request/{asked.request}", f"request/{other.request}"
    steps = ["extended", "filed", "fulfilled", "verified"]
    assert told == sorted(
        [*((f"request.{step}", first) for step in steps), ("request.filed", second), ("request.refused", second)]
    )
    assert "app.audit_entries" not in filled.mentions(PERSON, tenant)


def test_what_is_told_of_a_request_is_whole_in_every_state(now):
    request = received("2026-01-10T09:00:00")
    for each in (
        request,
        verified(request, "2026-01-11T09:00:00"),
        request.extended(Extension(at("2026-01-12T00:00:00"), 1, "why")),
        request.refused("no", now=at("2026-01-12T00:00:00")),
    ):
        told = document_of(each, now=now)
        assert told["state"] == each.state.value
        assert date.fromisoformat(told["due_at"][:10]) == each.due_at.date()
        assert json.dumps(told)
