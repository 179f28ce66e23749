"""`Evidence`: finds where the texts state each value of an answer, after the answer was written.

It compares the values of the answer with what the texts state. So it works for an answer of any model,
written with a mask or without one. *Stated* does not mean true: a text has these words, and may be wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from functools import cache
from typing import Any, Final

from structgen.asking.grounding.evidence_page import MOST_LISTED, page_of
from structgen.asking.grounding.places import PlaceSearch, Stated, stateable_values
from structgen.asking.grounding.result_texts import ResultTexts
from structgen.asking.grounding.stated_text import StatedText
from structgen.asking.pages.html_pages import format_count
from structgen.base.json_text.exact_json import Json, exact_copy, write_canonical
from structgen.base.system.csv_tables import csv_table

_MOST_IN_ALL: Final = 100 * MOST_LISTED
"""The most places of all values together; each value has at least one."""


@dataclass(frozen=True, repr=False)
class Evidence(ResultTexts, Sequence[Stated]):
    """The numbers and strings of an answer, in its order, each with the places at which texts state it.
    Booleans and null have none. Made by `evidence_of`."""

    texts: Mapping[str, str]
    values: tuple[Stated, ...]
    confidences: Mapping[str, float] = field(default_factory=dict)
    """How sure the model was of each value, by its path; {} where that is not known."""

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, at: Any) -> Any:
        return self.values[at]

    def __repr__(self) -> str:
        return f"<Evidence of {format_count(len(self), 'value')}; write(path) writes its page>"

    def _json_text(self) -> str:
        """Return an object for each value, whose members are the fields of `Stated`."""
        return write_canonical(
            [
                {
                    **asdict(value),
                    "places": [*map(asdict, value.places)],
                    "others": [*value.others],
                }
                for value in self
            ]
        )

    def _csv_text(self, formulas: bool) -> str:
        """Return a line for each place, and one for a value without any."""
        rows: list[tuple[Any, ...]] = [("path", "value", "text", "start", "end", "words", "others", "match")]
        for value in self:
            for *place, match in map(astuple, value.places) if value.places else [("",) * 5]:
                rows.append((value.path, value.value, *place, "; ".join(value.others), match))
        return csv_table(rows, formulas=formulas)

    def page(self) -> str:
        """Return one file of HTML that shows the texts with marks, and the values. Cost: as `page_of`."""
        return page_of(self.texts, self.values, self.confidences)

    def _text_of(self, ending: str) -> str:
        """Return the JSON array for a path that ends in .json, else the page."""
        return self._json_text() if ending == ".json" else self.page()


def evidence_of(
    document: Json,
    texts: StatedText,
    repaired: Collection[str] = (),
    *,
    is_exact: bool = False,
) -> Evidence:
    """Return where some texts state the values of a document: all places, but at most 1,000 of a value, and
    of many values 100,000 in all (at least one each). `Stated.has_more` tells of others.

    `repaired`: the JSON Pointers of the strings that got the letters of the texts; their places say so.
    `is_exact`: as in `PlaceSearch`. For example `evidence_of({"a": "x"}, stated_text((("mail", "x y"),)))`.
    Raises SchemaError for what is no JSON value. Cost: linear in the texts for each different value.
    """
    values = [*stateable_values(exact_copy(document))]
    # many values with many places would make a page that nobody can open
    max_places = max(1, min(MOST_LISTED, _MOST_IN_ALL // max(1, len(values))))
    # equal values of a document are searched once
    places_of = cache(PlaceSearch(texts, max_places, is_exact=is_exact).places_of)
    stated_values = []
    for path, value in values:
        places, others, has_more = places_of(value)
        if path in repaired:
            places = tuple(replace(place, match="repaired") for place in places)
        stated_values.append(Stated(path, value, places, others, has_more))
    return Evidence(texts.texts, tuple(stated_values))
