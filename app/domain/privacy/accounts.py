"""Account ids: which are some, and their digests.

Source: https://developer.atlassian.com/platform/forge/user-privacy-guidelines/ (opaque, 1 to 128 letters, digits,
`-` and `:`, case-sensitive).
"""

import hashlib
import re

from app.domain.identifiers import AccountId

PATTERN = "[A-Za-z0-9:-]{1,128}"
NOBODY = ("unknown", "unidentified", "anonymous", "jira", "atlassian", "operator", "system")
"""What stands where an account id could and names no account: Atlassian's words for lost and anonymous ones, ours."""
ERASED = "an erased person"
"""What stands where an account id was; no account id has spaces."""
_DIGEST_OF = "pledge account 1:"
_FORM = re.compile(PATTERN)


def is_account_id(text: str) -> bool:
    """Whether it has the form of one and names an account."""
    return _FORM.fullmatch(text) is not None and text not in NOBODY


def digest_of(account: AccountId) -> bytes:
    """What stands for an account where tenants are not apart: it can be recognised, and not read."""
    return hashlib.sha256(f"{_DIGEST_OF}{account}".encode()).digest()
