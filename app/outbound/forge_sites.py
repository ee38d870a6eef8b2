"""What is asked of a site through Forge before its tenant is known."""

from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime

import requests

from app.domain.identifiers import HOUSE, ClientKey
from app.domain.ports import JiraUnavailable
from app.outbound.advice import advice_of, whole_seconds
from app.outbound.budget import Budget
from app.outbound.session import GuardedSession

CLIENT_KEY_PROPERTY = "connect_client_key_019cdff3-8bfb-71fe-9628-875b700aebb8"
"""Atlassian's reserved, read-only app property; works until the end of Connect support (CHANGE-3115)."""
_TIMEOUT_SECONDS = 2.0
_BODY_LIMIT_BYTES = 64 * 1024
_COME_BACK_SECONDS = 60


class ForgeSiteQuestions:
    """see `app.domain.installations.ports.ForgeSites`. `api_url` is where Jira is reached by cloud id.

    The tenant is not known yet: these calls count for nobody, and stop only when all do.
    """

    def __init__(self, api_url: str, *, budget: Budget | None = None) -> None:
        self._api_url = api_url
        self._meter = None if budget is None else budget.meter(HOUSE, is_for_person=True)

    def connect_client_key(
        self, api_base_url: str, *, app_key: str, authorize: Callable[[MutableMapping[str, str]], None]
    ) -> ClientKey | None:
        """The client key that Jira keeps for an app that was a Connect app there; None if it never was."""
        url = f"{api_base_url}/rest/atlassian-connect/1/addons/{app_key}/properties/{CLIENT_KEY_PROPERTY}"
        with GuardedSession(
            allowed=lambda wanted: wanted.startswith(self._api_url + "/"),
            timeout_seconds=_TIMEOUT_SECONDS,
            body_limit_bytes=_BODY_LIMIT_BYTES,
            meter=self._meter,
        ) as session:
            try:
                headers: dict[str, str] = {}
                authorize(headers)
                answer = session.get(url, headers=headers)
            except requests.RequestException as failure:
                raise JiraUnavailable(_COME_BACK_SECONDS) from failure
        if answer.status_code == 404:
            return None
        return _client_key(answer)


def _client_key(answer: requests.Response) -> ClientKey:
    try:
        answer.raise_for_status()
        value = answer.json()["value"]
    except (requests.RequestException, KeyError, TypeError, ValueError) as failure:
        seconds = advice_of(answer.headers, now=datetime.now(UTC)).seconds or _COME_BACK_SECONDS
        raise JiraUnavailable(whole_seconds(seconds)) from failure
    if not isinstance(value, str):
        raise JiraUnavailable(_COME_BACK_SECONDS)
    return ClientKey(value)
