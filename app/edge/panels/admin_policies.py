"""The policies at hand, compared with the one in force; what choosing one would do is seen before it is done."""

from dataclasses import dataclass

from flask import Response, request

from app.domain.access.roles import Permission
from app.domain.clocks.wording import bound_text
from app.domain.identifiers import AccountId
from app.domain.promises.preview import Move
from app.domain.tracking.choosing import Impact, issue_of
from app.domain.tracking.settings import VersionConflict
from app.edge import following
from app.edge.caller import caller, now, services
from app.edge.panels import admin_frame, shell, wording
from app.edge.panels.admin_frame import Form, Notice
from app.edge.panels.wording import Lozenge
from app.edge.parameters import Malformed, single

SECTION = "policies"


@dataclass(frozen=True, kw_only=True)
class MoveRow:
    """One clock that would move."""

    key: str
    url: str
    title: str
    before: str
    after: str
    lozenge: Lozenge | None
    """The state that it would be in."""


@dataclass(frozen=True, kw_only=True)
class ImpactView:
    """What choosing a policy would do, in the words of `admin_policies.html`."""

    impact: Impact
    rows: tuple[MoveRow, ...]
    """Of issues that the reader may see."""
    send_url: str
    before: str


def shown() -> str:
    """The section; with `policy` of the query that one is compared."""
    services().roles.require(Permission.VIEW_SETTINGS, caller(), now=now())
    name = single("policy") if "policy" in request.args else None
    if name is not None and name not in services().policies.names:
        raise Malformed
    return _rendered(name)


def changed(given: Form) -> Response:
    """By somebody who may change settings: `step` says to `preview` the policy that is named, or to `choose` it."""
    step, name = given.get("step"), given.get("policy", "")
    if step not in ("preview", "choose") or name not in services().policies.names:
        raise Malformed
    if step == "preview":
        return admin_frame.sent(_rendered(name, impact=_impact(name)))
    try:
        services().policies.choose(
            caller().tenant,
            name,
            before=given.get("before", ""),
            actor=following.ACTOR,
            now=now(),
            by=caller().account,
        )
    except VersionConflict as conflict:
        notice = admin_frame.refused(
            conflict, "Another policy is in force by now; nothing was changed", "Look at the impact again."
        )
        return admin_frame.not_sent(conflict, _rendered(name, notice=notice))
    title = services().policies.in_force(name).policy.title
    done = Notice(
        title=f"{title} is in force",
        appearance="success",
        lines=("Lists, the calendar and Jira follow as the dates are made anew; an issue's own page does at once.",),
    )
    return admin_frame.sent(_rendered(None, notice=done))


def _rendered(name: str | None, *, impact: ImpactView | None = None, notice: Notice | None = None) -> str:
    choices, tenant = services().policies, caller().tenant
    current = services().promises.of(tenant).policy
    compared = None if name in {None, current.name} else choices.in_force(str(name)).policy
    return admin_frame.rendered(
        SECTION,
        notice=notice,
        is_kept=impact is not None,
        here=admin_frame.url(SECTION) if compared is None else admin_frame.url(SECTION, policy=compared.name),
        policies=tuple((each, admin_frame.url(SECTION, policy=each.name)) for each in choices.policies()),
        current=current,
        remaking=choices.remaking(tenant),
        compared=compared,
        differences=() if compared is None else choices.differences(tenant, compared.name),
        impact=impact,
        progress_url=admin_frame.url(SECTION),
        send_url=admin_frame.url(SECTION),
    )


def _impact(name: str) -> ImpactView:
    who = caller()
    impact = services().policies.impact(who.tenant, name, now=now())
    moved = [(issue_of(move.subject), move) for move in impact.found.moves]
    issues = {issue for (issue, _), _ in moved}
    reader = (who.tenant, AccountId(who.account or ""))
    may = Permission.VIEW_ISSUE_CLOCKS
    visible = services().access.visible(may, reader, issues, now=now(), person_token=who.person_token)
    return ImpactView(
        impact=impact,
        rows=tuple(_row(key, move) for (issue, key), move in moved if issue in visible),
        send_url=admin_frame.url(SECTION),
        before=services().promises.of(who.tenant).policy.sha256,
    )


def _row(key: str, move: Move) -> MoveRow:
    before, after = ("no clock" if each is None else bound_text(each) for each in (move.before, move.after))
    return MoveRow(
        key=key,
        url=f"{shell.site_url()}/browse/{key}",
        title=wording.title_of(move.promise),
        before=before,
        after=after,
        lozenge=None if move.state_after is None else wording.STATE_LOZENGES[move.state_after],
    )
