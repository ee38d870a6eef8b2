"""The ledger of erasures: nothing that was confirmed is forgotten, and nobody is named in it."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.backup.erasures import AccountErased, LedgerUnfit, TenantErased
from app.domain.backup.model import LedgerMark
from app.domain.identifiers import AccountId, TenantId
from app.outbound.erasure_ledger import ErasureLedgerFile

BEGAN = datetime(2026, 1, 5, 9, 0, 0, 123456, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ACCOUNT = AccountId("5b10ac8d82e05b22cc7d4ef5")
TENANT = TenantErased(TenantId(7), BEGAN, NOW)
PERSON = AccountErased(TenantId(8), BEGAN, ACCOUNT, NOW)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outside" / "erasures.jsonl"


@pytest.fixture
def ledger(path):
    return ErasureLedgerFile(path)


def test_what_was_recorded_is_read_back_by_another_process(path, ledger):
    ledger.record(TENANT)
    ledger.record(PERSON)
    again = ErasureLedgerFile(path)
    assert list(again.tenants()) == [TENANT]
    [(key, is_erased)] = again.accounts(since=NOW).items()
    assert key == (TenantId(8), BEGAN)
    assert is_erased(ACCOUNT)
    assert not is_erased("5b10ac8d82e05b22cc7d4ef6")


def test_people_erased_before_an_instant_are_not_told_after_it(ledger):
    ledger.record(PERSON)
    assert ledger.accounts(since=NOW + timedelta(seconds=1)) == {}


def test_no_account_id_is_in_it_and_its_hash_is_another_one_in_every_ledger(path, ledger, tmp_path):
    other = ErasureLedgerFile(tmp_path / "other")
    for each in (ledger, other):
        each.record(PERSON)
    assert ACCOUNT not in path.read_text()
    ours, theirs = (json.loads(file.read_text().splitlines()[1]) for file in (path, tmp_path / "other"))
    assert ours["account"] != theirs["account"]
    assert ours | {"account": ""} == theirs | {"account": ""}


def test_a_line_that_a_power_cut_left_half_written_was_not_confirmed_and_hides_none_after_it(path, ledger):
    ledger.record(TENANT)
    with path.open("ab") as file:
        file.write(b'{"at": "2026-11-22T09:00:00+00:00", "ten')
    ledger.record(TenantErased(TenantId(9), BEGAN, NOW))
    assert [each.tenant for each in ledger.tenants()] == [7, 9]


@pytest.mark.parametrize(
    "line",
    [
        '{"at": "2026-11-22T09:00:00+00:00", tenant: 9}',
        '{"at": "yesterday", "tenant": 9, "since": "2026-01-05T09:00:00+00:00"}',
        '{"tenant": 9}',
        '{"at": "2026-11-22T09:00:00+00:00", "since": "2026-01-05T09:00:00+00:00"}',
    ],
)
def test_a_damaged_line_is_told_and_not_passed_over(path, ledger, line):
    ledger.record(TENANT)
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(LedgerUnfit, match="line 3"):
        list(ledger.tenants())


@pytest.mark.parametrize("first", ["", "{}", '{"format": "pledge-erasures-1"}', '{"format": "x", "salt": "00"}', "0"])
def test_what_is_no_ledger_is_neither_read_nor_written(path, ledger, first):
    path.parent.mkdir()
    path.write_text(f"{first}\n")
    with pytest.raises(LedgerUnfit):
        ledger.record(TENANT)
    with pytest.raises(LedgerUnfit):
        ledger.mark()
    assert path.read_text() == f"{first}\n"


def test_a_ledger_that_went_on_follows_its_mark(ledger):
    mark = ledger.mark()
    ledger.record(TENANT)
    ledger.refuse_unless_follows(mark)
    assert ledger.mark() == LedgerMark(mark.ledger, 1)


def test_a_ledger_that_is_gone_shorter_or_another_one_is_refused(path, ledger, tmp_path):
    ledger.record(TENANT)
    ledger.record(PERSON)
    mark = ledger.mark()
    path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines()[:-1]))
    with pytest.raises(LedgerUnfit, match="has 1 erasures, it had 2"):
        ledger.refuse_unless_follows(mark)
    other = ErasureLedgerFile(tmp_path / "other")
    other.record(TENANT)
    with pytest.raises(LedgerUnfit, match="another ledger"):
        other.refuse_unless_follows(mark)
    with pytest.raises(LedgerUnfit, match="there is no ledger"):
        ErasureLedgerFile(tmp_path / "nowhere").refuse_unless_follows(mark)
    assert not (tmp_path / "nowhere").exists()


RECORD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from app.domain.backup.erasures import TenantErased
from app.domain.identifiers import TenantId
from app.outbound.erasure_ledger import ErasureLedgerFile
at = datetime(2026, 11, 22, tzinfo=UTC)
for number in range(50):
    ErasureLedgerFile(Path(sys.argv[1])).record(TenantErased(TenantId(int(sys.argv[2]) + number), at, at))
"""


def test_several_processes_begin_one_ledger_and_lose_no_line(path, ledger):
    command = [sys.executable, "-c", RECORD, str(path)]
    running = [subprocess.Popen([*command, str(first)]) for first in (100, 200, 300)]
    assert [each.wait(60) for each in running] == [0, 0, 0]
    assert sorted(each.tenant for each in ledger.tenants()) == [
        first + number for first in (100, 200, 300) for number in range(50)
    ]
