"""Panels of every state, rendered as the app renders them, and a small site that serves them under our CSP."""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.domain.clocks.model import Event, EventKind, Severity, State
from app.domain.notices.model import AT_RISK, BREACHED, Medium, ToldCount, WaitingCount
from app.domain.tracking.possible import TRIAGE, Possible
from app.edge import translation
from app.edge.panels import wording
from app.edge.panels.decision_forms import DecisionsView, form_of, kinds_of
from app.edge.panels.history import history_of
from app.edge.panels.issue_facts import TicketLine, VersionLine
from app.edge.panels.told import ToldView
from app.edge.panels.view_models import (
    Assets,
    ClockView,
    IssuePanel,
    PageShell,
    PolicyLine,
    Refusal,
    SeverityLine,
    WhyStep,
)

EDGE = Path(__file__).parents[3] / "app" / "edge"
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DAY = 24 * 60 * 60
VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:L"
HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>{{ 7 * 7 }}"
TRACE = "0af7651916cd43dd8448eb211c80319c"

WHY = (
    WhyStep(
        clause="Cloud bug fix timeline",
        rule="high = 28 days, elapsed",
        source="https://example.com/policy#high",
        at=START,
        text="the clock starts when the issue is reported",
    ),
    WhyStep(
        clause="Severity",
        rule="the level in force counts from the original start",
        source="jira:changelog:10023",
        at=START + timedelta(days=1),
        text="the level became high",
    ),
)


def clock(state, *, left_days=27.9, **fields):
    return ClockView(
        **{
            "promise": "security-bug-fix",
            "cycle": 1,
            "state": state,
            "started_at": START,
            "due_at": START + timedelta(days=28),
            "remaining_seconds": int(left_days * DAY),
            "why": WHY,
        }
        | fields
    )


def panel(standing="tracked", *clocks, level=Severity.HIGH, **fields):
    facts = {}
    if standing == "tracked":
        facts = {
            "severity": SeverityLine(level=level, cvss=8.1, version="3.1", vector=VECTOR, source="field"),
            "clocks": clocks,
            "policy": PolicyLine(name="atlassian-marketplace", version=3, sha256="4f5ac9" * 10 + "0123"),
            "as_of": START + timedelta(hours=2),
        }
    where = {"issue_key": "SEC-12", "fragment_url": "/fragments/issue?issueId=10042"}
    return IssuePanel(standing=standing, **where | facts | fields)


ME, COLLEAGUE = "made-up-account-of-the-reader", "made-up-account-of-a-colleague"


def fact(kind, days, source, **said):
    return Event(kind=kind, at=START + timedelta(days=days), source=source, **said)


FACTS = (
    fact(EventKind.REPORTED, 0, "jira:created"),
    fact(EventKind.SEVERITY_SET, 0, "jira:changelog:10001", severity=Severity.MEDIUM),
    fact(EventKind.PAUSED, 2, "form:a1", actor=ME, reason="waiting for the vendor", clause="4.2"),
    fact(EventKind.RESUMED, 5, "form:a2", actor=COLLEAGUE),
    fact(EventKind.FIXED, 9, "jira:changelog:10007"),
    fact(EventKind.REOPENED, 10, "jira:changelog:10009"),
    fact(EventKind.EXTENSION_REQUESTED, 11, "command:ext-1", actor="the operator", reason="the fix needs a release"),
    fact(
        EventKind.EXTENDED,
        12,
        "ams:AMS-7:r1",
        until=date(2027, 1, 4),
        reason="granted",
        role="atlassian",
        evidence="AMS-7",
    ),
)
MORE = {
    "history": history_of(FACTS, reader=ME),
    "decide_url": "/fragments/issue/decisions?issueId=10042&issueKey=SEC-12",
}
NO_BOUND = {"due_at": None, "remaining_seconds": None, "why": ()}
ENDED = {"stopped_at": START + timedelta(days=22)}

UNTOLD = ToldView(state=State.BREACHED, told=(), waiting=(), has_recipients=True)


def told(threshold, days, *, recipients=1, medium=Medium.MAIL):
    at = START + timedelta(days=days)
    return ToldCount(
        promise="security-bug-fix", cycle=1, threshold=threshold, medium=medium, recipients=recipients, told_at=at
    )


def waiting(*, recipients=1, medium=Medium.MAIL, again_at=None):
    return WaitingCount(promise="security-bug-fix", cycle=1, medium=medium, recipients=recipients, again_at=again_at)


SAMPLES = {
    "running": panel("tracked", clock(State.RUNNING, zone="Europe/Berlin")),
    "second_cycle": panel(
        "tracked", clock(State.RUNNING, cycle=2), earlier=(clock(State.MET, left_days=6, **ENDED),), **MORE
    ),
    "at_risk": panel("tracked", clock(State.AT_RISK, left_days=1.9)),
    "breached": panel("tracked", clock(State.BREACHED, left_days=-2.2)),
    "explained": panel(
        "tracked",
        clock(State.BREACHED, left_days=-2.2, explanation=HOSTILE),
        tickets=(
            TicketLine(ticket="AMS-7", status="Needs Patch", due=date(2027, 1, 4)),
            TicketLine(ticket="AMS-8", status=None, due=START),
        ),
        versions=(
            VersionLine(name=HOSTILE, is_released=False, is_held_up=True),
            VersionLine(name="4.1", is_released=True, is_held_up=False),
        ),
        asked_at=START,
        **MORE,
    ),
    "told": panel(
        "tracked",
        clock(
            State.BREACHED,
            left_days=-2.2,
            told=replace(
                UNTOLD,
                told=(
                    told(AT_RISK, 22, recipients=1),
                    told(BREACHED, 28, recipients=3),
                    told(BREACHED, 28, medium=Medium.JIRA_COMMENT),
                ),
                waiting=(waiting(),),
            ),
        ),
    ),
    "told_late": panel(
        "tracked",
        clock(
            State.BREACHED,
            left_days=-2.2,
            told=replace(
                UNTOLD,
                waiting=(waiting(recipients=2, again_at=START), waiting(medium=Medium.JIRA_COMMENT, again_at=START)),
            ),
        ),
    ),
    "told_nobody": panel("tracked", clock(State.BREACHED, left_days=-2.2, told=UNTOLD)),
    "told_to_none_there": panel(
        "tracked",
        clock(State.AT_RISK, left_days=1.9, told=replace(UNTOLD, state=State.AT_RISK, has_recipients=False)),
    ),
    "breached_long_ago": panel("tracked", clock(State.BREACHED, left_days=-300), level=Severity.CRITICAL),
    "paused": panel(
        "tracked",
        clock(
            State.PAUSED,
            left_days=12.5,
            paused_seconds=3 * DAY,
            reason="waiting for the upstream fix",
            paused_since=START + timedelta(days=9),
        ),
        level=Severity.MEDIUM,
    ),
    "met": panel("tracked", clock(State.MET, left_days=6, **ENDED), level=Severity.LOW),
    "met_late": panel("tracked", clock(State.MET_LATE, left_days=-2, **ENDED)),
    "cancelled": panel(
        "tracked",
        clock(State.CANCELLED, remaining_seconds=None, reason="Duplicate", actor="Ana", **ENDED),
    ),
    "awaiting_triage": panel(
        "tracked",
        clock(State.AWAITING_TRIAGE, **NO_BOUND),
        severity=SeverityLine(level=None),
        missing=(
            "the field of the CVSS vector (customfield_10050) is empty",
            "no level is given for the priority 'Blocker'",
        ),
    ),
    "no_deadline": panel(
        "tracked",
        clock(State.NO_DEADLINE, **NO_BOUND),
        severity=SeverityLine(level=Severity.NONE, cvss=0.0, version="3.1", source="field"),
    ),
    "two_clocks": panel(
        "tracked",
        clock(State.RUNNING),
        clock(
            State.AT_RISK,
            left_days=0.07,
            promise="triage-update",
            cycle=2,
            due_at=None,
            due_date=date(2026, 12, 4),
            due_before=START + timedelta(days=12),
        ),
        severity=SeverityLine(level=Severity.HIGH, source="priority"),
    ),
    "no_clock": panel("tracked"),
    "stale": panel("tracked", clock(State.RUNNING), stale=True),
    "gone": panel("tracked", clock(State.RUNNING), gone=True),
    "read_only": panel("tracked", clock(State.RUNNING), read_only=True),
    "not_tracked": panel("not_tracked"),
    "unknown": panel("unknown"),
    "unconfirmed": panel("unconfirmed", trace_id=TRACE),
    "refused": panel("refused"),
    "hostile": panel(
        "tracked",
        clock(
            State.CANCELLED,
            promise=HOSTILE,
            reason=HOSTILE,
            actor=HOSTILE,
            why=(
                WhyStep(clause=HOSTILE, rule=HOSTILE, source="javascript:alert(3)", at=START, text=HOSTILE),
                WhyStep(clause=HOSTILE, rule=HOSTILE, source='https://x/"><b>', at=START, text=HOSTILE),
            ),
        ),
        issue_key=HOSTILE,
        fragment_url='/fragments/issue?issueId="><script>',
        decide_url='/fragments/issue/decisions?issueId="><script>',
        missing=(HOSTILE,),
        history=history_of((fact(EventKind.CANCELLED, 1, HOSTILE, actor=HOSTILE, reason=HOSTILE),), reader=ME),
        policy=PolicyLine(name=HOSTILE, version=1, sha256=HOSTILE),
        severity=SeverityLine(level=Severity.HIGH, cvss=1.0, version=HOSTILE, vector=HOSTILE, source=HOSTILE),
        trace_id=HOSTILE,
    ),
}
REFUSALS = {f"refusal_{status}": status for status in (401, 403, 404, 429, 500, 503)}


def pytest_generate_tests(metafunc):
    if "panel_name" in metafunc.fixturenames:
        metafunc.parametrize("panel_name", SAMPLES)
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", [*SAMPLES, *REFUSALS])


class Templates:
    """The app's templates in an environment set as Flask sets it; a name that is missing is an error."""

    def __init__(self, host_script_url="https://host.example.com/all.js"):
        loader = FileSystemLoader(EDGE / "templates")
        self._environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
        self._environment.filters.update(wording.FILTERS)
        translation.install(self._environment)
        self.host_script_url = host_script_url

    def fragment(self, name):
        return self._environment.get_template("issue_panel.html").render(panel=SAMPLES[name])

    def forms(self):
        """Every form, as somebody sees it who may decide everything."""
        now_is = Possible(pause_reasons=("waiting for the vendor",))
        kinds = kinds_of({TRIAGE, *EventKind})
        made = tuple(form_of(kind, now_is=now_is, decision_id="a1", vector=VECTOR) for kind in kinds)
        view = DecisionsView(standing="forms", url="/fragments/issue/decisions?issueId=10042", forms=made)
        return self._environment.get_template("issue_decisions.html").render(view=view)

    def page(self, name):
        assets = Assets(
            tokens_css=_fingerprinted("tokens.css"),
            pledge_css=_fingerprinted("pledge.css"),
            pages_css=_fingerprinted("pages.css"),
            htmx_js=_fingerprinted("htmx.min.js"),
            panel_js=_fingerprinted("panel.js"),
            address_js=_fingerprinted("address.js"),
        )
        shell = PageShell(title="Security deadline", host_script_url=self.host_script_url, assets=assets)
        if name in REFUSALS:
            refusal = Refusal(status=REFUSALS[name], trace_id=TRACE)
            return self._environment.get_template("refusal.html").render(shell=shell, refusal=refusal)
        page = self._environment.get_template("page.html")
        return page.render(shell=shell, fragment="issue_panel.html", panel=SAMPLES[name])


def _fingerprinted(name):
    digest = hashlib.sha256((EDGE / "static" / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


@pytest.fixture
def samples():
    return SAMPLES


@pytest.fixture
def templates():
    return Templates()


HOST_SCRIPT = """
"use strict";
const asked = new URL(location.href).searchParams.get("mode");
let tokens = 0;
window.heights = [];
window.AP = {
  context: { getToken: (use) => setTimeout(() => use(`token-${++tokens}`), 20) },
  theming: { initializeTheming: () => { if (asked) document.documentElement.dataset.colorMode = asked; } },
  resize: (width, height) => window.heights.push(height),
};
"""


class PanelSite(ThreadingHTTPServer):
    """Pages, fragments and a host script of another origin, with the Content-Security-Policy of the app.

    `answers`: what the fragment route says next, as (status, media type, body); the last one stays.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.host_origin = f"http://localhost:{self.server_port}"
        self.templates = Templates(f"{self.host_origin}/host.js")
        self.answers = []
        self.asked = []

    def will_answer(self, *answers):
        self.answers = list(answers)

    def fragment(self, name):
        return 200, "text/html", self.templates.fragment(name)


class _Answer(BaseHTTPRequestHandler):
    server: PanelSite

    def do_GET(self):
        target = urlsplit(self.path)
        if target.path == "/host.js":
            self._send(200, "text/javascript", HOST_SCRIPT)
        elif target.path.startswith("/static/"):
            kind = {"css": "text/css", "js": "text/javascript"}[target.path.rpartition(".")[2]]
            self._send(200, kind, (EDGE / target.path.lstrip("/")).read_text(encoding="utf-8"))
        elif target.path == "/page":
            self._send(200, "text/html", self.server.templates.page(parse_qs(target.query)["name"][0]))
        else:
            self.server.asked.append((self.path, dict(self.headers)))
            answers = self.server.answers
            self._send(*(answers.pop(0) if len(answers) > 1 else answers[0]))

    def _send(self, status, kind, text):
        host = self.server.host_origin
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'self' {host}; style-src 'self' {host}; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'self'",
        )
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Say nothing: the requests are in `asked`."""


@pytest.fixture
def site():
    with PanelSite() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
