"""Where texts state a value: `TextPlace`, `Stated`, and the search that finds every place of one value."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import islice
from typing import Final, NamedTuple, TypeAlias, Union

from structgen.asking.grounding.stated_text import StatedText, spellings
from structgen.asking.grounding.text_runs import LOOSE, is_border

Value: TypeAlias = Union[int, Decimal, str]
_LONGEST: Final = 300
"""Characters of a string that is also looked for in other letters and marks, as codes are."""
_PIECES: Final = re.compile(r"\s+|[^\W_]+|.", re.S)
_AMOUNT: Final = re.compile(r"[^\d-]*(-?\d+)[.,](\d+)\D*", re.ASCII)


@dataclass(frozen=True, slots=True)
class TextPlace:
    """Where a value stands: `words` are the characters `start` to `end` of the text of a name."""

    text: str
    start: int
    end: int
    words: str


@dataclass(frozen=True, slots=True)
class Stated:
    """A number or string of an answer, and where the text states it."""

    path: str
    """Its JSON Pointer in the answer."""
    value: Value
    places: tuple[TextPlace, ...] = ()
    """Where it stands, in the order of the texts; () where no text states it: it was inferred, or chosen from
    a list."""
    others: tuple[str, ...] = ()
    """Other values that can be read at one of these places: "1.204" is 1204 and 1.204."""
    has_more: bool = False
    """Whether it stands at further places, which are not listed."""


class _Span(NamedTuple):
    text: str
    start: int
    end: int


class _Folded(NamedTuple):
    """A text as values are compared with it, and where each of its characters begins and ends in the text."""

    chars: str
    starts: array[int]
    ends: array[int]


class PlaceSearch:
    """Finds the places of values in some texts, so many of a value. Cost: that of reading the texts; then,
    for each different value, linear in them."""

    def __init__(self, stated: StatedText, most: int) -> None:
        self._texts, self._most = stated.texts, most
        self._known: dict[Value, tuple[tuple[TextPlace, ...], tuple[str, ...], bool]] = {}
        self._order = {name: at for at, name in enumerate(stated.texts)}
        self._whole = defaultdict[Value, list[_Span]](list)
        self._parts = defaultdict[Value, list[_Span]](list)
        self._said = defaultdict[_Span, dict[str, list[Value]]](dict)
        """By place, what is read there, each with its spellings."""
        for name, one in stated.readings:
            span, written = _Span(name, one.start, one.end), spellings(one.value)
            keys: list[Value] = [one.value] if isinstance(one.value, Decimal) else [*written]
            if one.kind == "date":  # where a date with a time is asked for, it is the beginning of the day
                keys += [f"{one.value}T00:00:00", f"{one.value}T00:00:00Z"]
            self._said[span][written[0]] = keys
            for key in keys:
                (self._parts if one.is_part else self._whole)[key].append(span)

    def places_of(self, value: Value) -> tuple[tuple[TextPlace, ...], tuple[str, ...], bool]:
        """Return the places of a value, what else can be read there, and whether there are more places.

        A number stands where one of its value is read. A string stands where a date, a time or an address
        that is written like it is read, and where its words are, white space folded, at the borders of words.
        A string with a digit that stands nowhere: where an amount of its value is read, or where its words
        are in other letters or with other marks.
        """
        if value not in self._known:
            self._known[value] = self._found(value)
        return self._known[value]

    def _found(self, value: Value) -> tuple[tuple[TextPlace, ...], tuple[str, ...], bool]:
        key, spans = value, dict.fromkeys(self._read(value))
        read = spans
        if isinstance(value, str):
            spans = read | self._runs(self._exact, _folded(" ".join(value.split())).chars)
            if not spans and (amount := _AMOUNT.fullmatch(value)):
                key = Decimal(f"{amount[1]}.{amount[2]}")
                spans = read = dict.fromkeys(self._read(key))
            elif not spans and len(value) <= _LONGEST and any(map(str.isdigit, value)):
                spans = self._runs(self._loose, _loosened(value).chars)
        ordered = sorted(spans, key=lambda one: (self._order[one.text], *one[1:]))
        kept = ordered[: self._most]
        said = [pair for one in kept if one in read for pair in self._said[one].items()]
        others = dict.fromkeys(other for other, keys in said if key not in keys)
        places = [TextPlace(*one, self._texts[one.text][one.start : one.end]) for one in kept]
        return tuple(places), tuple(others), len(ordered) > len(kept)

    def _read(self, value: Value) -> Iterable[_Span]:
        return self._whole.get(value) or self._parts.get(value) or ()

    def _runs(self, folded: Mapping[str, _Folded], wanted: str) -> dict[_Span, None]:
        return dict.fromkeys(islice(self._each_run(folded, wanted), self._most + 1))

    def _each_run(self, folded: Mapping[str, _Folded], wanted: str) -> Iterator[_Span]:
        for name, (chars, starts, ends) in folded.items():
            at = chars.find(wanted) if wanted else -1
            while at >= 0:
                start, end = starts[at], ends[at + len(wanted) - 1]
                if is_border(self._texts[name], start) and is_border(self._texts[name], end):
                    yield _Span(name, start, end)
                at = chars.find(wanted, at + 1)

    @cached_property
    def _exact(self) -> dict[str, _Folded]:
        return {name: _folded(text) for name, text in self._texts.items()}

    @cached_property
    def _loose(self) -> dict[str, _Folded]:
        return {name: _loosened(text) for name, text in self._texts.items()}


def _folded(text: str) -> _Folded:
    """Return a text with each run of white space as one blank, and a line break at each border of a word.
    What is found between two of these is at borders; the search passes over all else in C."""
    chars, starts, ends, end = list[str](), array("q"), array("q"), 0
    for match in _PIECES.finditer(text):
        piece, start = " " if match[0].isspace() else match[0], end
        end = match.end()
        chars += "\n", piece
        starts.append(start)
        starts.extend(range(start, start + len(piece)))
        ends.append(start)
        ends.extend(range(end - len(piece) + 1, end + 1))
    starts.append(end)
    ends.append(end)
    return _Folded("".join(chars) + "\n" * bool(chars), starts, ends)


def _loosened(text: str) -> _Folded:
    """Return a text without blanks and marks, in small letters."""
    kept = [(one, at) for at, char in enumerate(text) if char not in LOOSE for one in char.casefold()]
    starts = array("q", [at for _, at in kept])
    return _Folded("".join(one for one, _ in kept), starts, array("q", [at + 1 for at in starts]))
