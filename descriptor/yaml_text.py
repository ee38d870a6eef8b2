"""JSON values as YAML text that reads the same for every parser.

Block style, because people review a manifest line by line when it asks for another scope. A text stands without
quotes only where YAML 1.1 and 1.2 agree that it is a text: `YES` is a boolean to one and a word to the other.
"""

import json
import re
from collections.abc import Iterator

_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9_.:/-]*[A-Za-z0-9_/-])?")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
# JSON's escapes are YAML's too, except that these, which JSON leaves as they are, end a line or are refused in YAML
_UNREADABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def to_yaml(document: object) -> str:
    """The text of a document made of dicts with text keys, lists, texts, numbers, booleans and None."""
    return "\n".join(_lines(document)) + "\n"


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(f"{_scalar(key)}:", item)
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def _entry(name: str, value: object) -> Iterator[str]:
    if isinstance(value, (dict, list)) and value:
        yield name
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{name} {_scalar(value)}"


def _scalar(value: object) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _UNREADABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
