"""Counts every answer, and how long what Atlassian sends waits for its acknowledgement. No word of any request."""

import time
from datetime import datetime

from flask import Flask, Response, g, request

from app.domain.metrics import model
from app.domain.metrics.operations import MetricCounts
from app.edge.limits import WAITED, Limits

_ACKNOWLEDGED = ("connect_lifecycle.", "connect_webhooks.", "forge_remote.")


class Metering:
    """Of one app; to be made before anything else looks at its requests."""

    def __init__(self, app: Flask, counts: MetricCounts, limits: Limits) -> None:
        self._counts = counts
        self._limits = limits
        self._told_failures = 0
        app.before_request(_begin)
        app.after_request(self._end)

    def flush(self, now: datetime) -> None:
        """Store what was counted; raises `DatabaseUnavailable`."""
        failures = self._limits.store_failures
        if failures > self._told_failures:
            self._counts.count(model.LIMIT_STORE_FAILURES, failures - self._told_failures)
            self._told_failures = failures
        self._counts.flush(now)

    def _end(self, response: Response) -> Response:
        endpoint = request.endpoint or "none"
        self._counts.count(model.ANSWERS, endpoint=endpoint, status=f"{response.status_code // 100}xx")
        if response.status_code == 429 and g.get("limits_asked"):
            # The last that was asked is the one that refused.
            self._counts.count(model.LIMITED, limit=g.limits_asked[-1][0])
        if endpoint.startswith(_ACKNOWLEDGED):
            seconds = time.monotonic() - g.began_seconds + float(request.environ.get(WAITED, 0.0))
            self._counts.observe(model.ACKNOWLEDGED, seconds)
        return response


def _begin() -> None:
    g.began_seconds = time.monotonic()
