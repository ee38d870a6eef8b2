"""What the templates of the site page see."""

from dataclasses import dataclass

from app.domain.clocks.model import State
from app.edge.panels import wording
from app.edge.panels.lists import ClockRow
from app.edge.panels.view_models import WhyStep
from app.edge.panels.wording import Lozenge
from app.edge.translation import mark

_STATES = {
    "runs": Lozenge(mark("Enforced"), "success", "clock"),
    "checked": Lozenge(mark("Checked"), "success", "tick"),
    "published": Lozenge(mark("Published"), "information", "circle"),
    "open": Lozenge(mark("Not backed yet"), "neutral", "dashed"),
}


@dataclass(frozen=True, kw_only=True)
class PromiseRow:
    """One promise. `state`: `runs` (a clock does), `checked`, `published` or `open` (nothing backs it yet)."""

    id: str
    text: str
    clause: str
    policy: str
    deadline: str
    state: str
    by: str
    counts: tuple[tuple[State, int], ...] = ()
    """How many of its clocks are in each state."""

    @property
    def lozenge(self) -> Lozenge:
        """The state with its own shape."""
        return _STATES[self.state]

    @property
    def counted(self) -> str:
        """Its clocks in words: `3 overdue, 12 on track`."""
        return ", ".join(f"{number} {wording.state_text(state)}" for state, number in self.counts)


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A clock whose promise was not kept, and the steps that its date came from."""

    row: ClockRow
    why: tuple[WhyStep, ...]
    explanation: str | None
    """As somebody who may decide has said."""
