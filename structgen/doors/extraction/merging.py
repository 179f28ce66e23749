"""One item of those that several pages of a document have: `merged`; and the fields that name one,
`keys_of`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final, TypeAlias

from structgen.base.errors import SchemaError
from structgen.base.json_text.exact_json import Json, escape, target_of, values_in, write
from structgen.doors.extraction.found_items import FoundItem, FoundValue, PageAnswer
from structgen.doors.extraction.item_places import (
    DEEPEST,
    outside_arrays,
    placed_items,
    scalars_in,
)
from structgen.schema.reading.quote_keyword import KEY

MOST_CONFLICTS: Final = 20
"""The most other values of a field that are kept, the likelier ones."""
MOST_MEMBERS: Final = 10_000
"""The most members of a schema, references followed, that are looked at for keys."""
_Spans: TypeAlias = dict[str, tuple[int, int, int]]
"""By the path of a field: how well it tells an item (0: a key, 1: a string, 2: another scalar, 3: an array),
and where it stands."""


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
        return _Part(source, self.item, f"{self.at}/{escape(name)}", self.value[name])

    def fields(self) -> Iterator[FoundValue]:
        return (self.item[self.at + path] for path, _ in scalars_in(self.value))


class _Group:
    """Parts that are one item."""

    def __init__(self, at: int, source: int, names: dict[tuple[str, Any], tuple[float, float]]) -> None:
        self.members, self.sources = [at], {source}
        self.names = names
        """By a key and its value, the characters that all of its places share: where the last one begins,
        and the first one ends."""

    def differs(self, other: _Group) -> bool:
        """Return whether a key has two values, at places that stand apart."""
        return any(
            key == its and said != says and not max(start, begin) < min(end, close)
            for (key, said), (start, end) in self.names.items()
            for (its, says), (begin, close) in other.names.items()
        )


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
    as the date of a heading, tells none of them. A field of several values has the likeliest; of those
    without a probability that of most pages. What a text states goes before what none does, and null is last.
    The others are `conflicts`, at most 20 of a field.

    Raises as `placed_items`. Cost: that of `placed_items`, and n log n in the items.
    """
    ordered = sorted(answers, key=lambda one: (one.page, one.start, one.end, write(one.value)))
    found = [
        (at, one) for at, of in enumerate(ordered) for one in placed_items(of, text, is_object=is_object)
    ]
    if how == "none":
        return [item for _, item in found]
    parts = [_Part(at, {one.path: one for one in item.fields}, "", item.value) for at, item in found]
    groups = [parts] if is_object and parts else _groups(parts, keys, ordered)
    items = []
    for group in groups:
        fields: list[FoundValue] = []
        conflicts: list[FoundValue] = []
        value = _joined(group, "", fields, conflicts)
        pages = tuple(sorted({ordered[part.source].page for part in group}))
        document = ordered[group[0].source].document
        items.append(FoundItem(document, value, tuple(fields), tuple(conflicts), pages))
    return sorted(items, key=lambda item: _order(item.fields))


def keys_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the JSON Pointers, in an item, of the fields that `sg.Key` marks. `schema`: that of the item,
    with the definitions that it refers to. Members of members count, elements of arrays do not; a class
    inside of itself is looked at once.

    Raises SchemaError where a schema with keys has more than 10,000 members.
    """
    if not any(isinstance(one, dict) and KEY in one for _, one in values_in(schema)):
        return ()
    found: dict[str, None] = {}
    todo: list[tuple[str, Any, frozenset[str]]] = [("", schema, frozenset())]
    for _ in range(MOST_MEMBERS):
        if not todo:
            return tuple(found)
        path, node, open_ = todo.pop()
        if not isinstance(node, dict):
            continue
        if node.get(KEY) is True:
            found[path] = None
            continue
        name = node.get("$ref")
        below = [(path, one, open_) for key in ("allOf", "anyOf", "oneOf") for one in node.get(key, ())]
        if isinstance(name, str) and name not in open_:
            below.append((path, target_of(schema, name), open_ | {name}))
        members = node.get("properties", {}).items()
        below += [(f"{path}/{escape(member)}", one, open_) for member, one in members]
        todo += reversed(below)
    raise SchemaError(
        f"A schema with keys has more than {MOST_MEMBERS:,} members, references followed.",
        where="#",
        cure="Mark fields of the item itself with sg.Key, and ask for a smaller type.",
    )


def _order(fields: Sequence[FoundValue]) -> tuple[bool, list[int]]:
    """Return what sorts items by their places."""
    starts = sorted(one.start for one in fields if one.start is not None)
    return not starts, starts


def _groups(
    parts: Sequence[_Part], keys: tuple[str, ...], answers: Sequence[PageAnswer] | None
) -> list[list[_Part]]:
    """Return the parts that are one together, in the order of their first ones. `answers`: those that the
    parts are items of; None for elements of arrays."""
    texts = [write(part.value) for part in parts]
    spans = [_spans(part, keys) for part in parts]
    groups = [_Group(at, part.source, _names(part, spans[at], keys)) for at, part in enumerate(parts)]

    def join(one: int, other: int) -> None:
        small, large = sorted((groups[one], groups[other]), key=lambda group: len(group.members))
        if small is large:
            return
        for at in small.members:
            groups[at] = large
        large.members += small.members
        large.sources |= small.sources
        for name, (start, end) in small.names.items():
            begin, close = large.names.get(name, (start, end))
            large.names[name] = max(start, begin), min(end, close)

    named: dict[Any, int] = {}
    for at in range(len(parts)):
        names = frozenset(groups[at].names)
        if keys and all(any(_is_below(path, key) for path, _ in names) for key in keys):
            join(named.setdefault(names, at), at)
    for one, other in _matches(parts, spans, texts):
        first, second = groups[one], groups[other]
        is_twin = parts[one].source == parts[other].source
        if is_twin or (first.sources.isdisjoint(second.sources) and not first.differs(second)):
            join(one, other)
    for one, other in _repeated(parts, spans, texts, answers):
        join(one, other)
    members = {id(group): sorted(group.members) for group in groups}
    return [[parts[at] for at in of] for of in sorted(members.values())]


def _spans(part: _Part, keys: tuple[str, ...]) -> _Spans:
    """Return the fields of a part that have places. An array is one field, from its first place to its
    last."""
    spans: _Spans = {}
    for path, one in outside_arrays(part.value):
        inside = [part.item[part.at + path + below] for below, _ in scalars_in(one)]
        places = [(of.start, of.end) for of in inside if of.start is not None and of.end is not None]
        if places:
            is_key = any(_is_below(path, key) for key in keys)
            rank = 0 if is_key else 3 if isinstance(one, list) else 1 if isinstance(one, str) else 2
            spans[path] = rank, min(start for start, _ in places), max(end for _, end in places)
    return spans


def _names(part: _Part, spans: _Spans, keys: tuple[str, ...]) -> dict[tuple[str, Any], tuple[float, float]]:
    """Return the values of a part's keys, each with its place; one without a place shares no character."""
    return {
        (path, _said(one)): spans[path][1:] if path in spans else (inf, -inf)
        for path, one in outside_arrays(part.value)
        if one is not None and any(_is_below(path, key) for key in keys)
    }


def _is_below(path: str, key: str) -> bool:
    return f"{path}/".startswith(f"{key}/")


def _said(value: Json) -> Any:
    """Return what equal values have in common: strings up to white space, numbers by value."""
    if isinstance(value, str):
        return " ".join(value.split())
    return write(value) if isinstance(value, (bool, list, dict)) else (value,)


def _matches(parts: Sequence[_Part], spans: Sequence[_Spans], texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of parts that stand at the same place, the best first: the parts of two sources, and
    what one source says twice."""
    # by source, field and place, how many different parts have it
    shared = Counter(
        one[:3]
        for one in {
            (part.source, path, span, text)
            for part, of, text in zip(parts, spans, texts, strict=True)
            for path, span in of.items()
        }
    )
    own = [
        {path: span for path, span in of.items() if shared[part.source, path, span] == 1} or of
        for part, of in zip(parts, spans, strict=True)
    ]
    stands = [(start, end, path, at) for at, of in enumerate(own) for path, (_, start, end) in of.items()]
    pairs = set[tuple[int, int]]()
    before = defaultdict[str, list[tuple[int, int]]](list)
    """By field, the ends of the places that may reach the next one."""
    for start, end, path, at in sorted(stands):
        before[path] = [one for one in before[path] if one[0] > start]
        pairs |= {(min(at, other), max(at, other)) for _, other in before[path]}
        before[path].append((end, at))
    found = []
    for one, other in pairs:
        is_same = texts[one] == texts[other]
        shares = _shares(own[one], own[other])
        if (is_same or parts[one].source != parts[other].source) and _is_one(shares):
            found.append((-sum(shares) / len(shares), -len(shares), not is_same, one, other))
    return [(one, other) for *_, one, other in sorted(found)]


def _shares(first: _Spans, second: _Spans) -> list[float]:
    """Return, of the fields that tell best of those that two parts have, how much of each place is in
    both."""
    both = {path: max(span[0], second[path][0]) for path, span in first.items() if path in second}
    shares = []
    for path in (path for path, rank in both.items() if rank == min(both.values())):
        (_, start, end), (_, begin, close) = first[path], second[path]
        shares.append(max(0, min(end, close) - max(start, begin)) / (max(end, close) - min(start, begin)))
    return shares


def _is_one(shares: Sequence[float]) -> bool:
    """Return whether more places overlap than stand apart; of as many, whether the first one does."""
    return sum(1 if share else -1 for share in shares) + (0.5 if shares[0] else -0.5) > 0


def _repeated(
    parts: Sequence[_Part],
    spans: Sequence[_Spans],
    texts: Sequence[str],
    answers: Sequence[PageAnswer] | None,
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of equal parts that no text states: items of pages that overlap, and scalars in
    arrays."""
    times = Counter[tuple[int, str]]()
    last: dict[tuple[str, int], int] = {}
    for at, (part, text) in enumerate(zip(parts, texts, strict=True)):
        if spans[at]:
            continue
        times[part.source, text] += 1
        other = last.get(key := (text, times[part.source, text]))
        last[key] = at
        if other is None:
            continue
        if (
            not isinstance(part.value, (dict, list))
            if answers is None
            else answers[parts[other].source].end > answers[part.source].start
        ):
            yield other, at


def _joined(parts: Sequence[_Part], at: str, fields: list[FoundValue], conflicts: list[FoundValue]) -> Json:
    """Return the one value of parts that are one, at a path of the item; put its scalars into `fields`, and
    what else the parts say into `conflicts`."""
    ways = defaultdict[Any, list[_Part]](list)
    for part in [one for one in parts if one.value is not None] or parts:
        is_open = isinstance(part.value, (dict, list)) and at.count("/") < DEEPEST
        ways[type(part.value) if is_open else _said(part.value)].append(part)
    (kind, best), *others = sorted(ways.items(), key=lambda way: _doubt(way[1]))
    conflicts += [one for _, way in others for one in _likeliest(way, at)[1]][:MOST_CONFLICTS]
    if kind is dict:
        return {
            name: _joined(
                [part.inside(name, part.source) for part in best if name in part.value],
                f"{at}/{escape(name)}",
                fields,
                conflicts,
            )
            for name in dict.fromkeys(name for part in best for name in part.value)
        }
    if kind is list:
        elements = [part.inside(one, of) for of, part in enumerate(best) for one in range(len(part.value))]
        groups = [[one] for one in elements]
        if len(best) > 1:
            groups = _groups(elements, (), None)
            groups.sort(key=lambda group: min(_order([*part.fields()]) for part in group))
        return [_joined(group, f"{at}/{one}", fields, conflicts) for one, group in enumerate(groups)]
    value, scalars = _likeliest(best, at)
    fields += scalars
    return value


def _likeliest(parts: Sequence[_Part], at: str) -> tuple[Json, list[FoundValue]]:
    """Return the value of the likeliest part, and its scalars as those of a path."""
    part = min(parts, key=lambda part: _doubt([part]))
    return part.value, [replace(one, path=at + one.path[len(part.at) :]) for one in part.fields()]


def _doubt(parts: Sequence[_Part]) -> tuple[bool, float, int]:
    """Return what sorts values by the parts that say them, the likeliest first."""
    said = [[*part.fields()] for part in parts]
    known = [[one.confidence for one in of if one.confidence is not None] for of in said]
    confidence = max(sum(of) / len(of) if of else -1 for of in known)
    every = [one for of in said for one in of]
    return all(one.start is None for one in every), -confidence, -len({one.page for one in every})
