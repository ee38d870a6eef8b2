"""Personal data reports under the vendor's own grant: one credential for the accounts of all tenants."""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass

from app.domain.integrations.sealing import Keeping
from app.domain.integrations.tokens import AccessTokens, GrantUnavailable
from app.domain.ports import Authorize
from app.domain.privacy.ports import Answer, Ask, Outcome, ReportedAccount


@dataclass(frozen=True)
class GrantedAsk:
    """See `app.domain.privacy.ports.Ask`."""

    tokens: AccessTokens
    keeping: Keeping
    asking: Callable[[Authorize], Ask]
    """Whoever takes the report, under that authorization."""

    def __call__(self, accounts: Sequence[ReportedAccount]) -> Answer:
        """A token that is refused before its time is renewed, and the question asked once more: once."""
        answer, version = self._ask(accounts)
        if answer.outcome is Outcome.UNAUTHORIZED and version is not None:
            self.tokens.doubt(version)
            answer, _ = self._ask(accounts)
        return answer

    def _ask(self, accounts: Sequence[ReportedAccount]) -> tuple[Answer, int | None]:
        try:
            version = self.tokens.current()
        except GrantUnavailable as lacking:
            outcome = Outcome.UNAUTHORIZED if lacking.is_over else Outcome.SLOW_DOWN
            return Answer(outcome, why=lacking.why, retry_after_seconds=lacking.retry_after_seconds), None

        def authorize(headers: MutableMapping[str, str], *, method: str, target: str) -> None:
            self.keeping.stamp(headers, version=version)

        return self.asking(authorize)(accounts), version
