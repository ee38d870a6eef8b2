"""The secret by which an authorization server knows our app: it goes into a form, and nowhere else.

What trusting it costs: who has its file can ask for tokens in the app's name, with a code or a refresh token at hand.
"""

from collections.abc import MutableMapping
from pathlib import Path

from app.vault._client_secret_file import ClientSecretUnusable, read_secret

__all__ = ["ClientSecretFile", "ClientSecretUnusable"]


class ClientSecretFile:
    """Read each time it is needed, so that a rotated secret is taken over without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:
        """Raises `ClientSecretUnusable`."""
        read_secret(self._path)

    def put_in_form(self, form: MutableMapping[str, str]) -> None:
        """As `client_secret`; raises `ClientSecretUnusable`."""
        form["client_secret"] = read_secret(self._path).reveal().decode("ascii")
