"""Finds the places of a text that state a value: `StatedPlace`, `Stated`, and the search for one value.

A *place* is a stretch of a text, from one offset to another, whose words state the value.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Final, TypeAlias, Union

import numpy as np

from structgen.asking.grounding.readings import Kind
from structgen.asking.grounding.stated_text import StatedText, as_instants, spellings_of
from structgen.asking.grounding.text_runs import LONGEST_RUN, LOOSE
from structgen.grammars.text_grammars.word_runs import LETTER, borders_of

Value: TypeAlias = Union[int, Decimal, str]
_Group: TypeAlias = tuple[Kind, str, tuple[int, int]]
_Way: TypeAlias = tuple[re.Pattern[str], str]
"""A way to fold texts before they are compared: a pattern of the pieces that count, and the border between
them."""
_EXACT: Final[_Way] = (re.compile(rf"\s+|{LETTER}+|.", re.S), "\n")
_LOOSE: Final[_Way] = (re.compile(f"[^{re.escape(''.join(LOOSE))}]"), "")
# no amount: 61.40 is not 6140
_CODE: Final = re.compile(rf"(?!\D*\d+[.,]\d+\D*\Z)(?=.*\d).{{1,{LONGEST_RUN}}}", re.S)


@dataclass(frozen=True, slots=True)
class StatedPlace:
    """A place of a value: `words` are the characters from `start` to before `end` of the text `name`."""

    text: str
    start: int
    end: int
    words: str


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


class PlaceSearch:
    """Finds the places of values in some texts, at most so many of a value. Cost: that of reading the texts;
    then, for each value, linear in them."""

    def __init__(self, stated_text: StatedText, max_places: int) -> None:
        self._texts = stated_text.texts
        self._max_places = max_places
        self._order = {name: index for index, name in enumerate(stated_text.texts)}
        self._folded_text = cache(_fold_text)
        self._borders_of = cache(_border_flags)
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
        quote (`borders_of`), white space folded. A code that stands nowhere: where its words are in other
        letters or with other marks.
        """
        readings = self._places_of_value.get(value, ())
        whole = [reading for reading in readings if not reading[0]] or readings
        groups = {place: group for _, group, place in whole}
        places = dict.fromkeys(groups)
        if isinstance(value, str):
            places |= self._find_runs(value, _EXACT)
            if not places and _CODE.fullmatch(value):
                places = self._find_runs(value, _LOOSE)
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

    def _find_runs(self, value: str, way: _Way) -> dict[StatedPlace, None]:
        return dict.fromkeys(islice(self._each_run(value, way), self._max_places + 1))

    def _each_run(self, value: str, way: _Way) -> Iterator[StatedPlace]:
        needle, pieces = _fold_text(" ".join(value.split()), way)
        last = len(pieces) - 1
        has_word = any(map(str.isalnum, value))
        for name, text in self._texts.items():
            chars, spans = self._folded_text(text, way)
            # a run inside of a longer word is no quote
            begins, ends = self._borders_of(text)
            index = chars.find(needle) if has_word else -1
            while index >= 0:
                start = spans[index][0]
                end = spans[index + last][1]
                if begins[start] and ends[end]:
                    yield self._build_place(name, start, end)
                index = chars.find(needle, index + 1)


def _border_flags(text: str) -> tuple[Sequence[int], Sequence[int]]:
    """Return of each place of a text whether a quote may begin there, and whether one may end there."""
    begins, ends, _ = borders_of(text)
    flags = np.zeros((2, len(text) + 1), np.uint8)
    flags[0, begins] = flags[1, ends] = 1
    return bytes(flags[0]), bytes(flags[1])


def _fold_text(text: str, way: _Way) -> tuple[str, list[tuple[int, int]]]:
    """Return a text in the form with which values are compared, and for each character of that form the
    span of the text that it comes from.

    The exact form (`border` is a line break) has one blank for each run of white space, and a line break at
    each border of a word. A value that begins and ends with line breaks is therefore found at borders of
    words alone, and `str.find` skips all else in C. The loose form has small letters, and no borders.
    """
    pattern, border = way
    chars = list[str]()
    spans = list[tuple[int, int]]()
    for match in pattern.finditer(text):
        if match[0].isspace():
            piece = border + " "
        elif border:
            piece = border + match[0]
        else:
            piece = match[0].casefold()
        chars.append(piece)
        spans += [match.span()] * len(piece)
    return "".join(chars) + border, spans
