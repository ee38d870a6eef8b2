"""Runs migrations as the owner, one transaction each, giving up on a lock rather than stopping the app for it."""

from alembic import context
from flask import current_app
from sqlalchemy import text

from app.store.revision import close_to_older_code


def include(thing, name, kind, reflected, other):  # noqa: ANN001, ANN201  alembic's own signature
    """Schema `jobs` is procrastinate's: its migrations are checked by its own hash, not by ours."""
    return not (kind == "table" and thing.schema not in {"app", "registry"})


def taken_away(*, ctx, step, heads, run_args):  # noqa: ANN001, ANN201  alembic's own signature
    """After each migration, in its transaction: whoever needs what it takes away must be gone."""
    oldest = getattr(step.up_revision.module, "oldest_code", None)
    if oldest is not None:
        close_to_older_code(ctx.connection, oldest)


def run() -> None:
    """Migrate the database of the current Flask app."""
    database = current_app.extensions["migrate"].db
    with database.engine.connect() as connection:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS registry"))
        connection.execute(text("SET lock_timeout = '3s'"))
        connection.execute(text("SET statement_timeout = 0"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            include_schemas=True,
            include_object=include,
            version_table_schema="registry",
            transaction_per_migration=True,
            on_version_apply=taken_away,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
