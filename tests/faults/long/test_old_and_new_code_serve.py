"""A migration while old and new code serve, behind one address, as in an upgrade without a pause."""

import shutil
import socket
import subprocess
import sys
import time
from itertools import count

import psycopg
import pytest
import requests

from app.store.revision import MIGRATIONS, newest_revision
from tests.conftest import Process, free_port
from tests.faults.wire import Wire

SERVES_SECONDS = 10
MIGRATION = '''"""What the issues of the next version know more than those of this one."""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{before}"


def upgrade() -> None:
    """Add it, empty, so that the code that runs meanwhile goes on."""
    op.add_column("issues", sa.Column("seen_by_newer", sa.Text(), nullable=True), schema="app")
    op.create_index("ix_issues_seen_by_newer", "issues", ["tenant_id", "seen_by_newer"], schema="app")
'''


@pytest.fixture
def newer(tmp_path):
    """The migrations of the next version."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    before = newest_revision()
    number = f"{int(before) + 1:04d}"
    (folder / "versions" / f"{number}_newer.py").write_text(MIGRATION.format(number=number, before=before))
    (folder / "HEAD").write_text(f"{number}\n")
    return folder


class Front:
    """One address, behind which connections go to whoever serves, in turn."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.ports, self._turn = [], count()
        self._wire = Wire(self._listener, self._connect)

    def _connect(self):
        return socket.create_connection(("127.0.0.1", self.ports[next(self._turn) % len(self.ports)]))

    def close(self):
        self._wire.close()


@pytest.fixture
def front():
    made = Front()
    yield made
    made.close()


def test_an_upgrade_under_load_with_old_and_new_code_side_by_side(make_stack, front, newer, storm, report):
    with make_stack(PLEDGE_BASE_URL=front.url) as stack:
        front.ports = [int(stack.url.rpartition(":")[2])]
        stack.install("genchi")
        weather = storm(stack, issues=8)
        weather.settles()
        env = stack.env | {"NEWER_MIGRATIONS": str(newer)}
        port = free_port()
        with weather.blowing():
            web = Process("web", "--port", str(port), env=env, module="tests.newer_product", ready="web ready")
            assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 503
            with psycopg.connect(stack.database.superuser) as busy:
                busy.execute("LOCK TABLE app.issues IN ROW EXCLUSIVE MODE")
                assert upgrade(env) != 0  # it gives up on the lock rather than stop the app
            migrating = time.monotonic()
            assert upgrade(env) == 0
            migrated = time.monotonic() - migrating
            stack.eventually(lambda: requests.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200)
            front.ports.append(port)
            worker = Process("worker", env=env, module="tests.newer_product", ready="worker ready")
            time.sleep(SERVES_SECONDS)  # side by side
            front.ports.pop(0)
            stack.web.stop()
            stack.worker.stop()
            time.sleep(SERVES_SECONDS)
        counts = weather.settles()
        note = f"migrated in {migrated:.1f} s, after an attempt that gave up on a lock; answers: {counts['answers']}"
        report("upgrade, old and new code side by side", counts, weather=weather, note=note)
        assert (counts["lost"], counts["doubled"], counts["half done"], counts["never acknowledged"]) == (0, 0, 0, 0)
        assert "500" not in counts["answers"]
        [(column,)] = stack.database.rows(
            "SELECT count(*) FROM information_schema.columns WHERE column_name = 'seen_by_newer'"
        )
        assert column == 1
        worker.stop()
        web.stop()


def upgrade(env):
    command = [sys.executable, "-m", "tests.newer_product", "db", "upgrade"]
    return subprocess.run(command, env=env, capture_output=True, timeout=120, check=False).returncode
