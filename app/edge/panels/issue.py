"""The issue panel: a page shell that is sent at once, and the fragment that follows when Jira has confirmed access."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from flask import Response, jsonify, render_template, stream_with_context

from app.domain.access.decisions import NotConfirmed
from app.domain.access.roles import Permission
from app.domain.identifiers import IssueId
from app.domain.installations.model import Caller
from app.domain.ports import DatabaseUnavailable, JiraUnavailable
from app.domain.secrets import VaultCannotAnswer
from app.domain.tracking.model import SeverityReading, Tracking
from app.domain.tracking.queries import ClockReading, IssueClocks
from app.edge import parameters
from app.edge.caller import caller, config, is_forge, now, services
from app.edge.panels.view_models import ClockView, IssuePanel, PageShell, PolicyLine, SeverityLine, WhyStep
from app.edge.problems import contained, report, trace_id
from app.edge.shields import allow_frames

_SLOT = "<!--fragment-->"
_STALE_AFTER = timedelta(minutes=2)
"""How long a newer read may wait before the panel says that it shows an earlier time."""


def page() -> Response:
    """`GET /connect/issue`: the shell goes out before Jira is asked, so that a slow Jira never shows a blank frame."""
    issue, key = parameters.issue_id(), parameters.issue_key()
    who, at = caller(), now()
    allow_frames(services().database.view_tenant(who.tenant).frame_ancestors())
    shell = PageShell(
        title=f"Security deadline of {key}",
        host_script_url=config().host_script_url,
        assets=config().assets,
    )
    before, _, after = render_template("page.html", shell=shell, fragment="slot.html").partition(_SLOT)

    def pieces() -> Iterator[str]:
        yield before
        yield contained(
            lambda: _html(_panel(who, issue, key, at=at)), lambda: _html(_unconfirmed(key, _fragment_url(issue, key)))
        )
        yield after

    return Response(stream_with_context(pieces()), mimetype="text/html")


def fragment() -> Response:
    """`GET /fragments/issue`: the same panel, fresh. A refusal is a panel too, without a fact in it."""
    panel = _panel(caller(), parameters.issue_id(), parameters.issue_key(), at=now())
    return jsonify(html=_html(panel)) if is_forge() else Response(_html(panel), mimetype="text/html")


def _panel(who: Caller, issue: IssueId, key: str, *, at: datetime) -> IssuePanel:
    """What this person may see."""
    url = _fragment_url(issue, key)
    try:
        if who.account is None:
            raise NotConfirmed
        question = (who.tenant, who.account, issue)
        services().access.require(Permission.VIEW_ISSUE_CLOCKS, question, now=at, person_token=who.person_token)
        view = services().views.view(who.tenant, issue, now=at)
        if view.record is None:
            services().following.ask_first_read(who.tenant, issue, now=at)
    except NotConfirmed as refusal:
        report(refusal)
        return IssuePanel(standing="refused", issue_key=key, fragment_url=url)
    except (JiraUnavailable, DatabaseUnavailable, VaultCannotAnswer) as failure:
        report(failure)
        return _unconfirmed(key, url)
    return replace(_shown(view, key=key, url=url, at=at), read_only=who.is_lapsed)


def _fragment_url(issue: IssueId, key: str) -> str:
    return f"{config().base_path}/fragments/issue?{urlencode({'issueId': issue, 'issueKey': key})}"


def _unconfirmed(key: str, url: str) -> IssuePanel:
    return IssuePanel(standing="unconfirmed", issue_key=key, fragment_url=url, trace_id=trace_id())


def _shown(view: IssueClocks, *, key: str, url: str, at: datetime) -> IssuePanel:
    record = view.record
    if record is None:
        return IssuePanel(standing="unknown", issue_key=key, fragment_url=url)
    asked_at = record.read_asked_at
    policy = view.policy
    return IssuePanel(
        standing="tracked" if record.tracking is Tracking.TRACKED else "not_tracked",
        issue_key=record.key,
        fragment_url=url,
        severity=_severity(record.severity),
        clocks=tuple(_clock(clock, at=at) for clock in view.clocks),
        policy=PolicyLine(name=policy.name, version=policy.version, sha256=policy.sha256),
        as_of=record.read_at,
        stale=asked_at is not None and at - asked_at > _STALE_AFTER,
        gone=record.hidden_since is not None,
    )


def _severity(severity: SeverityReading | None) -> SeverityLine | None:
    if severity is None:
        return None
    version = severity.vector.partition("/")[0].removeprefix("CVSS:") if severity.vector else None
    return SeverityLine(
        level=severity.level,
        cvss=None if severity.score is None else float(severity.score),
        version=version,
        vector=severity.vector,
        source=severity.source,
    )


def _clock(clock: ClockReading, *, at: datetime) -> ClockView:
    bounds = clock.bounds
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
        reason=bounds.cancelled_reason,
        actor=bounds.cancelled_by,
        why=tuple(
            WhyStep(clause=step.clause, rule=step.rule, source=step.source, at=step.at, text=step.text)
            for step in clock.why
            if step.at != at  # the step that is no fact but this very instant: the headline says it already
        ),
    )


def _html(panel: IssuePanel) -> str:
    return render_template("issue_panel.html", panel=panel)
