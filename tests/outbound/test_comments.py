"""Comments in the simulated Jira: a document of text, under a name, and not twice."""

import time
from datetime import UTC, datetime
from uuid import UUID

import jwt
import pytest
from atlassian_jwt.url_utils import hash_url

from app.domain.identifiers import IssueId, TenantId
from app.domain.notices.ports import MediumUnavailable, Parcel, Undeliverable
from app.domain.ports import JiraUnavailable, SiteAccess
from app.outbound.comments import CommentChannel, document_of
from app.outbound.jira_writes import WritingJira
from simulator.connect import new_secret
from simulator.installations import Descriptor, Installation
from simulator.running import Simulator

APP_KEY = "io.pledge.app"


@pytest.fixture(scope="module")
def simulator():
    with Simulator(seed=3) as running:
        yield running


@pytest.fixture
def site(simulator):
    site = simulator.site("genchi")
    site.installation = Installation(Descriptor(APP_KEY, "http://127.0.0.1:9", {}, {}), site.client_key, new_secret())
    site.issue("SEC-1").comments = ()
    return site


@pytest.fixture
def channel(site):
    def authorize(headers, *, method, target):
        at = int(time.time())
        claims = {"iss": APP_KEY, "iat": at, "exp": at + 60, "qsh": hash_url(method, target)}
        headers["Authorization"] = f"JWT {jwt.encode(claims, site.installation.secret, algorithm='HS256')}"

    return CommentChannel(WritingJira(), lambda tenant, token: SiteAccess(site.url, authorize))


def parcel(**changes):
    values = {"name": UUID(int=1), "tenant": TenantId(1), "thread": "", "subject": "", "text": "High: overdue."}
    values |= {"at": datetime.now(UTC), "is_repeated": False, "issue": IssueId(10001)}
    return Parcel(**values | changes)


def send(channel, made):
    with channel.open() as deliver:
        deliver(made)


def texts(site):
    return [
        node["text"]
        for comment in site.issue("SEC-1").comments
        for paragraph in comment["body"]["content"]
        for node in paragraph["content"]
    ]


def test_a_comment_is_a_document_of_text_whatever_the_text(channel, site):
    evil = '<b onclick="x">High</b> [~accountid:1] {panel}\n*overdue*'
    send(channel, parcel(text=evil))
    assert texts(site) == evil.split("\n")
    assert {node["type"] for node in document_of(evil)["content"]} == {"paragraph"}


def test_what_is_repeated_is_written_only_if_it_is_not_there(channel, site):
    send(channel, parcel())
    send(channel, parcel(is_repeated=True))
    assert len(texts(site)) == 1
    send(channel, parcel(is_repeated=True, name=UUID(int=2)))
    assert len(texts(site)) == 2


def test_an_issue_that_is_gone_takes_no_comment(channel):
    with pytest.raises(Undeliverable):
        send(channel, parcel(issue=IssueId(99999)))
    with pytest.raises(Undeliverable):
        send(channel, parcel(issue=None))


def test_a_jira_that_is_down_is_asked_again_later(channel, site):
    site.faults.change({"storm": {"status": 503, "count": 1}})
    with pytest.raises(MediumUnavailable):
        send(channel, parcel())
    send(channel, parcel(is_repeated=True))
    assert len(texts(site)) == 1


def test_a_site_that_cannot_be_reached_as_the_app_is_asked_again_later():
    def no_token(tenant, token):
        raise JiraUnavailable(1800)

    with pytest.raises(MediumUnavailable):
        send(CommentChannel(WritingJira(), no_token), parcel())
