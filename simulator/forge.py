"""Forge on one site: the installed app, and what an invocation of its remote carries.

Claims and headers are those of Atlassian's contract
(https://developer.atlassian.com/platform/forge/remote/essentials/). Where the documentation can be read in two
ways, the site `kencha` takes the other one: an app has to cope with both.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from simulator.forge_app import ForgeApp, ForgeInstallation
from simulator.forge_tokens import InvocationKeys, OauthTokens
from simulator.issues import CHOICES, Issue, Project
from simulator.people import Json, Person, random_uuid
from simulator.signing import sign
from simulator.site import Site

LIFE_SECONDS = 25
SYSTEM_MODULE = "core:endpoint"
_LICENSE: Json = {
    "billingPeriod": "MONTHLY",
    "capabilitySet": "capabilityStandard",
    "ccpEntitlementId": "00000000-0000-3000-8000-000000000001",
    "ccpEntitlementSlug": "E-AAA-BBB-CCC-DDD",
    "isEvaluation": False,
    "subscriptionEndDate": "2027-06-30T00:00:00.000Z",
    "supportEntitlementNumber": None,
    "trialEndDate": None,
    "type": "commercial",
    "modes": [],
}


class Forge:
    """The Forge app of one site, and the tokens of its invocations."""

    def __init__(self, site: Site, *, keys: InvocationKeys, now: Callable[[], datetime]) -> None:
        self.site, self.keys = site, keys
        self.tokens = OauthTokens(now)
        self.installation: ForgeInstallation | None = None
        self.former: list[ForgeInstallation] = []  # newest last
        self.locale = "en-US"  # of everybody, as a page is told
        self._rng = random.Random(f"{site.cloud_id}:forge")

    @property
    def reads_otherwise(self) -> bool:
        """Say whether this site takes the other reading where the documentation has two."""
        return self.site.name == "kencha"

    def install(self, app: ForgeApp) -> ForgeInstallation:
        """Install an app: always a new installation, as a reinstall is."""
        with self.site.lock:
            if self.installation is not None:
                self.former.append(self.installation)
            ari = f"ari:cloud:ecosystem::installation/{random_uuid(self._rng)}"
            self.installation = ForgeInstallation(app, ari)
            return self.installation

    def change(self, installation: ForgeInstallation, app: ForgeApp) -> ForgeInstallation:
        """Give an installation another version or licence of its app; its id stays."""
        with self.site.lock:
            self.installation = replace(installation, app=app)
            return self.installation

    def uninstall(self, installation: ForgeInstallation) -> None:
        """Uninstall: tokens are worth nothing from now on."""
        with self.site.lock:
            self.installation = replace(installation, active=False)

    def claims(
        self,
        installation: ForgeInstallation,
        kind: str,
        *,
        person: Person | None = None,
        about: Issue | Project | None = None,
    ) -> Json:
        """Return the claims of a fresh FIT; `kind` says who invokes, one of the app's `modules`.

        A `principal` is given where there is a person; `about` is what a page shows. System calls have no context
        but for cron and preUninstall, which is the poorest reading of the documentation.
        """
        now = int(time.time())
        claims: Json = {"app": self._app_claim(installation, kind)}
        if kind in {"cron", "uninstall"} or installation.app.page_type(kind):
            claims["context"] = self.context(installation, kind, about=about)
        if person is not None:
            claims["principal"] = person.account_id
        times = {"iat": now, "nbf": now, "exp": now + LIFE_SECONDS}
        return claims | times | {"aud": installation.app.app_id, "iss": "forge/invocation-token", "jti": new_id()}

    def context(self, installation: ForgeInstallation, kind: str, *, about: Issue | Project | None) -> Json:
        """Return the `context` claim: where the module is, and for a page what it shows."""
        app, site = installation.app, self.site
        context: Json = {"cloudId": site.cloud_id, "moduleKey": app.modules[kind]}
        page_type = app.page_type(kind)
        if page_type is None:
            return context
        local_id = f"ari:cloud:ecosystem::extension/{app.uuid}/{app.environment_uuid}/static/{app.modules[kind]}"
        extension: Json = {"type": page_type}
        if isinstance(about, Issue):
            kind_id = CHOICES["issuetype"][about.values["issuetype"]]
            shown = {"id": about.id, "key": about.key, "type": about.values["issuetype"], "typeId": kind_id}
            extension |= {"issue": shown, "location": f"{site.display_url}/browse/{about.key}"}
        if about is not None:
            project = about.project if isinstance(about, Issue) else about
            extension["project"] = {"id": project.id, "key": project.key, "type": "software"}
        return context | {"localId": local_id, "siteUrl": site.display_url, "extension": extension}

    def license(self, app: ForgeApp) -> Json | None:
        """Return the licence; None where the token does not say: not paid or not in production."""
        state = app.license or ("active" if app.environment == "PRODUCTION" else "absent")
        return None if state == "absent" else {"active": state == "active", **_LICENSE}

    def fit(self, claims: Json) -> str:
        """Sign a FIT with the newest key."""
        kid, key = self.keys.newest()
        return sign(claims, key, algorithm="RS256", header={"kid": kid})

    def headers(
        self, installation: ForgeInstallation, fit: str, *, person: Person | None = None, fresh: bool = False
    ) -> dict[str, str]:
        """Return the headers of an invocation: the app's own OAuth token, and the person's where there is one."""
        headers = {
            "Authorization": f"Bearer {fit}",
            "Content-Type": "application/json",
            "x-b3-traceid": secrets.token_hex(16),
            "x-b3-spanid": secrets.token_hex(8),
            "x-forge-oauth-system": self.tokens.issue(installation, self.site.app_user, fresh=fresh),
        }
        return headers if person is None else headers | {"x-forge-oauth-user": self.tokens.issue(installation, person)}

    def context_token(self) -> str:
        """Return the token of function runtimes: genuinely signed, and never to be taken for a FIT."""
        now = int(time.time())
        return self.fit({"iss": "forge/context-token", "aud": "forge", "iat": now, "exp": now + LIFE_SECONDS})

    def _app_claim(self, installation: ForgeInstallation, kind: str) -> Json:
        app, base_url = installation.app, f"{installation.app.api_url}/ex/jira/{self.site.cloud_id}"
        module_keys = app.module_keys or ("module" if self.reads_otherwise else "endpoint")
        page_type = app.page_type(kind)
        keys = app.endpoints if page_type is None and module_keys == "endpoint" else app.modules
        claim: Json = {
            "id": app.app_id,
            "appVersion": app.app_version,
            "installationId": installation.id,
            "apiBaseUrl": base_url,
            "installation": {
                "id": installation.id,
                "contexts": [{"name": "jira", "apiBaseUrl": base_url, "cloudId": self.site.cloud_id}],
            },
            "environment": {"type": app.environment, "id": app.environment_id},
            "module": {"type": page_type or SYSTEM_MODULE, "key": keys[kind]},
        }
        # only "paid, production, Marketplace" is documented; the published examples of system calls have none
        licence = None if page_type is None and self.reads_otherwise else self.license(app)
        return claim if licence is None else claim | {"license": licence}


def new_id() -> str:
    """Return a `jti`."""
    return secrets.token_hex(20)
