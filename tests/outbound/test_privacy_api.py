"""One request to the reporting API: what is sent, and that an answer means what was asked or nothing."""

import json
import threading
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.identifiers import AccountId
from app.domain.privacy.accounts import digest_of
from app.domain.privacy.cycle import period_of
from app.domain.privacy.ports import Outcome, ReportedAccount
from app.outbound.privacy_api import ReportApi, answer_of, body_of

A, B = AccountId("5be24ad8b1653240376955d2"), AccountId("5be24ba3f91c106033269289")
ZZZ = "5be24ad8b165324037699999"
AT = datetime(2026, 11, 15, 3, 0, tzinfo=UTC)
MATRIX = json.loads((Path(__file__).parents[1] / "vectors" / "personal_data_reports.json").read_text())


def reported(*accounts, at=AT):
    return [ReportedAccount(account, digest_of(account), at) for account in accounts]


def told(*lines):
    return json.dumps({"accounts": [{"accountId": account, "status": word} for account, word in lines]}).encode()


@pytest.fixture
def api():
    """A server that answers POST as it is told: `api.answer = (status, headers, body)`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            server.asked.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            status, headers, body = server.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    server.asked, server.answer = [], (204, {}, b"")
    server.url = f"http://127.0.0.1:{server.server_address[1]}/app/report-accounts/"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(api, *accounts):
    signed = []

    def authorize(headers, *, method, target):
        signed.append((method, target))
        headers["Authorization"] = "Bearer example"

    answer = ReportApi(api.url, authorize)(reported(*accounts))
    assert signed == [("POST", "/app/report-accounts/")]
    return answer


def test_a_request_names_accounts_and_since_when_they_are_held(api):
    assert ask(api, A, B).outcome is Outcome.TAKEN
    [(path, headers, body)] = api.asked
    assert (path, headers["Authorization"]) == ("/app/report-accounts/", "Bearer example")
    assert headers["Content-Type"] == "application/json"
    at = "2026-11-15T03:00:00.000Z"
    assert json.loads(body) == {"accounts": [{"accountId": A, "updatedAt": at}, {"accountId": B, "updatedAt": at}]}


def test_an_instant_of_another_zone_is_sent_in_utc():
    local = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert json.loads(body_of(reported(A, at=local)))["accounts"][0]["updatedAt"] == "2026-11-15T03:00:00.000Z"


def test_the_token_is_in_no_answer(api):
    api.answer = (500, {}, b"Bearer example")
    assert "example" not in repr(ask(api, A))


@pytest.mark.parametrize("case", MATRIX, ids=lambda case: case["case"])
def test_every_case_of_the_matrix(api, case):
    named = {"A": A, "B": B, "ZZZ": ZZZ}
    body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
    body = b"" if case["body"] is None else body.encode()
    for name, account in named.items():
        body = body.replace(f'"{name}"'.encode(), f'"{account}"'.encode())
    api.answer = (case["status"], case["headers"], body)
    answer = ask(api, A, B)
    expected = case["expected"]
    assert answer.outcome.value == expected["outcome"]
    assert {named[name] for name in expected.get("closed", [])} == answer.closed
    assert {named[name] for name in expected.get("updated", [])} == answer.updated
    assert expected.get("retry_after_seconds") == answer.retry_after_seconds
    days = expected.get("period_days")
    period = period_of(answer.period_text) if answer.period_text is not None else None
    assert period == (None if days is None else timedelta(days=days))


HOSTILE = {
    "html": (b"<!doctype html><title>Sign in</title>", "not_as_documented"),
    "nothing": (b"", "no_body"),
    "spaces": (b"  \r\n", "no_body"),
    "cut short": (b'{"accounts":[', "not_as_documented"),
    "another shape": (b'{"accounts":{"accountId":"x"}}', "not_as_documented"),
    "a list": (b"[]", "not_as_documented"),
    "null": (b"null", "not_as_documented"),
    "accounts are null": (b'{"accounts":null}', "not_as_documented"),
    "lines are text": (b'{"accounts":["x"]}', "not_as_documented"),
    "deep": (b'{"accounts":' + b"[" * 100_000, "not_as_documented"),
    "numbers": (b'{"accounts":[{"accountId":1,"status":"closed"}]}', "not_as_documented"),
    "status is an object": (told((A, {"closed": True})), "not_as_documented"),
    "not utf-8": (b'{"accounts":[{"accountId":"\xff","status":"closed"}]}', "not_as_documented"),
    "an unknown status": (told((A, "closed"), (B, "suspended")), "unknown_status"),
    "another case": (told((A, "Closed")), "unknown_status"),
    "an account that was not asked about": (told((A, "closed"), (ZZZ, "closed")), "unknown_account"),
    "another spelling of an account": (told((A.upper(), "closed")), "unknown_account"),
    "the same account twice": (told((A, "closed"), (A, "closed")), "duplicate_account"),
    "closed and updated": (told((A, "updated"), (A, "closed")), "duplicate_account"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_an_answer_that_means_nothing_is_refused_as_a_whole(name):
    body, why = HOSTILE[name]
    answer = answer_of(200, {"Cycle-Period": "P60D"}, body, asked={A, B})
    assert (answer.outcome, answer.why) == (Outcome.ODD, why)
    assert (answer.closed, answer.updated, answer.period_text) == (frozenset(), frozenset(), None)


def test_an_answer_of_fifty_megabytes_is_not_read(api):
    api.answer = (200, {}, told((A, "closed")) + b" " * 50_000_000)
    answer = ask(api, A)
    assert (answer.outcome, answer.why, answer.closed) == (Outcome.ODD, "AnswerTooLarge", frozenset())


def test_an_answer_that_points_elsewhere_is_not_followed(api):
    api.answer = (302, {"Location": "http://127.0.0.1:1/"}, b"")
    assert (ask(api, A).outcome, len(api.asked)) == (Outcome.ODD, 1)


@pytest.mark.parametrize("status", [201, 206, 404, 405, 410, 418])
def test_a_status_that_nobody_documented_means_nothing(status):
    assert answer_of(status, {}, told((A, "closed")), asked={A}).outcome is Outcome.ODD


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("0", 1), ("999999", 86_400), ("-1", None), ("soon", None), ("", None), ("1.5", None), ("١", None)],
)
def test_how_long_to_wait_is_read_in_seconds_only(text, seconds):
    assert answer_of(429, {"Retry-After": text}, b"", asked={A}).retry_after_seconds == seconds


def test_nobody_answers(api):
    api.shutdown()
    api.server_close()
    answer = ReportApi(api.url, lambda headers, **_: None)(reported(A))
    assert answer.outcome is Outcome.UNAVAILABLE


@given(st.binary(max_size=300))
def test_whatever_comes_back_only_who_was_asked_about_is_named(body):
    answer = answer_of(200, {}, body, asked={A})
    assert answer.closed | answer.updated <= {A}


@given(
    st.lists(st.tuples(st.sampled_from([A, B, "zzz"]), st.sampled_from(["closed", "updated", "active"])), max_size=4)
)
def test_an_answer_is_taken_as_it_stands_or_not_at_all(lines):
    answer = answer_of(200, {}, told(*lines), asked={A, B})
    is_good = len(dict(lines)) == len(lines) and all(
        account in {A, B} and word in {"closed", "updated"} for account, word in lines
    )
    assert (answer.outcome is Outcome.TAKEN) == is_good
    if is_good:
        assert answer.closed == {account for account, word in lines if word == "closed"}
