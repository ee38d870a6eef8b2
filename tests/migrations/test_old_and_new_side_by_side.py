"""An upgrade that takes a column away, in three states of the database, while the code before it and after it serve.

The next version of this product is made here: a copy of it that keeps another column, with the two migrations that such
a change takes. Both are real processes on one database, and neither fails a webhook in any state.
"""

import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from app.store.revision import newest_revision
from tests.conftest import Process, free_port

HOOK = "/connect/webhooks?issueId=10001"
PRODUCT = Path(__file__).parents[2]
NEXT, LAST = (f"{int(newest_revision()) + more:04}" for more in (1, 2))
EXPAND = f'''"""Deliveries know when they came under another name."""

from alembic import op

revision = "{NEXT}"
down_revision = "{newest_revision()}"


def upgrade() -> None:
    op.execute("ALTER TABLE app.webhook_deliveries ADD COLUMN came_at timestamptz")
    op.execute("ALTER TABLE app.webhook_deliveries ALTER COLUMN received_at DROP NOT NULL")
'''
CONTRACT = f'''"""Deliveries have one name for when they came."""

from alembic import op

revision = "{LAST}"
down_revision = "{NEXT}"
oldest_code = "{NEXT}"


def upgrade() -> None:
    op.execute("ALTER TABLE app.webhook_deliveries DROP COLUMN received_at")
'''
OLD_COLUMN = "    received_at: Mapped[datetime] = mapped_column(UTC)\n"
NEW_COLUMNS = """    received_at: Mapped[datetime | None] = mapped_column(UTC)
    came_at: Mapped[datetime | None] = mapped_column(UTC)
"""
BEHIND = "\n\nclass PendingReadRow"
CHANGES = {
    "app/store/tables.py": [(OLD_COLUMN + BEHIND, NEW_COLUMNS + BEHIND)],
    "app/store/issues.py": [
        ("issue_id=issue, received_at=now", "issue_id=issue, came_at=now"),
        ("DeliveryRow.received_at < before", "DeliveryRow.came_at < before"),
    ],
    "app/store/metrics.py": [("DeliveryRow.received_at", "DeliveryRow.came_at")],
}
STORED = "SELECT count(*) FROM app.webhook_deliveries WHERE delivery_id LIKE %s"


class Version(Process):
    """A web process of the product in that folder, at an address of its own."""

    def __init__(self, folder, *, env):
        self.folder, port = folder, free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__("web", "--port", str(port), "--processes", "1", env=env, ready="web ready")

    def command(self):
        return ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(self.folder), *super().command()]


class Upgrade:
    """The old version at work, and the folders of the two that follow."""

    def __init__(self, stack, folder):
        self.stack = stack
        self.next, self.last = folder / "next", folder / "last"
        self.copy(PRODUCT, self.next, head=NEXT, migration=("expand", EXPAND), changes=CHANGES)
        self.copy(self.next, self.last, head=LAST, migration=("contract", CONTRACT), changes={})
        self.old, self.new = stack.url, None
        self.sent = 0

    def begin(self):
        """The next version, started beside the other before anything is migrated."""
        self.new = Version(self.next, env=self.stack.env)

    @staticmethod
    def copy(source, target, *, head, migration, changes):
        for part in ("app", "migrations", "descriptor"):
            shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        name, text = migration
        (target / "migrations" / "versions" / f"{head}_{name}.py").write_text(text)
        (target / "migrations" / "HEAD").write_text(f"{head}\n")
        for file, replaced in changes.items():
            code = (target / file).read_text()
            for before, after in replaced:
                assert before in code, f"{file} has changed: {before}"
                code = code.replace(before, after)
            (target / file).write_text(code)

    def migrate(self, folder):
        """`pledge db upgrade` of that version."""
        command = [sys.executable, "-m", "app.wiring", "db", "upgrade"]
        return subprocess.run(command, cwd=folder, env=self.stack.env, capture_output=True, text=True, timeout=120)

    def hook(self, url, name):
        """The status of a webhook that comes to that address."""
        headers = {
            "Authorization": f"JWT {self.stack.token(kind='request', method='POST', path=HOOK)}",
            "Content-Type": "application/json",
            "X-Atlassian-Webhook-Identifier": name,
        }
        return requests.post(url + HOOK, data=b"{}", headers=headers, timeout=60).status_code

    @contextmanager
    def traffic(self):
        """Webhooks without a pause to the old version meanwhile: none is refused, and all of them are stored."""
        ended, answers = threading.Event(), []

        def send():
            while not ended.is_set():
                answers.append(self.hook(self.old, f"during-{self.sent + len(answers)}"))

        sender = threading.Thread(target=send)
        sender.start()
        self.stack.eventually(lambda: len(answers) > 2)
        try:
            yield
        finally:
            ended.set()
            sender.join()
        assert set(answers) == {204}
        self.sent += len(answers)
        assert self.stack.database.rows(STORED, "during-%") == [(self.sent,)]


@pytest.fixture(scope="module")
def upgrading(make_stack, tmp_path_factory):
    """One upgrade for all tests of this module: each goes on where the one before it ended."""
    with make_stack(worker=False) as stack:
        stack.install()
        upgrade = Upgrade(stack, tmp_path_factory.mktemp("versions"))
        upgrade.begin()
        yield upgrade
        upgrade.new.stop()


def is_ready(url):
    return requests.get(f"{url}/readyz", timeout=60).status_code == 200


def test_expanded_the_old_version_serves_on_while_and_after_its_database_becomes_the_next_ones(upgrading):
    assert not is_ready(upgrading.new.url)
    with upgrading.traffic():
        done = upgrading.migrate(upgrading.next)
        assert done.returncode == 0, done.stderr
    assert is_ready(upgrading.old)
    upgrading.stack.eventually(lambda: is_ready(upgrading.new.url))


def test_expanded_both_versions_serve_side_by_side_and_each_knows_what_the_other_has_stored(upgrading):
    old, new = upgrading.old, upgrading.new.url
    for number in range(5):
        assert upgrading.hook(old, f"old-{number}") == upgrading.hook(new, f"new-{number}") == 204
        # A webhook that comes again to the other version is the same webhook.
        assert upgrading.hook(new, f"old-{number}") == upgrading.hook(old, f"new-{number}") == 204
    stored = upgrading.stack.database.rows(
        "SELECT left(delivery_id, 3), count(received_at), count(came_at) FROM app.webhook_deliveries"
        " WHERE delivery_id ~ '^(old|new)-' GROUP BY 1 ORDER BY 1"
    )
    assert stored == [("new", 0, 5), ("old", 5, 0)]


def test_nothing_is_taken_away_while_the_old_version_is_connected(upgrading):
    with upgrading.traffic():
        refused = upgrading.migrate(upgrading.last)
    assert refused.returncode == 1
    assert f"code of version {newest_revision()} is still connected" in refused.stderr
    assert f"Stop what is older than {NEXT}, then run `pledge db upgrade` again" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert upgrading.stack.database.rows("SELECT version_num FROM registry.alembic_version") == [(NEXT,)]
    assert is_ready(upgrading.old)


def test_contracted_the_new_version_serves_and_the_old_one_is_not_ready_any_more(upgrading):
    upgrading.stack.web.stop()
    done = upgrading.migrate(upgrading.last)
    assert done.returncode == 0, done.stderr
    assert is_ready(upgrading.new.url)
    assert upgrading.hook(upgrading.new.url, "contracted") == 204
    upgrading.stack.web.start()
    assert not is_ready(upgrading.old)
