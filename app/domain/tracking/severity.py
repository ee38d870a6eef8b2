"""How severe: a CVSS v3.1 vector, else a score, else the priority. Bands: CVSS v3.1 §5 (FIRST)."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from cvss import CVSS3
from cvss.exceptions import CVSS3Error

from app.domain.clocks.model import Severity, severity_of
from app.domain.tracking.model import SeverityReading

PRIORITIES: Mapping[str, Severity] = {
    "highest": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "lowest": Severity.LOW,
}
_LONGEST_VECTOR = 200


def read_severity(
    *, vector: str | None, score: str | None, priority: str | None, priorities: Mapping[str, Severity] = PRIORITIES
) -> SeverityReading | None:
    """The severity that these three field values say, or None if none of them can be read."""
    from_vector = _vector_score(vector)
    if from_vector is not None:
        return SeverityReading(severity_of(from_vector), from_vector, vector, "field")
    from_score = _score(score)
    if from_score is not None:
        return SeverityReading(severity_of(from_score), from_score, None, "field")
    level = priorities.get((priority or "").strip().lower())
    return None if level is None else SeverityReading(level, None, None, "priority")


def _vector_score(vector: str | None) -> Decimal | None:
    text = (vector or "").strip()
    if not text.startswith("CVSS:3") or len(text) > _LONGEST_VECTOR:
        return None
    try:
        return Decimal(str(CVSS3(text).base_score))
    except CVSS3Error:
        return None


def _score(score: str | None) -> Decimal | None:
    try:
        value = Decimal((score or "").strip())
    except InvalidOperation:
        return None
    if not value.is_finite() or not 0 <= value <= 10:
        return None
    return value.quantize(Decimal("0.1"))
