"""Outgoing calls speak TLS 1.2 or later, to a peer whose certificate is good for the name that was called."""

import ssl
import threading
import warnings
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.outbound.session import GuardedSession


class Peer(BaseHTTPRequestHandler):
    """Answers `ok` to whoever came through."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        """Say nothing."""


class Server(HTTPServer):
    """One whose handshakes may fail without a word."""

    def handle_error(self, request, client_address):
        """That a handshake fails is what is tested."""


def certificate(folder, name):
    """Key and self-signed certificate for that name, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path = folder / f"{name}.pem"
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def peer(tmp_path):
    """`peer(version, name)` is a server that speaks that version only, and its certificate file."""
    running = []

    def serve(version, *, name="localhost"):
        path = certificate(tmp_path, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
            context.minimum_version = context.maximum_version = version
        context.load_cert_chain(path)
        server = Server(("127.0.0.1", 0), Peer)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"https://localhost:{server.server_port}/", path

    yield serve
    for server in running:
        server.shutdown()
        server.server_close()


def get(url, *, trusted):
    with GuardedSession(allowed=lambda _: True, timeout_seconds=10, body_limit_bytes=100) as session:
        session.verify = trusted
        return session.get(url)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_today_s_versions_are_spoken(peer, version):
    url, path = peer(version)
    assert get(url, trusted=str(path)).text == "ok"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_nothing_is_said_in_an_older_version(peer, version):
    url, path = peer(version)
    with pytest.raises(requests.exceptions.SSLError):
        get(url, trusted=str(path))


def test_nothing_is_said_to_a_peer_that_nobody_vouches_for(peer):
    url, _ = peer(ssl.TLSVersion.TLSv1_3)
    with pytest.raises(requests.exceptions.SSLError):
        get(url, trusted=True)


def test_nothing_is_said_to_a_peer_of_another_name(peer):
    url, path = peer(ssl.TLSVersion.TLSv1_3, name="other.example.com")
    with pytest.raises(requests.exceptions.SSLError):
        get(url, trusted=str(path))
