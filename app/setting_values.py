"""How the text of a setting is read: each reader returns the value, or raises `ValueError` saying what to give."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from app.domain.notices.addresses import is_mail_address

_DSN = re.compile(r"https?://[0-9A-Za-z]{1,64}@[0-9A-Za-z.:-]{1,253}(?:/[0-9A-Za-z_-]{1,64})*/[0-9]{1,20}")


PREFIX = "PLEDGE_"
_Value = TypeVar("_Value")


class SettingsRefused(ValueError):
    """The environment does not make a safe configuration; the text names the setting and the remedy."""


def words(value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


def one_of(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"is {value!r}; use one of {', '.join(allowed)}")
        return value

    return read


def switch(value: str) -> bool:
    return one_of("on", "off")(value) == "on"


def count(value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise ValueError(f"is {value!r}; give a whole number, 0 or more")
    return int(value)


def points(value: str) -> int:
    points = count(value)
    if points < 1000:
        raise ValueError(f"is {value!r}; give at least 1000, or too little is left to read one issue")
    return points


def days(value: str) -> int:
    days = count(value)
    if days > 3650:
        raise ValueError(f"is {value!r}; give at most ten years, 3650")
    return days


def base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"is {value!r}; give a URL such as https://app.example.com, without query or fragment")
    return value.rstrip("/")


def database_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in {"postgresql", "postgres", "postgresql+psycopg"} and (
            parts.port is None or parts.port > 0
        )
    except ValueError:
        is_good = False
    if not is_good:
        # Without the value: it may hold a password.
        raise ValueError("is no PostgreSQL URL; give postgresql://role:password@host:5432/database")
    return "postgresql" + value.removeprefix(parts.scheme)


def dsn(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_good = bool(_DSN.fullmatch(value)) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good:
        # Without the value: whoever has it can send reports in our name.
        raise ValueError("is no DSN; give https://key@host/project, as Sentry's project settings show it")
    return value


def redis_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_good = (
            bool(parts.hostname) and re.fullmatch(r"(/[0-9]*)?", parts.path) is not None and parts.port != 0
            if parts.scheme in {"redis", "rediss"}
            else parts.scheme == "unix" and len(parts.path) > 1
        )
    except ValueError:
        is_good = False
    if not is_good:
        # Without the value: it may hold a password.
        raise ValueError("is no Redis URL; give redis://, rediss://:password@host:6379/0 or unix:///path/to/socket")
    return value


def smtp_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_good = (
            parts.scheme in {"smtp", "smtps"}
            and bool(parts.hostname)
            and parts.path in {"", "/"}
            and not (parts.query or parts.fragment)
            and parts.port != 0
            and (parts.username is None) is (parts.password is None)
        )
    except ValueError:
        is_good = False
    if not is_good:
        # Without the value: it may hold a password.
        raise ValueError("is no SMTP URL; give smtp://user:password@host:587 (STARTTLS) or smtps://…:465")
    return value


def mail_address(value: str) -> str:
    if not is_mail_address(value):
        raise ValueError(f"is {value!r}; give a plain address, such as pledge@example.com")
    return value


def limits(value: str) -> tuple[tuple[str, int], ...]:
    pairs = [re.fullmatch(r"([a-z_]+\.[a-z]+)=([1-9][0-9]{0,8})", word) for word in words(value)]
    if not pairs or None in pairs:
        raise ValueError(f"is {value!r}; give requests per minute, such as reads.tenant=30000,events.tenant=20000")
    return tuple((pair[1], int(pair[2])) for pair in pairs if pair is not None)


def urls(value: str) -> tuple[str, ...]:
    return tuple(base_url(word) for word in words(value))


def host_suffixes(value: str) -> tuple[str, ...]:
    suffixes = tuple(word.lower().removeprefix("*").lstrip(".") for word in words(value))
    if not suffixes or "" in suffixes:
        raise ValueError(f"is {value!r}; give host suffixes such as atlassian.net,jira.com")
    return suffixes


def regions(value: str) -> tuple[tuple[str, str], ...]:
    pairs = [word.partition("=") for word in words(value)]
    if not all(region and url for region, _, url in pairs):
        raise ValueError(f"is {value!r}; give regions such as global=https://app.example.com,EU=https://eu.example.com")
    return tuple((region, base_url(url)) for region, _, url in pairs)


def app_ari(value: str) -> str:
    if not re.fullmatch(r"ari:cloud:ecosystem::app/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        raise ValueError(f"is {value!r}; give the app's ARI, ari:cloud:ecosystem::app/… (`forge register` prints it)")
    return value


def environments(value: str) -> tuple[str, ...]:
    found = words(value)
    if not found or not set(found) <= {"PRODUCTION", "STAGING", "DEVELOPMENT"}:
        raise ValueError(f"is {value!r}; use some of PRODUCTION,STAGING,DEVELOPMENT")
    return found


def anchor(value: str) -> Path:
    if not value.startswith("file:") or value == "file:":
        raise ValueError(f"is {value!r}; give file: and a path, such as file:/srv/anchor/pledge.jsonl")
    return Path(value.removeprefix("file:"))


_REMEDIES = {
    "BASE_URL": "set it to the public https URL of this app",
    "MAIL_FROM": "set it to the address that mail comes from, such as pledge@example.com",
    "KEYRING_FILE": "set it to a file made by `pledge keys init`",
    "OAUTH_CLIENT_ID": "set it to the client id that the developer console shows for your OAuth 2.0 (3LO) app",
    "OAUTH_CLIENT_SECRET_FILE": "set it to a file, mode 0600, with the client secret of that app",
    "AUDIT_SIGNING_KEY_FILE": "set it to a file made by `pledge audit init`",
    "BACKUP_KEY_FILE": "set it to a file made by `pledge keys backup`",
    "ERASURE_LEDGER": "set it to file: and a path that is neither on the database's disk nor in its backups",
    "AUDIT_ANCHOR": "set it to file: and a path that the database's administrator cannot write to",
}


def required(name: str, value: _Value | None) -> _Value:
    """The value of a setting that this process cannot do without; raises `SettingsRefused`."""
    if value is None:
        raise SettingsRefused(f"{PREFIX}{name} is not set; {_REMEDIES[name]}")
    return value
