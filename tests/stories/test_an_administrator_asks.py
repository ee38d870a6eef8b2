"""A site's administrator takes everything along by a link that is good once, and files a request for a person."""

import io
import json
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
