"""Comments on issues in Jira: a text of ours as a document (ADF), each under a name so that it is not written twice.

Source: https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/ and REST API v3, issue comments.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from app.domain.identifiers import TenantId
from app.domain.notices.ports import Deliver, MediumUnavailable, Parcel, Undeliverable
from app.domain.ports import IssueHidden, JiraUnavailable, SiteAccess
from app.domain.secrets import Secret
from app.outbound.jira_writes import WritingJira


class CommentChannel:
    """See `app.domain.notices.ports.Channel`. Needs the scope to write: WRITE (Connect), `write:jira-work` (Forge)."""

    def __init__(self, jira: WritingJira, site_of: Callable[[TenantId, Secret | None], SiteAccess]) -> None:
        self._jira = jira
        self._site_of = site_of

    @contextmanager
    def open(self) -> Iterator[Deliver]:
        """There is nothing to open: each comment is a call of its own."""
        yield self._deliver

    def _deliver(self, parcel: Parcel) -> None:
        if parcel.issue is None:
            raise Undeliverable(Undeliverable.__doc__)
        try:
            site = self._site_of(parcel.tenant, None)
            if parcel.is_repeated and self._jira.has_comment(site, parcel.issue, name=str(parcel.name)):
                return
            self._jira.add_comment(site, parcel.issue, name=str(parcel.name), body=document_of(parcel.text))
        except IssueHidden as gone:
            raise Undeliverable(Undeliverable.__doc__) from gone
        except JiraUnavailable as failure:
            raise MediumUnavailable("Jira does not take the comment now") from failure


def document_of(text: str) -> Mapping[str, Any]:
    """A document with a paragraph for each line. As text, never as markup: nothing in it can become more than text."""
    paragraphs = [
        {"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in text.splitlines() if line
    ]
    return {"version": 1, "type": "doc", "content": paragraphs}
