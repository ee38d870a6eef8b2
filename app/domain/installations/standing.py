"""How far each tenant is on its way from Connect to Forge: read from the registry, without its data."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.identifiers import TenantId
from app.domain.installations.model import ForgeRegistered, InstallationState, Registered
from app.domain.installations.moving import Retirement
from app.domain.ports import Database


class Holding(StrEnum):
    """Which of its installations a tenant has alive."""

    CONNECT = "connect"
    BOTH = "both"
    FORGE = "forge"
    VANISHED = "vanished"
    """None, and its Forge installation has stopped calling without a word."""
    REMOVED = "removed"
    """None: removed, superseded by another tenant's, or linked to another tenant."""
    WAITING = "waiting"
    """A Forge installation that has called, and nobody could say yet whose it is."""


@dataclass(frozen=True)
class Standing:
    """One tenant, or one Forge installation without a tenant."""

    tenant: TenantId | None
    holds: Holding
    site: str
    """The URL that Connect named, else the cloud id; empty for a tenant whose installation went to another."""
    environment: str | None
    """Of the Forge installation."""
    app_version: str | None
    is_linked: bool
    """Whether its Forge installation took over from a Connect one."""
    linked_at: datetime | None
    retires_at: datetime | None
    """When the Connect secret is destroyed at the earliest."""
    retired_at: datetime | None


@dataclass(frozen=True)
class Standings:
    """For all tenants."""

    database: Database
    retirement: Retirement

    def all(self) -> tuple[Standing, ...]:
        """Every tenant in order of id, then the Forge installations that have none."""
        with self.database.begin() as uow:
            connect = {each.tenant: each for each in uow.registry.list_connect()}
            forge: dict[TenantId, list[ForgeRegistered]] = defaultdict(list)
            for each in uow.registry.list_forge():
                forge[each.tenant].append(each)
            tenants, contacts = uow.registry.list_tenants(), uow.registry.list_contacts()
        return (
            *(self._of(tenant, connect.get(tenant), forge=forge[tenant]) for tenant in tenants),
            *(_waiting(contact.cloud_id) for contact in contacts),
        )

    def _of(self, tenant: TenantId, connect: Registered | None, *, forge: Sequence[ForgeRegistered]) -> Standing:
        last = forge[-1] if forge else None
        holds = _holds(connect, forge)
        is_linked = connect is not None and connect.forge_installation is not None
        return Standing(
            tenant=tenant,
            holds=holds,
            site=_site(connect, last),
            environment=None if last is None else last.environment,
            app_version=None if last is None else last.app_version,
            is_linked=is_linked,
            linked_at=connect.linked_at if connect is not None else None,
            retires_at=self.retirement.due_at(connect) if connect is not None and holds is Holding.BOTH else None,
            retired_at=connect.retired_at if connect is not None else None,
        )


def _site(connect: Registered | None, forge: ForgeRegistered | None) -> str:
    if connect is not None:
        return connect.site_url
    return "" if forge is None else forge.cloud_id


def _holds(connect: Registered | None, forge: Sequence[ForgeRegistered]) -> Holding:
    has_connect = connect is not None and connect.state is InstallationState.ACTIVE
    has_forge = any(each.state is InstallationState.ACTIVE for each in forge)
    if has_connect or has_forge:
        return Holding.BOTH if has_connect and has_forge else Holding.FORGE if has_forge else Holding.CONNECT
    is_silent = bool(forge) and forge[-1].state is InstallationState.SUSPENDED
    return Holding.VANISHED if is_silent else Holding.REMOVED


def _waiting(site: str) -> Standing:
    return Standing(
        tenant=None,
        holds=Holding.WAITING,
        site=site,
        environment=None,
        app_version=None,
        is_linked=False,
        linked_at=None,
        retires_at=None,
        retired_at=None,
    )
