"""Finds the places of a text that state a value: `StatedPlace`, `Stated`, and the search for one value.

A *place* is a stretch of a text, from one offset to another, whose words state the value.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Literal, TypeAlias, Union

from structgen.asking.grounding.readings import Kind
from structgen.asking.grounding.stated_text import StatedText, as_instants, spellings_of
from structgen.asking.grounding.text_runs import LONGEST_RUN, LOOSE
from structgen.asking.grounding.typography import OTHER
from structgen.base.json_text.exact_json import Json, values_in

Value: TypeAlias = Union[int, Decimal, str]
_Group: TypeAlias = tuple[Kind, str, tuple[int, int]]
_WITHOUT_MARKS: Final = dict.fromkeys(map(ord, LOOSE))
# no amount: 61.40 is not 6140, nor is 1,204.50 any code
_CODE: Final = re.compile(rf"(?!\D*\d+(?:[.,]\d+)+\D*\Z)(?=.*\d).{{1,{LONGEST_RUN}}}", re.S)


@dataclass(frozen=True, slots=True)
class StatedPlace:
    """A place of a value: `words` are the characters from `start` to before `end` of the text `name`."""

    text: str
    start: int
    end: int
    words: str
    match: Literal["exact", "repaired"] = "exact"
    """Whether a string is in the letters of the words. "repaired": the answer had them in other typography
    (`typography`). Then a quote (`sg.Quote`, `quotes`) of a server's answer got the letters of the text."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A number or string of an answer, and where the text states it."""

    path: str
    """The JSON Pointer of the value in the answer."""
    value: Value
    places: tuple[StatedPlace, ...] = ()
    """The places of the value, in the order of the texts. () where no text states it: the value was inferred,
    or chosen from a list."""
    others: tuple[str, ...] = ()
    """Other values of its kind that can be read at one of these places: "1.204" is 1204 and 1.204."""
    has_more: bool = False
    """Whether the texts have further places of the value, which are not listed."""


def stateable_values(document: Json) -> Iterator[tuple[str, Value]]:
    """Yield the numbers and strings of a JSON value in order, each with its JSON Pointer. For example
    `{"a": [1, None]}` yields `("/a/0", 1)`."""
    for path, value in values_in(document):
        if isinstance(value, (int, Decimal, str)) and not isinstance(value, bool):
            yield path, value


class PlaceSearch:
    """Finds the places of values in some texts, at most so many of a value. Cost: that of reading the texts;
    then, for each value, linear in them."""

    def __init__(self, stated_text: StatedText, max_places: int, *, is_exact: bool = False) -> None:
        """`is_exact`: a run in other typography is no place of a string."""
        self._texts = stated_text.texts
        self._max_places = max_places
        self._order = {name: index for index, name in enumerate(stated_text.texts)}
        self._runs = stated_text.run_search
        self._is_exact = is_exact
        self._places_of_value = defaultdict[Value, list[tuple[bool, _Group, StatedPlace]]](list)
        self._values_of_group = defaultdict[_Group, dict[str, list[Value]]](dict)
        """The values that are read at each place, with all their spellings, by kind and place without a
        sign."""
        for name, reading in stated_text.readings:
            place = self._build_place(name, reading.start, reading.end)
            texts = spellings_of(reading.value)
            keys: list[Value] = [reading.value] if isinstance(reading.value, Decimal) else [*texts]
            # for a date with a time it is the beginning of the day, for a month the month
            if reading.kind == "date":
                keys += [*as_instants(reading.value), texts[0][:7]]
            group = (reading.kind, name, reading.unsigned_span or (reading.start, reading.end))
            self._values_of_group[group][texts[0]] = keys
            for key in keys:
                self._places_of_value[key].append((reading.is_part, group, place))

    def places_of(self, value: Value) -> tuple[tuple[StatedPlace, ...], tuple[str, ...], bool]:
        """Return the places of a value, what else can be read there, and whether there are more places.

        A number stands where one of its value is read; parts of something else count where there is no other.
        A string stands where a date, a time or an address is read that is written like it, and where it is a
        quote (`borders_of`), in its own typography or else in another. A code that stands nowhere: where its
        words are in other letters or with other marks.
        """
        readings = self._places_of_value.get(value, ())
        whole = [reading for reading in readings if not reading[0]] or readings
        groups = {place: group for _, group, place in whole}
        places = dict.fromkeys(groups)
        if isinstance(value, str):
            places |= self._find_runs(value)
        sorted_places = sorted(
            places,
            key=lambda place: (self._order[place.text], place.start, place.end),
        )
        first_places = sorted_places[: self._max_places]
        pairs = [
            pair
            for place in first_places
            if place in groups
            for pair in self._values_of_group[groups[place]].items()
        ]
        others = dict.fromkeys(other_value for other_value, keys in pairs if value not in keys)
        return tuple(first_places), tuple(others), len(sorted_places) > len(first_places)

    def _build_place(
        self,
        name: str,
        start: int,
        end: int,
    ) -> StatedPlace:
        return StatedPlace(name, start, end, self._texts[name][start:end])

    def _find_runs(self, value: str) -> dict[StatedPlace, None]:
        difference, runs = self._runs.find_runs(value, self._max_places + 1)
        places = [self._build_place(*run) for run in runs]
        if difference == OTHER or (difference and self._is_exact):
            code = _plain_code(value)
            return dict.fromkeys(place for place in places if code and _plain_code(place.words) == code)
        if difference:
            places = [replace(place, match="repaired") for place in places]
        return dict.fromkeys(places)


def _plain_code(text: str) -> str:
    """Return a code in small letters, without white space and without the marks of its words that have a
    digit; "" for what is no code. A hyphen that may be the sign of a number stays."""
    if not _CODE.fullmatch(text):
        return ""
    text = re.sub(r"(?<!\w)-(?=-*\d)", "\0", text.casefold())
    plain = re.sub(r"\S*\d\S*", lambda word: word[0].translate(_WITHOUT_MARKS), text)
    return "".join(plain.split())
