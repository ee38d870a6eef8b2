"""A report holds what is listed; what the SDK could collect beside it is not even looked at."""

import logging
import sys

import pytest
import sentry_sdk

from app.outbound.error_reports import TAGS, ErrorReports, configure
from tests.error_sink import ErrorSink

CANARY = "canary7f3a"


@pytest.fixture
def sink():
    made = ErrorSink()
    yield made
    made.close()


@pytest.fixture
def log(sink):
    """A logger that reports there; `close` sends what waits."""
    handler = ErrorReports(sink.dsn)
    logger = logging.Logger("pledge.test")
    logger.addHandler(handler)
    logger.close = handler.close
    yield logger
    handler.close()


def failing(secret):
    held = {"secret": secret}
    raise ValueError(f"this quotes {held}")


def caught(secret=CANARY):
    try:
        try:
            failing(secret)
        except ValueError as cause:
            raise KeyError(secret) from cause
    except KeyError as error:
        return error


def test_a_report_names_types_places_and_listed_fields(log, sink):
    log.error("unexpected", extra={"trace_id": "ab12", "endpoint": "api.me", "status": 500}, exc_info=caught())
    log.close()
    (event,) = sink.events
    assert event["tags"] == {"trace_id": "ab12", "endpoint": "api.me", "status": "500"}
    first, last = event["exception"]["values"]
    assert (first["type"], last["type"]) == ("ValueError", "KeyError")
    place = first["stacktrace"]["frames"][-1]
    assert (place["filename"], place["function"]) == ("test_error_reports.py", "failing")
    assert isinstance(place["lineno"], int)


def test_a_report_holds_nothing_else(log, sink):
    with sentry_sdk.isolation_scope() as scope:
        scope.set_user({"email": CANARY})
        scope.set_tag("secret", CANARY)
        scope.set_extra("secret", CANARY)
        sentry_sdk.add_breadcrumb(message=CANARY, data={"secret": CANARY})
        log.error("unexpected %s", CANARY, extra={"token": CANARY, "account": CANARY}, exc_info=caught())
    log.close()
    (event,) = sink.events
    assert CANARY not in sink.text
    assert set(event) == {"event_id", "timestamp", "platform", "level", "logger", "exception", "tags"}
    assert event["tags"] == {}
    for value in event["exception"]["values"]:
        assert set(value) == {"type", "module", "stacktrace"}
        for frame in value["stacktrace"]["frames"]:
            assert set(frame) <= {"module", "filename", "function", "lineno", "in_app"}


def test_only_errors_with_a_traceback_are_reported(log, sink):
    log.warning("refused", exc_info=caught())
    log.error("no exception here")
    log.error("none in flight", exc_info=(None, None, None))
    log.close()
    assert sink.received == []


def test_an_error_that_is_its_own_cause_is_told_once(log, sink):
    error = caught("x")
    error.__cause__.__cause__ = error
    log.error("unexpected", exc_info=error)
    log.close()
    assert [value["type"] for value in sink.events[0]["exception"]["values"]] == ["ValueError", "KeyError"]


def test_an_error_that_hides_where_it_came_from_is_told_alone(log, sink):
    try:
        try:
            failing("x")
        except ValueError:
            raise KeyError from None
    except KeyError:
        log.error("unexpected", exc_info=sys.exc_info())
    log.close()
    assert [value["type"] for value in sink.events[0]["exception"]["values"]] == ["KeyError"]


def test_every_tag_is_a_field_of_the_log():
    from app.jobs.logs import FIELDS

    assert set(TAGS) <= set(FIELDS)


def test_what_else_calls_the_sdk_reaches_nobody(log, sink):
    sentry_sdk.capture_exception(caught())
    sentry_sdk.capture_message(CANARY)
    sentry_sdk.flush()
    log.close()
    assert sink.received == []


def test_without_a_dsn_nothing_is_set_up():
    before = logging.getLogger("pledge").handlers[:]
    configure(None)
    assert logging.getLogger("pledge").handlers == before


def test_a_sentry_that_is_not_there_takes_nothing_down(sink):
    sink.close()
    handler = ErrorReports(sink.dsn)
    logger = logging.Logger("pledge.test")
    logger.addHandler(handler)
    logger.error("unexpected", exc_info=caught())
    handler.close()
