"""The file of the OAuth client secret: one line, as the developer console shows it."""

import os
import re
import stat
from pathlib import Path

from app.domain.secrets import VaultCannotAnswer
from app.vault._cipher import Plain

_FORM = re.compile(rb"[\x21-\x7e]{8,1024}")
_LARGEST_BYTES = 4096


class ClientSecretUnusable(VaultCannotAnswer):
    """The file of PLEDGE_OAUTH_CLIENT_SECRET_FILE cannot be used."""

    def __init__(self, path: Path, why: str, *, fix: str = "Put the secret of the developer console there.") -> None:
        super().__init__(f"PLEDGE_OAUTH_CLIENT_SECRET_FILE: {path} {why}. {fix}")


def read_secret(path: Path) -> Plain:
    """Raises ClientSecretUnusable; no text of it shows the secret."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise ClientSecretUnusable(path, "is not a file")
            if facts.st_mode & stat.S_IRWXO:
                why = f"is open to other users (mode {stat.S_IMODE(facts.st_mode):04o})"
                raise ClientSecretUnusable(path, why, fix=f"Run `chmod 600 {path}`.")
            secret = Plain(os.read(descriptor, _LARGEST_BYTES).strip())
        finally:
            os.close(descriptor)
    except FileNotFoundError as fault:
        raise ClientSecretUnusable(path, "does not exist") from fault
    except OSError as fault:
        raise ClientSecretUnusable(path, f"cannot be read ({fault.strerror})") from fault
    if not _FORM.fullmatch(secret.reveal()):
        raise ClientSecretUnusable(path, "holds no client secret: one line of at least 8 visible characters")
    return secret
