"""This site's own numbers for the clocks of its issues: written, tried on what is there, and only then in force."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flask import Response

from app.domain.access.roles import Permission
from app.domain.clocks.model import Severity
from app.domain.promises.model import OwnPolicy
from app.domain.promises.numbers import Number, NumbersRefused
from app.domain.tracking.own_numbers import Numbers
from app.domain.tracking.settings import VersionConflict
from app.edge import following
from app.edge.caller import caller, now, services
from app.edge.panels import admin_frame, wording
from app.edge.panels.admin_frame import Form, Notice
from app.edge.panels.admin_impact import ImpactView, impact_view
from app.edge.panels.sayings import said
from app.edge.parameters import Malformed
from app.edge.translation import gettext as _
from app.edge.translation import mark

SECTION = "numbers"
_LABELS = MappingProxyType(
    {
        "duration": mark("Time given"),
        "at_risk_percent": mark("At risk after so many percent of the time"),
        "at_risk_hours": mark("At risk so many hours before the end"),
        "triage_days": mark("Days within which a finding of a bug bounty is triaged"),
        "alert_days_after_breach": mark("Days for which a breach is told again"),
    }
    | {level.value: wording.severity_lozenge(level).text for level in Severity}
)

_UNITS = (
    mark("seconds"),
    mark("minutes"),
    mark("hours"),
    mark("days"),
    mark("weeks"),
    mark("business days"),
    mark("months"),
)
"""In which a duration is given; what the form sends is the English word."""


@dataclass(frozen=True, kw_only=True)
class NumberField:
    """One number as it stands in the form."""

    name: str
    label: str
    amount: str
    unit: str | None
    units: tuple[str, ...]
    at_hand: str
    """As the policy at hand has it, in words."""
    is_own: bool
    fault: str | None


@dataclass(frozen=True, kw_only=True)
class PromiseForm:
    """The numbers of one promise."""

    promise: str
    title: str
    clause: str
    text: str
    base: str
    durations: tuple[NumberField, ...]
    thresholds: tuple[NumberField, ...]

    @property
    def fields(self) -> tuple[NumberField, ...]:
        """All of them."""
        return self.durations + self.thresholds


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What the numbers of one promise would do. `seen`: hash of the policy that was looked at."""

    promise: str
    view: ImpactView
    seen: str


def shown() -> str:
    """The section as it stands."""
    services().roles.require(Permission.VIEW_SETTINGS, caller(), now=now())
    return _rendered()


def changed(given: Form) -> Response:
    """By somebody who may change settings: to `try` numbers, to `save` what was tried, to go `back` to none."""
    steps = {"try": _try, "save": _save}
    step, promises = given.get("step"), services().numbers.promises(caller().tenant)
    if step == "back":
        return _back(given)
    if step not in steps or given.get("promise") not in [each.promise for each in promises]:
        raise Malformed
    try:
        return steps[step](given)
    except NumbersRefused as refusal:
        lines = tuple(said(fault.reason) for fault in refusal.faults if fault.name is None)
        notice = admin_frame.refused(refusal, _("These numbers cannot be in force"), *lines or (_(_MARKED),))
        return admin_frame.not_sent(refusal, _rendered(given=given, refusal=refusal, notice=notice))


_MARKED = mark("What is wrong with them stands below, at each.")


def _try(given: Form) -> Response:
    return admin_frame.sent(_tried(given))


def _tried(given: Form, *, notice: Notice | None = None) -> str:
    tenant, promise = caller().tenant, given["promise"]
    candidate = services().numbers.candidate(tenant, promise, given, now=now())
    impact = services().numbers.impact(tenant, candidate, now=now())
    trial = Trial(promise=promise, view=impact_view(impact), seen=impact.policy.sha256)
    return _rendered(given=given, trial=trial, notice=notice)


def _save(given: Form) -> Response:
    try:
        saved = services().numbers.save(
            caller().tenant,
            given["promise"],
            given,
            seen=given.get("seen", ""),
            before=given.get("before", ""),
            actor=following.ACTOR,
            now=now(),
            by=caller().account,
        )
    except VersionConflict as conflict:
        line = _(
            "Either the numbers or the policy in force are others than when you looked: this is what they would do now."
        )
        notice = admin_frame.refused(conflict, _("Nothing was saved"), line)
        return admin_frame.not_sent(conflict, _tried(given, notice=notice))
    title = _("These numbers are in force") if saved else _("The policy is in force as it is at hand")
    version = saved.force.policy.version if saved else None
    kept = (_("They are version %(version)s, which is kept as it is.", version=version),) if saved else ()
    follows = _("Lists, the calendar and Jira follow as the dates are made anew; an issue's own page does at once.")
    return admin_frame.sent(_rendered(notice=Notice(title=title, appearance="success", lines=(*kept, follows))))


def _back(given: Form) -> Response:
    tenant = caller().tenant
    policy = services().database.view_tenant(tenant).policy
    if not isinstance(policy, OwnPolicy):
        raise Malformed
    try:
        before = given.get("before", "")
        services().policies.choose(
            tenant, policy.base, before=before, actor=following.ACTOR, now=now(), by=caller().account
        )
    except VersionConflict as conflict:
        notice = admin_frame.refused(
            conflict, _("Another policy is in force by now; nothing was changed"), _("Look again.")
        )
        return admin_frame.not_sent(conflict, _rendered(notice=notice))
    lines = (_("The version with this site's numbers is kept, and can be put in force again under Policies."),)
    title = _("The policy is in force as it is at hand")
    return admin_frame.sent(_rendered(notice=Notice(title=title, appearance="success", lines=lines)))


def _rendered(
    *,
    given: Mapping[str, str] | None = None,
    refusal: NumbersRefused | None = None,
    trial: Trial | None = None,
    notice: Notice | None = None,
) -> str:
    tenant, numbers = caller().tenant, services().numbers
    filled = given or {}
    return admin_frame.rendered(
        SECTION,
        notice=notice,
        is_kept=True,
        forms=tuple(
            _form(each, filled if each.promise == filled.get("promise") else {}, refusal)
            for each in numbers.promises(tenant)
        ),
        unit_words={unit: _(unit) for unit in _UNITS},
        current=services().policies.current(tenant),
        is_behind=numbers.is_behind(tenant),
        trial=trial,
        policies_url=admin_frame.url("policies"),
        here_url=admin_frame.url(SECTION),
        send_url=admin_frame.url(SECTION),
    )


def _form(numbers: Numbers, given: Mapping[str, str], refusal: NumbersRefused | None) -> PromiseForm:
    faults = () if refusal is None or not given else refusal.faults
    reasons = {fault.name: said(fault.reason) for fault in reversed(faults)}
    fields = tuple(
        _field(number, numbers.at_hand[number.name], given=given, fault=reasons.get(number.name))
        for number in numbers.in_force
    )
    return PromiseForm(
        promise=numbers.promise,
        title=wording.title_of(numbers.promise),
        clause=numbers.clause,
        text=numbers.text,
        base=numbers.base,
        durations=tuple(each for each in fields if each.units),
        thresholds=tuple(each for each in fields if not each.units),
    )


def _field(number: Number, at_hand: Number, *, given: Mapping[str, str], fault: str | None) -> NumberField:
    unit = given.get(f"{number.name}_unit") if given else number.unit
    return NumberField(
        name=number.name,
        label=_(_LABELS[number.about]),
        amount=given.get(number.name, "")[:20] if given else number.amount,
        unit=unit if unit in number.units else number.unit,
        units=number.units,
        at_hand=_value(at_hand),
        is_own=number.value != at_hand.value,
        fault=fault,
    )


def _value(number: Number) -> str:
    unit = number.unit
    return number.value if unit is None else number.value.replace(unit, _(unit))
