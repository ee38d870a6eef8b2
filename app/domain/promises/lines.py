"""On which line of a TOML text a value stands. `tomllib` tells only where a text cannot be read at all."""

import bisect
import tomllib
from typing import Any

Path = tuple[str | int, ...]


def line_of(text: str, path: Path) -> int:
    """The line, from 1, on which the value at `path` begins; of a missing value, that of its nearest parent.

    TOML is read top to bottom: the shortest readable beginning of the text that has the value ends with it. The
    same parser decides, so there is no second grammar that could disagree with it.
    """
    lines = text.splitlines()
    _, whole = _readable(lines, len(lines))
    while path and not _has(whole, path):
        path = path[:-1]
    if not path:
        return 1
    last = bisect.bisect_left(range(len(lines)), True, key=lambda n: _has(_readable(lines, n)[1], path))
    before, _ = _readable(lines, last - 1)
    return before + 1


def _readable(lines: list[str], count: int) -> tuple[int, dict[str, Any]]:
    """The longest beginning of at most `count` lines that is TOML by itself: its length and what it says."""
    while count:
        try:
            return count, tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            count -= 1
    return 0, {}


def _has(value: Any, path: Path) -> bool:  # noqa: ANN401  what TOML yields is of any shape
    for key in path:
        if isinstance(key, int):
            if not isinstance(value, list) or len(value) <= key:
                return False
        elif not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True
