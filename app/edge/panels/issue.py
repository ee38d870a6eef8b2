"""The issue panel: a page shell that is sent at once, and the fragment that follows when Jira has confirmed access."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from flask import Response, jsonify, render_template, stream_with_context

from app.domain.access.decisions import NotConfirmed
from app.domain.access.roles import Permission
from app.domain.clocks.model import Event, EventKind
from app.domain.identifiers import IssueId, TenantId
from app.domain.installations.model import Caller
from app.domain.ports import DatabaseUnavailable, JiraUnavailable
from app.domain.secrets import VaultCannotAnswer
from app.domain.sentences import recognised
from app.domain.tracking.model import IssueRecord, Tracking
from app.domain.tracking.queries import ClockReading, IssueClocks
from app.domain.tracking.rule import LACKS
from app.domain.tracking.severity import read_severity
from app.edge import parameters
from app.edge.caller import caller, config, is_forge, now, services
from app.edge.panels import wording
from app.edge.panels.history import history_of, is_decision, without_ids
from app.edge.panels.issue_facts import asked_for_more, explanations, tickets_of, versions_of
from app.edge.panels.sayings import said
from app.edge.panels.told import ASKED_OF, told_of
from app.edge.panels.view_models import ClockView, IssuePanel, PageShell, PolicyLine, SeverityLine, why_step
from app.edge.problems import contained, report, trace_id
from app.edge.shields import allow_frames
from app.edge.translation import gettext as _

_SLOT = "<!--fragment-->"
_STALE_AFTER = timedelta(minutes=2)
"""How long a newer read may wait before the panel says that it shows an earlier time."""


def page() -> Response:
    """`GET /connect/issue`: the shell goes out before Jira is asked, so that a slow Jira never shows a blank frame."""
    issue, key = parameters.issue_id(), parameters.issue_key()
    who, at = caller(), now()
    allow_frames(services().database.view_tenant(who.tenant).frame_ancestors())
    shell = PageShell(
        title=_("Security deadline of %(key)s", key=key),
        host_script_url=config().host_script_url,
        assets=config().assets,
    )
    before, _slot, after = render_template("page.html", shell=shell, fragment="slot.html").partition(_SLOT)

    def pieces() -> Iterator[str]:
        yield before
        yield contained(
            lambda: _html(_panel(who, issue, key, at=at)), lambda: _html(_unconfirmed(key, fragment_url(issue, key)))
        )
        yield after

    return Response(stream_with_context(pieces()), mimetype="text/html")


def fragment() -> Response:
    """`GET /fragments/issue`: the same panel, fresh. A refusal is a panel too, without a fact in it."""
    panel = _panel(caller(), parameters.issue_id(), parameters.issue_key(), at=now())
    return jsonify(html=_html(panel)) if is_forge() else Response(_html(panel), mimetype="text/html")


def _panel(who: Caller, issue: IssueId, key: str, *, at: datetime) -> IssuePanel:
    """What this person may see."""
    url = fragment_url(issue, key)
    try:
        if who.account is None:
            raise NotConfirmed
        question = (who.tenant, who.account, issue)
        services().access.require(Permission.VIEW_ISSUE_CLOCKS, question, now=at, person_token=who.person_token)
        view = services().views.view(who.tenant, issue, now=at)
        if view.record is None:
            services().following.ask_first_read(who.tenant, issue, now=at)
        shown = _with_told(_shown(view, who=who, key=key, url=url, at=at), who.tenant, issue)
    except NotConfirmed as refusal:
        report(refusal)
        return IssuePanel(standing="refused", issue_key=key, fragment_url=url)
    except (JiraUnavailable, DatabaseUnavailable, VaultCannotAnswer) as failure:
        report(failure)
        return _unconfirmed(key, url)
    return replace(shown, read_only=who.is_lapsed)


def fragment_url(issue: IssueId, key: str, *, of: str = "") -> str:
    """Where the panel of that issue is, or a part of it."""
    return f"{config().base_path}/fragments/issue{of}?{urlencode({'issueId': issue, 'issueKey': key})}"


def _unconfirmed(key: str, url: str) -> IssuePanel:
    return IssuePanel(standing="unconfirmed", issue_key=key, fragment_url=url, trace_id=trace_id())


def _shown(view: IssueClocks, *, who: Caller, key: str, url: str, at: datetime) -> IssuePanel:
    record = view.record
    if record is None:
        return IssuePanel(standing="unknown", issue_key=key, fragment_url=url)
    asked_at = record.read_asked_at
    policy = view.policy
    is_tracked = record.tracking is Tracking.TRACKED
    current, earlier = _by_urgency(view.clocks)
    clock_view = partial(_clock, facts=record.events, reader=who.account, at=at)
    return IssuePanel(
        standing="tracked" if is_tracked else "not_tracked",
        issue_key=record.key,
        fragment_url=url,
        severity=severity_line(record),
        clocks=tuple(map(clock_view, current)),
        earlier=tuple(map(clock_view, earlier)),
        history=history_of(record.events, reader=who.account) if is_tracked else (),
        missing=tuple(said(recognised(lack, LACKS)) for lack in record.missing),
        tickets=tickets_of(record.events) if is_tracked else (),
        versions=versions_of(record.fix_versions, is_open=_is_open(view.clocks)) if is_tracked else (),
        asked_at=asked_for_more(record.events) if is_tracked else None,
        policy=PolicyLine(name=policy.name, version=policy.version, sha256=policy.sha256),
        decide_url=fragment_url(record.issue, record.key, of="/decisions")
        if is_tracked and not who.is_lapsed
        else None,
        as_of=record.read_at,
        stale=asked_at is not None and at - asked_at > _STALE_AFTER,
        gone=record.hidden_since is not None,
    )


def _with_told(panel: IssuePanel, tenant: TenantId, issue: IssueId) -> IssuePanel:
    """Says of clocks that are at risk or overdue who was told; of others nothing is asked."""
    if not any(clock.state in ASKED_OF for clock in panel.clocks):
        return panel
    notices = services().views.notices_of(tenant, issue)
    clocks = (
        replace(clock, told=told_of(notices, clock.promise, cycle=clock.cycle, state=clock.state))
        if clock.state in ASKED_OF
        else clock
        for clock in panel.clocks
    )
    return replace(panel, clocks=tuple(clocks))


def _is_open(clocks: Iterable[ClockReading]) -> bool:
    return any(clock.bounds.stopped_at is None and clock.bounds.outcome is None for clock in clocks)


def _by_urgency(clocks: Iterable[ClockReading]) -> tuple[list[ClockReading], list[ClockReading]]:
    """The newest cycle of each promise, what still runs first and of it what is due first; and the cycles before."""
    current: dict[str, ClockReading] = {}
    earlier = []
    for clock in clocks:
        if current.setdefault(clock.rule.promise, clock) is not clock:
            earlier.append(clock)
    return sorted(current.values(), key=_urgency), earlier


def _urgency(clock: ClockReading) -> tuple[bool, bool, int]:
    left = clock.remaining_seconds
    return clock.bounds.stopped_at is not None, left is None, left or 0


def severity_line(record: IssueRecord) -> SeverityLine | None:
    """How severe the issue is and who says so: whoever said it last, in Jira or by a decision here."""
    reading = record.severity
    said = [fact for fact in sorted(record.events, key=Event.order) if fact.kind is EventKind.SEVERITY_SET]
    source = None if reading is None else reading.source
    level = None if reading is None else reading.level
    if said and is_decision(said[-1]):
        # whoever decided may have left the vector as evidence
        reading = read_severity(vector=said[-1].evidence, score=None, priority=None)
        source, level = "decision", said[-1].severity
    if level is None:
        return None
    vector = None if reading is None else reading.vector
    score = None if reading is None else reading.score
    return SeverityLine(
        level=level,
        cvss=None if score is None else float(score),
        version=vector.partition("/")[0].removeprefix("CVSS:") if vector else None,
        vector=vector,
        source=source,
    )


def _clock(clock: ClockReading, *, facts: Collection[Event], reader: str | None, at: datetime) -> ClockView:
    bounds = clock.bounds
    name = partial(without_ids, facts=facts, reader=reader)
    pauses = [fact for fact in sorted(facts, key=Event.order) if fact.kind is EventKind.PAUSED]
    pause = pauses[-1] if pauses and bounds.paused_since is not None else None
    who = bounds.cancelled_by if pause is None else pause.actor
    return ClockView(
        promise=clock.rule.promise,
        cycle=bounds.cycle,
        state=clock.state,
        started_at=bounds.started_at,
        due_at=bounds.due_at,
        due_date=bounds.due_date,
        due_before=bounds.due_before,
        remaining_seconds=clock.remaining_seconds,
        paused_seconds=bounds.paused_seconds,
        stopped_at=bounds.stopped_at,
        reason=wording.reason_words(bounds.cancelled_reason if pause is None else pause.reason),
        actor=name(who if who != "jira" else None),
        paused_since=bounds.paused_since,
        zone=clock.rule.terms[0].zone,
        explanation=name(explanations(facts).get(bounds.cycle)),
        why=tuple(
            why_step(step, name=name)
            for step in clock.why
            if step.at != at  # the step that is no fact but this very instant: the headline says it already
        ),
    )


def _html(panel: IssuePanel) -> str:
    return render_template("issue_panel.html", panel=panel)
