"""Who was told of the clocks of an issue, as its panel asks for it: counts, in one statement."""

from datetime import UTC, datetime
from typing import Any

from app.domain.notices.model import IssueNotices, Medium, Threshold, ToldCount, WaitingCount

PREPARE_NOTICES_OF = """
PREPARE notices_of (bigint, bigint) AS SELECT
    (SELECT count(*) FROM app.recipients WHERE tenant_id = $1 AND standing = 'active') AS recipients,
    (
        SELECT coalesce(jsonb_agg(found), '[]') FROM (
            SELECT promise, cycle, threshold, medium, recipients, told_at
            FROM app.told_counts WHERE tenant_id = $1 AND issue_id = $2
        ) found
    ) AS told,
    (
        SELECT coalesce(jsonb_agg(found), '[]') FROM (
            SELECT notice.promise, notice.cycle, recipient.medium, count(*) AS recipients,
                min(digest.leased_until) AS again_at
            FROM app.recipients recipient
            CROSS JOIN LATERAL (
                SELECT promise, cycle, digest_id FROM app.notices
                WHERE tenant_id = $1 AND recipient_id = recipient.recipient_id AND issue_id = $2 OFFSET 0
            ) notice
            LEFT JOIN app.digests digest ON digest.tenant_id = $1 AND digest.digest_id = notice.digest_id
            WHERE recipient.tenant_id = $1
            GROUP BY notice.promise, notice.cycle, recipient.medium, digest.digest_id IS NULL
        ) found
    ) AS waiting
"""
"""What waits is looked up by key, for each of the few recipients: in a flood there are more notices of a tenant than
can be looked through, and no index but theirs has to be kept for this. OFFSET keeps PostgreSQL to it."""


def notices_of(row: Any) -> IssueNotices:  # noqa: ANN401  a named row
    """What the statement found."""
    return IssueNotices(
        recipients=row.recipients,
        told=tuple(
            ToldCount(
                promise=each["promise"],
                cycle=each["cycle"],
                threshold=Threshold(each["threshold"]),
                medium=Medium(each["medium"]),
                recipients=each["recipients"],
                told_at=_instant(each["told_at"]),
            )
            for each in row.told
        ),
        waiting=tuple(
            WaitingCount(
                promise=each["promise"],
                cycle=each["cycle"],
                medium=Medium(each["medium"]),
                recipients=each["recipients"],
                again_at=None if each["again_at"] is None else _instant(each["again_at"]),
            )
            for each in row.waiting
        ),
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
