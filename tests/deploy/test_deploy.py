"""What the files in deploy/ say is what runs: their very commands, with their environment, under their limits.

Proven: commands, settings, open files, nothing writable but what they name, memory, drain by SIGTERM; no capability
but to reach files of another user, whose the database of the tests is.
Not proven: that an image builds, another user id, networks, systemd's filter of system calls, start-up order.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import requests
import yaml

from app.settings import PREFIX, SETTINGS, read_settings
from tests.conftest import Process, Stack, free_port, require

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
CHOSEN = {
    "PLEDGE_BASE_URL": "https://app.example.com",
    "PLEDGE_CONNECT_APP_KEY": "com.example.pledge",
    "PLEDGE_ANCHOR_FOLDER": "/srv/pledge-anchor",
}
"""What `compose.yaml` asks its user for."""
NAMES = {PREFIX + setting.name for setting in SETTINGS}
OURS = ("migrate", "web", "worker")
UNITS = ("web", "worker")
GIBIBYTE = 2**30
# Everything is made read-only, then the folders that may be written are laid over it; the capabilities go last.
INSIDE = """
mount --make-rprivate /
awk '{print $5}' /proc/self/mountinfo | while read -r place; do
  case "$place" in /proc*|/sys*|/dev/shm) ;; *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;; esac
done
mount -t tmpfs -o size=64m,mode=1777 tmpfs "$SCRATCH"
if [ -n "$ANCHOR" ]; then mount --bind "$ANCHOR" "$ANCHOR" && mount -o remount,bind,rw "$ANCHOR"; fi
ulimit -n "$FILES" && ulimit -c 0
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+dac_override "$@"
"""


def resolved(text):
    """As compose puts variables in."""
    return re.sub(r"\$\{(\w+)(?::[-?][^}]*)?\}", lambda found: CHOSEN.get(found[1], ""), text)


def service_environment(name):
    return {key: resolved(value) for key, value in COMPOSE["services"][name]["environment"].items()}


def unit(name):
    """Every line of a unit: its values by key, in order."""
    found = {}
    for line in (DEPLOY / "systemd" / f"pledge-{name}.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def unit_environment(name):
    found = {}
    for file in unit(name)["EnvironmentFile"]:
        lines = (DEPLOY / "systemd" / Path(file).name).read_text().splitlines()
        found |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return found


ENVIRONMENTS = {f"compose {name}": service_environment(name) for name in OURS} | {
    f"systemd {name}": unit_environment(name) for name in UNITS
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_setting_that_is_named_exists_and_production_takes_them_all(name):
    environment = ENVIRONMENTS[name]
    assert environment.keys() <= NAMES
    assert "PLEDGE_PROFILE" not in environment
    settings = read_settings(environment)
    assert not settings.is_development
    wants = {"web": settings.metrics_token_file, "worker": settings.audit_anchor}
    assert wants.get(name.split()[1], True)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_process_is_given_what_it_needs_and_no_more(name):
    role, settings = name.split()[1], read_settings(ENVIRONMENTS[name])
    assert (settings.audit_signing_key_file is not None) is (role == "worker")
    assert (settings.database_worker_url is not None) is (role == "worker")
    assert (settings.database_owner_url is not None) is (role == "migrate")
    assert ":" not in (settings.database_url or "").partition("://")[2].partition("@")[0], "a password in a URL"


def test_every_file_that_is_read_is_mounted_and_every_mounted_one_is_read():
    for name in OURS:
        named = set(re.findall(r"/run/secrets/([\w-]+)", " ".join(service_environment(name).values())))
        # A migration opens no key; it would not start without the setting.
        assert named - ({"keyring"} if name == "migrate" else set()) == set(COMPOSE["services"][name]["secrets"])
    assert {secret for each in COMPOSE["services"].values() for secret in each.get("secrets", ())} == set(
        COMPOSE["secrets"]
    )


@pytest.mark.parametrize("name", [*OURS, "valkey"])
def test_a_container_has_no_privilege_and_a_file_system_that_it_cannot_write(name):
    service = COMPOSE["services"][name]
    assert service["user"].split(":")[0] not in {"0", "root"}
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert not {"network_mode", "pid", "ipc", "devices", "cap_add"} & service.keys()


def test_only_the_web_is_reached_from_outside_and_only_through_a_proxy_on_this_machine():
    assert {name: each["ports"] for name, each in COMPOSE["services"].items() if "ports" in each} == {
        "web": ["127.0.0.1:8000:8000"]
    }
    assert COMPOSE["networks"]["inside"]["internal"] is True


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_has_every_hardening_that_these_processes_can_bear(name):
    found = unit(name)
    on = {key for key, values in found.items() if values == ["yes"]}
    assert {"NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectKernelTunables"} <= on
    assert {"ProtectKernelModules", "ProtectControlGroups", "RestrictNamespaces", "LockPersonality"} <= on
    assert (found["ProtectSystem"], found["CapabilityBoundingSet"]) == (["strict"], [""])
    assert found["User"] == ["pledge"]
    assert ("ReadWritePaths" in found) is (name == "worker")


def test_every_manager_waits_longer_than_the_longest_drain():
    longest = int(next(setting.default for setting in SETTINGS if setting.name == "DRAIN_SECONDS")) + 25
    for name in ("web", "worker"):
        assert int(COMPOSE["services"][name]["stop_grace_period"].removesuffix("s")) > longest
        assert int(unit(name)["TimeoutStopSec"][0]) > longest


def test_the_image_runs_as_nobody_in_particular_and_installs_only_what_is_locked():
    lines = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    stages = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    assert len(stages) == 2
    assert "USER 10001:10001" in lines[stages[1] :]
    assert not any(line.startswith("ADD ") for line in lines)
    for command in " ".join(lines[: stages[1]]).split("&&"):
        if "pip install" in command:
            assert "--require-hashes" in command or "--no-deps" in command
    copied = {
        part for line in lines for part in line.split()[1:-1] if line.startswith("COPY ") and "--from" not in line
    }
    assert all((ROOT / part).exists() for part in copied)
    assert not {"simulator", "tests", "."} & copied


class Confined(Process):
    """A command of a file in deploy/, in a mount namespace of its own."""

    def __init__(self, *arguments, env, ready):
        self.scratch = Path(tempfile.mkdtemp(prefix="pledge-"))
        super().__init__(*arguments, env=env | {"SCRATCH": str(self.scratch), "TMPDIR": str(self.scratch)}, ready=ready)

    def stop(self):
        super().stop()
        self.scratch.rmdir()

    def command(self):
        return confined([sys.executable, "-m", "app.wiring", *self.arguments])


def confined(command):
    return ["unshare", "--mount", "sh", "-euc", INSIDE, "sh", *command]


@pytest.fixture(scope="module")
def may_confine():
    """Whether this machine lets us: it takes root, and util-linux."""
    if not all(map(shutil.which, ("unshare", "setpriv"))):
        require("unshare and setpriv", "util-linux is not on the PATH")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        require("mount namespaces", "this user may not make one")


@pytest.fixture(scope="module")
def place(may_confine, make_database, keyring_file, tmp_path_factory):
    """A database, a store of limits that runs as `valkey` says, and the environment that stands for the machine."""
    program = shutil.which("redis-server")
    if program is None:
        require("redis-server", "the store that web processes share is not on the PATH")
    folder = Path(tempfile.mkdtemp(prefix="pledge-"))
    anchor = tmp_path_factory.mktemp("anchor")
    arguments = COMPOSE["services"]["valkey"]["command"][1:]
    with ExitStack() as exits, make_database() as database:
        store = subprocess.Popen(
            [program, *arguments, "--port", "0", "--dir", str(folder), "--unixsocket", str(folder / "socket")],
            stdout=subprocess.DEVNULL,
        )
        exits.callback(shutil.rmtree, folder)
        exits.callback(lambda: (store.kill(), store.wait(timeout=10)))
        Stack.eventually((folder / "socket").exists)
        yield {
            "PLEDGE_KEYRING_FILE": str(keyring_file),
            "PLEDGE_METRICS_TOKEN_FILE": str(keyring_file.with_name("metrics-token")),
            "PLEDGE_AUDIT_SIGNING_KEY_FILE": str(keyring_file.with_name("audit-signing.key")),
            "PLEDGE_AUDIT_ANCHOR": f"file:{anchor}/anchor.jsonl",
            "PLEDGE_DATABASE_URL": database.web,
            "PLEDGE_DATABASE_WORKER_URL": database.worker,
            "PLEDGE_DATABASE_OWNER_URL": database.owner,
            "PLEDGE_REDIS_URL": f"unix://{folder}/socket",
        }


def environment(name, place):
    """That of the file, with this machine's places in it: the same names, no other."""
    own = {key: place.get(key, value) for key, value in ENVIRONMENTS[name].items()}
    files = (
        COMPOSE["services"]["web"]["ulimits"]["nofile"]
        if "compose" in name
        else unit(name.split()[1])["LimitNOFILE"][0]
    )
    anchor = str(Path(own["PLEDGE_AUDIT_ANCHOR"].removeprefix("file:")).parent) if name.endswith("worker") else ""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
    return clean | own | {"FILES": str(files), "ANCHOR": anchor, "PYTHONWARNINGS": "error"}


def arguments(name):
    """The words after the program's name, as that file has them."""
    kind, role = name.split()
    if kind == "compose":
        return COMPOSE["services"][role]["command"]
    program, *words = shlex.split(unit(role)["ExecStart"][0])
    assert program.endswith("/bin/pledge")
    return words


@pytest.fixture(scope="module")
def running(place):
    """Web and worker, after the migration; all three begin at once, because the schema is there already."""
    started = {}
    with ExitStack() as exits, ThreadPoolExecutor(3) as pool:
        migrating = pool.submit(migrate, place)
        for name in ("systemd web", "compose worker"):
            words = list(arguments(name))
            if "--port" in words:
                words[words.index("--port") + 1] = str(free_port())
            role = name.split()[1]
            started[role] = pool.submit(Confined, *words, env=environment(name, place), ready=f"{role} ready")
        for role, starting in started.items():
            started[role] = starting.result()
            exits.callback(started[role].stop)
        yield started, migrating.result()


def migrate(place):
    words = [sys.executable, "-m", "app.wiring", *arguments("compose migrate")]
    with tempfile.TemporaryDirectory(prefix="pledge-") as scratch:
        env = environment("compose migrate", place) | {"SCRATCH": scratch}
        return subprocess.run(confined(words), env=env, capture_output=True, text=True, check=False, timeout=120)


def ask(port, path, **sent):
    return requests.get(f"http://127.0.0.1:{port}{path}", timeout=30, **sent)


def test_both_ways_run_the_same_commands_with_the_same_settings():
    """So that it is enough to run each command once."""
    for role in UNITS:
        compose, systemd = (ENVIRONMENTS[f"{kind} {role}"] for kind in ("compose", "systemd"))
        assert compose.keys() - {"PLEDGE_FORGE_APP_ID"} == systemd.keys()
        words = [word.replace("0.0.0.0", "127.0.0.1") for word in arguments(f"compose {role}")]  # noqa: S104  not bound here
        assert words == arguments(f"systemd {role}")


def test_the_migration_runs_confined(running):
    _, done = running
    assert (done.returncode, done.stdout[:10]) == (0, "at version"), done.stderr


def test_in_there_nothing_can_be_written_and_nothing_is_permitted(place, tmp_path):
    probe = "import sys; open(sys.argv[1] + '/x', 'w').close()"
    with tempfile.TemporaryDirectory(prefix="pledge-") as scratch:
        env = environment("compose web", place) | {"SCRATCH": scratch}
        written = {
            where: subprocess.run(
                confined([sys.executable, "-c", probe, where]), env=env, capture_output=True, text=True, check=False
            ).stderr
            for where in (str(ROOT), str(tmp_path), "/etc", scratch)
        }
        powers = subprocess.run(
            confined(["grep", "-E", "^(CapEff|CapBnd|NoNewPrivs)", "/proc/self/status"]),
            env=env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    assert written.pop(scratch) == ""
    assert all("Read-only file system" in said for said in written.values()), written
    dac_override = f"{2:016x}"
    assert powers == ["CapEff:", dac_override, "CapBnd:", dac_override, "NoNewPrivs:", "1"]


def test_the_web_server_is_ready_healthy_and_scraped(running, place):
    started, _ = running
    port = started["web"].arguments[started["web"].arguments.index("--port") + 1]
    Stack.eventually(lambda: ask(port, "/readyz").status_code == 200)
    [check] = re.findall(r"HEALTHCHECK .*?CMD (\[.*\])", (DEPLOY / "Dockerfile").read_text().replace("\\\n", " "))
    _, *words = yaml.safe_load(check)
    health = [sys.executable, *(word.replace(":8000", f":{port}") for word in words)]
    assert subprocess.run(health, check=False, timeout=60).returncode == 0
    token = Path(place["PLEDGE_METRICS_TOKEN_FILE"]).read_text().strip()
    assert ask(port, "/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert ask(port, "/metrics").status_code == 401


def test_they_stay_within_their_memory_and_stop_in_time_when_told_to(running):
    started, _ = running
    memory = {name: _memory(process.popen.pid) for name, process in started.items()}
    assert all(0 < used < GIBIBYTE for used in memory.values()), memory
    for process in started.values():
        process.popen.terminate()
    for name, process in started.items():
        assert process.popen.wait(timeout=45) == 0, name
        assert "limiter_store_down" not in process.output
    assert "web drains" in started["web"].output


def _memory(pid):
    top = psutil.Process(pid)
    return sum(each.memory_full_info().pss for each in (top, *top.children(recursive=True)))
