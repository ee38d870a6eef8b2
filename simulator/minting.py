"""Tokens that tests ask for, genuine or broken: of a Connect site and of Forge."""

from __future__ import annotations

import uuid
from dataclasses import fields, replace

from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.exceptions import BadRequest, Conflict

from simulator import connect
from simulator.forge import Forge
from simulator.forge_app import ForgeApp, ForgeInstallation, changed
from simulator.forge_tokens import InvocationKeys
from simulator.installations import Installation
from simulator.issues import Issue, Project
from simulator.people import Json
from simulator.signing import InstallKey, claims_for, sign
from simulator.site import Site

_ALGORITHMS = {"request": "HS256", "context": "HS256", "install": "RS256"}
_APP_PARAMETERS = frozenset(one.name for one in fields(ForgeApp))


def connect_token(site: Site, wanted: Json, *, key: InstallKey) -> Json:
    """Mint a token of a Connect site.

    Keys: kind (request, context or install), method, path (with query, relative to the app's base URL),
    account, issue, previous (how many installations back the secret and client key are from),
    overrides (claims to set, null included), remove (claims to leave out), algorithm, header.
    """
    body: Json = {"kind": "request", "previous": 0, "overrides": {}, "remove": [], "header": {}} | wanted
    former = [*site.former, *([site.installation] if site.installation else [])]
    if body["kind"] not in _ALGORITHMS or body["previous"] not in range(len(former)):
        raise Conflict("kind is request, context or install; previous counts installations of this site")
    installation = former[-1 - body["previous"]]
    claims = _connect_claims(site, body, installation=installation) | body["overrides"]
    claims = {name: value for name, value in claims.items() if name not in body["remove"]}
    install = body["kind"] == "install"
    header = ({"kid": key.kid} if install else {}) | body["header"]
    signing_key = key.private if install else installation.secret
    algorithm = body.get("algorithm", _ALGORITHMS[body["kind"]])
    return {"token": sign(claims, signing_key, algorithm=algorithm, header=header)}


def _connect_claims(site: Site, body: Json, *, installation: Installation) -> Json:
    issue = site.issue(body["issue"]) if "issue" in body else None
    method, path, issuer = body.get("method", "GET"), body.get("path", "/"), installation.client_key
    claims = claims_for(method, path, issuer=issuer, context=connect.page_context(site, issue))
    if "account" in body:
        claims["sub"] = site.person(body["account"]).account_id
    if body["kind"] == "context":
        claims["qsh"] = "context-qsh"
    if body["kind"] == "install":
        claims |= {"aud": [installation.descriptor.base_url], "context": {}}
    return claims


def forge_token(forge: Forge, wanted: Json) -> Json:
    """Mint a FIT, and the headers that come with it.

    Keys: kind (ui, project, site, admin, events, lifecycle, uninstall or cron), account (the principal; admin for
    pages, nobody otherwise; null for none), issue, project (a key), previous (how many installations back),
    installation_id (another ARI), any parameter of the app (environment, app_version, license …), overrides and
    remove (claims by dotted path, `app.environment.type`), key (newest, a published kid, `unknown`: never
    published, or `impostor`: never published under the newest kid), algorithm, header.
    """
    body: Json = {"kind": "ui", "previous": 0, "overrides": {}, "remove": [], "header": {}, "key": "newest"} | wanted
    installation = _installation(forge, body)
    if body["kind"] not in installation.app.modules:
        raise BadRequest(f"kind is one of {', '.join(installation.app.modules)}")
    is_page = installation.app.page_type(body["kind"]) is not None
    account = body.get("account", "admin" if is_page else None)
    person = forge.site.person(account) if account is not None else None
    about: Issue | Project | None = forge.site.issue(body["issue"]) if "issue" in body else None
    if "project" in body:
        about = forge.site.projects[body["project"]]
    claims = forge.claims(installation, body["kind"], person=person, about=about)
    for path, value in body["overrides"].items():
        _place(claims, path)[path.rpartition(".")[2]] = value
    for path in body["remove"]:
        _place(claims, path).pop(path.rpartition(".")[2], None)
    kid, key = _key(forge.keys, body["key"])
    token = sign(claims, key, algorithm=body.get("algorithm", "RS256"), header={"kid": kid} | body["header"])
    return {"token": token, "claims": claims, "headers": forge.headers(installation, token, person=person)}


def _installation(forge: Forge, body: Json) -> ForgeInstallation:
    known = [*forge.former, *([forge.installation] if forge.installation else [])]
    if body["previous"] not in range(len(known)):
        raise Conflict("no such Forge installation on this site")
    found: ForgeInstallation = known[-1 - body["previous"]]
    app = changed(found.app, {name: value for name, value in body.items() if name in _APP_PARAMETERS})
    return replace(found, app=app, id=body.get("installation_id", found.id))


def _place(claims: Json, path: str) -> Json:
    """Return the object that holds what a dotted path names; made where there is none."""
    place = claims
    for name in path.split(".")[:-1]:
        place = place.setdefault(name, {})
    return place


def _key(keys: InvocationKeys, wanted: str) -> tuple[str, rsa.RSAPrivateKey]:
    kid, key = keys.newest()
    if wanted == "newest":
        return kid, key
    if wanted in {"unknown", "impostor"}:
        other = rsa.generate_private_key(65537, 2048)
        return (kid if wanted == "impostor" else f"forge/invocation-token/{uuid.uuid4()}"), other
    try:
        return wanted, keys.find(wanted)
    except KeyError as missing:
        raise BadRequest(f"no key {wanted!r} is published") from missing
