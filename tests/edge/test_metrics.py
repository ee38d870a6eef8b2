"""Who may scrape, and in what form the answer is."""

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.edge.metrics import CONTENT_TYPE, MetricsTokenUnfit, token_sha256

TOKEN = "made-up-metrics-token-of-more-than-32-characters"


@pytest.fixture(scope="module")
def metered(make_web, tmp_path_factory):
    file = tmp_path_factory.mktemp("metrics") / "token"
    file.write_text(f"{TOKEN}\n")
    with make_web(METRICS_TOKEN_FILE=str(file)) as web:
        yield web


def scrape(web, authorization=None, **sent):
    headers = {} if authorization is None else {"Authorization": authorization}
    return web.client.get("/metrics", headers=headers, **sent)


def test_the_token_of_the_cell_lets_in_and_another_parser_than_ours_reads_the_answer(metered):
    answer = scrape(metered, f"Bearer {TOKEN}")
    assert (answer.status_code, answer.content_type) == (200, CONTENT_TYPE)
    families = {family.name: family for family in text_string_to_metric_families(answer.get_data(as_text=True))}
    assert families["pledge_acknowledgement_seconds"].type == "histogram"
    assert families["pledge_answers"].type == "counter"
    assert families["pledge_jira_points_left"].samples[0].value == 65_000
    assert all(math.isfinite(sample.value) for family in families.values() for sample in family.samples)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN} ",
        f"Bearer {TOKEN}{TOKEN}",
        f"bearer {TOKEN}",
        f"JWT {TOKEN}",
        f"Basic {TOKEN}",
        "Bearer \u00e9\u00e9",
        TOKEN,
    ],
)
def test_anything_else_is_refused_without_a_number(metered, authorization):
    answer = scrape(metered, authorization)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "token_invalid")
    assert "pledge_" not in answer.get_data(as_text=True)


def test_a_token_in_the_address_is_no_token(metered):
    assert scrape(metered, query_string={"token": TOKEN, "access_token": TOKEN}).status_code == 401


def test_a_genuine_token_of_a_tenant_is_none_of_the_cells(metered):
    for kind in ("request", "context"):
        token = metered.token("GET", "/metrics", kind=kind)
        assert scrape(metered, f"Bearer {token}").status_code == 401
        assert scrape(metered, f"JWT {token}").status_code == 401


def test_the_token_of_the_cell_opens_nothing_else(metered):
    for path in ("/api/v1/clocks", "/api/v1/settings", "/api/v1/recipients"):
        assert metered.client.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 401


def test_without_a_token_file_there_are_no_metrics_whatever_is_sent(make_web):
    with make_web(METRICS_TOKEN_FILE="") as web:
        assert scrape(web).status_code == 404
        assert scrape(web, f"Bearer {TOKEN}").status_code == 404


def test_a_file_that_holds_no_token_is_refused_by_name_and_never_quoted(tmp_path):
    short = tmp_path / "short"
    for held in (b"", b"short-secret", b"two words that are long enough to be one", b"\xff" * 64):
        short.write_bytes(held)
        with pytest.raises(MetricsTokenUnfit, match="PLEDGE_METRICS_TOKEN_FILE") as refused:
            token_sha256(short)
        assert "secret" not in str(refused.value)
    with pytest.raises(MetricsTokenUnfit, match="FileNotFoundError"):
        token_sha256(tmp_path / "none")
    assert token_sha256(None) is None
