"""The cells: one running Pledge per region. Both documents name them, so both are rendered from one list.

Sources: https://developer.atlassian.com/platform/forge/remote/remote-realm-pinning/ and
https://developer.atlassian.com/cloud/jira/platform/data-residency/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

GLOBAL: Final = "global"
"""The region of a site that is pinned to none; every app has a cell for it."""

REGIONS: Final = frozenset({"US", "EU", "AU", "DE", "SG", "CA", "IN", "KR", "JP", "GB", "CH"})


class CellsWrong(ValueError):
    """The list of cells names a region twice, names one that Atlassian does not know, or has none for `global`."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One Pledge and its own database: the region whose sites it serves, and its public URL (no slash at its end)."""

    region: str
    base_url: str


def global_url(cells: Sequence[Cell]) -> str:
    """Where sites go that are pinned to no region; raises `CellsWrong`."""
    return _by_region(cells)[GLOBAL]


def pinned_urls(cells: Sequence[Cell]) -> dict[str, str]:
    """Region to URL for the other cells; raises `CellsWrong`."""
    return {region: url for region, url in _by_region(cells).items() if region != GLOBAL}


def _by_region(cells: Sequence[Cell]) -> dict[str, str]:
    urls = {cell.region: cell.base_url for cell in cells}
    if len(urls) != len(cells) or GLOBAL not in urls or not urls.keys() <= REGIONS | {GLOBAL}:
        raise CellsWrong(CellsWrong.__doc__)
    return urls
