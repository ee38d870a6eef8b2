from dataclasses import replace

import pytest

from app.domain.clocks.calendars import HolidayList
from app.domain.promises.coverage import Today
from app.domain.promises.lint import Check, lint
from app.domain.promises.reading import read_policy

NOTHING = Today()


def found(check, policies, **more):
    return [
        (each.policy, each.where, each.text) for each in lint(policies, today=NOTHING, **more) if each.check is check
    ]


def test_a_placeholder_that_was_never_filled_in_is_found(shipped):
    assert found(Check.PLACEHOLDER, [shipped["genchi"]]) == [("genchi", "§12", '"[TODAY\'S DATE]" was never filled in')]


@pytest.mark.parametrize("text", ["within [NUMBER OF] days", "TODO: ask", "{{ days }} days", "Lorem ipsum"])
def test_the_usual_placeholders_are_known(shipped, text):
    policy = shipped["kencha"]
    first = replace(policy.promises[0], text=text)
    assert len(found(Check.PLACEHOLDER, [replace(policy, promises=(first,))])) == 1


def test_an_ordinary_text_in_brackets_is_no_placeholder(shipped):
    policy = shipped["kencha"]
    first = replace(policy.promises[0], text="see [the guide] and [2]")
    assert found(Check.PLACEHOLDER, [replace(policy, promises=(first,))]) == []


def test_two_contact_addresses_in_one_policy_contradict_each_other(shipped):
    ((policy, topic, text),) = found(Check.CONTRADICTION, [shipped["genchi"]])
    assert (policy, topic) == ("genchi", "security contact")
    assert text == "genchi §7, §11 says 'security@'; genchi §13 says 'support@'"


def test_cbc_in_one_policy_and_gcm_in_another_contradict_each_other(shipped):
    contradictions = found(Check.CONTRADICTION, shipped.values())
    text = "genchi §3 says 'AES-256-CBC'; genible §03 says 'AES-256-GCM'"
    assert ("genchi, genible", "cipher of stored credentials", text) in contradictions


def test_an_inherited_passage_is_found_once(shipped):
    heir = replace(shipped["genchi"], name="heir")
    assert len(found(Check.CONTRADICTION, [shipped["genchi"], heir])) == 1


def override(text_of, clock):
    promise = f"""
[[promise]]
id = "security-bug-fix"
overrides = true
kind = "clock"
clause = "§1"
text = "Bugs are fixed."
trigger = "report"
actor = "security"
deadline = "x"
evidence = "x"

[promise.clock]
starts = "reported"
stops = "fixed"
mode = "elapsed"
{clock}
"""
    head = (
        'name = "acme"\ntitle = "x"\nversion = 1\ndated = 2026-11-22\nsource = "x"\nextends = "atlassian-marketplace"\n'
    )
    texts = {"acme": head + promise, "atlassian-marketplace": text_of("atlassian-marketplace")}
    return read_policy("acme", texts.__getitem__)


def test_a_number_weaker_than_atlassians_table_is_found_for_its_severity(shipped, text_of):
    policy = override(text_of, 'duration = "30 days"')
    weaker = found(Check.WEAKER, [policy], bases=[shipped["atlassian-marketplace"]])
    assert [text for _, _, text in weaker] == [
        "critical: 30 d 0 h, where atlassian-marketplace allows 10 d 0 h",
        "high: 30 d 0 h, where atlassian-marketplace allows 28 d 0 h",
    ]


@pytest.mark.parametrize(
    "choice",
    [
        'pauses = ["*"]',
        'extension_roles = ["admin"]',
        "triage_days = 20",
        'on_rise = "keep_old"',
        "extension_evidence = false",
    ],
)
def test_a_choice_that_gives_more_time_than_atlassian_is_found(shipped, text_of, choice):
    policy = override(text_of, f'duration = "10 days"\nchoices = {{ {choice} }}')
    ((_, where, text),) = found(Check.WEAKER, [policy], bases=[shipped["atlassian-marketplace"]])
    assert where == "security-bug-fix"
    assert text.endswith("gives more time")


def test_a_weaker_table_under_the_same_name_is_found(shipped, text_of):
    table = """
[[table]]
name = "marketplace-cloud"
since = 2026-11-22
source = "ours"
critical = "11 days"
high = "4 weeks"
medium = "12 weeks"
low = "25 weeks"
"""
    texts = {"kencha": text_of("kencha") + table, "atlassian-marketplace": text_of("atlassian-marketplace")}
    policy = read_policy("kencha", texts.__getitem__)
    weaker = found(Check.WEAKER, [policy], bases=[shipped["atlassian-marketplace"]])
    text = "critical: 11 d 0 h, where atlassian-marketplace allows 10 d 0 h"
    assert weaker == [("kencha", "security-bug-fix", text)]


def test_a_stricter_number_is_welcome(shipped, text_of):
    policy = override(text_of, 'duration = "5 days"')
    assert found(Check.WEAKER, [policy], bases=[shipped["atlassian-marketplace"]]) == []


def test_the_shipped_policies_are_not_weaker_than_atlassians(shipped):
    assert found(Check.WEAKER, shipped.values(), bases=[shipped["atlassian-marketplace"]]) == []


def test_a_calendar_that_the_library_does_not_have_is_found(shipped):
    policy = replace(shipped["kencha"], calendars=(HolidayList("nowhere", "XX"),))
    assert found(Check.CALENDAR, [policy]) == [("kencha", "nowhere", "there is no holiday list for XX")]


def test_months_without_a_calendar_are_found(shipped):
    policy = shipped["kencha"]
    promise = policy.promise("K-02")
    (term,) = promise.rule.terms
    bare = replace(promise, rule=replace(promise.rule, terms=(replace(term, calendar=None),)))
    ((_, where, _),) = found(Check.CALENDAR, [replace(policy, promises=(bare,))])
    assert where == "K-02"


def test_the_shipped_calendars_are_there(shipped):
    assert found(Check.CALENDAR, shipped.values()) == []


def test_a_promise_without_backing_is_found(shipped):
    missing = {where for _, where, _ in found(Check.NOTHING_BEHIND, [shipped["kencha"]])}
    assert {"security-bug-fix", "K-01", "K-08"} <= missing
    backed = lint([shipped["kencha"]], today=Today(triggers={"security-bug-fix"}))
    assert "security-bug-fix" not in {each.where for each in backed if each.check is Check.NOTHING_BEHIND}
