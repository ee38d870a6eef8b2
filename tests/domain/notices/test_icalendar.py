"""A calendar stream as another program reads it: parsed back strictly, by RFC 5545 §3.1 and §3.3.11."""

import re
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.notices.icalendar import Event, escaped, folded, render

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LINE = re.compile(r"([A-Z-]+)((?:;[A-Z-]+=[A-Za-z0-9-]+)*):([^\x00-\x08\x0a-\x1f\x7f]*)")
texts = st.text(st.characters(codec="utf-8") | st.sampled_from("\\;,\n\r\t é𝄞"), max_size=300)


def unfolded(raw):
    """The content lines of a stream; fails on a line that is too long, cut inside a letter or badly ended."""
    assert raw.endswith(b"\r\n")
    physical = raw.removesuffix(b"\r\n").split(b"\r\n")
    assert all(len(line) <= 75 and b"\r" not in line and b"\n" not in line for line in physical)
    assert all(line.decode("utf-8") is not None for line in physical)
    lines = []
    for line in physical:
        if line.startswith((b" ", b"\t")):
            lines[-1] += line[1:]
        else:
            lines.append(line)
    return [line.decode("utf-8") for line in lines]


def parsed(line):
    """Name, parameters and value of a content line."""
    match = LINE.fullmatch(line)
    assert match, line
    return match[1], match[2], match[3]


def unescaped(value):
    """The text of a value; fails on a sign that has to be escaped and is not, or the other way round."""
    assert re.fullmatch(r"(?:[^\\;,]|\\[\\;,nN])*", value)
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], value)


@given(texts)
@example("\\n")
@example("a" * 75 + "\U0001d11e" * 40)
def test_a_text_comes_back_as_it_was_but_for_what_no_stream_may_hold(text):
    [line] = unfolded(folded(f"SUMMARY:{escaped(text)}"))
    expected = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    assert unescaped(parsed(line)[2]) == expected


def event(**changes):
    values = {"uid": UUID(int=1), "summary": "SEC-1 High", "url": "https://example.atlassian.net/browse/SEC-1"}
    return Event(**values | {"due": datetime(2026, 12, 20, 9, 0, tzinfo=UTC)} | changes)


def test_an_instant_is_an_instant_and_a_day_is_a_day():
    raw = render([event(), event(due=date(2026, 12, 24))], name="Deadlines", host="app.example.com", now=NOW)
    lines = unfolded(raw)
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-1] == "END:VCALENDAR"
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 2
    assert "DTSTART:20261220T090000Z" in lines
    assert "DTSTART;VALUE=DATE:20261224" in lines
    assert lines.count("DTSTAMP:20261122T090000Z") == 2
    assert lines.count(f"UID:{UUID(int=1)}@app.example.com") == 2


@pytest.mark.parametrize("needed", ["VERSION:2.0", "PRODID:-//Pledge//Deadlines//EN"])
def test_a_stream_without_events_is_a_calendar_all_the_same(needed):
    assert needed in unfolded(render([], name="", host="app.example.com", now=NOW))


@given(summary=texts, name=texts)
def test_injection_no_text_begins_a_property_or_a_component(summary, name):
    lines = unfolded(render([event(summary=summary)], name=name, host="app.example.com", now=NOW))
    names = [parsed(line)[0] for line in lines]
    assert names == [
        *("BEGIN", "VERSION", "PRODID", "CALSCALE", "X-WR-CALNAME", "REFRESH-INTERVAL", "X-PUBLISHED-TTL"),
        *("BEGIN", "UID", "DTSTAMP", "DTSTART", "SUMMARY", "URL", "TRANSP", "END", "END"),
    ]
