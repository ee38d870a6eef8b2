"""Several programs as one: started in order, stopped in reverse, and never left behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from app.jobs import supervisor
from app.jobs.supervisor import Child, ChildEnded, ChildNotReady, Supervisor

# Says that it is ready, and then on SIGTERM that it was told to end.
POLITE = """
import signal, sys, time
def end(*_):
    print("ending")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("listening on port 8123")
time.sleep(60)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready")
time.sleep(60)
"""
WITH_A_GRANDCHILD = """
import subprocess, time
grandchild = subprocess.Popen(["/bin/sleep", "60"])
print("ready", grandchild.pid)
time.sleep(60)
"""
SUPERVISOR = """
import os, re, sys
from app.jobs.supervisor import Child, Supervisor
with Supervisor(say=lambda line: None, with_parent=True) as group:
    pids = []
    for name in ("first", "second"):
        child = Child(name=name, argv=[sys.executable, "-c", sys.argv[1]], env={}, ready=re.compile(r"ready (\\d+)"))
        found = group.start(child)
        pids += [group._running[-1].process.pid, int(found[1])]
    print(os.getpid(), *pids, flush=True)
    group.wait()
print("left in order", flush=True)
"""


def program(code, *, name="web", ready="ready|listening", within_seconds=10.0):
    return Child(
        name=name,
        argv=[sys.executable, "-c", code],
        env={},
        ready=re.compile(ready),
        ready_within_seconds=within_seconds,
    )


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pids, *, within_seconds):
    deadline = time.monotonic() + within_seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def run_together(*children, say=lambda _: None):
    with Supervisor(say=say) as group:
        for child in children:
            group.start(child)
        group.wait()


def interrupt_soon(number):
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()


@pytest.fixture
def outside():
    """A shell (like `make`, it waits for what it started), its supervisor, and two children with one child each."""
    command = ["/bin/sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", SUPERVISOR, WITH_A_GRANDCHILD]
    root = Path(supervisor.__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, start_new_session=True) as process:
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 5
        assert all(alive(pid) for pid in pids)
        yield process, pids
        process.kill()
        assert gone(pids, within_seconds=5)


def test_children_start_in_order_and_stop_in_reverse():
    said = []
    with Supervisor(say=said.append) as group:
        group.start(program(POLITE, name="web"))
        group.start(program(POLITE, name="worker"))
    assert said == [
        "web       | listening on port 8123",
        "worker    | listening on port 8123",
        "worker    | ending",
        "web       | ending",
    ]


def test_starting_returns_what_the_ready_line_said():
    with Supervisor(say=lambda _: None) as group:
        assert group.start(program(POLITE, ready=r"port (\d+)"))[1] == "8123"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_is_no_error(number):
    said = []
    handler = signal.getsignal(number)
    with Supervisor(say=said.append) as group:
        group.start(program(POLITE))
        interrupt_soon(number)
        group.wait()
    assert said[-1] == "web       | ending"
    assert signal.getsignal(number) is handler


def test_a_signal_while_a_child_is_starting_stops_it_too():
    with Supervisor(say=lambda _: None) as group:
        interrupt_soon(signal.SIGINT)
        group.start(program("import time; time.sleep(60)", within_seconds=30))
    assert group._running == []


def test_a_second_signal_does_not_break_off_the_stop():
    said = []
    slow = POLITE.replace('print("ending")', 'print("ending"); time.sleep(1); print("ended")')
    with Supervisor(say=said.append) as group:
        group.start(program(slow))
        interrupt_soon(signal.SIGINT)
        threading.Timer(0.8, os.kill, (os.getpid(), signal.SIGINT)).start()
        group.wait()
    assert said[-1] == "web       | ended"


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace():
    with Supervisor(say=lambda _: None, grace_seconds=0.3) as group:
        group.start(program(STUBBORN))
        child = group._running[0].process
        started = time.monotonic()
    assert child.returncode == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - started < 5


@pytest.mark.parametrize("status", [0, 3])
def test_a_child_that_ends_while_starting_is_named_and_its_last_words_are_shown(status):
    said = []
    worker = program(f"print('no database'); exit({status})", name="worker")
    with pytest.raises(ChildEnded, match=rf"^worker ended by itself \(exit code {status}\)"):
        run_together(program(POLITE), worker, say=said.append)
    assert said[1:] == ["worker    | no database", "web       | ending"]


def test_a_child_that_ends_later_stops_the_others_and_is_named():
    said = []
    web = program("import os, time; print('ready'); time.sleep(0.5); os.kill(os.getpid(), 9)")
    with pytest.raises(ChildEnded, match=r"^web ended by itself \(SIGKILL\)"):
        run_together(web, program(POLITE, name="worker"), say=said.append)
    assert said[-1] == "worker    | ending"


def test_an_earlier_child_that_ends_is_noticed_while_a_later_one_starts():
    web = program("import time; print('ready'); time.sleep(0.3)")
    with pytest.raises(ChildEnded, match=r"^web ended"):
        run_together(web, program("import time; time.sleep(60)", name="worker", within_seconds=30))


@pytest.mark.parametrize("status", [0, 1])
def test_work_beside_the_children_ends_without_stopping_them_and_its_words_are_shown(status):
    said = []
    with Supervisor(say=said.append) as group:
        group.start_beside(program(f"print('packed'); exit({status})", name="forge"))
        group.start(program(POLITE))
        group._running[0].process.wait(60)
        interrupt_soon(signal.SIGINT)
        group.wait()
    assert sorted(said) == ["forge     | packed", "web       | ending", "web       | listening on port 8123"]


def test_work_beside_the_children_is_stopped_with_all_that_it_started():
    said = []
    with Supervisor(say=said.append, grace_seconds=1) as group:
        group.start_beside(program(WITH_A_GRANDCHILD, name="forge"))
        grandchild = int(group._running[0].ready.result(10).string.split()[1])
        assert alive(grandchild)
    assert gone([grandchild], within_seconds=2)


def test_a_child_that_never_says_it_is_ready_is_given_up():
    with pytest.raises(ChildNotReady, match=r"^web did not say within 0\.3 seconds"):
        run_together(program("import time; time.sleep(60)", within_seconds=0.3))


def test_a_program_that_does_not_exist_is_named():
    missing = Child(name="web", argv=["/nonexistent"], env={}, ready=re.compile("ready"))
    with pytest.raises(ChildEnded, match=r"^web ended by itself \(exit code 127\)"):
        run_together(missing)


def test_what_a_child_leaves_behind_goes_with_it():
    with Supervisor(say=lambda _: None) as group:
        grandchild = int(group.start(program(WITH_A_GRANDCHILD, ready=r"ready (\d+)"))[1])
        assert alive(grandchild)
    assert gone([grandchild], within_seconds=2)


def test_sigkill_of_the_supervisor_leaves_no_child_and_no_grandchild(outside):
    _, pids = outside
    os.kill(pids[0], signal.SIGKILL)
    assert gone(pids, within_seconds=2)


def test_sigkill_of_make_above_the_supervisor_stops_everything_in_order(outside):
    process, pids = outside
    process.kill()
    assert process.stdout.readline() == b"left in order\n"
    assert gone(pids, within_seconds=2)


def test_ctrl_c_in_a_terminal_stops_everything_in_order(outside):
    process, pids = outside
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to the whole foreground group
    assert process.stdout.readline() == b"left in order\n"
    assert gone(pids, within_seconds=2)


def test_the_environment_of_a_child_is_exactly_the_given_one(monkeypatch):
    monkeypatch.setenv("PLEDGE_LEAK", "secret")
    code = "import os; print('ready', sorted(set(os.environ) - {'PWD', '_', 'SHLVL', 'LC_CTYPE', 'OLDPWD'}))"
    child = Child(name="web", argv=[sys.executable, "-c", code], env={"A": "1"}, ready=re.compile("ready .*"))
    with Supervisor(say=lambda _: None) as group:
        assert group.start(child)[0] == "ready ['A', 'PYTHONUNBUFFERED']"


def test_a_log_line_cannot_drive_the_terminal():
    said = []
    with Supervisor(say=said.append) as group:
        group.start(program(r"import time; print('ready \x1b]0;owned\x07\r\x9b2J'); time.sleep(60)"))
    assert said == ["web       | ready \ufffd]0;owned\ufffd\ufffd\ufffd2J"]


def test_output_that_is_not_text_or_has_no_end_of_line_is_shown_in_pieces():
    said = []
    code = r"import sys, time; sys.stdout.buffer.write(b'\xff' + b'a' * 40000 + b'\nready\n'); time.sleep(60)"
    with Supervisor(say=said.append) as group:
        group.start(program(code))
    assert [len(line) - len("web       | ") for line in said] == [16_384, 16_384, 40_001 - 2 * 16_384, 5]


def test_a_terminal_that_went_away_does_not_stop_the_work():
    def broken(_):
        raise BrokenPipeError

    with Supervisor(say=broken) as group:
        group.start(program(POLITE))
        assert group._running[0].process.poll() is None
