"""A load generator: a few connections that each send a request as soon as the answer to the one before is there."""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit


@dataclass(frozen=True)
class Load:
    """What one round measured."""

    answers: float
    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float


def measure(url: str, *, headers: dict[str, str], seconds: float, connections: int = 8) -> Load:
    """Ask for `url` for that long; raises `RuntimeError` on any answer but 200."""
    parts = urlsplit(url)
    asked = _until(time.perf_counter() + seconds, _request("GET", parts, headers))
    return asyncio.run(_measure(parts, asked, connections=connections))


def measure_each(url: str, sent: Sequence[tuple[dict[str, str], bytes]], *, connections: int = 8) -> Load:
    """POST each of these headers and bodies to `url` once; raises `RuntimeError` on any answer but 200."""
    parts = urlsplit(url)
    requests = [_request("POST", parts, headers, body) for headers, body in sent]
    return asyncio.run(_measure(parts, iter(requests), connections=connections))


def median(rounds: list[Load]) -> Load:
    """The medians of several rounds."""
    return Load(
        answers=statistics.median(each.answers for each in rounds),
        per_second=statistics.median(each.per_second for each in rounds),
        p50_milliseconds=statistics.median(each.p50_milliseconds for each in rounds),
        p99_milliseconds=statistics.median(each.p99_milliseconds for each in rounds),
    )


def _request(method: str, parts: SplitResult, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _until(ends_at: float, request: bytes) -> Iterator[bytes]:
    while time.perf_counter() < ends_at:
        yield request


async def _measure(parts: SplitResult, requests: Iterator[bytes], *, connections: int) -> Load:
    tasks = [_ask(parts.hostname, parts.port, requests) for _ in range(connections)]
    started_at = time.perf_counter()
    times = sorted(time for each in await asyncio.gather(*tasks) for time in each)
    elapsed = time.perf_counter() - started_at
    return Load(
        answers=len(times),
        per_second=len(times) / elapsed,
        p50_milliseconds=times[len(times) // 2] * 1000,
        p99_milliseconds=times[int(len(times) * 0.99)] * 1000,
    )


async def _ask(host: str, port: int, requests: Iterator[bytes]) -> list[float]:
    """The seconds of each answer; the connections take their requests from one and the same iterator."""
    times = []
    reader, writer = await asyncio.open_connection(host, port)
    for request in requests:
        began_at = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(length)
        times.append(time.perf_counter() - began_at)
        if b"connection: close" in head.lower():
            writer.close()
            reader, writer = await asyncio.open_connection(host, port)
    writer.close()
    return times
