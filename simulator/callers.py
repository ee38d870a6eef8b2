"""Who calls a site's REST API: a Connect app by its own signature, a Forge app by a token it was given."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request

from simulator.forge import Forge
from simulator.people import Person
from simulator.signing import TokenRefused, check_app_token
from simulator.site import Site


def connect_caller(site: Site) -> Person:
    """Return the app's own user for a request that the installed Connect app has signed.

    Raises:
        TokenRefused: it has not.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    accepted = [one for one in (site.installation, site.offered) if one and one.active]
    if scheme != "JWT" or not accepted:
        raise TokenRefused("no app token, or no app installed")
    check_app_token(
        token,
        app_key=accepted[0].descriptor.key,
        secrets=tuple(one.secret for one in accepted),
        method=request.method,
        target=request.environ["RAW_URI"],
    )
    return site.app_user


def forge_caller(forge: Forge) -> Person:
    """Return whom the bearer of a Forge OAuth token acts as.

    Raises:
        TokenRefused: no such token, or it is of no use any more.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise TokenRefused("no bearer token")
    return forge.tokens.holder(token, forge.installation)


def any_forge_app(forges: Mapping[str, Forge]) -> Person:
    """Return the user of the app on whichever site its own token was given for.

    Raises:
        TokenRefused: no such token, or a person's.
    """
    for forge in forges.values():
        try:
            holder = forge_caller(forge)
        except TokenRefused:
            continue
        if holder == forge.site.app_user:
            return holder
    raise TokenRefused("no app's own token")
