"""What an extraction finds: `FoundItem`, its values and their places; and the `PageAnswer`s that it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias, Union

from structgen.base.json_text.exact_json import Json

Scalar: TypeAlias = Union[int, Decimal, str, bool, None]


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What a model said of one page, or of a part of it."""

    document: str
    """The name of the document."""
    page: int
    """The number of the page in its document, from 1."""
    start: int
    """The page is `text[start:end]` of the document, in characters."""
    end: int
    value: Json
    """The list of items; of one object for a document, this object."""
    confidences: Mapping[str, float] = field(default_factory=dict)
    """The probability of each scalar, by its JSON Pointer in `value`; {} where the model tells none."""
    may_guess: bool = False
    """Whether the model could say what the page only looks as if it stated."""


@dataclass(frozen=True, slots=True)
class FoundValue:
    """A scalar of an item."""

    path: str
    """Its JSON Pointer in the item."""
    value: Scalar
    start: int | None
    """It stands in the document from character `start` to `end`; None twice where no text states it."""
    end: int | None
    page: int
    confidence: float | None
    is_unverified: bool = False
    """Whether the place only looks as if it stated the value, in a form that is not read."""


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item, or the object of a document."""

    document: str
    value: Json
    fields: tuple[FoundValue, ...]
    """The scalars of the value, in its order."""
    conflicts: tuple[FoundValue, ...] = ()
    """What other pages said of a field, the likelier first; `path` is that of the field."""
    pages: tuple[int, ...] = ()
    """The pages that have it."""
    made: Any = None
    """The object of the type."""
    error: str = ""
    """Why the type takes no object of it; "" where it does."""

    @property
    def unverified(self) -> list[str]:
        """The paths of the values that the text only looks as if it stated them."""
        return [field.path for field in self.fields if field.is_unverified]
