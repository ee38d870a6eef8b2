"""What a Connect site sends to its app: lifecycle requests, panel addresses, tokens for pages."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode, urlsplit

import requests

from simulator.installations import Descriptor, Installation
from simulator.issues import Issue, Project
from simulator.people import Json, Person
from simulator.security import SecurityTab
from simulator.signing import InstallKey, claims_for, sign
from simulator.site import Site

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT_SECONDS = 10
MAX_BODY_CHARACTERS = 2000


class AppUnusable(Exception):
    """The app cannot be installed or called: its address or descriptor is not fit for it."""


@dataclass(frozen=True)
class Answer:
    """What the app answered: a status and the beginning of the body, or no status and what went wrong."""

    status: int | None
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Say whether a lifecycle request succeeded: 200 or 204, redirects do not count."""
        return self.status in (200, 204)


def new_secret() -> str:
    """Return a shared secret of 64 characters."""
    return secrets.token_urlsafe(48)


def check_loopback(url: str) -> str:
    """Return the URL without a final slash if it names this machine.

    Raises:
        AppUnusable: it names another; a made-up Jira must not be a way to send requests anywhere.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or parts.hostname not in LOOPBACK:
        raise AppUnusable(f"{url!r} is not a loopback URL")
    return url.rstrip("/")


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    timeout_seconds: float,
    max_characters: int = MAX_BODY_CHARACTERS,
) -> Answer:
    """Send one request, follow nothing, and return what came back."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.request(
                method, url, data=body, headers=headers, timeout=timeout_seconds, allow_redirects=False
            )
        except requests.RequestException as problem:
            return Answer(None, type(problem).__name__)
    return Answer(answer.status_code, answer.text[:max_characters], answer.headers)


def fetch_descriptor(app_url: str) -> Descriptor:
    """Read an app's descriptor.

    Raises:
        AppUnusable: it is not there, not JSON, or names another machine.
    """
    url = f"{check_loopback(app_url)}/atlassian-connect.json"
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False)
            answer.raise_for_status()
            read = answer.json()
            lifecycle, modules = read.get("lifecycle", {}), read.get("modules", {})
            scopes = frozenset(scope.upper() for scope in read.get("scopes", []))
            return Descriptor(read["key"], check_loopback(read["baseUrl"]), lifecycle, modules, scopes)
        except (requests.RequestException, KeyError, AttributeError) as problem:
            raise AppUnusable(f"no descriptor at {url}: {type(problem).__name__}") from problem


def lifecycle_payload(site: Site, event: str, *, installation: Installation) -> Json:
    """Return the body of a lifecycle request without the secret.

    The site `kencha` leaves out `cloudId`, which Atlassian does not document: an app has to cope.
    """
    payload = {
        "key": installation.descriptor.key,
        "clientKey": installation.client_key,
        "oauthClientId": f"simulated-{installation.client_key}",
        "serverVersion": "100000",
        "pluginsVersion": "1001.0.0",
        "baseUrl": site.url,
        "displayUrl": site.display_url,
        "displayUrlServicedeskHelpCenter": site.display_url,
        "productType": "jira",
        "description": f"Simulated site {site.name}",
        "eventType": event,
    }
    if installation.forge_id is not None:
        payload["installationId"] = installation.forge_id
    return payload if site.name == "kencha" else payload | {"cloudId": site.cloud_id}


def send_lifecycle(site: Site, event: str, *, installation: Installation, key: InstallKey) -> Answer | None:
    """Send a lifecycle request if the app declares it: RS256 for (un)installed, else HS256."""
    descriptor, path = installation.descriptor, installation.descriptor.lifecycle.get(event)
    if path is None:
        return None
    body = lifecycle_payload(site, event, installation=installation)
    claims = claims_for("POST", path, issuer=installation.client_key, context={})
    if event in {"installed", "uninstalled"}:
        # Two installs of one second are two calls; their tokens would else be the same, byte by byte.
        unique = {"jti": str(uuid.uuid4())}
        claims |= {"aud": [descriptor.base_url], "sub": site.people["admin"].account_id} | unique
        token = sign(claims, key.private, algorithm="RS256", header={"kid": key.kid})
    else:
        token = sign(claims, installation.secret)
    if event == "installed":
        body["sharedSecret"] = installation.secret
    headers = {"Authorization": f"JWT {token}", "Content-Type": "application/json"}
    url, content = descriptor.base_url + path, json.dumps(body).encode()
    return send("POST", url, headers=headers, body=content, timeout_seconds=TIMEOUT_SECONDS)


def offer(site: Site, installation: Installation, *, key: InstallKey) -> Answer:
    """Send `installed`; the installation becomes the site's own if the app accepts it.

    The app may call back with the new secret before it has answered, so both count until then.

    Raises:
        AppUnusable: the app declares no `installed`.
    """
    with site.lock:
        site.offered = installation
    try:
        answer = send_lifecycle(site, "installed", installation=installation, key=key)
        if answer is None:
            raise AppUnusable("the descriptor declares no lifecycle event `installed`")
        if answer.accepted:
            _adopt(site, installation)
        return answer
    finally:
        with site.lock:
            site.offered = None


def withdraw(site: Site, installation: Installation, *, key: InstallKey) -> Answer | None:
    """Uninstall: the app loses access and its part of the Security tab at once, and is told, best effort."""
    site.security = SecurityTab()
    _adopt(site, replace(installation, active=False))
    return send_lifecycle(site, "uninstalled", installation=installation, key=key)


def _adopt(site: Site, installation: Installation) -> None:
    with site.lock:
        if site.installation is not None:
            site.former.append(site.installation)
        site.installation, site.client_key = installation, installation.client_key


def page_context(site: Site, issue: Issue | None) -> Json:
    """Return the `context` claim of a page's tokens."""
    context: Json = {"url": {"displayUrl": site.display_url}}
    if site.license != "absent":
        context["license"] = {"active": site.license == "active"}
    if issue is not None:
        jira = {"issue": {"id": issue.id, "key": issue.key}}
        context["jira"] = jira | {"project": {"id": issue.project.id, "key": issue.project.key}}
    return context


def context_token(site: Site, installation: Installation, *, person: Person, issue: Issue | None) -> str:
    """Return what `AP.context.getToken()` gives a page: fresh, with the fixed hash `context-qsh`."""
    context = page_context(site, issue)
    claims = claims_for("GET", "/", issuer=installation.client_key, sub=person.account_id, context=context)
    return sign(claims | {"qsh": "context-qsh"}, installation.secret)


def fill(template: str, about: Issue | Project, *, opening: str = "{") -> str:
    """Replace context parameters in a module's URL; webhooks write them `${…}`, pages `{…}`."""
    project = about.project if isinstance(about, Issue) else about
    values = {"project.id": project.id, "project.key": project.key}
    if isinstance(about, Issue):
        values |= {"issue.id": about.id, "issue.key": about.key}
    for name, value in values.items():
        template = template.replace(f"{opening}{name}}}", quote(value, safe=""))
    return template


def panel_url(site: Site, installation: Installation, *, module: Json, issue: Issue, person: Person) -> str:
    """Return the address of a panel for one person: context, host parameters and a signed token."""
    path = fill(module["target"]["url"], issue)
    return _signed(site, installation, path=path, key=module["key"], person=person)


def page_url(site: Site, installation: Installation, *, module: Json, project: Project | None, person: Person) -> str:
    """Return the address of a page of its own, which belongs to a project or to the whole site."""
    path = module["url"] if project is None else fill(module["url"], project)
    return _signed(site, installation, path=path, key=module["key"], person=person)


def _signed(site: Site, installation: Installation, *, path: str, key: str, person: Person) -> str:
    host = {"xdm_e": site.display_url, "xdm_c": f"channel-{key}", "cp": ""}
    if site.license != "absent":
        host["lic"] = "active" if site.license == "active" else "none"
    path += ("&" if "?" in path else "?") + urlencode(host | {"cv": "1001.0.0"})
    context = page_context(site, None)
    claims = claims_for("GET", path, issuer=installation.client_key, sub=person.account_id, context=context)
    return f"{installation.descriptor.base_url}{path}&jwt={sign(claims, installation.secret)}"
