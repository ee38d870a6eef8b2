"""What a site's administrators are told about the data that is kept: the register, and what an erasure leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from app.domain.privacy.register import Declared
from app.domain.sentences import Sentence


@dataclass(frozen=True)
class DataFacts:
    """The same for every tenant."""

    register: tuple[Declared, ...]
    """Every column that holds something of a person."""
    stays: Mapping[str, Sentence]
    """What is left of a tenant that was erased, by table, and why."""
    retention: timedelta
    """After the app was removed, until everything is deleted."""
    backups_kept: timedelta
