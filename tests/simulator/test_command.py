"""The process: it says where it is, installs, and stops when told."""

import re
import signal
import subprocess
import sys

import pytest
import requests

from simulator import command
from simulator.running import Simulator

START = [sys.executable, "-c", "from simulator.command import simulator; simulator()"]
READY = re.compile(r"simulator ready control=(\S+) sites=genchi:(\S+),kencha:(\S+),genible:(\S+)\n")


@pytest.fixture
def start():
    started = []

    def run(*options):
        line = [*START, "--port", "0", "--site-port", "0", *options]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_ready_and_ends_when_told(start, number):
    process = start()
    urls = READY.fullmatch(process.stdout.readline()).groups()
    assert [requests.get(f"{url}/host.js", timeout=30).status_code for url in urls] == [200] * 4
    process.send_signal(number)
    assert process.wait(30) == 0


def test_the_process_installs_an_app_on_every_site(start, app):
    process = start("--install", app.url)
    assert READY.fullmatch(process.stdout.readline())
    lines = [process.stdout.readline() for _ in range(4)]
    assert [line.partition(":")[0] for line in lines[:3]] == ["genchi", "kencha", "genible"]
    assert all("/browse/SEC-1" in line for line in lines[:3])
    assert len({one.json["clientKey"] for one in app.received("/installed")}) == 3


def test_an_app_that_refuses_the_install_ends_the_process_with_its_answer(start, app):
    app.answers.append(401)
    output, _ = start("--install", app.url).communicate(timeout=20)
    assert "genchi: not installed, the app answered 401" in output


def test_an_app_that_never_gets_ready_is_given_up(monkeypatch):
    monkeypatch.setattr(command, "INSTALL_WAIT_SECONDS", 0)
    with pytest.raises(command.click.ClickException, match="was not ready within 0 s"):
        command._wait_until_ready("http://127.0.0.1:9", stopped=command.threading.Event())


def test_other_hosts_than_loopback_are_refused():
    with pytest.raises(ValueError, match="loopback"):
        Simulator(host="0.0.0.0")  # noqa: S104 # the refusal of it is what is tested


def test_a_taken_port_is_an_error_and_leaves_nothing_open(simulator):
    taken = int(simulator.control_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Simulator(port=taken)


def test_the_process_installs_as_both_hosts(start, app, tmp_path):
    app_id = "ari:cloud:ecosystem::app/22222222-2222-4333-8444-555555555555"
    (tmp_path / "index.html").write_text("<head>")
    process = start("--install", app.url, "--as", "both", "--forge-app-id", app_id, "--forge-ui", str(tmp_path))
    lines = [process.stdout.readline() for _ in range(5)]
    assert all("/browse/SEC-1" in line for line in lines[1:4])
    installs = app.received("/forge/lifecycle")
    assert {one.json["app"]["id"] for one in installs} == {app_id.rpartition("/")[2]}
    assert (len(installs), len(app.received("/installed"))) == (3, 3)
