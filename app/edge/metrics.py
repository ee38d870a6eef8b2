"""`GET /metrics`: the numbers of the whole cell in Prometheus's text format, whichever process answers.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, 0.0.4). It is written here, in a few
lines, because the numbers are kept in the database: a client library's own registry would stay empty.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from flask import Response

from app.domain.metrics.model import Metric
from app.domain.metrics.ports import Series
from app.edge.caller import now, services

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SHORTEST_TOKEN = 32


class MetricsTokenUnfit(ValueError):
    """PLEDGE_METRICS_TOKEN_FILE cannot be used."""


def scrape() -> Response:
    """Every metric."""
    lines = exposition(services().metrics.at(now()))
    return Response("".join(f"{line}\n" for line in lines), content_type=CONTENT_TYPE)


def exposition(found: Iterable[tuple[Metric, Mapping[Series, float]]]) -> Iterator[str]:
    """The lines of a scrape."""
    for metric, numbers in found:
        yield f"# HELP {metric.name} {metric.meaning}"
        yield f"# TYPE {metric.name} {'gauge' if metric.kind == 'age' else metric.kind}"
        for series, value in numbers.items():
            labels = f"{{{series.labels}}}" if series.labels else ""
            yield f"{series.name}{labels} {float(value)!r}"


def token_sha256(file: Path | None) -> bytes | None:
    """What a bearer's hash must equal; None where metrics are off. Raises `MetricsTokenUnfit`."""
    if file is None:
        return None
    try:
        token = file.read_text("ascii").strip()
    except (OSError, ValueError) as fault:
        reason = f"cannot be read ({type(fault).__name__})"
        raise MetricsTokenUnfit(f"PLEDGE_METRICS_TOKEN_FILE {reason}; {_REMEDY}") from fault
    if len(token) < _SHORTEST_TOKEN or not token.isprintable() or " " in token:
        raise MetricsTokenUnfit(f"PLEDGE_METRICS_TOKEN_FILE holds no token of 32 characters or more; {_REMEDY}")
    return hashlib.sha256(token.encode()).digest()


_REMEDY = "make one by `openssl rand -hex 32`, readable by this process only"
