from dataclasses import replace

from app.domain.promises.coverage import Backing, Today, checks_in, coverage_of


def backing(policy, promise, **today):
    return next((row.backing, row.by) for row in coverage_of(policy, Today(**today)) if row.promise.id == promise)


def test_a_control_is_backed_only_by_checks_that_exist(shipped):
    policy = shipped["genible"]
    checks = policy.promise("N-06").checks
    assert backing(policy, "N-06", checks=checks) == (Backing.CONTROL, ", ".join(checks))
    state, by = backing(policy, "N-06", checks=checks[1:])
    assert (state, by) == (Backing.NOTHING, f"no such check: {checks[0]}")


def test_a_control_that_names_no_check_has_nothing_behind_it(shipped):
    assert backing(shipped["genchi"], "G-02") == (Backing.NOTHING, "no check is named")


def test_a_clock_is_backed_only_if_something_records_its_trigger(shipped):
    policy = shipped["genchi"]
    assert backing(policy, "G-26") == (Backing.NOTHING, "nothing records reported for it")
    assert backing(policy, "G-26", triggers={"G-26"}) == (Backing.CLOCK, "starts when reported")


def test_a_promise_kept_by_others_is_backed_only_if_all_of_them_are(shipped):
    policy = shipped["genchi"]
    assert backing(policy, "G-38", triggers={"security-bug-fix"})[0] is Backing.CLOCK
    state, by = backing(policy, "G-39", triggers={"incident-update", "incident-notice-customers"})
    assert (state, by) == (Backing.NOTHING, "not backed: incident-notice-atlassian")


def test_a_statement_is_backed_only_where_it_is_published(shipped):
    policy = shipped["genchi"]
    page = "/.well-known/security.txt"
    assert backing(policy, "G-46") == (Backing.NOTHING, f"no such page: {page}")
    assert backing(policy, "G-46", pages={page}) == (Backing.STATEMENT, page)
    assert backing(policy, "G-29") == (Backing.NOTHING, "the app publishes it nowhere")


def test_what_is_ours_in_a_control_is_said_beside_its_check(shipped):
    policy = shipped["genchi"]
    _, by = backing(policy, "G-08", checks=policy.promise("G-08").checks)
    assert "AES-256-GCM, because CBC has no integrity" in by


def test_nothing_is_backed_where_nothing_exists(shipped):
    rows = [row for policy in shipped.values() for row in coverage_of(policy, Today())]
    assert {row.backing for row in rows} == {Backing.NOTHING}


def test_checks_are_test_modules_and_their_tests():
    text = "def test_a(x):\n    pass\n\ndef helper():\n    pass\n\n    def test_inner():\n        pass\n"
    assert checks_in({"tests/test_x.py": text}) == {"tests/test_x.py", "tests/test_x.py::test_a"}


def test_a_check_may_be_a_single_test(shipped):
    policy = shipped["kencha"]
    promise = replace(policy.promise("K-13"), checks=("tests/test_gate.py::test_a_release_is_refused",))
    policy = replace(policy, promises=(promise,))
    assert backing(policy, "K-13", checks=checks_in({"tests/test_gate.py": ""}))[0] is Backing.NOTHING
    told = checks_in({"tests/test_gate.py": "def test_a_release_is_refused():\n"})
    assert backing(policy, "K-13", checks=told)[0] is Backing.CONTROL
