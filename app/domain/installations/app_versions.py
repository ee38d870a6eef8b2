"""Versions of the Forge app that a site runs; several majors are served at once, each site has its own.

Source: https://developer.atlassian.com/platform/forge/versions/ . Minor versions roll out silently, a major one waits
for the site's administrator, and calls made for an older version may still come after the first for a newer one.
"""

import re

_VERSION = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})(\.[0-9]{1,9})?")


def is_later(stated: str | None, known: str | None) -> bool:
    """Whether a call for version `stated` says more than what is `known`: a later major or minor version, or a first.

    A patch is no news, and neither is what cannot be read.
    """
    version = _major_and_minor(stated)
    before = _major_and_minor(known)
    return version is not None and (before is None or version > before)


def _major_and_minor(version: str | None) -> tuple[int, int] | None:
    found = _VERSION.fullmatch(version or "")
    return None if found is None else (int(found[1]), int(found[2]))
