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
from structgen.base.json_text.exact_json import write_canonical
from structgen.base.language.ir import TRUE, ValueMenu
from structgen.schema.meaning import wording
from structgen.schema.meaning.literals import STRING, Literal, Literals
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
"""The most lines of one outline; further lines are only counted."""
MOST_KINDS = 500
"""The most kinds of one object or array that are described one by one."""
DEEPEST_SOURCES = 500
"""The deepest level at which pointers of the schema are shown: they grow with each level."""
_FREE = ["an object with any keys", "an array of any values", "a string", "a number", "true or false", "null"]
"""The words for a value that the schema does not restrict."""


@dataclass(frozen=True, slots=True)
class Line:
    """One place of the documents, or a remark on one."""

    parent: int
    """The index of the line around it, -1 for the document."""
    depth: int
    label: str
    """`"name"`, `each item`, `kind 2 of 3`; empty for the document and for conditions."""
    need: str
    """For a key: `required`, `optional`, or `never` where no document has it. Empty for other lines."""
    what: str
    """A description of the value in words."""
    sources: tuple[str, ...]
    """The JSON pointers of the schemas of this place; empty where nothing is required of the value."""
    same_as: int = -1
    """The index of the line whose inner lines hold here too, -1 where they follow here."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The lines of a schema, each after the line around it; `cut` counts those that were left out."""

    lines: tuple[Line, ...]
    demands: tuple[int, ...]
    """The demands that were described, for further questions."""
    cut: int


@dataclass(frozen=True, slots=True)
class _Todo:
    """A line that is still to be written."""

    label: str
    need: str = ""
    demand: int | None = None
    """The demand on the value; None: `text` is complete."""
    text: str = ""
    inside: tuple[_Todo, ...] = ()


def make_outline(network: SchemaNetwork, max_lines: int) -> Outline:
    """Return the tree of a network's places, `max_lines` lines of it.

    Expands all places that it describes, each once: linear in the schema where few alternatives multiply. A
    place past a limit says so in its line.
    """
    writer = _OutlineWriter(network)
    # Many places may have one demand: it is described once.
    describe_demand = cache(writer.describe_value)
    lines: list[Line] = []
    first_lines: dict[int, int] = {}
    (root,) = network.tables.places[network.root]
    demands: dict[int, None] = {}
    stack = [(-1, 0, _Todo("", demand=root))]
    while stack and len(lines) < max_lines:
        parent, depth, todo = stack.pop()
        demand = todo.demand
        text = todo.text
        inside = todo.inside
        sources: tuple[str, ...] = ()
        same_as = -1
        index = len(lines)
        if demand is not None:
            demands[demand] = None
            try:
                text, inside = describe_demand(demand)
            except UnsupportedError as error:
                error.name_schemas(network.tables.source_pointers((demand,)))
                raise
            except LimitError as error:
                text = f"not told: {error}"
                writer.cut += 1
            if demand != NOTHING and depth <= DEEPEST_SOURCES:
                sources = network.tables.source_pointers((demand,))
            # Described before: a reference to that line, so that recursion ends.
            if inside and first_lines.setdefault(demand, index) != index:
                same_as = first_lines[demand]
                inside = ()
        lines.append(Line(parent, depth, todo.label, todo.need, text, sources, same_as))
        stack.extend((index, depth + 1, child) for child in reversed(inside))
    return Outline(tuple(lines), tuple(demands), writer.cut + len(stack))


def _make_remark(text: str) -> _Todo:
    return _Todo("", text=text)


class _OutlineWriter:
    """Describes demands, and the members of their objects and arrays."""

    def __init__(self, network: SchemaNetwork) -> None:
        self.network = network
        self.tables = network.tables
        self.frames = network.objects.frames
        self.is_alive = network.oracle.is_alive
        self.cut = 0
        """Kinds that were left out, and places past a limit."""

    def describe_value(self, demand: int) -> tuple[str, tuple[_Todo, ...]]:
        """Return a value in words, and the lines inside it."""
        entry = self._value_menu(demand)
        if isinstance(entry, str):
            return entry, ()
        shapes = self.network.shapes
        frames = self.frames
        objects: list[ObjectShape] = []
        if entry.object is not None:
            for shape in shapes.object_shapes(demand):
                # A shape with a required key that can have no value describes no object.
                if all(self.is_alive(frames.value_demand(shape, key)) for key in shape.required_keys):
                    objects.append(shape)
        arrays = [*shapes.array_shapes(demand)] if entry.array is not None else []
        an_object, members = self._describe_container(demand, objects, "object")
        an_array, items = self._describe_container(demand, arrays, "array")
        words = wording.describe_kinds(entry, an_object, an_array)
        text = "any value" if words == _FREE else wording.join_words(words, " or ")
        return text, members + items

    def _say_presence(self, subject: str, literals: Literals) -> str:
        brief = self._brief_words(literals)
        if brief == "any value":
            return f"{subject} is there"
        return f"{subject} is {brief}"

    def _brief_words(self, literals: Literals) -> str:
        """Return a value in words, without its members."""
        demand = self.tables.intern_demand(literals)
        entry = self._value_menu(demand)
        if isinstance(entry, str):
            return entry
        constants = self._excluded_constants(literals)
        if constants:
            return f"anything but {wording.list_words(constants, ' and ')}"
        text = wording.join_words(wording.describe_kinds(entry), " or ")
        # Members are not described here: the pointers say where they stand in the schema.
        first_pointers = self.tables.source_pointers((demand,))[: wording.MOST_TOLD]
        pointers = ", ".join(filter(None, first_pointers))
        has_members = entry.object is not None or entry.array is not None
        return f"{text} ({pointers})" if pointers and has_members else text

    def _excluded_constants(self, literals: Literals) -> list[str]:
        """Return the constants that literals exclude, if that is all they do."""
        texts: list[str] = []
        for literal in literals:
            schema = literal.schema
            if not literal.is_negated or not schema.only_values or schema.enum is None:
                return []
            texts += [write_canonical(value) for value in schema.enum]
        return texts

    def _value_menu(self, demand: int) -> ValueMenu | str:
        """Return the kinds of a value; in words where these are complete."""
        if demand == ANYTHING:
            return "any value"
        if not self.is_alive(demand):
            return "no value at all"
        if self.tables.demands[demand] == (self.tables.free,):
            depth = self.network.document.policies.any_value
            if depth:
                return f"any value, nested at most {depth} deep"
            return "any value but an object or array"
        return self.network.entry(self.tables.place((demand,)))

    # --- objects and arrays ---

    def _describe_container(
        self,
        demand: int,
        shapes: Sequence[ObjectShape | ArrayShape],
        kind: str,
    ) -> tuple[str, tuple[_Todo, ...]]:
        """Return an object or an array in words, and the lines inside it; nothing where there is none."""
        if not shapes:
            return "", ()
        if len(shapes) > 1:
            return f"an {kind} of one of {len(shapes):,} kinds", tuple(self._kind_lines(demand, shapes))
        (shape,) = shapes
        inside = tuple(self._inner_lines(demand, shape))
        if shape.hi == 0 or not inside:
            return f"an empty {kind}", ()
        size = _describe_size(shape)
        with_size = f"an {kind} of {size}" if size else f"an {kind}"
        # One line that allows anything needs no line of its own.
        if len(inside) > 1 or inside[0].demand != ANYTHING or inside[0].need:
            return with_size, inside
        if kind == "array":
            return with_size if size else "an array of any values", ()
        return "an object with any keys" + (f", {size}" if size else ""), ()

    def _kind_lines(
        self,
        demand: int,
        shapes: Sequence[ObjectShape | ArrayShape],
    ) -> list[_Todo]:
        """Return the common part of all kinds, and then the kinds."""
        insides = [tuple(self._inner_lines(demand, shape)) for shape in shapes[:MOST_KINDS]]
        cut_count = len(shapes) - len(insides)
        # Of kinds that are not described it is unknown whether they have a line.
        common = set[_Todo]() if cut_count else set(insides[0]).intersection(*insides[1:])
        lines = [todo for todo in dict.fromkeys(insides[0]) if todo in common]
        for number, (shape, inside) in enumerate(zip(shapes, insides, strict=False), 1):
            further_lines = tuple(todo for todo in inside if todo not in common)
            text = _describe_size(shape)
            if not text and not further_lines:
                text = "nothing more"
            lines.append(_Todo(f"kind {number} of {len(shapes):,}", text=text, inside=further_lines))
        if cut_count:
            self.cut += cut_count
            lines.append(_make_remark(f"and {cut_count:,} more kinds"))
        return lines

    def _inner_lines(self, demand: int, shape: ObjectShape | ArrayShape) -> Iterator[_Todo]:
        if isinstance(shape, ObjectShape):
            return self._member_lines(demand, shape)
        return self._item_lines(shape)

    def _member_lines(self, demand: int, shape: ObjectShape) -> Iterator[_Todo]:
        frame = self.frames.frame_of((demand,))
        required_keys = set(shape.required_keys)
        declared_keys = {key for facet in shape.facets for key in facet.properties}
        mentioned_keys = required_keys | declared_keys | shape.values.keys()
        # The frame also names keys of other kinds: for this one they are keys like any other.
        for key in frame.names:
            if key in mentioned_keys:
                value = self.frames.value_demand(shape, key)
                if self.is_alive(value):
                    need = "required" if key in required_keys else "optional"
                    yield _Todo(wording.quote_text(key), need, value)
                else:
                    yield _Todo(wording.quote_text(key), "never")
        subject = "any other key" if frame.names else "any key"
        # Classes of keys whose values have the same demand are one line.
        groups: dict[int, list[str]] = {}
        classes = self.frames.classes_of(frame)
        for key_class in classes:
            value = self.frames.extra_demand(frame, shape, key_class)
            if self.is_alive(value):
                formula = self.frames.class_formula(frame, key_class)
                name = subject if formula is TRUE else wording.describe_strings(formula, subject)
                groups.setdefault(value, []).append(name)
        is_whole = sum(map(len, groups.values())) == len(classes)
        for value, names in groups.items():
            label = subject
            if not is_whole or len(groups) > 1:
                label = " or ".join(names[: wording.MOST_TOLD])
            yield _Todo(label, "", value)
        for literal in dict.fromkeys(shape.key_literals):
            yield _make_remark(f"each key is {self._describe_key(literal)}")
        for key, dependents in shape.conditional:
            owed = wording.list_words(map(wording.quote_text, dependents), " and ")
            verb = "are" if len(dependents) > 1 else "is"
            yield _make_remark(f"where {wording.quote_text(key)} is there, so {verb} {owed}")
        yield from self._obligation_lines(shape.obligations, "member")

    def _describe_key(self, literal: Literal) -> str:
        """Return in words the strings that a literal on keys allows."""
        formula = self.network.scalars.literal_formula(literal, STRING)
        return " or ".join(wording.describe_formulas((formula,), wording.describe_strings))

    def _item_lines(self, shape: ArrayShape) -> Iterator[_Todo]:
        arrays = self.network.arrays
        single_count = shape.uniform_from if shape.hi is None else min(shape.uniform_from, shape.hi)
        item_demands = {arrays.progress.item_demand(shape, index) for index in range(single_count + 1)}
        # All items are alike: one line for all of them.
        if len(item_demands) == 1 and (shape.hi is None or shape.hi > single_count):
            single_count = 0
        for index in range(single_count):
            value = arrays.progress.item_demand(shape, index)
            if not self.is_alive(value):
                return  # the array ends before this item
            yield _Todo(f"item {index + 1}", "", value)
        if shape.hi is None or shape.hi > single_count:
            value = arrays.progress.item_demand(shape, single_count)
            if self.is_alive(value):
                yield _Todo("each further item" if single_count else "each item", "", value)
        for counter in shape.counters:
            size = wording.describe_count(counter.min_count, counter.max_count, "item")
            if size:
                yield _make_remark(f"{size} must be {self._brief_words((counter.literal,))}")
        if shape.unique:
            yield _make_remark("all items differ")
        yield from self._obligation_lines(shape.obligations, "item")

    # --- conditions ---

    def _obligation_lines(self, obligations: Iterable[Obligation], unit: str) -> Iterator[_Todo]:
        for obligation in obligations:
            first_alternatives = obligation[: wording.MOST_TOLD]
            texts = [self._describe_alternative(alternative, unit) for alternative in first_alternatives]
            rest = len(obligation) - len(first_alternatives)
            if rest:
                texts.append(f"one of {rest:,} further conditions holds")
            yield _make_remark(", or ".join(texts))

    def _describe_alternative(self, alternative: Alternative, unit: str) -> str:
        match alternative:
            case AtKey(key, literals):
                return self._say_presence(wording.quote_text(key), literals)
            case AtPattern(source, literals):
                return self._say_presence(f"a key that matches {wording.quote_text(source)}", literals)
            case AtOther(_, literals):
                return self._say_presence("some other key", literals)
            case BadKey(literal):
                return f"some key is not {self._describe_key(literal)}"
            case Without(key):
                return f"{wording.quote_text(key)} is absent"
            case AtIndex(index, literals):
                return f"item {index + 1} is {self._brief_words(literals)}"
            case FromIndex(index, literals):
                since = f" from item {index + 1} on" if index else ""
                return self._say_presence(f"some item{since}", literals)
            case AtLeast(count):
                return f"it has {wording.describe_count(count, None, unit)}"
            case AtMost(count):
                return f"it has {wording.describe_count(0, count, unit)}"
            case RepeatedItem():
                return "two items are equal"
            case Differs():
                return "it differs from values written before"


def _describe_size(shape: ObjectShape | ArrayShape) -> str:
    unit = "member" if isinstance(shape, ObjectShape) else "item"
    return wording.describe_count(shape.lo, shape.hi, unit)
