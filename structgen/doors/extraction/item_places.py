"""Where a page states the values of its items: of all their places, for each item those that lie closest
together."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from functools import cache
from math import inf, log1p
from typing import Any, Final, TypeAlias

from structgen.asking.grounding.evidence import MOST_PLACES
from structgen.asking.grounding.places import PlaceSearch, Value
from structgen.asking.grounding.stated_text import stated_text
from structgen.base.json_text.exact_json import Json, exact, values_in
from structgen.doors.extraction.found_items import FoundItem, FoundValue, PageAnswer

_Place: TypeAlias = tuple[int, int]
"""From a character of the document to the one behind the last."""
_Leaves: TypeAlias = Sequence[tuple[str, list[_Place]]]
"""The scalars of an item that its page states: the JSON Pointer of each, and all of its places."""
MOST_BEGINNINGS: Final = 200
"""At how many places it is tried to begin with an item, times the number of its values."""
MOST_RELATIVES: Final = 50
"""How many places that were chosen last a place is compared with."""
BACKWARDS: Final = 2.0
"""What it costs to stand before the item that comes before in the list, as if one value were seven times as
far; to stand where an equal item stands costs it twice."""


def placed_items(answer: PageAnswer, text: str, *, is_object: bool) -> list[FoundItem]:
    """Return the items of an answer with the places of their values. `text`: that of the whole document,
    from whose beginning places count. `is_object`: the answer is one object, not a list.

    An item has the places that lie closest together. Items are taken to stand in the order of the list, so
    that of two that say the same each has places of its own, as long as there are any.

    Raises SchemaError for an answer that is no JSON, StructgenError where a package of the extra `grounded`
    is missing. Cost: that of reading the page; for an item at most 10,000 steps, or 50 for
    each of its values, times log n in the places of a value, at most 1,000.
    """
    page = stated_text(((answer.document, text[answer.start : answer.end]),))
    search = PlaceSearch(page, MOST_PLACES)

    @cache
    def places_of(value: Value) -> list[_Place]:
        return [(answer.start + of.start, answer.start + of.end) for of in search.places_of(value)[0]]

    value: Any = exact(answer.value)
    found, last, taken = list[FoundItem](), -1, set[Any]()
    for at, item in enumerate([value] if is_object else value):
        leaves = [
            (path, where)
            for path, one in scalars_in(item)
            if isinstance(one, (int, Decimal, str))
            and not isinstance(one, bool)
            and (where := places_of(one))
        ]
        chosen = _closest(leaves, last, taken)
        last = max((start for start, _ in chosen.values()), default=last)
        taken.add(frozenset(chosen.items()))
        fields = []
        for path, one in scalars_in(item):
            confidence = answer.confidences.get(path if is_object else f"/{at}{path}")
            start, end = chosen.get(path, (None, None))
            fields.append(FoundValue(path, one, start, end, answer.page, confidence))
        found.append(FoundItem(answer.document, item, tuple(fields), pages=(answer.page,)))
    return found


def scalars_in(value: Json) -> Iterator[tuple[str, Any]]:
    """Yield the scalars of a value in its order, each behind its JSON Pointer."""
    return ((path, one) for path, one in values_in(value) if not isinstance(one, (dict, list)))


def _closest(leaves: _Leaves, last: int, taken: Collection[Any]) -> dict[str, _Place]:
    """Return a place for each scalar of an item, by its pointer. `last`: where the last scalar of the item
    before it begins; `taken`: the places of other items.

    From a place on, each scalar takes the place that is next to those of its nearest relatives in the item,
    the one behind them of equal ones; those with few places come first, with what stands beside them. Of all
    places to begin at, the one is kept from which the distances are smallest: the sum of their logarithms,
    for what is far off, such as a heading, says little. Different scalars take different places, as long as
    there are any.
    """
    rarity = {_above(path): len(where) for path, where in sorted(leaves, key=lambda leaf: -len(leaf[1]))}
    rarest = sorted(leaves, key=lambda leaf: (rarity[_above(leaf[0])], _above(leaf[0]), len(leaf[1])))
    begins = dict.fromkeys(
        of for path, where in rarest if _above(path) == _above(rarest[0][0]) for of in where
    )
    times = Counter(id(where) for _, where in leaves)
    best, least = dict[str, _Place](), inf
    for begin in sorted(begins, key=lambda of: of[0] <= last)[: MOST_BEGINNINGS // max(1, len(leaves)) + 1]:
        chosen, used = dict[str, _Place](), set[_Place]()
        settled = {"": [begin]}
        """By pointer, the places of what is inside."""
        total = 0.0
        for path, where in rarest:
            around = path
            while around not in settled:
                around = _above(around)
            is_repeated = times[id(where)] > 1
            free = ([of for of in where if of not in used] if is_repeated else []) or where
            near, place = max(
                (min(to - before, behind - of, 0), (of, to))
                for before, behind in settled[around][-MOST_RELATIVES:]
                for next_ in [bisect(free, (before, behind))]
                for of, to in free[max(0, next_ - 1) : next_ + 1]
            )
            total += log1p(-near)
            chosen[path] = place
            used.add(place)
            while path:
                path = _above(path)
                settled.setdefault(path, []).append(place)
        is_taken = frozenset(chosen.items()) in taken
        total += BACKWARDS * (2 * is_taken + (max(chosen.values())[0] <= last))
        if total < least:
            best, least = chosen, total
    return best


def _above(path: str) -> str:
    """Return the pointer of what a value stands in."""
    return path.rpartition("/")[0]
