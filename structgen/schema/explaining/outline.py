"""The outline of a schema: a tree of lines that describe its documents in words, place by place.

The tree is read from the network and not from the text of the schema, so that `allOf`, `$ref`, `anyOf` and
`not` at one place are one line. An object or an array that was described before is referred to, so that the
tree is no larger than the schema, and recursion ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from structgen.base.errors import LimitError, UnsupportedError
from structgen.base.json_text.exact_json import write
from structgen.base.language.ir import TRUE, ValueMenu
from structgen.schema.meaning import wording
from structgen.schema.meaning.literals import STRING, Literal
from structgen.schema.meaning.place import ANYTHING, NOTHING
from structgen.schema.meaning.shape import (
    Alternative,
    ArrayShape,
    AtIndex,
    AtKey,
    AtLeast,
    AtMost,
    AtOther,
    AtPattern,
    BadKey,
    Differs,
    FromIndex,
    ObjectShape,
    Obligation,
    RepeatedItem,
    Without,
)
from structgen.schema.recogniser.schema_network import SchemaNetwork

MOST_LINES = 20_000
"""Lines of one outline; further lines are counted."""
MOST_KINDS = 500
"""Kinds of one object or array that are described one by one."""
DEEPEST_SOURCES = 500
"""Levels down to which the schema's places are spelled out: pointers grow with each level."""
_FREE = ["an object with any keys", "an array of any values", "a string", "a number", "true or false", "null"]


@dataclass(frozen=True, slots=True)
class Line:
    """One place of the documents, or a remark on one."""

    parent: int
    """The index of the line around it, -1 for the document."""
    depth: int
    label: str
    """`"name"`, `each item`, `kind 2 of 3`; empty for the document and for conditions."""
    need: str
    """Of a key: `required`, `optional`, or `never` where no document holds it; else empty."""
    what: str
    """The value, in words."""
    sources: tuple[str, ...]
    """JSON pointers of the schemas that say so; empty where nothing is asked."""
    same_as: int = -1
    """The index of the line whose inner lines hold here too, -1 where they follow here."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The lines of a schema, each after the line around it; `cut` counts those that were left out."""

    lines: tuple[Line, ...]
    demands: tuple[int, ...]
    """The demands that were described, for further questions."""
    cut: int = 0


@dataclass(frozen=True, slots=True)
class _Todo:
    """A line that is still to be written."""

    label: str
    need: str = ""
    demand: int | None = None
    """The demand on the value; None: `what` is complete."""
    what: str = ""
    inside: tuple[_Todo, ...] = ()


def outline(network: SchemaNetwork, most: int = MOST_LINES) -> Outline:
    """Return the tree of a network's places, `most` lines of it.

    Expands all places that it describes, each once: linear in the schema where few alternatives multiply. A
    place past a limit says so in its line.
    """
    writer = _OutlineWriter(network)
    described = cache(writer.value)
    lines: list[Line] = []
    told: dict[int, int] = {}
    (root,) = network.tables.places[network.root]
    demands: dict[int, None] = {}
    stack = [(-1, 0, _Todo("", demand=root))]
    while stack and len(lines) < most:
        parent, depth, todo = stack.pop()
        demand, what, inside = todo.demand, todo.what, todo.inside
        sources: tuple[str, ...] = ()
        same, index = -1, len(lines)
        if demand is not None:
            demands[demand] = None
            try:
                what, inside = described(demand)
            except UnsupportedError as error:
                error.name_schemas(network.tables.sources((demand,)))
                raise
            except LimitError as error:
                what = f"not told: {error}"
                writer.cut += 1
            if demand != NOTHING and depth <= DEEPEST_SOURCES:
                sources = network.tables.sources((demand,))
            if inside and told.setdefault(demand, index) != index:
                same, inside = told[demand], ()
        lines.append(Line(parent, depth, todo.label, todo.need, what, sources, same))
        stack.extend((index, depth + 1, child) for child in reversed(inside))
    return Outline(tuple(lines), tuple(demands), writer.cut + len(stack))


def _said(what: str) -> _Todo:
    return _Todo("", what=what)


class _OutlineWriter:
    """Describes demands, and the members of their objects and arrays."""

    def __init__(self, network: SchemaNetwork) -> None:
        self.network = network
        self.tables = network.tables
        self.frames = network.objects.frames
        self.lives = network.oracle.alive
        self.cut = 0
        """Kinds that were left out, and places past a limit."""

    def value(self, demand: int) -> tuple[str, tuple[_Todo, ...]]:
        """Return a value in words, and the lines inside it."""
        entry = self._entry(demand)
        if isinstance(entry, str):
            return entry, ()
        shapes, frames = self.network.shapes, self.frames
        objects = [
            shape
            for shape in (shapes.objects(demand) if entry.object is not None else ())
            if all(self.lives(frames.value(shape, key)) for key in shape.required)
        ]
        arrays = [*shapes.arrays(demand)] if entry.array is not None else []
        an_object, members = self._container(demand, objects, "object")
        an_array, items = self._container(demand, arrays, "array")
        words = wording.kinds(entry, an_object, an_array)
        return "any value" if words == _FREE else wording.joined(words, " or "), members + items

    def _there(self, what: str, literals: tuple[Literal, ...]) -> str:
        brief = self._brief(literals)
        return f"{what} is there" if brief == "any value" else f"{what} is {brief}"

    def _brief(self, literals: tuple[Literal, ...]) -> str:
        """Return a value in words, without its members."""
        demand = self.tables.demand(literals)
        entry = self._entry(demand)
        if isinstance(entry, str):
            return entry
        excluded = self._excluded(literals)
        if excluded:
            return f"anything but {wording.listing(excluded, ' and ')}"
        said = ", ".join(filter(None, self.tables.sources((demand,))[: wording.MOST_TOLD]))
        is_open = said and (entry.object is not None or entry.array is not None)
        return wording.joined(wording.kinds(entry), " or ") + (f" ({said})" if is_open else "")

    def _excluded(self, literals: tuple[Literal, ...]) -> list[str]:
        """Return the constants that literals exclude, if that is all they do."""
        texts: list[str] = []
        for literal in literals:
            schema = literal.schema
            if not literal.denied or not schema.only_values or schema.enum is None:
                return []
            texts += [write(value) for value in schema.enum]
        return texts

    def _entry(self, demand: int) -> ValueMenu | str:
        """Return the kinds of a value; in words where these are complete."""
        if demand == ANYTHING:
            return "any value"
        if not self.lives(demand):
            return "no value at all"
        if self.tables.demands[demand] == (self.tables.free,):
            depth = self.network.document.policies.any_value
            return f"any value, nested at most {depth} deep" if depth else "any value but an object or array"
        return self.network.entry(self.tables.place((demand,)))

    # --- objects and arrays ---

    def _container(
        self, demand: int, shapes: Sequence[ObjectShape | ArrayShape], kind: str
    ) -> tuple[str, tuple[_Todo, ...]]:
        """Return an object or an array in words, and the lines inside it; nothing where there is none."""
        if not shapes:
            return "", ()
        if len(shapes) > 1:
            return f"an {kind} of one of {len(shapes):,} kinds", tuple(self._kinds(demand, shapes))
        (shape,) = shapes
        inside = tuple(self._inside(demand, shape))
        if shape.hi == 0 or not inside:
            return f"an empty {kind}", ()
        size = _size(shape)
        sized = f"an {kind} of {size}" if size else f"an {kind}"
        if len(inside) > 1 or inside[0].demand != ANYTHING or inside[0].need:
            return sized, inside
        if kind == "array":
            return sized if size else "an array of any values", ()
        return "an object with any keys" + (f", {size}" if size else ""), ()

    def _kinds(self, demand: int, shapes: Sequence[ObjectShape | ArrayShape]) -> list[_Todo]:
        """Return the common part of all kinds, and then the kinds."""
        insides = [tuple(self._inside(demand, shape)) for shape in shapes[:MOST_KINDS]]
        left = len(shapes) - len(insides)
        common = set[_Todo]() if left else set(insides[0]).intersection(*insides[1:])
        lines = [todo for todo in dict.fromkeys(insides[0]) if todo in common]
        for number, inside in enumerate(insides, 1):
            own = tuple(todo for todo in inside if todo not in common)
            what = _size(shapes[number - 1]) or "nothing more" * (not own)
            lines.append(_Todo(f"kind {number} of {len(shapes):,}", what=what, inside=own))
        self.cut += left
        return [*lines, *[_said(f"and {left:,} more kinds")] * bool(left)]

    def _inside(self, demand: int, shape: ObjectShape | ArrayShape) -> Iterator[_Todo]:
        if isinstance(shape, ObjectShape):
            return self._members(demand, shape)
        return self._items(shape)

    def _members(self, demand: int, shape: ObjectShape) -> Iterator[_Todo]:
        frame = self.frames.frame((demand,))
        required = set(shape.required)
        declared = {key for facet in shape.facets for key in facet.properties}
        spoken = required | declared | shape.values.keys()
        for key in frame.names:
            if key in spoken:
                value = self.frames.value(shape, key)
                if self.lives(value):
                    yield _Todo(wording.quoted(key), "required" if key in required else "optional", value)
                else:
                    yield _Todo(wording.quoted(key), "never")
        some = "any other key" if frame.names else "any key"
        groups: dict[int, list[str]] = {}
        classes = self.frames.classes(frame)
        for key_class in classes:
            value = self.frames.extra(frame, shape, key_class)
            if self.lives(value):
                formula = self.frames.formula(frame, key_class)
                name = some if formula is TRUE else wording.string(formula, some)
                groups.setdefault(value, []).append(name)
        whole = sum(map(len, groups.values())) == len(classes)
        for value, names in groups.items():
            label = some if whole and len(groups) == 1 else " or ".join(names[: wording.MOST_TOLD])
            yield _Todo(label, "", value)
        for literal in dict.fromkeys(shape.key_literals):
            what = wording.describe((self.network.scalars.literal(literal, STRING),), wording.string)
            yield _said(f"each key is {' or '.join(what)}")
        for key, others in shape.conditional:
            owed = wording.listing(map(wording.quoted, others), " and ")
            yield _said(
                f"where {wording.quoted(key)} is there, so {'are' if len(others) > 1 else 'is'} {owed}"
            )
        yield from self._obligations(shape.obligations, "member")

    def _items(self, shape: ArrayShape) -> Iterator[_Todo]:
        arrays = self.network.arrays
        settled = shape.settled if shape.hi is None else min(shape.settled, shape.hi)
        every = {arrays.progress.item(shape, index) for index in range(settled + 1)}
        if len(every) == 1 and (shape.hi is None or shape.hi > settled):
            settled = 0
        for index in range(settled):
            value = arrays.progress.item(shape, index)
            if not self.lives(value):
                return
            yield _Todo(f"item {index + 1}", "", value)
        if shape.hi is None or shape.hi > settled:
            value = arrays.progress.item(shape, settled)
            if self.lives(value):
                yield _Todo("each further item" if settled else "each item", "", value)
        for counter in shape.counters:
            size = wording.count(counter.least, counter.most, "item")
            if size:
                yield _said(f"{size} must be {self._brief((counter.literal,))}")
        if shape.unique:
            yield _said("all items differ")
        yield from self._obligations(shape.obligations, "item")

    # --- conditions ---

    def _obligations(self, obligations: Iterable[Obligation], unit: str) -> Iterator[_Todo]:
        for obligation in obligations:
            said = [self._alternative(alternative, unit) for alternative in obligation[: wording.MOST_TOLD]]
            if len(obligation) > wording.MOST_TOLD:
                said.append(f"one of {len(obligation) - wording.MOST_TOLD:,} further conditions holds")
            yield _said(", or ".join(said))

    def _alternative(self, alternative: Alternative, unit: str) -> str:
        match alternative:
            case AtKey(key, literals):
                return self._there(wording.quoted(key), literals)
            case AtPattern(source, literals):
                return self._there(f"a key that matches {wording.quoted(source)}", literals)
            case AtOther(_, literals):
                return self._there("some other key", literals)
            case BadKey(literal):
                formula = self.network.scalars.literal(literal, STRING)
                return f"some key is not {' or '.join(wording.describe((formula,), wording.string))}"
            case Without(key):
                return f"{wording.quoted(key)} is absent"
            case AtIndex(index, literals):
                return f"item {index + 1} is {self._brief(literals)}"
            case FromIndex(index, literals):
                since = f" from item {index + 1} on" if index else ""
                return self._there(f"some item{since}", literals)
            case AtLeast(count):
                return f"it has {wording.count(count, None, unit)}"
            case AtMost(count):
                return f"it has {wording.count(0, count, unit)}"
            case RepeatedItem():
                return "two items are equal"
            case Differs():
                return "it differs from values written before"


def _size(shape: ObjectShape | ArrayShape) -> str:
    return wording.count(shape.lo, shape.hi, "member" if isinstance(shape, ObjectShape) else "item")
