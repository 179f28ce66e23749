"""Items as tables: rows, CSV, JSON lines, and a pandas frame.

A flat row has what fits a cell: the scalars of an item. Lists and objects that are empty have no column. A
line of JSON has everything, the places and the conflicts too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from structgen.base.errors import LimitError
from structgen.base.json_text.exact_json import unescape_segment, values_in
from structgen.base.json_text.raw_json import write_json
from structgen.base.system.csv_tables import csv_table
from structgen.base.system.installation import require_extras
from structgen.doors.extraction.found_items import FoundItem

MOST_CELLS: Final = 5_000_000
"""Cells of one table. Items that nest can have a column for each of their members."""
_LAST: Final = ("pages", "conflicts", "error", "unverified")
_TYPES: Final = {int: "Int64", bool: "boolean", str: "string"}
"""Types of pandas that hold such values exactly, and missing ones."""


def rows_of(items: Sequence[FoundItem]) -> list[dict[str, Any]]:
    """Return a row for each item: `document`; a column for each path of a scalar of any item; `pages`, a
    tuple; `conflicts`, how many; `error`; and `unverified`, the names of the values that are not verified,
    where any item has some.

    A member of a member is named by both (`party.name`, `lines.0.price`), an item that is a scalar `value`.
    A name that could be read in two ways, or is that of another column, is the JSON Pointer. A cell is None
    where an item has no such scalar. Raises LimitError beyond MOST_CELLS. Cost: linear in the cells.
    """
    columns = _name_columns(items)
    # the column would be empty in most tables
    last = _LAST if any(item.unverified for item in items) else _LAST[:-1]
    empty = dict.fromkeys(["document", *columns.values(), *last])
    # items that differ in their members have a column for each member of any
    cells = len(items) * len(empty)
    if cells > MOST_CELLS:
        raise LimitError(
            f"The table has {cells:,} cells, of at most {MOST_CELLS:,}.",
            limit="cells",
            cure="Write JSON lines, which need no columns; or give fewer items.",
        )
    return [
        {
            **empty,
            "document": item.document,
            **{columns[path]: value for path, value in values_in(item.value) if _is_scalar(value)},
            **dict(zip(last, _last_cells(item), strict=False)),
        }
        for item in items
    ]


def _last_cells(item: FoundItem) -> tuple[Any, ...]:
    unverified = "; ".join(map(dotted_path, item.unverified))
    return item.pages, len(item.conflicts), item.error, unverified


def dotted_path(path: str) -> str:
    """Return a JSON Pointer as people write it, `party.name`; "value" for that of the whole item."""
    return ".".join(map(unescape_segment, path.split("/")[1:])) or "value"


def as_json(value: Any) -> str:
    """Return a scalar as JSON: 1204.50 keeps its digits."""
    return str(value) if value.__class__ is Decimal else json.dumps(value)


def to_csv(items: Sequence[FoundItem], *, formulas: bool = False) -> str:
    """Return the rows as CSV (RFC 4180), with a line of names, by `csv_table`.

    Texts that a spreadsheet could compute are guarded, those of names too, but not with `formulas`. A missing
    value and an empty text look alike. Errors, cost: as `rows_of`.
    """
    rows = rows_of(items)
    cells = []
    for row in rows:
        pages = "; ".join(map(str, row["pages"]))
        cells.append({**row, "pages": pages}.values())
    return csv_table([_column_names(rows), *cells], formulas=formulas)


def to_jsonl(items: Sequence[FoundItem]) -> str:
    """Return a line of JSON for each item, in ASCII, numbers exactly as they are in the item.

    Its members are document, value, places ({path: [start, end]} of the scalars that a text states),
    confidences ({path: probability} where it is known), conflicts (objects of path, value, place, page and
    confidence), pages, error, and unverified (paths; not where it is empty). Paths are JSON Pointers in the
    value. Cost: linear.
    """
    return "".join(f"{write_json(_json_line(item), as_json)}\n" for item in items)


def build_table(items: Sequence[FoundItem]) -> Any:
    """Return the rows as a `pandas.DataFrame`.

    Columns of integers of 64 bits, of booleans and of texts have pandas' types that know missing values;
    all others hold the Python objects, so that no digit of a Decimal or a long integer is lost. Raises
    StructgenError where pandas is not installed, LimitError as `rows_of`.
    """
    with require_extras("A table", "tables"):
        import pandas  # optional: the extra `tables`
    rows = rows_of(items)
    columns = {name: [row[name] for row in rows] for name in _column_names(rows)}
    series = {}
    for name, column in columns.items():
        series[name] = pandas.Series(column, dtype=_type_of(column))
    return pandas.DataFrame(series)


def _column_names(rows: list[dict[str, Any]]) -> list[str]:
    return [*rows[0]] if rows else ["document", *_LAST[:-1]]


def _name_columns(items: Sequence[FoundItem]) -> dict[str, str]:
    """Return the names of columns by the paths of scalars: members in the order in which they were first
    met, those of one object or list beside each other."""
    ranks = dict[str, tuple[int, ...]]()
    scalars = dict[str, None]()
    for item in items:
        for path, value in values_in(item.value):
            if path not in ranks:
                around = ranks.get(path.rpartition("/")[0], ())
                ranks[path] = (*around, len(ranks))
            if _is_scalar(value):
                scalars[path] = None
    names = {path: dotted_path(path) for path in sorted(scalars, key=ranks.__getitem__)}
    uses = Counter(["document", *_LAST, *names.values()])
    # a pointer of a member begins with "/", so no other name may
    return {path: path if uses[name] > 1 or name.startswith("/") else name for path, name in names.items()}


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, (dict, list))


def _json_line(item: FoundItem) -> dict[str, Any]:
    return {
        "document": item.document,
        "value": item.value,
        "places": {field.path: [field.start, field.end] for field in item.fields if field.start is not None},
        "confidences": {
            field.path: field.confidence for field in item.fields if field.confidence is not None
        },
        "conflicts": [
            {
                "path": field.path,
                "value": field.value,
                "place": None if field.start is None else [field.start, field.end],
                "page": field.page,
                "confidence": field.confidence,
            }
            for field in item.conflicts
        ],
        "pages": [*item.pages],
        "error": item.error,
        **({"unverified": item.unverified} if item.unverified else {}),
    }


def _type_of(column: list[Any]) -> Any:
    kinds = {type(value) for value in column if value is not None}
    kind = kinds.pop() if len(kinds) == 1 else object
    # longer integers would lose digits
    bits = (value.bit_length() for value in column if value is not None)
    if kind is int and max(bits) > 63:
        return object
    return _TYPES.get(kind, object)
