"""A site's administrator takes everything along by a link that is good once, and files requests, which links follow."""

import io
import json
import re
import zipfile

import pytest
import requests

EXPORTS, REQUESTS = "/api/v1/exports", "/api/v1/privacy/requests"
PERSON = "5b10a2844c20165700ede21g"


@pytest.fixture(scope="module")
def site(stack):
    stack.install("genchi")
    stack.tracked(10001)
    return stack


def post(stack, path, body=None, *, by="admin"):
    token = stack.token(kind="context", account=by)
    return requests.post(stack.url + path, headers={"Authorization": f"JWT {token}"}, json=body or {}, timeout=30)


def ready_link(stack):
    """The link of a new export once the worker has written it."""
    answer = post(stack, EXPORTS)
    assert answer.status_code == 202, answer.text

    def state():
        newest = stack.get(EXPORTS, account="admin").json()["items"][0]
        return newest if newest["state"] == "ready" else None

    return answer.json()["link"], stack.eventually(state)


def test_an_export_is_fetched_in_parts_once_and_then_it_is_gone(site):
    link, told = ready_link(site)
    size = told["size_bytes"]
    head = requests.head(link, timeout=30)
    assert (head.status_code, head.headers["Content-Length"], head.headers["Accept-Ranges"]) == (
        200,
        str(size),
        "bytes",
    )
    etag = head.headers["ETag"]
    assert etag == f'"{told["sha256"]}"'

    tail = requests.get(link, headers={"Range": f"bytes={size - 30}-"}, timeout=30)
    assert (tail.status_code, tail.headers["Content-Range"]) == (206, f"bytes {size - 30}-{size - 1}/{size}")
    first = requests.get(link, headers={"Range": "bytes=0-999", "If-Range": etag}, timeout=30)
    assert (first.status_code, len(first.content)) == (206, 1000)
    assert requests.get(link, headers={"Range": f"bytes={size}-"}, timeout=30).status_code == 416
    rest = requests.get(link, headers={"Range": "bytes=1000-", "If-Range": etag}, timeout=30)
    content = first.content + rest.content
    assert (len(content), content[-30:]) == (size, tail.content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        keys = {json.loads(issue)["issue_key"] for issue in archive.read("app.issues.jsonl").splitlines()}
        assert "SEC-1" in keys

    site.eventually(lambda: requests.get(link, timeout=30).status_code == 404)
    assert site.get(EXPORTS, account="admin").json()["items"][0]["state"] == "taken"


def test_a_range_of_another_file_is_answered_by_the_whole(site):
    link, told = ready_link(site)
    answer = requests.get(link, headers={"Range": "bytes=0-9", "If-Range": '"another"'}, timeout=30)
    assert (answer.status_code, len(answer.content)) == (200, told["size_bytes"])


def test_a_link_is_shown_once_and_is_nowhere_in_the_database_or_the_log(site):
    link, _ = ready_link(site)
    token = link.rpartition("/")[2]
    requests.head(link, timeout=30)
    assert token not in json.dumps(site.get(EXPORTS, account="admin").json())
    [(rows,)] = site.database.rows("SELECT string_agg(t::text, '') FROM registry.export_links t")
    assert token not in rows
    assert token not in "".join(site.web.lines + site.worker.lines)


@pytest.mark.parametrize("account", ["developer", "outsider"])
def test_only_an_administrator_of_the_site_asks(site, account):
    for path in (EXPORTS, REQUESTS):
        assert site.get(path, account=account).status_code == 403
        assert post(site, path, {"kind": "erasure"}, by=account).status_code == 403


def test_a_request_is_filed_with_both_bounds_and_listed(site):
    answer = post(site, REQUESTS, {"kind": "erasure", "account": PERSON, "verified_how": "known to the site"})
    assert answer.status_code == 201
    filed = answer.json()
    assert (filed["state"], filed["filed_by"], filed["verified"]["by"]) == ("verified", "site", "site administrator")
    assert filed["due_at"] == min(filed["promised_by"], filed["required_before"])
    waiting = post(site, REQUESTS, {"kind": "access"}).json()
    assert (waiting["state"], waiting["account"]) == ("received", None)
    listed = site.get(REQUESTS, account="admin").json()["items"]
    assert {each["id"] for each in listed} == {filed["id"], waiting["id"]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "everything"},
        {"kind": ["erasure"]},
        {"kind": "erasure", "account": ""},
        {"kind": "erasure", "account": "with space"},
        {"kind": "erasure", "account": "x" * 129},
        {"kind": "erasure", "account": 7},
        {"kind": "erasure", "verified_how": "two\nlines"},
        {"kind": "erasure", "verified_how": ""},
    ],
)
def test_a_request_in_another_form_is_refused(site, body):
    assert post(site, REQUESTS, body).status_code == 400


def test_a_deletion_that_is_asked_for_has_a_link_that_says_in_words_how_far_it_is(site):
    answer = post(site, REQUESTS, {"kind": "erasure"})
    assert answer.status_code == 201
    link, asked = answer.json()["receipt_link"], answer.json()["id"]
    assert link.startswith(f"{site.url}/receipts/")
    waiting = requests.get(link, timeout=30)
    assert (waiting.status_code, waiting.headers["Content-Type"]) == (202, "text/html; charset=utf-8")
    assert "no-store" in waiting.headers["Cache-Control"]
    assert "Not deleted yet" in waiting.text
    told = re.findall(r'datetime="([^"]+)Z"', waiting.text)
    assert [instant.startswith(each) for each, instant in zip(told, instants(answer), strict=True)] == [True, True]
    assert (requests.head(link, timeout=30).status_code, requests.post(link, timeout=30).status_code) == (202, 405)
    assert "Noch nicht gelöscht" in requests.get(link, headers={"Accept-Language": "de"}, timeout=30).text
    site.database.execute("UPDATE app.privacy_requests SET refused_at = now() WHERE request_id = %s", asked)
    refused = requests.get(link, timeout=30)
    assert (refused.status_code, "The deletion was refused" in refused.text) == (202, True)
    token = link.rpartition("/")[2]
    assert token not in site.get(REQUESTS, account="admin").text
    assert token not in "".join(site.web.lines + site.worker.lines)


def instants(answer):
    """When that deletion was asked for, and until when its link is good."""
    return answer.json()["received_at"], answer.json()["receipt_link_expires_at"]


def test_only_the_deletion_of_everything_has_a_link_to_a_receipt(site):
    person = {"account": PERSON, "verified_how": "known to the site"}
    for body in ({"kind": "access"}, {"kind": "erasure"} | person, {"kind": "access"} | person):
        assert "receipt_link" not in post(site, REQUESTS, body).json()


def test_a_link_to_no_receipt_is_refused_like_one_to_no_export_whatever_is_wrong_with_it(site):
    link = post(site, REQUESTS, {"kind": "erasure"}).json()["receipt_link"]
    site.database.execute("UPDATE registry.receipt_links SET expires_at = now()")
    folder, _, token = link.rpartition("/")
    other = token[:-1] + ("A" if token[-1] != "A" else "B")
    exports = f"{site.url}/exports/"
    tokens = (token, other, token[:-1], "x", "%00", "%ff", "%F0%9F%94%A5", "..%2e", "a" * 4_000)
    told = {refusal(f"{folder}/{each}") for each in tokens} | {refusal(exports + "x"), refusal(exports + token)}
    assert len(told) == 1


def refusal(address):
    """All that is told to whoever follows that link, but for the name of the request."""
    answer = requests.get(address, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    return json.dumps(answer.json() | {"trace_id": ""})
