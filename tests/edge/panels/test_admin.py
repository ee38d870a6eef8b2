"""The sections of the administration: what each tells, what its forms do, and what they refuse."""

import base64
import json
import re
from html import unescape

import pytest
import requests

from app.domain.access.roles import ASKED_OF_JIRA, ROLES, Role
from app.domain.audit.entry import Action
from app.domain.privacy import receipts
from app.edge.panels import admin_people
from app.edge.panels.admin_frame import SECTIONS
from app.edge.panels.audit_words import ACTIONS
from app.edge.panels.wording import title_of
from app.vault.checkpoint_key import CheckpointKeyFile
from tests.edge.panels.test_issue_panel import Page
from tests.edge.panels.test_pages import HOSTILE, text_of
from tests.edge.test_translation import SENTENCES
from tests.jobs.conftest import pledge  # noqa: F401  a fixture

ADMIN = "/fragments/admin?section="
FOLLOWING = {"vector_field": "auto", "score_field": "auto"}


@pytest.fixture(scope="module")
def served(make_stack):
    """One product on one site, with what it knows of some issues."""
    with make_stack(PLEDGE_RATE_LIMITS="decisions.subject=600,exports.subject=600,exports.tenant=600") as running:
        running.install("genchi")
        running.tracked("10001", account="admin")
        yield running


def send(served, section, *, sender="admin", route=ADMIN, language="en", **fields):
    """A form of that section, as the browser sends it."""
    token = served.token("genchi", kind="context", account=sender)
    headers = {"Authorization": f"JWT {token}", "Accept-Language": language}
    return requests.post(served.url + route + section, data=fields, headers=headers, timeout=60)


def well_formed(html):
    page = Page(html)
    assert (page.roots, page.broken) == (1, [])
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert not [tag for tag, _ in page.elements if tag in ("script", "style", "img")]
    return page


def refused(answer, status):
    """The page that a refusal brings with it."""
    assert answer.status_code == status, answer.text
    return unescape(well_formed(answer.json()["html"]).text)


def in_force(served):
    return served.get("/api/v1/settings/following", account="admin").json()


def save(served, **fields):
    version = str(in_force(served)["version"])
    return send(served, "following", **FOLLOWING | {"version": version, "step": "save"} | fields)


@pytest.mark.parametrize("section", [*SECTIONS, "policies&policy=kencha"])
def test_every_section_is_well_formed_and_for_administrators_only(served, section):
    shown = served.get(ADMIN + section, account="admin")
    well_formed(shown.text)
    assert len(shown.content) < 100_000
    for account in ("developer", "lead", "outsider"):
        assert "This page is for administrators" in text_of(served.get(ADMIN + section, account=account))


@pytest.mark.parametrize("section", [*SECTIONS, "policies&policy=kencha", "audit&verify=yes"])
def test_every_section_speaks_german_and_none_of_our_english_sentences(served, section):
    token = served.token("genchi", kind="context", account="admin")
    headers = {"Authorization": f"JWT {token}", "Accept-Language": "de"}
    shown = requests.get(served.url + ADMIN + section, headers=headers, timeout=60)
    text = well_formed(shown.text).text
    assert 'lang="de"' in shown.text
    assert [sentence for sentence in SENTENCES if sentence in text] == []


@pytest.mark.parametrize(
    ("section", "fields", "words"),
    [
        ("following", {"jql": "x) OR (project = OPS"}, "Vorgänge, die zählen (JQL): eine Klammer wird geschlossen"),
        ("following", {"jql": "nonsense"}, "Vorgänge, die zählen (JQL): Jira sagt: "),
        ("following", {"pausing": "Limbo = lunch"}, "in denen die Uhr anhält: diese Site hat keinen Status 'limbo'"),
        ("following", {"priorities_are": "own", "priorities": "High"}, "'High' ist nicht „Name = Bedeutung“"),
        ("following", {"step": "try", "example": "OPS-1"}, "Vorgang: einen sichtbaren Vorgang 'OPS-1' gibt es hier"),
        ("numbers", {"a_high": "29"}, "Mehr Zeit hat der Hersteller nicht zugesagt: hoch: 29 T 0 Std., wo"),
        ("numbers", {"at_risk_percent": "0"}, "Muss zwischen 1 und 100 liegen"),
        ("numbers", {}, "diese Zahlen sind schon in Kraft"),
        ("people", {"label": "x@example.com"}, "Name: 1 bis 60 Zeichen und keine Adresse"),
        ("people", {"label": "X", "medium": "mail"}, "eine Site hat höchstens 500 Empfänger"),
    ],
)
def test_a_german_reader_is_refused_in_german(served, section, fields, words):
    begun = {
        "following": FOLLOWING | {"version": str(in_force(served)["version"]), "step": "save"},
        "numbers": NUMBERS | {"step": "try"},
        "people": {"step": "add"},
    }
    text = refused(send(served, section, language="de", **begun[section] | fields), 400)
    assert words in text
    assert [sentence for sentence in SENTENCES if sentence in text] == []


def test_a_german_reader_finds_the_details_of_the_log_and_the_register_in_german(served):
    def german(section):
        token = served.token("genchi", kind="context", account="admin")
        headers = {"Authorization": f"JWT {token}", "Accept-Language": "de"}
        return well_formed(requests.get(served.url + ADMIN + section, headers=headers, timeout=60).text).text

    served.eventually(lambda: re.search(r"Anlass: ?installiert", german("audit")))
    log, privacy = german("audit&action=import.ended"), german("privacy")
    assert re.search(r"Ergebnis: ?fertig", log)
    assert "so lange wie die Uhren der Site, ohne die Person, sobald sie gelöscht ist" in privacy
    assert "an die Stelle des Werts tritt ein Platzhalter" in privacy
    assert "das Audit-Protokoll bleibt als Beweis" in privacy


@pytest.mark.parametrize("account", ["developer", "lead"])
def test_a_form_of_somebody_who_is_no_administrator_changes_nothing(served, account):
    before = in_force(served)
    answer = send(served, "following", sender=account, step="save", version=str(before["version"]), pausing="x = y")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert in_force(served)["version"] == before["version"]


def test_the_overview_tells_how_each_part_stands_and_leads_to_it(served):
    def said():
        return text_of(served.get(ADMIN + "overview", account="admin"))

    served.eventually(lambda: "Reading everything Done" in said())
    served.eventually(lambda: "Reports of accounts to Atlassian are on time." in said())
    assert re.search(r"\d+ issues? (is|are) followed", said())
    assert "Nobody is told of deadlines yet." in said()
    answer = served.get(ADMIN + "overview", account="admin")
    for section in ("policies", "numbers", "following", "people", "privacy"):
        assert f"section={section}" in answer.text


def test_following_tells_how_far_it_is_and_what_has_no_meaning(served):
    served.database.execute(
        "INSERT INTO app.unmapped_values (tenant_id, kind, name, issue_id, met_at) "
        "SELECT tenant_id, 'resolution', %s, 10001, now() FROM app.tenants WHERE tenant_id > 0",
        HOSTILE["script"],
    )
    shown = text_of(served.get(ADMIN + "following", account="admin"))
    assert "Reading everything" in shown
    assert "because the app was installed" in shown
    assert HOSTILE["script"] in shown
    assert "Issue 10001" in shown


def test_an_issue_of_the_site_stands_ready_as_an_example(served):
    shown = served.get(ADMIN + "following", account="admin")
    assert re.search(r"As it is followed today: SEC-1 ?High ?by its CVSS field", text_of(shown))
    assert 'name="example" value="SEC-1"' in shown.text


def test_a_mapping_is_tried_on_an_issue_and_nothing_is_kept(served):
    before = in_force(served)
    form = FOLLOWING | {"version": "0", "example": "sec-1", "step": "try"}
    tried = text_of(send(served, "following", **form))
    assert "SEC-1 counts" in tried
    assert "High by its CVSS field" in tried
    without = text_of(send(served, "following", version="0", example="SEC-1", step="try"))
    assert "High by its CVSS field" not in without
    elsewhere = text_of(send(served, "following", **form, jql="project = OPS"))
    assert "SEC-1 does not count" in elsewhere
    assert in_force(served)["version"] == before["version"]


@pytest.mark.parametrize("key", ["SEC-999999", "OPS-1", "'; --", "\u202e" * 300])
def test_an_example_that_the_reader_may_not_see_is_like_one_that_is_not_there(served, key):
    answer = send(served, "following", **FOLLOWING, version="0", example=key, step="try")
    assert "that you may see" in refused(answer, 400)


def test_a_mapping_is_saved_and_somebody_who_was_slower_is_told(served):
    version = in_force(served)["version"]
    priorities = "High = critical\nLow = none"
    saved = save(served, priorities_are="own", priorities=priorities)
    assert "Saved" in text_of(saved)
    found = in_force(served)
    assert found["configuration"]["priorities"] == {"high": "critical", "low": "none"}
    slower = send(served, "following", **FOLLOWING, version=str(version), step="save", jql="project = SEC")
    said = refused(slower, 409)
    assert "Somebody else has changed this" in said
    assert "project = SEC" in slower.json()["html"]
    assert "Load the newest" in said
    assert in_force(served)["configuration"] == found["configuration"]
    entry = "SELECT actor, detail ->> 'changed' FROM app.audit_entries WHERE action = 'following.changed'"
    assert served.database.rows(entry) == [("jira-admin", "priorities")]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"jql": "x) OR (project = OPS"}, "Issues that count (JQL): a bracket is closed"),
        ({"jql": "a" * 2_001}, "at most 2000 are taken"),
        ({"vector_field": "summary"}, "Field with the CVSS vector: a custom field is named by its id"),
        ({"priorities_are": "own", "priorities": "High"}, "is not “name = meaning”"),
        ({"priorities_are": "own", "priorities": "High = low\nhigh = low"}, "stands twice"),
        ({"priorities_are": "own", "priorities": "High = awful"}, "the levels are"),
        ({"pausing": "Limbo = lunch"}, "no status 'limbo'"),
        ({"pausing": HOSTILE["script"] + " = x"}, "no status"),
        ({"pausing": HOSTILE["right to left"] + " = x"}, "names and what they mean"),
        ({"fixed_are": "own", "fixed_resolutions": "Vanquished"}, "no resolution 'vanquished'"),
        ({"fixed_are": "own", "fixed_resolutions": "Done", "other_are": "own", "other_resolutions": "done"}, "too"),
    ],
)
def test_a_mapping_that_cannot_be_in_force_comes_back_as_it_was_written(served, fields, said):
    before = in_force(served)["version"]
    answer = save(served, **fields)
    assert said in refused(answer, 400)
    assert " ".join(next(iter(fields.values())).split()[:1]) in unescape(answer.json()["html"])
    assert in_force(served)["version"] == before


@pytest.mark.parametrize(
    "fields",
    [
        {"step": "drop", "version": "0"},
        {"step": "save"},
        {"step": "save", "version": "-1"},
        {"step": "save", "version": "²"},
        {"step": "save", "version": "x" * 10_000},
    ],
)
def test_a_form_of_nobodys_making_is_refused(served, fields):
    answer = send(served, "following", **fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_malformed")


def test_a_version_beyond_all_numbers_is_a_conflict(served):
    refused(send(served, "following", **FOLLOWING, version="9" * 30, step="save", jql="project = SEC"), 409)


def test_policies_are_listed_and_compared_by_what_they_say_differently(served):
    listed = text_of(served.get(ADMIN + "policies", account="admin"))
    assert "Every stored date follows from it" in listed
    assert listed.count("In force") == 2
    compared = text_of(served.get(ADMIN + "policies&policy=genchi", account="admin"))
    assert "Not promised" in compared
    assert "See what would change" in compared


@pytest.mark.parametrize("name", ["nowhere", "", "../kencha", "kencha&policy=genchi", "k" * 5_000])
def test_a_policy_of_nowhere_is_refused(served, name):
    answer = served.get(f"{ADMIN}policies&policy={name}", account="admin")
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_malformed")


@pytest.mark.parametrize("fields", [{"step": "preview"}, {"step": "choose", "policy": "nowhere"}, {"policy": "genchi"}])
def test_a_choice_of_nobodys_making_is_refused(served, fields):
    assert send(served, "policies", **fields).status_code == 400


def test_what_a_policy_would_do_is_shown_before_it_does_and_then_every_date_is_made_anew(served):
    stored = "SELECT count(DISTINCT policy), count(*) FROM app.clock_bounds"
    before = served.get("/api/v1/settings", account="admin").json()
    impact = send(served, "policies", step="preview", policy="genible")
    assert served.get("/api/v1/settings", account="admin").json() == before
    page = well_formed(impact.text)
    assert "issues that are followed" in page.text
    assert "what follows from it is counted anew" in page.text
    [seen] = [each["value"] for tag, each in page.elements if tag == "input" and each["name"] == "before"]
    late = send(served, "policies", step="choose", policy="genible", before="0" * 64)
    assert "Another policy is in force by now" in refused(late, 409)
    done = send(served, "policies", step="choose", policy="genible", before=seen)
    assert "is in force" in text_of(done)
    made_anew = "Every stored date follows from it"
    served.eventually(lambda: made_anew in served.get(ADMIN + "policies", account="admin").text)
    assert served.database.rows(stored)[0][0] == 1
    entry = "SELECT actor, detail ->> 'policy' FROM app.audit_entries WHERE action = 'policy.chosen'"
    assert served.database.rows(entry) == [("jira-admin", "genible")]
    again = send(served, "policies", step="choose", policy="kencha", before=seen)
    assert again.status_code == 409


NUMBERS = {f"a_{level}_unit": "days" for level in ("critical", "high", "medium", "low")}
NUMBERS |= {"a_critical": "10", "a_high": "28", "a_medium": "84", "a_low": "175"}
NUMBERS |= {"at_risk_percent": "80", "at_risk_hours": "48", "triage_days": "14", "promise": "security-bug-fix"}


def hidden(answer, name):
    """The value of a hidden field, the same in whatever form it stands."""
    page = Page(answer.text)
    [found] = {each["value"] for tag, each in page.elements if tag == "input" and each.get("name") == name}
    return found


def tried(served, **fields):
    answer = send(served, "numbers", step="try", **NUMBERS | fields)
    assert answer.status_code == 200, answer.text
    return answer


def save_numbers(served, trial, **fields):
    seen = {name: hidden(trial, name) for name in ("before", "seen")}
    return send(served, "numbers", step="save", **NUMBERS | seen | fields)


def policy_of(served):
    return served.get("/api/v1/issues/10001/clocks", account="admin").json()["policy"]


def test_numbers_are_tried_saved_explained_and_taken_back(served):
    before = policy_of(served)
    trial = tried(served, a_high="1")
    page = well_formed(trial.text)
    assert re.search(r"clocks? changes?, \d+ promises? breaks? by it", page.text)
    assert "Broken by it" in page.text
    assert "SEC-1" in page.text
    assert policy_of(served) == before
    saved = save_numbers(served, trial, a_high="1")
    assert "These numbers are in force" in text_of(saved)
    assert "this site's own is in force" in text_of(saved)
    now_is = policy_of(served)
    assert (now_is["name"], now_is["version"]) == (f"{before['name']}.own", 1)
    made_anew = "Every stored date follows from it"
    served.eventually(lambda: made_anew in served.get(ADMIN + "policies", account="admin").text)
    stored = "SELECT DISTINCT policy FROM app.clock_bounds"
    assert served.database.rows(stored) == [(now_is["sha256"],)]
    [clock] = served.get("/api/v1/issues/10001/clocks", account="admin").json()["clocks"]
    assert any("set by this site, version 1" in step["source"] for step in clock["why"])
    entry = (
        "SELECT actor, detail ->> 'policy', detail ->> 'sha256' FROM app.audit_entries WHERE action = 'policy.edited'"
    )
    assert served.database.rows(entry) == [("jira-admin", now_is["name"], now_is["sha256"])]
    listed = served.get(ADMIN + "policies", account="admin")
    assert "with numbers of this site" in text_of(listed)
    beside = served.get(f"{ADMIN}policies&policy=own-1&with={before['name']}", account="admin")
    assert "high 1," in text_of(beside)
    stale = send(served, "numbers", step="back", before="0" * 64)
    assert "nothing was changed" in refused(stale, 409)
    back = send(served, "numbers", step="back", before=now_is["sha256"])
    assert "as it is at hand" in text_of(back)
    assert policy_of(served) == before
    assert "own-1" in served.get(ADMIN + "policies", account="admin").text
    assert send(served, "numbers", step="back", before=before["sha256"]).status_code == 400


@pytest.fixture
def policy_command(served, pledge, monkeypatch):  # noqa: F811  the fixture of that name
    """`pledge policy …` on the database of that product, in this process."""
    for name, value in served.env.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: pledge("policy", *arguments)


def test_an_operator_sees_the_numbers_of_a_site_and_what_they_would_do(served, policy_command, tmp_path):
    [(tenant, base)] = served.database.rows("SELECT tenant_id::text, base FROM app.policy_texts")
    own = (f"{base}.own", "--tenant", tenant)
    shown = json.loads(policy_command("show", *own, "--version", "1", "--json").out)
    assert (shown["name"], shown["extends"], shown["version"]) == (own[0], base, 1)
    file = tmp_path / f"{own[0]}.toml"
    file.write_text(policy_command("show", *own, "--text").out)
    preview = policy_command("preview", str(file), "--tenant", tenant, "--json")
    found = json.loads(preview.out)
    assert (preview.code, found["from"]["name"], found["to"]["sha256"]) == (2, base, shown["sha256"])
    assert found["breached"] == sum(each["breached"] for each in found["by_severity"].values()) > 0
    facts = [f"--event={fact}@2026-11-22T09:00:00Z" for fact in ("reported", "severity_set:high")]
    explained = policy_command("explain", own[0], "security-bug-fix", *own[1:], *facts, "--json")
    assert "2026-11-23T09:00:00Z" in explained.out
    assert policy_command("show", own[0], "--tenant", tenant, "--version", "9").code == 4
    assert policy_command("show", own[0], "--version", "1").code == 4


def test_numbers_that_were_changed_after_the_look_are_looked_at_again(served):
    trial = tried(served, a_high="20")
    before = policy_of(served)
    other = save_numbers(served, trial, a_high="2")
    assert "this is what they would do now" in refused(other, 409)
    assert policy_of(served) == before


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"a_high": "29"}, "the vendor has promised no more time"),
        ({"a_high": HOSTILE["script"]}, "a whole number"),
        ({"a_high": HOSTILE["right to left"]}, "a whole number"),
        ({"a_high": "9" * 10_000}, "a whole number"),
        ({"a_high_unit": "business days"}, "is counted in"),
        ({"at_risk_percent": "0"}, "between 1 and 100"),
        ({"a_low": ""}, "a whole number"),
    ],
)
@pytest.mark.parametrize("step", ["try", "save"])
def test_a_number_that_cannot_be_in_force_is_refused_at_its_field(served, step, fields, said):
    before = policy_of(served)
    answer = send(served, "numbers", step=step, **NUMBERS | fields)
    page = refused(answer, 400)
    assert said in page.lower()
    marked = [each for _, each in Page(answer.json()["html"]).elements if each.get("aria-invalid")]
    assert [each["name"] for each in marked] == [next(iter(fields)).removesuffix("_unit")]
    assert answer.json()["code"] == "numbers_refused"
    assert policy_of(served) == before


@pytest.mark.parametrize(
    "fields",
    [{"step": "try"}, {"step": "try", "promise": "K-08"}, {"step": "x", **NUMBERS}, {**NUMBERS}, {"step": "back"}],
)
def test_numbers_of_nobodys_making_are_refused(served, fields):
    answer = send(served, "numbers", **fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_malformed")


@pytest.mark.parametrize("key", ["own-999", "own-0", "own--1", "own-1x", "kencha.own"])
def test_a_version_that_is_not_this_sites_is_nowhere(served, key):
    for query in (f"policies&policy={key}", f"policies&policy=kencha&with={key}"):
        assert served.get(ADMIN + query, account="admin").status_code == 400
    assert send(served, "policies", step="preview", policy=key).status_code == 400


def test_what_is_entrusted_to_us_is_described_and_never_shown(served):
    shown = served.get(ADMIN + "integrations", account="admin")
    text = text_of(shown)
    assert "Shared secret of the Connect app, version 1" in text
    assert "READ, WRITE" in text
    assert "Not connected" in text
    [(envelope,)] = served.database.rows("SELECT envelope FROM app.sealed_secrets WHERE purpose = 'connect-secret'")
    assert not [form for form in (envelope.hex(), base64.b64encode(envelope).decode()) if form in shown.text]
    served.database.execute(
        "INSERT INTO app.forge_tokens"
        " SELECT tenant_id, installation_id, 1, now() - interval '2 h', now() - interval '1 h'"
        " FROM app.installations WHERE tenant_id > 0"
    )
    served.database.execute(
        "INSERT INTO app.data_keys SELECT tenant_id, 'forge-token', gen_random_uuid(), 'kek', '', now()"
        " FROM app.tenants WHERE tenant_id > 0"
    )
    served.database.execute(
        "INSERT INTO app.sealed_secrets"
        " SELECT k.tenant_id, 'forge-token', i.installation_id::text, 1, k.key_id, 'canary'"
        " FROM app.data_keys k JOIN app.installations i USING (tenant_id) WHERE purpose = 'forge-token'"
    )
    both = text_of(served.get(ADMIN + "integrations", account="admin"))
    assert "System token of the Forge app, version 1" in both
    assert "Expired" in both
    assert "canary" not in both
    for table in ("sealed_secrets", "data_keys"):
        served.database.execute(f"DELETE FROM app.{table} WHERE purpose = 'forge-token'")  # noqa: S608  two tables
    served.database.execute("DELETE FROM app.forge_tokens")


def audit(served, query=""):
    return served.get(f"{ADMIN}audit{query}", account="admin")


def test_the_log_tells_what_was_done_by_whom_and_can_be_filtered(served):
    save(served, jql="project = SEC AND labels = security")
    served.eventually(lambda: "<tbody>" in audit(served, "&action=following.changed").text)
    found = audit(served, "&action=following.changed")
    page = well_formed(found.text)
    assert "A Jira administrator" in page.text
    assert '<bdi class="quiet">you</bdi>' in found.text
    assert "Installation added" not in found.text.split("<tbody>")[1]
    assert "No entries match" in audit(served, "&since=2000-01-01&until=2000-01-02").text
    assert "Installation added" in audit(served, "&since=2000-01-01").text.split("<tbody>")[1]


def test_the_name_of_somebody_who_was_erased_is_gone_and_the_entry_stays(served):
    served.eventually(lambda: "you" in audit(served, "&action=following.changed").text)
    served.database.execute("DELETE FROM app.audit_subjects")
    assert "erased since" in audit(served, "&action=following.changed").text


def test_verifying_finds_what_somebody_with_the_database_has_changed(served):
    served.eventually(lambda: "agree" in audit(served, "&verify=yes").text)
    unharmed = text_of(audit(served, "&verify=yes"))
    assert "all hashes together give its newest signed checkpoint" in unharmed
    assert "Not looked at here: the signature" in unharmed
    served.database.execute("UPDATE app.audit_entries SET actor = 'nobody' WHERE action = 'installation.added'")
    assert "was altered" in text_of(audit(served, "&verify=yes"))
    served.database.execute("UPDATE app.audit_entries SET actor = 'atlassian' WHERE action = 'installation.added'")
    assert "agree" in text_of(audit(served, "&verify=yes"))


def test_the_file_has_the_lines_of_the_list_without_anything_personal(served):
    answer = audit(served, "&action=following.changed&save=yes")
    [href] = [each["href"] for _, each in Page(answer.text).elements if each.get("id") == "audit-file"]
    lines = [json.loads(line) for line in base64.b64decode(href.partition(",")[2]).splitlines()]
    assert {line["action"] for line in lines} == {"following.changed"}
    assert {line["person"] for line in lines} == {None}
    assert len(lines) == answer.text.split("<tbody>")[1].count("<tr>")


def test_the_web_role_reads_of_the_log_no_sealed_part_and_changes_nothing(served):
    query = "SELECT has_{0}_privilege('pledge_web', 'app.audit_persons', {1} 'SELECT')"
    assert served.database.rows(query.format("column", "'subject',")) == [(True,)]
    for column in ("sealed", "salt"):
        assert served.database.rows(query.format("column", f"'{column}',")) == [(False,)]
    for table in ("entries", "leaves", "checkpoints", "persons"):
        changes = f"SELECT has_table_privilege('pledge_web', 'app.audit_{table}', 'UPDATE, DELETE, TRUNCATE')"
        assert served.database.rows(changes) == [(False,)]


@pytest.mark.parametrize(
    "query",
    [
        "&action=nothing",
        "&action=" + "a" * 5_000,
        "&since=yesterday",
        "&since=2026-02-30",
        "&until=9999-12-31",
        "&since=2026-01-01T00:00:00Z",
        "&cursor=-1",
        "&cursor=x",
        "&cursor=" + "9" * 30,
        "&cursor=%C2%B2",
        "&verify=no",
        "&save=yes&save=yes",
        "&action=export.asked&action=export.ready",
    ],
)
def test_a_question_to_the_log_of_nobodys_making_is_refused(served, query):
    answer = audit(served, query)
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_malformed")


def use_right(served, section, **fields):
    return send(served, section, route="/fragments/admin/rights?section=", **fields)


def test_the_link_of_an_export_is_shown_once_and_leads_to_it(served):
    asked = use_right(served, "privacy", step="export")
    [link] = re.findall(r"https?://[^<]+/exports/[^<]+", asked.text)
    path = link[link.index("/exports/") :]
    served.eventually(lambda: requests.head(served.url + path, timeout=30).status_code == 200)
    shown = served.get(ADMIN + "privacy", account="admin")
    assert path not in shown.text
    assert "Ready" in text_of(shown)


def test_a_request_of_a_person_is_filed_and_listed(served):
    answer = use_right(served, "privacy", step="request", kind="access", account="a-made-up-account")
    assert "once somebody has made sure" in text_of(answer)
    verified = {"kind": "erasure", "account": "another-account", "verified_how": "by a call"}
    assert "Request filed" in text_of(use_right(served, "privacy", step="request", **verified))
    shown = text_of(served.get(ADMIN + "privacy", account="admin"))
    assert "a-made-up-account" in shown
    assert "another-account" in shown


@pytest.mark.parametrize(
    "fields",
    [
        {"step": "drop"},
        {"step": "request", "kind": "access"},
        {"step": "request", "kind": "revenge", "account": "a"},
        {"step": "request", "kind": "access", "account": "a b"},
        {"step": "request", "kind": "access", "account": "a" * 129},
        {"step": "request", "kind": "access", "account": "a", "verified_how": "x" * 501},
        {"step": "request", "kind": "access", "account": "a", "verified_how": "a\nb"},
    ],
)
def test_a_request_of_nobodys_making_is_refused(served, fields):
    answer = use_right(served, "privacy", **fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_malformed")


def test_the_register_is_shown_and_says_what_stays(served):
    shown = text_of(served.get(ADMIN + "privacy", account="admin"))
    assert "app.clock_events.data.actor" in shown
    assert "the audit log stays as proof" in shown
    assert "Backups lose it after" in shown


def test_the_cycle_of_reports_is_shown_with_what_went_through_this_site_alone(served):
    served.database.execute(
        "INSERT INTO registry.report_log (at, tenant_id, accounts, status, outcome, closed, updated)"
        " SELECT now(), tenant_id, 87, 200, 'done', 5, 3 FROM app.tenants WHERE tenant_id > 0"
        " UNION ALL VALUES (now(), NULL::bigint, 4321, 200, 'done', 0, 0)"
    )
    shown = text_of(served.get(ADMIN + "privacy", account="admin"))
    assert "reported once in 7 days" in shown
    assert "8753done, 200" in shown
    assert "4321" not in shown


def verified(served, note, key):
    return use_right(served, "privacy", step="verify", receipt=note, key=key)


def test_a_receipt_is_verified_where_it_is_read(served, keyring_file):
    key = CheckpointKeyFile(keyring_file.with_name("audit-signing.key"))
    note, published = receipts.sign_receipt({"kind": HOSTILE["script"], "rows": 7}, key), receipts.receipt_vkey(key)
    good = verified(served, note.replace("\n", "\r\n"), published)
    assert "The key has signed this receipt" in text_of(good)
    assert "rows: 7" in text_of(good)
    changed = (note.replace("7", "8"), note[:-9], "x", "\u202e" * 300, HOSTILE["script"])
    for wrong in changed:
        assert "no receipt that the key has signed" in refused(verified(served, wrong, published), 400)
    for wrong in ("x", "a+b+c", published[:-4], published.replace("receipt", "log"), "+" * 999):
        assert "no receipt that the key has signed" in refused(verified(served, note, wrong), 400)


def test_a_deletion_is_asked_for_by_the_name_of_the_site_and_by_nothing_else(served):
    of_the_site = "SELECT count(*) FROM app.privacy_requests WHERE account IS NULL"
    for typed in ("", "example.atlassian.net", HOSTILE["script"], HOSTILE["300 characters"]):
        assert "Nothing was asked for" in refused(use_right(served, "privacy", step="erase", site=typed), 400)
    assert served.database.rows(of_the_site) == [(0,)]
    name = served.simulator.site("genchi").url.partition("//")[2]
    done = use_right(served, "privacy", step="erase", site=name)
    well_formed(done.text)
    assert "Deletion is asked for" in text_of(done)
    assert "All of the site" in text_of(served.get(ADMIN + "privacy", account="admin"))
    assert served.database.rows(of_the_site) == [(1,)]


def test_the_link_to_the_receipt_of_a_deletion_is_shown_once_and_only_the_newest_is_good(served):
    name, links = served.simulator.site("genchi").url.partition("//")[2], []
    for _ in range(2):
        asked = use_right(served, "privacy", step="erase", site=name)
        links += re.findall(r'id="receipt-link">([^<]+)<', asked.text)
        assert requests.get(links[-1], timeout=30).status_code == 202
    first, newest = links
    assert newest.startswith(f"{served.url}/receipts/")
    assert requests.get(first, timeout=30).status_code == 404
    assert "/receipts/" not in served.get(ADMIN + "privacy", account="admin").text


def test_somebody_is_told_and_their_address_is_never_shown(served):
    answer = send(served, "people", label="Security team", medium="mail", address="team@example.com")
    assert "Added" in text_of(answer)
    shown = served.get(ADMIN + "people", account="admin")
    assert "Security team" in text_of(shown)
    for page in (answer, shown):
        assert "team@example.com" not in page.text


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"label": "x@example.com", "medium": "mail", "address": "x@example.com"},
        {"label": "X", "medium": "mail"},
        {"label": "X", "medium": "mail", "address": "made-up-and-unfit"},
        {"label": "X", "medium": "pigeon"},
        {"label": HOSTILE["300 characters"], "medium": "jira_comment"},
    ],
)
def test_an_entry_of_nobody_comes_back_without_the_address(served, fields):
    answer = send(served, "people", step="add", **fields)
    assert "Nobody was added" in refused(answer, 400)
    assert fields.get("address", "none was given") not in answer.text


def test_nobody_is_removed_but_by_name(served):
    send(served, "people", label="Leaves", medium="jira_comment")
    known = served.get("/api/v1/recipients", account="admin").json()["recipients"]
    [leaver] = [each["id"] for each in known if each["label"] == "Leaves"]
    for typed in ("", "leave", HOSTILE["script"]):
        assert "Nobody was removed" in refused(use_right(served, "people", recipient=leaver, label=typed), 404)
    stranger = use_right(served, "people", recipient="00000000-0000-4000-8000-000000000000", label="Leaves")
    assert "Nobody was removed" in refused(stranger, 404)
    assert use_right(served, "people", recipient="x", label="Leaves").status_code == 400
    assert "Removed" in text_of(use_right(served, "people", recipient=leaver, label="Leaves"))
    assert "Leaves" not in text_of(served.get(ADMIN + "people", account="admin"))


def test_every_action_has_its_words_which_in_english_are_its_name():
    assert {action: title_of(action.replace(".", " ")) for action in Action} == ACTIONS


def test_every_permission_of_a_role_of_people_has_its_words():
    people = set(admin_people._ROLES)
    assert people == {Role.USER, *ASKED_OF_JIRA}
    assert {each for role in people for each in ROLES[role]} == set(admin_people._MAY)


@pytest.mark.parametrize("section", ["privacy", "people"])
def test_the_rights_of_an_administrator_are_nobody_elses(served, section):
    for account in ("developer", "lead"):
        assert use_right(served, section, sender=account, step="export").status_code == 403
