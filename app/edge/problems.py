"""TABLE 3: how it fails. Domain error → status and problem document (RFC 9457); internals stop here.

A 401 never says which check failed; the log does, by code.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from flask import Flask, Response, g, request
from flask_limiter import RateLimitExceeded
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from app.domain.access.decisions import NotConfirmed
from app.domain.access.licence import LicenceLapsed
from app.domain.access.roles import NotPermitted
from app.domain.identifiers import HOUSE
from app.domain.installations.admission import KeysUnavailable
from app.domain.installations.operations import SecretTooShort
from app.domain.integrations.connecting import CallbackRefused
from app.domain.notices.calendars import FeedUnknown
from app.domain.notices.entry import EntryMalformed
from app.domain.notices.recipients import RecipientUnfit, RecipientUnknown
from app.domain.ports import DatabaseRefused, DatabaseUnavailable, JiraUnavailable
from app.domain.privacy.handing_over import ExportsOff, NoSuchExport
from app.domain.privacy.receipt_links import NoSuchReceipt
from app.domain.privacy.receipts import ReceiptRefused
from app.domain.promises.numbers import NumbersRefused
from app.domain.secrets import VaultCannotAnswer
from app.domain.tracking.configuration import ConfigurationRefused
from app.domain.tracking.decision import DecisionFault, DecisionMalformed, DecisionRefused, DecisionReused
from app.domain.tracking.saved_views import TooManyViews, ViewNameMalformed, ViewUnknown
from app.domain.tracking.settings import VersionConflict
from app.edge.bodies import BodyMalformed
from app.edge.caller import services
from app.edge.limits import Overloaded
from app.edge.parameters import Malformed
from app.edge.shields import BodyTooLarge, WrongMediaType
from app.edge.translation import gettext as _
from app.edge.translation import mark
from app.protocol.refusals import KeySetUnfit, NotForThis, Refusal, TokenRefused

log = logging.getLogger("pledge.edge")


class SiteNotNamed(ValueError):
    """The name that was typed is not that of this site."""


class NotFound(Exception):
    """There is no such thing, or it is another's."""


class NotMounted(Exception):
    """This endpoint is in no mount, so nobody is admitted."""


@dataclass(frozen=True)
class Problem:
    """One row: what the outside learns. `title` is English for programs, and translated for whoever reads a page."""

    status: int
    code: str
    title: str


PROBLEMS: dict[type[Exception], Problem] = {
    BodyMalformed: Problem(400, "body_malformed", mark("The body is not the JSON that this route takes")),
    DecisionMalformed: Problem(400, "decision_malformed", mark("The decision has not the documented form")),
    Malformed: Problem(400, "parameter_malformed", mark("A parameter is missing or has not its documented form")),
    ConfigurationRefused: Problem(400, "configuration_refused", mark("This configuration cannot be in force")),
    NumbersRefused: Problem(400, "numbers_refused", mark("These numbers cannot be in force")),
    ReceiptRefused: Problem(400, "receipt_refused", mark("This is no receipt that the key has signed")),
    SiteNotNamed: Problem(400, "site_not_named", mark("The name that was typed is not that of this site")),
    EntryMalformed: Problem(400, "body_malformed", mark("The body is not the JSON that this route takes")),
    RecipientUnfit: Problem(
        400, "recipient_unfit", mark("Mail needs an address, and a site has at most 500 recipients")
    ),
    SecretTooShort: Problem(400, "body_malformed", mark("The body is not the JSON that this route takes")),
    ViewNameMalformed: Problem(400, "view_name_malformed", mark("The name of a view has from 1 to 60 characters")),
    TokenRefused: Problem(401, "token_invalid", mark("The token is missing or not valid here")),
    NotForThis: Problem(403, "not_for_this", mark("The token is valid, but not for this")),
    NotPermitted: Problem(403, "not_permitted", mark("Your role does not allow this")),
    LicenceLapsed: Problem(403, "license_inactive", mark("The licence has lapsed: this can be read, but not changed")),
    NotMounted: Problem(403, "not_mounted", mark("Nobody may call this")),
    NotConfirmed: Problem(404, "not_found", mark("There is nothing here that you may see")),
    FeedUnknown: Problem(404, "not_found", mark("There is nothing here that you may see")),
    RecipientUnknown: Problem(404, "not_found", mark("There is nothing here that you may see")),
    ViewUnknown: Problem(404, "not_found", mark("There is nothing here that you may see")),
    NotFound: Problem(404, "not_found", mark("There is nothing here that you may see")),
    CallbackRefused: Problem(404, "not_found", mark("There is nothing here that you may see")),
    NoSuchExport: Problem(404, "not_found", mark("There is nothing here that you may see")),
    NoSuchReceipt: Problem(404, "not_found", mark("There is nothing here that you may see")),
    ExportsOff: Problem(404, "not_found", mark("There is nothing here that you may see")),
    DecisionRefused: Problem(
        409, "decision_refused", mark("The promise, or what holds at that instant, does not allow it")
    ),
    DecisionReused: Problem(409, "decision_reused", mark("Another decision about this issue has this id")),
    TooManyViews: Problem(409, "too_many_views", mark("A person keeps at most 20 views of a site")),
    VersionConflict: Problem(409, "version_conflict", mark("Somebody else has changed this since it was read")),
    BodyTooLarge: Problem(413, "body_too_large", mark("The body is larger than this route takes")),
    WrongMediaType: Problem(415, "wrong_media_type", mark("The body has to be application/json")),
    RateLimitExceeded: Problem(
        429, "rate_limited", mark("Too many requests; Retry-After says when there is room again")
    ),
    Overloaded: Problem(
        503, "overloaded", mark("More is sent than can be taken; Retry-After says when to send it again")
    ),
    KeysUnavailable: Problem(503, "keys_unavailable", mark("Atlassian's keys cannot be had at the moment")),
    KeySetUnfit: Problem(503, "keys_unavailable", mark("Atlassian's keys cannot be had at the moment")),
    JiraUnavailable: Problem(503, "jira_unavailable", mark("Jira cannot be asked at the moment")),
    VaultCannotAnswer: Problem(503, "vault_unavailable", mark("Stored credentials cannot be used at the moment")),
    DatabaseRefused: Problem(500, "unexpected", mark("Something went wrong on our side")),
    DatabaseUnavailable: Problem(503, "database_unavailable", mark("The database cannot be reached at the moment")),
}
"""The nearest class in an error's ancestry counts; what is in no row is a bug of ours and answers 500."""

_HTTP_CODES = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
_UNEXPECTED = Problem(500, "unexpected", mark("Something went wrong on our side"))
_COME_BACK_SECONDS = 5


def problem_of(error: Exception) -> Problem:
    """The row of that error."""
    row = next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), None)
    if row is None and isinstance(error, HTTPException):
        status = error.code or 500
        if status == 404:
            return PROBLEMS[NotFound]
        return Problem(status, _HTTP_CODES.get(status, f"http_{status}"), error.name)
    return row or _UNEXPECTED


def retry_after_seconds(error: Exception) -> int:
    """When to come back, for a 503."""
    return int(getattr(error, "retry_after_seconds", _COME_BACK_SECONDS))


def trace_id() -> str:
    """The name of this request in the log and in its refusal; ours, never the caller's."""
    if "trace_id" not in g:
        g.trace_id = uuid4().hex
    found: str = g.trace_id
    return found


def report(error: Exception) -> Problem:
    """Log why, by code; return what the outside learns."""
    problem = problem_of(error)
    fields = {
        "trace_id": trace_id(),
        "status": problem.status,
        "code": _reason(error, problem),
        "endpoint": request.endpoint or "",
    }
    _count(_reason(error, problem))
    if problem.status >= 500 and problem.status != 503:
        # The traceback goes to the log with its locals left out; its message may quote input, so it is left out too.
        log.error("unexpected", extra=fields, exc_info=error)
    else:
        log.info("refused", extra=fields)
    return problem


def _reason(error: Exception, problem: Problem) -> str:
    """Which check failed: for the log and the alert rules, never for the caller."""
    if isinstance(error, DatabaseRefused):
        return "database_refused"
    return error.code if isinstance(error, Refusal) else problem.code


def _count(code: str) -> None:
    admitted = g.get("caller")
    services().signals.count(
        code, endpoint=request.endpoint or "", tenant=HOUSE if admitted is None else admitted.tenant
    )


def contained(make: Callable[[], str], otherwise: Callable[[], str]) -> str:
    """What `make` returns; where it fails inside an answer that has begun, what `otherwise` returns."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001  the handler below comes too late for a streamed answer
        report(error)
        return otherwise()


def answer(error: Exception, **more: str) -> Response:
    """The problem document of that error; `more`: members of it that a page of ours reads besides."""
    problem = report(error)
    document: dict[str, Any] = {
        "type": f"urn:pledge:problem:{problem.code}",
        "title": _(problem.title) if "/fragments/" in request.path else problem.title,
        "status": problem.status,
        "code": problem.code,
        "trace_id": trace_id(),
        **more,
    }
    if isinstance(error, DecisionFault):
        # Written for whoever handed the decision in; of no other error the text leaves this process.
        document["detail"] = str(error)
    if isinstance(error, ConfigurationRefused):
        # About what this very caller sent, who may change it: nothing of it is anybody else's.
        document["findings"] = [asdict(finding) for finding in error.findings]
    response = Response(json.dumps(document), status=problem.status, mimetype="application/problem+json")
    if problem.status == 503:
        response.headers["Retry-After"] = str(retry_after_seconds(error))
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def install(app: Flask) -> None:
    """Every error of this app becomes a problem document; one of the two broad handlers of the product."""
    app.register_error_handler(Exception, answer)
