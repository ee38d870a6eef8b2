"""What tests stand on: a real PostgreSQL, the real processes on loopback, and the simulated Atlassian."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import requests
from hypothesis import HealthCheck, settings
from redis import Redis, RedisError

from app.store.administration import provision, upgrade, urls_of
from app.store.embedded import EmbeddedPostgres
from app.vault.administration import create_keyring
from app.vault.checkpoint_key import create_checkpoint_key
from simulator.forge_app import APP_ID
from simulator.running import Simulator

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
READY_SECONDS = 60
START_SECONDS = 120
"""Several processes may start at once, on a machine that has other things to do."""

# How long an example takes is a matter of the machine and of what else it does: no test fails for that.
settings.register_profile("pledge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pledge")


def pytest_runtest_logreport(report):
    """Say at once what has failed: a run that is ended from outside never comes to its summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        why = str(getattr(report.longrepr, "reprcrash", None) or "see the summary").partition("\n")[0]
        sys.__stdout__.write(f"\nfailed: {report.nodeid} ({report.when}): {why[:300]}\n")
        sys.__stdout__.flush()


def require(what, why):
    """Skip by name and reason where something is missing, or fail where nothing may be skipped."""
    if os.environ.get("PLEDGE_TEST_REQUIRE") == "all":
        pytest.fail(f"{what} is required here: {why}")
    pytest.skip(f"{what}: {why}", allow_module_level=True)


@dataclass(frozen=True)
class TestDatabase:
    """One migrated database of its own; the URLs by role."""

    __test__ = False

    name: str
    web: str
    worker: str
    owner: str
    backup: str
    superuser: str

    @classmethod
    def on(cls, server, name):
        urls = urls_of(server, name)
        return cls(
            name=name,
            web=urls["database_url"],
            worker=urls["database_worker_url"],
            owner=urls["database_owner_url"],
            backup=urls["database_backup_url"],
            superuser=server.superuser_url(name),
        )

    def rows(self, query, *values):
        """What a superuser sees: tests look past row security, the product never does."""
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def execute(self, query, *values):
        # The triggers of the queue name their tables without a schema.
        with psycopg.connect(self.superuser, autocommit=True, options="-c search_path=public,jobs") as connection:
            connection.execute(query, values)

    def let_time_pass(self):
        """What waits for later is due now: time is data here, and no test waits for half an hour."""
        self.execute("UPDATE app.pending_reads SET due_at = now()")
        self.execute("UPDATE registry.jira_quota SET background_until = NULL, people_until = NULL, refused_at = NULL")
        self.execute("UPDATE jobs.procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")


@pytest.fixture(scope="session")
def cluster():
    """A PostgreSQL server with the roles and one migrated template."""
    # Not below pytest's own folder: its names are long, and a socket's path may not be.
    folder = Path(tempfile.mkdtemp(prefix="pledge-"))
    with EmbeddedPostgres(folder, durable=False) as server:
        provision(server, "template")
        upgrade(urls_of(server, "template")["database_owner_url"])
        yield server
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def make_database(cluster):
    """A factory of databases: `with make_database() as database`."""
    count = iter(range(1_000_000))

    @contextmanager
    def make():
        name = f"test{next(count)}"
        with psycopg.connect(cluster.superuser_url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template OWNER pledge_owner")
        yield TestDatabase.on(cluster, name)
        with psycopg.connect(cluster.superuser_url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    return make


@pytest.fixture(scope="session")
def make_server():
    """A factory of PostgreSQL servers that a test may stop, start and break, each with a migrated database on it."""

    @contextmanager
    def make(folder=None):
        folder = folder or Path(tempfile.mkdtemp(prefix="pledge-"))
        with EmbeddedPostgres(folder) as server:
            provision(server, "own")
            upgrade(urls_of(server, "own")["database_owner_url"])
            yield server, TestDatabase.on(server, "own")
        shutil.rmtree(folder)

    return make


@pytest.fixture
def own_server(make_server):
    """One for a single test."""
    with make_server() as made:
        yield made


@pytest.fixture
def database(make_database):
    """A migrated database for one test."""
    with make_database() as made:
        yield made


@pytest.fixture(scope="session")
def keyring_file(tmp_path_factory):
    """A keyring with one key per purpose; beside it the key that signs audit logs, and the token of the metrics."""
    path = tmp_path_factory.mktemp("keys") / "keyring.json"
    create_keyring(path, now=datetime.now(UTC))
    create_checkpoint_key(path.with_name("audit-signing.key"), name="app.example.com/audit")
    path.with_name("metrics-token").write_text("a-made-up-token-of-the-metrics-of-a-cell\n")
    return path


class RedisServer:
    """A store for rate limits, on a socket of its own and without a file."""

    def __init__(self, program, folder):
        self._command = [program, "--port", "0", "--save", "", "--dir", str(folder)]
        self._command += ["--unixsocket", str(folder / "socket")]
        self.url = f"unix://{folder}/socket"
        self.client = Redis.from_url(self.url)
        self.start()

    def start(self):
        self._popen = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        Stack.eventually(self._answers)

    def stop(self):
        self._popen.kill()
        self._popen.wait(timeout=30)
        self.client.connection_pool.disconnect()

    def freeze(self):
        """It takes connections and does not answer: what a store that swaps looks like."""
        self._popen.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._popen.send_signal(signal.SIGCONT)

    def _answers(self):
        with suppress(RedisError):
            return self.client.ping()


@pytest.fixture
def redis_server():
    program = shutil.which("redis-server")
    if program is None:
        require("redis-server", "the store that web processes share is not on the PATH")
    # Not below pytest's own folder: its names are long, and a socket's path may not be.
    folder = Path(tempfile.mkdtemp(prefix="pledge-"))
    server = RedisServer(program, folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A process of the product; its output is kept for the tests that read logs."""

    def __init__(self, *arguments, env, ready, module="app.wiring"):
        self.arguments = arguments
        self.module = module
        self.env = env
        self.lines = []
        self._ready = threading.Event()
        self._pattern = re.compile(ready)
        self.start()

    def start(self):
        self._ready.clear()
        self.popen = subprocess.Popen(
            self.command(),
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.popen,), daemon=True)
        self._reader.start()
        if not self._ready.wait(START_SECONDS):
            self.stop()
            raise TimeoutError(f"{self.arguments} is not ready:\n{self.output}")

    def command(self):
        """The program and its arguments."""
        return [sys.executable, "-m", self.module, *self.arguments]

    @property
    def output(self):
        return "".join(self.lines)

    def kill(self):
        """SIGKILL, with everything it started: what a machine that loses power looks like."""
        # Another thread may start the next one before this one is reaped: it has a pipe of its own.
        popen, reader = self.popen, self._reader
        os.killpg(popen.pid, signal.SIGKILL)
        self._reap(popen, reader)

    def stop(self):
        """SIGTERM, and SIGKILL for what does not end."""
        popen, reader = self.popen, self._reader
        popen.terminate()
        try:
            popen.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(popen.pid, signal.SIGKILL)
        self._reap(popen, reader)

    @staticmethod
    def _reap(popen, reader):
        popen.wait(timeout=30)
        reader.join(timeout=30)
        popen.stdout.close()

    def _read(self, popen):
        for line in popen.stdout:
            self.lines.append(line)
            if self._pattern.search(line):
                self._ready.set()


class Stack:
    """The product as it runs: web and worker as processes of their own, on one database, with a simulated Atlassian.

    `module` is what runs, if not the product itself but one with something added.
    """

    def __init__(self, *, database, simulator, keyring_file, processes=1, worker=True, module="app.wiring", **settings):
        self.database = database
        self.simulator = simulator
        self.url = f"http://127.0.0.1:{free_port()}"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PLEDGE_")},
            "PYTHONWARNINGS": "error",
            "PLEDGE_PROFILE": "development",
            "PLEDGE_BASE_URL": self.url,
            "PLEDGE_DATABASE_URL": database.web,
            "PLEDGE_DATABASE_WORKER_URL": database.worker,
            "PLEDGE_DATABASE_OWNER_URL": database.owner,
            "PLEDGE_DATABASE_BACKUP_URL": database.backup,
            "PLEDGE_KEYRING_FILE": str(keyring_file),
            "PLEDGE_AUDIT_SIGNING_KEY_FILE": str(keyring_file.with_name("audit-signing.key")),
            "PLEDGE_AUDIT_ANCHOR": f"file:{keyring_file.with_name(f'anchor-{time.monotonic_ns()}.jsonl')}",
            "PLEDGE_EXPORT_DIR": str(keyring_file.with_name(f"exports-{time.monotonic_ns()}")),
            "PLEDGE_ERASURE_LEDGER": f"file:{keyring_file.with_name(f'erasures-{time.monotonic_ns()}.jsonl')}",
            "PLEDGE_CONNECT_INSTALL_KEYS_URLS": f"{simulator.control_url}/install-keys",
            "PLEDGE_CONNECT_HOST_SCRIPT_URL": f"{simulator.control_url}/host.js",
            "PLEDGE_FORGE_APP_ID": APP_ID,
            "PLEDGE_FORGE_JWKS_URL": f"{simulator.control_url}/.well-known/jwks.json",
            "PLEDGE_ATLASSIAN_API_URL": simulator.control_url,
            "PLEDGE_METRICS_TOKEN_FILE": str(keyring_file.with_name("metrics-token")),
            "PLEDGE_OAUTH_URL": f"{simulator.control_url}/oauth",
            "PLEDGE_LOG_FORMAT": "json",
            **settings,
        }
        port = self.url.rpartition(":")[2]
        started = {"env": self.env, "module": module}
        self.web = Process("web", "--port", port, "--processes", str(processes), ready="web ready", **started)
        self.worker = None
        try:
            self.worker = Process("worker", ready="worker ready", **started) if worker else None
            self.await_ready()
        except BaseException:
            self.stop()
            raise

    def await_ready(self):
        self.eventually(
            lambda: requests.get(f"{self.url}/readyz", timeout=30).status_code == 200, seconds=START_SECONDS
        )

    def stop(self):
        for process in (self.worker, self.web):
            if process is not None:
                process.stop()

    def control(self, path, /, **body):
        """Ask the simulator to do something."""
        answer = requests.post(f"{self.simulator.control_url}{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def install(self, site="genchi"):
        answer = requests.post(
            f"{self.simulator.control_url}/sites/{site}/install", params={"app": self.url, "as": "connect"}, timeout=30
        ).json()
        assert answer["accepted"], answer
        return answer

    def token(self, site="genchi", **wanted):
        return self.control(f"/sites/{site}/token", **wanted)["token"]

    def forge(self, event, site="genchi", **parameters):
        """Let Forge do that on a site: install, upgrade, uninstall, cron; `parameters` are of the app."""
        own = {"app": self.url} if event == "install" else {}
        answer = requests.post(
            f"{self.simulator.control_url}/sites/{site}/{event}",
            params={"as": "forge"} | own,
            json=parameters,
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json()

    def fit(self, site="genchi", **wanted):
        """A Forge invocation as it would be sent, genuine or broken: token, claims, headers."""
        return self.control(f"/sites/{site}/fit", **wanted)

    def invoke(self, path, *, account="developer", issue="10001", site="genchi", **wanted):
        """GET, as a person in a Forge page of ours on that issue."""
        headers = self.fit(site, kind="ui", account=account, issue=issue, **wanted)["headers"]
        return requests.get(self.url + path, headers=headers, timeout=30)

    def get(self, path, *, account="developer", site="genchi"):
        """A JSON or fragment route, as a person in a page of ours."""
        token = self.token(site, kind="context", account=account)
        return requests.get(self.url + path, headers={"Authorization": f"JWT {token}"}, timeout=30)

    def scrape(self):
        """What Prometheus is told."""
        return requests.get(f"{self.url}/metrics", headers=self.scraper, timeout=30)

    @property
    def scraper(self):
        token = Path(self.env["PLEDGE_METRICS_TOKEN_FILE"]).read_text().strip()
        return {"Authorization": f"Bearer {token}"}

    def clocks(self, issue, *, account="developer", site="genchi"):
        return self.get(f"/api/v1/issues/{issue}/clocks", account=account, site=site)

    def tracked(self, issue, *, account="developer", site="genchi"):
        """The clocks of an issue once it has been read."""

        def read():
            answer = self.clocks(issue, account=account, site=site)
            return answer.json() if answer.status_code == 200 and answer.json()["tracking"] == "tracked" else None

        return self.eventually(read)

    @staticmethod
    def eventually(question, *, seconds=READY_SECONDS):
        """The first true answer; fails with the last false one when time is up."""
        ends_at = time.monotonic() + seconds
        answer = None
        while time.monotonic() < ends_at:
            try:
                answer = question()
            except (requests.ConnectionError, requests.Timeout) as failure:
                answer = None
                last = failure
            else:
                last = answer
            if answer:
                return answer
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s; the last answer was {last!r}")


@pytest.fixture(scope="session")
def make_stack(make_database, keyring_file):
    """A factory of running products: `with make_stack(processes=2) as stack`; `database` if not one of its own."""

    @contextmanager
    def make(**options) -> Iterator[Stack]:
        with ExitStack() as exits:
            database = options.pop("database", None) or exits.enter_context(make_database())
            simulator = exits.enter_context(Simulator(seed=options.pop("seed", 1)))
            stack = Stack(database=database, simulator=simulator, keyring_file=keyring_file, **options)
            exits.callback(stack.stop)
            yield stack

    return make


@pytest.fixture(scope="module")
def stack(make_stack):
    """One running product for the tests of a module, installed on nothing yet."""
    with make_stack() as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium of the machine; none is downloaded.

    Not for the whole session: while Playwright is open, no other test of this process can run an asyncio loop.
    """
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        require("Chromium", f"none of {', '.join(BROWSERS)} is on the PATH")
    from playwright.sync_api import expect, sync_playwright  # late: it costs half a second where there is no browser

    expect.set_options(timeout=READY_SECONDS * 1000)
    # the sandbox of Chromium cannot start as root, as which containers run the tests
    flags = ["--disable-dev-shm-usage", "--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()
