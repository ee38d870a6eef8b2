"""Messages over a real SMTP server: what they carry, what is refused, and what no text can make of them."""

import re
import smtplib
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.identifiers import TenantId
from app.domain.notices.addresses import is_mail_address
from app.domain.notices.ports import MediumUnavailable, NotDelivered, Parcel, RecipientRefused, Undeliverable
from app.outbound.mail import MailChannel
from tests.mail_server import MailServer
from tests.outbound.test_tls import certificate

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ADDRESS = "oncall@example.com"
SENDER = "pledge@example.org"


def parcel(address=ADDRESS, **changes):
    values = {
        "name": UUID(int=7),
        "tenant": TenantId(1),
        "thread": "1/10001/security-bug-fix/1",
        "subject": "[Pledge] SEC-1 High: due in 2 days",
        "text": "SEC-1  High: due in 2 days\n",
        "at": NOW,
        "is_repeated": False,
        "address": lambda fields: fields.update(To=address),
        "unsubscribe_url": "https://app.example.com/unsubscribe/token",
    }
    return Parcel(**values | changes)


@pytest.fixture(scope="module")
def running():
    with MailServer() as server:
        yield server


@pytest.fixture
def server(running):
    running.box.__init__()
    return running


def send(server, *parcels, trust=None, allow_plain=True, url=None):
    channel = MailChannel(url or server.url, sender=SENDER, allow_plain_loopback=allow_plain, trust=trust)
    with channel.open() as deliver:
        for each in parcels:
            deliver(each)


def test_a_message_is_plain_text_with_what_machines_need_to_treat_it_well(server):
    send(server, parcel())
    [message] = server.box.messages
    assert {name: str(value) for name, value in message.items() if name != "References"} == {
        "From": SENDER,
        "To": ADDRESS,
        "Subject": "[Pledge] SEC-1 High: due in 2 days",
        "Date": "Sun, 22 Nov 2026 09:00:00 +0000",
        "Message-ID": f"<{UUID(int=7)}@example.org>",
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": "<https://app.example.com/unsubscribe/token>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "7bit",
        "MIME-Version": "1.0",
    }
    assert message.envelope_to == (ADDRESS,)
    assert message.get_content().rstrip("\r\n") == "SEC-1  High: due in 2 days"


def test_messages_about_the_same_clock_belong_to_one_thread(server):
    send(server, parcel(), parcel(name=UUID(int=8)), parcel(name=UUID(int=9), thread="1/10002/security-bug-fix/1"))
    first, second, other = [message["References"] for message in server.box.messages]
    assert first == second != other
    assert re.fullmatch(r"<[0-9a-f-]{36}@example\.org>", first)


@pytest.mark.parametrize("field", ["subject", "address", "unsubscribe_url"])
@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r", "\r\n\r\n", "\n ", "\0"])
def test_header_injection_a_line_break_begins_no_field_and_no_body(server, field, ending):
    evil = f"a@example.com{ending}Bcc: everybody@example.com"
    made = parcel(address=evil) if field == "address" else parcel(**{field: evil})
    with pytest.raises(ValueError, match="control character"):
        send(server, made)
    assert server.box.messages == []


@settings(max_examples=40)
@given(text=st.text(max_size=300), subject=st.text(st.characters(codec="utf-8"), max_size=200))
def test_whatever_the_text_nobody_else_is_told_and_no_command_begins(running, text, subject):
    running.box.__init__()
    try:
        send(running, parcel(text=text, subject=subject))
    except ValueError:  # a control character in the subject, or what no encoding carries
        assert running.box.messages == []
        return
    [message] = running.box.messages
    assert message.envelope_to == (ADDRESS,)
    assert set(message.keys()) >= {"From", "To", "Subject", "Auto-Submitted"}
    assert not {"Bcc", "Cc"} & set(message.keys())


def test_command_injection_a_dot_on_a_line_of_its_own_ends_nothing(server):
    send(server, parcel(text="first\n.\nMAIL FROM:<x@example.com>\nRCPT TO:<y@example.com>\nlast\n"))
    [message] = server.box.messages
    assert message.get_content().splitlines()[-1] == "last"


@pytest.mark.parametrize("code", [550, 553, 521])
def test_a_mailbox_that_is_refused_for_good_is_told_apart(server, code):
    server.box.codes = {ADDRESS: code}
    with pytest.raises(RecipientRefused):
        send(server, parcel())


@pytest.mark.parametrize("code", [450, 451, 452])
def test_a_mailbox_that_is_refused_for_now_is_tried_again_and_holds_up_no_other(server, code):
    server.box.codes = {ADDRESS: code}
    channel = MailChannel(server.url, sender=SENDER, allow_plain_loopback=True)
    with channel.open() as deliver:
        with pytest.raises(NotDelivered) as refused:
            deliver(parcel())
        deliver(parcel(address="other@example.com"))
    assert not isinstance(refused.value, MediumUnavailable)
    assert len(server.box.messages) == 1


@pytest.mark.parametrize("reply", ["451 later", "554 not this"])
def test_a_message_that_is_refused_is_tried_again_and_blames_no_recipient(server, reply):
    server.box.data_reply = reply
    with pytest.raises(NotDelivered) as refused:
        send(server, parcel())
    assert not isinstance(refused.value, MediumUnavailable)


def test_a_message_without_an_address_is_for_nobody(server):
    with pytest.raises(Undeliverable):
        send(server, replace(parcel(), address=None))


def test_a_server_that_is_not_there_is_unavailable():
    with MailServer() as gone:
        url = gone.url
    with pytest.raises(MediumUnavailable):
        send(None, parcel(), url=url)


def test_a_server_that_ends_the_conversation_is_unavailable(server):
    channel = MailChannel(server.url, sender=SENDER, allow_plain_loopback=True)
    with channel.open() as deliver:
        server.box.codes = {ADDRESS: 421}
        with pytest.raises(NotDelivered):
            deliver(parcel())
        with pytest.raises(MediumUnavailable):
            deliver(parcel())


@pytest.fixture
def encrypted(tmp_path):
    """A server with a certificate, and who trusts it."""
    path = certificate(tmp_path, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context, ssl.create_default_context(cafile=str(path))


@pytest.mark.parametrize("from_start", [False, True])
def test_with_a_certificate_that_is_trusted_mail_goes_encrypted(encrypted, from_start):
    context, trust = encrypted
    with MailServer(context=context, from_start=from_start) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        send(server, parcel(), url=url, trust=trust, allow_plain=False)
        [message] = server.box.messages
        assert message.is_encrypted or from_start


@pytest.mark.parametrize("from_start", [False, True])
def test_a_certificate_that_nobody_vouches_for_gets_no_mail(encrypted, from_start):
    with MailServer(context=encrypted[0], from_start=from_start) as server:
        with pytest.raises(MediumUnavailable):
            send(server, parcel(), allow_plain=False)
        assert server.box.messages == []


def test_tls_stripping_a_server_that_offers_none_gets_nothing(server):
    with pytest.raises(MediumUnavailable):
        send(server, parcel(), allow_plain=False)
    assert server.box.messages == []


def test_plain_text_is_for_loopback_only():
    channel = MailChannel("smtp://mail.example.com", sender=SENDER, allow_plain_loopback=True)
    assert not channel._may_be_plain


def test_a_password_is_taken_from_the_url_and_a_wrong_one_is_not_shown(encrypted):
    context, trust = encrypted
    with MailServer(context=context, login=("us:er", "p@ss/word")) as server:
        address = f"localhost:{server.url.rpartition(':')[2]}"
        send(server, parcel(), url=f"smtp://us%3Aer:p%40ss%2Fword@{address}", trust=trust, allow_plain=False)
        assert len(server.box.messages) == 1
        with pytest.raises(MediumUnavailable) as refused:
            send(server, parcel(), url=f"smtp://us%3Aer:planted-secret@{address}", trust=trust, allow_plain=False)
        assert "planted-secret" not in str(refused.value)
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__
        assert str(refused.value) == f"the mail server: {smtplib.SMTPAuthenticationError.__name__}"


@pytest.mark.parametrize(
    "text",
    ["a@example.com", "first.last+tag@sub.example.com", "o'neil@example.com", "x@localhost", "a" * 64 + "@example.com"],
)
def test_plain_addresses_are_taken(text):
    assert is_mail_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@example.com",
        "a@",
        "a@b@example.com",
        "a b@example.com",
        "a@exam ple.com",
        "a@example.com\n",
        "a@example.com\r\nBcc: b@example.com",
        "Team <a@example.com>",
        "a@example.com,b@example.com",
        "a@example.com;b@example.com",
        '"a b"@example.com',
        ".a@example.com",
        "a..b@example.com",
        "a@-example.com",
        "a@example..com",
        "a@[127.0.0.1]",
        "ä@example.com",
        "a@exämple.com",
        "a" * 65 + "@example.com",
        "a@" + "b." * 130 + "com",
    ],
)
def test_what_could_be_read_as_two_things_is_no_address(text):
    assert not is_mail_address(text)


@given(st.text())
def test_no_address_holds_a_line_break_or_a_second_address(text):
    for candidate in (text, f"a@example.com{text}", f"{text}@example.com"):
        if is_mail_address(candidate):
            assert candidate.isascii()
            assert candidate.isprintable()
            assert candidate.count("@") == 1
            assert not set(candidate) & set(' ,;<>()[]\\":')
