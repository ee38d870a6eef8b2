"""The language of whoever reads: which one it is, and texts, numbers of things and dates in it.

English is what stands in the sources. A text is marked where it stands: by `_()` or `{% trans %}` where it is shown, by
`mark()` where it is a constant that is shown later, through the filter `translated` or `_()`; by `Sentence` where the
domain says it (`app.edge.panels.sayings`). Data, such as the text of a policy or a name that somebody gave, is never
translated.
"""

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Final

from babel.core import negotiate_locale
from babel.dates import format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import g, has_request_context, request
from jinja2 import Environment

CATALOGUES: Final = Path(__file__).parent / "languages"
SOURCE: Final = "en"
LANGUAGES: Final = (SOURCE, "de")
_DAY, _SHORT_DAY = "yMMMEd", "MMMd"


def language() -> str:
    """The tag of the language of this request: `loc` of a Connect page, else by `Accept-Language`, else English.

    Our own scripts say in `Accept-Language` which one the host or the page has.
    """
    if not has_request_context():
        return SOURCE
    if "language" not in g:
        said = request.args.get("loc", "")
        wanted = [said.replace("_", "-")] if said else list(request.accept_languages.values())
        found = (negotiate_locale(wanted, LANGUAGES, sep="-") or SOURCE).lower()
        # It comes back as it was written by whoever asks, and becomes the name of a file.
        g.language = found if found in LANGUAGES else SOURCE
    tag: str = g.language
    return tag


def gettext(text: str, /, **values: object) -> str:
    """The text in the reader's language, with the values put where it names them: `%(key)s`."""
    said = _catalogue(language()).gettext(text) if text else text
    return said % values if values else said


def ngettext(one: str, several: str, *, number: int) -> str:
    """The form for so many in the reader's language, with the number in it."""
    return _catalogue(language()).ngettext(one, several, number) % {"number": number}


def pgettext(context: str, text: str) -> str:
    """The text in the reader's language, where another place needs other words for the same English ones."""
    return _catalogue(language()).pgettext(context, text)


def mark(text: str) -> str:
    """The text as it is, to be found by the extraction, for a constant that is translated where it is shown."""
    return text


def day_words(day: date) -> str:
    """A calendar day, with the month by name: `Sun 20 Dec 2026`."""
    if language() == SOURCE:
        return f"{day:%a} {day.day} {day:%b %Y}"
    return _dated(_DAY, day)


def short_day_words(day: date) -> str:
    """A day of this year or the next: `20 Dec`."""
    return f"{day.day} {day:%b}" if language() == SOURCE else _dated(_SHORT_DAY, day)


def weekday_words(day: date) -> str:
    """`Mon`."""
    return f"{day:%a}" if language() == SOURCE else _dated("ccc", day)


def install(environment: Environment) -> None:
    """Let templates of that environment say what is above."""
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_callables(_plain, lambda *forms: _catalogue(language()).ngettext(*forms), newstyle=True)  # type: ignore[attr-defined]  # of the extension
    environment.filters.update(FILTERS)
    environment.globals["language"] = language


def _dated(skeleton: str, day: date) -> str:
    # A datetime is taken in its own zone, so that a day stays the day that it was.
    at = day if isinstance(day, datetime) else datetime(day.year, day.month, day.day)  # noqa: DTZ001  a day has no zone
    return format_skeleton(skeleton, at.replace(tzinfo=None), locale=language())


def _plain(text: str) -> str:
    return gettext(text)


@cache
def _catalogue(tag: str) -> NullTranslations:
    if tag == SOURCE:
        return NullTranslations()
    with (CATALOGUES / f"{tag}.po").open("rb") as file:
        catalogue = read_po(file, locale=tag)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


FILTERS: Final[Mapping[str, object]] = MappingProxyType(
    {"translated": _plain, "short_day": short_day_words, "weekday": weekday_words}
)
