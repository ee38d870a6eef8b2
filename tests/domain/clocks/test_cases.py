import json
from pathlib import Path

import pytest

from app.domain.clocks.cases import run_cases

DOCUMENT = json.loads((Path(__file__).parents[2] / "vectors" / "clock_cases.json").read_text())
CASES = {case["id"]: case for case in DOCUMENT["cases"]}
RESULTS = {entry["id"]: entry for entry in run_cases(DOCUMENT)}


@pytest.mark.parametrize("name", CASES)
def test_a_given_case_has_the_expected_result(name):
    assert RESULTS[name] == {"id": name, "result": CASES[name]["expected"]}
