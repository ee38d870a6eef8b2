"""Clocks that jump: of web and worker, of PostgreSQL, and of all of them. Jira's own stays right.

A few lines of C are loaded into the processes (`jumping_clock.c`); it takes a C compiler to make them.
"""

import shutil
import struct
import subprocess
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.store import postgres_programs
from tests.conftest import Process, require

LASTS_SECONDS = 12
SETTLES_SECONDS = 2
"""Requests that were signed before a jump may be answered after it."""
JUMPS = {"+40 d": 40 * 86_400, "−2 h": -2 * 3600}
WHOSE = {"web and workers": ("ours",), "PostgreSQL": ("database",), "everything": ("ours", "database")}


class Clocks:
    """Whose clock is how far off; and the environment of a process whose clock that is."""

    def __init__(self, folder, library):
        self._folder, self._library = folder, library
        for name in ("ours", "database"):
            (folder / name).write_bytes(struct.pack("q", 0))
            (folder / name).chmod(0o644)

    def environment(self, name):
        return {"LD_PRELOAD": str(self._library), "JUMPING_CLOCK": str(self._folder / name)}

    @contextmanager
    def off(self, names, seconds):
        self._set(names, seconds)
        try:
            yield
        finally:
            self._set(names, 0)

    def _set(self, names, seconds):
        for name in names:
            with (self._folder / name).open("r+b") as file:
                file.write(struct.pack("q", seconds))


@pytest.fixture(scope="module")
def clocks():
    compiler = shutil.which("cc")
    if compiler is None:
        require("a C compiler", "none is on the PATH as cc")
    # PostgreSQL may run as another account, which has to read it.
    folder = Path(tempfile.mkdtemp(prefix="pledge-"))
    folder.chmod(0o755)
    library, source = folder / "jumping_clock.so", Path(__file__).with_name("jumping_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    yield Clocks(folder, library)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stack(make_stack, make_server, clocks):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in clocks.environment("database").items():
            patch.setitem(postgres_programs.ENVIRONMENT, name, value)
        with (
            make_server() as (_, database),
            make_stack(database=database, processes=2, **clocks.environment("ours")) as running,
        ):
            second = Process("worker", ready="worker ready", env=running.env)
            running.install("genchi")
            yield running
            second.stop()


@pytest.mark.parametrize("by", JUMPS)
@pytest.mark.parametrize("whose", WHOSE)
def test_a_clock_that_jumps_and_comes_back_loses_nothing_and_lets_no_token_in_out_of_its_time(
    stack, clocks, storm, report, whose, by
):
    weather = storm(stack, issues=8)
    weather.settles()
    with weather.blowing():
        time.sleep(2)
        with clocks.off(WHOSE[whose], JUMPS[by]):
            time.sleep(SETTLES_SECONDS)
            begun = datetime.now(UTC)
            [(at,)] = stack.database.rows("SELECT clock_timestamp()")
            assert (abs(at - begun) > timedelta(hours=1)) == ("database" in WHOSE[whose])
            time.sleep(LASTS_SECONDS)
            ended = datetime.now(UTC)
        time.sleep(SETTLES_SECONDS)
    tried = [try_ for one in weather.deliveries() for try_ in one["attempts"]]
    during = {try_["status"] for try_ in tried if begun < datetime.fromisoformat(try_["at"]) < ended}
    # Of what was refused Jira does not speak again: the next change of each issue tells of all before it.
    for issue in weather.issues:
        score = 3.1 if issue.values["cvss_score"] != 3.1 else 9.8
        weather.world.change(weather.site, issue, values={"cvss_score": score}, author=weather.author)
    counts = weather.settles(time_passes=False)
    accepted = "no token" if 204 not in during else "every token"
    note = f"{accepted} accepted meanwhile; {counts['never acknowledged']} refused, found with the next change"
    report(f"clock of {whose} {by} for {LASTS_SECONDS} s", counts, weather=weather, note=note)
    assert (counts["lost"], counts["doubled"], counts["half done"]) == (0, 0, 0)
    is_ours = "ours" in WHOSE[whose]
    assert (204 in during, 401 in during) == (not is_ours, is_ours)
    assert counts["acknowledged"] > len(weather.issues)
