"""Which mail addresses are taken: plain ASCII ones (RFC 5321 §4.1.2 without quoting), so that none is two things."""

import re

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_LONGEST = 254
"""RFC 5321 §4.5.3.1.3, without the angle brackets."""


def is_mail_address(text: str) -> bool:
    """Whether mail can be sent there: one address, and nothing else, such as a name or a second line."""
    return len(text) <= _LONGEST and _ADDRESS.fullmatch(text) is not None
