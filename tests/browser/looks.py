"""Every look of a page in its frame, at both widths: what a machine minds, and a picture for people to look at."""

from collections.abc import Iterator

from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import SCREENS

WIDTHS = (320, 1280)
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
THEME = "document.documentElement.getAttribute('data-color-mode')"


def looks(tab) -> Iterator[str]:
    """Each look by name, once the page has it."""
    inside = tab.page.frame_locator("iframe").locator("html")
    for theme in ("light", "dark"):
        if tab.frame.evaluate(THEME) != theme:
            tab.page.get_by_role("button", name="Light / dark").click()
            expect(inside).to_have_attribute("data-color-mode", theme)
        yield theme
    tab.page.emulate_media(contrast="more", forced_colors="active", color_scheme="dark")
    yield "forced"
    tab.page.emulate_media(contrast="no-preference", forced_colors="none", color_scheme="light")


def check(tab, axe, name):
    """In every look and width: nothing that axe-core minds, nothing sideways; and a picture.

    Colours do not depend on the width, and all else not on the look: so the whole of axe-core runs in the first look
    only.
    """
    SCREENS.mkdir(parents=True, exist_ok=True)
    frame = tab.page.locator("iframe")
    for look in looks(tab):
        for width in WIDTHS:
            frame.evaluate("(frame, width) => { frame.style.width = `${width}px`; }", width)
            tab.settle()
            assert tab.frame.evaluate(SIDEWAYS) == 0, (look, width)
            if look == "light" or width == WIDTHS[0]:
                assert violations(tab.frame, axe, only_colours=look != "light") == [], (look, width)
            frame.screenshot(path=SCREENS / f"{name}-{look}-{width}.png")
