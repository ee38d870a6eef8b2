"""Runs several programs as one: `pledge demo` starts and stops web, worker and simulator with it.

Each program runs in a session of its own, so that Ctrl-C reaches the supervisor alone, which stops them in
reverse order. A shell beside each program holds a pipe from the supervisor. When the supervisor ends, by SIGKILL
too, the pipe closes and the shell kills the process group: the program and what it has started. (Linux has a
death signal for this, but it follows the thread, misses grandchildren, and macOS has none.)
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_WATCHED = 'exec 3<&0; { read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 & exec "$@" 3<&- </dev/null'
_POLL_SECONDS = 0.05
_LAST_WORDS_SECONDS = 1.0
_LONGEST_LINE_BYTES = 16_384
# What a stranger sent may be in a line of a log; it must not be able to drive the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class ChildEnded(Exception):
    """{name} ended by itself ({how}), so everything was stopped."""

    def __init__(self, name: str, *, status: int) -> None:
        how = f"exit code {status}" if status >= 0 else signal.Signals(-status).name
        super().__init__((type(self).__doc__ or "").format(name=name, how=how))


class ChildNotReady(Exception):
    """{name} did not say within {seconds:g} seconds that it is ready, so everything was stopped."""

    def __init__(self, name: str, *, seconds: float) -> None:
        super().__init__((type(self).__doc__ or "").format(name=name, seconds=seconds))


@dataclass(frozen=True)
class Child:
    """A program to run. `env` is its whole environment; `ready` finds the line in which it says that it is."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    ready: re.Pattern[str]
    ready_within_seconds: float = 30.0


class Supervisor:
    """Starts children one after the other and keeps them together: a context manager, for the main thread.

    Inside it SIGTERM raises `KeyboardInterrupt`, as SIGINT does. Leaving it, for whatever reason, stops all
    children in reverse order, each by SIGTERM and, after `grace_seconds`, SIGKILL. Being asked to stop is no
    error: the `KeyboardInterrupt` ends here. `say` gets one line at a time, from any thread.
    `with_parent` takes the end of the process that started this one (`make`, which SIGKILL ends without a
    word to anybody) for a request to stop.
    """

    def __init__(self, *, say: Callable[[str], None], grace_seconds: float = 10.0, with_parent: bool = False) -> None:
        self._say = say
        self._grace_seconds = grace_seconds
        self._parent = os.getppid() if with_parent else None
        self._running: list[_Running] = []
        self._needed: list[_Running] = []
        self._saying = threading.Lock()
        self._handlers = ExitStack()

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers.callback(signal.signal, number, signal.signal(number, signal.default_int_handler))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        with self._handlers:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # the stop is bounded; a second Ctrl-C would break it off
            while self._running:
                self._running.pop().stop(self._grace_seconds)
        return kind is not None and issubclass(kind, KeyboardInterrupt)

    def start(self, child: Child) -> re.Match[str]:
        """Start `child`, wait until it is ready, and return what its `ready` found.

        Raises `ChildNotReady`, or `ChildEnded` if this or an earlier child ends meanwhile.
        """
        running = self._launch(child)
        self._needed.append(running)
        deadline = time.monotonic() + child.ready_within_seconds
        while True:
            with suppress(TimeoutError):
                return running.ready.result(_POLL_SECONDS)
            self._check()
            if time.monotonic() > deadline:
                raise ChildNotReady(child.name, seconds=child.ready_within_seconds)

    def start_beside(self, child: Child) -> None:
        """Start work that ends by itself, and wait for nothing: neither its end nor its failure stops the others."""
        self._launch(child)

    def wait(self) -> None:
        """Watch over the children until a signal comes; raises `ChildEnded` when one of them ends."""
        while True:
            self._check()
            time.sleep(_POLL_SECONDS)

    def _launch(self, child: Child) -> _Running:
        running = _Running(child, show=self._show)
        self._running.append(running)
        return running

    def _check(self) -> None:
        if self._parent not in (None, os.getppid()):
            raise KeyboardInterrupt
        for running in self._needed:
            status = running.process.poll()
            if status is not None:
                running.reader.join(_LAST_WORDS_SECONDS)
                raise ChildEnded(running.child.name, status=status)

    def _show(self, name: str, line: str) -> None:
        with self._saying, suppress(OSError):  # without a terminal there is nobody to tell; work goes on
            self._say(f"{name:<9} | {_CONTROL.sub(chr(0xFFFD), line)}")


class _Running:
    """A started child, and the thread that reads what it prints."""

    def __init__(self, child: Child, *, show: Callable[[str, str], None]) -> None:
        self.child = child
        self.ready: Future[re.Match[str]] = Future()
        self._show = show
        self.process = subprocess.Popen(  # noqa: S603 (the caller's own programs)
            ["/bin/sh", "-c", _WATCHED, "sh", *child.argv],
            env={"PYTHONUNBUFFERED": "1", **child.env},  # the line that says "ready" must not wait in a buffer
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def stop(self, grace_seconds: float) -> None:
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_seconds)
        # The shell still holds the group's number, so that this cannot reach a stranger.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.reader.join(_LAST_WORDS_SECONDS)

    def _read(self, output: IO[bytes]) -> None:
        with output:
            for line in iter(partial(output.readline, _LONGEST_LINE_BYTES), b""):
                text = line.decode(errors="replace").rstrip("\r\n")
                self._show(self.child.name, text)
                if not self.ready.done() and (found := self.child.ready.search(text)):
                    self.ready.set_result(found)
