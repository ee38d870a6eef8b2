"""`pledge installations recipients`: who of a tenant is told of deadlines."""

import json
from datetime import UTC, datetime
from typing import IO, Any
from uuid import UUID, uuid4

import click

from app.domain.identifiers import TenantId
from app.domain.notices.entry import document_of, recipient_of
from app.domain.notices.model import RecipientId
from app.domain.operator import Operations
from app.jobs.commands.operating import json_option, show


@click.command("recipients")
@click.argument("tenant", type=int)
@click.option("--add", "entry", type=click.File("r"), help="Add the one in FILE (- is standard input), as JSON.")
@click.option("--remove", "gone", metavar="ID", type=click.UUID, help="Forget that one, address and all.")
@json_option
@click.pass_obj
def recipients(operations: Operations, *, tenant: int, entry: IO[str] | None, gone: UUID | None, as_json: bool) -> None:
    """Who of TENANT is told of deadlines. FILE is as `POST /api/v1/recipients` takes it, for example
    {"label": "On call", "address": "oncall@example.com", "zone": "Europe/Berlin"}; addresses are not shown again."""
    if entry is not None and gone is not None:
        raise click.UsageError("either --add or --remove")
    with operations.services() as services:
        services.database.view_tenant(TenantId(tenant))
        if entry is not None:
            made, address = recipient_of(_object(entry), recipient=RecipientId(uuid4()), added_at=datetime.now(UTC))
            services.recipients.add(TenantId(tenant), made, address=address, actor="operator")
        if gone is not None:
            services.recipients.remove(TenantId(tenant), RecipientId(gone), actor="operator", now=datetime.now(UTC))
        rows = [document_of(each) for each in services.recipients.list_all(TenantId(tenant))]
    lines = [f"{row['id']}  {row['medium']:<12}  {row['standing']:<12}  {row['label']}" for row in rows]
    show(rows, lines or ["nobody is told"], as_json=as_json)


def _object(file: IO[str]) -> dict[str, Any]:
    """Raises `ValueError`, without what was read: it holds an address."""
    try:
        value = json.load(file)
    except ValueError as fault:
        raise ValueError("the entry is not JSON") from fault
    if not isinstance(value, dict):
        raise ValueError("the entry is not a JSON object")
    return value
