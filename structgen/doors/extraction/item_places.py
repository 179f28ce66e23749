"""Where a page states the values of its items: of all their places, for each item those that lie closest
together."""

from __future__ import annotations

import re
from bisect import bisect
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from math import log1p
from typing import Any, Final, TypeAlias

from structgen.asking.grounding.evidence_page import MOST_LISTED
from structgen.asking.grounding.places import PlaceSearch, Value
from structgen.asking.grounding.stated_text import stated_text
from structgen.asking.grounding.unread_values import unverified_text
from structgen.base.json_text.exact_json import Json, exact, values_in
from structgen.doors.extraction.found_items import FoundItem, FoundValue, PageAnswer

_Place: TypeAlias = tuple[int, int]
"""From a character of the document to the one behind the last."""
_Leaves: TypeAlias = Sequence[tuple[str, list[_Place]]]
"""The scalars of an item that its page states: the JSON Pointer of each, and all of its places."""
MOST_BEGINNINGS: Final = 200
"""At how many places it is tried to begin with an item, times the number of its values."""
_BORDER: Final = re.compile(r"[.!?]\s|[\n\u3002\uff01\uff1f]")
"""The end of a sentence or of a line."""
ASIDE: Final = 100
"""As many characters as a border between two places counts for: an item mostly stands in one sentence."""
MOST_RELATIVES: Final = 50
"""How many places that were chosen last a place is compared with."""
BACKWARDS: Final = 2.0
"""What it costs to stand before the item that comes before in the list, as if one value were seven times as
far; to stand where an equal item stands costs it twice."""


def placed_items(answer: PageAnswer, text: str, *, is_object: bool) -> list[FoundItem]:
    """Return the items of an answer with the places of their values. `text`: that of the whole document,
    from whose beginning places count. `is_object`: the answer is one object, not a list.

    An item has the places that lie closest together, best in one sentence or line. Items are taken to stand
    in the order of the list, so that of two that say the same each has places of its own, as long as there
    are any.

    Raises SchemaError for an answer that is no JSON, StructgenError where a package of the extra `grounded`
    is missing. Cost: that of reading the page; for an item at most 10,000 steps, or 50 for
    each of its values, times log n in the places of a value, at most 1,000.
    """
    value: Any = exact(answer.value)
    page, items, last, taken = _PlacesOfPage(answer, text), list[FoundItem](), -1, set[Any]()
    for at, item in enumerate([value] if is_object else value):
        leaves = [
            (path, where)
            for path, scalar in scalars_in(item)
            if isinstance(scalar, (int, Decimal, str))
            and not isinstance(scalar, bool)
            and (where := page.places_of(scalar))
        ]
        chosen = _closest(leaves, last, taken)
        last = max((start for start, _ in chosen.values()), default=last)
        taken.add(frozenset(chosen.items()))
        fields = []
        for path, scalar in scalars_in(item):
            confidence = answer.confidences.get(path if is_object else f"/{at}{path}")
            start, end = page.found_at[chosen[path]] if path in chosen else (None, None)
            is_unverified = start is not None and scalar in page.guessed
            fields.append(FoundValue(path, scalar, start, end, answer.page, confidence, is_unverified))
        items.append(FoundItem(answer.document, item, tuple(fields), pages=(answer.page,)))
    return items


class _PlacesOfPage:
    """Where a page states values, as if each border between sentences and lines were long."""

    def __init__(self, answer: PageAnswer, text: str) -> None:
        page = ((answer.document, text[answer.start : answer.end]),)
        self._search, self._start = PlaceSearch(stated_text(page), MOST_LISTED), answer.start
        self._guesses = PlaceSearch(unverified_text(page), MOST_LISTED) if answer.may_guess else None
        self.guessed = set[Value]()
        """The values that the page only looks as if it stated."""
        self._borders = [border.end() for border in _BORDER.finditer(text, answer.start, answer.end)]
        self.found_at = dict[_Place, _Place]()
        """The places in the document, by those that are told."""
        self.places_of = cache(self._places_of)
        """Returns the places of a value."""

    def _places_of(self, value: Value) -> list[_Place]:
        stated = self._search.places_of(value)[0]
        if not stated and self._guesses is not None and (stated := self._guesses.places_of(value)[0]):
            self.guessed.add(value)
        places = [(self._start + of.start, self._start + of.end) for of in stated]
        aside = [ASIDE * bisect(self._borders, low) for low, _ in places]
        told = [(low + more, high + more) for (low, high), more in zip(places, aside, strict=True)]
        self.found_at.update(zip(told, places, strict=True))
        return told


def scalars_in(value: Json) -> Iterator[tuple[str, Any]]:
    """Yield the scalars of a value in its order, each behind its JSON Pointer."""
    return ((path, inner) for path, inner in values_in(value) if not isinstance(inner, (dict, list)))


def _closest(leaves: _Leaves, last: int, taken: Collection[Any]) -> dict[str, _Place]:
    """Return a place for each scalar of an item, by its pointer. `last`: where the last scalar of the item
    before it begins; `taken`: the places of other items.

    Of all places to begin at, the one is kept from which the distances are smallest. Scalars with few places
    come first, with what stands beside them.
    """
    rarity = {_above(path): len(where) for path, where in sorted(leaves, key=lambda leaf: -len(leaf[1]))}
    rarest = sorted(leaves, key=lambda leaf: (rarity[_above(leaf[0])], _above(leaf[0]), len(leaf[1])))
    begins = dict.fromkeys(
        of for path, where in rarest if _above(path) == _above(rarest[0][0]) for of in where
    )
    first = sorted(begins, key=lambda of: of[0] <= last)[: MOST_BEGINNINGS // max(1, len(leaves)) + 1]

    def cost(tried: tuple[float, dict[str, _Place]]) -> float:
        distance, chosen = tried
        is_taken = frozenset(chosen.items()) in taken
        return distance + BACKWARDS * (2 * is_taken + (max(chosen.values())[0] <= last))

    times = Counter(id(where) for _, where in leaves)
    return min((_next_to(begin, rarest, times) for begin in first), key=cost, default=(0, {}))[1]


def _next_to(begin: _Place, leaves: _Leaves, times: Mapping[int, int]) -> tuple[float, dict[str, _Place]]:
    """Return the places of scalars from a place on, and their distances: the sum of the logarithms, for what
    is far off, such as a heading, says little.

    Each scalar takes the place that is next to those of its nearest relatives in the item, the one behind
    them of equal ones. Equal values take different places, as long as there are any. `times`: how many
    scalars have the same list of places, by its identity.
    """
    chosen, used, distance = dict[str, _Place](), set[_Place](), 0.0
    settled = {"": [begin]}
    """By pointer, the places of what is inside."""
    for path, where in leaves:
        around = path
        while around not in settled:
            around = _above(around)
        free = [of for of in where if of not in used] if times[id(where)] > 1 else []
        near, place = max(
            (min(to - before, behind - of, 0), (of, to))
            for before, behind in settled[around][-MOST_RELATIVES:]
            for next_ in [bisect(free or where, (before, behind))]
            for of, to in (free or where)[max(0, next_ - 1) : next_ + 1]
        )
        distance += log1p(-near)
        chosen[path] = place
        used.add(place)
        while path:
            path = _above(path)
            settled.setdefault(path, []).append(place)
    return distance, chosen


def _above(path: str) -> str:
    """Return the pointer of what a value stands in."""
    return path.rpartition("/")[0]
