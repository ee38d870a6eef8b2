"""Reports of unexpected errors to Sentry: what is listed here, and nothing else.

What is reported is built from the traceback, not scrubbed out of what the SDK collects: a secret that nobody reads
cannot be forgotten. Messages of exceptions, locals, source lines, requests, users, breadcrumbs and the name of the
machine are never looked at; the SDK only sends.
"""

import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sentry_sdk import Client

TAGS = ("trace_id", "status", "code", "endpoint", "job", "attempt")
"""Fields of a log line that go along; each is a word of ours or a number."""
_KEPT = frozenset({"event_id", "timestamp", "platform", "level", "logger", "exception", "tags"})
_LAST_WORDS_SECONDS = 2.0
_OURS = "pledge"


class ErrorReports(logging.Handler):
    """Reports every error that is logged with its traceback. Sending is a thread's work: nobody waits for Sentry."""

    def __init__(self, dsn: str) -> None:
        super().__init__(logging.ERROR)
        # A client of its own and no global one: what else in this process calls the SDK reaches nobody.
        self._client = Client(
            dsn=dsn,
            before_send=_only_listed,
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            send_client_reports=False,
            release="",  # else the SDK asks git
            shutdown_timeout=_LAST_WORDS_SECONDS,
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over the report of that record."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._client.capture_event(_event(record, error))

    def close(self) -> None:
        """Send what waits, within two seconds; called when the process ends."""
        self._client.close(timeout=_LAST_WORDS_SECONDS)
        super().close()


def configure(dsn: str | None) -> None:
    """Report the errors that this process logs from here on; without a DSN nothing is reported."""
    if dsn is not None:
        logging.getLogger(_OURS).addHandler(ErrorReports(dsn))


def _event(record: logging.LogRecord, error: BaseException) -> Any:  # noqa: ANN401  the SDK's own type is not total
    return {
        "timestamp": datetime.fromtimestamp(record.created, UTC),
        "level": "error",
        "logger": record.name,
        "exception": {"values": [_shape(each) for each in reversed(tuple(_chain(error)))]},
        "tags": {name: str(getattr(record, name)) for name in TAGS if hasattr(record, name)},
    }


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what caused it, what caused that; a cause that leads back is told once."""
    told: set[int] = set()
    while error is not None and id(error) not in told:
        told.add(id(error))
        yield error
        error = error.__cause__ if error.__cause__ is not None or error.__suppress_context__ else error.__context__


def _shape(error: BaseException) -> dict[str, Any]:
    frames = [
        {
            "module": frame.f_globals.get("__name__"),
            "filename": frame.f_code.co_filename.rpartition("/")[2],
            "function": frame.f_code.co_name,
            "lineno": line,
        }
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return {"type": type(error).__name__, "module": type(error).__module__, "stacktrace": {"frames": frames}}


def _only_listed(event: Any, _: dict[str, Any]) -> Any:  # noqa: ANN401  the SDK's own types
    """What the SDK adds on its way (machine, versions, environment) is dropped."""
    return {name: value for name, value in event.items() if name in _KEPT}
