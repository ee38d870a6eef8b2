"""Bytes that are hardly HTTP: refused by the server before the application sees them, in the same form and silence."""

import socket

import pytest

WEBHOOK = "/connect/webhooks?issueId=99999"
PANEL = "/connect/issue?issueId=10001&issueKey=SEC-1&projectId=10000"
BODY = b'{"issue": {}}'


def webhook(*lines, body=BODY):
    """A genuine webhook with other lines about its length."""
    return lambda a: a.request(
        "POST", WEBHOOK, f"Authorization: JWT {a.token('webhook')}", "Content-Type: application/json", *lines, body=body
    )


def page(*lines):
    return lambda a: a.request("GET", f"{PANEL}&jwt={a.token('panel')}", *lines)


def first_line(text):
    return lambda a: f"{text.format(token=a.token('panel'))}\r\nHost: {a.netloc}\r\nConnection: close\r\n\r\n"


UNREADABLE = {
    "Content-Length and Transfer-Encoding": webhook(
        "Content-Length: 4", "Transfer-Encoding: chunked", body=b"0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n"
    ),
    "two different lengths": webhook("Content-Length: 13", "Content-Length: 4"),
    "two equal lengths": webhook("Content-Length: 13", "Content-Length: 13"),
    "two lengths in one header": webhook("Content-Length: 13, 13"),
    "a length with a sign": webhook("Content-Length: +13"),
    "a negative length": webhook("Content-Length: -1"),
    "a length in hexadecimal": webhook("Content-Length: 0xd"),
    "a length with an underscore": webhook("Content-Length: 1_3"),
    "a length in other digits": webhook("Content-Length: \xb9\xb3"),
    "an empty length": webhook("Content-Length:"),
    "an unknown transfer coding": webhook("Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "chunked twice": webhook("Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "chunked behind a vertical tab": webhook("Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "gzip without chunked": webhook("Transfer-Encoding: gzip"),
    "an expectation that nobody can meet": webhook("Expect: 200-maybe"),
    "a header of 10,000 characters": page("X-A: " + "a" * 10_000),
    "a token of 10,000 characters": lambda a: a.request("GET", PANEL, "Authorization: JWT " + "a" * 10_000),
    "a token of 2 MB": lambda a: a.request("GET", PANEL, "Authorization: JWT " + "a" * 2_000_000),
    "a token of 10,000 characters in the query": lambda a: a.request("GET", f"{PANEL}&jwt=" + "a" * 10_000),
    "a parameter of 10,000 characters": lambda a: a.call("panel", target="/connect/issue?issueKey=" + "A" * 10_000),
    "a path of 10,000 characters": lambda a: a.call("clocks", target=f"/api/v1/issues/{'1' * 10_000}/clocks"),
    "200 headers": page(*[f"X-{number}: 1" for number in range(200)]),
    "a space before the colon": page("Authorization : JWT x"),
    "a folded header": page("X-A: a", " Authorization: JWT x"),
    "a header without a colon": page("Authorization"),
    "a header without a name": page(": x"),
    "NUL in a header": page("X-A: a\0b"),
    "CR in a header": page("X-A: a\rX-B: b"),
    "two hosts": page("Host: evil.example.com"),
    "HTTP/0.9": first_line("GET /connect/issue?jwt={token}"),
    "HTTP/2.0 in words": first_line("GET /connect/issue?jwt={token} HTTP/2.0"),
    "HTTP/9.9": first_line("GET /connect/issue?jwt={token} HTTP/9.9"),
    "a target without a slash": first_line("GET connect/issue?jwt={token} HTTP/1.1"),
    "a target with a space": first_line("GET /connect/ issue?jwt={token} HTTP/1.1"),
    "a target with a tab": first_line("GET /connect/issue\t?jwt={token} HTTP/1.1"),
    "a target with NUL": first_line("GET /connect/issue\0?jwt={token} HTTP/1.1"),
    "a target beyond ASCII": first_line("GET /connect/issu\xe9?jwt={token} HTTP/1.1"),
    "an asterisk for GET": first_line("GET * HTTP/1.1"),
    "a method in lower case": first_line("get /connect/issue?jwt={token} HTTP/1.1"),
    "a method of 300 letters": first_line("A" * 300 + " /connect/issue?jwt={token} HTTP/1.1"),
    "a method that is none": first_line("G@T /connect/issue?jwt={token} HTTP/1.1"),
    "the beginning of HTTP/2": lambda a: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "the beginning of TLS": lambda a: b"\x16\x03\x01\x00\x05hello\r\n\r\n",
    "a proxy's introduction": lambda a: "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + first_line("GET / HTTP/1.1")(a),
    "no request": lambda a: "\r\n\r\nnothing\r\n\r\n",
}


@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_bytes_that_are_no_request_are_refused(arena, make):
    arena.refuses(make(arena), 400, "not_served")


def everything(arena, *raws, then_silent=False):
    """All that comes back on one connection until the server closes it."""
    with socket.create_connection(tuple(arena.netloc.split(":")), timeout=10) as connection:
        connection.sendall(b"".join(raws))
        if then_silent:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


SMUGGLED = b"GET /atlassian-connect.json HTTP/1.1\r\nHost: x\r\n\r\n"
UNREAD = {
    "the body of a request without a token": ("401", ()),
    "the body of a route that is none": ("404", ()),
    "a body that is too long to be read": ("413", (f"Content-Length: {70_000 + len(SMUGGLED)}",)),
    "chunks that nobody reads": ("413", ("Transfer-Encoding: chunked",)),
}


@pytest.mark.parametrize(("status", "lines"), UNREAD.values(), ids=UNREAD.keys())
def test_a_request_inside_an_unread_body_is_not_served(arena, status, lines):
    target = "/nothing" if status == "404" else "/connect/installed"
    token = arena.token("installed") if status == "413" else "x.y.z"
    body = SMUGGLED
    if "Transfer-Encoding: chunked" in lines:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    elif lines:
        body = SMUGGLED + b" " * 70_000
    headers = (f"Authorization: JWT {token}", "Content-Type: application/json", *lines)
    first = arena.request("POST", target, *headers, body=body).replace(b"Connection: close\r\n", b"")
    answers = everything(arena, first, arena.request("GET", "/healthz"))
    assert answers.startswith(f"HTTP/1.1 {status} ".encode())
    assert answers.count(b"HTTP/1.1 ") <= 2
    assert b"apiMigrations" not in answers
    arena.is_untouched()


@pytest.mark.parametrize("kind", ["installed", "uninstalled"])
def test_a_body_that_breaks_off_is_refused(arena, kind):
    raw = arena.call(kind)
    answer = everything(arena, raw[:-20], then_silent=True)
    assert answer.startswith(b"HTTP/1.1 400 ")
    arena.is_untouched()
    arena.is_honest("installed")


def test_the_server_does_not_write_down_what_it_could_not_read(arena):
    token = arena.token("panel")
    for line in (f"get /x?jwt={token} HTTP/1.1", f"GET x?jwt={token} HTTP/1.1", f"GET /x HTTP/9.9?jwt={token}"):
        arena.send(f"{line}\r\nHost: x\r\nX-A{token} : {token}\r\nConnection: close\r\n\r\n")
    arena.is_honest("panel")
    assert token not in arena.stack.web.output
    assert token.split(".")[1] not in arena.stack.web.output
