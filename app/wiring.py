"""The composition root: settings → adapters → services → processes. The only file that knows them all; no logic."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app.domain.keys.operations import KeyStillNeeded
from app.domain.privacy.register import Declared
from app.domain.quota.queries import Standing
from app.domain.secrets import VaultCannotAnswer
from app.domain.services import Services
from app.edge import limits, metering, metrics, mounts, problems, shields, translation
from app.edge.assets import assets_at
from app.edge.caller import EdgeConfig, ForgeModules
from app.edge.panels.wording import FILTERS
from app.jobs import commands, logs, server
from app.jobs.recorder import Recorder
from app.jobs.runner import QUEUE_CONNECTIONS, Worker
from app.outbound import error_reports
from app.setting_values import PREFIX, SettingsRefused, required
from app.settings import DEVELOPMENT_FOLDER, Settings, check_processes, read_settings
from app.store import administration, personal_columns, windows
from app.store.database import open_engines
from app.store.postgres_programs import EmbeddedPostgresRefused
from app.vault.administration import KeyringChangeRefused, KeyringUnusable
from app.vault.checkpoint_key import CheckpointKeyUnusable, create_checkpoint_key
from app.vault.client_secret import ClientSecretFile
from app.wiring_backups import KNOWN_ERRORS, BackupDesk
from app.wiring_keys import KeyDesk, refuse_unfit_keyring
from app.wiring_services import checkpoint_key, now, policy_names, policy_text, services_of
from app.wiring_setup import SetUp
from descriptor import connect, forge, forge_check, forge_modules, forge_package
from descriptor.cells import Cell, CellsWrong

STATIC = Path(__file__).parent / "edge" / "static"
THREADS = 8
log = logging.getLogger("pledge")
FORGE_MODULES = ForgeModules(
    pages=forge_modules.UI_MODULE_KEYS,
    events=forge_modules.SYSTEM_ROUTES["/forge/events"],
    lifecycle=forge_modules.SYSTEM_ROUTES["/forge/lifecycle"],
    removal=forge_modules.REMOVAL_KEYS,
    cron=forge_modules.SYSTEM_ROUTES["/forge/cron"],
)


def web_app() -> Flask:
    """The WSGI application of this environment; raises `SettingsRefused`."""
    settings = read_settings(os.environ)
    logs.configure(settings.log_format)
    error_reports.configure(settings.sentry_dsn)
    app = Flask("app.edge", static_folder=None)
    engines = open_engines(app, _url(settings, "database_url"), connections=THREADS)
    app.jinja_env.filters.update(FILTERS)
    translation.install(app.jinja_env)
    app.extensions["pledge.config"] = edge_config(settings)
    services = app.extensions["pledge.services"] = services_of(settings, engines, process="web")
    limited = limits.Limits(
        app, storage_url=windows.storage_url(settings.redis_url), overrides=settings.rate_limits or ()
    )
    app.extensions["pledge.limits"] = limited
    # First of all, so that every answer is counted, whoever gives it.
    metered = metering.Metering(app, services.counts, limited)
    app.extensions["pledge.recorder"] = _recorder(services, metered.flush)
    mounts.install(app, guard=limited.guard)
    problems.install(app)
    app.after_request(shields.shield)
    app.wsgi_app = mounts.below(settings.base_path, app.wsgi_app)  # type: ignore[method-assign, assignment]  # Flask's own way
    if settings.trusted_proxies:
        proxied = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0)
        app.wsgi_app = proxied  # type: ignore[method-assign]  # how Flask's documentation adds it
    return app


def serving_app() -> Flask:
    """The same in a process that serves: what it counts is recorded from now on."""
    app = web_app()
    app.extensions["pledge.recorder"].start()
    return app


def edge_config(settings: Settings) -> EdgeConfig:
    """What the edge shows or compares."""
    return EdgeConfig(
        base_path=settings.base_path,
        base_url=settings.base_url,
        connect_enabled=settings.connect_app_key is not None,
        forge_modules=None if settings.forge_app_id is None else FORGE_MODULES,
        descriptor=descriptor_bytes(settings),
        host_script_url=settings.connect_host_script_url,
        security_contact=settings.security_contact,
        assets=assets_at(f"{settings.base_path}/static", STATIC),
        deployed_at=now(),
        metrics_token_sha256=metrics.token_sha256(settings.metrics_token_file),
        has_security_tab=settings.security_tab,
    )


def descriptor_bytes(settings: Settings) -> bytes:
    """The Connect descriptor as it is served; empty where Connect is off."""
    return json.dumps(_descriptor(settings)).encode() if settings.connect_app_key is not None else b""


class Operations:
    """See `app.domain.operator.Operations`."""

    known_errors: tuple[type[Exception], ...] = (
        KeyringUnusable,
        KeyringChangeRefused,
        CheckpointKeyUnusable,
        VaultCannotAnswer,
        KeyStillNeeded,
        EmbeddedPostgresRefused,
        CellsWrong,
        limits.UnknownLimit,
        forge_package.ToolsMissing,
        forge_package.ToolFailed,
        *KNOWN_ERRORS,
    )

    def settings(self) -> Mapping[str, str]:
        """Every setting with the value in force."""
        return {PREFIX + name.upper(): str(value) for name, value in asdict(read_settings(os.environ)).items()}

    def database_upgrade(self) -> str:
        """Migrate to the newest version, and grant."""
        with _database(read_settings(os.environ)) as settings:
            return administration.upgrade(_url(settings, "database_owner_url"))

    def database_roles(self) -> str:
        """SQL that makes the roles and grants."""
        return administration.role_script()

    def database_findings(self) -> tuple[str, ...]:
        """What is wrong with the catalogue."""
        with _database(read_settings(os.environ)) as settings:
            return administration.check(_url(settings, "database_owner_url"))

    def database_rewrite(self) -> Iterator[str]:
        """Write every table anew."""
        with _database(read_settings(os.environ)) as settings:
            yield from administration.rewrite(_url(settings, "database_owner_url"))

    def keys(self) -> KeyDesk:
        """What is done with the keyring."""
        return KeyDesk(database=_database, clock=now)

    def backups(self) -> BackupDesk:
        """What is done with backups."""
        return BackupDesk(database=_database)

    def audit_init(self, *, name: str | None) -> str:
        """Make a checkpoint key."""
        settings = read_settings(os.environ)
        path = required("AUDIT_SIGNING_KEY_FILE", settings.audit_signing_key_file)
        return create_checkpoint_key(path, name=name or settings.audit_name)

    def audit_check(self) -> None:
        """Whether the checkpoint key, where one is named, can be used."""
        settings = read_settings(os.environ)
        if settings.audit_signing_key_file is not None:
            checkpoint_key(settings)

    def setup_findings(self, *, processes: int) -> tuple[str, ...]:
        """What a process of this configuration would stumble over."""
        settings = read_settings(os.environ)
        if settings.connect_app_key is not None:
            _descriptor(settings)  # made by every web process when it starts
        # Two pools in each process, and the worker's own for its queue.
        connections = 2 * THREADS * (processes + 1) + QUEUE_CONNECTIONS
        known = (*commands.operating.KNOWN_ERRORS, *self.known_errors)
        return SetUp(settings, processes, connections, now).findings(known)

    def connect_descriptor(self) -> Mapping[str, object]:
        """The Connect descriptor of this cell."""
        return _descriptor(read_settings(os.environ))

    def connect_descriptor_faults(self) -> tuple[str, ...]:
        """What Atlassian would refuse in it."""
        return connect.check(self.connect_descriptor())

    def forge_manifest(self, *, moved_from_connect: str | None) -> Mapping[str, object]:
        """The Forge manifest of this app."""
        settings = read_settings(os.environ)
        if settings.forge_app_id is None:
            raise SettingsRefused(f"{PREFIX}FORGE_APP_ID is not set; `forge register` prints it")
        migration = None
        if moved_from_connect is not None:
            if settings.connect_app_key is None:
                raise SettingsRefused(f"{PREFIX}CONNECT_APP_KEY is not set; it is the key of the app that moves")
            migration = forge.ConnectApp(key=settings.connect_app_key, guide_url=moved_from_connect)
        return forge.render(
            app_id=settings.forge_app_id, cells=_cells(settings), migration=migration, writes=settings.write_to_jira
        )

    def forge_manifest_faults(self, manifest: Mapping[str, object]) -> tuple[str, ...]:
        """What would not work in it, though Atlassian's validator accepts it."""
        return forge_check.check(manifest, routes=forge_modules.SYSTEM_ROUTES)

    def write_forge_app(self, folder: Path, manifest: Mapping[str, object]) -> None:
        """A folder for `forge deploy`."""
        forge_package.write(folder, document=manifest, static=STATIC)

    def validate_forge_app(self, folder: Path) -> tuple[str, ...]:
        """What Atlassian's own validator says of that folder."""
        return forge_package.validate(folder)

    def policy_text(self, name: str) -> str:
        """The text of a policy file."""
        return policy_text(name)

    def policy_names(self) -> tuple[str, ...]:
        """The policies at hand."""
        return policy_names()

    def existing_checks(self) -> Mapping[str, str]:
        """The test modules of this checkout."""
        tests = Path(__file__).parents[1] / "tests"
        return {str(path.relative_to(tests.parent)): path.read_text() for path in sorted(tests.rglob("test_*.py"))}

    def public_pages(self) -> tuple[str, ...]:
        """The addresses that anyone may see."""
        return tuple(mount.rule for mount in mounts.MOUNTS if mount.is_public)

    def personal_data(self) -> tuple[Declared, ...]:
        """The register of personal data."""
        return personal_columns.register()

    def serve_web(self, *, host: str, port: int, processes: int) -> None:
        """Serve HTTP until told to stop."""
        with _database(read_settings(os.environ)) as settings:
            os.environ[PREFIX + "DATABASE_URL"] = _url(settings, "database_url")
            logs.configure(settings.log_format)
            # Refused here in one line, rather than by every process that the server starts.
            check_processes(settings, processes=processes)
            limits.rates(settings.rate_limits or ())
            refuse_unfit_keyring(settings)
            server.serve(
                serving_app,
                host=host,
                port=port,
                processes=processes,
                threads=THREADS,
                drain_seconds=settings.drain_seconds,
            )

    def run_worker(self) -> None:
        """Run jobs until told to stop."""
        with _database(read_settings(os.environ)) as settings, self._services(settings, "worker") as services:
            logs.configure(settings.log_format)
            error_reports.configure(settings.sentry_dsn)
            # Refused here, rather than by a log that grows unsigned, or an erasure that nobody remembers.
            services.audit.key(), services.audit.anchor(), services.leaving.remembering.ledger()
            if settings.oauth_client_secret_file is not None:
                ClientSecretFile(settings.oauth_client_secret_file).check()
            refuse_unfit_keyring(settings)
            Worker(services, conninfo=_url(settings, "database_worker_url"), clock=now).run()

    @contextmanager
    def private_database(self) -> Iterator[Mapping[str, str]]:
        """The private PostgreSQL, running."""
        with administration.private_database(DEVELOPMENT_FOLDER / "postgres") as running:
            yield {PREFIX + name.upper(): url for name, url in administration.urls_of(running).items()}

    def jobs(self, states: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """The jobs in one of these states."""
        with _database(read_settings(os.environ)) as settings:
            return administration.list_jobs(_url(settings, "database_worker_url"), states)

    def retry_job(self, job: int) -> None:
        """Give a failed job back to the queue."""
        with _database(read_settings(os.environ)) as settings:
            administration.retry_job(_url(settings, "database_worker_url"), job)

    def quota(self) -> Standing:
        """How Jira's quota stands."""
        with self.services() as services:
            return services.quota.at(now())

    @contextmanager
    def services(self) -> Iterator[Services]:
        """The use cases, on the worker's database."""
        with _database(read_settings(os.environ)) as settings, self._services(settings, "operator") as services:
            yield services

    @contextmanager
    def _services(self, settings: Settings, process: str) -> Iterator[Services]:
        app = Flask("pledge.worker")
        engines = open_engines(app, _url(settings, "database_worker_url"), connections=THREADS)
        try:
            services = services_of(settings, engines, process=process)
            with _recorder(services):
                yield services
        finally:
            engines.dispose()


def _recorder(services: Services, *others: Callable[[datetime], None]) -> Recorder:
    return Recorder(services.openings, services.signals, clock=now, others=[services.budget.share, *others])


def pledge() -> None:
    """The console script."""
    group = commands.pledge
    for command in entry_points(group="pledge.commands"):
        # The simulator's libraries are for development; production goes without them, and without its command.
        with suppress(ModuleNotFoundError):
            group.add_command(command.load(), command.name)
    sys.exit(commands.main(group, Operations()))


@contextmanager
def _database(settings: Settings) -> Iterator[Settings]:
    """The settings with a database that is there: the one they name, or in development the private one."""
    with ExitStack() as stack:
        if settings.database_url is None and settings.is_development:
            running = stack.enter_context(administration.private_database(DEVELOPMENT_FOLDER / "postgres"))
            urls = administration.urls_of(running)
            settings = replace(
                settings,
                database_url=urls["database_url"],
                database_worker_url=urls["database_worker_url"],
                database_owner_url=urls["database_owner_url"],
                database_backup_url=urls["database_backup_url"],
            )
        yield settings


def _url(settings: Settings, name: str) -> str:
    url: str | None = getattr(settings, name)
    if url is None:
        raise SettingsRefused(f"{PREFIX}{name.upper()} is not set; give the PostgreSQL URL of that role")
    return url


def _descriptor(settings: Settings) -> Mapping[str, object]:
    if settings.connect_app_key is None:
        raise SettingsRefused(f"{PREFIX}CONNECT_APP_KEY is not set; without it there is no Connect app")
    return connect.render(
        app_key=settings.connect_app_key,
        base_url=settings.base_url,
        cells=_cells(settings),
        writes=settings.write_to_jira,
        security_tab=settings.security_tab,
    )


def _cells(settings: Settings) -> list[Cell]:
    """Where the app runs, by region: one list for both hosts."""
    if not settings.cells:
        return [Cell(region="global", base_url=settings.base_url)]
    return [Cell(region=region, base_url=url) for region, url in settings.cells]


if __name__ == "__main__":
    pledge()
