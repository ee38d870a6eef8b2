"""A mail server on loopback that keeps what it is given, and refuses or stops where a test says so."""

import ssl
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Mailbox:
    """What arrived, in order; `codes` are what is said to a recipient instead of 250."""

    def __init__(self):
        self.messages = []
        self.raw = []
        self.codes = {}
        self.data_reply = "250 OK"
        self.on_mail = lambda: None
        self.on_data = lambda: None

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802  the library calls it so
        self.on_mail()
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.codes:
            return f"{self.codes[address]} no"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.data_reply.startswith("250"):
            self.raw.append(envelope.original_content)
            message = message_from_bytes(envelope.original_content, policy=policy.default)
            message.envelope_to = tuple(envelope.rcpt_tos)
            message.is_encrypted = session.ssl is not None
            self.messages.append(message)
        self.on_data()
        return self.data_reply

    @property
    def subjects(self):
        return [message["Subject"] for message in self.messages]

    def to(self, address):
        return [message for message in self.messages if message["To"] == address]


class MailServer:
    """`with MailServer() as server`: its URL and its mailbox. With a `context` it offers STARTTLS, and wants it."""

    def __init__(self, *, context: ssl.SSLContext | None = None, from_start=False, login=None):
        self.box = Mailbox()
        self._login = login
        options = {"hostname": "127.0.0.1", "port": 0}
        if from_start:
            options["ssl_context"] = context
        elif context is not None:
            options |= {"tls_context": context, "require_starttls": True}
        if login is not None:
            options |= {"authenticator": self._authenticate, "auth_required": True}
        self._controller = _AnyPort(self.box, **options)
        self._scheme = "smtps" if from_start else "smtp"

    def _authenticate(self, server, session, envelope, mechanism, data):
        is_known = (data.login.decode(), data.password.decode()) == self._login
        return AuthResult(success=is_known, handled=False)

    @property
    def url(self):
        return f"{self._scheme}://127.0.0.1:{self._controller.port}"

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self._controller.server is not None:
            self._controller.stop()


class _AnyPort(Controller):
    """The library knows its port only if it is told: this one takes a free one."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()
