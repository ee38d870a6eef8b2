"""The people of a site: made-up names, account ids of both shapes that Atlassian uses."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

HANDLES = ("admin", "developer", "developer2", "outsider", "lead")
_FIRST = ("Amara", "Bjarne", "Chiyo", "Dario", "Eluned", "Farid", "Greta", "Hoku", "Ines", "Joska")
_LAST = ("Adeyemi", "Brandt", "Castellan", "Dvorak", "Eikeland", "Farrow", "Grunwald", "Hasegawa")


@dataclass(frozen=True)
class Person:
    """Somebody (or an app) with an Atlassian account; `handle` is the simulator's own short name."""

    handle: str
    account_id: str
    name: str
    account_type: str = "atlassian"

    def render(self, site_url: str) -> Json:
        """Return the user object of the REST API and of webhooks."""
        return {
            "self": f"{site_url}/rest/api/3/user?accountId={self.account_id}",
            "accountId": self.account_id,
            "accountType": self.account_type,
            "displayName": self.name,
            "active": True,
            "timeZone": "Etc/UTC",
        }


def account_id(rng: random.Random, *, prefixed: bool) -> str:
    """Return an account id: 24 hex digits, or `712020:` and a UUID. Both shapes occur on one site."""
    return f"712020:{random_uuid(rng)}" if prefixed else f"{rng.getrandbits(96):024x}"


def random_uuid(rng: random.Random) -> str:
    """Return a version 4 UUID drawn from `rng`."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def populate(seed: int, site: str) -> dict[str, Person]:
    """Return the people of a site by handle.

    `developer2` is one and the same account on every site, as a contractor's is: account ids are global.
    """
    own, everywhere = random.Random(f"{seed}:{site}:people"), random.Random(f"{seed}:everywhere")
    people = {}
    for number, handle in enumerate(HANDLES):
        rng = everywhere if handle == "developer2" else own
        name = f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"
        people[handle] = Person(handle, account_id(rng, prefixed=number % 2 == 1), name)
    return people
