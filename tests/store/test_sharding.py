"""The schema can be sharded by tenant without change: each rule of Citus, asked of PostgreSQL's own catalogue.

The rules are those of Citus' documentation: https://docs.citusdata.com/en/stable/develop/reference_ddl.html and
https://docs.citusdata.com/en/stable/reference/common_errors.html. Tables of `app` would be distributed by `tenant_id`
and lie together; `registry.tenants` would be a reference table, a copy of it on every node; whatever else is in
`registry` and `jobs` stays on the coordinator, where nothing that is distributed may point to it.
"""
# ruff: noqa: S608  (joined from constants of this file; values are bound)

import psycopg
import pytest

TABLES = "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
IS_DISTRIBUTED = "n.nspname = 'app' AND c.relkind IN ('r', 'p')"
OF_TENANT = "(SELECT attnum FROM pg_attribute WHERE attrelid = {} AND attname = 'tenant_id')"
REFERENCE = ("registry.tenants",)

RULES = {
    "the distribution column is a bigint that cannot be null": f"""
        SELECT c.relname FROM {TABLES} WHERE {IS_DISTRIBUTED} AND NOT EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull
            AND a.atttypid = 'bigint'::regtype AND a.attidentity = '' AND NOT a.atthasdef)""",
    "there is a primary key": f"""
        SELECT c.relname FROM {TABLES} WHERE {IS_DISTRIBUTED}
        AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary)""",
    "what is unique contains the distribution column": f"""
        SELECT i.relname FROM {TABLES} JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid
        WHERE {IS_DISTRIBUTED} AND (x.indisunique OR x.indisexclusion)
        AND NOT {OF_TENANT.format("c.oid")} = ANY (x.indkey::smallint[])""",
    "a foreign key leads from tenant to the same tenant, or to a reference table": f"""
        SELECT k.conname FROM {TABLES} JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'
        JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace m ON m.oid = f.relnamespace
        WHERE {IS_DISTRIBUTED} AND NOT (m.nspname || '.' || f.relname = ANY (%(reference)s)) AND NOT (
            m.nspname = 'app' AND array_position(k.conkey, {OF_TENANT.format("c.oid")})
            = array_position(k.confkey, {OF_TENANT.format("f.oid")}))""",
    "nothing outside points to a distributed table": f"""
        SELECT k.conname FROM pg_constraint k JOIN {TABLES} ON c.oid = k.confrelid
        JOIN pg_class f ON f.oid = k.conrelid JOIN pg_namespace m ON m.oid = f.relnamespace
        WHERE k.contype = 'f' AND {IS_DISTRIBUTED} AND m.nspname <> 'app'""",
    "no foreign key changes a distribution column": f"""
        SELECT k.conname FROM {TABLES} JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'
        WHERE {IS_DISTRIBUTED} AND (k.confdeltype IN ('n', 'd') OR k.confupdtype <> 'a')""",
    "no number is drawn from a sequence that all shards would share": f"""
        SELECT c.relname || '.' || a.attname FROM {TABLES} JOIN pg_attribute a ON a.attrelid = c.oid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE {IS_DISTRIBUTED} AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE '%%nextval%%')""",
    "no default differs by the node that works it out": f"""
        SELECT c.relname || '.' || a.attname FROM {TABLES} JOIN pg_attribute a ON a.attrelid = c.oid
        JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE {IS_DISTRIBUTED} AND pg_get_expr(d.adbin, d.adrelid) LIKE '%%(%%'""",
    "no trigger": f"""
        SELECT t.tgname FROM {TABLES} JOIN pg_trigger t ON t.tgrelid = c.oid
        WHERE {IS_DISTRIBUTED} AND NOT t.tgisinternal""",
    "no rule": f"""
        SELECT r.rulename FROM {TABLES} JOIN pg_rewrite r ON r.ev_class = c.oid WHERE {IS_DISTRIBUTED}""",
    "no inheritance": f"""
        SELECT c.relname FROM {TABLES} JOIN pg_inherits h ON c.oid IN (h.inhrelid, h.inhparent)
        WHERE {IS_DISTRIBUTED}""",
    "only ordinary tables": """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'app' AND c.relkind NOT IN ('r', 'i')""",
    "what a reference table points to is one as well": """
        SELECT k.conname FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid::regclass::text = ANY (%(reference)s)
        AND NOT k.confrelid::regclass::text = ANY (%(reference)s)""",
}

BREACHES = {
    "the distribution column is a bigint that cannot be null": "CREATE TABLE app.loose (tenant_id int, n int)",
    "there is a primary key": "CREATE TABLE app.keyless (tenant_id bigint NOT NULL)",
    "what is unique contains the distribution column": "CREATE UNIQUE INDEX broken ON app.issues (issue_key)",
    "a foreign key leads from tenant to the same tenant, or to a reference table": """
        ALTER TABLE app.issues ADD CONSTRAINT broken FOREIGN KEY (tenant_id)
        REFERENCES registry.departures (tenant_id)""",
    "nothing outside points to a distributed table": """
        ALTER TABLE registry.links ADD CONSTRAINT broken FOREIGN KEY (tenant_id) REFERENCES app.tenants (tenant_id)""",
    "no foreign key changes a distribution column": """
        ALTER TABLE app.issues ADD CONSTRAINT broken FOREIGN KEY (tenant_id) REFERENCES app.tenants (tenant_id)
        ON DELETE SET NULL""",
    "no number is drawn from a sequence that all shards would share": """
        ALTER TABLE app.issues ADD COLUMN broken bigint GENERATED ALWAYS AS IDENTITY""",
    "no default differs by the node that works it out": """
        ALTER TABLE app.issues ADD COLUMN broken timestamptz DEFAULT now()""",
    "no trigger": """
        CREATE TRIGGER broken BEFORE UPDATE ON app.issues FOR EACH ROW
        EXECUTE FUNCTION suppress_redundant_updates_trigger()""",
    "no rule": "CREATE RULE broken AS ON DELETE TO app.issues DO INSTEAD NOTHING",
    "no inheritance": "CREATE TABLE app.broken () INHERITS (app.issues)",
    "only ordinary tables": "CREATE VIEW app.broken AS SELECT 1",
    "what a reference table points to is one as well": """
        ALTER TABLE registry.tenants ADD CONSTRAINT broken FOREIGN KEY (tenant_id)
        REFERENCES registry.departures (tenant_id) NOT VALID""",
}


@pytest.fixture(scope="module")
def shared(make_database):
    with make_database() as made:
        yield made


def breaches(connection, rule):
    return [name for (name,) in connection.execute(RULES[rule], {"reference": list(REFERENCE)})]


@pytest.mark.parametrize("rule", RULES)
def test_the_schema_keeps_the_rule(shared, rule):
    with psycopg.connect(shared.superuser) as connection:
        assert breaches(connection, rule) == []


@pytest.mark.parametrize("rule", BREACHES)
def test_a_breach_of_the_rule_is_found(shared, rule):
    with psycopg.connect(shared.superuser) as connection:
        connection.execute(BREACHES[rule])
        assert breaches(connection, rule) != []
        connection.rollback()


def test_every_rule_has_a_breach_that_it_finds():
    assert set(BREACHES) == set(RULES)


def test_there_is_something_to_distribute(shared):
    query = f"SELECT count(*) FROM {TABLES} WHERE {IS_DISTRIBUTED}"
    ((tables,),) = shared.rows(query)
    assert tables > 25
