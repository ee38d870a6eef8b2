"""The part of the composition root that is about people's data: who takes the personal data reports."""

from collections.abc import Callable
from functools import partial

from app.domain.identifiers import TenantId
from app.domain.installations.site import WayMissing
from app.domain.integrations.reports import GrantedAsk
from app.domain.integrations.tokens import AccessTokens
from app.domain.ports import Database, SiteAccess
from app.domain.privacy.ports import Ask, Routes
from app.domain.secrets import Secret
from app.outbound.export_files import ExportFolder
from app.outbound.privacy_api import SHARED_PATH, SITE_PATH, ReportApi
from app.settings import Settings

Granted = tuple[AccessTokens, Callable[[], str | None]]
"""The vendor's own grant, and what it lacks at the moment."""


def report_routes(
    settings: Settings,
    database: Database,
    site_of: Callable[[TenantId, Secret | None], SiteAccess],
    *,
    granted: Granted,
) -> Routes:
    """By the vendor's own grant for all tenants at once, or each tenant in the way in which it is installed."""
    shared = settings.atlassian_api_url + SHARED_PATH
    if settings.report_auth == "oauth":
        tokens, lacking = granted
        by_grant = GrantedAsk(tokens, tokens.keeping, partial(ReportApi, shared))
        return Routes("oauth", lambda _: by_grant, is_shared=True, lacking=lacking)

    def ask(tenant: TenantId | None) -> Ask:
        if tenant is None:
            raise WayMissing
        is_forge = database.view_tenant(tenant).client_key is None
        if settings.report_auth not in {None, "forge" if is_forge else "connect"}:
            raise WayMissing
        site = site_of(tenant, None)
        url = shared if is_forge else site.base_url + SITE_PATH
        return ReportApi(url, site.authorize)

    return Routes(settings.report_auth or "site", ask)


def export_files(settings: Settings) -> ExportFolder | None:
    """Where exports lie, if there is a place for them."""
    return None if settings.export_dir is None else ExportFolder(settings.export_dir)
