"""What the templates of the site page see."""

from dataclasses import dataclass

from app.edge.panels.wording import Lozenge

_STATES = {
    "runs": Lozenge("Enforced", "success", "clock"),
    "checked": Lozenge("Checked", "success", "tick"),
    "published": Lozenge("Published", "information", "circle"),
    "open": Lozenge("Not backed yet", "neutral", "dashed"),
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

    @property
    def lozenge(self) -> Lozenge:
        """The state with its own shape."""
        return _STATES[self.state]
