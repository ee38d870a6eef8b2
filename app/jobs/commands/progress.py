"""How far long work is: one line that changes on a terminal, a line every few seconds elsewhere; always on stderr."""

import sys
import time

import click

_EVERY_SECONDS = 5.0


class Told:
    """On a terminal one line that changes, elsewhere one every few seconds; where nobody knows the total."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._is_open = False

    def tell(self, line: str) -> None:
        """So far it is."""
        is_terminal = sys.stderr.isatty()
        if time.monotonic() - self._at < (0.1 if is_terminal else _EVERY_SECONDS):
            return
        self._at = time.monotonic()
        self._is_open = is_terminal
        click.echo(f"\r\x1b[K{line}" if is_terminal else line, err=True, nl=not is_terminal)

    def end(self) -> None:
        """Nothing of it stays on a terminal."""
        if self._is_open:
            click.echo("\r\x1b[K", err=True, nl=False)


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
