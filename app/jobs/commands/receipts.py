"""`pledge privacy receipt`: receipts of what was erased."""

from pathlib import Path

import click

from app.domain.identifiers import TenantId
from app.domain.operator import Operations
from app.domain.privacy import receipts
from app.jobs.commands.operating import json_option, show

NOT_OURS = 2


@click.group()
def receipt() -> None:
    """Receipts of erasures: signed, and good without us."""


@receipt.command("key")
@click.pass_obj
def receipt_key(operations: Operations) -> None:
    """Print the public key that verifies receipts, for publication."""
    with operations.services() as services:
        click.echo(receipts.receipt_vkey(services.audit.key()))


@receipt.command("show")
@click.argument("tenant", type=int)
@click.pass_obj
def receipt_show(operations: Operations, *, tenant: int) -> None:
    """Print the receipt of the erasure of TENANT."""
    with operations.services() as services:
        left = services.leaving.departure(TenantId(tenant))
    if left is None or left.receipt is None:
        raise LookupError(f"tenant {tenant} is not erased")
    click.echo(left.receipt, nl=False)


@receipt.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", metavar="VKEY", help="The published key; without it, that of this installation.")
@json_option
@click.pass_obj
def receipt_verify(operations: Operations, *, file: Path, key: str | None, as_json: bool) -> int:
    """Say whether FILE is a receipt that the key signed, and what it says; exit 2 if it is not."""
    if key is None:
        with operations.services() as services:
            own = services.audit.key()
            origin, trusted = receipts.receipt_origin(own.name), own.trusted
    else:
        origin, trusted = receipts.read_vkey(key)
    try:
        document = receipts.read_receipt(file.read_text(encoding="utf-8"), origin=origin, trusted=trusted)
    except (receipts.ReceiptRefused, UnicodeDecodeError):
        show({"ok": False}, [str(receipts.ReceiptRefused.__doc__)], as_json=as_json)
        return NOT_OURS
    rows = sum(document.get("erased", {}).values())
    line = f"holds: {document.get('subject')} was erased {document.get('erased_at')}, {rows} rows"
    show({"ok": True, "receipt": document}, [line], as_json=as_json)
    return 0
