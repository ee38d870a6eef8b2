"""The table decides: what no row grants is denied, before and after Jira is asked."""

import pytest

from app.domain.access.roles import (
    ASKED_OF_JIRA,
    ROLES,
    NotPermitted,
    Permission,
    Role,
    is_granted,
    refuse_at_the_door,
)

PERSON = frozenset({Role.ANYONE, Role.USER})
HOST = frozenset({Role.ANYONE, Role.APP})


def let_in(permission, proven):
    try:
        refuse_at_the_door(permission, proven)
    except NotPermitted:
        return False
    return True


def test_whoever_proves_nothing_sees_what_is_public_and_no_more():
    let = [each for each in Permission if let_in(each, frozenset({Role.ANYONE}))]
    assert let == [Permission.SEE_PUBLIC, Permission.FOLLOW_LINK]


def test_a_person_is_let_through_to_what_jira_has_to_confirm_and_never_to_what_the_host_does():
    refused = {each for each in Permission if not let_in(each, PERSON)}
    assert refused == {
        Permission.INSTALL,
        Permission.REPORT,
        Permission.FOLLOW,
        Permission.PUBLISH,
        Permission.LIST_CONTAINERS,
        Permission.KEEP_WATCH,
        Permission.TELL,
        Permission.REPORT_ACCOUNTS,
        Permission.KEEP_INTEGRATIONS,
        Permission.ERASE,
        Permission.HAND_OVER,
        Permission.SCRAPE,
    }


def test_the_host_is_never_let_through_to_what_is_for_persons():
    refused = {each for each in Permission if not let_in(each, HOST)}
    assert refused == {
        Permission.VIEW_OWN_ROLES,
        Permission.VIEW_ISSUE_CLOCKS,
        Permission.RECORD_DECISION,
        Permission.LIST_CLOCKS,
        Permission.VIEW_SETTINGS,
        Permission.CHANGE_SETTINGS,
        Permission.MANAGE_RECIPIENTS,
        Permission.KEEP_OWN_CALENDAR,
        Permission.KEEP_OWN_VIEWS,
        Permission.EXPORT,
        Permission.MANAGE_REQUESTS,
        Permission.SCRAPE,
    }


def test_being_let_through_the_door_grants_nothing_that_jira_has_to_confirm():
    for role in ASKED_OF_JIRA:
        assert not any(is_granted(permission, PERSON) for permission in ROLES[role])


@pytest.mark.parametrize("permission", Permission)
def test_no_role_means_no_permission(permission):
    assert not is_granted(permission, frozenset())
    assert not let_in(permission, frozenset())


@pytest.mark.parametrize("permission", Permission)
def test_a_permission_that_is_in_no_row_is_refused_to_every_role(monkeypatch, permission):
    for role in Role:
        monkeypatch.setitem(ROLES, role, ROLES[role] - {permission})
    assert not let_in(permission, frozenset(Role))
