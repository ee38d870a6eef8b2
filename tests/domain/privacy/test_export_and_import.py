"""What leaves in an export comes back from it, to the letter; what is no export of ours changes nothing."""

import hashlib
import io
import json
import zipfile
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.privacy.exporting import MANIFEST, Exporting
from app.domain.privacy.importing import Importing
from app.domain.privacy.model import ImportRefused
from app.domain.promises.model import OwnPolicy
from app.domain.promises.shelf import read_own
from app.store.row_security import GRANTS, WORKER
from app.store.tenant_export import LEFT_OUT, TOLD_ONLY, exported_tables
from tests.filled_tenants import own_policy


def export(filled, tenant, now):
    """Archive and manifest."""
    target = io.BytesIO()
    manifest = Exporting(filled.worker).write(tenant, target, now=now, progress=lambda rows: None)
    return target.getvalue(), manifest


def read_in(filled, tenant, archive):
    importing = Importing(filled.worker, knows_policy=lambda name: name in ("genchi", "kencha"))
    return importing.read_in(tenant, io.BytesIO(archive), progress=lambda rows: None)


def importable(manifest):
    return {file["name"]: (file["rows"], file["sha256"]) for file in manifest["files"] if file["imported"]}


def files_of(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(files):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def changed(archive, **changes):
    """The same archive with another manifest."""
    files = files_of(archive)
    files[MANIFEST] = json.dumps(json.loads(files[MANIFEST]) | changes).encode()
    return packed(files)


def test_a_tenant_that_was_exported_erased_and_imported_is_exported_the_same_again(filled, now):
    tenant = filled.uninstall(filled.fill(filled.tenant(), rows=5), at=now)
    other = filled.fill(filled.tenant())
    others = filled.rows(other)
    archive, manifest = export(filled, tenant, now)
    assert all(rows == 5 for rows, _ in importable(manifest).values())
    later = now + timedelta(days=30)
    filled.leaving.wake(now=later)
    filled.erase(tenant, now=later)
    again = filled.tenant()
    counts = read_in(filled, again, archive)
    assert {f"{table}.jsonl": rows for table, rows in counts.items()} == {
        name: rows for name, (rows, _) in importable(manifest).items()
    }
    assert importable(export(filled, again, now)[1]) == importable(manifest)
    assert filled.rows(other) == others


def test_every_table_is_exported_or_left_out_for_a_reason(filled, now):
    manifest = export(filled, filled.tenant(), now)[1]
    told = {file["name"].removesuffix(".jsonl") for file in manifest["files"]} | set(manifest["left_out"])
    [(names,)] = filled.database.rows("SELECT array_agg('app.' || tablename) FROM pg_tables WHERE schemaname = 'app'")
    assert told == set(names)


def test_the_worker_may_insert_into_every_table_that_is_imported():
    names = {table.fullname for table in exported_tables()} - TOLD_ONLY
    assert {name for name in names if "INSERT" not in GRANTS[name].get(WORKER, "")} == set()


def test_no_secret_is_in_an_export(filled, now):
    tenant = filled.fill(filled.tenant())
    [(envelope,)] = filled.database.rows("SELECT envelope FROM app.sealed_secrets WHERE tenant_id = %s", tenant)
    [(wrapped,)] = filled.database.rows("SELECT wrapped FROM app.data_keys WHERE tenant_id = %s", tenant)
    files = files_of(export(filled, tenant, now)[0])
    for secret in (envelope, wrapped):
        assert not any(secret.hex().encode() in content or secret in content for content in files.values())
    assert {"app.data_keys", "app.sealed_secrets", "app.forge_tokens", "app.audit_persons"} <= set(LEFT_OUT)


def test_the_manifest_says_how_many_rows_and_which_hash_each_file_has(filled, now):
    archive, manifest = export(filled, filled.fill(filled.tenant()), now)
    files = files_of(archive)
    assert json.loads(files.pop(MANIFEST)) == manifest
    assert {name: content.count(b"\n") for name, content in files.items()} == {
        file["name"]: file["rows"] for file in manifest["files"]
    }


def with_own_policy(filled, now):
    """An export of a tenant that is served under a policy of its own, and the hash of that."""
    tenant, own = filled.fill(filled.tenant()), own_policy(2)["sha256"]
    filled.database.execute("UPDATE app.tenants SET policy_sha256 = %s WHERE tenant_id = %s", own, tenant)
    return export(filled, tenant, now)[0], own


def test_a_policy_of_a_tenants_own_is_in_force_again_where_it_is_read_in(filled, now):
    archive, own = with_own_policy(filled, now)
    target = filled.tenant()
    read_in(filled, target, archive)
    found = filled.web.view_tenant(target).policy
    assert found == OwnPolicy(target, "genchi", own)
    assert read_own(found, filled.web.policy_texts(found)).version == 2


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("policy_texts", b"version = 2", b"version = 7"),
        ("policy_texts", b'"base":"genchi"', b'"base":"kencha"'),
        ("policy_texts", b'"genchi": "name', b'"x": "name'),
        ("policy_texts", b'"texts":{', b'"texts":[],"more":{'),
        ("tenants", b'"policy_sha256":"', b'"policy_sha256":"0'),
        ("tenants", b'"policy_sha256":"', b'"policy_sha256":{},"x":"'),
        ("tenants", b'"policy":"genchi"', b'"policy":"kencha"'),
    ],
)
def test_a_policy_that_is_not_what_was_exported_is_in_force_nowhere(filled, now, file, before, after):
    archive, _ = with_own_policy(filled, now)
    files, name = files_of(archive), f"app.{file}.jsonl"
    assert before in files[name]
    files[name] = files[name].replace(before, after)
    manifest = json.loads(files[MANIFEST])
    for each in manifest["files"]:
        if each["name"] == name:
            each["sha256"] = hashlib.sha256(files[name]).hexdigest()
    target = filled.tenant()
    assert is_refused(filled, target, packed(files | {MANIFEST: json.dumps(manifest).encode()}))
    assert filled.web.view_tenant(target).policy == "genchi"


def test_an_import_makes_no_trust_and_no_log_from_a_file(filled, now):
    tenant, target = filled.fill(filled.tenant()), filled.tenant()
    before = filled.database.rows("SELECT * FROM app.installations WHERE tenant_id = %s", target)
    read_in(filled, target, export(filled, tenant, now)[0])
    assert filled.database.rows("SELECT * FROM app.installations WHERE tenant_id = %s", target) == before
    actions = filled.database.rows("SELECT action FROM app.audit_entries WHERE tenant_id = %s", target)
    assert sorted(actions) == [("installation.added",), ("tenant.imported",)]


def test_a_tenant_that_has_data_takes_no_import(filled, now):
    tenant = filled.fill(filled.tenant())
    archive = export(filled, tenant, now)[0]
    before = filled.rows(tenant)
    with pytest.raises(ImportRefused, match="not empty"):
        read_in(filled, tenant, archive)
    assert filled.rows(tenant) == before


def test_rows_that_claim_another_tenant_become_rows_of_the_one_that_was_named(filled, now):
    target, victim = filled.tenant(), filled.fill(filled.tenant())
    before = filled.rows(victim)
    files = files_of(export(filled, filled.fill(filled.tenant()), now)[0])
    manifest = json.loads(files[MANIFEST])
    for file in manifest["files"]:
        rows = [json.loads(line) | {"tenant_id": victim} for line in files[file["name"]].splitlines()]
        files[file["name"]] = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        file["sha256"] = hashlib.sha256(files[file["name"]]).hexdigest()
    read_in(filled, target, packed(files | {MANIFEST: json.dumps(manifest).encode()}))
    assert filled.rows(victim) == before
    assert filled.rows(target)["app.issues"] == 3


def broken(archive):
    """What a damaged or hostile file looks like, by what is wrong with it."""
    files = files_of(archive)
    issues = files["app.issues.jsonl"]
    return {
        "no archive": b"PK\x03\x04 nothing",
        "cut off": archive[: len(archive) // 2],
        "no manifest": packed({name: content for name, content in files.items() if name != MANIFEST}),
        "a file too many": packed(files | {"../../etc/passwd": b""}),
        "a file too few": packed({name: content for name, content in files.items() if name != "app.issues.jsonl"}),
        "a row too many": packed(files | {"app.issues.jsonl": issues + issues.splitlines(keepends=True)[0]}),
        "a changed row": packed(files | {"app.issues.jsonl": issues.replace(b"canary", b"kanary")}),
        "no JSON": packed(files | {"app.issues.jsonl": b"x\n"}),
        "two rows in a line": packed(files | {"app.issues.jsonl": b"{},{}\n"}),
        "an endless line": packed(files | {"app.issues.jsonl": b'{"a": "' + b"x" * 2_000_000 + b'"}\n'}),
        "another format": changed(archive, format="pledge-export-2"),
        "a newer schema": changed(archive, schema="9999"),
        "no list of files": changed(archive, files={}),
        "manifest of a list": packed(files | {MANIFEST: b"[]"}),
        "deep manifest": packed(files | {MANIFEST: b"[" * 100_000}),
        "unknown columns": changed(archive, files=[
            file | {"columns": ["issue_id", 'x") VALUES (1); --']} for file in json.loads(files[MANIFEST])["files"]
        ]),
        "too few columns": changed(archive, files=[
            file | {"columns": file["columns"][:1]} for file in json.loads(files[MANIFEST])["files"]
        ]),
        "a policy of its own": packed(files | {"app.tenants.jsonl": b'{"policy": "../secret"}\n'}),
    }  # fmt: skip


def is_refused(filled, target, archive):
    try:
        read_in(filled, target, archive)
    except ImportRefused:
        return True
    return False


def test_a_file_that_is_no_export_of_ours_changes_nothing(filled, now):
    target = filled.tenant()
    before = filled.rows(target)
    for what, archive in broken(export(filled, filled.fill(filled.tenant()), now)[0]).items():
        assert is_refused(filled, target, archive), what
        assert filled.rows(target) == before, what


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_damage_to_a_byte_lets_anything_else_in_than_was_exported(filled, now, data):
    if not hasattr(filled, "sample"):
        source, filled.target = filled.fill(filled.tenant()), filled.tenant()
        filled.sample, manifest = export(filled, source, now)
        filled.expected = importable(manifest)
        filled.empty = filled.rows(filled.target)
    archive = filled.sample
    place = data.draw(st.integers(0, len(archive) - 1))
    damaged = archive[:place] + bytes([archive[place] ^ data.draw(st.integers(1, 255))]) + archive[place + 1 :]
    if is_refused(filled, filled.target, damaged):
        assert filled.rows(filled.target) == filled.empty
    else:
        # Nobody reads every byte: the date of a file in the archive, say.
        assert importable(export(filled, filled.target, now)[1]) == filled.expected
        names = ", ".join(table.fullname for table in exported_tables() if table.fullname not in TOLD_ONLY)
        filled.database.execute(f"TRUNCATE {names} CASCADE")
        filled.empty = filled.rows(filled.target)
