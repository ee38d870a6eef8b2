"""What another policy would do to the clocks of this site, for whoever is about to put it in force: `_impact.html`."""

from dataclasses import dataclass

from app.domain.access.roles import Permission
from app.domain.clocks.model import Bounds
from app.domain.identifiers import AccountId
from app.domain.promises.preview import Move, Tally
from app.domain.tracking.choosing import Impact, issue_of
from app.edge.caller import caller, now, services
from app.edge.panels import shell, wording
from app.edge.panels.wording import Lozenge


@dataclass(frozen=True, kw_only=True)
class MoveRow:
    """One clock that would move."""

    key: str
    url: str
    title: str
    before: Bounds | None
    after: Bounds | None
    lozenge: Lozenge | None
    """The state that it would be in."""
    is_past: bool


@dataclass(frozen=True, kw_only=True)
class ImpactView:
    """What putting a policy in force would do."""

    impact: Impact
    severities: tuple[tuple[Lozenge, Tally], ...]
    rows: tuple[MoveRow, ...]
    """Of issues that the reader may see."""
    before: str
    """Hash of what is in force while somebody looks."""


def impact_view(impact: Impact) -> ImpactView:
    """In words, without the issues that the reader may not see; raises `JiraUnavailable`."""
    who = caller()
    moved = [(issue_of(move.subject), move) for move in impact.found.moves]
    issues = {issue for (issue, _), _ in moved}
    reader = (who.tenant, AccountId(who.account or ""))
    may = Permission.VIEW_ISSUE_CLOCKS
    visible = services().access.visible(may, reader, issues, now=now(), person_token=who.person_token)
    tallies = impact.found.by_severity.items()
    return ImpactView(
        impact=impact,
        severities=tuple((wording.severity_lozenge(level), tally) for level, tally in tallies),
        rows=tuple(_row(key, move) for (issue, key), move in moved if issue in visible),
        before=services().promises.of(who.tenant).policy.sha256,
    )


def _row(key: str, move: Move) -> MoveRow:
    return MoveRow(
        key=key,
        url=f"{shell.site_url()}/browse/{key}",
        title=wording.title_of(move.promise),
        before=move.before,
        after=move.after,
        lozenge=None if move.state_after is None else wording.STATE_LOZENGES[move.state_after],
        is_past=move.is_of_the_past(),
    )
