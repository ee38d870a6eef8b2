"""What a tenant may choose, and how what it does not choose stays as it is for everybody."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.clocks.model import Severity
from app.domain.tracking.configuration import (
    ConfigurationRefused,
    FollowingConfiguration,
    check_vocabulary,
    configuration_of,
)
from app.domain.tracking.model import Vocabulary
from app.domain.tracking.rule import TrackingRule

SITE = Vocabulary(
    fields={"customfield_1": "datetime", "customfield_2": "string", "customfield_3": "number"},
    statuses=frozenset({"waiting for vendor", "10001", "done"}),
    resolutions=frozenset({"fixed", "gone away"}),
    priorities=frozenset({"p1"}),
)
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "jql": st.sampled_from([None, "project = SEC", "x) or (y"]) | JSON,
        "reported_field": st.sampled_from([None, "customfield_10"]) | JSON,
        "vector_field": st.sampled_from([None, "auto", "customfield_10"]) | JSON,
        "score_field": st.sampled_from([None, "auto"]) | JSON,
        "priorities": st.dictionaries(NAMES, st.sampled_from([*Severity]).map(str), max_size=3) | JSON,
        "pausing": st.dictionaries(NAMES, NAMES, max_size=3) | JSON,
        "fixed_resolutions": st.none() | st.lists(NAMES, max_size=3) | JSON,
        "other_resolutions": st.none() | st.lists(NAMES, max_size=3) | JSON,
        "another": JSON,
    },
)


@given(DOCUMENTS)
def test_whatever_is_sent_is_refused_with_findings_or_read_as_it_is_kept(document):
    read = None
    with suppress(ConfigurationRefused):
        read = configuration_of(document, version=1)
    if read is None:
        with pytest.raises(ConfigurationRefused, match=": "):
            configuration_of(document, version=1)
    else:
        assert configuration_of(read.to_json(), version=1) == read
        assert "another" not in document


def test_an_empty_choice_reads_as_everybody_does():
    reading = configuration_of({}, version=3).reading(TrackingRule())
    assert (reading.rule, reading.configuration) == (TrackingRule(), 3)
    assert FollowingConfiguration() == configuration_of(FollowingConfiguration().to_json(), version=0)


def test_a_resolution_that_is_said_to_fix_does_not_cancel_because_it_does_so_elsewhere():
    rule = configuration_of({"fixed_resolutions": ["Duplicate"]}, version=1).reading(TrackingRule()).rule
    assert rule.counts_as_fixed("duplicate")
    assert not rule.counts_as_other("duplicate")
    assert rule.counts_as_other("Won't Do")


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"fixed_resolutions": ["A"], "other_resolutions": [" a "]}, "other_resolutions"),
        ({"fixed_resolutions": "Fixed"}, "fixed_resolutions"),
        ({"fixed_resolutions": [""]}, "fixed_resolutions"),
        ({"fixed_resolutions": ["x"] * 500}, "fixed_resolutions"),
        ({"pausing": {"a\nb": "c"}}, "pausing"),
        ({"pausing": ["a"]}, "pausing"),
        ({"reported_field": "auto"}, "reported_field"),
        ({"score_field": "customfield_1 OR 1=1"}, "score_field"),
        ({"priorities": {"p": "none at all"}}, "priorities.p"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(document, where):
    with pytest.raises(ConfigurationRefused) as refusal:
        configuration_of(document, version=1)
    assert [finding.where for finding in refusal.value.findings] == [where]


def test_a_site_that_has_it_all_and_a_policy_that_allows_it_find_nothing_wrong():
    chosen = {
        "reported_field": "customfield_1",
        "vector_field": "customfield_2",
        "score_field": "customfield_3",
        "priorities": {"P1": "critical"},
        "pausing": {"Waiting for Vendor": "vendor", "10001": "vendor"},
        "fixed_resolutions": ["Fixed"],
        "other_resolutions": ["Gone away"],
    }
    check_vocabulary(configuration_of(chosen, version=1), SITE, pauses={"vendor"}, policy="ours")


def test_a_pause_that_the_policy_does_not_allow_is_refused_with_what_it_allows():
    chosen = configuration_of({"pausing": {"Done": "lunch"}}, version=1)
    with pytest.raises(ConfigurationRefused, match="the policy ours allows no pause for 'lunch'; it allows: vendor"):
        check_vocabulary(chosen, SITE, pauses={"vendor"}, policy="ours")
    check_vocabulary(chosen, SITE, pauses={"*"}, policy="ours")
