"""A Jira that limits, fails or does not answer: nothing is lost, nobody is shown what was not confirmed."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

STORMS = {
    "429 with seconds": {"status": 429, "retry_after": "seconds", "seconds": 1},
    "429 with nonsense": {"status": 429, "retry_after": "absurd"},
    "500": {"status": 500, "retry_after": "absent"},
    "503 with a date": {"status": 503, "retry_after": "date"},
}


@pytest.mark.parametrize("kind", STORMS)
def test_a_read_survives_a_storm_and_is_made_later(calm, kind):
    database = calm.stack.database
    calm.weather(storm={"count": 1000, **STORMS[kind]})
    issue = calm.create(**calm.cvss["high"])
    pending = "SELECT attempts FROM app.pending_reads WHERE issue_id = %s"
    calm.stack.eventually(lambda: (attempts := database.rows(pending, int(issue))) and attempts[0][0] >= 1)
    assert database.rows("SELECT count(*) FROM app.issues WHERE issue_id = %s", int(issue)) == [(0,)]
    calm.weather(storm=None)

    def is_settled():
        # The import may have met the issue first: then the read that was asked for still comes to its own end.
        database.let_time_pass()
        time.sleep(2)
        return not database.rows(pending, int(issue))

    calm.stack.eventually(is_settled)
    assert database.rows("SELECT count(*) FROM app.issues WHERE issue_id = %s", int(issue)) == [(1,)]


def test_nobody_is_shown_anything_while_jira_cannot_confirm_and_the_app_stays_alive(calm):
    issue = calm.create(**calm.cvss["high"])
    calm.stack.eventually(lambda: calm.stack.database.rows("SELECT 1 FROM app.issues WHERE issue_id = %s", int(issue)))
    calm.weather(storm={"status": 503, "count": 1000})
    page = calm.page(issue, account="developer2")
    assert (page.status_code, "Cannot confirm your access" in page.text) == (200, True)
    assert "Cannot confirm your access" in calm.fragment(issue, account="developer2").text
    for fact in ("CVSS", "due in", "<time"):
        assert fact not in page.text
    refused = calm.clocks(issue, account="developer2")
    assert (refused.status_code, refused.json()["code"]) == (503, "jira_unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    for path in ("/healthz", "/readyz"):
        assert requests.get(calm.stack.url + path, timeout=30).status_code == 200


def test_a_jira_that_does_not_answer_holds_up_neither_health_nor_other_sites(calm, used):
    """More people than there are threads ask about a site that hangs: the bulkhead lets three of them wait."""
    kencha = used(calm.stack, "kencha")
    kencha.lifecycle("install")
    kencha.tracked("10001")
    calm.weather(latency_seconds=6)
    tokens = [calm.token(kind="context", account=one) for one in ("admin", "developer", "developer2") * 8]
    with ThreadPoolExecutor(24) as people:
        asked = [people.submit(ask, calm.stack, token) for token in tokens]
        time.sleep(0.3)
        for _ in range(10):
            begun = time.monotonic()
            assert requests.get(f"{calm.stack.url}/healthz", timeout=30).status_code == 200
            assert kencha.clocks("10001").status_code == 200
            assert time.monotonic() - begun < 2.0
        answers = [each.result() for each in asked]
    assert {status for status, _ in answers} == {503}
    assert max(seconds for _, seconds in answers) < 5.0


def ask(stack, token):
    begun = time.monotonic()
    answer = requests.get(
        f"{stack.url}/api/v1/issues/10005/clocks", headers={"Authorization": f"JWT {token}"}, timeout=30
    )
    return answer.status_code, time.monotonic() - begun
