"""TABLE 1: what can be configured. The environment becomes frozen `Settings`, or the start is refused.

A refusal says which setting, why, and how to mend it. Secrets come by file, never by value in the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.setting_values import (
    PREFIX,
    SettingsRefused,
    anchor,
    app_ari,
    base_url,
    count,
    database_url,
    days,
    dsn,
    environments,
    host_suffixes,
    limits,
    mail_address,
    one_of,
    points,
    redis_url,
    regions,
    required,
    smtp_url,
    switch,
    urls,
    words,
)

DEVELOPMENT_FOLDER = Path(".pledge")
FORGE_JWKS = "https://forge.cdn.prod.atlassian-dev.net/.well-known/jwks.json"
INSTALL_KEYS = "https://asap-distribution.us-west-2.prod.atl-asap.net,https://connect-install-keys.atlassian.com"
HOST_SCRIPT = "https://connect-cdn.atl-paas.net/all.js"
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Setting:
    """One row: how a value is read, what holds without it, and what for."""

    name: str
    read: Callable[[str], Any]
    meaning: str
    default: str | None = None
    """Holds in production; None = unset."""
    development: str | None = None
    """Holds in the development profile, where it differs."""
    shown_default: str = ""
    """How the README says it, where the value alone says too little."""


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "PROFILE",
        one_of("production", "development"),
        "`production` refuses every unsafe default; `development` allows loopback http hosts and the embedded database",
        "production",
        shown_default="`production` (`make run` and `make test` set `development`)",
    ),
    Setting(
        "BASE_URL",
        base_url,
        "this cell's public URL, may have a path; what a token's `aud` must equal",
        development="http://127.0.0.1:8000",
    ),
    Setting("REGION", str, "the region that this cell serves", "global"),
    Setting(
        "CELLS",
        regions,
        "where the app runs, `global=https://app.example.com,EU=https://eu.example.com`; for descriptor and manifest",
        shown_default="one: `global` at `BASE_URL`",
    ),
    Setting("TRUSTED_PROXIES", count, "number of proxies in front, whose `X-Forwarded-For` is believed", "0"),
    Setting("DATABASE_URL", database_url, "PostgreSQL as the web role", shown_default="none; development: embedded"),
    Setting(
        "DATABASE_WORKER_URL",
        database_url,
        "PostgreSQL as the worker role",
        shown_default="none; development: embedded",
    ),
    Setting(
        "DATABASE_OWNER_URL",
        database_url,
        "PostgreSQL as the owner, for migrations only",
        shown_default="none; development: embedded",
    ),
    Setting(
        "DATABASE_BACKUP_URL",
        database_url,
        "PostgreSQL as the backup role, for `pledge backup` only",
        shown_default="none; development: embedded",
    ),
    Setting(
        "BACKUP_KEY_FILE",
        Path,
        "key of backups (made by `pledge keys backup`); for `pledge backup` and `restore` only",
        development=str(DEVELOPMENT_FOLDER / "backup.key"),
    ),
    Setting(
        "ERASURE_LEDGER",
        anchor,
        "what was erased, `file:/path`, on no disk and in no backup of the database: a restore erases it again",
        development=f"file:{DEVELOPMENT_FOLDER / 'erasures.jsonl'}",
    ),
    Setting(
        "KEYRING_FILE",
        Path,
        "key-encryption keys by purpose (made by `pledge keys init`); a process may be given a subset",
        development=str(DEVELOPMENT_FOLDER / "keyring.json"),
    ),
    Setting(
        "AUDIT_SIGNING_KEY_FILE",
        Path,
        "key that signs the checkpoints of audit logs (made by `pledge audit init`); for the worker only",
        development=str(DEVELOPMENT_FOLDER / "audit-signing.key"),
    ),
    Setting(
        "AUDIT_ANCHOR",
        anchor,
        "where checkpoints are anchored, `file:/path`: out of reach of the database's administrator; for the worker",
        development=f"file:{DEVELOPMENT_FOLDER / 'audit-anchor.jsonl'}",
    ),
    Setting("CONNECT_APP_KEY", str, "Connect app key; unset = Connect routes answer 404", development="io.pledge.app"),
    Setting(
        "CONNECT_INSTALL_KEYS_URLS",
        urls,
        "where the keys of signed installs are, tried in this order; a key is at `{base}/{kid}`",
        INSTALL_KEYS,
        shown_default="Atlassian's two",
    ),
    Setting(
        "CONNECT_ALLOWED_HOSTS",
        host_suffixes,
        "host suffixes, matched at a label boundary, that may install",
        "atlassian.net,jira.com",
        shown_default="`atlassian.net,jira.com`",
    ),
    Setting(
        "CONNECT_HOST_SCRIPT_URL",
        base_url,
        "the host's script in pages; anything but Atlassian's only in development",
        HOST_SCRIPT,
        shown_default="Atlassian's `all.js`",
    ),
    Setting(
        "CONNECT_SECRET_GRACE_SECONDS", count, "how long the previous shared secret is accepted after a rotation", "0"
    ),
    Setting(
        "CONNECT_RETIREMENT_DAYS",
        days,
        "how long after the move to Forge, and after Connect's last lifecycle event, a shared secret is kept",
        "30",
    ),
    Setting("FORGE_APP_ID", app_ari, "app ARI, what a Forge token's `aud` must equal; unset = Forge routes answer 404"),
    Setting("FORGE_JWKS_URL", base_url, "key set of Forge tokens", FORGE_JWKS, shown_default="Atlassian's"),
    Setting("FORGE_ENVIRONMENTS", environments, "accepted `app.environment.type`", "PRODUCTION"),
    Setting(
        "ATLASSIAN_API_URL", base_url, "Jira by cloud id, personal data reports, tokens", "https://api.atlassian.com"
    ),
    Setting(
        "REPORT_AUTH",
        one_of("connect", "forge", "oauth"),
        "how personal data reports authenticate: `connect` (JWT at the site), `forge` (system token at the API) or "
        "`oauth` (the vendor's own grant: `pledge integrations connect atlassian`)",
        shown_default="each site in the way in which it is installed",
    ),
    Setting("OAUTH_CLIENT_ID", str, "client id of the vendor's OAuth 2.0 (3LO) app, for `REPORT_AUTH=oauth`"),
    Setting(
        "OAUTH_CLIENT_SECRET_FILE",
        Path,
        "file, mode 0600, with the client secret of that app; read by the worker and by commands only",
    ),
    Setting(
        "OAUTH_URL",
        base_url,
        "Atlassian's authorization server; below it are `/authorize`, `/oauth/token` and `/oauth/revoke`",
        "https://auth.atlassian.com",
    ),
    Setting("POLICY", str, "default policy of a new tenant", "atlassian-marketplace"),
    Setting(
        "FIXED_RESOLUTIONS",
        words,
        "resolutions that count as fixed; other known ones cancel a clock, unknown ones are told and let it run",
        "Done,Fixed,Resolved",
    ),
    Setting(
        "WRITE_TO_JIRA",
        switch,
        "`on`: issues in Jira carry their deadline, for searches and on the panel; asks for the scope to write",
        "on",
    ),
    Setting(
        "SECURITY_TAB",
        switch,
        "`on`: tracked issues are shown on Jira's Security tab too, where Connect serves the site",
        "off",
    ),
    Setting(
        "REDIS_URL",
        redis_url,
        "shared rate-limit store (Redis or Valkey); production with more than one web process refuses to start without",
    ),
    Setting(
        "RATE_LIMITS",
        limits,
        "limits other than those of `app/edge/limits.py`, per minute: `reads.tenant=30000,events.tenant=20000`",
    ),
    Setting(
        "JIRA_POINTS_PER_HOUR",
        points,
        "what may be spent an hour over all tenants; Jira gives the app one quota, which several cells have to share",
        "65000",
    ),
    Setting(
        "SMTP_URL",
        smtp_url,
        "outgoing mail, `smtp://user:password@host:587` (STARTTLS) or `smtps://…`; unset = nobody is told by mail",
    ),
    Setting("MAIL_FROM", mail_address, "the address that mail comes from; needed with `SMTP_URL`"),
    Setting(
        "RETENTION_DAYS",
        days,
        "how long a tenant's data is kept after its last access ended, before it is erased; a reinstall finds it",
        "30",
    ),
    Setting(
        "BACKUP_DAYS",
        days,
        "how long you keep backups and archived write-ahead log: receipts name the day until which they can hold more",
        "14",
    ),
    Setting(
        "EXPORT_DIR",
        Path,
        "folder, shared by web processes and workers, where exports lie until they are fetched; unset = none by HTTP",
        development=str(DEVELOPMENT_FOLDER / "exports"),
    ),
    Setting("SECURITY_CONTACT", str, "contact in security.txt (`mailto:` or `https:`); unset = 404"),
    Setting("SENTRY_DSN", dsn, "where unexpected errors are reported, by type, place and trace id; unset = nowhere"),
    Setting(
        "METRICS_TOKEN_FILE", Path, "file with the bearer token of `GET /metrics`, 32 characters or more; unset = 404"
    ),
    Setting(
        "DRAIN_SECONDS",
        count,
        "how long a web server that was told to stop answers `/readyz` with 503 and still serves everything else",
        "5",
        "0",
    ),
    Setting("LOG_FORMAT", one_of("console", "json"), "how logs are written", "json", "console"),
)


@dataclass(frozen=True)
class Settings:
    """The configuration of one process; made by `read_settings` only."""

    profile: str
    base_url: str
    region: str
    cells: tuple[tuple[str, str], ...] | None
    trusted_proxies: int
    database_url: str | None
    database_worker_url: str | None
    database_owner_url: str | None
    database_backup_url: str | None
    backup_key_file: Path | None
    erasure_ledger: Path | None
    keyring_file: Path
    audit_signing_key_file: Path | None
    audit_anchor: Path | None
    connect_app_key: str | None
    connect_install_keys_urls: tuple[str, ...]
    connect_allowed_hosts: tuple[str, ...]
    connect_host_script_url: str
    connect_secret_grace_seconds: int
    connect_retirement_days: int
    forge_app_id: str | None
    forge_jwks_url: str
    forge_environments: tuple[str, ...]
    atlassian_api_url: str
    report_auth: str | None
    oauth_client_id: str | None
    oauth_client_secret_file: Path | None
    oauth_url: str
    policy: str
    fixed_resolutions: tuple[str, ...]
    write_to_jira: bool
    security_tab: bool
    redis_url: str | None
    rate_limits: tuple[tuple[str, int], ...] | None
    jira_points_per_hour: int
    smtp_url: str | None
    mail_from: str | None
    retention_days: int
    backup_days: int
    export_dir: Path | None
    security_contact: str | None
    sentry_dsn: str | None
    metrics_token_file: Path | None
    drain_seconds: int
    log_format: str

    @property
    def is_development(self) -> bool:
        """Whether loopback http hosts and the embedded database are allowed."""
        return self.profile == "development"

    @property
    def audit_name(self) -> str:
        """What the names of this app's audit logs begin with: the public address, without its scheme."""
        return f"{self.base_url.partition('://')[2]}/audit"

    @property
    def base_path(self) -> str:
        """The path of the base URL, without trailing slash; empty for most."""
        return urlsplit(self.base_url).path.rstrip("/")


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from environment variables.

    Raises `SettingsRefused` with the name, the fault and the remedy; an unknown `PLEDGE_` variable is ignored,
    because tests and deployments put their own beside ours.
    """
    development = environ.get(PREFIX + "PROFILE") == "development"
    values = {setting.name.lower(): _value(setting, environ, development=development) for setting in SETTINGS}
    if development:
        hosts = values["connect_allowed_hosts"]
        values["connect_allowed_hosts"] = (*hosts, "127.0.0.1", "localhost")
    for name in ("BASE_URL", "KEYRING_FILE"):
        required(name, values[name.lower()])
    if values["smtp_url"] is not None:
        required("MAIL_FROM", values["mail_from"])
    if values["report_auth"] == "oauth" or values["oauth_client_id"] is not None:
        required("OAUTH_CLIENT_ID", values["oauth_client_id"])
        required("OAUTH_CLIENT_SECRET_FILE", values["oauth_client_secret_file"])
    settings = Settings(**values)
    if settings.security_tab and not settings.write_to_jira:
        raise SettingsRefused(
            f"{PREFIX}SECURITY_TAB is on, but {PREFIX}WRITE_TO_JIRA is off; switch on both or neither"
        )
    if not development:
        _refuse_unsafe(settings)
    return settings


def check_processes(settings: Settings, *, processes: int) -> None:
    """Raise `SettingsRefused` where that many web processes would each count requests for themselves."""
    if processes > 1 and settings.redis_url is None and not settings.is_development:
        raise SettingsRefused(
            f"{PREFIX}REDIS_URL is not set, but {processes} web processes have to count requests together; "
            "give a Redis or Valkey, such as rediss://:password@host:6379/0, or run one process"
        )


def _value(setting: Setting, environ: Mapping[str, str], *, development: bool) -> Any:  # noqa: ANN401  one per row
    text = environ.get(PREFIX + setting.name) or None
    if text is None:
        text = setting.default
        if development and setting.development is not None:
            text = setting.development
    if text is None:
        return None
    try:
        return setting.read(text)
    except ValueError as fault:
        raise SettingsRefused(f"{PREFIX}{setting.name} {fault}") from fault


def _refuse_unsafe(settings: Settings) -> None:
    urls = {
        "BASE_URL": (settings.base_url,),
        "CONNECT_INSTALL_KEYS_URLS": settings.connect_install_keys_urls,
        "CONNECT_HOST_SCRIPT_URL": (settings.connect_host_script_url,),
        "FORGE_JWKS_URL": (settings.forge_jwks_url,),
        "ATLASSIAN_API_URL": (settings.atlassian_api_url,),
        "OAUTH_URL": (settings.oauth_url,),
    }
    for name, values in urls.items():
        for value in values:
            if not value.startswith("https://"):
                raise SettingsRefused(f"{PREFIX}{name} is {value!r}; production needs https")
    if settings.sentry_dsn is not None and not settings.sentry_dsn.startswith("https://"):
        raise SettingsRefused(f"{PREFIX}SENTRY_DSN is plain http; production needs https")
    if settings.connect_host_script_url != HOST_SCRIPT:
        # Whoever serves this script acts as every user of every tenant, so it is not a matter of taste.
        raise SettingsRefused(f"{PREFIX}CONNECT_HOST_SCRIPT_URL may only be Atlassian's; unset it")
    for host in settings.connect_allowed_hosts:
        if host in _LOOPBACK_HOSTS or "." not in host:
            raise SettingsRefused(f"{PREFIX}CONNECT_ALLOWED_HOSTS has {host!r}; give a domain such as atlassian.net")
    if settings.database_url is None:
        raise SettingsRefused(f"{PREFIX}DATABASE_URL is not set; production does not start a database of its own")
