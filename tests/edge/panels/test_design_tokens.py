"""Design tokens: tokens.css is made from the vector and nothing else, and every pair of colours can be read.

`python tests/edge/panels/test_design_tokens.py` writes `app/edge/static/tokens.css` anew, with the tokens
that our sheets use.
"""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "app" / "edge" / "static"
VECTOR = ROOT / "tests" / "vectors" / "ds_tokens.json"

HEADER = """\
/* Made by tests/edge/panels/test_design_tokens.py; do not edit. Values from npm @atlaskit/tokens 20.7.0,
   Copyright 2019 Atlassian Pty Ltd, licensed under the Apache License, Version 2.0
   (https://www.apache.org/licenses/LICENSE-2.0); a subset, re-keyed by theme. A host's own theme is more
   specific than these rules and wins. */
"""

# theme of the vector: the selectors under which it holds
THEMES = {
    "light": ("", ":root"),
    "dark": ("(prefers-color-scheme: dark)", ':root:not([data-color-mode="light"])'),
    "dark chosen": ("", ':root[data-color-mode="dark"]'),
    "light_increased_contrast": ("(prefers-contrast: more)", ":root"),
    "dark_increased_contrast": (
        "(prefers-contrast: more) and (prefers-color-scheme: dark)",
        ':root:not([data-color-mode="light"])',
    ),
    "dark_increased_contrast chosen": ("(prefers-contrast: more)", ':root[data-color-mode="dark"]'),
}

# text (or mark) on its ground, with the least ratio of WCAG 2.2: 4.5 for text (1.4.3), 3 for marks (1.4.11)
PAIRS = [
    ("--ds-text", "--ds-surface", 4.5),
    ("--ds-text-subtle", "--ds-surface", 4.5),
    ("--ds-text-subtlest", "--ds-surface", 4.5),
    ("--ds-link", "--ds-surface", 4.5),
    ("--ds-text-danger", "--ds-surface", 4.5),
    ("--ds-text-warning", "--ds-surface", 4.5),
    ("--ds-text-success", "--ds-surface", 4.5),
    ("--ds-text", "--ds-background-neutral", 4.5),
    ("--ds-text-inverse", "--ds-background-danger-bold", 4.5),
    ("--ds-text-danger-bolder", "--ds-background-danger-subtler", 4.5),
    ("--ds-text-warning-bolder", "--ds-background-warning-subtler", 4.5),
    ("--ds-text-success-bolder", "--ds-background-success-subtler", 4.5),
    ("--ds-text-information-bolder", "--ds-background-information-subtler", 4.5),
    ("--ds-text-discovery-bolder", "--ds-background-discovery-subtler", 4.5),
    ("--ds-text", "--ds-background-information", 4.5),
    ("--ds-text", "--ds-background-warning", 4.5),
    ("--ds-text", "--ds-background-danger", 4.5),
    ("--ds-text", "--ds-background-input", 4.5),
    ("--ds-text-inverse", "--ds-background-brand-bold", 4.5),
    ("--ds-text-inverse", "--ds-background-brand-bold-hovered", 4.5),
    ("--ds-text", "--ds-background-success", 4.5),
    ("--ds-icon-subtle", "--ds-surface", 3),
    ("--ds-chart-information-bold", "--ds-surface", 3),
    ("--ds-chart-warning-bold", "--ds-surface", 3),
    ("--ds-chart-danger-bold", "--ds-surface", 3),
    ("--ds-chart-success-bold", "--ds-surface", 3),
    ("--ds-chart-red-bolder", "--ds-surface", 3),
    ("--ds-chart-orange-bold", "--ds-surface", 3),
    ("--ds-chart-yellow-bold", "--ds-surface", 3),
    ("--ds-chart-blue-bold", "--ds-surface", 3),
    ("--ds-chart-gray-bold", "--ds-surface", 3),
    ("--ds-text", "--ds-surface-sunken", 4.5),
    ("--ds-text-subtle", "--ds-surface-sunken", 4.5),
    ("--ds-text-warning-bolder", "--ds-background-warning", 4.5),
    ("--ds-border-focused", "--ds-surface", 3),
    ("--ds-border-input", "--ds-surface", 3),
]


def sheets():
    """Our own style sheets, one after the other."""
    return "".join((STATIC / name).read_text(encoding="utf-8") for name in ("pledge.css", "pages.css"))


def read_tokens():
    """Token name to its value by theme; a token without themes has one value, under `light`."""
    groups = json.loads(VECTOR.read_text(encoding="utf-8"))
    named = {name: value for group in groups.values() if isinstance(group, dict) for name, value in group.items()}
    return {
        name: value if isinstance(value, dict) else {"light": value}
        for name, value in named.items()
        if name.startswith("--ds-")
    }


def used_tokens(css):
    return sorted(set(re.findall(r"var\((--ds-[a-z0-9-]+)", css)))


def render(tokens, used):
    blocks = [_block(tokens, used, theme, *where) for theme, where in THEMES.items()]
    return HEADER + "\n".join(blocks)


def _block(tokens, used, theme, media, selector):
    key = theme.removesuffix(" chosen")
    lines = "".join(f"  {name}: {tokens[name][key]};\n" for name in used if key in tokens[name])
    rule = f"{selector} {{\n{lines}}}\n"
    return f"@media {media} {{\n{rule}}}\n" if media else rule


def channels(colour, ground):
    """Red, green, blue of a colour over an opaque ground, 0 to 1."""
    digits = colour.removeprefix("#")
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    alpha = int(digits[6:8], 16) / 255 if len(digits) == 8 else 1
    return [alpha * over + (1 - alpha) * under for over, under in zip((red, green, blue), ground, strict=True)]


def luminance(rgb):
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(tokens, theme, foreground, background):
    """WCAG 2.2 contrast ratio, see-through colours laid over the surface."""
    surface = channels(tokens["--ds-surface"][theme], (1, 1, 1))
    ground = channels(tokens[background][theme], surface)
    pair = sorted((luminance(ground), luminance(channels(tokens[foreground][theme], ground))))
    return (pair[1] + 0.05) / (pair[0] + 0.05)


def test_the_token_sheet_is_what_the_vector_makes_it():
    used = used_tokens(sheets())
    assert (STATIC / "tokens.css").read_text(encoding="utf-8") == render(read_tokens(), used)


def test_every_fallback_in_the_sheet_is_the_light_value_of_its_token():
    css = sheets()
    pairs = re.findall(r"var\((--ds-[a-z0-9-]+), ([^)]+)\)", css)
    tokens = read_tokens()
    assert len(pairs) == css.count("var(")
    assert {(name, value) for name, value in pairs if tokens[name]["light"] != value} == set()


@pytest.mark.parametrize("theme", ["light", "dark", "light_increased_contrast", "dark_increased_contrast"])
@pytest.mark.parametrize(("foreground", "background", "least"), PAIRS)
def test_every_pair_of_colours_can_be_read(theme, foreground, background, least):
    tokens = read_tokens()
    used = used_tokens(sheets())
    assert {foreground, background} <= set(used)
    assert contrast(tokens, theme, foreground, background) >= least


if __name__ == "__main__":
    (STATIC / "tokens.css").write_text(render(read_tokens(), used_tokens(sheets())), encoding="utf-8")
