"""Where a page states the values of its items: of all their places, for each item those that lie closest
together."""

from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import inf
from typing import Any, TypeAlias

from structgen.asking.grounding.evidence import MOST_PLACES
from structgen.asking.grounding.places import PlaceSearch, Value
from structgen.asking.grounding.stated_text import stated_text
from structgen.base.json_text.exact_json import Json, exact, values_in
from structgen.doors.extraction.found_items import FoundItem, FoundValue, PageAnswer

Place: TypeAlias = tuple[int, int]
"""From a character of the document to the one behind the last."""
_Leaf: TypeAlias = tuple[str, Value]
"""A scalar that the page states, behind its JSON Pointer in the item."""


def placed_items(answer: PageAnswer, text: str, *, is_object: bool) -> list[FoundItem]:
    """Return the items of an answer with the places of their values. `text`: that of the whole document,
    from whose beginning places count. `is_object`: the answer is one object, not a list.

    An item has the places that lie closest together. Items that say the same, or a part of what another one
    says, take other places, as long as there are any.

    Raises SchemaError for an answer that is no JSON, StructgenError where a package of the extra `grounded`
    is missing. Cost: that of reading the page; for an item n log n in the places of its values, at most 1,000
    each, and that for each place of its rarest value.
    """
    value: Any = exact(answer.value)
    page = stated_text(((answer.document, text[answer.start : answer.end]),))
    search = PlaceSearch(page, MOST_PLACES)
    places = {
        one: [(answer.start + of.start, answer.start + of.end) for of in search.places_of(one)[0]]
        for one in {one for _, one in scalars_in(value) if _can_be_stated(one)}
    }
    items: list[Any] = [value] if is_object else value
    stated = [
        [(path, one) for path, one in scalars_in(item) if _can_be_stated(one) and places[one]]
        for item in items
    ]
    times = Counter(leaf for leaves in stated for leaf in leaves)
    chosen: list[dict[str, Place]] = [{} for _ in items]
    have = defaultdict[_Leaf, list[tuple[set[_Leaf], dict[str, Place]]]](list)
    """By what is said, the items that say it."""
    # what says more has fewer choices
    for at, leaves in sorted(enumerate(stated), key=lambda one: -len(one[1])):
        rarest = min((have[leaf] for leaf in leaves), key=len, default=[])
        taken = {of for others, where in rarest if others.issuperset(leaves) for of in where.values()}
        free = {one: [of for of in places[one] if of not in taken] or places[one] for _, one in leaves}
        # what more items say than there are places of it, such as a heading, is near to none of them
        leaves.sort(key=lambda leaf: (times[leaf] > len(places[leaf[1]]), len(free[leaf[1]])))
        chosen[at] = _closest(leaves, free)
        for leaf in leaves:
            have[leaf].append(({*leaves}, chosen[at]))
    found = []
    for at, item in enumerate(items):
        fields = [
            FoundValue(path, one, start, end, answer.page, answer.confidences.get(pointer))
            for path, one in scalars_in(item)
            for start, end in [chosen[at].get(path, (None, None))]
            for pointer in [path if is_object else f"/{at}{path}"]
        ]
        found.append(FoundItem(answer.document, item, tuple(fields), pages=(answer.page,)))
    return found


def scalars_in(value: Json) -> Iterator[tuple[str, Any]]:
    """Yield the scalars of a value in its order, each behind its JSON Pointer."""
    return ((path, one) for path, one in values_in(value) if not isinstance(one, (dict, list)))


def _can_be_stated(value: object) -> bool:
    return isinstance(value, (int, Decimal, str)) and not isinstance(value, bool)


def _closest(leaves: Sequence[_Leaf], free: Mapping[Value, Sequence[Place]]) -> dict[str, Place]:
    """Return a place for each leaf, by its pointer: from each place of the first leaf on, each takes the
    place that is next to those of its nearest relatives in the item; the one with the smallest gaps in all
    is kept. Equal values take different places, as long as there are any."""
    best: dict[str, Place] = {}
    least = inf
    for anchor in free[leaves[0][1]] if leaves else ():
        chosen: dict[str, Place] = {}
        settled = defaultdict[str, list[Place]](list, {"": [anchor]})
        """By pointer, the places of what is inside."""
        used = defaultdict[Value, set[Place]](set)
        total = 0
        for path, value in leaves:
            around = path
            while around not in settled:
                around = around.rpartition("/")[0]
            open_ = free[value]
            if used[value]:
                open_ = [of for of in open_ if of not in used[value]] or open_
            gap, place = min(
                (max(start - to, begin - end, 0), (start, end))
                for begin, to in settled[around]
                for next_ in [bisect(open_, (begin, to))]
                for start, end in open_[max(0, next_ - 1) : next_ + 1]
            )
            total += gap
            chosen[path] = place
            used[value].add(place)
            while path:
                path = path.rpartition("/")[0]
                settled[path].append(place)
        if total < least:
            best, least = chosen, total
    return best
