"""The rules of tenancy as queries on PostgreSQL's catalogue: each returns a row per violation.

They read `pg_catalog`, not `information_schema`: that shows nothing of what the reader has no part in.
"""
# ruff: noqa: S608  (joined from constants of this file; values are bound)

_OURS = "('app', 'registry', 'jobs')"
_SYSTEM = "(n.nspname IN ('pg_catalog', 'information_schema') OR n.nspname LIKE 'pg\\_%')"
_TABLES = "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
_EXTENSION = "(SELECT FROM pg_depend d WHERE d.objid = {oid} AND d.classid = {catalogue}::regclass AND d.deptype = 'e')"

RULES: dict[str, str] = {
    "row security is not enabled and forced": f"""
        SELECT n.nspname || '.' || c.relname FROM {_TABLES}
        WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)""",
    "row security does not reach this kind of table": f"""
        SELECT n.nspname || '.' || c.relname FROM {_TABLES} WHERE n.nspname IN {_OURS} AND c.relkind IN ('m', 'f')""",
    "tenant_id is missing, may be null or is no bigint": f"""
        SELECT n.nspname || '.' || c.relname FROM {_TABLES}
        WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND NOT EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull
            AND a.atttypid = 'bigint'::regtype)""",
    # Otherwise a refused insert tells one tenant what another one has.
    "a key or unique index does not begin with tenant_id": """
        SELECT n.nspname || '.' || i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0]
        WHERE n.nspname = 'app' AND (x.indisunique OR x.indisexclusion) AND a.attname IS DISTINCT FROM 'tenant_id'""",
    # Otherwise a row could hang on another tenant's, and go with it when that is deleted.
    "a foreign key does not carry tenant_id first on both sides": """
        SELECT n.nspname || '.' || c.relname || ' ' || k.conname FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace m ON m.oid = f.relnamespace
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
        WHERE 'app' IN (n.nspname, m.nspname) AND k.contype = 'f'
        AND (a.attname <> 'tenant_id' OR b.attname <> 'tenant_id')""",
    "this is not the owner's": f"""
        SELECT n.nspname || '.' || c.relname FROM {_TABLES}
        WHERE n.nspname IN {_OURS} AND c.relowner <> to_regrole(:owner)
        UNION ALL SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname IN {_OURS} AND p.proowner <> to_regrole(:owner)
        UNION ALL SELECT 'schema ' || n.nspname FROM pg_namespace n
        WHERE n.nspname IN {_OURS} AND n.nspowner <> to_regrole(:owner)""",
    "an app role owns something": """
        SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_shdepend d
        WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o'
        AND d.refobjid IN (to_regrole(:web), to_regrole(:worker), to_regrole(:backup))
        AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))""",
    "a role has a power that defeats row security": """
        SELECT rolname FROM pg_roles WHERE rolname IN (:web, :worker, :owner, :backup)
        AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR (rolbypassrls AND rolname <> :backup))""",
    "a role is a member of another role": """
        SELECT m.rolname || ' is a member of ' || r.rolname FROM pg_auth_members x
        JOIN pg_roles m ON m.oid = x.member JOIN pg_roles r ON r.oid = x.roleid
        WHERE m.rolname IN (:web, :worker, :backup, :owner)""",
    "an app role may create objects": f"""
        SELECT r.rolname || ' in schema ' || n.nspname FROM pg_namespace n, pg_roles r
        WHERE NOT {_SYSTEM} AND r.rolname IN (:web, :worker, :backup) AND has_schema_privilege(r.oid, n.oid, 'CREATE')
        UNION ALL SELECT r.rolname || ' in the database' FROM pg_roles r
        WHERE r.rolname IN (:web, :worker, :backup) AND has_database_privilege(r.oid, current_database(), 'CREATE')""",
    # A view without it shows what its owner sees, and a superuser sees every tenant.
    "a view does not run with the rights of its reader": f"""
        SELECT n.nspname || '.' || c.relname FROM {_TABLES} WHERE n.nspname IN {_OURS} AND c.relkind = 'v'
        AND NOT EXISTS (SELECT FROM pg_options_to_table(c.reloptions)
            WHERE option_name = 'security_invoker' AND option_value::boolean)""",
    "a function runs with the rights of its owner": f"""
        SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE NOT {_SYSTEM} AND p.prosecdef""",
    "a rule rewrites queries of this table": f"""
        SELECT n.nspname || '.' || c.relname || ' ' || w.rulename FROM pg_rewrite w JOIN {_TABLES} ON c.oid = w.ev_class
        WHERE n.nspname IN {_OURS} AND c.relkind IN ('r', 'p')""",
    "tables to come are granted in advance": """
        SELECT d.defaclrole::regrole || ' ' || a.privilege_type FROM pg_default_acl d, aclexplode(d.defaclacl) a
        WHERE a.grantee <> d.defaclrole""",
    # A tenant by default would make a forgotten one silent.
    "a session begins with a setting that decides about rows": """
        SELECT coalesce(s.setrole::regrole::text, '') || ' ' || setting FROM pg_db_role_setting s,
        unnest(s.setconfig) setting WHERE split_part(setting, '=', 1)
        IN ('app.tenant', 'row_security', 'role', 'session_authorization', 'session_replication_role')
        AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))""",
    "an app role may change a setting of the server": """
        SELECT p.parname || ' ' || a.grantee::regrole FROM pg_parameter_acl p, aclexplode(p.paracl) a
        WHERE a.grantee IN (0, to_regrole(:web), to_regrole(:worker), to_regrole(:backup))""",
}

LISTING_RULES: dict[str, str] = {
    "nobody wrote down this function": f"""
        SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE NOT {_SYSTEM} AND NOT (n.nspname = 'jobs' AND p.proname LIKE 'procrastinate\\_%')
        AND NOT EXISTS {_EXTENSION.format(oid="p.oid", catalogue="'pg_proc'")}""",
    "nobody wrote down this trigger": f"""
        SELECT n.nspname || '.' || c.relname || ' ' || t.tgname FROM pg_trigger t JOIN {_TABLES} ON c.oid = t.tgrelid
        WHERE n.nspname IN {_OURS} AND NOT t.tgisinternal
        AND NOT (n.nspname = 'jobs' AND t.tgname LIKE 'procrastinate\\_%')""",
    "nobody wrote down this schema": f"""
        SELECT n.nspname FROM pg_namespace n WHERE NOT {_SYSTEM} AND n.nspname NOT IN ('public', 'app', 'registry',
        'jobs') AND NOT EXISTS {_EXTENSION.format(oid="n.oid", catalogue="'pg_namespace'")}""",
}
"""Violations of a list: a later version of the schema may have more on its own list."""

DATA_RULES: dict[str, str] = {
    "a job carries more than ids": """
        SELECT 'job ' || j.id FROM jobs.procrastinate_jobs j
        WHERE EXISTS (SELECT FROM jsonb_each(j.args) a WHERE jsonb_typeof(a.value) <> 'number')""",
}
"""Not about the catalogue but about rows: for tests and for whoever asks, and not for every start."""

COLUMNS = f"""
    SELECT n.nspname || '.' || c.relname AS name, a.attname FROM {_TABLES}
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE NOT {_SYSTEM} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT EXISTS {_EXTENSION.format(oid="c.oid", catalogue="'pg_class'")}"""
"""Every column of every table and view, whatever the schema; a table without columns has a row without one."""

POLICIES = f"""
    SELECT c.relname, p.polname, p.polpermissive, p.polcmd, pg_get_expr(p.polqual, p.polrelid) AS qual,
    pg_get_expr(p.polwithcheck, p.polrelid) AS checked, p.polroles = '{{0}}' AS for_all FROM {_TABLES}
    LEFT JOIN pg_policy p ON p.polrelid = c.oid WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p')"""

GRANTED = f"""
    SELECT thing, coalesce(r.rolname, 'PUBLIC') AS grantee,
    privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS privilege FROM (
        SELECT n.nspname || '.' || c.relname AS thing, a.*, c.relowner AS owner
        FROM {_TABLES}, aclexplode(c.relacl) a WHERE n.nspname IN {_OURS}
        UNION ALL SELECT n.nspname || '.' || c.relname || '.' || t.attname, a.*, c.relowner
        FROM {_TABLES} JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a WHERE n.nspname IN {_OURS}
        UNION ALL SELECT 'schema ' || n.nspname, a.*, n.nspowner
        FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname IN {_OURS}
    ) given LEFT JOIN pg_roles r ON r.oid = given.grantee WHERE given.grantee <> given.owner"""
"""What anybody but the owner may do with a table, a sequence, one column or a schema."""

SEQUENCES = f"SELECT n.nspname || '.' || c.relname FROM {_TABLES} WHERE n.nspname IN {_OURS} AND c.relkind = 'S'"
