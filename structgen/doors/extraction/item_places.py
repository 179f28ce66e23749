"""Where a page states the values of its items: of all their places, for each item those that lie closest
together."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import inf, log1p
from typing import Any, Final, TypeAlias

from structgen.asking.grounding.evidence import MOST_PLACES
from structgen.asking.grounding.places import PlaceSearch, Value
from structgen.asking.grounding.stated_text import stated_text
from structgen.base.json_text.exact_json import Json, exact, values_in
from structgen.doors.extraction.found_items import FoundItem, FoundValue, PageAnswer

Place: TypeAlias = tuple[int, int]
"""From a character of the document to the one behind the last."""
_Places: TypeAlias = Mapping[Value, Sequence[Place]]
MOST_TRIED: Final = 1_000
"""The most places that an item is tried to be around, times its values."""
BACKWARDS: Final = 2.0
"""What it costs to stand before the item that stands before in the list: as if all were seven times as far."""


def placed_items(answer: PageAnswer, text: str, *, is_object: bool) -> list[FoundItem]:
    """Return the items of an answer with the places of their values. `text`: that of the whole document,
    from whose beginning places count. `is_object`: the answer is one object, not a list.

    An item has the places that lie closest together. Items are taken to stand in the order of the list, so
    that of two that say the same each has places of its own, as long as there are any.

    Raises SchemaError for an answer that is no JSON, StructgenError where a package of the extra `grounded`
    is missing. Cost: that of reading the page; for an item up to 1,000 times log n in the places of a value,
    at most 1,000, or the square of the number of its values.
    """
    value: Any = exact(answer.value)
    page = stated_text(((answer.document, text[answer.start : answer.end]),))
    search = PlaceSearch(page, MOST_PLACES)
    places = {
        one: [(answer.start + of.start, answer.start + of.end) for of in search.places_of(one)[0]]
        for one in {one for _, one in scalars_in(value) if _can_be_stated(one)}
    }
    found, last = list[FoundItem](), -1
    for at, item in enumerate([value] if is_object else value):
        leaves = [(path, one) for path, one in scalars_in(item) if _can_be_stated(one) and places[one]]
        chosen = _closest(leaves, places, last)
        last = max((start for start, _ in chosen.values()), default=last)
        fields = [
            FoundValue(path, one, start, end, answer.page, answer.confidences.get(pointer))
            for path, one in scalars_in(item)
            for start, end in [chosen.get(path, (None, None))]
            for pointer in [path if is_object else f"/{at}{path}"]
        ]
        found.append(FoundItem(answer.document, item, tuple(fields), pages=(answer.page,)))
    return found


def scalars_in(value: Json) -> Iterator[tuple[str, Any]]:
    """Yield the scalars of a value in its order, each behind its JSON Pointer."""
    return ((path, one) for path, one in values_in(value) if not isinstance(one, (dict, list)))


def _can_be_stated(value: object) -> bool:
    return isinstance(value, (int, Decimal, str)) and not isinstance(value, bool)


def _closest(leaves: Sequence[tuple[str, Value]], places: _Places, last: int) -> dict[str, Place]:
    """Return a place for each scalar of an item, by its pointer. `last`: where the last scalar of the item
    before it begins.

    From a place on, each scalar takes the place that is next to its nearest relatives in the item, those with
    few places first. Of all places to begin at, the one is kept from which the distances are smallest: the
    sum of their logarithms, for what is far off, such as a heading, says little. What stands behind is twice
    as far as what stands before, where headings are. Equal values take different places.
    """
    counts: dict[str, int] = {}
    for path, one in leaves:
        parent = path.rpartition("/")[0]
        counts[parent] = min(len(places[one]), counts.get(parent, MOST_PLACES))
    rarest = sorted(
        leaves,
        key=lambda leaf: (counts[p := leaf[0].rpartition("/")[0]], p, len(places[leaf[1]])),
    )
    begins = dict.fromkeys(of for _, one in rarest for of in places[one])
    best, least = dict[str, Place](), inf
    for begin in sorted(begins, key=lambda of: of[0] <= last)[: MOST_TRIED // max(1, len(leaves)) + 1]:
        chosen = dict[str, Place]()
        settled = defaultdict[str, list[Place]](list, {"": [begin]})
        """By pointer, the places of what is inside."""
        used = defaultdict[Value, set[Place]](set)
        total = 0.0
        for path, one in rarest:
            around = path
            while around not in settled:
                around = around.rpartition("/")[0]
            free = [of for of in places[one] if of not in used[one]] or places[one]
            near, place = max(
                (min(to - before, behind - of, 0), (of, to))
                for before, behind in settled[around]
                for next_ in [bisect(free, (before, behind))]
                for of, to in free[max(0, next_ - 1) : next_ + 1]
            )
            total += log1p(-near)
            chosen[path] = place
            used[one].add(place)
            while path:
                path = path.rpartition("/")[0]
                settled[path].append(place)
        total += BACKWARDS * (max(chosen.values())[0] <= last)
        if total < least:
            best, least = chosen, total
    return best
