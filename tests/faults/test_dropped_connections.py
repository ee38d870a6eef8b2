"""Every database connection of web and worker is cut, again and again, while webhooks flow."""

import time

ROUNDS = 20
CUT = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND usename IN ('pledge_web', 'pledge_worker')
"""


def test_twenty_cuts_lose_and_double_no_acknowledged_webhook(make_stack, storm, report):
    with make_stack() as stack:
        stack.install("genchi")
        weather = storm(stack, issues=8)
        weather.settles()
        cut = 0
        with weather.blowing():
            for _ in range(ROUNDS):
                time.sleep(0.3)
                cut += stack.database.rows(CUT)[0][0]
        counts = weather.settles()
        report("all database connections cut ×20", counts | {"connections cut": cut})
        assert cut > ROUNDS
        assert counts["acknowledged"] > ROUNDS
        assert (counts["lost"], counts["doubled"], counts["half done"], counts["never acknowledged"]) == (0, 0, 0, 0)
        assert "500" not in counts["answers"]
