"""One function per manner of being admitted; `open_to_all` is one of them. No cryptography here.

A gate runs before the view and either leaves a caller in the request or raises. Which gate a route has is decided by
`mounts`, never by the token.
"""

import hashlib
import hmac
import re
from collections.abc import Callable

from flask import g, request

from app.domain.installations.model import CallerKind
from app.domain.secrets import Secret
from app.edge.caller import ForgeModules, config, now, services
from app.protocol.connect_jwt import SignedRequest
from app.protocol.refusals import TokenRefused

Gate = Callable[[], None]
_SCHEME = "JWT "
_BEARER = "Bearer "
_SENDABLE = re.compile(r"[\x21-\x7e]{1,8192}")


class TokenMissing(TokenRefused):
    """The request carries no token."""

    code = "token_missing"


class TwoTokens(TokenRefused):
    """The request carries two different tokens; which one to believe is not ours to guess."""

    code = "two_tokens"


class PersonNeeded(TokenRefused):
    """The token does not name a person."""

    code = "person_needed"


class RawTargetMissing(RuntimeError):
    """This server does not hand over the request target as it was sent; run gunicorn."""


class PathNotLiteral(TokenRefused):
    """The path is not spelled as the route is: the router and the hash could disagree about it."""

    code = "path_not_literal"


class SchemeUnknown(TokenRefused):
    """No gate of this route takes this authorization scheme."""

    code = "scheme_unknown"


class MetricsTokenWrong(TokenRefused):
    """The token is not that of this cell's metrics."""

    code = "metrics_token_wrong"


def open_to_all() -> None:
    """Anyone; said out loud."""


def signed_install() -> None:
    """RS256 with an install key: lifecycle events `installed` and `uninstalled`."""
    _refuse_odd_path()
    g.install_claims = services().admission.admit_signed_install(_signed_request(_one_token()), now=now())


def signed_request() -> None:
    """HS256 with the tenant's secret and a hash over this very target: pages, webhooks, hints."""
    _refuse_odd_path()
    g.caller = services().admission.admit_connect(_signed_request(_one_token()), mode="computed", now=now())


def context_token() -> None:
    """HS256 with `context-qsh`, of a person, in the header only: what our own pages call."""
    if not config().connect_enabled:
        raise SchemeUnknown
    if "jwt" in request.args:
        raise TwoTokens
    token = _header_token()
    if token is None:
        raise TokenMissing
    g.caller = services().admission.admit_connect(_signed_request(token), mode="context", now=now())
    if g.caller.kind is not CallerKind.PERSON:
        raise PersonNeeded


def forge_page() -> None:
    """A Forge invocation token of a person, from a module of ours: what our own pages call."""
    named = request.args.get("issueId") or (request.view_args or {}).get("id_or_key")
    g.caller = services().forge.admit_page(
        _bearer(),
        module_keys=_modules().pages,
        issue=named if named is not None and named.isdigit() else None,
        person_token=_secret_header("X-Forge-OAuth-User"),
        now=now(),
    )
    g.is_forge = True


def forge_events() -> None:
    """Forge itself, without a person: events."""
    _admit_system(_modules().events)


def forge_lifecycle() -> None:
    """Forge itself, without a person: lifecycle."""
    _admit_system(_modules().lifecycle, removal=_modules().removal)


def forge_cron() -> None:
    """Forge itself, without a person: the hourly trigger."""
    _admit_system(_modules().cron)


def metrics_token() -> None:
    """The bearer token of this cell's metrics; what is compared are hashes, so that no time tells how much is right."""
    given = hashlib.sha256(_bearer().encode(errors="replace")).digest()
    if not hmac.compare_digest(given, config().metrics_token_sha256 or b""):
        raise MetricsTokenWrong


def _admit_system(module_keys: frozenset[str], *, removal: frozenset[str] = frozenset()) -> None:
    g.caller, g.forge_invocation = services().forge.admit_system(
        _bearer(),
        module_keys=module_keys,
        removal=removal,
        system_token=_secret_header("X-Forge-OAuth-System"),
        now=now(),
    )
    g.is_forge = True


def _secret_header(name: str) -> Secret | None:
    """A token that Forge sends along; anybody can send a header, so it is used only once the invocation is proven."""
    value = request.headers.get(name, "")
    return Secret(value) if _SENDABLE.fullmatch(value) else None


def _modules() -> ForgeModules:
    modules = config().forge_modules
    if modules is None:
        raise SchemeUnknown
    return modules


def _bearer() -> str:
    header = request.headers.get("Authorization", "")
    if not header.startswith(_BEARER):
        raise TokenMissing
    return header.removeprefix(_BEARER)


def by_scheme(**gates: Gate) -> Gate:
    """The gate of the authorization scheme; decided before the token is looked at."""

    def admit() -> None:
        scheme = request.headers.get("Authorization", "").partition(" ")[0]
        if not scheme:
            raise TokenMissing
        gate = gates.get(scheme)
        if gate is None:
            raise SchemeUnknown
        gate()

    return admit


def raw_target() -> str:
    """The request target as it was sent: `PATH_INFO` is decoded, so a hash over it would be another hash."""
    target = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI")
    if not isinstance(target, str):
        raise RawTargetMissing(RawTargetMissing.__doc__)
    return target


def _signed_request(token: str) -> SignedRequest:
    return SignedRequest(method=request.method, raw_target=raw_target(), base_path=config().base_path, token=token)


def _header_token() -> str | None:
    header = request.headers.get("Authorization")
    if header is None:
        return None
    if not header.startswith(_SCHEME):
        raise TokenMissing
    return header.removeprefix(_SCHEME)


def _one_token() -> str:
    tokens = set(request.args.getlist("jwt"))
    header = _header_token()
    if header is not None:
        tokens.add(header)
    if not tokens:
        raise TokenMissing
    if len(tokens) > 1:
        raise TwoTokens
    return tokens.pop()


def _refuse_odd_path() -> None:
    """Signed routes are fixed ASCII, so any other spelling of one is an attempt to make two readers disagree."""
    path = raw_target().partition("?")[0]
    rule = request.url_rule
    # A proxy may have taken the base path off; the hash is over what comes after it either way.
    if rule is None or path not in {rule.rule, config().base_path + rule.rule}:
        raise PathNotLiteral
