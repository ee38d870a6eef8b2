"""`pledge audit`: whether the audit log is what it was, and what its tenant needs to see that without us."""

import json
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click

from app.domain.alerts.rules import TAMPERING
from app.domain.audit import offline_check
from app.domain.identifiers import TenantId
from app.domain.operator import Operations
from app.jobs.commands.operating import json_option, show
from app.jobs.commands.progress import Told

TAMPERED, STALE = 2, 3


@click.group()
def audit() -> None:
    """The audit log: sign it, verify it, prove one entry, hand it to its tenant."""


@audit.command("init")
@click.option("--name", help="What the names of the logs begin with; without it, the address of this app.")
@click.pass_obj
def audit_init(operations: Operations, *, name: str | None) -> None:
    """Make the key that signs checkpoints, at PLEDGE_AUDIT_SIGNING_KEY_FILE; refuses where there is one."""
    click.echo(operations.audit_init(name=name))


@audit.command("verify")
@click.option("--tenant", type=int, help="Of this tenant only.")
@json_option
@click.pass_obj
def audit_verify(operations: Operations, *, tenant: int | None, as_json: bool) -> int:
    """Compute everything anew from the rows, and compare it with logs, checkpoints and anchor.

    Exit 2: somebody tampered with it. Exit 3: entries wait for more than a minute; does a worker run?
    """
    progress = Told()
    with operations.services() as services:
        only = None if tenant is None else TenantId(tenant)
        report = services.audit.verification.run(only=only, progress=progress.tell)
        now = datetime.now(UTC)
        if report.findings:
            services.signals.count(TAMPERING, endpoint="audit verify")
    progress.end()
    stale = report.is_stale(now)
    document = {
        "ok": not report.findings and not stale,
        "findings": [asdict(finding) for finding in report.findings],
        "counts": [{"tenant": who, "kind": kind, "count": count} for (who, kind), count in report.counts.items()],
        "entries": sum(report.sizes.values()),
        "tenants": len(report.sizes),
        "waiting": report.waiting,
        "not_anchored": report.unanchored,
        "waiting_since": report.oldest,
    }
    lines = [f"{_who(found.tenant)}: {found.kind}: {found.where}" for found in report.findings]
    lines += [f"{_who(who)}: {count} times {kind}" for (who, kind), count in report.counts.items() if count > 1]
    lines.append(
        f"{document['entries']} entries of {document['tenants']} tenants checked;"
        f" {report.waiting} wait for their place, {report.unanchored} checkpoints for the anchor"
    )
    show(document, lines, as_json=as_json)
    if report.findings:
        return TAMPERED
    return STALE if stale else 0


@audit.command("prove")
@click.argument("tenant", type=int)
@click.argument("entry", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Accepted for uniformity: a proof is always JSON.")
@click.pass_obj
def audit_prove(operations: Operations, *, tenant: int, entry: UUID, as_json: bool) -> None:
    """Print the proof that ENTRY is in the log of TENANT; `pledge audit check` checks it, and so does check.py."""
    with operations.services() as services:
        proof = services.audit.queries.prove(TenantId(tenant), entry)
    show(proof, (), as_json=True)


@audit.command("who")
@click.argument("tenant", type=int)
@click.argument("entry", type=click.UUID)
@json_option
@click.pass_obj
def audit_who(operations: Operations, *, tenant: int, entry: UUID, as_json: bool) -> int:
    """Print the account id of the person who did what ENTRY tells; exit 3 where none is known.

    None: the app or an operator did it, or the person was erased since.
    """
    with operations.services() as services:
        account = services.audit.queries.who(TenantId(tenant), entry)
    show({"account": account}, [account or "no person is known"], as_json=as_json)
    return 0 if account else STALE


@audit.command("check")
@click.argument("path", type=click.Path(exists=True, path_type=Path), metavar="EXPORT_FOLDER|PROOF.json")
@click.option("--key", metavar="VKEY", help="The public key of the log, got from somewhere else than the export.")
@click.option("--earlier", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="NOTE_FILE")
@json_option
def audit_check(*, path: Path, key: str | None, earlier: Path | None, as_json: bool) -> int:
    """Check an export or a proof, with nothing but what is in it; exit 2 if it does not hold.

    With --earlier also that the log still contains that checkpoint, which was kept from an earlier day.
    """
    try:
        said, holds = offline_check.check(path, key=key, earlier=earlier), True
    except offline_check.DoesNotHold as fault:
        said, holds = f"does not hold: {fault}", False
    show({"ok": holds, "said": said}, [said], as_json=as_json)
    return 0 if holds else TAMPERED


@audit.command("checkpoint")
@click.argument("tenant", type=int, required=False)
@click.option("--now", "sign", is_flag=True, help="First place, sign and anchor what waits.")
@json_option
@click.pass_obj
def audit_checkpoint(operations: Operations, *, tenant: int | None, sign: bool, as_json: bool) -> int:
    """Print the newest signed checkpoint of TENANT, or of all; exit 3 if there is none."""
    with operations.services() as services:
        while sign and services.audit.sequencing.advance(now=datetime.now(UTC)):
            pass
        queries = services.audit.queries
        tenants = queries.tenants() if tenant is None else (TenantId(tenant),)
        notes = {each: note for each in tenants if (note := queries.newest(each)) is not None}
    rows = [{"tenant": each, "checkpoint": note} for each, note in notes.items()]
    show(rows, list(notes.values()) or ["nothing is signed yet"], as_json=as_json)
    return 0 if rows else STALE


@audit.command("export")
@click.argument("tenant", type=int)
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def audit_export(operations: Operations, *, tenant: int, folder: Path, as_json: bool) -> None:
    """Write the log of TENANT to the new FOLDER, with a program that checks it: python FOLDER/check.py FOLDER."""
    progress = Told()
    with operations.services() as services, services.audit.queries.export(TenantId(tenant)) as export:
        folder.mkdir(mode=0o700, parents=True)
        for name, lines in (("entries", export.entries), ("checkpoints", export.checkpoints)):
            with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                for number, line in enumerate(lines, start=1):
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    progress.tell(f"{number} {name}")
    progress.end()
    shutil.copyfile(Path(offline_check.__file__), folder / "check.py")
    # Last: a folder without it is an export that was broken off.
    (folder / "manifest.json").write_text(json.dumps(export.manifest, indent=1, ensure_ascii=False), encoding="utf-8")
    show(export.manifest, [f"{export.manifest['size']} entries in {folder}"], as_json=as_json)


@audit.command("adopt")
@click.argument("tenant", type=int, required=False)
@click.option("--all", "every", is_flag=True, help="Of every tenant.")
@json_option
@click.pass_obj
def audit_adopt(operations: Operations, *, tenant: int | None, every: bool, as_json: bool) -> None:
    """Let entries of TENANT into its log that were written before there was one; the log says that it was done."""
    if (tenant is None) is not every:
        raise click.UsageError("name one TENANT, or give --all")
    progress, adopted = Told(), {}
    with operations.services() as services:
        tenants = services.audit.queries.tenants()
        if tenant is not None:
            if tenant not in tenants:
                raise LookupError(f"there is no tenant {tenant}")
            tenants = (TenantId(tenant),)
        for number, each in enumerate(tenants, start=1):
            adopted[each] = services.audit.sequencing.adopt(each)
            progress.tell(f"{number} of {len(tenants)} tenants")
    progress.end()
    rows = [{"tenant": each, "entries": count} for each, count in adopted.items()]
    show(rows, [f"tenant {each}: {count} entries" for each, count in adopted.items()], as_json=as_json)


def _who(tenant: TenantId | None) -> str:
    return "all tenants" if tenant is None else f"tenant {tenant}"


COMMANDS: tuple[click.Command, ...] = (audit,)
