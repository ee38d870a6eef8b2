"""Which stored instants can be believed: a clock that was wrong for a while must not bind what comes after it.

A process whose clock jumps ahead dates what it stores; once the clock is right again, all of that lies in the future.
Nothing that the product keeps is meant to: the longest wait is an hour (a lease, what Jira asks for).
"""

from datetime import datetime, timedelta

FURTHEST_AHEAD = timedelta(minutes=90)
"""The longest wait, and half an hour for clocks of processes that are apart."""


def is_ahead(stored: datetime, *, of: datetime) -> bool:
    """Whether it lies in the future, and may."""
    return of < stored <= of + FURTHEST_AHEAD


def is_beyond_belief(stored: datetime, *, at: datetime) -> bool:
    """Whether only a clock that was wrong can have dated it."""
    return stored > at + FURTHEST_AHEAD
