"""What a tenant takes home and checks without us: in a clean process, from one file that needs only `cryptography`."""

import json
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from uuid import uuid4

import click
import pytest
from click.testing import CliRunner

from app.domain.audit import offline_check
from app.domain.audit.entry import PersonalPart
from app.domain.audit.note import vkey
from app.domain.audit.operations import log_origin
from app.jobs.commands import pledge
from app.vault.checkpoint_key import CheckpointKeyFile, create_checkpoint_key

CHECK = Path(offline_check.__file__)


class Outside:
    """The services of one log, as a command gets them."""

    def __init__(self, kept):
        self.audit = kept.log()

    def services(self):
        return nullcontext(self)


@pytest.fixture
def exported(kept, logged, tmp_path):
    """The export of the first tenant."""
    folder = tmp_path / "export"
    run = CliRunner().invoke(pledge, ["audit", "export", str(logged[0]), str(folder)], obj=Outside(kept))
    assert run.exit_code == 0, run.output
    return folder


def check(*arguments, program=None):
    """The program of the export, in a Python that knows nothing of ours."""
    command = [sys.executable, "-I", str(program or CHECK), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")


def key_of(kept, tenant):
    key = CheckpointKeyFile(kept.key_file)
    return vkey(log_origin(key.name, tenant), key.trusted[0])


def test_the_program_needs_nothing_of_ours():
    source = CHECK.read_text()
    assert "import app" not in source
    assert "from app" not in source


def test_an_export_is_checked_by_the_program_inside_it(kept, logged, exported):
    assert {path.name for path in exported.iterdir()} == {
        "manifest.json",
        "entries.jsonl",
        "checkpoints.jsonl",
        "check.py",
    }
    run = check(exported, "--key", key_of(kept, logged[0]), program=exported / "check.py")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("9 entries of app.example.com/audit/tenant/")
    assert "give --key" in check(exported).stdout


def test_the_log_still_contains_what_was_signed_earlier(kept, logged, tmp_path, exported):
    [early] = kept.database.rows("SELECT note FROM app.audit_checkpoints WHERE tenant_id = %s AND size = 4", logged[0])
    note = tmp_path / "note"
    note.write_text(early[0])
    assert check(exported, "--earlier", note).returncode == 0
    kept.write(logged[0], 1)
    kept.sequence()
    note.write_text(kept.log().queries.newest(logged[0]))
    run = check(exported, "--earlier", note)
    assert (run.returncode, "only 9 of 10 entries" in run.stdout) == (2, True)


def lines(folder, name="entries"):
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def write_lines(folder, rows, name="entries"):
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def refused(folder, **options):
    with pytest.raises(offline_check.DoesNotHold) as fault:
        offline_check.check(folder, **options)
    return str(fault.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("at", "2026-11-22T09:00:00.000000+00:00"),
        ("action", "issue.hidden"),
        ("actor", "operator"),
        ("target", "issue/0"),
        ("detail", {"n": 2}),
        ("entry", "00000000-0000-4000-8000-000000000000"),
        ("leaf", "00" * 32),
        ("commitment", "00" * 32),
    ],
)
def test_an_altered_entry_is_found(exported, name, value):
    rows = lines(exported)
    write_lines(exported, [*rows[:3], rows[3] | {name: value}, *rows[4:]])
    assert "was altered" in refused(exported)


def test_an_entry_altered_with_its_leaf_is_found(exported):
    tenant, rows = json.loads((exported / "manifest.json").read_text())["tenant"], lines(exported)
    rows[3]["target"] = "issue/0"
    rows[3]["leaf"] = offline_check.leaf_of(rows[3], tenant).hex()
    write_lines(exported, rows)
    assert "not those that were signed" in refused(exported)


def test_a_missing_entry_is_found(exported):
    rows = lines(exported)
    write_lines(exported, [*rows[:3], *rows[4:]])
    assert "entry 3 is missing" in refused(exported)
    write_lines(exported, rows[:-1])
    assert "only 8 of 9" in refused(exported)


def test_an_entry_of_which_only_the_hash_is_left_is_named(kept, logged, tmp_path):
    kept.database.execute("DELETE FROM app.audit_entries WHERE action = 'installation.added'")
    folder = tmp_path / "export"
    CliRunner().invoke(pledge, ["audit", "export", str(logged[0]), str(folder)], obj=Outside(kept))
    assert "entry 0" in refused(folder)
    assert "only its hash" in refused(folder)


def test_checkpoints_of_another_key_are_not_believed(kept, logged, exported, tmp_path):
    own = tmp_path / "own.key"
    create_checkpoint_key(own, name="app.example.com/audit")
    key = CheckpointKeyFile(own)
    other = vkey(log_origin(key.name, logged[0]), key.trusted[0])
    assert "not signed by the key" in refused(exported, key=other)
    assert "not signed by the key" in refused(exported, key=key_of(kept, logged[1]))
    assert check(exported, "--key", other).returncode == 2


def test_two_logs_of_one_size_are_found(exported):
    rows = lines(exported, "checkpoints")
    text, _, signature = rows[1]["note"].partition("\n\n")
    origin, size, _ = text.split("\n")
    rows.append({"note": f"{origin}\n{size}\n{'A' * 43}=\n\n{signature}"})
    write_lines(exported, rows, "checkpoints")
    assert "not signed" in refused(exported)


def test_a_folder_without_manifest_or_with_nonsense_is_no_export(exported, tmp_path):
    (exported / "manifest.json").write_text("[]")
    assert check(exported).returncode == 1
    (exported / "manifest.json").unlink()
    run = check(exported)
    assert (run.returncode, run.stdout) == (1, "")
    assert "Traceback" not in run.stderr


@pytest.fixture
def proven(kept, logged, tmp_path):
    """The proof of each entry of the first tenant, as files."""
    paths = []
    for number, entry in enumerate(kept.entries(logged[0])):
        paths.append(tmp_path / f"proof{number}.json")
        run = CliRunner().invoke(pledge, ["audit", "prove", str(logged[0]), str(entry)], obj=Outside(kept))
        assert run.exit_code == 0, run.output
        paths[-1].write_text(run.output)
    return paths


def test_every_entry_can_be_proven_alone(kept, logged, proven):
    assert len(proven) == 9
    for number, path in enumerate(proven):
        said = offline_check.check(path, key=key_of(kept, logged[0]))
        assert said.startswith(f"entry {number} of 9 of ")
    assert check(proven[4]).returncode == 0
    run = CliRunner().invoke(pledge, ["audit", "check", str(proven[4]), "--json"], standalone_mode=False)
    assert (run.return_value, json.loads(run.output)["ok"]) == (0, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [("[]", "not of the format pledge-audit-proof-1, but of none"), ("7", "of none"), ('{"format": "x"}', "but 'x'"),
     ('{"format": "pledge-audit-proof-1"}', "not whole"), ('{"format": ["a"]}', "but ['a']"), ("{", "Expecting"),
     ('{"format": "pledge-audit-proof-1", "keys": [1], "entry": [], "checkpoint": "a", "origin": ""}', "unpack"),
     ('{"format": "pledge-audit-proof-1", "keys": [1], "entry": 1, "checkpoint": "a\\n1\\nc\\n\\nd", "origin": ""}',
      "not whole")],
)  # fmt: skip
def test_what_is_no_proof_is_refused_with_the_reason(tmp_path, text, said):
    path = tmp_path / "proof.json"
    path.write_text(text)
    run = check(path)
    assert (run.returncode, run.stdout) == (1, "")
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    with pytest.raises(ValueError, match=re.escape(said)):
        offline_check.check(path)


def test_an_export_that_could_not_begin_can_be_tried_again(kept, tmp_path):
    tenant, folder = kept.tenant(), tmp_path / "export"
    command = ["audit", "export", str(tenant), str(folder)]
    run = CliRunner().invoke(pledge, command, obj=Outside(kept))
    assert "no checkpoint yet" in str(run.exception)
    assert not folder.exists()
    kept.sequence()
    assert CliRunner().invoke(pledge, command, obj=Outside(kept)).exit_code == 0
    assert offline_check.check(folder).startswith("1 entries")


def test_entries_from_before_the_log_are_let_in_for_one_tenant_or_for_all(kept):
    tenants = [kept.tenant() for _ in range(3)]
    kept.database.execute("DELETE FROM registry.audit_waiting")

    def adopt(*arguments):
        return CliRunner().invoke(pledge, ["audit", "adopt", *arguments], obj=Outside(kept), standalone_mode=False)

    assert isinstance(adopt("999999").exception, LookupError)
    assert isinstance(adopt().exception, click.UsageError)
    assert isinstance(adopt("--all", str(tenants[0])).exception, click.UsageError)
    assert adopt(str(tenants[0])).output == f"tenant {tenants[0]}: 1 entries\n"
    adopted = {row["tenant"]: row["entries"] for row in json.loads(adopt("--all", "--json").output)}
    assert [adopted[tenant] for tenant in tenants] == [0, 1, 1]
    assert {row["entries"] for row in json.loads(adopt("--all", "--json").output)} == {0}


@pytest.mark.parametrize("change", ["proof", "entry", "index", "checkpoint"])
def test_a_proof_of_something_else_is_refused(proven, change):
    one, other = (json.loads(path.read_text()) for path in proven[4:6])
    if change == "index":
        one["entry"]["index"] = 5
    elif change == "checkpoint":
        one["checkpoint"] = one["checkpoint"].replace("\n9\n", "\n8\n")
    else:
        one[change] = other[change]
    proven[4].write_text(json.dumps(one))
    assert refused(proven[4])
    run = CliRunner().invoke(pledge, ["audit", "check", str(proven[4])], standalone_mode=False)
    assert (run.return_value, run.output[:13]) == (2, "does not hold")


def test_a_personal_part_goes_along_until_it_is_erased(kept, logged, tmp_path):
    subject = uuid4()
    kept.write(logged[0], 1, person=PersonalPart(subject, b"sealed"))
    kept.sequence()
    for name, is_there in (("before", True), ("after", False)):
        CliRunner().invoke(pledge, ["audit", "export", str(logged[0]), str(tmp_path / name)], obj=Outside(kept))
        assert offline_check.check(tmp_path / name, key=key_of(kept, logged[0])).startswith("10 entries")
        assert (lines(tmp_path / name)[9]["person"] is not None) == is_there
        kept.log().sequencing.forget_person(logged[0], subject, actor="operator")
    rows = lines(tmp_path / "before")
    rows[9]["person"]["salt"] = "00" * 16
    write_lines(tmp_path / "before", rows)
    assert "personal part of entry 9" in refused(tmp_path / "before")


def test_an_earlier_checkpoint_needs_a_whole_export(proven):
    assert check(proven[0], "--earlier", proven[0]).returncode == 1


def test_what_is_not_in_the_log_yet_cannot_be_proven(kept, logged):
    kept.write(logged[0], 1)
    [(waiting,)] = kept.database.rows("SELECT entry_id FROM registry.audit_waiting")
    with pytest.raises(LookupError, match="not yet"):
        kept.log().queries.prove(logged[0], waiting)
    with pytest.raises(LookupError, match="no checkpoint yet"), kept.log().queries.export(kept.tenant()):
        pass
