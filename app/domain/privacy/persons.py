"""What an audit entry says about a person: sealed under a data key of that person's own, which can be destroyed."""

from dataclasses import replace
from datetime import datetime

from app.domain.audit.entry import AuditEvent, PersonalPart
from app.domain.identifiers import AccountId, TenantId
from app.domain.keys.operations import new_data_key
from app.domain.ports import UnitOfWork, Vault
from app.domain.secrets import Purpose, Secret, SecretPlace


def personal_part(
    uow: UnitOfWork, vault: Vault, tenant: TenantId, *, account: AccountId, now: datetime
) -> PersonalPart:
    """That account as the personal part of an entry of that tenant; raises `VaultCannotAnswer`.

    Our name of the person in the log is the id of the person's data key: erasing the account destroys that key.
    """
    subject = uow.people.subject(account)
    key = None if subject is None else uow.tenants.data_key(Purpose.AUDIT_PERSON, key_id=subject)
    if key is None:
        key = new_data_key(uow, vault, tenant, purpose=Purpose.AUDIT_PERSON, now=now)
        uow.people.add_subject(account, key.key_id, now)
    place = SecretPlace(tenant, Purpose.AUDIT_PERSON, str(key.key_id), version=1)
    return PersonalPart(key.key_id, vault.seal(Secret(account), place=place, data_key=key).envelope)


def by_person(
    event: AuditEvent, account: AccountId | None, *, uow: UnitOfWork, vault: Vault, tenant: TenantId, now: datetime
) -> AuditEvent:
    """That event with the person who did it; without one where nobody of the site acts. Errors as in `personal_part`.

    In the clear the log says in what capacity somebody acted; who it was is in the sealed part, until that person is
    erased.
    """
    if account is None:
        return event
    return replace(event, person=personal_part(uow, vault, tenant, account=account, now=now))
