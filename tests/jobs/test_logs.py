"""Log lines: an allow-list of fields, one line each, and nothing of what a library or an error quotes."""

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs.logs import FIELDS, ConsoleLines, JsonLines, configure

CANARY = "eyJ-canary-token-7f3a"


def record(name="pledge.test", message="refused", *arguments, exc_info=None, **extra):
    made = logging.LogRecord(name, logging.INFO, __file__, 1, message, arguments, exc_info)
    vars(made).update(extra)
    return made


def failing():
    local = CANARY
    raise ValueError(f"this quotes {local}")


def caught():
    try:
        failing()
    except ValueError:
        return sys.exc_info()


def test_a_line_is_one_json_object_with_instant_level_and_event():
    line = json.loads(JsonLines().format(record(trace_id="abc", status=401, code="token_expired")))
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "event": "refused",
        "trace_id": "abc",
        "status": 401,
        "code": "token_expired",
    }


@pytest.mark.parametrize("field", ["token", "authorization", "query", "email", "summary", "args", "tenant_name"])
def test_a_field_that_is_not_listed_is_dropped(field):
    for lines in (JsonLines(), ConsoleLines()):
        made = record() if field == "args" else record(**{field: CANARY})
        assert CANARY not in lines.format(made)


def test_every_listed_field_is_written_and_no_other():
    extra = {name: f"value-of-{name}" for name in FIELDS}
    line = json.loads(JsonLines().format(record(**extra, secret=CANARY)))
    assert set(line) == {"at", "level", "event", *FIELDS}
    assert {"token", "headers", "body", "query_string", "email", "account"}.isdisjoint(FIELDS)


def test_the_message_of_a_library_is_not_written():
    made = record("urllib3.connectionpool", "GET /rest?jwt=%s failed", CANARY)
    assert CANARY not in JsonLines().format(made)
    assert json.loads(JsonLines().format(made))["event"] == "message of urllib3.connectionpool"


def test_an_error_is_written_without_its_message_and_locals():
    for lines in (JsonLines(), ConsoleLines()):
        text = lines.format(record(exc_info=caught()))
        assert CANARY not in text
        assert "ValueError" in text
        assert "failing" in text


def test_a_line_for_a_person_stays_one_line():
    text = ConsoleLines().format(record(code="token_expired", exc_info=caught()))
    assert "\n" not in text
    assert "code=token_expired" in text


@given(st.text(), st.dictionaries(st.sampled_from(FIELDS), st.text() | st.integers() | st.none()))
def test_whatever_is_logged_is_one_line_of_json(message, fields):
    line = JsonLines().format(record("pledge.x", "%s", message, **fields))
    assert "\n" not in line
    assert json.loads(line)["event"] == message


def test_configuring_takes_the_place_of_what_was_there(capsys):
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    try:
        configure("json")
        logging.getLogger("pledge.test").info("configured", extra={"code": "x", "token": CANARY})
        logging.getLogger("sqlalchemy.engine").info("SELECT %s", CANARY)
        lines = capsys.readouterr().err.splitlines()
        assert [json.loads(line)["event"] for line in lines] == ["configured"]
        configure("console")
        logging.getLogger("pledge.test").info("once more")
        assert capsys.readouterr().err.endswith("once more\n")
    finally:
        root.handlers[:], root.level = kept, level
        for handler in kept:
            handler.setLevel(handler.level)
