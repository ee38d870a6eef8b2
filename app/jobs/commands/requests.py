"""`pledge privacy requests`: what people and tenants asked for, until when it is due, and what was done."""

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click

from app.domain.identifiers import AccountId, TenantId
from app.domain.keys.queries import each_tenant
from app.domain.operator import Operations
from app.domain.privacy.answering import FILED_BY_OPERATOR
from app.domain.privacy.requests import (
    Extension,
    PrivacyRequest,
    RequestKind,
    RequestState,
    Verification,
    document_of,
)
from app.jobs.commands.leaving import new_file
from app.jobs.commands.operating import json_option, show

LATE = 2
_OPEN = {RequestState.RECEIVED, RequestState.VERIFIED}

tenant_argument = click.argument("tenant", type=int)
request_argument = click.argument("request", type=click.UUID)
by_option = click.option("--by", required=True, metavar="ROLE", help="Who verified: a role, such as support.")
how_option = click.option("--how", required=True, metavar="TEXT", help="How; without the person's name.")


@click.group()
def requests() -> None:
    """Requests for erasure and access."""


@requests.command("list")
@click.argument("tenant", type=int, required=False)
@json_option
@click.pass_obj
def requests_list(operations: Operations, *, tenant: int | None, as_json: bool) -> int:
    """Every request, of TENANT or of all; exit 2 if one that is open is late."""
    now = datetime.now(UTC)
    with operations.services() as services:
        tenants = each_tenant(services.database) if tenant is None else [TenantId(tenant)]
        found = [(each, one) for each in tenants for one in services.answering.list_of(each)]
    rows = [_row(each, request, now=now) for each, request in found]
    show(rows, [_line(row) for row in rows] or ["nobody has asked for anything"], as_json=as_json)
    return LATE if any(one.state in _OPEN and one.is_late(now) for _, one in found) else 0


@requests.command("file")
@tenant_argument
@click.option("--kind", required=True, type=click.Choice([kind.value for kind in RequestKind]))
@click.option("--account", help="Atlassian's id of the person; without it the request is about all of the tenant.")
@click.option("--received", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"]), help="When, in UTC; else now.")
@json_option
@click.pass_obj
def requests_file(
    operations: Operations, *, tenant: int, kind: str, account: str | None, received: datetime | None, as_json: bool
) -> None:
    """File a request that reached you; the month that the law gives counts from when you received it."""
    now = datetime.now(UTC)
    received_at = now if received is None else received.replace(tzinfo=UTC)
    if received_at > now:
        raise click.UsageError("--received lies in the future")
    with operations.services() as services:
        filed = services.answering.file(
            TenantId(tenant),
            RequestKind(kind),
            account=None if account is None else AccountId(account),
            filed_by=FILED_BY_OPERATOR,
            received_at=received_at,
        )
    _show(tenant, filed, as_json=as_json)


@requests.command("verify")
@tenant_argument
@request_argument
@by_option
@how_option
@json_option
@click.pass_obj
def requests_verify(operations: Operations, *, tenant: int, request: UUID, by: str, how: str, as_json: bool) -> None:
    """Record that whoever asks is who he says he is; the promised 30 days count from now."""
    with operations.services() as services:
        found = Verification(at=datetime.now(UTC), by=by, how=how)
        _show(tenant, services.answering.verify(TenantId(tenant), request, found), as_json=as_json)


@requests.command("extend")
@tenant_argument
@request_argument
@click.option("--months", required=True, type=click.IntRange(1, 2))
@click.option("--reason", required=True, metavar="TEXT", help="What the person was told.")
@json_option
@click.pass_obj
def requests_extend(
    operations: Operations, *, tenant: int, request: UUID, months: int, reason: str, as_json: bool
) -> None:
    """Record that you told the person that it takes up to two months longer; only within the first month, once."""
    with operations.services() as services:
        extension = Extension(at=datetime.now(UTC), months=months, reason=reason)
        _show(tenant, services.answering.extend(TenantId(tenant), request, extension), as_json=as_json)


@requests.command("refuse")
@tenant_argument
@request_argument
@click.option("--reason", required=True, metavar="TEXT", help="What the person was told.")
@json_option
@click.pass_obj
def requests_refuse(operations: Operations, *, tenant: int, request: UUID, reason: str, as_json: bool) -> None:
    """Record that it is refused, and why."""
    with operations.services() as services:
        now = datetime.now(UTC)
        _show(tenant, services.answering.refuse(TenantId(tenant), request, reason=reason, now=now), as_json=as_json)


@requests.command("fulfil")
@tenant_argument
@request_argument
@click.option("--to", "file", type=click.Path(dir_okay=False, path_type=Path), help="A new file, for access.")
@json_option
@click.pass_obj
def requests_fulfil(operations: Operations, *, tenant: int, request: UUID, file: Path | None, as_json: bool) -> None:
    """Erase what was asked to be erased, or with --to write what was asked for. Needs a verified request."""
    who, now = TenantId(tenant), datetime.now(UTC)
    # Opened inside: a set-up that is not in order leaves no file.
    with operations.services() as services, nullcontext() if file is None else new_file(file) as target:
        if target is None:
            done = services.answering.erase(who, request, now=now)
        else:
            done = services.answering.hand_over(who, request, target, now=now)
    _show(tenant, done, as_json=as_json)


def _show(tenant: int, request: PrivacyRequest, *, as_json: bool) -> None:
    row = _row(TenantId(tenant), request, now=datetime.now(UTC))
    lines = [_line(row)] if request.receipt is None else [_line(row), request.receipt]
    show(row, lines, as_json=as_json)


def _row(tenant: TenantId, request: PrivacyRequest, *, now: datetime) -> Mapping[str, object]:
    return {"tenant": tenant, **document_of(request, now=now), "receipt": request.receipt}


def _line(row: Mapping[str, object]) -> str:
    about = "tenant" if row["account"] is None else f"person {row['account']}"
    late = "  LATE" if row["late"] else ""
    return f"{row['tenant']:>6}  {row['id']}  {row['kind']} of {about}  {row['state']}  due {row['due_at']}{late}"
