"""The input of a date case, read with care: it is a file that someone wrote."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from app.domain.clocks.model import NotAScore, Severity, severity_of

AMOUNTS = ("seconds", "minutes", "hours", "days", "weeks", "business_days", "months")


class CaseRefused(ValueError):
    """The case cannot be run: the message names the field and the reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")


class CaseInput:
    """The `input` object of a case, with the severity tables of its file."""

    def __init__(self, given: Mapping[str, Any], policies: Mapping[str, Mapping[Severity, int]]) -> None:
        self.given = given
        self.policies = policies

    def text(self, field: str) -> str | None:
        """A text, or None if the field is absent or null; raises `CaseRefused` for anything else."""
        value = self.given.get(field)
        if value is not None and not isinstance(value, str):
            raise CaseRefused(field, f"{value!r} is not a text")
        return value

    def moment(self, field: str) -> datetime | None:
        """An instant with the offset in which it was written; raises `CaseRefused` for a naive one."""
        text = self.text(field)
        return None if text is None else moment_in(text, field)

    def instant(self, field: str) -> datetime | None:
        """The same in UTC."""
        moment = self.moment(field)
        return None if moment is None else moment.astimezone(UTC)

    def day(self, field: str) -> date | None:
        """A date; raises `CaseRefused`."""
        text = self.text(field)
        try:
            return None if text is None else date.fromisoformat(text)
        except ValueError as error:
            raise CaseRefused(field, f"{text!r} is not a date") from error

    def number(self, field: str) -> int | None:
        """A whole number; raises `CaseRefused`."""
        value = self.given.get(field)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise CaseRefused(field, f"{value!r} is not a whole number")
        return value

    def amounts(self) -> dict[str, int]:
        """The amounts given, by unit."""
        found = {unit: self.number(unit) for unit in AMOUNTS}
        return {unit: amount for unit, amount in found.items() if amount is not None}

    def table(self) -> Mapping[Severity, int] | None:
        """The severity table of the policy that the case names; raises `CaseRefused`."""
        name = self.text("policy")
        if name is not None and name not in self.policies:
            raise CaseRefused("policy", f"the file has no policy {name!r}")
        return None if name is None else self.policies[name]

    def severity(self) -> Severity | None:
        """The band of the score; without a score, the level to which the named policy gives the days of the case."""
        score = self.given.get("cvss")
        if score is not None:
            return self._band(score)
        table, days = self.table(), self.number("days")
        return next((level for level, given in (table or {}).items() if given == days), None)

    def _band(self, score: object) -> Severity:
        if isinstance(score, bool) or not isinstance(score, int | float | Decimal):
            raise CaseRefused("cvss", f"{score!r} is not a number")
        try:
            # by its text, so that 8.9 stays 8.9
            return severity_of(Decimal(str(score)), zero_is_low=self.given.get("treat_zero_as_low") is True)
        except (ArithmeticError, NotAScore) as error:
            raise CaseRefused("cvss", f"{score!r} is not a score from 0.0 to 10.0") from error


def moment_in(text: str, field: str) -> datetime:
    """An RFC 3339 instant with its own offset; raises `CaseRefused`, also for a naive one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CaseRefused(field, f"{text!r} is not an instant") from error
    if moment.tzinfo is None:
        raise CaseRefused(field, f"{text!r} names no zone")
    return moment
