"""The private PostgreSQL: starts anywhere, keeps its data, outlives crashes but never its starter."""

import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest
import sqlalchemy

from app.store import embedded
from app.store.embedded import EmbeddedPostgres, FolderInUse, OtherVersion, ServerFailed
from app.store.postgres_programs import FolderNotPrivate

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights that it can give up")

START_AND_WAIT = """
import sys, time
from pathlib import Path
from app.store import embedded
embedded._LOCK_SECONDS = 1.5
server = embedded.EmbeddedPostgres(Path(sys.argv[1]), durable=False)
try:
    server.start()
except Exception as refusal:
    print(type(refusal).__name__, flush=True)
    raise SystemExit(1)
print(server.postmaster_pid, flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cluster that exists already: the first start costs most of a second, the later ones very little."""
    folder = tmp_path_factory.mktemp("cluster") / "postgres"
    with EmbeddedPostgres(folder) as server:
        run(server, "CREATE TABLE kept (n integer)")
    return folder


@pytest.fixture
def server(folder):
    with EmbeddedPostgres(folder) as server:
        yield server


def run(server, statement):
    with psycopg.connect(server.superuser_url(), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def gone(pid, *, within_seconds):
    deadline = time.monotonic() + within_seconds
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def starter(folder):
    command = [sys.executable, "-c", START_AND_WAIT, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(embedded.__file__).parents[2])


def test_the_server_is_postgresql_18_with_one_sort_order_everywhere(server):
    assert run(server, "SHOW server_version").startswith("18.")
    assert run(server, "SELECT datlocale FROM pg_database WHERE datname = 'template1'") == "C.UTF-8"
    assert run(server, "SELECT upper('é')") == "É"


def test_no_process_of_the_server_listens_on_a_port(server):
    postmaster = psutil.Process(server.postmaster_pid)
    family = [postmaster, *postmaster.children(recursive=True)]
    assert len(family) > 3
    assert [process.net_connections(kind="inet") for process in family] == [[]] * len(family)


def test_another_account_cannot_enter_the_folder_of_the_socket(server, folder):
    assert (folder / "data" / ".s.PGSQL.5432").is_socket()
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_second_run_finds_the_data_of_the_first(folder):
    with EmbeddedPostgres(folder) as first:
        run(first, "CREATE TABLE second_run AS SELECT 41 + 1 AS n")
    with EmbeddedPostgres(folder) as second:
        assert run(second, "SELECT n FROM second_run") == 42


def test_a_stopped_server_is_gone_and_may_be_stopped_again(folder):
    server = EmbeddedPostgres(folder)
    server.start()
    pid = server.postmaster_pid
    server.stop()
    server.stop()
    assert gone(pid, within_seconds=0)
    with pytest.raises(ProcessLookupError):
        _ = server.postmaster_pid


@pytest.mark.parametrize("crash", ["immediate stop", "SIGKILL"])
def test_what_was_committed_is_there_after(crash, server):
    run(server, "INSERT INTO kept VALUES (1)")
    before = run(server, "SELECT count(*) FROM kept")
    if crash == "SIGKILL":
        postmaster = server.postmaster_pid
        os.kill(postmaster, signal.SIGKILL)
        assert gone(postmaster, within_seconds=2)
    else:
        server.stop(mode="immediate")
    server.start()
    assert run(server, "SELECT count(*) FROM kept") == before


def test_a_stale_pid_file_that_names_a_living_process_does_not_stop_a_start(folder):
    owner = (folder / "data").stat().st_uid
    with subprocess.Popen(["/bin/sleep", "60"], user=owner, start_new_session=True) as bystander:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (folder / "data" / name).write_text(f"{bystander.pid}\n/somewhere\n1\n5432\n")
            os.chown(folder / "data" / name, owner, -1)
        with EmbeddedPostgres(folder) as server:
            assert run(server, "SELECT 1") == 1
        assert bystander.poll() is None
        bystander.kill()


def test_sigkill_of_the_starter_ends_the_server_within_two_seconds(folder):
    with starter(folder) as process:
        postmaster = int(process.stdout.readline())
        family = [postmaster, *(child.pid for child in psutil.Process(postmaster).children(recursive=True))]
        assert not gone(postmaster, within_seconds=0)
        process.kill()
        assert [gone(pid, within_seconds=2) for pid in family] == [True] * len(family)
    with EmbeddedPostgres(folder) as server:
        assert run(server, "SELECT 1") == 1


def test_sigkill_in_the_first_start_leaves_nothing_that_hinders_the_next(tmp_path):
    with starter(tmp_path / "pg") as process:
        while not (tmp_path / "pg" / "data.new" / "global").exists():
            assert process.poll() is None
        process.kill()
    assert not (tmp_path / "pg" / "data").exists()
    with EmbeddedPostgres(tmp_path / "pg", durable=False) as server:
        assert run(server, "SELECT 1") == 1


def test_a_second_server_on_the_same_folder_is_refused_and_the_first_goes_on(server, folder, monkeypatch):
    monkeypatch.setattr(embedded, "_LOCK_SECONDS", 0.1)
    with pytest.raises(FolderInUse, match=rf"started by process {os.getpid()}\. Stop that one first"):
        EmbeddedPostgres(folder).start()
    assert run(server, "SELECT 1") == 1


def test_of_two_first_starts_at_once_one_wins(tmp_path):
    with starter(tmp_path / "pg") as one, starter(tmp_path / "pg") as two:
        words = sorted(process.stdout.readline().decode().strip() for process in (one, two))
        one.kill()
        two.kill()
    assert words[0].isdigit()
    assert words[1] == "FolderInUse"


def test_a_server_that_somebody_started_by_hand_is_not_disturbed(server, folder, monkeypatch):
    monkeypatch.setattr(embedded, "_locked", lambda _: True)  # as if it did not hold our lock
    with pytest.raises(FolderInUse, match="by other means"):
        EmbeddedPostgres(folder).start()
    assert run(server, "SELECT 1") == 1


def test_a_server_that_ends_by_itself_says_why(folder):
    extra = folder / "data" / "postgresql.auto.conf"
    before = extra.read_bytes()
    extra.write_bytes(b"shared_buffers = nonsense\n")
    with pytest.raises(ServerFailed, match=r"did not start(.|\n)*shared_buffers"):
        EmbeddedPostgres(folder).start()
    extra.write_bytes(before)


def test_data_of_another_version_is_refused(folder):
    version = folder / "data" / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(OtherVersion, match="made by PostgreSQL 16, this is 18"):
        EmbeddedPostgres(folder).start()
    version.write_text("18\n")


def test_a_link_planted_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "pg").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderNotPrivate):
        EmbeddedPostgres(tmp_path / "pg").start()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_others_may_enter_is_refused(tmp_path):
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg").chmod(0o711)
    with pytest.raises(FolderNotPrivate, match="safe from other accounts"):
        EmbeddedPostgres(tmp_path / "pg").start()


def test_a_path_too_long_for_a_socket_works_and_its_short_link_goes_with_the_server(tmp_path):
    server = EmbeddedPostgres(tmp_path / ("long" * 20) / ("longer" * 10), durable=False)
    with server:
        link = Path(server._socket_folder())
        assert link.is_symlink()
        assert stat.S_IMODE(link.parent.stat().st_mode) == 0o700
        assert run(server, "SHOW fsync") == "off"
    assert not link.parent.exists()


def test_the_data_is_durable_unless_said_otherwise(server):
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        assert run(server, f"SHOW {setting}") == "on"


def test_the_url_serves_sqlalchemy_and_libpq_whatever_the_names_are(server):
    run(server, 'DROP DATABASE IF EXISTS "a b/?"')
    run(server, 'CREATE DATABASE "a b/?"')
    run(server, 'DROP ROLE IF EXISTS "o\'b@c:d"')
    run(server, 'CREATE ROLE "o\'b@c:d" LOGIN')
    url = server.url("o'b@c:d", "a b/?")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == (
            "o'b@c:d",
            "a b/?",
        )
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar_one() == "o'b@c:d"


def test_settings_of_the_callers_own_postgresql_do_not_matter(folder, monkeypatch):
    for name, value in {"PGPORT": "1", "PGDATA": "/nonexistent", "PGHOST": "db.example.com"}.items():
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres(folder) as server:
        assert run(server, "SELECT 1") == 1


def test_the_wheels_own_launcher_is_never_imported(server):
    assert [name for name in sys.modules if name.startswith("pixeltable")] == []


@only_root
def test_root_runs_it_as_nobody_below_a_private_home_that_stays_as_it_was(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    parents = [home, *home.parents]
    before = [parent.stat().st_mode for parent in parents]
    with EmbeddedPostgres(home / "clone" / ".pledge" / "postgres", durable=False) as server:
        family = psutil.Process(server.postmaster_pid).children(recursive=True)
        owners = {psutil.Process(pid).uids() for pid in [server.postmaster_pid, *(child.pid for child in family)]}
    nobody = pwd.getpwnam("nobody").pw_uid
    assert {tuple(uids) for uids in owners} == {(nobody, nobody, nobody)}
    assert [parent.stat().st_mode for parent in parents] == before
