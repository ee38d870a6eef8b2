"""The file of the OAuth client secret: one line, as the developer console shows it."""

import re
from pathlib import Path

from app.domain.secrets import VaultCannotAnswer
from app.vault._cipher import Plain
from app.vault._private_file import OTHERS, read_private_file

_FORM = re.compile(rb"[\x21-\x7e]{8,1024}")
_LARGEST_BYTES = 4096


class ClientSecretUnusable(VaultCannotAnswer):
    """The file of PLEDGE_OAUTH_CLIENT_SECRET_FILE cannot be used."""

    def __init__(self, path: Path, why: str, *, fix: str = "Put the secret of the developer console there.") -> None:
        super().__init__(f"PLEDGE_OAUTH_CLIENT_SECRET_FILE: {path} {why}. {fix}")


def read_secret(path: Path) -> Plain:
    """Raises ClientSecretUnusable; no text of it shows the secret."""
    text = read_private_file(path, ClientSecretUnusable, most_bytes=_LARGEST_BYTES, closed_to=OTHERS)
    secret = Plain(text.reveal().strip())
    if not _FORM.fullmatch(secret.reveal()):
        raise ClientSecretUnusable(path, "holds no client secret: one line of at least 8 visible characters")
    return secret
