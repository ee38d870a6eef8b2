"""Every listed reason to commit is used, and no commit has another."""

import ast

from app.domain.audit.entry import Action, Bookkeeping
from app.edge.panels.audit_words import DETAILS

HOME = "app/domain/audit/entry.py"
OPERATIONS = {
    "audit.Sequencing.adopt": "LOG_ADOPTED",
    "audit.Sequencing.forget_person": "PERSON_ERASED",
    "audit.Sequencing._place": "LOG_SEQUENCED",
    "audit.Sequencing._anchor": "LOG_ANCHORED",
    "backup.Restoring._finish": "DATABASE_RESTORED",
    "installations.ForgeAdmission._first_contact": "INSTALLATION_ADDED INSTALLATION_MOVED INSTALLATION_RETURNED",
    "installations.ForgeAdmission._back": "INSTALLATION_RETURNED",
    "installations.ForgeAdmission.removed": "INSTALLATION_REMOVED",
    "installations.ForgeUpkeep.mark_vanished": "INSTALLATION_VANISHED CONTACTS_PURGED",
    "installations.SystemTokens.keep": "FORGE_SEEN INSTALLATION_UPGRADED",
    "installations.Lifecycle.installed": "INSTALLATION_ADDED INSTALLATION_RENEWED INSTALLATION_RETURNED",
    "installations.Lifecycle.uninstalled": "INSTALLATION_REMOVED",
    "installations.ForgeAdmission._keep_contact": "CONTACT_KEPT",
    "installations.Moving.retire": "LINKS_DATED",
    "installations.Moving._retire": "INSTALLATION_RETIRED",
    "installations.Moving._link": "INSTALLATION_MOVED",
    "installations.Moving._follow": "READ_ASKED",
    "installations.Moving._close": "INSTALLATION_MOVED",
    "installations.Lifecycle.choose_policy": "POLICY_CHOSEN",
    "tracking.PolicyChoices.choose": "POLICY_CHOSEN",
    "tracking.OwnNumbers.save": "POLICY_EDITED",
    "installations.Lifecycle.hinted": "HINT_STORED",
    "tracking.Following.accept_webhook": "WEBHOOK_STORED",
    "tracking.Following.ask_first_read": "READ_ASKED",
    "tracking.Following.read_pending": "READ_ASKED",
    "tracking.Recomputing.advance": "CLOCK_DERIVED",
    "tracking.Recomputing.go_on": "RECOMPUTATION_ASKED",
    "tracking.Recomputing._ask_if_stale": "RECOMPUTATION_ASKED",
    "tracking.Following._wake": "READ_ASKED",
    "tracking.Following._look_again": "READ_ASKED",
    "tracking.Following._purge": "DELIVERIES_PURGED",
    "tracking.Following._lease": "READ_ASKED",
    "tracking.Following._store_hidden": "ISSUE_HIDDEN READ_SETTLED",
    "tracking.Recording.record": "CLOCK_DECIDED",
    "tracking.Recording.import_file": "CLOCKS_IMPORTED",
    "tracking.Following._store": "ISSUE_TRACKED CLOCK_DERIVED READ_SETTLED",
    "tracking.SavedViews.save": "VIEW_KEPT",
    "tracking.SavedViews.forget": "VIEW_KEPT",
    "tracking.FollowingSettings.change": "FOLLOWING_CHANGED",
    "tracking.Synchronizing.ask": "RUN_ASKED",
    "tracking.Synchronizing.advance": "RUN_ASKED",
    "tracking.Synchronizing._ask_hourly": "RUN_ASKED",
    "tracking.Synchronizing._learn_address": "RUN_ADVANCED",
    "tracking.Synchronizing._begin": "IMPORT_STARTED RUN_ADVANCED",
    "tracking.Synchronizing._store": "ISSUES_SYNCED RUN_ADVANCED",
    "tracking.Synchronizing._move": "RUN_ADVANCED",
    "tracking.Synchronizing._end": "IMPORT_ENDED RUN_ADVANCED",
    "publishing.Publishing.ask_again": "LABELS_ASKED",
    "publishing.Publishing._begin": "LABELS_ASKED",
    "publishing.Publishing._lease": "LABELS_ASKED",
    "publishing.Publishing._look": "LABEL_SETTLED",
    "publishing.Publishing._rest": "LABELS_ASKED",
    "publishing.Publishing._queue_if_due": "LABELS_ASKED",
    "publishing.SecurityTab._is_linked": "LABELS_ASKED",
    "publishing.SecurityTab._lease": "LABELS_ASKED",
    "publishing.SecurityTab._settle": "LABEL_SETTLED",
    "publishing.SecurityTab._save": "LABELS_ASKED",
    "keys.KeyUpkeep.release": "KEY_RELEASED",
    "keys.KeyUpkeep._rewrap_page": "KEYS_REWRAPPED",
    "keys.Openings._write": "SECRETS_OPENED",
    "notices.Calendars.make": "FEED_MADE",
    "notices.Calendars.revoke": "FEED_REVOKED",
    "notices.Letters._new_link": "LINK_MADE",
    "notices.Recipients.add": "RECIPIENT_ADDED",
    "notices.Recipients.remove": "RECIPIENT_REMOVED",
    "notices.Recipients.unsubscribe": "RECIPIENT_UNSUBSCRIBED",
    "notices.Telling.wake": "TELLING_ASKED",
    "notices.Telling._note": "NOTICES_NOTED",
    "notices.Telling._claim": "DIGEST_CLAIMED",
    "notices.Telling._send_one": "NOTICES_SENT NOTICES_DROPPED",
    "notices.Telling._refuse": "RECIPIENT_REFUSED",
    "notices.Telling._postpone": "DIGEST_POSTPONED",
    "notices.Telling._report_cap": "NOTICES_CAPPED",
    "alerts.SignalCounts.flush": "SIGNALS_COUNTED",
    "alerts.Watch._raise": "ALERT_RAISED",
    "privacy.Erasing.erase": "ACCOUNTS_ERASED",
    "privacy.Acting.list_accounts": "ACCOUNTS_LISTED",
    "privacy.Acting.follow_period": "ACCOUNTS_LISTED",
    "privacy.Acting.act": "ACCOUNTS_REFRESHED",
    "privacy.Acting._refresh": "ACCOUNTS_REFRESHED",
    "privacy.Reporting._list": "ACCOUNTS_LISTED",
    "privacy.Reporting._lease": "ACCOUNTS_LEASED",
    "privacy.Sender._still_ours": "ACCOUNTS_LEASED",
    "privacy.Sender._ask": "ACCOUNTS_REPORTED REPORT_REFUSED",
    "privacy.Sender._set_aside": "ACCOUNTS_REPORTED REPORT_REFUSED",
    "privacy.Sender._release": "ACCOUNTS_LEASED",
    "privacy.Sender._wait": "ACCOUNTS_LEASED",
    "privacy.Evidence.close_pass": "REPORTS_COMPLETED",
    "privacy.Evidence.tell_if_late": "REPORTS_LATE ACCOUNTS_REPORTED",
    "integrations.Connecting.begin": "INTEGRATION_ASKED",
    "integrations.Connecting.receive": "CODE_KEPT INTEGRATION_FAILED",
    "integrations.Connecting.finish": "CODE_KEPT INTEGRATION_FAILED",
    "integrations.Connecting._settle": "INTEGRATION_CONNECTED INTEGRATION_FAILED",
    "integrations.AccessTokens.doubt": "TOKEN_DOUBTED",
    "integrations.AccessTokens._renew": "PROVIDER_ASKED",
    "integrations.AccessTokens._settle": "INTEGRATION_REFUSED PROVIDER_POSTPONED",
    "integrations.AccessTokens._store": "INTEGRATION_RENEWED",
    "integrations.AccessTokens._lose": "INTEGRATION_LOST",
    "integrations.Disconnecting.disconnect": "INTEGRATION_DISCONNECTED",
    "integrations.Disconnecting._revoke": "PROVIDER_ASKED",
    "integrations.Disconnecting._settle": "INTEGRATION_REVOKED INTEGRATION_UNCONFIRMED PROVIDER_POSTPONED",
    "integrations.Disconnecting._give_receipt": "RECEIPT_GIVEN",
    "alerts.Watch.tidy": "SIGNALS_TIDIED",
    "metrics.MetricCounts.flush": "METRICS_KEPT",
    "metrics.Measuring.measure": "METRICS_KEPT",
    "quota.Quota.take": "QUOTA_SHARED",
    "quota.Quota.stop": "QUOTA_SHARED",
    "quota.Quota.share": "QUOTA_SHARED",
    "privacy.Leaving.leave": "TENANT_LEFT",
    "privacy.Leaving._sever": "TENANT_SEVERED DEPARTURES_NOTED",
    "privacy.Leaving._delete": "TENANT_PART_ERASED TENANT_ERASED",
    "privacy.Leaving._give_receipt": "RECEIPT_GIVEN",
    "privacy.Leaving._note_departures": "DEPARTURES_NOTED",
    "privacy.Answering.file": "REQUEST_FILED",
    "privacy.Answering.verify": "REQUEST_VERIFIED",
    "privacy.Answering.extend": "REQUEST_EXTENDED",
    "privacy.Answering.refuse": "REQUEST_REFUSED",
    "privacy.Answering.erase": "REQUEST_FULFILLED",
    "privacy.Answering._erase_person": "REQUEST_FULFILLED",
    "privacy.Answering.hand_over": "REQUEST_FULFILLED",
    "privacy.HandingOver.ask": "EXPORT_ASKED",
    "privacy.HandingOver.run": "EXPORT_MOVED EXPORT_READY",
    "privacy.HandingOver.sent": "EXPORT_MOVED EXPORT_TAKEN",
    "privacy.HandingOver.tidy": "EXPORT_MOVED",
    "privacy.HandingOver._note_progress": "EXPORT_MOVED",
    "privacy.Importing.read_in": "TENANT_IMPORTED",
    "privacy.Leaving._ask": "ERASURE_ASKED",
}
"""Everything that changes stored state, and the reasons that it gives; an operation in no row is not reviewed."""


def members_used(sources, kind):
    return {
        node.attr
        for source in sources
        if source.name != HOME
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == kind.__name__
    }


def calls_of(sources, name):
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == name:
                yield source.name, node


def reasons_in(node):
    kinds = {Action.__name__, Bookkeeping.__name__}
    return {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in kinds
    }


def operations(sources):
    """Every method of a use case that commits, with the reasons in it and in the functions that make its event."""
    for source in sources:
        if not source.name.startswith("app/domain/"):
            continue
        made = {each.name: reasons_in(each) for each in source.tree.body if isinstance(each, ast.FunctionDef)}
        for kind in (each for each in source.tree.body if isinstance(each, ast.ClassDef)):
            for method in (each for each in kind.body if isinstance(each, ast.FunctionDef)):
                names = {getattr(call.func, "attr", None) for call in ast.walk(method) if isinstance(call, ast.Call)}
                if "commit" in names:
                    called = {each.id for each in ast.walk(method) if isinstance(each, ast.Name)} & set(made)
                    area = source.name.split("/")[2]
                    reasons = reasons_in(method).union(*(made[name] for name in called))
                    yield f"{area}.{kind.name}.{method.name}", reasons


def test_every_operation_that_changes_something_gives_the_reasons_that_were_reviewed(sources):
    assert dict(operations(sources)) == {name: set(reasons.split()) for name, reasons in OPERATIONS.items()}


def test_every_action_is_that_of_an_operation():
    given = {reason for reasons in OPERATIONS.values() for reason in reasons.split()}
    assert given == set(Action.__members__) | set(Bookkeeping.__members__)


def test_every_listed_reason_is_used(sources):
    assert members_used(sources, Action) == set(Action.__members__)
    assert members_used(sources, Bookkeeping) == set(Bookkeeping.__members__)


def details(sources):
    """The names in what an entry says: in its last argument, and in what a function calls `detail`."""
    for _, call in calls_of(sources, "AuditEvent"):
        yield from call.args[3:]
    for source in sources:
        for node in ast.walk(source.tree):
            targets = getattr(node, "targets", [getattr(node, "target", None)])
            named = any(getattr(each, "id", "") == "detail" for each in targets)
            if source.name.startswith("app/domain/") and named and node.value is not None:
                yield node.value


def test_every_detail_of_an_entry_has_words(sources):
    keys = {key.value for each in details(sources) for node in ast.walk(each) if isinstance(node, ast.Dict)
            for key in node.keys if isinstance(key, ast.Constant)}  # fmt: skip
    assert {"cause", "sha256", "from_installation"} < keys <= set(DETAILS)


def test_every_audit_event_names_its_action(sources):
    firsts = [ast.unparse(call.args[0]) for _, call in calls_of(sources, "AuditEvent")]
    assert firsts
    assert {first.removeprefix("Action.") for first in firsts} <= set(Action.__members__)


def test_every_commit_of_a_unit_of_work_says_why(sources):
    reasons = [
        {keyword.arg for keyword in call.keywords}
        for name, call in calls_of(sources, "commit")
        if name.startswith("app/domain/")
    ]
    assert len(reasons) >= 5
    assert all(keywords == {"because"} for keywords in reasons)


def test_nothing_but_the_unit_of_work_commits_in_the_product(sources):
    committing = {name for name, call in calls_of(sources, "commit") if name.startswith("app/") and not call.keywords}
    # the operator's commands change no row of a tenant, and a restore brings them back with their log
    operators = {"app/store/administration.py", "app/store/backup_target.py"}
    assert committing == {"app/store/unit_of_work.py", *operators}
