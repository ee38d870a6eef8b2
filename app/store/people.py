"""The accounts of one tenant: listed from the columns that the register names, and taken out of them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Table,
    Text,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.identifiers import AccountId, TenantId
from app.domain.privacy.accounts import ERASED, digest_of
from app.domain.privacy.register import Declared, Erase, Kind
from app.domain.secrets import Purpose
from app.store.audit_tables import AuditPersonRow, AuditRow
from app.store.db import Base
from app.store.people_tables import AccountHolderRow, AccountReportRow, AuditSubjectRow, PersonRow
from app.store.personal_columns import accounts_held, digest_in_sql, register, table_of, value_of
from app.store.tables import DataKeyRow

_BATCH = 90
_SPREAD = text("""
    INSERT INTO registry.account_reports (digest, tenant_id, listed_at, due_at, attempts, state)
    SELECT digest, :tenant, :now, :now + :period * ((floor(share * slots) + start) / slots), 0, 'open'
    FROM (
        SELECT digest, get_byte(digest, 0) / 256.0 + get_byte(digest, 1) / 65536.0 AS share,
            ceil(count(*) OVER () / :batch ::numeric) AS slots,
            mod(abs(hashint8extended(:tenant, 0)), 10000) / 10000.0 AS start
        FROM registry.account_holders WHERE tenant_id = :tenant
    ) listed
    ORDER BY digest
    ON CONFLICT (digest) DO NOTHING
""")
"""A tenant's accounts are due in as many groups as they fill requests, evenly over the period, from an instant of its
own on: no hour of the day is everybody's, and small tenants do not make many small requests."""


class SqlPeople:
    """See `app.domain.privacy.ports.PeopleRows`. Every query names the tenant too, as a second belt."""

    def __init__(self, connection: Connection, tenant: TenantId) -> None:
        self._connection = connection
        self._tenant = tenant

    def list_held(self, *, period: timedelta, now: datetime) -> int:
        """Make people, holders and reports of this tenant what the columns of the register say."""
        # One list at a time, in any number of workers: of tenants with the same people two would wait for each other.
        self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('people', 3))"))
        self._copy_held()
        self._copy_holders()
        self._drop(self._unheld_digests())
        spread = {"tenant": self._tenant, "now": now, "period": period, "batch": _BATCH}
        self._connection.execute(_SPREAD, spread)
        self._take_over()
        self._erase_again(now)
        return self._connection.execute(
            select(func.count()).select_from(PersonRow).where(PersonRow.tenant_id == self._tenant)
        ).scalar_one()

    def accounts(self, digests: Collection[bytes]) -> Mapping[bytes, AccountId]:
        """The ids of these accounts."""
        found = self._connection.execute(
            select(PersonRow.digest, PersonRow.account_id).where(
                PersonRow.tenant_id == self._tenant, PersonRow.digest.in_(digests)
            )
        )
        return {row.digest: AccountId(row.account_id) for row in found}

    def held(self) -> Collection[AccountId]:
        """Every account id in a column of this tenant, as the register says."""
        held = accounts_held(self._tenant).subquery("accounts")
        return [AccountId(account) for account in self._connection.execute(select(held.c.account_id)).scalars()]

    def erase(self, accounts: Collection[AccountId]) -> Mapping[str, int]:
        """Take these people out of every column; returns how many rows changed, by table."""
        wanted = sorted(set(accounts))
        changed: Counter[str] = Counter()
        self._forget_subjects(wanted, changed)
        # From the tables that refer to those that are referred to: a row cannot go before what hangs on it.
        declared = [each for each in register() if each.what.kind is Kind.ACCOUNT_ID]
        for table in reversed(Base.metadata.sorted_tables):
            for each in declared:
                if table_of(each) is table and each.what.erase is not Erase.KEY:
                    changed[table.fullname] += self._erase_value(each, table, wanted)
        self._drop([digest_of(account) for account in wanted])
        return {table: count for table, count in changed.items() if count}

    def held_of(self, account: AccountId) -> Mapping[str, Sequence[str]]:
        """Without our own number of the tenant; of the audit log the entries that name the person, by our own ids."""
        found: dict[str, list[str]] = {}
        for each in register():
            if each.what.kind is Kind.ACCOUNT_ID and "tenant_id" in table_of(each).columns:
                table = table_of(each)
                rows = select(_as_json(table)).where(table.c.tenant_id == self._tenant, value_of(each) == account)
                found.setdefault(table.fullname, []).extend(self._connection.execute(rows).scalars())
        named = (
            select(_as_json(AuditRow.__table__))
            .select_from(AuditRow)
            .join(
                AuditPersonRow,
                (AuditPersonRow.tenant_id == AuditRow.tenant_id) & (AuditPersonRow.entry_id == AuditRow.entry_id),
            )
            .where(AuditRow.tenant_id == self._tenant, AuditPersonRow.subject == self.subject(account))
        )
        found["app.audit_entries"] = list(self._connection.execute(named).scalars())
        return {name: rows for name, rows in found.items() if rows}

    def refresh(self, digests: Collection[bytes], now: datetime) -> None:
        """What is held of these accounts is as fresh as of now."""
        self._connection.execute(
            update(PersonRow)
            .where(PersonRow.tenant_id == self._tenant, PersonRow.digest.in_(digests))
            .values(refreshed_at=now)
        )
        self._connection.execute(
            update(AccountHolderRow)
            .where(AccountHolderRow.tenant_id == self._tenant, AccountHolderRow.digest.in_(digests))
            .values(stored_at=now)
        )

    def subject(self, account: AccountId) -> UUID | None:
        """Our name of that person in the audit log; of two who first need one at once, the second finds the first's."""
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:account, :tenant))")
        self._connection.execute(lock, {"account": f"person {account}", "tenant": self._tenant})
        return self._connection.execute(
            select(AuditSubjectRow.subject).where(
                AuditSubjectRow.tenant_id == self._tenant, AuditSubjectRow.account_id == account
            )
        ).scalar_one_or_none()

    def who(self, entry: UUID) -> AccountId | None:
        """By our name of that person; what is sealed stays sealed."""
        is_of_entry = (AuditPersonRow.tenant_id == self._tenant) & (AuditPersonRow.entry_id == entry)
        named = select(AuditSubjectRow.account_id).where(
            AuditSubjectRow.tenant_id == self._tenant,
            AuditSubjectRow.subject == select(AuditPersonRow.subject).where(is_of_entry).scalar_subquery(),
        )
        found = self._connection.execute(named).scalar_one_or_none()
        return None if found is None else AccountId(found)

    def add_subject(self, account: AccountId, subject: UUID, now: datetime) -> None:
        """That is our name of that person from now on."""
        self._connection.execute(
            insert(AuditSubjectRow).values(tenant_id=self._tenant, account_id=account, subject=subject, stored_at=now)
        )

    def _copy_held(self) -> None:
        held = accounts_held(self._tenant).subquery("accounts")
        rows = select(
            literal(self._tenant, BigInteger), held.c.account_id, digest_in_sql(held.c.account_id), held.c.stored_at
        )
        adding = upsert(PersonRow).from_select(["tenant_id", "account_id", "digest", "stored_at"], rows)
        self._connection.execute(
            adding.on_conflict_do_update(
                index_elements=[PersonRow.tenant_id, PersonRow.account_id],
                set_={"stored_at": adding.excluded.stored_at},
                where=PersonRow.stored_at != adding.excluded.stored_at,
            )
        )
        still = accounts_held(self._tenant).subquery("accounts")
        self._connection.execute(
            delete(PersonRow).where(
                PersonRow.tenant_id == self._tenant, PersonRow.account_id.not_in(select(still.c.account_id))
            )
        )

    def _copy_holders(self) -> None:
        rows = select(
            PersonRow.digest,
            PersonRow.tenant_id,
            func.greatest(PersonRow.stored_at, PersonRow.refreshed_at),
        ).where(PersonRow.tenant_id == self._tenant)
        adding = upsert(AccountHolderRow).from_select(["digest", "tenant_id", "stored_at"], rows)
        self._connection.execute(
            adding.on_conflict_do_update(
                index_elements=[AccountHolderRow.digest, AccountHolderRow.tenant_id],
                set_={"stored_at": adding.excluded.stored_at},
                where=AccountHolderRow.stored_at != adding.excluded.stored_at,
            )
        )

    def _unheld_digests(self) -> Collection[bytes]:
        held = select(PersonRow.digest).where(PersonRow.tenant_id == self._tenant)
        gone = select(AccountHolderRow.digest).where(
            AccountHolderRow.tenant_id == self._tenant, AccountHolderRow.digest.not_in(held)
        )
        return self._connection.execute(gone).scalars().all()

    def _drop(self, digests: Collection[bytes]) -> None:
        """This tenant holds them no more; that nobody does is remembered of closed accounts only."""
        if not digests:
            return
        self._connection.execute(
            delete(AccountHolderRow).where(
                AccountHolderRow.tenant_id == self._tenant, AccountHolderRow.digest.in_(digests)
            )
        )
        is_held = select(AccountHolderRow.digest).where(AccountHolderRow.digest == AccountReportRow.digest).exists()
        self._connection.execute(
            delete(AccountReportRow).where(
                AccountReportRow.digest.in_(digests), AccountReportRow.state != "closed", ~is_held
            )
        )

    def _take_over(self) -> None:
        """Accounts are reported through a tenant that holds them."""
        ours = select(AccountHolderRow.digest).where(AccountHolderRow.tenant_id == self._tenant)
        is_held = (
            select(AccountHolderRow.digest)
            .where(
                AccountHolderRow.digest == AccountReportRow.digest,
                AccountHolderRow.tenant_id == AccountReportRow.tenant_id,
            )
            .exists()
        )
        self._connection.execute(
            update(AccountReportRow)
            .where(AccountReportRow.digest.in_(ours), AccountReportRow.tenant_id != self._tenant, ~is_held)
            .values(tenant_id=self._tenant)
        )

    def _erase_again(self, now: datetime) -> None:
        """A closed account that was stored once more, by an old history for example, is erased once more."""
        ours = select(AccountHolderRow.digest).where(AccountHolderRow.tenant_id == self._tenant)
        self._connection.execute(
            update(AccountReportRow)
            .where(
                AccountReportRow.digest.in_(ours),
                AccountReportRow.state == "closed",
                AccountReportRow.answered_at.is_(None),
            )
            .values(answered_at=now)
        )

    def _forget_subjects(self, accounts: list[AccountId], changed: Counter[str]) -> None:
        """The personal parts of the audit log, and the data keys with which backups of them could be read."""
        is_person = (AuditSubjectRow.tenant_id == self._tenant) & AuditSubjectRow.account_id.in_(accounts)
        gone = delete(AuditSubjectRow).where(is_person).returning(AuditSubjectRow.subject)
        subjects = self._connection.execute(gone).scalars().all()
        if not subjects:
            return
        changed["app.audit_subjects"] += len(subjects)
        parts = delete(AuditPersonRow).where(
            AuditPersonRow.tenant_id == self._tenant, AuditPersonRow.subject.in_(subjects)
        )
        changed["app.audit_persons"] += self._connection.execute(parts).rowcount
        data_keys = delete(DataKeyRow).where(
            DataKeyRow.tenant_id == self._tenant,
            DataKeyRow.purpose == Purpose.AUDIT_PERSON.value,
            DataKeyRow.key_id.in_(subjects),
        )
        changed["app.data_keys"] += self._connection.execute(data_keys).rowcount

    def _erase_value(self, declared: Declared, table: Table, accounts: list[AccountId]) -> int:
        is_theirs = (table.c.tenant_id == self._tenant) & value_of(declared).in_(accounts)
        if declared.what.erase is Erase.ROW:
            return self._connection.execute(delete(table).where(is_theirs)).rowcount
        column = table.c[declared.column]
        erased: Any = ERASED
        if declared.key is not None:
            erased = func.jsonb_set(column, [declared.key], cast(func.to_jsonb(ERASED), column.type))
        return self._connection.execute(update(table).where(is_theirs).values({column.name: erased})).rowcount


def _as_json(table: Any) -> ColumnElement[str]:  # noqa: ANN401  a table, which `FromClause` hides
    return cast(func.to_jsonb(literal_column(table.name)).op("-")("tenant_id"), Text)
