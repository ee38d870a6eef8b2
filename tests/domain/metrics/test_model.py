"""The table of metrics, and what of a stored series may be shown."""

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain.metrics.model import (
    ACKNOWLEDGED,
    ANSWERS,
    BUCKETS_SECONDS,
    METRICS,
    age_seconds,
    is_showable,
    labelled,
    observed,
    since,
)
from app.domain.metrics.ports import Series

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def test_every_name_is_ours_once_and_carries_its_unit():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"pledge_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") is (metric.kind == "counter")
        assert metric.kind not in {"age", "histogram"} or metric.name.endswith("_seconds")


@given(st.text())
def test_a_label_can_always_be_shown_whatever_it_is_made_of(value):
    series = labelled(ANSWERS, endpoint=value, status="2xx")
    assert is_showable(series)
    assert re.fullmatch(r'endpoint="[A-Za-z0-9_.:+-]*",status="2xx"', series.labels)


@given(st.text(alphabet='a="{}, \n\\#', max_size=20))
def test_stored_labels_that_are_no_labels_are_not_shown(labels):
    if is_showable(Series(ANSWERS.name, labels)):
        assert re.fullmatch(r'(a+="a*"(,a+="a*")*)?', labels)


def test_a_name_outside_the_table_is_not_shown():
    assert not is_showable(Series("pledge_tenants"))
    assert not is_showable(Series(f"{ACKNOWLEDGED.name}_of_somebody"))
    assert is_showable(Series(f"{ACKNOWLEDGED.name}_sum"))


@given(st.floats(min_value=0, max_value=1e6))
def test_an_observation_is_in_every_bucket_from_its_own_on(seconds):
    found = {series.labels: by for series, by in observed(ACKNOWLEDGED, seconds).items() if "le=" in series.labels}
    assert set(found) == {f'le="{bound}"' for bound in (*BUCKETS_SECONDS, "+Inf") if seconds <= float(bound)}
    assert set(found.values()) == {1.0}


@given(st.integers(min_value=0, max_value=10**7))
def test_an_instant_that_is_kept_is_that_old(seconds):
    assert age_seconds(since(NOW - timedelta(seconds=seconds)), now=NOW) == seconds


def test_what_waits_for_nothing_and_what_is_ahead_of_our_clock_has_no_age():
    assert age_seconds(since(None), now=NOW) == 0.0
    assert age_seconds(since(NOW + timedelta(hours=1)), now=NOW) == 0.0
