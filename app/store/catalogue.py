"""Does the database keep the rules of tenancy? Every table, key, policy and grant is compared with what is written.

What nobody wrote down is a finding, so that a table or grant that somebody forgot, or slipped in, is found.
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, MetaData, text

from app.store.catalogue_rules import COLUMNS, DATA_RULES, GRANTED, LISTING_RULES, POLICIES, RULES, SEQUENCES
from app.store.row_security import BACKUP, COLUMN_GRANTS, GRANTS, OWNER, POLICY, POLICY_NAME, WEB, WORKER

_SCHEMAS = ("app", "registry", "jobs")
_QUEUE_COLUMNS = {
    "procrastinate_jobs": "id queue_name task_name priority lock queueing_lock args status scheduled_at attempts"
    " abort_requested worker_id",
    "procrastinate_events": "id job_id type at",
    "procrastinate_periodic_defers": "id task_name defer_timestamp job_id periodic_id",
    "procrastinate_workers": "id last_heartbeat",
}
"""Of procrastinate 3.10.0: ids, names and instants; what `args` may hold is a rule of its own."""


def findings(connection: Connection, *, expected: MetaData) -> tuple[str, ...]:
    """Every violation, as a sentence; `expected` holds the tables that this code knows."""
    return (
        *structure_findings(connection),
        *listing_findings(connection, expected=expected),
        *_broken(connection, DATA_RULES),
    )


def structure_findings(connection: Connection) -> tuple[str, ...]:
    """What must never be, in this version of the schema or a later one."""
    return (*_broken(connection, RULES), *_policies(connection))


def listing_findings(connection: Connection, *, expected: MetaData) -> tuple[str, ...]:
    """What nobody wrote down, or wrote down and is not there."""
    return (*_broken(connection, LISTING_RULES), *_columns(connection, expected), *_grants(connection))


def _broken(connection: Connection, rules: Mapping[str, str]) -> Iterator[str]:
    names = {"web": WEB, "worker": WORKER, "owner": OWNER, "backup": BACKUP}
    for rule, query in rules.items():
        yield from (f"{rule}: {thing}" for thing in connection.execute(text(query), names).scalars())


def _policies(connection: Connection) -> Iterator[str]:
    """Exactly one policy per table, permissive, for every command and role, with the canonical text on both sides."""
    rows = connection.execute(text(POLICIES)).all()
    canonical = _bare(POLICY)
    wanted = (POLICY_NAME, True, "*", canonical, canonical, True)
    for row in rows:
        stored = (row.polname, row.polpermissive, row.polcmd, _bare(row.qual), _bare(row.checked), row.for_all)
        if stored != wanted:
            yield f"the policy is not the canonical one: app.{row.relname} {row.polname}"
    names = [row.relname for row in rows]
    yield from (f"more than one policy: app.{name}" for name in sorted(set(names)) if names.count(name) > 1)


def _columns(connection: Connection, expected: MetaData) -> Iterator[str]:
    """Only the tables and columns that are written down, and all of them; in `jobs` procrastinate's."""
    known = {(table, column.name) for table, model in expected.tables.items() for column in model.columns}
    known |= {(f"jobs.{table}", name) for table, names in _QUEUE_COLUMNS.items() for name in names.split()}
    known.add(("registry.alembic_version", "version_num"))
    found = {(row.name, row.attname) for row in connection.execute(text(COLUMNS))}
    for name, column in sorted(found - known, key=str):
        yield f"nobody wrote down this column: {name}.{column}"
    for name, column in sorted(known - found):
        yield f"written down but not there: {name}.{column}"


def _grants(connection: Connection) -> Iterator[str]:
    """Exactly what `row_security` grants, to nobody else, and to nobody with the right to pass it on."""
    granted = {(row.thing, row.grantee, row.privilege) for row in connection.execute(text(GRANTED))}
    wanted = {
        (name, role, privilege)
        for name, roles in GRANTS.items()
        for role, privileges in {**roles, BACKUP: "SELECT"}.items()
        for privilege in privileges.split(", ")
    }
    wanted |= {(name, role, what) for name, roles in COLUMN_GRANTS.items() for role, what in roles.items()}
    wanted |= {(f"schema {schema}", role, "USAGE") for schema in _SCHEMAS for role in (WEB, WORKER, BACKUP)}
    for sequence in connection.execute(text(SEQUENCES)).scalars():
        wanted.add((sequence, BACKUP, "SELECT"))
        if sequence.startswith("jobs."):
            wanted |= {(sequence, WEB, "USAGE"), (sequence, WORKER, "USAGE")}
    wanted.add(("registry.installation_ids", WEB, "USAGE"))
    yield from (f"granted but not written down: {' '.join(extra)}" for extra in sorted(granted - wanted))
    yield from (f"written down but not granted: {' '.join(lack)}" for lack in sorted(wanted - granted))


def _bare(expression: str | None) -> str:
    """PostgreSQL prints what it parsed: other spaces, brackets, casts and an alias; the rest must be the same."""
    bare = expression or ""
    for noise in ("::text", "AS current_setting", "(", ")", " ", "\n"):
        bare = bare.replace(noise, "")
    return bare.lower()
