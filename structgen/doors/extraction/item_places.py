"""Where a page states the values of its items: of all their places, for each item those that lie closest
together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

from structgen.asking.grounding.evidence import MOST_PLACES
from structgen.asking.grounding.places import PlaceSearch, Value
from structgen.asking.grounding.stated_text import stated_text
from structgen.base.json_text.exact_json import Json, escape, exact, values_in
from structgen.doors.extraction.found_items import FoundItem, FoundValue, PageAnswer

Place: TypeAlias = tuple[int, int]
"""From a character of the document to the one behind the last."""
_Places: TypeAlias = Mapping[Value, Sequence[Place]]
DEEPEST: Final = 64
"""Arrays that are nested deeper are looked at as wholes."""


def placed_items(answer: PageAnswer, text: str, *, is_object: bool) -> list[FoundItem]:
    """Return the items of an answer with the places of their values. `text`: that of the whole document;
    places count from its beginning. `is_object`: the answer is one object, not a list.

    An item has the places that lie closest together: the smallest stretch of the page that has one for each
    of its values, the first of equal ones. Items that say the same, or a part of what another one says, take
    places of their own, as long as there are any.

    Raises SchemaError for an answer that is no JSON, StructgenError where a package of the extra `grounded`
    is missing. Cost: that of reading the page, and for an item n log n in the places of its values, at most
    1,000 each.
    """
    value: Any = exact(answer.value)
    search = PlaceSearch(stated_text(((answer.document, text[answer.start : answer.end]),)), MOST_PLACES)
    places = {
        one: [(answer.start + of.start, answer.start + of.end) for of in search.places_of(one)[0]]
        for one in {one for _, one in values_in(value) if _is_stated(one)}
    }
    items = [("", value)] if is_object else [(f"/{at}", item) for at, item in enumerate(value)]
    chosen: dict[str, Place] = {}
    _choose(items, places, chosen)
    found = []
    for path, item in items:
        fields = [
            FoundValue(inside, one, start, end, answer.page, answer.confidences.get(path + inside))
            for inside, one in scalars_in(item)
            for start, end in [chosen.get(path + inside, (None, None))]
        ]
        found.append(FoundItem(answer.document, item, tuple(fields), pages=(answer.page,)))
    return found


def scalars_in(value: Json) -> Iterator[tuple[str, Any]]:
    """Yield the scalars of a value in its order, each with its JSON Pointer."""
    return ((path, one) for path, one in values_in(value) if not isinstance(one, (dict, list)))


def outside_arrays(value: Json) -> Iterator[tuple[str, Any]]:
    """Yield the scalars and the arrays of a value that stand in no array, in its order, each with its JSON
    Pointer."""
    todo = [("", value)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, dict):
            todo += [(f"{path}/{escape(name)}", one) for name, one in reversed(node.items())]
        else:
            yield path, node


def _is_stated(value: object) -> bool:
    return isinstance(value, (int, Decimal, str)) and not isinstance(value, bool)


def _choose(
    items: Sequence[tuple[str, Json]], places: _Places, chosen: dict[str, Place], depth: int = 0
) -> None:
    """Choose a place for each value of the items of one list, and put it into `chosen` by its JSON Pointer.
    `items`: each with its pointer."""
    stated = [
        [(inside, one) for inside, one in scalars_in(item) if _is_stated(one) and places.get(one)]
        for _, item in items
    ]
    have = defaultdict[tuple[str, Value], list[tuple[frozenset[Any], set[Place]]]](list)
    """By value, the items that have it: what they say, and where."""
    # what says more has fewer choices
    for said, (path, item) in sorted(zip(stated, items, strict=True), key=lambda one: -len(one[0])):
        if not said:
            continue
        whole = frozenset(said)
        rarest = min((have[one] for one in said), key=len)
        taken = {place for other, where in rarest if whole <= other for place in where}
        wanted = Counter(one for _, one in said)
        free = {one: [of for of in places[one] if of not in taken] or places[one] for one in wanted}
        left = _closest(free, wanted)
        arrays = []
        for inside, one in outside_arrays(item):
            if isinstance(one, list) and depth < DEEPEST:
                arrays.append([(f"{path}{inside}/{at}", element) for at, element in enumerate(one)])
                continue
            for below, scalar in scalars_in(one):
                if _is_stated(scalar) and scalar in left:
                    chosen[path + inside + below], *more = left[scalar]
                    left[scalar] = more or left[scalar]
        for elements in arrays:  # they take what the item's own values leave
            _choose(elements, left, chosen, depth + 1)
        where = {chosen[path + inside] for inside, _ in said}
        for leaf in said:
            have[leaf].append((whole, where))


def _closest(places: _Places, wanted: Mapping[Value, int]) -> dict[Value, list[Place]]:
    """Return the places in the smallest stretch that has as many of each value as are wanted, or all where
    these are fewer."""
    stands = sorted(((of, one) for one, where in places.items() for of in where), key=lambda stand: stand[0])
    least = {one: min(wanted[one], len(where)) for one, where in places.items()}
    missing, first = sum(least.values()), 0
    inside = Counter[Value]()
    best: tuple[float, int, int] = (float("inf"), 0, 0)
    for last, ((_, end), one) in enumerate(stands):
        inside[one] += 1
        missing -= inside[one] <= least[one]
        while not missing:
            (start, _), gone = stands[first]
            if end - start < best[0]:
                best = end - start, first, last
            inside[gone] -= 1
            missing += inside[gone] < least[gone]
            first += 1
    found: dict[Value, list[Place]] = {one: [] for one in places}
    for of, one in stands[best[1] : best[2] + 1]:
        found[one].append(of)
    return found
