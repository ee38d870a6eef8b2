"""The policies at hand, and this site's own, compared; what choosing one would do is seen before it is done."""

from dataclasses import replace

from flask import Response, request

from app.domain.access.roles import Permission
from app.domain.tracking.choosing import AtHand, differences
from app.domain.tracking.settings import VersionConflict
from app.edge import following
from app.edge.caller import caller, now, services
from app.edge.panels import admin_frame
from app.edge.panels.admin_frame import Form, Notice
from app.edge.panels.admin_impact import ImpactView, impact_view
from app.edge.panels.sayings import said
from app.edge.parameters import Malformed, single
from app.edge.translation import gettext as _

SECTION = "policies"
_OWN_SHOWN = 10


def shown() -> str:
    """The section; `policy` of the query is compared with the one in force, or with `with` of the query."""
    services().roles.require(Permission.VIEW_SETTINGS, caller(), now=now())
    compared, other = (_found(single(name)) if name in request.args else None for name in ("policy", "with"))
    return _rendered(compared, other=other)


def changed(given: Form) -> Response:
    """By somebody who may change settings: `step` says to `preview` the policy that is named, or to `choose` it."""
    step, chosen = given.get("step"), _found(given.get("policy", ""))
    if step not in ("preview", "choose"):
        raise Malformed
    if step == "preview":
        force = services().policies.in_force(chosen.key if chosen.stored is None else chosen.stored.ref)
        impact = services().policies.impact(caller().tenant, force, now=now())
        return admin_frame.sent(_rendered(chosen, impact=impact_view(impact)))
    try:
        services().policies.choose(
            caller().tenant,
            chosen.key,
            before=given.get("before", ""),
            actor=following.ACTOR,
            now=now(),
            by=caller().account,
        )
    except VersionConflict as conflict:
        notice = admin_frame.refused(
            conflict, _("Another policy is in force by now; nothing was changed"), _("Look at the impact again.")
        )
        return admin_frame.not_sent(conflict, _rendered(chosen, notice=notice))
    done = Notice(
        title=_("%(policy)s is in force", policy=chosen.policy.title),
        appearance="success",
        lines=(_("Lists, the calendar and Jira follow as the dates are made anew; an issue's own page does at once."),),
    )
    return admin_frame.sent(_rendered(None, notice=done))


def _found(key: str) -> AtHand:
    try:
        return services().policies.find(caller().tenant, key)
    except LookupError as nowhere:
        raise Malformed from nowhere


def _rendered(
    compared: AtHand | None,
    *,
    other: AtHand | None = None,
    impact: ImpactView | None = None,
    notice: Notice | None = None,
) -> str:
    choices, tenant = services().policies, caller().tenant
    current = choices.current(tenant)
    at_hand = choices.at_hand(tenant, most_own=_OWN_SHOWN)
    beside = other or current
    if compared is not None and compared.key == beside.key:
        compared = None
    query = {} if compared is None else {"policy": compared.key, "with": None if other is None else other.key}
    return admin_frame.rendered(
        SECTION,
        notice=notice,
        is_kept=impact is not None,
        here=admin_frame.url(SECTION, **query),
        policies=tuple((each, admin_frame.url(SECTION, policy=each.key)) for each in at_hand),
        current=current,
        remaking=choices.remaking(tenant),
        compared=compared,
        beside=beside,
        besides=()
        if compared is None
        else tuple(
            (each, admin_frame.url(SECTION, policy=compared.key, **{"with": each.key}))
            for each in at_hand
            if each.key not in (compared.key, beside.key)
        ),
        differences=()
        if compared is None
        else tuple(
            replace(row, before=said(row.before or ""), after=said(row.after or ""))
            for row in differences(beside.policy, compared.policy)
        ),
        impact=impact,
        progress_url=admin_frame.url(SECTION),
        send_url=admin_frame.url(SECTION),
    )
