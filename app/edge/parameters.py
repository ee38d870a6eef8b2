"""Parameters of requests, in their documented form or refused."""

import re

from flask import request

from app.domain.identifiers import IssueId, ProjectId

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_ISSUE_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,254}-[1-9][0-9]{0,17}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f]{0,255}")
_DELIVERY = re.compile(r"[\x21-\x7e]{1,255}")


class Malformed(ValueError):
    """A parameter is missing or has not its documented form."""


def issue_id() -> IssueId:
    """`issueId` of the query; raises `Malformed`, also where it stands twice: which one was meant?"""
    return IssueId(int(_matching(_NUMBER, _single("issueId"))))


def issue_key() -> str:
    """`issueKey` of the query; raises `Malformed`."""
    return _matching(_ISSUE_KEY, _single("issueKey"))


def project_id() -> ProjectId | None:
    """`projectId` of the query, or None where the query names none; raises `Malformed`."""
    if "projectId" not in request.args:
        return None
    return ProjectId(int(_matching(_NUMBER, _single("projectId"))))


def issue_id_or_key(text: str) -> IssueId | str:
    """An issue as the path names it; raises `Malformed`."""
    if _NUMBER.fullmatch(text):
        return IssueId(int(text))
    return _matching(_ISSUE_KEY, text)


def delivery() -> str | None:
    """Jira's name of a webhook, the same on each retry; raises `Malformed`."""
    header = request.headers.get("X-Atlassian-Webhook-Identifier")
    return None if header is None else _matching(_DELIVERY, header)


def text(name: str) -> str:
    """A text of the query to compare with, which may be empty; raises `Malformed`."""
    return _matching(_TEXT, _single(name))


def _single(name: str) -> str:
    values = request.args.getlist(name)
    if len(values) != 1:
        raise Malformed
    return values[0]


def _matching(form: re.Pattern[str], text: str) -> str:
    if not form.fullmatch(text):
        raise Malformed
    return text
