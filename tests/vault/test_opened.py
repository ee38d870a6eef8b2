"""The cache of opened secrets."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.domain.identifiers import TenantId
from app.domain.secrets import Purpose, SecretPlace
from app.vault import _opened
from app.vault._cipher import Plain
from app.vault._opened import OpenedSecrets


def _place(number: int, version: int = 1) -> SecretPlace:
    return SecretPlace(TenantId(number), Purpose.CONNECT_SECRET, "7", version)


def _wait_until(condition) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def test_a_kept_secret_is_found_until_its_time_is_over(clock):
    opened, secret = OpenedSecrets(monotonic=clock, usable_seconds=50), Plain(b"s")
    opened.keep(_place(1), secret)
    clock.seconds += 49.9
    assert opened.find(_place(1)) is secret
    clock.seconds += 0.1
    assert opened.find(_place(1)) is None
    assert len(opened) == 0


def test_being_asked_for_does_not_prolong_the_time(clock):
    opened = OpenedSecrets(monotonic=clock, usable_seconds=50)
    opened.keep(_place(1), Plain(b"s"))
    for _ in range(5):
        clock.seconds += 10
        found = opened.find(_place(1))
    assert found is None


def test_no_secret_stays_in_memory_for_more_than_a_minute():
    assert _opened.USABLE_SECONDS + _opened.SWEEP_SECONDS < 60


def test_another_version_of_the_same_row_is_not_found(clock):
    opened = OpenedSecrets(monotonic=clock)
    opened.keep(_place(1, version=1), Plain(b"s"))
    assert opened.find(_place(1, version=2)) is None


def test_the_least_recently_used_goes_first(clock):
    opened = OpenedSecrets(monotonic=clock, capacity=2)
    opened.keep(_place(1), Plain(b"1"))
    opened.keep(_place(2), Plain(b"2"))
    opened.find(_place(1))
    opened.keep(_place(3), Plain(b"3"))
    assert [opened.find(_place(number)) is not None for number in (1, 2, 3)] == [True, False, True]


def test_what_nobody_asks_for_again_is_swept_and_the_sweeper_ends():
    opened = OpenedSecrets(monotonic=time.monotonic, usable_seconds=0.02, sweep_seconds=0.01)
    for _ in range(2):
        opened.keep(_place(1), Plain(b"s"))
        sweeper = opened._sweeper
        assert sweeper is not None
        assert _wait_until(lambda: len(opened) == 0)
        sweeper.join(10)
        assert not sweeper.is_alive()


def test_a_secret_kept_while_the_last_sweep_ends_gets_a_sweeper_of_its_own(clock):
    opened = OpenedSecrets(monotonic=clock)
    opened.keep(_place(1), Plain(b"s"))
    ending = opened._sweeper
    clock.seconds += 60
    assert not opened.sweep()
    opened.keep(_place(2), Plain(b"s"))
    assert opened._sweeper is not None
    assert opened._sweeper is not ending


def test_a_discarded_cache_is_not_kept_alive_by_its_sweeper(clock):
    opened = OpenedSecrets(monotonic=clock, sweep_seconds=0.01)
    opened.keep(_place(1), Plain(b"s"))
    sweeper = opened._sweeper
    assert sweeper is not None
    del opened
    gc.collect()
    sweeper.join(10)
    assert not sweeper.is_alive()


def test_a_sweeper_lost_in_a_fork_is_replaced(clock):
    """Threads do not come along into a forked process: there the old one is set and not alive."""
    opened = OpenedSecrets(monotonic=clock)
    opened._sweeper = threading.Thread(target=int)
    opened.keep(_place(1), Plain(b"s"))
    assert opened._sweeper.is_alive()


def test_many_threads_never_get_the_secret_of_another_place_and_never_exceed_the_bound():
    opened = OpenedSecrets(monotonic=time.monotonic, capacity=20, usable_seconds=0.002, sweep_seconds=0.001)
    found = []

    def work(start: int) -> int:
        wrong = 0
        for step in range(2000):
            number = (start * 7 + step) % 40
            plain = opened.find(_place(number))
            if plain is None:
                opened.keep(_place(number), Plain(str(number).encode()))
            else:
                found.append(number)
                wrong += plain.reveal() != str(number).encode()
            wrong += len(opened) > 20 + 1
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 0
    assert found


class CacheOfOpenedSecrets(RuleBasedStateMachine):
    """Against a plain list of (place, secret, opened at): any order of keeping, finding, sweeping and waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.opened = OpenedSecrets(monotonic=lambda: self.seconds, capacity=3, usable_seconds=50)
        self.kept: dict[SecretPlace, tuple[float, Plain]] = {}

    @rule(number=st.integers(0, 5))
    def keep(self, number: int) -> None:
        self.kept[_place(number)] = (self.seconds, Plain(b"s"))
        self.opened.keep(_place(number), self.kept[_place(number)][1])
        assert self.opened.find(_place(number)) is self.kept[_place(number)][1]

    @rule(number=st.integers(0, 5))
    def find(self, number: int) -> None:
        found = self.opened.find(_place(number))
        if found is not None:
            opened_at, plain = self.kept[_place(number)]
            assert found is plain
            assert self.seconds - opened_at < 50

    @rule(seconds=st.floats(0, 60))
    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    @rule()
    def sweep(self) -> None:
        self.opened.sweep()
        assert all(self.seconds < expires for expires, _ in self.opened._entries.values())

    @invariant()
    def is_bounded(self) -> None:
        assert len(self.opened) <= 3


CacheOfOpenedSecrets.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestCacheOfOpenedSecrets = CacheOfOpenedSecrets.TestCase
