"""A private PostgreSQL for development and tests: a new machine needs nothing but Python.

* The server listens on one Unix socket inside its data folder (0700), and on no port: who may not enter the
  folder cannot connect, so no password is needed.
* PostgreSQL refuses to run as root. Started by root it runs as `nobody`, enters the data folder before it
  gives up its rights, and calls it `/proc/self/cwd` from then on: it works below a private home, whose
  permissions stay as they are. Whoever can run programs as `nobody` on that machine can reach the data.
* A shell beside the server holds a pipe from the process that started it. When that process ends, by SIGKILL
  too, the pipe closes and the server is told to end. (Linux has a death signal for this, but it follows the
  thread that started the server, and macOS has none.)
* The log file is the lock: every process of the server holds it open, so the folder is free as soon as the
  last of them has gone, and not before.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Self
from urllib.parse import quote

from app.store.postgres_programs import (
    ENVIRONMENT,
    MAJOR,
    EmbeddedPostgresRefused,
    account,
    programs_for,
    refuse_unless_owned,
)

if TYPE_CHECKING:
    import pwd
    from collections.abc import Iterator

SUPERUSER = "postgres"

_PORT = "5432"  # a part of the socket's name, nothing more
_SOCKET = f".s.PGSQL.{_PORT}"
_LONGEST_SOCKET_PATH_BYTES = 103  # on macOS; 107 on Linux
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOCK_SECONDS = 5.0  # a server that is just ending may still hold its folder
_WATCHED = 'exec 3<&0; { read -r _ <&3; kill -QUIT 0; } >/dev/null 2>&1 & exec "$@" 3<&- </dev/null'
_NOT_DURABLE = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]


class FolderInUse(EmbeddedPostgresRefused):
    """{folder} is in use by another PostgreSQL, {owner}. Stop that one first."""


class OtherVersion(EmbeddedPostgresRefused):
    """{data} was made by PostgreSQL {found}, this is {major}. Remove it: it is for development only."""


class ServerFailed(EmbeddedPostgresRefused):
    """PostgreSQL did not {what}. The end of {log}:
    {tail}"""


class EmbeddedPostgres:
    """One PostgreSQL server on one folder, which is made at the first start and keeps its data.

    `durable=False` never waits for the disk, for throwaway clusters: a crash of the server loses nothing, one
    of the machine may lose everything. Every refusal is an `EmbeddedPostgresRefused` that says what to do.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = folder.absolute()
        self._data = self._folder / "data"
        self._log = self._folder / "log"
        self._durable = durable
        self._server: subprocess.Popen[bytes] | None = None
        self._detour: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and return when it accepts connections. Recovers by itself after a crash."""
        if self._server is not None and self._server.poll() is not None:
            self.stop()
        user = account()
        programs = programs_for(user)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_unless_owned(self._folder, uid=os.geteuid(), forbidden=0o077)
        with self._locked_log() as log:
            if not self._data.exists():
                self._initialise(log, programs=programs, user=user)
            self._check_data(user)
            self._server = self._spawn(self._command(programs), data=self._data, user=user, log=log)
        try:
            self._await_ready(self._server)
        except BaseException:
            self.stop(mode="immediate")
            raise

    def stop(self, *, mode: Literal["fast", "immediate"] = "fast") -> None:
        """End the server; without one, do nothing.

        `fast` rolls back what is open and writes all to disk; `immediate` leaves recovery to the next start.
        """
        server, self._server = self._server, None
        if server is not None:
            with server:  # closes the pipe in any case
                server.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
                try:
                    server.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    server.kill()
        if self._detour is not None:
            self._detour.cleanup()
            self._detour = None

    def url(self, user: str, database: str) -> str:
        """The URL, for SQLAlchemy and libpq, by which that role reaches that database of this server."""
        address = f"host={quote(self._socket_folder(), safe='')}&port={_PORT}"
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{address}"

    def superuser_url(self, database: str = "postgres") -> str:
        """The URL of the role that may do everything: it makes the roles and the databases."""
        return self.url(SUPERUSER, database)

    @property
    def postmaster_pid(self) -> int:
        """The process id of the running server; raises `ProcessLookupError` when there is none."""
        if self._server is None or self._server.poll() is not None:
            raise ProcessLookupError(f"no server runs on {self._folder}")
        return self._server.pid

    def _socket_folder(self) -> str:
        """The data folder, by a short link where the path of the socket would be longer than it may be."""
        if len(os.fsencode(self._data / _SOCKET)) <= _LONGEST_SOCKET_PATH_BYTES:
            return str(self._data)
        if self._detour is None:
            self._detour = tempfile.TemporaryDirectory(prefix="pledge-", dir="/tmp")
            Path(self._detour.name, "data").symlink_to(self._data)
        return f"{self._detour.name}/data"

    @contextmanager
    def _locked_log(self) -> Iterator[BinaryIO]:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        with open(os.open(self._log, flags, 0o600), "r+b", buffering=0) as log:
            if not _locked(log.fileno()):
                owner = log.readline(100).decode(errors="replace").strip()
                raise FolderInUse(folder=self._folder, owner=owner)
            if self._answers():
                raise FolderInUse(folder=self._folder, owner="which was started by other means")
            log.truncate(0)
            log.write(b"started by process %d\n" % os.getpid())
            yield log

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(f"{self._socket_folder()}/{_SOCKET}")
            except OSError:
                return False
            return True

    def _initialise(self, log: BinaryIO, *, programs: Path, user: pwd.struct_passwd | None) -> None:
        """Make a new cluster. It gets its name only when it is complete."""
        new = self._folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if user is not None:
            os.chown(new, user.pw_uid, user.pw_gid)
        initdb = [
            str(programs / "initdb"),
            f"--username={SUPERUSER}",
            "--auth-local=trust",
            "--auth-host=reject",
        ]
        # The server's own locale sorts and compares the same on every platform.
        initdb += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        initdb += [] if self._durable else ["--no-sync"]
        with self._spawn(initdb, data=new, user=user, log=log) as process:
            if process.wait(_START_SECONDS) != 0:
                raise self._failed("make its data folder")
        new.rename(self._data)

    def _check_data(self, user: pwd.struct_passwd | None) -> None:
        refuse_unless_owned(self._data, uid=user.pw_uid if user else os.geteuid(), forbidden=0o077)
        found = (self._data / "PG_VERSION").read_text().strip()
        if found != MAJOR:
            raise OtherVersion(data=self._data, found=found, major=MAJOR)
        # The folder is locked and nobody answers, so these are stale. By now their number may be that of some
        # other process, for whose sake PostgreSQL would refuse to start.
        for stale in ("postmaster.pid", f"{_SOCKET}.lock"):
            (self._data / stale).unlink(missing_ok=True)

    def _command(self, programs: Path) -> list[str]:
        place = ["-c", "listen_addresses=", "-c", "unix_socket_directories=.", "-p", _PORT]
        return [str(programs / "postgres"), *place, *([] if self._durable else _NOT_DURABLE)]

    def _spawn(
        self, command: list[str], *, data: Path, user: pwd.struct_passwd | None, log: BinaryIO
    ) -> subprocess.Popen[bytes]:
        """In a session of its own: Ctrl-C reaches the caller alone, who ends things in their order."""
        by_itself = user is not None and Path("/proc/self/cwd").exists()
        return subprocess.Popen(  # noqa: S603 (our own words and the programs of the wheel)
            ["/bin/sh", "-c", _WATCHED, "sh", *command, "-D", "/proc/self/cwd" if by_itself else str(data)],
            cwd=data,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            umask=0o077,
            start_new_session=True,
        )

    def _await_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready():
            if server.poll() is not None or time.monotonic() > deadline:
                raise self._failed("start")
            time.sleep(0.02)

    def _ready(self) -> bool:
        """The eighth line of postmaster.pid is the server's own word for it, as `pg_ctl --wait` reads it."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def _failed(self, what: str) -> ServerFailed:
        tail = self._log.read_text(errors="replace").splitlines()[-10:]
        return ServerFailed(what=what, log=self._log, tail="\n".join(tail))


def _locked(descriptor: int) -> bool:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True
