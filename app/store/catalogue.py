"""Does the database keep the rules of tenancy? Every table, key, policy and grant is compared with what is written.

Each rule is one query that returns a row per violation, so that a table or grant that somebody forgot is found.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, MetaData, text

from app.store.row_security import GRANTS, POLICY, POLICY_NAME, WEB, WORKER

_RULES: dict[str, str] = {
    "row security is not enabled and forced": """
        SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)""",
    "tenant_id is missing or may be null": """
        SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND NOT EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull)""",
    "a key or unique index does not begin with tenant_id": """
        SELECT n.nspname || '.' || i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0]
        WHERE n.nspname = 'app' AND x.indisunique AND a.attname IS DISTINCT FROM 'tenant_id'""",
    "a foreign key does not carry tenant_id first on both sides": """
        SELECT n.nspname || '.' || c.relname || ' ' || k.conname FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
        WHERE n.nspname = 'app' AND k.contype = 'f' AND (a.attname <> 'tenant_id' OR b.attname <> 'tenant_id')""",
    "an app role owns something": """
        SELECT r.rolname || ' owns ' || c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
        WHERE r.rolname IN (:web, :worker)""",
    "an app role has a power that defeats row security": """
        SELECT rolname FROM pg_roles WHERE rolname IN (:web, :worker)
        AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)""",
    "an app role is a member of another role": """
        SELECT m.rolname || ' is a member of ' || r.rolname FROM pg_auth_members x
        JOIN pg_roles m ON m.oid = x.member JOIN pg_roles r ON r.oid = x.roleid WHERE m.rolname IN (:web, :worker)""",
    "everyone may do something with a table": """
        SELECT table_schema || '.' || table_name || ' ' || privilege_type FROM information_schema.role_table_grants
        WHERE table_schema IN ('app', 'registry', 'jobs') AND grantee = 'PUBLIC'""",
    "an app role may create objects": """
        SELECT r.rolname || ' in ' || n.nspname FROM pg_namespace n, pg_roles r
        WHERE n.nspname IN ('app', 'registry', 'jobs') AND r.rolname IN (:web, :worker)
        AND has_schema_privilege(r.rolname, n.oid, 'CREATE')""",
    "a view does not run with the rights of its reader": """
        SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('app', 'registry') AND c.relkind IN ('v', 'm')
        AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)""",
    "a function runs with the rights of its owner": """
        SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('app', 'registry', 'jobs') AND p.prosecdef""",
}


def findings(connection: Connection, *, expected: MetaData) -> tuple[str, ...]:
    """Every violation, as a sentence; `expected` holds the tables that this code knows."""
    names = {"web": WEB, "worker": WORKER}
    found = [
        f"{rule}: {thing}"
        for rule, query in _RULES.items()
        for thing in connection.execute(text(query), names if ":web" in query else {}).scalars()
    ]
    return (*found, *_policies(connection), *_tables(connection, expected), *_grants(connection))


def _policies(connection: Connection) -> Iterator[str]:
    """Exactly one policy per table, permissive, for everything, with the canonical text on both sides."""
    rows = connection.execute(
        text(
            "SELECT c.relname, p.polname, p.polpermissive, p.polcmd, pg_get_expr(p.polqual, p.polrelid) AS qual,"
            " pg_get_expr(p.polwithcheck, p.polrelid) AS checked, p.polroles FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_policy p ON p.polrelid = c.oid"
            " WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p')"
        )
    ).all()
    canonical = _bare(POLICY)
    for row in rows:
        wanted = (POLICY_NAME, True, "*", canonical, canonical)
        if (row.polname, row.polpermissive, row.polcmd, _bare(row.qual), _bare(row.checked)) != wanted:
            yield f"the policy is not the canonical one: app.{row.relname} {row.polname}"
    names = [row.relname for row in rows]
    yield from (f"more than one policy: app.{name}" for name in sorted(set(names)) if names.count(name) > 1)


def _tables(connection: Connection, expected: MetaData) -> Iterator[str]:
    """In `registry` and `app` only the tables and columns that are written down; in `jobs` only procrastinate's."""
    columns = connection.execute(
        text(
            "SELECT table_schema || '.' || table_name AS name, column_name FROM information_schema.columns"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
    ).all()
    known = {(table, column.name) for table, model in expected.tables.items() for column in model.columns}
    known.add(("registry.alembic_version", "version_num"))
    for name, column in columns:
        if name.startswith("jobs.procrastinate_") and name in GRANTS:
            continue
        if (name, column) not in known:
            yield f"nobody wrote down this column: {name}.{column}"


def _grants(connection: Connection) -> Iterator[str]:
    """Exactly the table of grants."""
    rows = connection.execute(
        text(
            "SELECT table_schema || '.' || table_name AS name, grantee, privilege_type"
            " FROM information_schema.role_table_grants WHERE grantee IN (:web, :worker)"
        ),
        {"web": WEB, "worker": WORKER},
    ).all()
    granted = {(row.name, row.grantee, row.privilege_type) for row in rows}
    wanted = {
        (name, role, privilege)
        for name, roles in GRANTS.items()
        for role, privileges in roles.items()
        for privilege in privileges.split(", ")
    }
    yield from (f"granted but not written down: {' '.join(extra)}" for extra in sorted(granted - wanted))
    yield from (f"written down but not granted: {' '.join(lack)}" for lack in sorted(wanted - granted))


def _bare(expression: str | None) -> str:
    """PostgreSQL prints what it parsed: other spaces, brackets, casts and an alias; the rest must be the same."""
    bare = expression or ""
    for noise in ("::text", "AS current_setting", "(", ")", " ", "\n"):
        bare = bare.replace(noise, "")
    return bare.lower()
