"""What people may still do where the licence of the app has lapsed: read, and whatever nobody may be held back from."""

from app.domain.installations.model import Caller


class LicenceLapsed(Exception):
    """The licence of this app has lapsed here: what is there can be read, exported and erased, but not changed."""


def require_licence(caller: Caller) -> None:
    """Return unless a verified claim says that the licence is not active; raises `LicenceLapsed`.

    A claim that is absent is no such word: only paid apps in production, from the Marketplace, carry one.
    """
    if caller.is_lapsed:
        raise LicenceLapsed
