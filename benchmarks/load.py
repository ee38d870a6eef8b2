"""A load generator: a few connections that send the same request again as soon as its answer is there."""

import asyncio
import statistics
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Load:
    """What one round measured."""

    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float


def measure(url: str, *, headers: dict[str, str], seconds: float, connections: int = 8) -> Load:
    """Ask for `url` for that long; raises `RuntimeError` on any answer but 200."""
    return asyncio.run(_measure(url, headers, seconds=seconds, connections=connections))


def median(rounds: list[Load]) -> Load:
    """The medians of several rounds."""
    return Load(
        per_second=statistics.median(each.per_second for each in rounds),
        p50_milliseconds=statistics.median(each.p50_milliseconds for each in rounds),
        p99_milliseconds=statistics.median(each.p99_milliseconds for each in rounds),
    )


async def _measure(url: str, headers: dict[str, str], *, seconds: float, connections: int) -> Load:
    parts = urlsplit(url)
    lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    ends_at = time.perf_counter() + seconds
    tasks = [_ask(parts.hostname, parts.port, request, ends_at=ends_at) for _ in range(connections)]
    started_at = time.perf_counter()
    times = sorted(time for each in await asyncio.gather(*tasks) for time in each)
    elapsed = time.perf_counter() - started_at
    return Load(
        per_second=len(times) / elapsed,
        p50_milliseconds=times[len(times) // 2] * 1000,
        p99_milliseconds=times[int(len(times) * 0.99)] * 1000,
    )


async def _ask(host: str, port: int, request: bytes, *, ends_at: float) -> list[float]:
    times = []
    reader, writer = await asyncio.open_connection(host, port)
    while time.perf_counter() < ends_at:
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
