"""The one policy of every tenant-owned table, and who may touch what. `pledge db check` compares both with the truth.

Row security decides which rows, grants decide which tables; neither of the roles of the app owns anything.
"""

from collections.abc import Mapping

WEB, WORKER, BACKUP, OWNER = "pledge_web", "pledge_worker", "pledge_backup", "pledge_owner"

POLICY_NAME = "tenant"
POLICY = "(tenant_id = (SELECT current_setting('app.tenant')::bigint))"
"""As an initplan: evaluated once per query. Unset is an error, so that a forgotten tenant is loud."""

GRANTS: Mapping[str, Mapping[str, str]] = {
    "registry.tenants": {WEB: "SELECT, INSERT", WORKER: "SELECT"},
    "registry.connect_installations": {WEB: "SELECT, INSERT, UPDATE", WORKER: "SELECT, UPDATE, DELETE"},
    "registry.forge_installations": {WEB: "SELECT, INSERT, UPDATE", WORKER: "SELECT, UPDATE, DELETE"},
    "registry.forge_contacts": {WEB: "SELECT, INSERT, UPDATE, DELETE", WORKER: "SELECT, DELETE"},
    "registry.audit_waiting": {WEB: "INSERT", WORKER: "SELECT, INSERT, DELETE"},
    "registry.audit_anchor_leaves": {WORKER: "SELECT, INSERT"},
    "registry.audit_anchor_heads": {WORKER: "SELECT, INSERT"},
    "registry.key_proofs": {WEB: "SELECT, INSERT", WORKER: "SELECT, INSERT, DELETE"},
    "registry.signals": {WEB: "INSERT", WORKER: "SELECT, INSERT, DELETE"},
    "registry.alerts": {WORKER: "SELECT, INSERT, UPDATE"},
    "registry.jira_quota": {WEB: "SELECT, INSERT, UPDATE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "registry.links": {WEB: "SELECT, INSERT, DELETE", WORKER: "SELECT, INSERT, DELETE"},
    "registry.account_holders": {WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "registry.account_reports": {WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    # Administrators see whether reports are on time, and counts of what went through their site: nobody's id.
    "registry.report_cycle": {WEB: "SELECT", WORKER: "SELECT, UPDATE"},
    "registry.report_log": {WEB: "SELECT", WORKER: "SELECT, INSERT, DELETE"},
    "registry.export_links": {WEB: "SELECT, INSERT, UPDATE, DELETE", WORKER: "SELECT, DELETE"},
    "registry.receipt_links": {WEB: "SELECT, INSERT, UPDATE", WORKER: "SELECT, DELETE"},
    "registry.departures": {WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    # No number of any tenant is in it, and nothing that the app decides by.
    "registry.metrics": {WEB: "SELECT, INSERT, UPDATE", WORKER: "SELECT, INSERT, UPDATE"},
    "registry.alembic_version": {WEB: "SELECT", WORKER: "SELECT"},
    "app.privacy_requests": {WEB: "SELECT, INSERT", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.exports": {WEB: "SELECT, INSERT, UPDATE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.integrations": {WEB: "SELECT, UPDATE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.tenants": {WEB: "SELECT, INSERT, UPDATE", WORKER: "SELECT, UPDATE, DELETE"},
    "app.installations": {WEB: "SELECT, INSERT, UPDATE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.data_keys": {WEB: "SELECT, INSERT", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.sealed_secrets": {WEB: "SELECT, INSERT, DELETE", WORKER: "SELECT, INSERT, DELETE"},
    "app.forge_tokens": {WEB: "SELECT, INSERT, UPDATE, DELETE", WORKER: "SELECT, DELETE"},
    # An administrator looks at the log of the own site: entries, hashes and who acted, never the sealed parts.
    "app.audit_entries": {WEB: "SELECT, INSERT", WORKER: "SELECT, INSERT"},
    "app.audit_persons": {WEB: "INSERT", WORKER: "SELECT, INSERT, DELETE"},
    "app.audit_subjects": {WEB: "SELECT, INSERT", WORKER: "SELECT, INSERT, DELETE"},
    "app.audit_leaves": {WEB: "SELECT", WORKER: "SELECT, INSERT"},
    "app.audit_checkpoints": {WEB: "SELECT", WORKER: "SELECT, INSERT"},
    "app.issues": {WEB: "SELECT", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.clock_events": {WEB: "SELECT, INSERT", WORKER: "SELECT, INSERT, DELETE"},
    "app.superseded_events": {WORKER: "SELECT, INSERT, DELETE"},
    "app.following_settings": {WEB: "SELECT, INSERT", WORKER: "SELECT, INSERT, DELETE"},
    "app.policy_texts": {WEB: "SELECT, INSERT", WORKER: "SELECT, INSERT, DELETE"},
    "app.unmapped_values": {WEB: "SELECT", WORKER: "SELECT, INSERT, DELETE"},
    "app.runs": {WEB: "SELECT, INSERT, UPDATE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.clock_bounds": {WEB: "SELECT, INSERT, UPDATE, DELETE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.recomputations": {WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.webhook_deliveries": {WEB: "SELECT, INSERT", WORKER: "SELECT, INSERT, DELETE"},
    "app.people": {WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.pending_reads": {WEB: "SELECT, INSERT, UPDATE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.publications": {WEB: "SELECT, DELETE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.issue_labels": {WEB: "SELECT, INSERT, UPDATE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.security_pushes": {WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.recipients": {WEB: "SELECT, INSERT, UPDATE, DELETE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.told_clocks": {WEB: "SELECT", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.told_counts": {WEB: "SELECT", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.notices": {WEB: "SELECT, DELETE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.digests": {WEB: "SELECT, DELETE", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "app.saved_views": {WEB: "SELECT, INSERT, UPDATE, DELETE", WORKER: "SELECT, INSERT, DELETE"},
    "app.calendar_feeds": {WEB: "SELECT, INSERT, DELETE", WORKER: "SELECT, INSERT, DELETE"},
    "jobs.procrastinate_jobs": {WEB: "SELECT, INSERT", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "jobs.procrastinate_events": {WEB: "SELECT, INSERT", WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "jobs.procrastinate_periodic_defers": {WORKER: "SELECT, INSERT, UPDATE, DELETE"},
    "jobs.procrastinate_workers": {WORKER: "SELECT, INSERT, UPDATE, DELETE"},
}
"""Every table, and what each role of the app may do with it. The audit log can only grow; all else the worker deletes
when a tenant is erased."""

COLUMN_GRANTS: Mapping[str, Mapping[str, str]] = {
    # Who is meant, and neither the salt nor the sealed part: a web process that is broken into reads no more of it.
    **{f"app.audit_persons.{column}": {WEB: "SELECT"} for column in ("tenant_id", "entry_id", "subject")},
    # What a link leads to once everything of a site is deleted: not who is about to leave, nor when and why.
    **{f"registry.departures.{column}": {WEB: "SELECT"} for column in ("tenant_id", "receipt")},
    # A fact stays as it was told; who told it is taken out of it when that person is erased.
    "app.clock_events.data": {WORKER: "UPDATE"},
    "app.superseded_events.data": {WORKER: "UPDATE"},
}
"""What a role may do with one column of a table of which it may not do so with the others."""


def protect(table: str) -> tuple[str, ...]:
    """SQL that puts a table of schema `app` under row security, for its owner too."""
    return (
        f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY {POLICY_NAME} ON app.{table} USING {POLICY} WITH CHECK {POLICY}",
    )


def role_statements() -> tuple[str, ...]:
    """SQL for a superuser, once per server: the four roles. Passwords are the administrator's to set."""
    roles = {OWNER: "", WEB: "", WORKER: "", BACKUP: " BYPASSRLS"}
    return tuple(
        f"DO $$ BEGIN CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE{power}; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        for role, power in roles.items()
    )


def grant_statements() -> tuple[str, ...]:
    """SQL for the owner, after every migration: exactly the grants of the table above."""
    both = f"{WEB}, {WORKER}"
    statements = [
        f"GRANT USAGE ON SCHEMA registry, app, jobs TO {both}, {BACKUP}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA registry, app, jobs FROM PUBLIC, {both}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA registry, app, jobs FROM PUBLIC, {both}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO {both}",
        f"GRANT USAGE ON SEQUENCE registry.installation_ids TO {WEB}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA registry, app, jobs TO {BACKUP}",
        f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA registry, app, jobs TO {BACKUP}",
    ]
    for table, privileges in GRANTS.items():
        statements += [f"GRANT {privilege} ON {table} TO {role}" for role, privilege in privileges.items()]
    for place, privileges in COLUMN_GRANTS.items():
        table, _, column = place.rpartition(".")
        statements += [f"GRANT {privilege} ({column}) ON {table} TO {role}" for role, privilege in privileges.items()]
    return tuple(statements)
