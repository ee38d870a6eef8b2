"""Mail by SMTP: one plain text message at a time, TLS always, and nothing that its text could turn into a header.

Sources: RFC 5321 and 5322, RFC 8058 (one-click unsubscribe), RFC 3834 §5 (Auto-Submitted).
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import unquote, urlsplit
from uuid import NAMESPACE_URL, uuid5

from app.domain.notices.ports import Deliver, MediumUnavailable, NotDelivered, Parcel, RecipientRefused, Undeliverable

_TIMEOUT_SECONDS = 20.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PORTS = {"smtp": 587, "smtps": 465}
_PERMANENT = 500


class MailChannel:
    """See `app.domain.notices.ports.Channel`. `trust` are the authorities that a server's certificate may have.

    `allow_plain_loopback`: a server on this very machine may do without TLS.
    """

    def __init__(
        self, url: str, *, sender: str, allow_plain_loopback: bool = False, trust: ssl.SSLContext | None = None
    ) -> None:
        parts = urlsplit(url)
        self._is_tls_from_start = parts.scheme == "smtps"
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender = sender
        self._may_be_plain = allow_plain_loopback and self._host in _LOOPBACK
        self._trust = trust or ssl.create_default_context()

    @contextmanager
    def open(self) -> Iterator[Deliver]:
        """One connection for a few messages."""
        connection = self._connected()
        try:
            yield lambda parcel: self._deliver(connection, parcel)
        finally:
            with suppress(smtplib.SMTPException, OSError):
                connection.quit()
            connection.close()

    def _connected(self) -> smtplib.SMTP:
        name = self._sender.rpartition("@")[2]
        connection: smtplib.SMTP | None = None
        try:
            if self._is_tls_from_start:
                connection = smtplib.SMTP_SSL(
                    self._host, self._port, local_hostname=name, timeout=_TIMEOUT_SECONDS, context=self._trust
                )
            else:
                connection = smtplib.SMTP(self._host, self._port, local_hostname=name, timeout=_TIMEOUT_SECONDS)
                if not self._may_be_plain:
                    # Raises where it is not offered: who strips the offer on the way would else read on.
                    connection.starttls(context=self._trust)
            if self._user:
                connection.login(self._user, self._password)
        except (smtplib.SMTPException, OSError, ValueError) as failure:
            if connection is not None:
                connection.close()
            # Neither chained nor quoted: what the server said may repeat the password.
            raise MediumUnavailable(f"the mail server: {type(failure).__name__}") from None
        return connection

    def _deliver(self, connection: smtplib.SMTP, parcel: Parcel) -> None:
        fields: dict[str, str] = {}
        if parcel.address is None:
            raise Undeliverable(Undeliverable.__doc__)
        parcel.address(fields)
        message = self._message(parcel, to=fields["To"])
        try:
            connection.send_message(message, from_addr=self._sender, to_addrs=[fields["To"]])
        except smtplib.SMTPRecipientsRefused as refusal:
            ((code, _),) = refusal.recipients.values()
            if code >= _PERMANENT:
                raise RecipientRefused(RecipientRefused.__doc__) from None
            raise NotDelivered(f"the mail server says {code} for now") from None
        except smtplib.SMTPDataError as refusal:
            raise NotDelivered(f"the mail server says {refusal.smtp_code} to the message") from None
        except (smtplib.SMTPException, OSError) as failure:
            raise MediumUnavailable(f"the mail server: {type(failure).__name__}") from None

    def _message(self, parcel: Parcel, *, to: str) -> EmailMessage:
        """Raises `ValueError` for a value that could begin another field: `email.policy` lets some of them pass."""
        if any(letter < " " for value in (to, parcel.subject, parcel.unsubscribe_url or "") for letter in value):
            raise ValueError("a field of a message holds a control character")
        domain = self._sender.rpartition("@")[2]
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = to
        message["Subject"] = parcel.subject
        message["Date"] = parcel.at
        message["Message-ID"] = f"<{parcel.name}@{domain}>"
        message["References"] = f"<{uuid5(NAMESPACE_URL, parcel.thread)}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        if parcel.unsubscribe_url is not None:
            message["List-Unsubscribe"] = f"<{parcel.unsubscribe_url}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(parcel.text)
        return message
