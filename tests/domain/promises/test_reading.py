import pytest

from app.domain.clocks.model import Severity
from app.domain.clocks.rule import Reopen, Unit
from app.domain.promises.faults import PolicyRefused
from app.domain.promises.model import Kind
from app.domain.promises.reading import read_policy


def read(**texts):
    """The policy `acme` out of these texts."""
    return read_policy("acme", texts.__getitem__)


def faults(**texts):
    with pytest.raises(PolicyRefused) as caught:
        read(**texts)
    return [str(fault) for fault in caught.value.faults]


def line_with(text, part):
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def test_a_policy_that_is_in_order_is_read(acme):
    policy = read(acme=acme)
    (promise,) = policy.promises
    (term,) = promise.rule.terms
    assert (policy.name, policy.version, promise.kind) == ("acme", 1, Kind.CLOCK)
    assert (term.unit, dict(term.tables[0].amounts)) == (
        Unit.DAYS,
        {Severity.CRITICAL: 10, Severity.HIGH: 28, Severity.MEDIUM: 84, Severity.LOW: 175},
    )


def test_units_that_differ_are_brought_to_the_largest_that_fits_all(acme):
    policy = read(acme=acme.replace('"10 days"', '"36 hours"'))
    (term,) = policy.promise("fix").rule.terms
    assert (term.unit, term.tables[0].amounts[Severity.CRITICAL]) == (Unit.HOURS, 36)
    assert term.tables[0].amounts[Severity.HIGH] == 28 * 24


@pytest.mark.parametrize(
    ("old", "new", "field", "reason"),
    [
        ("version = 1", "version = 0", "version", "greater than or equal to 1"),
        ("version = 1", "version = true", "version", "valid integer"),
        ('title = "Acme security policy"', 'titel = "Acme"', "titel", "not permitted"),
        ('mode = "elapsed"', 'mode = "lunar"', "promise.0.clock.mode", "'elapsed'"),
        ('mode = "elapsed"', 'mode = "wall"\nzone = "Mars/Olympus"', "promise.0.clock.zone", "tz database"),
        ('mode = "elapsed"', 'mode = "elapsed"\ncalendar = "us"', "promise.0.clock.calendar", "no calendar 'us'"),
        ('table = "fixes"', 'table = "other"', "promise.0.clock.table", "no table 'other'"),
        ('table = "fixes"', 'duration = "-3 days"', "promise.0.clock.duration", "pattern"),
        ('table = "fixes"', 'duration = "0 days"', "promise.0.clock.duration", "0 days is not between"),
        ('table = "fixes"', 'duration = "1 month"', "promise.0.clock.duration", "elapsed cannot count months"),
        ('high = "4 weeks"', 'high = "0 days"', "table.0.high", "longer than nothing"),
        ('starts = "reported"', 'starts = "dreamt"', "promise.0.clock.starts", "'reported'"),
        ('stops = "fixed"', 'stops = "reported"', "promise.0.clock.stops", "cannot stop it"),
        ('name = "acme"', 'name = "other"', "name", "acme.toml"),
        ('id = "fix"', 'id = "fix"\nfollows = ["ghost"]', "promise.0.follows", "no other promise 'ghost'"),
        ('kind = "clock"', 'kind = "control"', "promise.0.kind", "a control has no clock"),
        (
            "dated = 2026-11-22",
            "dated = 2026-11-22\nchoices = { triage_days = -1 }",
            "choices.triage_days",
            "0 and 366",
        ),
    ],
)
def test_a_fault_is_told_with_file_line_field_and_reason(acme, old, new, field, reason):
    text = acme.replace(old, new)
    told = faults(acme=text)
    line = line_with(text, new.splitlines()[-1])
    matching = [each for each in told if each.startswith(f"acme.toml:{line}: {field}: ")]
    assert matching, told
    assert reason in matching[0]


def test_every_fault_of_a_file_is_told_at_once(acme):
    told = faults(acme=acme.replace("version = 1", "version = 0").replace('"elapsed"', '"lunar"'))
    assert len(told) == 2


def test_a_table_with_a_gap_is_told_where_it_begins(acme):
    text = acme.replace('medium = "12 weeks"\n', "")
    assert faults(acme=text) == [f"acme.toml:{line_with(text, '[[table]]')}: table.0.medium: Field required"]


def test_versions_of_a_table_must_go_from_old_to_new(acme):
    table = acme[acme.index("[[table]]") : acme.index("[[promise]]")]
    text = acme + "\n" + table.replace("2026-01-01", "2025-01-01")
    assert "table.1.since" in faults(acme=text)[0]


def test_what_is_not_toml_is_told_with_its_line(acme):
    text = acme.replace('kind = "clock"', 'kind = "clock')
    (told,) = faults(acme=text)
    assert told.startswith(f"acme.toml:{line_with(text, 'kind = ')}: TOML: ")


def test_a_clock_without_a_mode_is_refused_because_a_number_alone_says_nothing(acme):
    text = acme.replace('mode = "elapsed"\n', "")
    assert "promise.0.clock.mode: is missing" in faults(acme=text)[0]


def test_business_days_need_a_calendar(acme):
    text = acme.replace('mode = "elapsed"', 'mode = "business_days"')
    text = text.replace('table = "fixes"', 'duration = "5 business days"')
    assert "business days need a named calendar" in faults(acme=text)[0]


def test_an_unknown_policy_is_refused():
    assert faults() == ["acme.toml:1: name: there is no such policy"]


# -- extends


def child(**changes):
    text = 'name = "acme"\ntitle = "Acme"\nversion = 2\ndated = 2026-11-23\nsource = "x"\nextends = "base"\n'
    return text + "".join(changes.values())


def test_a_policy_inherits_promises_tables_and_choices(acme):
    base = acme.replace('name = "acme"', 'name = "base"').replace(
        "dated = 2026-11-22", 'dated = 2026-11-22\nchoices = { on_reopen = "restart" }'
    )
    own = acme[acme.index("[[promise]]") :].replace('id = "fix"', 'id = "fix-too"')
    policy = read(acme=child(own=own), base=base)
    assert [(each.id, each.policy) for each in policy.promises] == [("fix", "base"), ("fix-too", "acme")]
    assert {each.rule.choices.on_reopen for each in policy.clocks()} == {Reopen.RESTART}


def test_tables_and_choices_of_its_own_hold_for_what_it_inherits_too(acme):
    base = acme.replace('name = "acme"', 'name = "base"')
    table = acme[acme.index("[[table]]") : acme.index("[[promise]]")].replace("10 days", "5 days")
    policy = read(acme=child(choices='choices = { on_reopen = "never_stopped" }\n', table=table), base=base)
    rule = policy.promise("fix").rule
    assert rule.terms[0].tables[0].amounts[Severity.CRITICAL] == 5
    assert rule.choices.on_reopen is Reopen.NEVER_STOPPED
    assert read_policy("base", {"base": base}.__getitem__).promise("fix").rule != rule


def test_the_same_id_twice_is_refused_unless_it_says_that_it_overrides(acme):
    base = acme.replace('name = "acme"', 'name = "base"')
    own = acme[acme.index("[[promise]]") :]
    assert "'fix' is already promised" in faults(acme=child(own=own), base=base)[0]
    faster = own.replace('id = "fix"', 'id = "fix"\noverrides = true').replace('table = "fixes"', 'duration = "9 days"')
    policy = read(acme=child(own=faster), base=base)
    assert [(each.id, each.policy) for each in policy.promises] == [("fix", "acme")]
    ghost = own.replace('id = "fix"', 'id = "ghost"\noverrides = true')
    assert "no inherited promise is called 'ghost'" in faults(acme=child(own=ghost), base=base)[0]


def test_a_circle_of_extends_is_refused_and_named(acme):
    base = acme.replace('name = "acme"', 'name = "base"').replace("dated", 'extends = "acme"\ndated')
    assert faults(acme=child(), base=base) == ["base.toml:4: extends: goes round in a circle: acme → base → acme"]


def test_a_policy_that_extends_nothing_known_is_refused():
    assert faults(acme=child()) == ["acme.toml:6: extends: there is no policy 'base'"]


def test_a_fault_in_the_extended_file_names_that_file(acme):
    base = acme.replace('name = "acme"', 'name = "base"').replace('"elapsed"', '"lunar"')
    assert faults(acme=child(), base=base)[0].startswith("base.toml:")


def test_one_changed_byte_anywhere_is_another_hash(acme):
    base = acme.replace('name = "acme"', 'name = "base"')
    same, again = (read(acme=child(), base=base).sha256 for _ in range(2))
    assert same == again
    assert read(acme=child() + "\n", base=base).sha256 != same
    assert read(acme=child(), base=base + "\n").sha256 != same


@pytest.mark.parametrize("other", ["1 month", "20 business days"])
def test_a_table_that_mixes_units_of_no_fixed_length_is_refused(acme, other):
    told = faults(acme=acme.replace('high = "4 weeks"', f'high = "{other}"'))
    line = line_with(acme, 'table = "fixes"')
    assert told[0].startswith(f"acme.toml:{line}: promise.0.clock.table: mixes ")
