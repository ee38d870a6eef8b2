"""How far long work is: one line that changes on a terminal, a line every few seconds elsewhere; always on stderr."""

import sys
import time

import click

_EVERY_SECONDS = 5.0


class Progress:
    """Counts what is done of `total`; `what` names it, in the plural."""

    def __init__(self, total: int, *, what: str) -> None:
        self._total, self._what = total, what
        self._done = 0
        self._is_terminal = sys.stderr.isatty()
        self._shown_at = time.monotonic()

    def step(self, count: int = 1) -> None:
        """So many more are done."""
        self._done += count
        line = f"{self._done} of {self._total} {self._what}"
        if self._is_terminal:
            click.echo(f"\r{line}", nl=self._done == self._total, err=True)
        elif time.monotonic() - self._shown_at >= _EVERY_SECONDS:
            self._shown_at = time.monotonic()
            click.echo(line, err=True)
