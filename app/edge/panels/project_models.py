"""What the templates of the project page see besides lists and charts."""

from dataclasses import dataclass

from app.domain.clocks.model import State
from app.edge.panels import wording
from app.edge.panels.lists import ClockRow
from app.edge.panels.wording import Lozenge
from app.edge.translation import mark

DONE = "done"
_DONE = Lozenge(mark("Met, 90 days"), "success", "tick")


@dataclass(frozen=True)
class Tile:
    """One number, which leads to exactly the list that it counts."""

    key: str
    title: str
    number: str
    url: str
    note: str = ""


@dataclass(frozen=True)
class Column:
    """One column of the board: the clocks of a state that are due first."""

    key: str
    lozenge: Lozenge
    number: int
    url: str
    cards: tuple[ClockRow, ...]

    @classmethod
    def of(cls, name: str, *, number: int, url: str, cards: tuple[ClockRow, ...]) -> "Column":
        """The column of that state, or of what is done."""
        lozenge = _DONE if name == DONE else wording.STATE_LOZENGES[State(name)]
        return cls(name.replace("_", "-"), lozenge, number, url, cards)
