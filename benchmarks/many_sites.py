"""Many small Jira sites in one process, each on a port of its own, with just what is asked when an issue is read.

`python -m benchmarks.many_sites COUNT` prints their ports as a JSON line and serves until it is ended. Every issue that
is asked about exists, was created a day ago and is a security bug; the simulator plays Jira in full, three sites of it,
and would take most of the processor from what is measured here.
"""

import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

_CREATED = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
_TO_DO = {"id": "1", "name": "To Do", "statusCategory": {"key": "new"}}
_ISSUE = re.compile(r"/rest/api/[23]/issue/(\d+)(/\w+)?")


def _issue(number: str) -> dict[str, Any]:
    fields = {
        "issuetype": {"name": "Bug"},
        "labels": ["security"],
        "priority": {"name": "High"},
        "status": _TO_DO,
        "created": _CREATED,
        "updated": _CREATED,
        "project": {"id": "10000", "key": "SEC"},
    }
    return {"id": number, "key": f"SEC-{number}", "fields": fields}


def answer(path: str, asked: dict[str, Any]) -> object:
    """What Jira says."""
    found = _ISSUE.match(path)
    if found is not None:
        return {"values": [], "isLast": True} if found[2] == "/changelog" else _issue(found[1])
    if path.endswith("/status"):
        return [_TO_DO]
    if path.endswith("/issue/bulkfetch"):
        return {"issues": [_issue(number) for number in asked["issueIdsOrKeys"]]}
    if path.endswith("/changelog/bulkfetch"):
        return {"issueChangeLogs": []}
    if path.endswith("/search/jql"):
        return {"issues": [], "isLast": True}
    return []


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            break
        length = re.search(r"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
        sent = await reader.readexactly(int(length[1]) if length else 0)
        path = head.split(" ", 2)[1].partition("?")[0]
        body = json.dumps(answer(path, json.loads(sent) if sent and not head.startswith("PUT") else {})).encode()
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(f"HTTP/1.1 200 OK\r\n{kind}".encode() + body)
        if "connection: close" in head.lower():
            break
    writer.close()


async def main() -> None:
    """Serve until ended."""
    servers = [await asyncio.start_server(_serve, "127.0.0.1", 0) for _ in range(int(sys.argv[1]))]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
