"""How this site's issues are followed: shown to and changed by its administrators."""

from flask import Response, jsonify

from app.domain.access.roles import Permission
from app.edge.bodies import chosen_configuration
from app.edge.caller import caller, now, services
from app.edge.shields import SETTINGS_BODY_BYTES, read_body

ACTOR = "jira-admin"


def shown() -> Response:
    """`GET /api/v1/settings/following`: what is in force, what has no meaning yet, how far the runs are."""
    services().roles.require(Permission.VIEW_SETTINGS, caller(), now=now())
    return jsonify(services().following_settings.view(caller().tenant).to_json())


def changed() -> Response:
    """`PUT /api/v1/settings/following` of `{"version": 3, "configuration": {…}}`: 409 where 3 is no longer in force."""
    services().roles.require(Permission.CHANGE_SETTINGS, caller(), now=now())
    version, document = chosen_configuration(read_body(SETTINGS_BODY_BYTES))
    services().following_settings.change(
        caller().tenant, document, version=version, actor=ACTOR, now=now(), by=caller().account
    )
    return jsonify(services().following_settings.view(caller().tenant).to_json())
