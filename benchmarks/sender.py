"""Sends webhooks at a rate, whether or not answers come: as Atlassian does, which does not wait for us either.

`python -m benchmarks.sender`: the first line of its input says who sends, each further line is a stage; for each comes
a line of what happened. A process of its own, so that nothing else that a measurement does delays what is sent.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from app.protocol.connect_qsh import query_hash

_MOST_OPEN = 1500
"""Connections; what would need more is not sent, and told."""
_RESTS_SECONDS = 2.0
"""The product keeps a connection for five; who sends on one that is being closed gets no answer."""
_BODY = json.dumps(
    {"webhookEvent": "jira:issue_updated", "issue": {"fields": {"issuetype": {"name": "Bug"}, "labels": ["security"]}}}
).encode()
_MINTED_FOR = timedelta(minutes=55)


@dataclass
class _Told:
    taken: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    without_retry_after: int = 0
    unsent: int = 0

    def summary(self, *, sent: int, seconds: float) -> dict[str, Any]:
        """As JSON; times in milliseconds, from the instant at which the webhook was due to be sent."""
        return {
            "sent": sent,
            "per_second": sent / seconds,
            "statuses": dict(self.statuses),
            "taken": _percentiles(self.taken),
            "refused": _percentiles(self.refused),
            "without_retry_after": self.without_retry_after,
            "unsent": self.unsent,
        }


def _percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    names = {"p50": 0.5, "p99": 0.99, "worst": 1.0}
    if not ordered:
        return {}
    return {name: ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1000 for name, part in names.items()}


class Sender:
    """`sites`: client key and secret of each; `weights`: how much of what is sent comes from each."""

    def __init__(self, *, host: str, port: int, sites: list[list[str]], issues: int) -> None:
        self._host, self._port, self._sites, self._issues = host, port, sites, issues
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []
        self._open = 0
        self._tokens: dict[tuple[int, int], str] = {}
        self._made = datetime.now(UTC)
        self._serial = 0

    async def stage(self, *, rate: float, seconds: float, first: int = 0, last: int | None = None) -> dict[str, Any]:
        """Send at that rate for so long, from the sites of that range in turn, about an issue by chance."""
        told, tasks, began = _Told(), set(), time.perf_counter()
        for number, wanted in enumerate(self._requests(int(rate * seconds), range(first, last or len(self._sites)))):
            due = began + number / rate
            pause = due - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            if self._open - len(self._idle) >= _MOST_OPEN:
                told.unsent += 1
                continue
            task = asyncio.create_task(self._send(wanted, due, told))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        return told.summary(sent=int(rate * seconds), seconds=seconds)

    def _requests(self, count: int, sites: range) -> Iterator[bytes]:
        chance = random.Random(self._serial)  # noqa: S311  which issue changes is no secret
        for number in range(count):
            site, issue = sites[number % len(sites)], 10_000 + chance.randrange(self._issues)
            self._serial += 1
            target = f"/connect/webhooks?issueId={issue}"
            head = f"POST {target} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nContent-Type: application/json\r\n"
            head += f"Authorization: JWT {self._token(site, issue, target)}\r\n"
            head += f"X-Atlassian-Webhook-Identifier: flood-{self._serial}\r\nContent-Length: {len(_BODY)}\r\n\r\n"
            yield head.encode() + _BODY

    def _token(self, site: int, issue: int, target: str) -> str:
        if (site, issue) not in self._tokens:
            client_key, secret = self._sites[site]
            claims = {"iss": client_key, "iat": self._made, "exp": self._made + _MINTED_FOR}
            signed = claims | {"qsh": query_hash("POST", target)}
            self._tokens[site, issue] = jwt.encode(signed, secret, algorithm="HS256")
        return self._tokens[site, issue]

    async def _send(self, wanted: bytes, due: float, told: _Told) -> None:
        try:
            head = await asyncio.wait_for(self._exchange(wanted), 60)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as failure:
            told.statuses[type(failure).__name__] += 1
            return
        taken, status = time.perf_counter() - due, head.split(" ", 2)[1]
        told.statuses[status] += 1
        (told.taken if status.startswith("2") else told.refused).append(taken)
        if not status.startswith("2") and "\r\nretry-after: " not in head.lower():
            told.without_retry_after += 1

    async def _exchange(self, wanted: bytes) -> str:
        """The head of the answer; over a connection that rests, or a new one."""
        while self._idle:
            reader, writer, since = self._idle.pop()
            if time.monotonic() - since < _RESTS_SECONDS:
                break
            self._open -= 1
            writer.close()
        else:
            self._open += 1
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
            except BaseException:
                self._open -= 1
                raise
        try:
            writer.write(wanted)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
            await reader.readexactly(length)
        except BaseException:
            self._open -= 1
            writer.close()
            raise
        if "connection: close" in head:
            self._open -= 1
            writer.close()
        else:
            self._idle.append((reader, writer, time.monotonic()))
        return head


async def main() -> None:
    """Stage after stage, until the input ends."""
    sender = Sender(**json.loads(sys.stdin.readline()))
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await sender.stage(**json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
