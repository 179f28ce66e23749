"""`Evidence`: where the texts state each value of an answer, found after the fact.

It is a join of the answer's values with what the texts state, so it serves an answer of any model, by a mask
or without one. Stated is not true: a place says that the text has these words, not that they are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, overload

from structgen.asking.grounding.places import Place as Place
from structgen.asking.grounding.places import Search, Stated, Value
from structgen.asking.grounding.stated_text import StatedText
from structgen.base.json_text.events import escape
from structgen.base.json_text.exact_json import Json, exact

MOST_PLACES: Final = 1_000
"""Places that are listed of one value."""
_MOST_IN_ALL: Final = 100_000
"""Places of all values together, at least one of each."""


@dataclass(frozen=True, repr=False)
class Evidence(Sequence[Stated]):
    """The numbers and strings of an answer, in its order, each with the places at which texts state it.
    Booleans and null have none. Made by `evidence_of`."""

    texts: Mapping[str, str]
    values: tuple[Stated, ...]

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, at: int) -> Stated: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Stated]: ...
    def __getitem__(self, at: int | slice) -> Stated | Sequence[Stated]:
        return self.values[at]


def evidence_of(document: Json, texts: StatedText) -> Evidence:
    """Return where some texts state the values of a document: all places, but at most 1,000 of a value, and of
    many values 100,000 in all (at least one each). `Stated.has_more` tells of others.

    Raises SchemaError for what is no JSON value. Cost: linear in the texts for each different value.
    """
    values = [*_values(exact(document))]
    search = Search(texts, max(1, min(MOST_PLACES, _MOST_IN_ALL // max(1, len(values)))))
    return Evidence(
        texts.texts, tuple(Stated(path, value, *search.places_of(value)) for path, value in values)
    )


def _values(document: Json) -> Iterator[tuple[str, Value]]:
    """Yield the numbers and strings of a document with their JSON Pointers, in its order."""
    todo: list[tuple[str, Json]] = [("", document)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, (dict, list)):
            members = [*(node.items() if isinstance(node, dict) else enumerate(node))]
            todo += [(f"{path}/{escape(key)}", member) for key, member in reversed(members)]
        elif isinstance(node, (int, Decimal, str)) and not isinstance(node, bool):
            yield path, node
