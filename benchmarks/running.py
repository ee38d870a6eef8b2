"""The product with its simulated Atlassian, for measuring: real processes, a private PostgreSQL, loopback only."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psutil

from app.edge.limits import rates
from app.jobs.supervisor import Child, Supervisor
from app.store.administration import provision, upgrade, urls_of
from app.store.embedded import EmbeddedPostgres
from app.vault.administration import create_keyring
from app.vault.checkpoint_key import create_checkpoint_key
from simulator.forge_app import APP_ID
from simulator.running import Simulator

PROCESSES = 2


class Running:
    """Where everything is."""

    def __init__(
        self, *, simulator: Simulator, env: dict[str, str], supervisor: Supervisor, server: EmbeddedPostgres
    ) -> None:
        self.url = env["PLEDGE_BASE_URL"]
        self.simulator = simulator
        self.control = simulator.control_url
        self.env = env
        self.server = server
        self._supervisor = supervisor

    def ask(self, path: str, /, **body: object) -> dict[str, object]:
        """POST to the simulator's control."""
        request = Request(  # noqa: S310  our own loopback server
            self.control + path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=30) as answer:  # noqa: S310  the same
            return json.load(answer)

    def token(self, **wanted: object) -> str:
        """A token of the simulated site genchi."""
        return str(self.ask("/sites/genchi/token", **wanted)["token"])

    @contextmanager
    def worker(self) -> Iterator[None]:
        """A worker process."""
        argv = [sys.executable, "-m", "app.wiring", "worker"]
        ready = re.compile("worker ready")
        with Supervisor(say=lambda line: None, grace_seconds=30) as supervisor:
            supervisor.start(Child(name="worker", argv=argv, env=self.env, ready=ready, ready_within_seconds=120))
            yield

    def worker_pid(self) -> int | None:
        """Its process, where one was started."""
        mine = (each for each in psutil.Process().children() if each.cmdline()[-3:] == ["-m", "app.wiring", "worker"])
        return next((int(each.pid) for each in mine), None)

    def serve(self, name: str, *command: str, **env: str) -> str:
        """One more server beside the product, told its `--port` and `PORT`; returns its URL."""
        port = str(free_port())
        argv = [*command, "--port", port]
        ready = re.compile("web ready")
        self._supervisor.start(Child(name=name, argv=argv, env=self.env | env | {"PORT": port}, ready=ready))
        return f"http://127.0.0.1:{port}"


@contextmanager
def running(*, worker: bool = True, **settings: str) -> Iterator[Running]:
    """Web (2 processes), worker, PostgreSQL with fsync, and the simulator in this process; one tracked issue read.

    `settings` are further settings of the product, by name.
    """
    with ExitStack() as exits:
        folder = Path(tempfile.mkdtemp(prefix="pledge-"))
        exits.callback(shutil.rmtree, folder)
        server = exits.enter_context(EmbeddedPostgres(folder / "postgres"))
        provision(server)
        urls = urls_of(server)
        upgrade(urls["database_owner_url"])
        create_keyring(folder / "keyring.json", now=datetime.now(UTC))
        create_checkpoint_key(folder / "audit-signing.key", name="app.example.com/audit")
        simulator = exits.enter_context(Simulator(seed=1))
        port = free_port()
        env = {
            **os.environ,
            **{f"PLEDGE_{name.upper()}": url for name, url in urls.items()},
            "PLEDGE_PROFILE": "development",
            "PLEDGE_BASE_URL": f"http://127.0.0.1:{port}",
            "PLEDGE_KEYRING_FILE": str(folder / "keyring.json"),
            "PLEDGE_AUDIT_SIGNING_KEY_FILE": str(folder / "audit-signing.key"),
            "PLEDGE_AUDIT_ANCHOR": f"file:{folder / 'anchor.jsonl'}",
            "PLEDGE_ERASURE_LEDGER": f"file:{folder / 'erasures.jsonl'}",
            "PLEDGE_CONNECT_INSTALL_KEYS_URLS": f"{simulator.control_url}/install-keys",
            "PLEDGE_FORGE_APP_ID": APP_ID,
            "PLEDGE_FORGE_JWKS_URL": f"{simulator.control_url}/.well-known/jwks.json",
            "PLEDGE_ATLASSIAN_API_URL": simulator.control_url,
            "PLEDGE_LOG_FORMAT": "json",
            # One person asks here as ten thousand do: counted as always, and not refused.
            "PLEDGE_RATE_LIMITS": ",".join(f"{name}=999999999" for name in rates(())),
            **{f"PLEDGE_{name}": value for name, value in settings.items()},
        }
        supervisor = exits.enter_context(Supervisor(say=lambda line: None))
        found = Running(simulator=simulator, env=env, supervisor=supervisor, server=server)
        argv = [sys.executable, "-m", "app.wiring", "web", "--port", str(port), "--processes", str(PROCESSES)]
        supervisor.start(Child(name="web", argv=argv, env=env, ready=re.compile("web ready")))
        if worker:
            exits.enter_context(found.worker())
        _install(found)
        yield found


def _install(found: Running) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = found.ask(f"/sites/genchi/install?app={found.url}&as=connect")
        except OSError:
            answer = {}
        if answer.get("accepted"):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"the app did not take the installation: {answer}")
        time.sleep(0.2)


def free_port() -> int:
    """A port of the loopback interface that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pid_of(url: str) -> int:
    """The process of ours that was told to serve there; raises `LookupError`."""
    port = str(urlsplit(url).port)
    for child in psutil.Process().children():
        if port in child.cmdline():
            return int(child.pid)
    raise LookupError(url)


def processor_seconds(pid: int) -> float:
    """What a process and all that it started have used of the processor."""
    process = psutil.Process(pid)
    return sum(map(_own_seconds, (process, *process.children(recursive=True))))


def _own_seconds(process: psutil.Process) -> float:
    try:
        used = process.cpu_times()
    except psutil.NoSuchProcess:  # PostgreSQL's own helpers come and go
        return 0.0
    return float(used.user + used.system)


def pss_kib(pid: int) -> int:
    """Proportional memory of a process and all it started, in KiB."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listing.splitlines())}
    family, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in family} - family
        family, grown = family | more, bool(more)
    return sum(map(_own_pss_kib, family))


def _own_pss_kib(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE).group(1))
