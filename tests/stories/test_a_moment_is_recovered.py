"""Point-in-time recovery: a base backup, the write-ahead log archived since, and a server that stops where it is told.

The server does this part by its own tools; ours seals what it archives, and does what is left to do after it.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from app import wiring
from app.domain.backup.erasing_again import ErasingAgain
from app.domain.backup.restoring import Restoring
from app.domain.identifiers import AccountId
from app.jobs.commands import backups
from app.store.backup_target import GAP, SqlTarget
from app.store.embedded import EmbeddedPostgres
from app.store.postgres_programs import ENVIRONMENT, account, programs_for
from tests.conftest import Stack, TestDatabase
from tests.domain.backup.conftest import DeletesTenants, Kept, silent

PER_STEP = 2


@pytest.fixture
def folder():
    """Where the server's own account may read and write, with a short path for its socket."""
    made = Path(tempfile.mkdtemp(prefix="pledge-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def servers_own(path):
    """That folder and all in it belong to the account that the server runs as."""
    user = account()
    for each in (path, *path.rglob("*")):
        if user is not None:
            os.chown(each, user.pw_uid, user.pw_gid)
    path.chmod(0o700)


def sealing(*arguments, key_file):
    command = {"seal": backups.seal, "unseal": backups.unseal}[arguments[0]]
    run = CliRunner().invoke(command, [*map(str, arguments[1:]), "--key-file", str(key_file)], obj=wiring.Operations())
    assert run.exit_code == 0, run.output


@pytest.fixture
def archiving(own_server, folder):
    """A server that archives its write-ahead log into a folder of its own."""
    server, _ = own_server
    spool = folder / "spool"
    spool.mkdir()
    servers_own(spool)
    with psycopg.connect(server.superuser_url(), autocommit=True) as connection:
        for statement in (
            "ALTER SYSTEM SET archive_mode = on",
            f"ALTER SYSTEM SET archive_command = 'test ! -e {spool}/%f && cp %p {spool}/%f'",
        ):
            connection.execute(statement)
    server.stop()
    server.start()
    return server, TestDatabase.on(server, "own"), spool


def archived(database):
    """Close the segment that is being written, and wait until it is archived."""
    [(segment,)] = database.rows("SELECT pg_walfile_name(pg_switch_wal())")
    query = "SELECT coalesce(last_archived_wal >= %s, false) FROM pg_stat_archiver"
    Stack.eventually(lambda: database.rows(query, segment) == [(True,)])


def base_backup(server, folder, *, key_file):
    """By the server's own tool, sealed; nothing of it is in the clear once it is done."""
    url = server.superuser_url().replace("/postgres?", "/?")
    tar = folder / "base.tar"
    with tar.open("wb") as file:
        command = [programs_for(account()) / "pg_basebackup", "-d", url, "-D", "-", "-Ft", "-X", "none", "-c", "fast"]
        subprocess.run(command, env=ENVIRONMENT, stdout=file, check=True, timeout=120, cwd="/")
    sealing("seal", tar, folder / "base.sealed", key_file=key_file)
    tar.unlink()
    return folder / "base.sealed"


def recovered_server(folder, base, archive, *, to, key_file):
    """A new server from the base backup, told to stop at that instant."""
    data = folder / "new" / "data"
    data.mkdir(parents=True, mode=0o700)
    (folder / "new").chmod(0o700)
    sealing("unseal", base, folder / "base.tar", key_file=key_file)
    with tarfile.open(folder / "base.tar") as tar:
        tar.extractall(data, filter="data")
    back = folder / "back"
    back.mkdir()
    for sealed in archive.iterdir():
        sealing("unseal", sealed, back / sealed.name, key_file=key_file)
    servers_own(back)
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(
            f"archive_mode = off\nrestore_command = 'cp {back}/%f %p'\n"
            f"recovery_target_time = '{to.isoformat()}'\nrecovery_target_action = 'promote'\n"
        )
    (data / "recovery.signal").touch()
    servers_own(data)
    return EmbeddedPostgres(folder / "new")


def instant(database):
    [(at,)] = database.rows("SELECT clock_timestamp()")
    return at


def test_a_server_comes_back_as_it_was_at_an_instant_and_what_was_erased_later_does_not(
    archiving, folder, tmp_path, report
):
    server, database, spool = archiving
    kept = Kept(database, tmp_path)
    key_file, archive = tmp_path / "backup.key", folder / "archive"
    archive.mkdir()
    early = [kept.tenant() for _ in range(PER_STEP)]
    base = base_backup(server, folder, key_file=key_file)
    wanted = [*early, *(kept.tenant() for _ in range(PER_STEP))]
    kept.sequence()
    to = instant(database)
    lost = [kept.tenant() for _ in range(PER_STEP)]
    kept.sequence()
    with kept.web.begin(wanted[0]) as uow:
        kept.remembering.tenant(uow, wanted[0])
    with kept.web.begin(wanted[1]) as uow:
        kept.remembering.accounts(uow, wanted[1], [AccountId("account-3")])
    archived(database)
    kept.close()
    for segment in spool.iterdir():
        sealing("seal", segment, archive / segment.name, key_file=key_file)
    server.stop(mode="immediate")
    began = datetime.now(UTC)

    with recovered_server(folder, base, archive, to=to, key_file=key_file) as again:
        found = TestDatabase.on(again, "own")
        Stack.eventually(lambda: found.rows("SELECT pg_is_in_recovery()") == [(False,)])
        tenants = {tenant for (tenant,) in found.rows("SELECT tenant_id FROM registry.tenants WHERE tenant_id > 0")}
        assert tenants == set(wanted)
        kept.database = found
        eraser, owner = DeletesTenants(found), kept.open(found.owner)
        restoring = Restoring(
            target=SqlTarget(found.owner),
            database=owner,
            ledger=kept.ledger,
            erasing=ErasingAgain(owner, kept.ledger, again=eraser),
            verification=kept.log(owner).verification,
        )
        done = restoring.recovered(to, now=datetime.now(UTC), progress=silent)
        seconds = (datetime.now(UTC) - began).total_seconds()
        assert (done.erased.tenants, done.erased.accounts) == (1, 1)
        assert eraser.done == [wanted[0], (wanted[1], ["account-3"])]
        assert done.audit.findings == ()
        assert done.audit.newer
        kept.web = kept.open(found.web)
        assert kept.tenant() > max(lost) + GAP // 2
        kept.close()
    report(
        "recovered to an instant",
        {"tenants then": len(wanted), "found": len(tenants), "made later and not found": len(lost), "RTO s": seconds},
    )
