"""Finds where a page states the values of its items. Each item gets the places that lie closest together.

A *place* is a range of characters that states a value. A value such as 3 may have many places; a *leaf* is a
scalar of an item with all of its places. In `Ada is 36. Bob is 36.` the item {"name": "Bob", "age": 36} gets
the second 36.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from math import log1p
from typing import Any, Final, TypeAlias

from structgen.asking.grounding.evidence_page import MOST_LISTED
from structgen.asking.grounding.places import PlaceSearch, Value, stateable_values
from structgen.asking.grounding.stated_text import stated_text
from structgen.asking.grounding.unread_values import unverified_text
from structgen.base.json_text.exact_json import Json, exact_copy, values_in
from structgen.doors.extraction.found_items import FoundItem, FoundValue, PageAnswer

_Place: TypeAlias = tuple[int, int]
"""A place: the number of its first character in the document, and the number after its last."""
_Leaves: TypeAlias = Sequence[tuple[str, list[_Place]]]
"""The scalars of an item that its page states: the JSON Pointer of each, and all of its places."""
MOST_BEGINNINGS: Final = 200
"""The most places at which the search for an item begins, times the number of the item's values."""
_BORDER: Final = re.compile(r"[.!?]\s|[\n\u3002\uff01\uff1f]")
"""The end of a sentence or of a line."""
ASIDE: Final = 100
"""The number of characters that a border between two places counts for, because an item is mostly stated in
one sentence."""
MOST_RELATIVES: Final = 50
"""The number of places, the latest chosen ones, with which a new place is compared."""
BACKWARDS: Final = 2.0
"""The cost of a place before that of the previous item of the list, as a logarithm: as if one value were
seven times as far. Using the place of an equal item costs this twice."""


def placed_items(answer: PageAnswer, text: str, *, is_object: bool) -> list[FoundItem]:
    """Return the items of an answer with the places of their values. `text`: the text of the whole document;
    places count its characters. `is_object`: whether the answer is one object and not a list.

    An item gets the places that lie closest together, preferably in one sentence or line. Items are expected
    in the order of the list. Two equal items get different places, as long as there are enough.

    Raises SchemaError for an answer that is not JSON, and StructgenError if a package of the extra `grounded`
    is missing. Cost: that of reading the page; then for each item at most 10,000 steps, or 50 for each of its
    values, times log n in the places of a value, at most 1,000.
    """
    value: Any = exact_copy(answer.value)
    page = _PlacesOfPage(answer, text)
    items = list[FoundItem]()
    last = -1
    used_places = set[Any]()
    for index, item in enumerate([value] if is_object else value):
        leaves = [
            (path, where) for path, scalar in stateable_values(item) if (where := page.places_of(scalar))
        ]
        # the places of the previous item, and of equal items, count against a choice
        chosen = _closest_places(leaves, last, used_places)
        last = max((start for start, _ in chosen.values()), default=last)
        used_places.add(frozenset(chosen.items()))
        fields = []
        for path, scalar in scalars_in(item):
            pointer = path if is_object else f"/{index}{path}"
            confidence = answer.confidences.get(pointer)
            start, end = page.found_at[chosen[path]] if path in chosen else (None, None)
            is_unverified = start is not None and scalar in page.guessed_values
            is_repaired = pointer in (answer.repaired or ()) or scalar in page.repaired
            match: Any = "repaired" if is_repaired else "exact"
            fields.append(FoundValue(path, scalar, start, end, answer.page, confidence, is_unverified, match))
        found_item = FoundItem(answer.document, item, tuple(fields), pages=(answer.page,))
        items.append(found_item)
    return items


class _PlacesOfPage:
    """Finds the places of values on a page. Places are numbered as if each border between sentences or lines
    were ASIDE characters long, so that places in one sentence are closest."""

    def __init__(self, answer: PageAnswer, text: str) -> None:
        page = ((answer.document, text[answer.start : answer.end]),)
        self._search = PlaceSearch(stated_text(page), MOST_LISTED, is_exact=answer.repaired is None)
        self._start = answer.start
        self._guesses = PlaceSearch(unverified_text(page), MOST_LISTED) if answer.may_guess else None
        self.guessed_values = set[Value]()
        """The values that the page only looks as if it stated, in a notation that we do not read."""
        self.repaired = set[Value]()
        """The values that the page states in other typography."""
        self._borders = [border.end() for border in _BORDER.finditer(text, answer.start, answer.end)]
        self.found_at = dict[_Place, _Place]()
        """The real place in the document of each place with long borders."""
        self.places_of = cache(self._places_of)
        """Returns the places of a value."""

    def _places_of(self, value: Value) -> list[_Place]:
        stated_places = self._search.places_of(value)[0]
        if (
            not stated_places
            and self._guesses is not None
            and (stated_places := self._guesses.places_of(value)[0])
        ):
            self.guessed_values.add(value)
        if any(place.match == "repaired" for place in stated_places):
            self.repaired.add(value)
        spread_places = list[_Place]()
        for place in stated_places:
            start = self._start + place.start
            end = self._start + place.end
            gap = ASIDE * bisect(self._borders, start)
            spread_places.append((start + gap, end + gap))
            self.found_at[spread_places[-1]] = start, end
        return spread_places


def scalars_in(value: Json) -> Iterator[tuple[str, Any]]:
    """Yield the scalars of a value in order, as pairs of a JSON Pointer and a scalar."""
    for path, inner in values_in(value):
        if not isinstance(inner, (dict, list)):
            yield path, inner


def _closest_places(
    leaves: _Leaves,
    last: int,
    used_places: Collection[Any],
) -> dict[str, _Place]:
    """Return a place for each scalar of an item, by its pointer.

    `leaves`: the scalars with their places. `last`: where the last scalar of the previous item begins.
    `used_places`: the places of the other items. The search begins at many places, and keeps the choice with
    the smallest distances. Scalars with few places are placed first, then their neighbours in the item.
    """
    # a value with few places shows best where the item is
    rarity = dict[str, int]()
    for path, where in leaves:
        parent = _parent_pointer(path)
        rarity[parent] = min(rarity.get(parent, len(where)), len(where))

    def leaf_rank(leaf: tuple[str, list[_Place]]) -> tuple[int, str, int]:
        path, where = leaf
        parent = _parent_pointer(path)
        return rarity[parent], parent, len(where)

    rarest = sorted(leaves, key=leaf_rank)
    begins = dict.fromkeys(
        place
        for path, where in rarest
        if _parent_pointer(path) == _parent_pointer(rarest[0][0])
        for place in where
    )
    # places after the last item are tried first
    max_beginnings = MOST_BEGINNINGS // max(1, len(leaves)) + 1
    first = sorted(begins, key=lambda place: place[0] <= last)[:max_beginnings]

    def placement_cost(placement: tuple[float, dict[str, _Place]]) -> float:
        distance, chosen = placement
        # two equal items get different places, as long as there are enough
        is_taken = frozenset(chosen.items()) in used_places
        is_backwards = max(chosen.values())[0] <= last
        return distance + BACKWARDS * (2 * is_taken + is_backwards)

    times = Counter(id(where) for _, where in leaves)
    placements = (_next_to(begin, rarest, times) for begin in first)
    _, chosen = min(placements, key=placement_cost, default=(0, {}))
    return chosen


def _next_to(
    begin: _Place,
    leaves: _Leaves,
    times: Mapping[int, int],
) -> tuple[float, dict[str, _Place]]:
    """Choose places for scalars, beginning at a place. Return their distance and the places by pointer.

    The distance is the sum of the logarithms of the single distances, so that a value far off, such as a
    heading, counts little. Each scalar takes the place that is nearest to those of its closest relatives in
    the item; of two that are equally near, the one after them. Equal values take different places, as long as
    there are enough. `begin`: the first place. `times`: how many scalars share a list of places, by its `id`.
    """
    chosen = dict[str, _Place]()
    used = set[_Place]()
    distance = 0.0
    places_inside = {"": [begin]}
    """The places that were chosen inside each container (object or list), by its pointer."""
    for path, where in leaves:
        around = path
        # the closest relatives are in the smallest container that has a place already
        while around not in places_inside:
            around = _parent_pointer(around)
        # equal values share their list of places, and take different places as long as there are enough
        is_shared = times[id(where)] > 1
        free = [place for place in where if place not in used] if is_shared else []
        candidates = free or where
        near, place = max(
            (min(end - near_start, near_end - start, 0), (start, end))
            for near_start, near_end in places_inside[around][-MOST_RELATIVES:]
            for next_ in [bisect(candidates, (near_start, near_end))]
            for start, end in candidates[max(0, next_ - 1) : next_ + 1]
        )
        # the logarithm keeps one far value from deciding all others
        distance += log1p(-near)
        chosen[path] = place
        used.add(place)
        while path:
            path = _parent_pointer(path)
            places_inside.setdefault(path, []).append(place)
    return distance, chosen


def _parent_pointer(path: str) -> str:
    """Return the pointer of the container of a value: "/a" for "/a/0"."""
    return path.rpartition("/")[0]
