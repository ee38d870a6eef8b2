"""Parameters of requests, in their documented form or refused."""

import re
from datetime import UTC, datetime

from flask import request

from app.domain.clocks.model import State, check_instant
from app.domain.identifiers import IssueId, ProjectId

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_ISSUE_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,254}-[1-9][0-9]{0,17}")
_PROJECT_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,254}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f]{0,255}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
_DELIVERY = re.compile(r"[\x21-\x7e]{1,255}")


class Malformed(ValueError):
    """A parameter is missing or has not its documented form."""


def issue_id() -> IssueId:
    """`issueId` of the query; raises `Malformed`, also where it stands twice: which one was meant?"""
    return IssueId(int(_matching(_NUMBER, single("issueId"))))


def issue_key() -> str:
    """`issueKey` of the query; raises `Malformed`."""
    return _matching(_ISSUE_KEY, single("issueKey"))


def required_project_id() -> ProjectId:
    """`projectId` of the query; raises `Malformed`, also where it is missing."""
    return ProjectId(int(_matching(_NUMBER, single("projectId"))))


def project_key() -> str:
    """`projectKey` of the query, to be shown; raises `Malformed`."""
    return _matching(_PROJECT_KEY, single("projectKey"))


def project_id() -> ProjectId | None:
    """`projectId` of the query, or None where the query names none; raises `Malformed`."""
    if "projectId" not in request.args:
        return None
    return ProjectId(int(_matching(_NUMBER, single("projectId"))))


def issue_id_or_key(text: str) -> IssueId | str:
    """An issue as the path names it; raises `Malformed`."""
    if _NUMBER.fullmatch(text):
        return IssueId(int(text))
    return _matching(_ISSUE_KEY, text)


def state() -> State | None:
    """`state` of the query, or None where the query names none; raises `Malformed`."""
    if "state" not in request.args:
        return None
    try:
        return State(single("state"))
    except ValueError as error:
        raise Malformed from error


def project() -> ProjectId | None:
    """`project` of the query, a project's id; None where the query names none; raises `Malformed`."""
    return ProjectId(int(_matching(_NUMBER, single("project")))) if "project" in request.args else None


def due_before() -> datetime | None:
    """`due_before` of the query, an RFC 3339 instant; None where the query names none; raises `Malformed`."""
    return instant(single("due_before")) if "due_before" in request.args else None


def limit(*, otherwise: int, largest: int) -> int:
    """`limit` of the query, from 1 to `largest`; raises `Malformed`."""
    asked = int(_matching(_NUMBER, single("limit"))) if "limit" in request.args else otherwise
    if asked > largest:
        raise Malformed
    return asked


def instant(text: str) -> datetime:
    """An RFC 3339 instant, in UTC; raises `Malformed`."""
    try:
        at = datetime.fromisoformat(_matching(_INSTANT, text)).astimezone(UTC)
        check_instant(at)
    except (ValueError, OverflowError) as error:
        raise Malformed from error
    return at


def delivery() -> str | None:
    """Jira's name of a webhook, the same on each retry; raises `Malformed`."""
    header = request.headers.get("X-Atlassian-Webhook-Identifier")
    return None if header is None else _matching(_DELIVERY, header)


def text(name: str) -> str:
    """A text of the query to compare with, which may be empty; raises `Malformed`."""
    return _matching(_TEXT, single(name))


def single(name: str) -> str:
    """That parameter of the query; raises `Malformed` where it is missing, or stands twice: which one was meant?"""
    values = request.args.getlist(name)
    if len(values) != 1:
        raise Malformed
    return values[0]


def _matching(form: re.Pattern[str], text: str) -> str:
    if not form.fullmatch(text):
        raise Malformed
    return text
