import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.promises.lines import line_of

TEXT = '''\
# a comment
name = "x"
list = [
  1,
  2,
]
long = """
one
two"""

[[promise]]
id = "a"

[[promise]]
id = "b"
clock = { mode = "elapsed" }

[promise.told]
who = "me"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("list",), 3),
        (("list", 1), 3),
        (("long",), 7),
        (("promise", 0), 11),
        (("promise", 0, "id"), 12),
        (("promise", 1, "id"), 15),
        (("promise", 1, "clock", "mode"), 16),
        (("promise", 1, "told"), 18),
        (("promise", 1, "told", "who"), 19),
        (("promise", 1, "missing"), 14),
        (("promise", 7), 11),
        (("missing", "too"), 1),
        ((), 1),
    ],
)
def test_a_value_is_found_on_the_line_on_which_it_begins(path, line):
    assert line_of(TEXT, path) == line


keys = st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, max_size=12, unique=True)


@settings(deadline=None)  # a loaded machine is no wrong line
@given(keys, st.data())
def test_the_line_of_a_key_holds_that_key_whatever_stands_around_it(names, data):
    lines = []
    for name in names:
        lines += data.draw(st.lists(st.sampled_from(["", "# remark", "  # name = 1"]), max_size=2))
        lines.append(data.draw(st.sampled_from([f"{name} = 1", f'{name} = """\n[x]\n"""', f"{name} = [\n 1,\n]"])))
    text = "\n".join(lines)
    tomllib.loads(text)
    for name in names:
        assert text.splitlines()[line_of(text, (name,)) - 1].startswith(f"{name} = ")
