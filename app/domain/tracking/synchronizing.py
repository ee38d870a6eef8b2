"""Imports and reconciliations: every issue that counts is read, in bulk, one bounded slice per job.

A run stands in a row, and each page moves it in the same transaction that stores what the page held: whoever goes on
after a kill begins where the last commit ended, and what is read twice ends in the same.
Source: https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-search/
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.domain.audit.entry import Action, AuditEvent, Bookkeeping
from app.domain.identifiers import IssueId, TenantId
from app.domain.instants import is_ahead, is_beyond_belief
from app.domain.ports import Database, DatabaseUnavailable, IssueHidden, JiraUnavailable, SiteAccess, UnitOfWork
from app.domain.promises.model import PolicyRef
from app.domain.promises.shelf import InForce
from app.domain.secrets import Secret
from app.domain.tracking.bulk_reading import BulkJiraSites, BulkRead, IssueSign, PageTokenExpired
from app.domain.tracking.configuration import FollowingConfiguration
from app.domain.tracking.derived import IssueFacts, bounds_from
from app.domain.tracking.deriving import Derived, derive
from app.domain.tracking.jql import Jql, JqlRefused
from app.domain.tracking.model import IssueRecord, IssueSnapshot, Tracking
from app.domain.tracking.rule import TrackingRule
from app.domain.tracking.runs import Cause, Counts, Phase, Run, RunKind

PAGE = 100
"""Issues of one step: what `issue/bulkfetch` takes."""
STEPS = 5
"""Of one job, before it queues itself again, so that no tenant's import delays another's."""
CONFIRMED_PER_RUN = 5_000
"""Known issues that one reconciliation looks at, those seen longest ago first: each costs a point of Jira's quota."""
OVERLAP = timedelta(minutes=10)
"""How much of what the last run covered the next one searches again: Jira's index is behind its issues, by seconds."""
SILENT_AFTER = timedelta(days=1)
"""A reconciliation that goes back further catches up, as an import does: nobody is told of what lies in the past."""


@dataclass(frozen=True)
class _Work:
    """One slice of one run."""

    tenant: TenantId
    site: SiteAccess
    configuration: FollowingConfiguration
    now: datetime


@dataclass
class _Found:
    """What one page came to."""

    derived: list[Derived] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    def skip(self, reason: str, many: int = 1) -> None:
        """Count issues of which nothing was stored."""
        if many:
            self.counts += Counts(skipped={reason: many})


@dataclass(frozen=True)
class Synchronizing:
    """Keeps what we know in step with Jira where no webhook tells of it."""

    database: Database
    jira: BulkJiraSites
    site_of: Callable[[TenantId, Secret | None], SiteAccess]
    rule: TrackingRule
    in_force: Callable[[PolicyRef], InForce]

    def ask(self, tenant: TenantId, kind: RunKind, cause: Cause, *, now: datetime) -> None:
        """A run of that kind begins anew. Raises `LookupError` where there is no such tenant."""
        self.database.view_tenant(tenant)
        with self.database.begin(tenant) as uow:
            uow.following.ask_run(kind, cause, now=now)
            uow.enqueue("sync-issues", tenant)
            uow.commit(because=Bookkeeping.RUN_ASKED)

    def ask_hourly(self, *, now: datetime) -> int:
        """A reconciliation for every active tenant, or what is left of its import; returns for how many.

        The trouble of one is raised when all the others have had their turn.
        """
        with self.database.begin() as uow:
            tenants = uow.registry.list_active()
        trouble = None
        for tenant in tenants:
            try:
                self._ask_hourly(tenant, now=now)
            except DatabaseUnavailable as failure:
                trouble = failure
        if trouble is not None:
            raise trouble
        return len(tenants)

    def advance(self, tenant: TenantId, *, now: datetime) -> int:
        """Go on with the tenant's run, if one waits, for one slice; returns how many steps were done.

        Raises `JiraUnavailable`; what was done until then stays done.
        """
        with self.database.begin(tenant) as uow:
            uow.await_enqueued("sync-issues", tenant)
            run = _unfinished(uow)
            is_active = uow.registry.is_active(tenant)
            configuration = uow.following.configuration()
        if run is None or not is_active:
            # Of a site that is gone nothing may be asked any more; the run waits for the day it comes back.
            return 0
        work = _Work(tenant, self.site_of(tenant, None), configuration, now)
        done = 0
        while run is not None and run.is_unfinished and done < STEPS:
            run = self._step(work, run)
            done += 1
        with self.database.begin(tenant) as uow:
            if _unfinished(uow) is not None:
                uow.enqueue("sync-issues", tenant)
                uow.commit(because=Bookkeeping.RUN_ASKED)
        return done

    def _ask_hourly(self, tenant: TenantId, *, now: datetime) -> None:
        with self.database.begin(tenant) as uow:
            imported = uow.following.find_run(RunKind.IMPORT)
            reconciled = uow.following.find_run(RunKind.RECONCILIATION)
            if imported is None or imported.phase is Phase.FAILED:
                uow.following.ask_run(RunKind.IMPORT, imported.cause if imported else Cause.HOURLY, now=now)
            elif not imported.is_unfinished and (reconciled is None or not reconciled.is_unfinished):
                uow.following.ask_run(RunKind.RECONCILIATION, Cause.HOURLY, now=now)
            uow.enqueue("sync-issues", tenant)
            uow.commit(because=Bookkeeping.RUN_ASKED)

    def _step(self, work: _Work, run: Run) -> Run | None:
        """One page; returns the run as it stands then, None where it is no longer ours to go on with."""
        try:
            if run.phase is Phase.WAITING or run.configuration != work.configuration.version:
                return self._begin(work, run)
            if run.phase is Phase.SEARCHING:
                return self._search(work, run)
            return self._confirm(work, run)
        except JqlRefused as refusal:
            # The query was good when it was chosen: a project or field that it names is gone since.
            return self._end(work, run.ended(Phase.FAILED, now=work.now, problem=f"jql: {refusal}"))

    def _begin(self, work: _Work, run: Run) -> Run | None:
        with self.database.begin(work.tenant) as uow:
            window, confirm_before = None, work.now
            if run.kind is RunKind.RECONCILIATION:
                window = _window_minutes(uow, now=work.now)
                confirm_before = uow.batches.confirm_before(CONFIRMED_PER_RUN, otherwise=work.now)
            else:
                uow.following.forget_unmapped()
            run = run.begun(
                configuration=work.configuration.version,
                window_minutes=window,
                confirm_before=confirm_before,
                now=work.now,
            )
            if not uow.following.save_run(run):
                return None
            if run.kind is RunKind.IMPORT:
                detail = {"cause": run.cause.value, "configuration": run.configuration}
                uow.commit(because=AuditEvent(Action.IMPORT_STARTED, "system", f"tenant/{work.tenant}", detail))
            else:
                uow.commit(because=Bookkeeping.RUN_ADVANCED)
            return run

    def _search(self, work: _Work, run: Run) -> Run | None:
        try:
            page = self.jira.find_issues(work.site, self._query(work, run), page_token=run.page_token, limit=PAGE)
        except PageTokenExpired:
            # Jira keeps a search for days. It begins again; what was stored is found as it is.
            return self._move(work, replace(run, page_token=None))
        read = self._read(work, page.issues)
        phase = Phase.CONFIRMING if page.next_token is None else Phase.SEARCHING
        return self._store(work, replace(run, phase=phase, page_token=page.next_token), read)

    def _confirm(self, work: _Work, run: Run) -> Run | None:
        before = run.confirm_before or work.now
        with self.database.begin(work.tenant) as uow:
            known = uow.batches.page_tracked(after=run.after_issue, read_before=before, limit=PAGE)
        if not known:
            self._learn_address(work)
            return self._end(work, run.ended(Phase.DONE, now=work.now))
        run = replace(run, after_issue=int(known[-1].issue))
        issues = [record.issue for record in known]
        if run.kind is RunKind.IMPORT:
            return self._store(work, run, self._read(work, issues))
        signs = {sign.issue: sign for sign in self.jira.look_at(work.site, issues)}
        changed = [record.issue for record in known if _has_changed(record, signs.get(record.issue))]
        read = self._read(work, changed)
        hidden = (*read.hidden, *(issue for issue in issues if issue not in signs))
        same = [issue for issue in issues if issue in signs and issue not in changed]
        return self._store(work, run, replace(read, hidden=hidden), confirmed=same)

    def _learn_address(self, work: _Work) -> None:
        """Links in mails and calendars lead to where people reach the site, which Forge's own calls do not say."""
        site = self.database.view_tenant(work.tenant)
        if site.client_key is not None or site.display_url != site.base_url:
            return
        try:
            url = self.jira.display_url(work.site)
        except (IssueHidden, JiraUnavailable):
            # No reason for a run to fail: the next one asks again.
            return
        if url.startswith(("https://", "http://")):
            with self.database.begin(work.tenant) as uow:
                uow.tenants.save_display_url(site.installation, url)
                uow.commit(because=Bookkeeping.RUN_ADVANCED)

    def _read(self, work: _Work, issues: Sequence[IssueId]) -> BulkRead:
        if not issues:
            return BulkRead((), (), ())
        return self.jira.read_issues(work.site, issues, work.configuration.fields())

    def _query(self, work: _Work, run: Run) -> str:
        jql = work.configuration.jql or everybodys_jql(self.rule, self.jira.issue_types(work.site))
        return jql.all() if run.window_minutes is None else jql.changed_within(run.window_minutes)

    def _store(self, work: _Work, run: Run, read: BulkRead, *, confirmed: Sequence[IssueId] = ()) -> Run | None:
        with self.database.begin(work.tenant) as uow:
            known = uow.batches.hold_many([snapshot.issue for snapshot in read.snapshots])
            found = _Found()
            for snapshot in read.snapshots:
                self._take(found, known.get(snapshot.issue), snapshot, work)
            gone = uow.batches.hide(read.hidden, work.now)
            found.counts += Counts(gone=len(gone), unchanged=len(confirmed))
            found.skip("hidden", len(read.hidden) - len(gone))
            found.skip("unreadable", len(read.unreadable))
            uow.batches.confirm(confirmed, work.now)
            self._keep(uow, found.derived, work, silent=_is_silent(run))
            run = replace(run, counts=run.counts + found.counts, advanced_at=work.now)
            if not uow.following.save_run(run):
                return None
            uow.commit(because=_evidence(run, found.derived, gone))
            return run

    def _take(self, found: _Found, known: IssueRecord | None, snapshot: IssueSnapshot, work: _Work) -> None:
        if known is not None and is_ahead(known.read_at, of=work.now):
            found.skip("newer is known")
            return
        # With a query of the tenant's own Jira has decided already which of them count.
        belongs = work.configuration.jql is not None or self.rule.matches(
            issue_type=snapshot.issue_type, labels=snapshot.labels
        )
        if not belongs and (known is None or known.tracking is not Tracking.TRACKED):
            found.skip("not among those that count")
            return
        reading = work.configuration.reading(self.rule)
        derived = derive(known, snapshot, reading=reading, belongs=belongs, now=work.now)
        found.derived.append(derived)
        found.counts += _count(known, derived)

    def _keep(self, uow: UnitOfWork, derived: Sequence[Derived], work: _Work, *, silent: bool) -> None:
        uow.batches.save_many(derived, work.now)
        uow.following.note_unmapped([value for each in derived for value in each.unmapped], work.now)
        changed = {each.record.issue: each.record.project for each in derived if each.is_changed}
        events = uow.batches.events_of(list(changed))
        force = self.in_force(uow.tenants.tenant().policy)
        bounds = [bounds_from(IssueFacts(issue, changed[issue], told), force) for issue, told in events.items()]
        uow.bounds.save(bounds, policy=force.policy.sha256, silent_before=work.now if silent else None)

    def _move(self, work: _Work, run: Run) -> Run | None:
        with self.database.begin(work.tenant) as uow:
            if not uow.following.save_run(run):
                return None
            uow.commit(because=Bookkeeping.RUN_ADVANCED)
            return run

    def _end(self, work: _Work, run: Run) -> Run | None:
        with self.database.begin(work.tenant) as uow:
            if not uow.following.save_run(run):
                return None
            if run.kind is RunKind.IMPORT:
                uow.commit(because=_end_of_import(work.tenant, run))
            else:
                uow.commit(because=Bookkeeping.RUN_ADVANCED)
            return run


def everybodys_jql(rule: TrackingRule, types: Mapping[int, str]) -> Jql:
    """The query for what `TrackingRule.matches` tells: Jira refuses the name of a type that a site does not have."""
    labels = ", ".join(f'"{label}"' for label in sorted(rule.labels))
    ids = sorted(number for number, name in types.items() if name.strip().lower() in rule.issue_types)
    named = f" OR issuetype in ({', '.join(map(str, ids))})" if ids else ""
    return Jql(f"labels in ({labels}){named}")


def _unfinished(uow: UnitOfWork) -> Run | None:
    """The import comes first: a reconciliation goes on from what it covered."""
    for kind in RunKind:
        run = uow.following.find_run(kind)
        if run is not None and run.is_unfinished:
            return run
    return None


def _window_minutes(uow: UnitOfWork, *, now: datetime) -> int:
    runs = [uow.following.find_run(kind) for kind in RunKind]
    covered = [run.covered_at for run in runs if run is not None and run.covered_at is not None]
    since = max((at for at in covered if not is_beyond_belief(at, at=now)), default=now - SILENT_AFTER)
    return -((since - OVERLAP - now) // timedelta(minutes=1))


def _has_changed(record: IssueRecord, sign: IssueSign | None) -> bool:
    """Whether it has to be read again; Jira's clock and ours may differ by minutes."""
    if sign is None:
        return False
    moved = (sign.key, sign.project) != (record.key, record.project)
    return moved or sign.updated_at > record.read_at - OVERLAP


def _is_silent(run: Run) -> bool:
    window = run.window_minutes
    return window is None or timedelta(minutes=window) > SILENT_AFTER


def _count(known: IssueRecord | None, derived: Derived) -> Counts:
    if derived.is_newly_tracked:
        return Counts(created=1)
    if not derived.is_changed:
        return Counts(unchanged=1)
    record = derived.record
    moved = known is not None and (known.key, known.project) != (record.key, record.project)
    return Counts(updated=1, moved=int(moved))


def _evidence(run: Run, derived: Sequence[Derived], gone: Sequence[IssueId]) -> AuditEvent | Bookkeeping:
    """One entry for a page, which names every issue that is tracked from now on, or that Jira hides from now on."""
    tracked = [each.record.issue for each in derived if each.is_newly_tracked]
    if not tracked and not gone:
        return Bookkeeping.RUN_ADVANCED
    detail = {"tracked": " ".join(map(str, tracked)), "hidden": " ".join(map(str, gone))}
    return AuditEvent(Action.ISSUES_SYNCED, "system", f"run/{run.kind.value}", detail)


def _end_of_import(tenant: TenantId, run: Run) -> AuditEvent:
    counts = run.counts
    detail: dict[str, str | int | None] = {
        "cause": run.cause.value,
        "configuration": run.configuration,
        "outcome": run.phase.value,
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "gone": counts.gone,
        "skipped": sum(counts.skipped.values()),
    }
    return AuditEvent(Action.IMPORT_ENDED, "system", f"tenant/{tenant}", detail)
