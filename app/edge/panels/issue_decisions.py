"""Where people decide about the clocks of an issue: forms, what one would do, and that it was recorded.

A form is tried before it is recorded, on the server and by the same rules: what would move is seen before it does.
"""

from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

from flask import Response, jsonify, render_template

from app.domain.access.roles import NotPermitted, Permission
from app.domain.clocks.model import State
from app.domain.clocks.state import remaining_seconds, state_of
from app.domain.identifiers import AccountId, ProjectId
from app.domain.installations.model import Caller
from app.domain.ports import JiraUnavailable
from app.domain.sentences import Sentence
from app.domain.tracking.decision import KINDS, Author, Decision, DecisionFault, DecisionMalformed, Via, read_decision
from app.domain.tracking.model import IssueRecord
from app.domain.tracking.possible import TRIAGE, Possible, possible, triage
from app.domain.tracking.recording import Moved, Recorded
from app.domain.tracking.severity import read_severity
from app.edge import parameters
from app.edge.caller import caller, is_forge, now, services
from app.edge.forms import read_form
from app.edge.panels import wording
from app.edge.panels.cvss_words import vector_of
from app.edge.panels.decision_forms import (
    ClockMove,
    DecisionForm,
    DecisionsView,
    Standing,
    field_names,
    form_of,
    kinds_of,
    moved_words,
    refusal_words,
)
from app.edge.panels.history import without_ids
from app.edge.panels.issue import fragment_url, severity_line
from app.edge.problems import NotFound, answer, report, trace_id

RECORD = "record"
"""As `step` of a form: not only tried."""


def forms() -> Response:
    """`GET /fragments/issue/decisions`: the forms of what this person may decide now, or who may."""
    who, record = _in_sight()
    try:
        return _answer(_forms(record, _possible(who, record)))
    except NotPermitted:  # whoever looks is told who may decide, which is no refusal
        return _answer(_without_forms(record, "not_permitted"))
    except JiraUnavailable as failure:
        report(failure)
        return _answer(_without_forms(record, "unconfirmed"))


def decided() -> Response:
    """`POST /fragments/issue/decisions`: what a form would do or, with `step=record`, that it was done.

    A refusal is a problem document, as everywhere, in which `html` is the form again with why it does not stand.
    """
    who, record = _in_sight()
    given = read_form()
    try:
        now_is = _possible(who, record)
    except NotPermitted as refusal:
        return _refusal(refusal, _without_forms(record, "not_permitted"))
    except JiraUnavailable as failure:
        return _refusal(failure, _without_forms(record, "unconfirmed"))
    try:
        decisions = _read(given, now_is)
        is_final = given.get("step") == RECORD
        recorded = _record(who, record, decisions, dry_run=not is_final)
    except DecisionFault as fault:
        words = without_ids(refusal_words(fault), record.events, reader=who.account) or ""
        return _refusal(fault, replace(_forms(record, now_is, given), refusal=words))
    moves = tuple(map(_move, recorded.moved))
    if is_final:
        return _answer(replace(_without_forms(record, "recorded"), moves=moves, score=_score(given)))
    form = _form(given["kind"], record, now_is).filled(given)
    return _answer(replace(_without_forms(record, "review"), forms=(form,), moves=moves, score=_score(given)))


def _in_sight() -> tuple[Caller, IssueRecord]:
    """The issue, if this person may see its clocks; raises `NotConfirmed`, `NotFound`, `JiraUnavailable`."""
    who, issue = caller(), parameters.issue_id()
    question = (who.tenant, AccountId(who.account or ""), issue)
    services().access.require(Permission.VIEW_ISSUE_CLOCKS, question, now=now(), person_token=who.person_token)
    _, record = services().database.view_issue(who.tenant, issue)
    if record is None:
        raise NotFound
    return who, record


def _possible(who: Caller, record: IssueRecord) -> Possible:
    """What can be decided, by somebody who may; raises `NotPermitted`, `JiraUnavailable`."""
    services().roles.require(Permission.RECORD_DECISION, who, project=ProjectId(record.project), now=now())
    policy = services().database.view_tenant(who.tenant).policy
    return possible(record, services().views.in_force(policy), now=now())


def _read(given: Mapping[str, str], now_is: Possible) -> tuple[Decision, ...]:
    """The decisions that a form says; raises `DecisionFault`."""
    kind = given.get("kind", "")
    if kind not in kinds_of({*KINDS, TRIAGE}):
        raise DecisionMalformed(Sentence("kind: there is no such form"))
    if kind == TRIAGE:
        vector = vector_of(given)
        if vector is None:
            raise DecisionMalformed(Sentence("every one of the eight metrics needs a value"))
        return triage(vector, given, now_is=now_is)
    named = {"id", *field_names(kind)}
    return (read_decision({"kind": kind} | {name: value for name, value in given.items() if name in named}),)


def _record(who: Caller, record: IssueRecord, decisions: tuple[Decision, ...], *, dry_run: bool) -> Recorded:
    author = Author(Via.FORM, who.account or "", "person")
    take = services().recording.record
    return take(who.tenant, record.issue, *decisions, author=author, now=now(), dry_run=dry_run)


def _forms(record: IssueRecord, now_is: Possible, given: Mapping[str, str] | None = None) -> DecisionsView:
    """The forms, the one that was sent as it was filled in."""
    sent: Mapping[str, str] = {} if given is None else given
    empty = [_form(kind, record, now_is) for kind in kinds_of(now_is.kinds | {sent.get("kind", "")})]
    made = tuple(form.filled(sent) if form.kind == sent.get("kind") else form for form in empty)
    return replace(_without_forms(record, "forms"), forms=made)


def _form(kind: str, record: IssueRecord, now_is: Possible) -> DecisionForm:
    line = severity_line(record)
    vector = None if line is None else line.vector
    return form_of(kind, now_is=now_is, decision_id=uuid4().hex, vector=vector)


def _without_forms(record: IssueRecord, standing: Standing) -> DecisionsView:
    return DecisionsView(
        standing=standing, url=fragment_url(record.issue, record.key, of="/decisions"), trace_id=trace_id()
    )


def _score(given: Mapping[str, str]) -> str | None:
    reading = read_severity(vector=vector_of(given), score=None, priority=None)
    if reading is None or reading.score is None or given.get("kind") != TRIAGE:
        return None
    return f"CVSS {reading.score:.1f}, {wording.severity_text(reading.level)}"


def _move(moved: Moved) -> ClockMove:
    state = State.AWAITING_TRIAGE if moved.after is None else state_of(moved.after, now=now())
    left = None if moved.after is None else remaining_seconds(moved.after, now=now())
    return ClockMove(
        title=wording.title_of(moved.promise),
        lozenge=wording.STATE_LOZENGES[state],
        due_text=wording.due_text(state, left),
        before=moved_words(moved.before),
        after=moved_words(moved.after),
    )


def _answer(view: DecisionsView) -> Response:
    html = render_template("issue_decisions.html", view=view)
    return jsonify(html=html) if is_forge() else Response(html, mimetype="text/html")


def _refusal(error: Exception, view: DecisionsView) -> Response:
    """The problem document, with what our page shows in place of the forms."""
    response = answer(error, html=render_template("issue_decisions.html", view=view))
    if is_forge():
        # through Forge a document of another type does not arrive: its browser is told of a broken answer instead
        response.mimetype = "application/json"
    return response
