"""Sentences that reach people: English, with what they were made of, so that whoever shows one can translate it."""

import re
from collections.abc import Iterable, Mapping

_PLACE = re.compile(r"%\\\((\w+)\\\)s")


class Sentence(str):
    """A text in English that names its values as `%(key)s`; written where it is made, where extraction finds it.

    Everywhere else it is the finished English text: in logs, in JSON, in what commands say. A value may be a sentence.
    """

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, /, **values: object) -> "Sentence":
        """The text with its values in it; without any, a percent sign stands for itself."""
        made = super().__new__(cls, template % values if values else template)
        made.template, made.values = template, values
        return made


def recognised(text: str, templates: Iterable[str]) -> str:
    """A text that was stored, as the sentence that it was made as where it is one of these."""
    for template in templates:
        found = re.fullmatch(_PLACE.sub(r"(?P<\1>.*)", re.escape(template)), text, re.DOTALL)
        if found is not None:
            return Sentence(template, **found.groupdict())
    return text
