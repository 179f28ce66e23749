"""One item of those that several pages of a document have: `merged`; and the fields that name one,
`keys_of`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from structgen.base.errors import SchemaError
from structgen.base.json_text.exact_json import Json, escape, target_of, values_in, write
from structgen.doors.extraction.found_items import FoundItem, FoundValue, PageAnswer
from structgen.doors.extraction.item_places import placed_items, scalars_in
from structgen.schema.reading.quote_keyword import KEY

MOST_CONFLICTS: Final = 20
"""The most other values of a field that are kept, the likelier ones."""
MOST_MEMBERS: Final = 10_000
"""The most members of a schema, references followed, that are looked at for keys."""
DEEPEST: Final = 64
"""What is nested deeper is not merged: the likeliest value is taken whole."""
_Trait: TypeAlias = tuple[int, Any, int, int]
"""What a field tells of an item: how well (0: a key, 1: a string, 2: another scalar, 3: an array), what it
says, and from which to which character; -1 twice where no text states it."""


@dataclass(frozen=True, slots=True)
class _Part:
    """An item of an answer, or what stands at a pointer inside of one."""

    source: int
    """The number of the list that it is an element of."""
    item: Mapping[str, FoundValue]
    """The scalars of the item, by path."""
    at: str
    value: Any

    def inside(self, name: str | int, source: int) -> _Part:
        """Return a member or an element."""
        return _Part(source, self.item, f"{self.at}/{escape(name)}", self.value[name])

    def fields(self) -> list[FoundValue]:
        """Return the scalars."""
        return [self.item[self.at + path] for path, _ in scalars_in(self.value)]

    def moved(self, at: str) -> list[FoundValue]:
        """Return the scalars, as those of the value at a path."""
        return [replace(field, path=at + field.path[len(self.at) :]) for field in self.fields()]

    def doubt(self) -> tuple[bool, bool, float]:
        """Return what sorts values, the likeliest first."""
        fields = self.fields()
        sure = sum(-1 if field.confidence is None else field.confidence for field in fields)
        is_unverified = any(field.is_unverified for field in fields)
        return all(field.start is None for field in fields), is_unverified, -sure / max(1, len(fields))


def merged(
    answers: Sequence[PageAnswer], text: str, *, is_object: bool, keys: tuple[str, ...], how: str
) -> list[FoundItem]:
    """Return the items that the answers about the pages of one document have, each once, in the order of
    their places; those without any place come last, in the order of the pages. The order of `answers`
    changes nothing.

    `text`: that of the document. `is_object`: all answers are about one object. `keys`: the JSON Pointers of
    the fields that name an item. `how`: "places", or "none" for the items of all pages as they are.

    Two items are one if they have the same keys; or if what tells an item stands at the same place in both:
    its keys, else its strings, else its other values. What several items of a page have at one place, such
    as the date of a heading, tells none of them. Scalars that no text states are told by their value.

    A field of several values has the likeliest; of those without a probability that of most pages, then the
    first of the text. What a text states goes before what it may state (`is_unverified`), this before what
    none does, and null is last. The others are `conflicts`, at most 20 of a field.

    Raises as `placed_items`. Cost: that of `placed_items`, and n log n in the items.
    """
    ordered = sorted(answers, key=lambda answer: (answer.page, answer.start, answer.end, write(answer.value)))
    placed = [
        (at, item) for at, of in enumerate(ordered) for item in placed_items(of, text, is_object=is_object)
    ]
    if how == "none":
        return [item for _, item in placed]
    # what an answer says twice of the same places, it says once
    parts = {
        (at, write(item.value), str(_order(item.fields)[1] or number)): _Part(
            at, {field.path: field for field in item.fields}, "", item.value
        )
        for number, (at, item) in enumerate(placed)
    }
    items = []
    for group in [[*parts.values()]] if is_object and parts else _groups([*parts.values()], keys):
        fields = list[FoundValue]()
        conflicts = list[FoundValue]()
        value = _joined(group, "", fields, conflicts)
        pages = dict.fromkeys(ordered[part.source].page for part in group)
        items.append(FoundItem(ordered[0].document, value, tuple(fields), tuple(conflicts), tuple(pages)))
    return sorted(items, key=lambda item: _order(item.fields))


def keys_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the JSON Pointers, in an item, of the fields that `sg.Key` marks. `schema`: that of the item,
    with the definitions that it refers to. Of a marked object all members are keys. Elements of arrays are
    none; a class inside of itself is looked at once.

    Raises SchemaError where a schema with keys has more than 10,000 members.
    """
    if not any(isinstance(node, dict) and KEY in node for _, node in values_in(schema)):
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
            if (name := node.get("$ref", "")) not in open_:
                below.append((path, target_of(schema, name)))
            if is_key and not below:
                pointers[path] = None
            todo += [(way, part, is_key, open_ | {name}) for way, part in reversed(below)]
    raise SchemaError(
        f"A schema with keys has more than {MOST_MEMBERS:,} members, references followed.",
        where="#",
        cure="Mark fields of the item itself with sg.Key, and ask for a smaller type.",
    )


def _order(fields: Sequence[FoundValue]) -> tuple[bool, list[int]]:
    """Return what sorts items by their places."""
    starts = sorted(field.start for field in fields if field.start is not None)
    return not starts, starts


def _groups(parts: Sequence[_Part], keys: tuple[str, ...]) -> list[list[_Part]]:
    """Return the parts that are one together, in the order of their first ones."""
    traits = [_traits(part, keys) for part in parts]
    named = defaultdict[Any, list[int]](list)
    for at, part in enumerate(parts):
        names = frozenset((path, of[1]) for path, of in traits[at].items() if of[0] == 0)
        is_bare = not traits[at] and not isinstance(part.value, (dict, list))
        is_named = keys and len(names) == len(keys)
        named[names if is_named else _said(part.value) if is_bare else at].append(at)
    groups = {at: group for group in named.values() for at in group}
    for one, other in _matches(parts, traits):
        first, second = groups[one], groups[other]
        sides = [
            [[traits[at][key] for at in of if key in traits[at]] for key in keys] for of in (first, second)
        ]
        is_far = {parts[at].source for at in first}.isdisjoint(parts[at].source for at in second)
        if is_far and not any(map(_differ, *sides)):
            both = sorted(first + second)
            groups |= dict.fromkeys(both, both)
    return [[parts[at] for at in of] for of in {of[0]: of for _, of in sorted(groups.items())}.values()]


def _traits(part: _Part, keys: tuple[str, ...]) -> dict[str, _Trait]:
    """Return the fields of a part that have places, and its keys, by path. An array is one field, from its
    first place to its last."""
    traits = dict[str, _Trait]()
    todo = [("", part.value)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, dict):
            todo += [(f"{path}/{escape(name)}", member) for name, member in reversed(node.items())]
            continue
        inside = [part.item[part.at + path + below] for below, _ in scalars_in(node)]
        start = min((field.start for field in inside if field.start is not None), default=-1)
        end = max((field.end for field in inside if field.end is not None), default=-1)
        is_key = node is not None and path in keys
        if is_key or end >= 0:
            rank = 0 if is_key else 3 if isinstance(node, list) else 1 if isinstance(node, str) else 2
            traits[path] = rank, _said(node), start, end
    return traits


def _matches(parts: Sequence[_Part], traits: Sequence[dict[str, _Trait]]) -> list[tuple[int, int]]:
    """Return the pairs of parts of two lists that stand at the same place, the best first."""
    stands = [
        (*of[2:], path, at, part.source) for at, part in enumerate(parts) for path, of in traits[at].items()
    ]
    count = Counter((start, end, path, source) for start, end, path, _, source in stands)
    own = [
        {path: of for path, of in traits[at].items() if count[(*of[2:], path, part.source)] == 1}
        or traits[at]
        for at, part in enumerate(parts)
    ]
    pairs = set[tuple[int, int]]()
    before = defaultdict[str, list[tuple[int, int]]](list)
    """By field, the ends of the places that may reach the next one."""
    for start, end, path, number, source in sorted(stands):
        if path in own[number]:
            before[path] = [last for last in before[path] if last[0] > start]
            pairs |= {
                (min(number, at), max(number, at)) for _, at in before[path] if parts[at].source != source
            }
            before[path].append((end, number))
    ranked = sorted(
        (-_likeness(own[one], own[other]), write(parts[one].value) != write(parts[other].value), one, other)
        for one, other in pairs
    )
    return [(one, other) for likeness, _, one, other in ranked if likeness]


def _likeness(first: dict[str, _Trait], second: dict[str, _Trait]) -> float:
    """Return how much of their places two parts share, in the fields that tell best of those that both have;
    0 where more fields stand apart than overlap; of as many, all fields decide, and then the first one."""
    both = {path: max(of[0], second[path][0]) for path, of in first.items() if path in second}
    best = [path for path, rank in both.items() if rank == min(both.values())]
    for told in (best, [*both], best[:1]):
        shares = [_share(first[path], second[path]) for path in told]
        surplus = sum(1 if share else -1 for share in shares)
        if surplus:
            return sum(shares) / len(shares) if surplus > 0 else 0
    return 0


def _share(first: _Trait, second: _Trait) -> float:
    """Return how much of two places is in both, from 0 to 1."""
    (_, _, start, end), (_, _, begin, close) = first, second
    return max(0, min(end, close) - max(start, begin)) / max(1, max(end, close) - min(start, begin))


def _differ(first: list[_Trait], second: list[_Trait]) -> bool:
    """Return whether a key of two groups is another one in each, at places that stand apart."""
    pairs = [(one, other) for one in first for other in second]
    return bool(pairs) and not any(one[1] == other[1] or _share(one, other) for one, other in pairs)


def _said(value: Json) -> Any:
    """Return what equal values have in common: strings up to white space, numbers by value."""
    return " ".join(value.split()) if isinstance(value, str) else (write(value),)


def _joined(parts: Sequence[_Part], at: str, fields: list[FoundValue], conflicts: list[FoundValue]) -> Any:
    """Return the one value of parts that are one, at a path of the item; put its scalars into `fields`, and
    what else the parts say into `conflicts`."""
    ways = defaultdict[Any, list[_Part]](list)
    for part in [part for part in parts if part.value is not None] or parts:
        is_open = isinstance(part.value, (dict, list)) and at.count("/") < DEEPEST
        ways[type(part.value) if is_open else _said(part.value)].append(part)
    # of as likely ones the earliest: that is the whole, where a page cuts a name
    (best, alike), *others = sorted(
        ((min(way, key=_Part.doubt), way) for way in ways.values()),
        key=lambda of: (
            of[0].doubt(),
            -len({part.source for part in of[1]}),
            [(field.start or 0, -(field.end or 0)) for field in of[0].fields()],
        ),
    )
    conflicts += [field for other, _ in others for field in other.moved(at)][:MOST_CONFLICTS]
    kind = type(best.value) if len(alike) > 1 and type(best.value) in ways else None
    if kind is dict:
        made = dict[str, Json]()
        for name in dict.fromkeys(name for part in alike for name in part.value):
            members = [part.inside(name, part.source) for part in alike if name in part.value]
            made[name] = _joined(members, f"{at}/{escape(name)}", fields, conflicts)
        return made
    if kind is list:
        elements = [
            part.inside(index, of) for of, part in enumerate(alike) for index in range(len(part.value))
        ]
        groups = _groups(elements, ())
        groups.sort(key=lambda group: min(_order(part.fields()) for part in group))
        return [_joined(group, f"{at}/{index}", fields, conflicts) for index, group in enumerate(groups)]
    fields += best.moved(at)
    return best.value
