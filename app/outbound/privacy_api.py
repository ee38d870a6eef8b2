"""Atlassian's personal data reporting API: one request, and what its answer means. Nothing in it is believed but what
was asked for.

Source: https://developer.atlassian.com/platform/forge/user-privacy-guidelines/
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from urllib.parse import urlsplit

import requests

from app.domain.identifiers import AccountId
from app.domain.ports import Authorize
from app.domain.privacy.ports import Answer, Outcome, ReportedAccount
from app.outbound.session import GuardedSession

SHARED_PATH = "/app/report-accounts/"
"""At api.atlassian.com, for OAuth and Forge."""
SITE_PATH = "/rest/atlassian-connect/latest/report-accounts"
"""At a site, for Connect."""
_TIMEOUT_SECONDS = 30.0
_BODY_LIMIT_BYTES = 256 * 1024
"""An answer about 90 accounts has less than a tenth of it."""
_LONGEST_WAIT_SECONDS = 24 * 3600
_REFUSALS = {
    400: Outcome.MALFORMED,
    401: Outcome.UNAUTHORIZED,
    403: Outcome.FORBIDDEN,
    429: Outcome.SLOW_DOWN,
}


@dataclass(frozen=True)
class ReportApi:
    """See `app.domain.privacy.ports.Ask`: reports to one URL, under one authorization."""

    url: str
    authorize: Authorize

    def __call__(self, accounts: Sequence[ReportedAccount]) -> Answer:
        """Send one request."""
        with GuardedSession(
            allowed=lambda url: url == self.url,
            timeout_seconds=_TIMEOUT_SECONDS,
            body_limit_bytes=_BODY_LIMIT_BYTES,
        ) as session:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            self.authorize(headers, method="POST", target=urlsplit(self.url).path)
            try:
                answer = session.post(self.url, data=body_of(accounts), headers=headers)
            except requests.RequestException as failure:
                return _unanswered(failure)
        return answer_of(answer.status_code, answer.headers, answer.content, asked={one.account for one in accounts})


def body_of(accounts: Sequence[ReportedAccount]) -> bytes:
    """The request: account ids and RFC 3339 instants."""
    lines = [
        {
            "accountId": one.account,
            "updatedAt": one.updated_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        for one in accounts
    ]
    return json.dumps({"accounts": lines}).encode()


def answer_of(status: int, headers: Mapping[str, str], body: bytes, *, asked: set[AccountId]) -> Answer:
    """What an answer means; one that says anything beside what was asked says nothing at all."""
    period = headers.get("Cycle-Period")
    if status in _REFUSALS:
        return Answer(_REFUSALS[status], status=status, retry_after_seconds=_retry_after(headers))
    if status >= 500:
        return Answer(Outcome.UNAVAILABLE, status=status, why="server_error")
    if status == 204:
        return Answer(Outcome.TAKEN, status=status, period_text=period)
    if status != 200:
        return Answer(Outcome.ODD, status=status, why="unexpected_status")
    return _read(body, status=status, period=period, asked=asked)


def _read(body: bytes, *, status: int, period: str | None, asked: set[AccountId]) -> Answer:
    def odd(why: str) -> Answer:
        return Answer(Outcome.ODD, status=status, why=why)

    if not body.strip():
        return odd("no_body")
    try:
        lines = [(line["accountId"], line["status"]) for line in _object(json.loads(body))["accounts"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return odd("not_as_documented")
    if not all(isinstance(part, str) for line in lines for part in line):
        return odd("not_as_documented")
    if any(word not in {"closed", "updated"} for _, word in lines):
        return odd("unknown_status")
    if any(account not in asked for account, _ in lines):
        return odd("unknown_account")
    if len({account for account, _ in lines}) < len(lines):
        return odd("duplicate_account")
    told = {word: frozenset(AccountId(each) for each, said in lines if said == word) for word in ("closed", "updated")}
    return Answer(Outcome.TAKEN, status=status, closed=told["closed"], updated=told["updated"], period_text=period)


def _object(value: Any) -> Mapping[str, Any]:  # noqa: ANN401  any JSON
    if not isinstance(value, dict) or not isinstance(value["accounts"], list):
        raise TypeError
    return value


def _unanswered(failure: requests.RequestException) -> Answer:
    """No answer at all is weather; one that is too large or points elsewhere is none of Atlassian's."""
    name = type(failure).__name__
    is_odd = name in {"AnswerTooLarge", "Redirected"}
    return Answer(Outcome.ODD if is_odd else Outcome.UNAVAILABLE, why=name)


def _retry_after(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Retry-After", "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        return None
    return min(max(int(text), 1), _LONGEST_WAIT_SECONDS)
