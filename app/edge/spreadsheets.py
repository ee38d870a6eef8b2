"""CSV (RFC 4180) that a spreadsheet takes for what it is: text and numbers, never a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_of(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The header and the rows; None is empty.

    A cell that a spreadsheet would calculate begins with an apostrophe: whoever may name a resolution or a status on a
    site could otherwise have a formula run on the machine of whoever opens the list.
    """
    sheet = io.StringIO(newline="")
    writer = csv.writer(sheet)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return sheet.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
