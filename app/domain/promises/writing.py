"""A policy as the text of a file: what `reading` reads again as the same shape."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from app.domain.promises.schema import PolicyShape


def policy_text(shape: PolicyShape, *, remark: str) -> str:
    """TOML. `remark`: a comment of one line above it."""
    document = shape.model_dump(exclude_defaults=True, exclude_none=True)
    return "\n".join((f"# {' '.join(remark.split())}", *_table(document, path=""), ""))


def _table(values: Mapping[str, Any], *, path: str) -> Iterator[str]:
    """Plain values first: in TOML whatever stands below the head of a table is that table's."""
    tables = {name: value for name, value in values.items() if isinstance(value, dict) or _are_tables(value)}
    for name, value in values.items():
        if name not in tables:
            yield f"{name} = {_value(value)}"
    for name, value in tables.items():
        below = f"{path}{name}"
        heads = [(f"[{below}]", value)] if isinstance(value, dict) else [(f"[[{below}]]", each) for each in value]
        for head, table in heads:
            yield ""
            yield head
            yield from _table(table, path=f"{below}.")


def _are_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(each, dict) for each in value)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's escapes are TOML's too; of the control characters JSON leaves only this one as it is
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
