"""One simulated Jira site as its people, its administrators and its weather use it."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import requests

DAYS = {"critical": 10, "high": 28, "medium": 84, "low": 175}
"""Of the policy `atlassian-marketplace`, from being reported."""
CVSS = {
    "critical": {"cvss_vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "cvss_score": 9.8},
    "high": {"cvss_vector": "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:N", "cvss_score": 8.1},
    "low": {"cvss_vector": "CVSS:3.1/AV:N/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N", "cvss_score": 3.1},
}


class UsedSite:
    """A site as it is used: everything over HTTP, but for what a test has to know about it beforehand."""

    cvss = CVSS

    def __init__(self, stack, name):
        self.stack, self.name = stack, name

    @property
    def seeded(self):
        return self.stack.simulator.site(self.name)

    def lifecycle(self, event):
        """`install`, `uninstall`, `rotate-secret`, `rename`, `import`, as an administrator does it."""
        if event == "install":
            return self.stack.install(self.name)
        answer = self.stack.control(f"/sites/{self.name}/{event}")
        assert answer["accepted"], answer
        return answer

    def create(self, **values):
        """The id of a new vulnerability in SEC."""
        values = {"project": "SEC", "issuetype": "Vulnerability", "labels": ["security"], **values}
        return self.stack.control(f"/sites/{self.name}/issues", **values)["id"]

    def change(self, issue, **values):
        url = f"{self.stack.simulator.control_url}/sites/{self.name}/issues/{issue}"
        answer = requests.patch(url, json=values, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def weather(self, **faults):
        """Faults of this site: latency_seconds, storm, webhooks."""
        return self.stack.control("/control", site=self.name, **faults)

    def deliveries(self):
        """The ledger of webhooks, once none is pending."""
        answer = requests.get(
            f"{self.stack.simulator.control_url}/sites/{self.name}/webhooks", params={"wait": 20}, timeout=30
        )
        return answer.json()["deliveries"]

    def panel_url(self, issue, *, account="developer"):
        """The signed address that Jira frames."""
        [url] = requests.get(
            f"{self.stack.simulator.control_url}/sites/{self.name}/issues/{issue}/panel",
            params={"as": account},
            timeout=30,
        ).json()["urls"]
        return url

    def page(self, issue, *, account="developer"):
        return requests.get(self.panel_url(issue, account=account), timeout=30)

    def fragment(self, issue, *, account="developer"):
        found = self.seeded.issue(issue)
        path = "/fragments/issue?" + urlencode({"issueId": found.id, "issueKey": found.key})
        return self.stack.get(path, account=account, site=self.name)

    def token(self, **wanted):
        """A token of this site's Jira; `previous` counts installations back."""
        url = f"{self.stack.simulator.control_url}/sites/{self.name}/token"
        answer = requests.post(url, json=wanted, timeout=30)
        answer.raise_for_status()
        return answer.json()["token"]

    def get(self, path, token):
        """With a token that was made earlier, as a page holds one."""
        return requests.get(self.stack.url + path, headers={"Authorization": f"JWT {token}"}, timeout=30)

    def clocks(self, issue, *, account="developer"):
        return self.stack.clocks(issue, account=account, site=self.name)

    def tracked(self, issue, *, account="developer"):
        """The clocks of an issue once it has been read, however long ago."""
        return self.stack.tracked(issue, account=account, site=self.name)

    def eventually(self, issue, question, *, account="developer", seconds=30):
        """The clocks once they answer the question with yes."""

        def ask():
            answer = self.clocks(issue, account=account)
            return answer.json() if answer.status_code == 200 and question(answer.json()) else None

        return self.stack.eventually(ask, seconds=seconds)

    def read_again(self, issue, *, account="developer"):
        """The clocks after a read that began after this call."""
        before = datetime.now(UTC)
        self.change(issue, summary=f"Looked at again at {before.isoformat()}")
        return self.eventually(
            issue, lambda seen: seen["as_of"] and datetime.fromisoformat(seen["as_of"]) >= before, account=account
        )

    @staticmethod
    def due_at(seen):
        """The bound of the only clock."""
        [clock] = seen["clocks"]
        return datetime.fromisoformat(clock["due_at"])

    @staticmethod
    def bound(issue, level):
        """What the policy says about a simulated issue, computed without the product; Jira tells milliseconds."""
        created = issue.created.replace(microsecond=issue.created.microsecond // 1000 * 1000)
        return created + timedelta(days=DAYS[level])

    @property
    def tenant(self):
        """Our id of the tenant of this site's client key."""
        [(tenant,)] = self.stack.database.rows(
            "SELECT tenant_id FROM registry.connect_installations WHERE client_key = %s", self.seeded.client_key
        )
        return tenant


@pytest.fixture(scope="session")
def used():
    """A site that a test installs by itself: `used(stack, "kencha")`."""
    return UsedSite


@pytest.fixture(scope="module")
def genchi(stack):
    """The first site, installed."""
    site = UsedSite(stack, "genchi")
    site.lifecycle("install")
    return site


@pytest.fixture
def calm(genchi):
    """The faults that a test sets on the first site end with it."""
    yield genchi
    genchi.weather(reset=True)


@pytest.fixture
def report(capsys):
    """Print figures where a person sees them, also when the test passes."""

    def show(what, counts):
        with capsys.disabled():
            print(f"\n{what}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))  # noqa: T201

    return show
