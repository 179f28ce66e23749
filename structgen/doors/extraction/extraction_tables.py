"""Items as tables: rows, CSV, JSON lines, and a pandas frame.

A *scalar* is a value that is neither a list nor an object. A row of a table has the scalars of one item, each
in the column of its path: {"party": {"name": "A"}} has the column `party.name`. Empty lists and objects have
no column. A line of JSON has everything, including the places and the conflicts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any, Final

from structgen.base.errors import LimitError
from structgen.base.json_text.exact_json import JsonObject, unescape_segment, values_in
from structgen.base.json_text.raw_json import write_json
from structgen.base.system.csv_tables import csv_table
from structgen.base.system.installation import require_extras
from structgen.doors.extraction.found_items import FoundItem, Items, as_json

MOST_CELLS: Final = 5_000_000
"""The most cells of one table. Nested items can have a column for each of their members."""
_LAST: Final = ("pages", "conflicts", "error")
_IF_ANY: Final = ("unverified", "repaired", "sheets")
"""The last columns, and those that a table has only if some item has such a value."""
_TYPES: Final = {int: "Int64", bool: "boolean", str: "string"}
"""The type of pandas that holds the values of a Python type exactly, and missing values too."""


def rows_of(items: Items) -> list[JsonObject]:
    """Return a row for each item.

    Its columns are `document`; one for each path of a scalar of any item; `pages`, a tuple of the numbers of
    pieces; `conflicts`, their number; and `error`. If any item has values that are not verified, the column
    `unverified` has their names; `repaired` has those of values that the model wrote in other typography than
    the text; `sheets` has a tuple of the sheets of an item.

    A column is named by the path with dots (`party.name`, `lines.0.price`). If an item is itself a scalar,
    its column is `value`. If a name would be ambiguous, or that of another column, the column is named by the
    JSON Pointer. A cell is None if the item has no such scalar. Raises LimitError beyond MOST_CELLS. Cost:
    linear in the cells.
    """
    columns = _name_columns(items)
    # a column that would be empty is left out
    last = (*_LAST, *(name for name in _IF_ANY if any(getattr(item, name) for item in items)))
    empty = dict.fromkeys(["document", *columns.values(), *last])
    # there is a column for each member that any item has
    cells = len(items) * len(empty)
    if cells > MOST_CELLS:
        raise LimitError(
            f"The table has {cells:,} cells; the limit is {MOST_CELLS:,}.",
            limit="cells",
            cure="Write JSON lines, which need no columns; or pass fewer items.",
        )
    return [
        {
            **empty,
            "document": item.document,
            **{columns[path]: value for path, value in values_in(item.value) if _is_scalar(value)},
            **{name: cell for name, cell in _last_cells(item).items() if name in last},
        }
        for item in items
    ]


def _last_cells(item: FoundItem) -> JsonObject:
    return {
        "pages": item.pages,
        "conflicts": len(item.conflicts),
        "error": item.error,
        **{name: "; ".join(map(dotted_path, getattr(item, name))) for name in ("unverified", "repaired")},
        "sheets": item.sheets,
    }


def dotted_path(path: str) -> str:
    """Return a JSON Pointer with dots: `party.name` for `/party/name`. Return "value" for the empty pointer,
    which is that of the whole item."""
    return ".".join(map(unescape_segment, path.split("/")[1:])) or "value"


def to_csv(items: Items, *, formulas: bool = False) -> str:
    """Return the rows as CSV (RFC 4180), with a line of names, by `csv_table`.

    Texts and names that a spreadsheet could compute get an apostrophe in front, unless `formulas` is True. A
    missing value and an empty text look the same. Errors and cost: those of `rows_of`.
    """
    rows = rows_of(items)
    cells = []
    for row in rows:
        cells.append("; ".join(map(str, cell)) if isinstance(cell, tuple) else cell for cell in row.values())
    return csv_table([_column_names(rows), *cells], formulas=formulas)


def to_jsonl(items: Items) -> str:
    """Return a line of JSON for each item, in ASCII, with numbers exactly as they are in the item.

    Its members are document, value, places ({path: [start, end]} of the scalars that a text states),
    confidences ({path: probability} where it is known), conflicts (objects of path, value, place, page,
    confidence and sheet), pages (numbers of pieces), error, unverified and repaired (paths), and sheets
    (objects with the members of a `Sheet`). What is empty of the last three and of sheet is left out. Paths
    are JSON Pointers in the value. Cost: linear.
    """
    return "".join(f"{write_json(_json_line(item), as_json)}\n" for item in items)


def build_table(items: Items) -> Any:
    """Return the rows as a `pandas.DataFrame`.

    Columns of integers of 64 bits, of booleans and of texts have pandas' types that know missing values;
    all others hold the Python objects, so that no digit of a Decimal or a long integer is lost. Raises
    StructgenError where pandas is not installed, LimitError as `rows_of`.
    """
    with require_extras("A table", "tables"):
        import pandas  # optional: the extra `tables`
    rows = rows_of(items)
    series = {}
    for name in _column_names(rows):
        column = [row[name] for row in rows]
        series[name] = pandas.Series(column, dtype=_type_of(column))
    return pandas.DataFrame(series)


def _column_names(rows: list[JsonObject]) -> list[str]:
    return [*rows[0]] if rows else ["document", *_LAST]


def _name_columns(items: Items) -> dict[str, str]:
    """Return the name of the column of each path of a scalar, in the order of the columns. Members come in
    the order in which they first occur, and the members of one object or list stay together."""
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
    uses = Counter(["document", *_LAST, *_IF_ANY, *names.values()])
    # the pointers of members begin with "/", so a name that does so is replaced by its pointer
    return {path: path if uses[name] > 1 or name.startswith("/") else name for path, name in names.items()}


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, (dict, list))


def _json_line(item: FoundItem) -> JsonObject:
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
                **({"sheet": asdict(field.sheet)} if field.sheet else {}),
            }
            for field in item.conflicts
        ],
        "pages": [*item.pages],
        "error": item.error,
        **{name: paths for name in ("unverified", "repaired") if (paths := getattr(item, name))},
        **({"sheets": [*map(asdict, item.sheets)]} if item.sheets else {}),
    }


def _type_of(column: list[Any]) -> Any:
    kinds = {type(value) for value in column if value is not None}
    kind = kinds.pop() if len(kinds) == 1 else object
    # integers of more bits would lose digits
    bits = (value.bit_length() for value in column if value is not None)
    if kind is int and max(bits) > 63:
        return object
    return _TYPES.get(kind, object)
