"""How long people wait for Jira: few at a time per site, and nobody while a site is known to be down."""

import pytest

from app.domain.ports import JiraUnavailable
from app.outbound.patience import Patience

SITE, OTHER = "https://a.atlassian.net", "https://b.atlassian.net"


@pytest.fixture
def patience(clock):
    return Patience(elapsed=clock)


def fail(patience, site=SITE):
    with pytest.raises(JiraUnavailable) as refusal, patience.of(site):
        raise JiraUnavailable(7)
    return refusal.value.retry_after_seconds


def refused(patience, site=SITE):
    with pytest.raises(JiraUnavailable) as refusal, patience.of(site):
        pytest.fail("it was let through")
    return refusal.value.retry_after_seconds


def asks(patience, site=SITE):
    with patience.of(site):
        return True


def test_three_wait_at_once_the_fourth_is_sent_away_and_another_site_is_not(patience):
    with patience.of(SITE), patience.of(SITE):
        with patience.of(SITE):
            assert refused(patience) == 1
            assert asks(patience, OTHER)
        assert asks(patience)


def test_after_three_failures_nobody_asks_for_twenty_seconds(patience, clock):
    assert [fail(patience) for _ in range(3)] == [7, 7, 7]
    assert refused(patience) == 20
    clock.seconds += 19
    assert refused(patience) == 1
    assert asks(patience, OTHER)
    clock.seconds += 1
    assert asks(patience)


def test_one_failure_after_the_time_closes_the_site_again(patience, clock):
    for _ in range(3):
        fail(patience)
    clock.seconds += 20
    assert fail(patience) == 7
    assert refused(patience) == 20


def test_a_success_forgets_the_failures_before(patience, clock):
    for _ in range(3):
        fail(patience)
    clock.seconds += 20
    assert asks(patience)
    assert [fail(patience), fail(patience)] == [7, 7]
    assert asks(patience)


def test_an_error_of_ours_is_no_failure_of_the_site_and_gives_its_place_back(patience):
    for _ in range(10):
        with pytest.raises(LookupError), patience.of(SITE):
            raise LookupError
    assert asks(patience)


def test_those_sent_away_count_as_nothing(patience, clock):
    for _ in range(3):
        fail(patience)
    for _ in range(50):
        refused(patience)
    clock.seconds += 20
    assert asks(patience)
