"""How this site's issues are followed: how far the runs are, what has no meaning yet, and the mapping as a form.

A form can be tried on an issue before it is put in force, by the same service as `PUT /api/v1/settings/following`.
"""

from dataclasses import dataclass, replace
from typing import Any

from flask import Response

from app.domain.access.decisions import NotConfirmed
from app.domain.access.roles import Permission
from app.domain.clocks.model import Severity
from app.domain.clocks.wording import bound_text
from app.domain.identifiers import AccountId, IssueId
from app.domain.ports import IssueHidden
from app.domain.sentences import Sentence, recognised
from app.domain.tracking.configuration import ConfigurationRefused, Finding, FollowingConfiguration
from app.domain.tracking.model import IssueRecord, SeverityReading
from app.domain.tracking.rule import LACKS
from app.domain.tracking.runs import Cause, Phase, Run, RunKind
from app.domain.tracking.settings import FollowingView, VersionConflict
from app.domain.tracking.trying import FollowingTrials, Trial, TriedClock
from app.edge import following
from app.edge.caller import caller, now, services
from app.edge.panels import admin_frame, shell, wording
from app.edge.panels.admin_frame import Form, Notice
from app.edge.panels.sayings import field_words, said
from app.edge.panels.wording import Lozenge
from app.edge.parameters import Malformed
from app.edge.translation import gettext as _
from app.edge.translation import mark

SECTION = "following"
OWN = "own"
_LOOKED_AT = 20
"""A mapping of this site's own, where `standard` is the one that every site begins with."""
_TITLES = {RunKind.IMPORT: mark("Reading everything"), RunKind.RECONCILIATION: mark("Hourly comparison")}
_CAUSES = {
    Cause.INSTALLED: mark("because the app was installed"),
    Cause.RETURNED: mark("because the app came back"),
    Cause.SETTINGS: mark("because these settings were changed"),
    Cause.ASKED: mark("because it was asked for"),
    Cause.HOURLY: mark("as every hour"),
}
_PHASES = {
    Phase.WAITING: Lozenge(mark("Waiting"), "neutral", "pause"),
    Phase.SEARCHING: Lozenge(mark("Reading what Jira finds"), "information", "clock"),
    Phase.CONFIRMING: Lozenge(mark("Looking at what was known"), "information", "clock"),
    Phase.DONE: Lozenge(mark("Done"), "success", "tick"),
    Phase.FAILED: Lozenge(mark("Failed"), "danger", "alarm"),
}

_REFUSED_BY_JIRA = Sentence("jql: Jira says: %(text)s")
_KINDS = {"status": mark("status"), "resolution": mark("resolution"), "priority": mark("priority")}
"""Of values without a meaning."""


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """One run in words."""

    title: str
    lozenge: Lozenge
    cause: str
    counted: str
    problem: str | None
    run: Run


@dataclass(frozen=True, kw_only=True)
class FollowingForm:
    """The fields as they stand in the form; a mapping is a text of one `name = meaning` for each line."""

    version: str
    jql: str = ""
    reported_field: str = ""
    vector_field: str = ""
    score_field: str = ""
    priorities_are: str = "standard"
    priorities: str = ""
    pausing: str = ""
    fixed_are: str = "standard"
    fixed_resolutions: str = ""
    other_are: str = "standard"
    other_resolutions: str = ""
    example: str = ""

    def document(self) -> dict[str, Any]:
        """The configuration that it says; raises `ConfigurationRefused` for a line that is no pair."""
        return {
            "jql": self.jql or None,
            "reported_field": self.reported_field or None,
            "vector_field": self.vector_field or None,
            "score_field": self.score_field or None,
            "priorities": _pairs("priorities", self.priorities) if self.priorities_are == OWN else None,
            "pausing": _pairs("pausing", self.pausing),
            "fixed_resolutions": _lines(self.fixed_resolutions) if self.fixed_are == OWN else None,
            "other_resolutions": _lines(self.other_resolutions) if self.other_are == OWN else None,
        }


def shown() -> str:
    """The section as it stands."""
    services().roles.require(Permission.VIEW_SETTINGS, caller(), now=now())
    view = services().following_settings.view(caller().tenant)
    example = _example()
    form = replace(_form_of(view.configuration), example="" if example is None else example.key)
    return _rendered(view, form, example=example)


def changed(given: Form) -> Response:
    """By somebody who may change settings: what `step` of the form says: `try` it on the example, or `save` it."""
    step, form = given.get("step"), _filled(given)
    if step not in ("try", "save") or not form.version.isascii() or not form.version.isdecimal():
        raise Malformed
    try:
        if step == "try":
            return admin_frame.sent(_rendered(_view(), form, trial=_trial(form)))
        services().following_settings.change(
            caller().tenant,
            form.document(),
            version=int(form.version[:9]),
            actor=following.ACTOR,
            now=now(),
            by=caller().account,
        )
    except VersionConflict as conflict:
        advice = _(
            "What is below is what you have written, not what is in force. Load the newest, then change it again."
        )
        title = _("Somebody else has changed this meanwhile; nothing was saved")
        notice = admin_frame.refused(conflict, title, advice)
        return admin_frame.not_sent(conflict, _rendered(_view(), form, notice=notice, is_outdated=True))
    except ConfigurationRefused as refusal:
        why = (f"{field_words(each.where)}: {said(each.reason)}" for each in refusal.findings)
        notice = admin_frame.refused(refusal, _("This cannot be in force; nothing was saved"), *why)
        return admin_frame.not_sent(refusal, _rendered(_view(), form, notice=notice))
    view = _view()
    lines = (_("Every issue is read again under it, from now on."),)
    saved = Notice(title=_("Saved"), appearance="success", lines=lines)
    return admin_frame.sent(_rendered(view, _form_of(view.configuration), notice=saved))


def _view() -> FollowingView:
    return services().following_settings.view(caller().tenant)


def _trial(form: FollowingForm) -> Trial:
    """Of an issue that its reader may see; which others there are is not told."""
    key = form.example.strip().upper()
    record = services().database.view_issue(caller().tenant, key)[1]
    absent = Sentence("there is no issue %(key)r here that you may see", key=key)
    nothing = ConfigurationRefused((Finding("example", absent),))
    if record is None:
        raise nothing
    question = (caller().tenant, AccountId(caller().account or ""), IssueId(record.issue))
    trials = FollowingTrials(services().following_settings)
    try:
        services().access.require(Permission.VIEW_ISSUE_CLOCKS, question, now=now(), person_token=caller().person_token)
        return trials.try_on(caller().tenant, form.document(), issue=record.issue, now=now())
    except (NotConfirmed, IssueHidden) as hidden:
        raise nothing from hidden


def _example() -> IssueRecord | None:
    """The first issue that is followed and that the reader may see, as it was last read."""
    who = caller()
    with services().database.begin(who.tenant) as uow:
        known = tuple(uow.issues.each_tracked(limit=_LOOKED_AT))
    reader = (who.tenant, AccountId(who.account or ""))
    issues = [record.issue for record in known]
    may = Permission.VIEW_ISSUE_CLOCKS
    visible = services().access.visible(may, reader, issues, now=now(), person_token=who.person_token)
    return next((record for record in known if record.issue in visible), None)


def _rendered(
    view: FollowingView,
    form: FollowingForm,
    *,
    example: IssueRecord | None = None,
    notice: Notice | None = None,
    trial: Trial | None = None,
    is_outdated: bool = False,
) -> str:
    runs = run_lines(view)
    return admin_frame.rendered(
        SECTION,
        notice=notice,
        is_kept=True,
        runs=runs,
        is_under_way=any(line.run.is_unfinished for line in runs),
        tracked=view.tracked,
        unmapped=view.unmapped,
        kinds={kind: _(text) for kind, text in _KINDS.items()},
        form=form,
        levels=tuple(level.value for level in Severity),
        trial=trial,
        trial_severity=None if trial is None else _severity_words(trial.severity, trial.missing),
        example=None if example is None else (example, _severity_words(example.severity, example.missing)),
        trial_clocks=() if trial is None else tuple(map(_clock_words, trial.clocks)),
        is_outdated=is_outdated,
        site_url=shell.site_url(),
        send_url=admin_frame.url(SECTION),
    )


def _severity_words(severity: SeverityReading | None, missing: tuple[str, ...]) -> tuple[Lozenge, str]:
    if severity is None:
        return wording.severity_lozenge(None), "; ".join(said(recognised(lack, LACKS)) for lack in missing)
    by = _("by its priority") if severity.source == "priority" else _("by its CVSS field")
    return wording.severity_lozenge(severity.level), by


def _clock_words(clock: TriedClock) -> tuple[str, str, str]:
    before, after = (_("no clock") if each is None else said(bound_text(each)) for each in (clock.before, clock.after))
    return wording.title_of(clock.promise), before, after


def run_lines(view: FollowingView) -> tuple[RunLine, ...]:
    """The last run of each kind, in words."""
    return tuple(_run_line(run) for run in view.runs.values() if run is not None)


def _run_line(run: Run) -> RunLine:
    counts = run.counts
    parts = (
        (_("read for the first time"), counts.created),
        (_("changed"), counts.updated),
        (_("unchanged"), counts.unchanged),
        (_("gone from Jira"), counts.gone),
        (_("skipped"), sum(counts.skipped.values())),
    )
    counted = ", ".join(f"{number} {what}" for what, number in parts if number)
    return RunLine(
        title=_(_TITLES[run.kind]),
        lozenge=_PHASES[run.phase],
        cause=_(_CAUSES[run.cause]),
        counted=counted,
        problem=None if run.problem is None else said(recognised(run.problem, (_REFUSED_BY_JIRA,))),
        run=run,
    )


def _form_of(configuration: FollowingConfiguration) -> FollowingForm:
    said = configuration.to_json()

    def pairs(name: str) -> str:
        return "\n".join(f"{key} = {value}" for key, value in (said[name] or {}).items())

    def names(name: str) -> str:
        return "\n".join(said[name] or ())

    def whose(name: str) -> str:
        return "standard" if said[name] is None else OWN

    return FollowingForm(
        version=str(configuration.version),
        jql=said["jql"] or "",
        reported_field=said["reported_field"] or "",
        vector_field=said["vector_field"] or "",
        score_field=said["score_field"] or "",
        priorities_are=whose("priorities"),
        priorities=pairs("priorities"),
        pausing=pairs("pausing"),
        fixed_are=whose("fixed_resolutions"),
        fixed_resolutions=names("fixed_resolutions"),
        other_are=whose("other_resolutions"),
        other_resolutions=names("other_resolutions"),
    )


def _filled(given: Form) -> FollowingForm:
    named = FollowingForm.__dataclass_fields__.keys()
    return FollowingForm(**{"version": ""} | {name: value for name, value in given.items() if name in named})


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _pairs(where: str, text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _lines(text):
        name, meaning = (part.strip() for part in line.rpartition("=")[::2])
        if not name or not meaning or name.lower() in map(str.lower, found):
            fault = Sentence("%(line)r is not “name = meaning”, or stands twice", line=line[:80])
            raise ConfigurationRefused((Finding(where, fault),))
        found[name] = meaning
    return found
