"""Writes the catalogues anew from what is marked in the sources: `python -m app.edge.languages.extract`.

What is translated stays, what is new is added without a translation, what is gone goes. A test says what is missing.
"""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from app.edge.translation import CATALOGUES, LANGUAGES, SOURCE

EDGE = Path(__file__).parents[1]
APP = EDGE.parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext.babel_extract")]
KEYWORDS = {"_": None, "gettext": None, "mark": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
SENTENCES = {"Sentence": None}
"""Of the domain, and of what else says something to people without knowing their language."""
WIDTH = 120
HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: {plural}\\n"

"""


def marked() -> Catalog:
    """Every text that is marked."""
    found = Catalog(project="Pledge", charset="utf-8")
    for folder, keywords in ((EDGE, KEYWORDS), (APP, SENTENCES)):
        for path, line, text, _comments, context in extract_from_dir(folder, METHODS, keywords=keywords):
            found.add(text, locations=[(path, line)], context=context)
    return found


def of(language: str) -> Catalog:
    """The catalogue of that language as it is stored."""
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language, domain="pledge")


def main() -> None:
    """Every language but the one of the sources."""
    for language in LANGUAGES:
        if language != SOURCE:
            catalogue = of(language)
            catalogue.update(marked(), no_fuzzy_matching=True, update_creation_date=False)
            catalogue.obsolete.clear()
            with (CATALOGUES / f"{language}.po").open("wb") as file:
                file.write(HEADER.format(language=language, plural=catalogue.plural_forms).encode())
                # No lines and no dates: a diff is to show texts, and not that something moved.
                write_po(file, catalogue, width=WIDTH, no_location=True, sort_output=True, omit_header=True)


if __name__ == "__main__":
    main()
