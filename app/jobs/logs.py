"""What a process writes about itself: structured lines with an allow-list of fields.

A field that is not listed is dropped, so that a token, header, query string, e-mail address or issue text cannot
reach the log by being handed over. Tracebacks go without messages and locals, which may quote input.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from app.domain.alerts.operations import Alert

log = logging.getLogger("pledge.alerts")
FIELDS = (
    "trace_id",
    "status",
    "code",
    "endpoint",
    "method",
    "milliseconds",
    "job",
    "attempt",
    "tick",
    "kind",
    "rule",
    "subject",
    "severity",
    "count",
)
_OTHERS = ("werkzeug", "urllib3", "asyncio", "sqlalchemy", "alembic", "atlassian", "gunicorn.access", "flask-limiter")


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of that record."""
        return json.dumps(_fields(record), default=str)


class ConsoleLines(logging.Formatter):
    """One line for a person."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of that record."""
        fields = _fields(record)
        head = f"{fields.pop('at')} {fields.pop('level'):7} {fields.pop('event')}"
        return " ".join([head, *(f"{name}={value}" for name, value in fields.items())])


def configure(log_format: str) -> None:
    """Make this process write lines of that format (`json` or `console`) to standard error, and nothing else."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else ConsoleLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _OTHERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_alert(alert: Alert) -> None:
    """A line of its own kind, for whoever watches the log."""
    fields = {"kind": "alert", "rule": alert.rule.rule_id, "subject": alert.subject, "count": alert.count}
    log.error(alert.rule.name, extra=fields | {"severity": alert.rule.severity})


def _fields(record: logging.LogRecord) -> dict[str, object]:
    # Only the literal of our own loggers is trusted: a library's message may be formatted from anything.
    ours = record.name.startswith("pledge") or record.name.startswith("gunicorn")
    fields: dict[str, object] = {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "event": record.getMessage() if ours else f"message of {record.name}",
    }
    fields |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
    if record.exc_info and record.exc_info[0] is not None:
        kind, _, trace = record.exc_info
        fields["error"] = kind.__name__
        fields["where"] = [f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in traceback.extract_tb(trace)]
    return fields
