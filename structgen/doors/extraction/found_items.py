"""What an extraction finds: a `FoundItem` with its values and their places. It is made of `PageAnswer`s.

An *item* is one value of the type that the caller asks for, e.g. {"name": "Ada", "age": 36}. A *field* is one
of its scalars, with its path as a JSON Pointer, e.g. "/age". A *place* is where the document states a scalar.
A *page* is the piece of the document that the model was asked about; a *sheet* is where a person looks it up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal, TypeAlias, Union

from structgen.asking.documents.sheets import Sheet
from structgen.base.json_text.exact_json import Json
from structgen.base.json_text.raw_json import write_json

Scalar: TypeAlias = Union[int, Decimal, str, bool, None]


def as_json(value: Any) -> str:
    """Return a scalar as JSON: 1204.50 keeps its digits."""
    return str(value) if value.__class__ is Decimal else json.dumps(value)


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """The answer of a model about one page, or about a part of it."""

    document: str
    """The name of the document."""
    page: int
    """The number of the page in its document, from 1."""
    start: int
    """The page is `text[start:end]` of the document, in characters."""
    end: int
    value: Json
    """The list of items; or the object, if the caller asks for one object a document."""
    confidences: Mapping[str, float] = field(default_factory=dict)
    """The probability of each scalar, by its JSON Pointer in `value`; {} if the model tells none."""
    may_guess: bool = False
    """Whether the answer may have values that the page only looks as if it stated."""
    repaired: Collection[str] | None = ()
    """The JSON Pointers in `value` of the strings that got the letters of the page. None: in other typography
    (`quotes="exact"`) no string has a place."""


@dataclass(frozen=True, slots=True)
class FoundValue:
    """A scalar of an item."""

    path: str
    """Its JSON Pointer in the item."""
    value: Scalar
    start: int | None
    """The character of the document at which the place of the value begins. `end` is the character after it.
    Both are None if no text states the value."""
    end: int | None
    page: int
    """The number of the piece that the model was asked about, from 1."""
    confidence: float | None
    is_unverified: bool = False
    """Whether the place only looks as if it stated the value, in a notation that we do not read."""
    match: Literal["exact", "repaired"] = "exact"
    """Whether the model wrote a string in the letters of its place. "repaired": in other typography; a quote
    (`sg.Quote`, `quotes`) then got the letters of the text."""
    sheet: Sheet | None = None
    """The sheet of the PDF at which the place begins; of another document its nearest heading before the
    place. None without a place, and before the first heading."""


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item of a document, or its object."""

    document: str
    value: Json
    fields: tuple[FoundValue, ...]
    """The scalars of the value, in its order."""
    conflicts: tuple[FoundValue, ...] = ()
    """The other values that pages gave for a field, the likeliest first. `path` is that of the field."""
    pages: tuple[int, ...] = ()
    """The numbers of the pieces that have the item."""
    made: Any = None
    """The object of the caller's type that was made of the value."""
    error: str = ""
    """Why the type refuses the value, so that `made` is None; "" if it does not."""

    @property
    def json(self) -> Any:
        """The value as `json.loads` has it. `value` is the same with exact numbers: a Decimal where there is
        a fraction."""
        return json.loads(write_json(self.value, as_json))

    @property
    def unverified(self) -> list[str]:
        """The paths of the values that the text only looks as if it stated them."""
        return [field.path for field in self.fields if field.is_unverified]

    @property
    def repaired(self) -> list[str]:
        """The paths of the values that the model wrote in other typography than the text."""
        return [field.path for field in self.fields if field.match == "repaired"]

    @property
    def sheets(self) -> tuple[Sheet, ...]:
        """The sheets of the places of its values, in the order of the document, each once."""
        sheets = {field.sheet for field in self.fields if field.sheet is not None}
        return tuple(sorted(sheets))


Items: TypeAlias = Sequence[FoundItem]
"""Items of any documents."""


def add_sheets(item: FoundItem, find_sheet: Callable[[int], Sheet | None]) -> FoundItem:
    """Return an item with the sheet of each place. `find_sheet`: the function of `sheet_finder`."""

    def find_all(values: Sequence[FoundValue]) -> tuple[FoundValue, ...]:
        return tuple(
            value if value.start is None else replace(value, sheet=find_sheet(value.start))
            for value in values
        )

    return replace(
        item,
        fields=find_all(item.fields),
        conflicts=find_all(item.conflicts),
    )
