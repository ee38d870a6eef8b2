"""The README's table of settings is the table that the code reads."""

import re
from dataclasses import fields

from app.setting_values import PREFIX
from app.settings import SETTINGS, Settings

ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]*)` \|.*\|$", re.MULTILINE)


def row_of(setting):
    """The README's row: name without prefix, meaning, default."""
    default = "none" if setting.default is None else f"`{setting.default}`"
    if setting.development is not None:
        default += f"; development `{setting.development}`"
    return f"| `{setting.name}` | {setting.meaning} | {setting.shown_default or default} |"


def test_the_readme_lists_every_setting_as_it_is(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert [match[0] for match in ROW.finditer(readme)] == [row_of(setting) for setting in SETTINGS]


def test_the_readme_names_the_prefix(root):
    assert f"`{PREFIX}" in (root / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_a_field_and_every_field_a_setting():
    assert [setting.name.lower() for setting in SETTINGS] == [field.name for field in fields(Settings)]


def test_every_setting_is_used(root):
    wiring = "".join(path.read_text(encoding="utf-8") for path in (root / "app").glob("wiring*.py"))
    # the base URL's path and the profile are asked for by another name
    asked = {*re.findall(r"settings\.(\w+)|\"(\w+_url)\"", wiring)}
    used = {name for pair in asked for name in pair if name}
    unused = {setting.name.lower() for setting in SETTINGS} - used
    assert unused == {"profile"}
    assert "is_development" in used


def test_no_row_breaks_the_table():
    for setting in SETTINGS:
        assert "|" not in row_of(setting).strip("|").replace(" | ", "")
        assert setting.meaning
