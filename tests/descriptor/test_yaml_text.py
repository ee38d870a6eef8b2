"""The YAML writer: what is read back is what was written, by YAML 1.2 and by 1.1, where `NO` is not a country."""

import json
import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from descriptor.yaml_text import to_yaml

READER = """
const { parse } = require("yaml");
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const text = JSON.parse(line);
  console.log(JSON.stringify(["1.1", "1.2"].map((version) => parse(text, { version, uniqueKeys: true }))));
});
"""

TROUBLE = (
    "YES",
    "no",
    "On",
    "y",
    "null",
    "~",
    "",
    " ",
    "1e3",
    "0x1F",
    "1:30",
    "2026-11-22",
    "- a",
    "a: b",
    "a #b",
    "#",
)
MORE_TROUBLE = (
    "*x",
    "&x",
    "!x",
    "|",
    ">",
    "%",
    "@",
    "`",
    "<<",
    "=",
    "---",
    "...",
    "a:",
    "'",
    '"',
    "\\",
    "\u2028",
    "\x85",
)
TEXTS = st.text(max_size=12) | st.sampled_from(TROUBLE + MORE_TROUBLE)
NUMBERS = st.integers(min_value=-(2**53), max_value=2**53) | st.floats(min_value=-1e15, max_value=1e15)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS.filter(lambda key: key != "__proto__"), inner),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def read(packages):
    """Reads YAML text with the parser that Forge's own tools use, as version 1.1 and as 1.2."""
    with subprocess.Popen(
        ["node", "-e", READER],
        env=os.environ | {"NODE_PATH": str(packages.resolve() / "node_modules")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as node:

        def ask(text):
            node.stdin.write(json.dumps(text) + "\n")
            node.stdin.flush()
            return json.loads(node.stdout.readline())

        yield ask
        node.stdin.close()


@given(document=DOCUMENTS)
@settings(deadline=None)  # the first answer waits for Node to start
def test_any_document_is_read_back_equal_by_both_versions_of_yaml(read, document):
    assert read(to_yaml(document)) == [document, document]


@pytest.mark.parametrize("variant", ["manifest", "migration_manifest"])
def test_the_manifest_is_read_back_equal(read, request, variant):
    document = request.getfixturevalue(variant)
    assert read(to_yaml(document)) == [document, document]


def test_yes_is_a_word_in_quotes_and_an_event_needs_none():
    text = to_yaml({"moves": "YES", "events": ["avi:jira:created:issue"]})
    assert text == 'moves: "YES"\nevents:\n  - avi:jira:created:issue\n'
