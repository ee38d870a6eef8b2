"""The promises that a site is served under, and what backs each of them today."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from app.domain.identifiers import TenantId
from app.domain.installations.model import Tenant
from app.domain.ports import Database
from app.domain.promises.coverage import Covered, Today, coverage_of
from app.domain.promises.model import Policy, PolicyRef
from app.domain.promises.shelf import InForce


@dataclass(frozen=True)
class Board:
    """One site's promises."""

    site: Tenant
    policy: Policy
    promises: tuple[Covered, ...]


@dataclass(frozen=True)
class PromiseBoards:
    """Says of each promise what backs it. `pages`: the addresses at which this app publishes text."""

    database: Database
    in_force: Callable[[PolicyRef], InForce]
    pages: Collection[str]

    def of(self, tenant: TenantId) -> Board:
        """The board of that site.

        A check counts where the policy names it: that each one named is there, and passes, is shown by the tests of
        the version that runs, not by the process that serves.
        """
        site = self.database.view_tenant(tenant)
        force = self.in_force(site.policy)
        policy = force.policy
        today = Today(
            checks={check for promise in policy.promises for check in promise.checks},
            triggers={rule.promise for rule in force.issue_clocks},
            pages=self.pages,
        )
        return Board(site, policy, coverage_of(policy, today))
