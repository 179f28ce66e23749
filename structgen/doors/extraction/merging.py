"""Merges the items that several pages of a document have in common: `merge_answers`. `keys_of` finds the
fields that name an item.

Pages overlap, so two answers may have the same item. A *part* is an item of one answer, or a value inside of
it. A *trait* is a field of a part by which two parts can be recognised as one: its key, or the place where
the document states it. A *source* is a list of an answer; its elements are always different items.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from structgen.base.errors import SchemaError
from structgen.base.json_text.exact_json import Json, escape, target_of, values_in, write_canonical
from structgen.doors.extraction.found_items import FoundItem, FoundValue, PageAnswer
from structgen.doors.extraction.item_places import placed_items, scalars_in
from structgen.schema.reading.quote_keyword import KEY

MOST_CONFLICTS: Final = 20
"""The most other values of a field that are kept, the likeliest ones."""
MOST_MEMBERS: Final = 10_000
"""The most members of a schema, with references followed, that are searched for keys."""
DEEPEST: Final = 64
"""The depth below which values are not merged: the likeliest value is taken whole."""
_Trait: TypeAlias = tuple[int, Any, int, int]
"""A trait: (rank, value, start, end). The rank is 0 for a key, 1 for a string, 2 for another scalar, 3 for an
array; a lower rank recognises an item better. Start and end are characters of the document, or -1 if no text
states the value."""


@dataclass(frozen=True, slots=True)
class _Part:
    """An item of an answer, or the value at a pointer inside of one."""

    source: int
    """The number of the list that the part is an element of."""
    item: Mapping[str, FoundValue]
    """The scalars of the item, by path."""
    pointer: str
    value: Any

    def member_part(self, name: str | int, source: int) -> _Part:
        """Return the part for a member or an element of this one. `source`: the number of its list."""
        return _Part(source, self.item, f"{self.pointer}/{escape(name)}", self.value[name])

    def list_fields(self) -> list[FoundValue]:
        """Return the scalars of the part."""
        return [self.item[self.pointer + path] for path, _ in scalars_in(self.value)]

    def fields_at(self, pointer: str) -> list[FoundValue]:
        """Return the scalars of the part, with paths as if the part were at `pointer`."""
        return [
            replace(field, path=pointer + field.path[len(self.pointer) :]) for field in self.list_fields()
        ]

    def doubt_rank(self) -> tuple[bool, bool, float]:
        """Return the sort key of the part: the likeliest part comes first."""
        fields = self.list_fields()
        sure = sum(-1 if field.confidence is None else field.confidence for field in fields)
        is_unverified = any(field.is_unverified for field in fields)
        is_unstated = all(field.start is None for field in fields)
        return is_unstated, is_unverified, -sure / max(1, len(fields))


def merge_answers(
    answers: Sequence[PageAnswer],
    text: str,
    *,
    is_object: bool,
    keys: tuple[str, ...],
    mode: str,
) -> list[FoundItem]:
    """Return the items of one document, each once, in the order of their places. Items without any place come
    last, in the order of the pages. The order of `answers` does not matter.

    `text`: the text of the document. `is_object`: whether all answers are about one object. `keys`: the JSON
    Pointers of the fields that name an item. `mode`: "places"; or "none", for the items of all pages
    unmerged.

    Two items are the same if they have the same keys. They are also the same if their traits are at the same
    place: their keys, else their strings, else their other values. A trait that several items of a page have
    at one place, such as the date of a heading, does not count. A scalar without a place is recognised by its
    value.

    If a field has several values, the likeliest is taken; without probabilities, the value of most pages,
    then the first of the text. A value that the text states goes before one that it may state
    (`is_unverified`), this before one that it does not state, and null comes last. The other values are
    `conflicts`, at most 20 of a field.

    Raises the errors of `placed_items`. Cost: that of `placed_items`, and n log n in the items.
    """
    sorted_answers = sorted(
        answers, key=lambda answer: (answer.page, answer.start, answer.end, write_canonical(answer.value))
    )
    items_by_source = [
        (source, item)
        for source, answer in enumerate(sorted_answers)
        for item in placed_items(answer, text, is_object=is_object)
    ]
    # with "none", the items of every answer are returned as they are
    if mode == "none":
        return [item for _, item in items_by_source]
    # equal items of an answer at the same places count once
    parts = {
        (source, write_canonical(item.value), str(_place_order(item.fields)[1] or number)): _Part(
            source, {field.path: field for field in item.fields}, "", item.value
        )
        for number, (source, item) in enumerate(items_by_source)
    }
    items = []
    all_parts = [*parts.values()]
    groups = [all_parts] if is_object and parts else _group_parts(all_parts, keys)
    for group in groups:
        fields = list[FoundValue]()
        conflicts = list[FoundValue]()
        value = _join_parts(group, "", fields, conflicts)
        pages = dict.fromkeys(sorted_answers[part.source].page for part in group)
        document = sorted_answers[0].document
        items.append(FoundItem(document, value, tuple(fields), tuple(conflicts), tuple(pages)))
    return sorted(items, key=lambda item: _place_order(item.fields))


def keys_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the JSON Pointers, in an item, of the fields that `sg.Key` marks: ("/name",) for example.

    `schema`: the schema of the item, with the definitions that it refers to. If an object is marked, all its
    members are keys. Elements of arrays are never keys. A class inside of itself is searched once. Raises
    SchemaError if a schema with keys has more than 10,000 members.
    """
    has_keys = any(isinstance(node, dict) and KEY in node for _, node in values_in(schema))
    if not has_keys:
        return ()
    pointers = dict[str, None]()
    todo: list[tuple[str, Any, bool, frozenset[Any]]] = [("", schema, False, frozenset())]
    for _ in range(MOST_MEMBERS):
        if not todo:
            return tuple(pointers)
        path, node, is_key, open_ = todo.pop()
        if isinstance(node, dict):
            is_key |= node.get(KEY) is True
            below = [(path, part) for key in ("allOf", "anyOf", "oneOf") for part in node.get(key, ())]
            below += [
                (f"{path}/{escape(name)}", member) for name, member in node.get("properties", {}).items()
            ]
            # following a class inside of itself would never end
            if (name := node.get("$ref", "")) not in open_:
                below.append((path, target_of(schema, name)))
            # a marked object stands for all of its members
            if is_key and not below:
                pointers[path] = None
            todo += [(way, part, is_key, open_ | {name}) for way, part in reversed(below)]
    raise SchemaError(
        f"A schema with keys has more than {MOST_MEMBERS:,} members, including those of references.",
        where="#",
        cure="Mark fields of the item itself with sg.Key, and use a smaller type.",
    )


def _place_order(fields: Sequence[FoundValue]) -> tuple[bool, list[int]]:
    """Return the sort key of an item by its places. `fields`: its scalars."""
    starts = sorted(field.start for field in fields if field.start is not None)
    return not starts, starts


def _group_parts(parts: Sequence[_Part], keys: tuple[str, ...]) -> list[list[_Part]]:
    """Return groups of parts, each of which is one item, in the order of their first parts. `keys`: the
    pointers of the keys."""
    traits = [_find_traits(part, keys) for part in parts]
    numbers_by_name = defaultdict[Any, list[int]](list)
    for number, part in enumerate(parts):
        key_traits = {path: trait for path, trait in traits[number].items() if trait[0] == 0}
        names = frozenset((path, trait[1]) for path, trait in key_traits.items())
        # a scalar without a place is recognised by its value alone
        is_bare = not traits[number] and not isinstance(part.value, (dict, list))
        # an item is recognised by its keys only if it has all of them
        is_named = keys and len(names) == len(keys)
        numbers_by_name[names if is_named else _comparable_value(part.value) if is_bare else number].append(
            number
        )
    groups = {number: group for group in numbers_by_name.values() for number in group}
    for first_number, second_number in _match_parts(parts, traits):
        first = groups[first_number]
        second = groups[second_number]
        # for each of the two groups a list, by key, of the traits that its parts have for this key
        sides = [
            [[traits[number][key] for number in group if key in traits[number]] for key in keys]
            for group in (first, second)
        ]
        # two elements of one list are never the same item
        first_sources = {parts[number].source for number in first}
        is_far = first_sources.isdisjoint(parts[number].source for number in second)
        # items with different keys are different, even at the same place
        if is_far and not any(map(_keys_differ, *sides)):
            whole_group = sorted(first + second)
            groups |= dict.fromkeys(whole_group, whole_group)
    groups_by_first = {group[0]: group for _, group in sorted(groups.items())}
    return [[parts[number] for number in group] for group in groups_by_first.values()]


def _find_traits(part: _Part, keys: tuple[str, ...]) -> dict[str, _Trait]:
    """Return the traits of a part, by path: its keys, and its fields that have places. An array is one field,
    from its first place to its last."""
    traits = dict[str, _Trait]()
    todo = [("", part.value)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, dict):
            todo += [(f"{path}/{escape(name)}", member) for name, member in reversed(node.items())]
            continue
        inside = [part.item[part.pointer + path + below] for below, _ in scalars_in(node)]
        starts = [field.start for field in inside if field.start is not None]
        ends = [field.end for field in inside if field.end is not None]
        start = min(starts, default=-1)
        end = max(ends, default=-1)
        is_key = node is not None and path in keys
        if is_key or end >= 0:
            if is_key:
                rank = 0
            elif isinstance(node, str):
                rank = 1
            else:
                rank = 3 if isinstance(node, list) else 2
            traits[path] = rank, _comparable_value(node), start, end
    return traits


def _match_parts(
    parts: Sequence[_Part],
    traits: Sequence[dict[str, _Trait]],
) -> list[tuple[int, int]]:
    """Return pairs of numbers of parts that have overlapping places and are of different lists. The most
    alike pair comes first. `traits`: the traits of each part."""
    stands = [
        (*trait[2:], path, index, part.source)
        for index, part in enumerate(parts)
        for path, trait in traits[index].items()
    ]
    count = Counter((start, end, path, source) for start, end, path, _, source in stands)
    own_traits = [
        {path: trait for path, trait in traits[index].items() if count[(*trait[2:], path, part.source)] == 1}
        or traits[index]
        for index, part in enumerate(parts)
    ]
    pairs = set[tuple[int, int]]()
    open_ends = defaultdict[str, list[tuple[int, int]]](list)
    """For each field, the places that may overlap the next one: the end, and the number of the part."""
    for start, end, path, number, source in sorted(stands):
        if path in own_traits[number]:
            # places that end before this start overlap none of the following places
            open_ends[path] = [last for last in open_ends[path] if last[0] > start]
            pairs |= {
                (min(number, index), max(number, index))
                for _, index in open_ends[path]
                if parts[index].source != source
            }
            open_ends[path].append((end, number))
    ranking = sorted(
        (
            -_likeness(own_traits[first], own_traits[second]),
            write_canonical(parts[first].value) != write_canonical(parts[second].value),
            first,
            second,
        )
        for first, second in pairs
    )
    return [(first, second) for likeness, _, first, second in ranking if likeness]


def _likeness(first: dict[str, _Trait], second: dict[str, _Trait]) -> float:
    """Return how much of their places two parts share, from 0 to 1. `first`, `second`: their traits.

    Only the fields of the best rank that both parts have are compared. The result is 0 if more of them are
    apart than overlap. If equally many do, all common fields decide, and then the first one.
    """
    shared_ranks = dict[str, int]()
    for path, trait in first.items():
        if path in second:
            shared_ranks[path] = max(trait[0], second[path][0])
    best_rank = min(shared_ranks.values(), default=0)
    best = [path for path, rank in shared_ranks.items() if rank == best_rank]
    for paths in (best, [*shared_ranks], best[:1]):
        shares = [_overlap_share(first[path], second[path]) for path in paths]
        # the number of fields that overlap, less the number of those that do not
        surplus = sum(1 if share else -1 for share in shares)
        if surplus:
            return sum(shares) / len(shares) if surplus > 0 else 0
    return 0


def _overlap_share(first: _Trait, second: _Trait) -> float:
    """Return the share of two places that is in both, from 0 to 1: characters of both, by those of either."""
    _, _, start, end = first
    _, _, begin, close = second
    shared = max(0, min(end, close) - max(start, begin))
    together = max(1, max(end, close) - min(start, begin))
    return shared / together


def _keys_differ(first: list[_Trait], second: list[_Trait]) -> bool:
    """Return whether two groups differ in a key: no value of the one equals or overlaps one of the other.
    `first`, `second`: the traits that each group has for the key."""
    pairs = [(first_trait, second_trait) for first_trait in first for second_trait in second]
    return bool(pairs) and not any(
        first_trait[1] == second_trait[1] or _overlap_share(first_trait, second_trait)
        for first_trait, second_trait in pairs
    )


def _comparable_value(value: Json) -> Any:
    """Return a value that is equal for equal values: strings may differ in white space, numbers in
    spelling."""
    return " ".join(value.split()) if isinstance(value, str) else (write_canonical(value),)


def _join_parts(
    parts: Sequence[_Part],
    pointer: str,
    fields: list[FoundValue],
    conflicts: list[FoundValue],
) -> Any:
    """Return the value of parts that are the same item, or the same value inside of it.

    `pointer`: the path of the value in the item. The scalars of the value are appended to `fields`, and the
    other values of the parts to `conflicts`.
    """
    ways = defaultdict[Any, list[_Part]](list)
    # null means that a page does not state the value, so it is not a conflict
    for part in [part for part in parts if part.value is not None] or parts:
        # members of objects are merged one by one, up to a depth
        is_open = isinstance(part.value, (dict, list)) and pointer.count("/") < DEEPEST
        way = type(part.value) if is_open else _comparable_value(part.value)
        ways[way].append(part)
    # among equally likely values the earliest is taken: where a page cuts a name, it is the whole name
    (best, alike), *others = sorted(
        ((min(way, key=_Part.doubt_rank), way) for way in ways.values()),
        key=lambda way: (
            way[0].doubt_rank(),
            -len({part.source for part in way[1]}),
            [(field.start or 0, -(field.end or 0)) for field in way[0].list_fields()],
        ),
    )
    other_fields = [field for alternative, _ in others for field in alternative.fields_at(pointer)]
    conflicts += other_fields[:MOST_CONFLICTS]
    # a value that only one part has is taken whole
    kind = type(best.value) if len(alike) > 1 and type(best.value) in ways else None
    if kind is dict:
        result = dict[str, Json]()
        for name in dict.fromkeys(name for part in alike for name in part.value):
            members = [part.member_part(name, part.source) for part in alike if name in part.value]
            result[name] = _join_parts(members, f"{pointer}/{escape(name)}", fields, conflicts)
        return result
    if kind is list:
        elements = [
            part.member_part(index, source)
            for source, part in enumerate(alike)
            for index in range(len(part.value))
        ]
        groups = _group_parts(elements, ())
        # the elements of a list are ordered by their places
        groups.sort(key=lambda group: min(_place_order(part.list_fields()) for part in group))
        return [
            _join_parts(group, f"{pointer}/{index}", fields, conflicts) for index, group in enumerate(groups)
        ]
    fields += best.fields_at(pointer)
    return best.value
