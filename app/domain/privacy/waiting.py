"""For how long nobody asks, after an answer that the next request would get as well."""

from datetime import timedelta

from app.domain.privacy.ports import Answer, Outcome

_SHORTEST_SECONDS, _LONGEST_SECONDS = 60, 3600
_BY_HAND = {
    Outcome.UNAUTHORIZED: timedelta(hours=1),
    Outcome.FORBIDDEN: timedelta(hours=6),
}
"""What somebody has to mend: asked again now and then, so that it goes on by itself afterwards."""


def pause_after(answer: Answer, *, failures: int, jitter: float) -> timedelta:
    """`failures`: how often that was so in a row; `jitter`: between 0 and 1, so that not all come back at once."""
    if answer.outcome in _BY_HAND:
        return _BY_HAND[answer.outcome]
    if answer.retry_after_seconds is not None:
        return timedelta(seconds=answer.retry_after_seconds)
    wait = min(_SHORTEST_SECONDS * 2 ** min(failures - 1, 10), _LONGEST_SECONDS)
    return timedelta(seconds=wait * (0.75 + 0.5 * jitter))
