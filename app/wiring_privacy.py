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
from app.outbound.privacy_api import SHARED_PATH, SITE_PATH, ReportApi
from app.settings import Settings


def granted_routes(settings: Settings, tokens: AccessTokens, *, lacking: Callable[[], str | None]) -> Routes:
    """By the vendor's own grant, for all tenants at once."""
    url = settings.atlassian_api_url + SHARED_PATH
    ask = GrantedAsk(tokens, tokens.keeping, partial(ReportApi, url))
    return Routes("oauth", lambda _: ask, is_shared=True, lacking=lacking)


def report_routes(
    settings: Settings, database: Database, site_of: Callable[[TenantId, Secret | None], SiteAccess]
) -> Routes:
    """By the setting, else each tenant in the way in which it is installed."""

    def ask(tenant: TenantId | None) -> Ask:
        if tenant is None:
            raise WayMissing
        is_forge = database.view_tenant(tenant).client_key is None
        if settings.report_auth not in {None, "forge" if is_forge else "connect"}:
            raise WayMissing
        site = site_of(tenant, None)
        url = settings.atlassian_api_url + SHARED_PATH if is_forge else site.base_url + SITE_PATH
        return ReportApi(url, site.authorize)

    return Routes(settings.report_auth or "site", ask)
