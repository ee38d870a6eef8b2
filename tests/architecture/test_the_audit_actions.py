"""Every listed reason to commit is used, and no commit has another."""

import ast

from app.domain.audit.entry import Action, Bookkeeping

HOME = "app/domain/audit/entry.py"


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


def test_every_listed_reason_is_used(sources):
    assert members_used(sources, Action) == set(Action.__members__)
    assert members_used(sources, Bookkeeping) == set(Bookkeeping.__members__)


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
    # the operator's commands change no row of a tenant
    assert committing == {"app/store/unit_of_work.py", "app/store/administration.py"}
