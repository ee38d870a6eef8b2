"""Whatever is held by whom and whatever is refused: every request is within bounds, and each account is told once."""

from math import ceil

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.identifiers import AccountId

_EXAMPLES = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


class Example:
    """Accounts that no other example has, in tenants of its own."""

    numbers = iter(range(1, 1_000_000))

    def __init__(self, held, sizes):
        self.held, number = held, next(self.numbers)
        self.accounts = [AccountId(f"{number:08x}{index:016x}") for index in range(max(sizes))]
        self.holders = [held.tenant() for _ in sizes]
        for tenant, size in zip(self.holders, sizes, strict=True):
            held.hold(tenant, *self.accounts[:size])
        held.api.requests.clear()
        held.api.malformed = set()

    @property
    def batches(self):
        return [[one.account for one in accounts] for _, accounts in self.held.api.requests]


@_EXAMPLES
@given(st.lists(st.integers(1, 200), min_size=1, max_size=3))
def test_every_account_is_in_one_request_of_at_most_ninety(held, sizes):
    example = Example(held, sizes)
    held.run()
    assert sorted(account for batch in example.batches for account in batch) == example.accounts
    assert len(example.batches) == ceil(len(example.accounts) / 90)
    assert max(map(len, example.batches)) <= 90


@_EXAMPLES
@given(st.data())
def test_exactly_the_bad_ones_are_set_aside_in_few_requests(held, data):
    size = data.draw(st.integers(2, 90))
    bad = data.draw(st.sets(st.integers(0, size - 1), max_size=min(5, size - 1)))
    example = Example(held, [size])
    held.api.malformed = {example.accounts[index] for index in bad}
    run = held.run()
    taken = [account for batch in example.batches if not set(batch) & held.api.malformed for account in batch]
    assert sorted(taken) == sorted(set(example.accounts) - held.api.malformed)
    assert (run.set_aside, run.accounts) == (len(bad), size - len(bad))
    assert run.requests <= 1 + 2 * len(bad) * 7
    held.sql.execute("DELETE FROM registry.account_reports WHERE state = 'set_aside'")
    held.sql.execute("DELETE FROM app.clock_events")
    held.list()
