"""From install to uninstall, over HTTP, with every process real."""

import requests


def test_a_site_installs_and_its_users_see_how_long_they_have(stack):
    stack.install("genchi")
    seen = stack.tracked("10001")
    assert seen["severity"]["level"] == "high"
    [clock] = seen["clocks"]
    assert clock["state"] == "running"
    page = requests.get(stack.simulator.site("genchi").url + "/browse/SEC-1", timeout=10)
    assert page.status_code == 200
