"""Whatever goes wrong has an answer that was decided, not the one that happens."""

import importlib

import pytest

from app.domain.ports import DatabaseRefused
from app.edge.problems import PROBLEMS, problem_of
from app.protocol import refusals

_AT_THE_START = "policies are read, and their rules run once, when a process starts"
_COMMAND = "only commands read such files"
KEPT_INSIDE = {
    "app.domain.clocks.calendars.UnknownHolidayList": _AT_THE_START,
    "app.edge.metrics.MetricsTokenUnfit": _AT_THE_START,
    "app.domain.clocks.counting.UnknownCalendar": _AT_THE_START,
    "app.domain.clocks.counting.CalendarTooShort": "a deadline past the end of a calendar: a fault of ours, 500",
    "app.domain.clocks.rule.RuleRefused": _AT_THE_START,
    "app.domain.promises.faults.PolicyRefused": _AT_THE_START,
    "app.domain.promises.model.UnknownPromise": _COMMAND,
    "app.domain.clocks.case_input.CaseRefused": _COMMAND,
    "app.domain.clocks.model.NotAScore": "a reading of Jira whose score is none keeps no score",
    "app.domain.clocks.model.NotAnInstant": "`outbound` reads Jira's instants, in jobs",
    "app.domain.clocks.model.IncompleteEvent": "a fault of ours, in jobs",
    "app.domain.tracking.bulk_reading.PageTokenExpired": "the run that met it searches from the beginning",
    "app.domain.tracking.jql.JqlRefused": "a finding of `ConfigurationRefused`, or the problem of a run",
    "app.domain.backup.model.BackupRefused": _COMMAND,
    "app.domain.backup.model.DatabaseNotEmpty": _COMMAND,
    "app.domain.backup.model.MigrationUnderWay": _COMMAND,
    "app.domain.backup.erasures.LedgerUnfit": "commands tell it; an erasure that cannot be recorded is tried again",
    "app.domain.keys.operations.KeyStillNeeded": "an operator's command, which tells it",
    "app.domain.secrets.SecretMissing": "`admission` turns it into a refusal",
    "app.domain.audit.merkle.ProofRefused": _COMMAND,
    "app.domain.audit.note.NoteRefused": "`verification` records it as a finding",
    "app.domain.audit.model.LogBroken": "the worker logs it, and `pledge audit verify` says more",
    "app.domain.audit.offline_check.DoesNotHold": _COMMAND,
    "app.domain.tracking.decision.DecisionFault": "what is raised is one of its kinds, which have rows",
    "app.domain.integrations.connecting.StillDisconnecting": "an operator's command, which tells it",
    "app.domain.integrations.disconnecting.NothingConnected": "an operator's command, which tells it",
    "app.domain.privacy.leaving.NoSuchTenant": "an operator's command, which tells it",
    "app.domain.privacy.requests.RequestRefused": "an operator's command, which tells it",
    "app.domain.privacy.model.ImportRefused": _COMMAND,
    "app.domain.privacy.model.RowsRefused": _COMMAND,
    "app.domain.ports.IssueHidden": "the job that reads records it",
    "app.domain.notices.ports.NotDelivered": "the job that tells people is run again",
    "app.domain.notices.ports.MediumUnavailable": "the same",
    "app.domain.notices.ports.RecipientRefused": "`notices.operations` flags the recipient",
    "app.domain.notices.ports.Undeliverable": "`notices.operations` drops the message, and says so in the audit log",
    "app.edge.limits.UnknownLimit": "limits are read once, when a process starts",
    "app.domain.installations.moving.LinkRefused": "a line in the report of a backfill",
    "app.edge.gates.RawTargetMissing": "a server that we do not run: a fault of ours, 500",
    "app.edge.panels.view_models.LeakingPanel": "a view that would show too much: a fault of ours, 500",
}
"""Errors that no request meets, each with the place that deals with it."""


def defined_in(sources, *packages):
    """Every exception class that these packages define."""
    for source in sources:
        if source.name.startswith(packages):
            name = source.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for member in vars(importlib.import_module(name)).values():
                if isinstance(member, type) and issubclass(member, Exception) and member.__module__ == name:
                    yield member


def row_of(kind):
    """The row of an error class, by ancestry."""
    return next((PROBLEMS[each] for each in kind.__mro__ if each in PROBLEMS), None)


def test_every_error_of_domain_and_edge_has_a_problem_or_a_place_that_deals_with_it(sources):
    kinds = {f"{kind.__module__}.{kind.__name__}": kind for kind in defined_in(sources, "app/domain/", "app/edge/")}
    without = {name for name, kind in kinds.items() if row_of(kind) is None}
    assert without == set(KEPT_INSIDE)


def test_every_reason_of_the_protocol_answers_401_or_403_or_503(sources):
    for kind in defined_in(sources, "app/protocol/"):
        if kind is not refusals.Refusal:
            expected = {refusals.TokenRefused: 401, refusals.NotForThis: 403, refusals.KeySetUnfit: 503}
            (status,) = [status for base, status in expected.items() if issubclass(kind, base)]
            assert problem_of(kind()).status == status


def test_a_refused_token_never_says_why(sources):
    answers = {problem_of(kind()) for kind in defined_in(sources, "app/") if issubclass(kind, refusals.TokenRefused)}
    assert answers == {PROBLEMS[refusals.TokenRefused]}
    assert PROBLEMS[refusals.TokenRefused].code == "token_invalid"


def test_what_may_not_be_seen_looks_like_what_is_not_there():
    assert len({row for row in PROBLEMS.values() if row.status == 404}) == 1


@pytest.mark.parametrize("kind", PROBLEMS, ids=lambda kind: kind.__name__)
def test_a_row_is_met_by_its_own_class(kind):
    assert row_of(kind) is PROBLEMS[kind]
    assert PROBLEMS[kind].status in {400, 401, 403, 404, 409, 413, 415, 429, 503} or kind is DatabaseRefused
    assert PROBLEMS[kind].code.isidentifier()


def test_an_error_that_nobody_decided_about_is_ours():
    assert problem_of(ZeroDivisionError()).status == 500


def test_every_public_error_says_what_it_means(sources):
    kinds = list(defined_in(sources, "app/"))
    assert len(kinds) > 50
    assert [kind.__name__ for kind in kinds if not kind.__doc__] == []
