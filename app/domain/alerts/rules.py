"""Which counts, within which time, are an alert. Windows and thresholds are starting values: change them here.

A rule is counted per route or per tenant, never per network or device: neither is collected.
"""

from dataclasses import dataclass, field
from typing import Literal

from app.domain.audit.entry import Action

ONCE_SECONDS = 1770
"""The window of what is an alert when it happens once: a late look, or a clock that is behind, still finds it. Less
than the half hour in which an alert is raised once: it is out of the window before it could be raised again."""

LIFECYCLE = frozenset({"connect_lifecycle.installed", "connect_lifecycle.uninstalled", "forge_remote.lifecycle"})
WEBHOOKS = frozenset({"connect_webhooks.issue_changed", "forge_remote.events"})
EVERYWHERE: frozenset[str] = frozenset()
_FORGED = frozenset({"token_algorithm", "token_header", "token_kid", "token_type"})
_UNSIGNED = frozenset({"token_signature", "key_unknown", "key_secret_unfit", "issuer_unknown"})
_CROSS_TENANT = frozenset({"token_issuer_wrong", "body_of_another", "fit_claims_inconsistent", "object_mismatch"})
IDENTITY_CHANGED = "installation.identity_changed"
"""Counted beside the entry of a renewed installation whose site URL is another one."""
UNFIT = "unfit_to_serve"
"""Counted by a process that is not ready for another reason than a database that is away."""

TAMPERING = "audit_verify_failed"
"""Counted by `pledge audit verify` when it finds anything."""
OPENED = "secret_opened"
"""Counted with the entry that says how many secrets of a tenant a process opened in a minute."""


@dataclass(frozen=True)
class Rule:
    """`threshold` times one of these codes within the window is an alert, once per subject and half hour."""

    rule_id: str
    """As in the table of anomaly rules that vendors and auditors know it by."""
    name: str
    severity: Literal["medium", "high", "critical"]
    codes: frozenset[str]
    window_seconds: int
    threshold: int
    """Where `factor` is set: the floor below which no baseline makes an alert."""
    endpoints: frozenset[str] = field(default=EVERYWHERE)
    """Only counts of these routes; empty = of all."""
    by: Literal["endpoint", "tenant"] = "endpoint"
    factor: int | None = None
    """Alert above so many times what was usual at this hour of the day in the last fortnight."""


RULES: tuple[Rule, ...] = (
    Rule("AUTH-01", "lifecycle events that nobody signed", "high", _UNSIGNED, 600, 3, LIFECYCLE),
    Rule("AUTH-02", "a forged lifecycle token", "critical", _FORGED, ONCE_SECONDS, 1, LIFECYCLE),
    Rule("AUTH-03", "tokens of one tenant sent for another", "critical", _CROSS_TENANT, 300, 3),
    Rule("AUTH-04", "page tokens sent where only Jira calls", "high", frozenset({"qsh_context_refused"}), 600, 5),
    Rule(
        "AUTH-05", "many more refused tokens than usual", "high", _UNSIGNED | _FORGED | {"qsh_wrong", "token_expired"},
        window_seconds=300, threshold=50, factor=5,
    ),
    Rule(
        "INST-01", "an installation says that it moved to another site URL", "critical", frozenset({IDENTITY_CHANGED}),
        window_seconds=ONCE_SECONDS, threshold=1, by="tenant",
    ),
    Rule(
        "INST-03", "an app is installed again and again", "medium", frozenset({Action.INSTALLATION_RENEWED}),
        window_seconds=600, threshold=5, by="tenant",
    ),
    # A secret that is in use is opened once a minute by each process: the floor is that of sixteen processes.
    Rule(
        "KEY-01", "a tenant's secrets are opened more often than usual", "high", frozenset({OPENED}),
        window_seconds=3600, threshold=1000, factor=5, by="tenant",
    ),
    Rule("KEY-04", "stored secrets do not open", "critical", frozenset({"vault_unavailable"}), 300, 3),
    Rule(
        "RLS-01", "the database refused a row or a right", "critical", frozenset({"database_refused"}),
        window_seconds=ONCE_SECONDS, threshold=1,
    ),
    Rule("AUD-01", "the audit log is not what it was", "critical", frozenset({TAMPERING}), ONCE_SECONDS, 1),
    Rule(
        "NOTE-01", "more people are to be told at once than messages may be sent", "medium",
        frozenset({Action.NOTICES_CAPPED}), window_seconds=ONCE_SECONDS, threshold=1, by="tenant",
    ),
    Rule(
        "PRIV-01", "accounts are not reported to Atlassian, or not erased, in time", "high",
        frozenset({Action.REPORTS_LATE}), window_seconds=ONCE_SECONDS, threshold=1,
    ),
    Rule(
        "PRIV-02", "an answer about people's accounts was refused, or refused us", "high",
        frozenset({Action.REPORT_REFUSED}), window_seconds=ONCE_SECONDS, threshold=1,
    ),
    Rule(
        "PRIV-03", "the grant under which accounts are reported is gone, refused, or not revoked", "high",
        frozenset({Action.INTEGRATION_LOST, Action.INTEGRATION_REFUSED, Action.INTEGRATION_UNCONFIRMED}),
        window_seconds=ONCE_SECONDS, threshold=1,
    ),
    Rule("WH-01", "webhooks that nobody signed", "medium", _UNSIGNED, 300, 10, WEBHOOKS),
    Rule("CFG-01", "a process must not serve as it is set up", "critical", frozenset({UNFIT}), ONCE_SECONDS, 1),
)  # fmt: skip

AUDIT_LATE = Rule("AUD-02", "the audit log waits for its worker or for its anchor", "high", frozenset(), 900, 1)
AUDIT_BACKLOG = Rule("AUD-03", "many audit entries wait for their place in the log", "high", frozenset(), 0, 10_000)
"""Not counted but looked at: nobody counts anything when the worker that should place them is gone."""

WATCHED: frozenset[str] = frozenset(code for rule in RULES for code in rule.codes)
"""What is counted at all."""
