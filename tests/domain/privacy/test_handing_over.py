"""An export that was asked for is written once, fetched once, and then it is gone."""

import hashlib
from datetime import timedelta

import pytest

from app.domain.privacy.exporting import Exporting
from app.domain.privacy.handing_over import KEPT, ExportsOff, HandingOver, NoSuchExport

SECOND = timedelta(seconds=1)


@pytest.fixture
def web(filled):
    """As a web process has it."""
    return HandingOver(filled.web, Exporting(filled.web), filled.files, filled.vault)


@pytest.fixture
def worker(filled):
    return HandingOver(filled.worker, Exporting(filled.worker), filled.files, filled.vault)


def opened(handing_over, token, now):
    """What the link leads to, with its file closed again."""
    download = handing_over.open(token, now=now)
    download.file.close()
    return download


def states(handing_over, tenant, now):
    return [each.state.value for each in handing_over.list_of(tenant, now=now)]


def test_what_was_asked_for_is_written_by_the_worker_and_fetched_by_the_link(web, worker, filled, now):
    tenant = filled.tenant()
    asked, token = web.ask(tenant, now=now)
    with pytest.raises(NoSuchExport):
        web.open(token, now=now)
    assert worker.run(tenant, now=now)
    assert not worker.run(tenant, now=now)
    [ready] = web.list_of(tenant, now=now)
    download = web.open(token, now=now)
    with download.file as file:
        content = file.read()
    assert (ready.state.value, ready.size_bytes, ready.export) == ("ready", len(content), asked.export)
    assert hashlib.sha256(content).digest() == ready.sha256 == download.sha256
    [file] = (filled.folder / "exports").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert filled.mentions(token, tenant) == []

    web.sent(download, first=0, end=len(content))
    assert states(web, tenant, now) == ["taken"]
    assert list(filled.files.names()) == []
    with pytest.raises(NoSuchExport):
        web.open(token, now=now)


def test_a_download_in_parts_is_whole_only_when_no_part_is_missing(web, worker, filled, now):
    tenant = filled.tenant()
    _, token = web.ask(tenant, now=now)
    worker.run(tenant, now=now)
    size = opened(web, token, now).size_bytes
    for first, end in ((size - 10, size), (0, 50), (40, 90), (0, 20)):
        web.sent(opened(web, token, now), first=first, end=end)
    assert states(web, tenant, now) == ["ready"]
    web.sent(opened(web, token, now), first=90, end=size)
    assert states(web, tenant, now) == ["taken"]


def test_a_link_expires_and_its_file_goes_with_the_next_tidying(web, worker, filled, now):
    tenant = filled.tenant()
    _, token = web.ask(tenant, now=now)
    worker.run(tenant, now=now)
    assert opened(web, token, now + KEPT - SECOND)
    assert worker.tidy(now=now + KEPT - SECOND) == 0
    with pytest.raises(NoSuchExport):
        web.open(token, now=now + KEPT)
    assert states(web, tenant, now + KEPT) == ["expired"]
    assert worker.tidy(now=now + KEPT) == 1
    assert list(filled.files.names()) == []
    assert filled.database.rows("SELECT count(*) FROM registry.export_links") == [(0,)]


def test_a_new_export_takes_the_place_of_the_one_before(web, worker, filled, now):
    tenant = filled.tenant()
    _, first = web.ask(tenant, now=now)
    worker.run(tenant, now=now)
    _, second = web.ask(tenant, now=now + SECOND)
    with pytest.raises(NoSuchExport):
        web.open(first, now=now)
    assert states(web, tenant, now) == ["waiting", "expired"]
    worker.run(tenant, now=now + SECOND)
    assert worker.tidy(now=now + SECOND) == 1
    assert opened(web, second, now + SECOND)


def test_an_export_whose_worker_was_killed_is_written_anew(web, worker, filled, now, monkeypatch):
    tenant = filled.tenant()
    _, token = web.ask(tenant, now=now)

    class Killed(BaseException):
        pass

    def dying(*_, **__):
        raise Killed

    monkeypatch.setattr(Exporting, "write", dying)
    with pytest.raises(Killed):
        worker.run(tenant, now=now)
    monkeypatch.undo()
    assert states(web, tenant, now) == ["running"]
    assert worker.run(tenant, now=now)
    assert opened(web, token, now)


def test_an_erased_tenant_leaves_no_file_and_no_link(web, worker, filled, now):
    tenant = filled.tenant()
    _, token = web.ask(tenant, now=now)
    worker.run(tenant, now=now)
    filled.uninstall(tenant, at=now)
    filled.leaving.wake(now=now + timedelta(days=30))
    filled.erase(tenant, now=now + timedelta(days=30))
    assert list(filled.files.names()) == []
    with pytest.raises(NoSuchExport):
        web.open(token, now=now)


def test_the_link_of_one_tenant_opens_nothing_of_another(web, worker, filled, now):
    ours, theirs = filled.tenant(), filled.tenant()
    _, token = web.ask(ours, now=now)
    web.ask(theirs, now=now)
    worker.run(ours, now=now)
    worker.run(theirs, now=now)
    assert opened(web, token, now).link.tenant == ours
    with pytest.raises(NoSuchExport):
        web.open(token[:-1] + ("A" if token[-1] != "A" else "B"), now=now)


def test_without_a_place_for_them_nobody_can_ask(filled, now):
    off = HandingOver(filled.web, Exporting(filled.web), None, filled.vault)
    with pytest.raises(ExportsOff):
        off.ask(filled.tenant(), now=now)
    with pytest.raises(NoSuchExport):
        off.open("x", now=now)
