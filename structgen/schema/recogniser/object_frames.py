"""Makes frames: a *frame* has the named keys of an object in order, and the classes of all other keys.

A *named key* is one that a schema of the object mentions. A *class* holds unnamed keys for which the same
*predicates* are true: patterns of `patternProperties`, and schemas of `propertyNames`. All keys of a class
have the same demand on their values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from structgen.base.errors import LimitError, UnsupportedError
from structgen.base.language.ir import FREE, TRUE, Formula, Not, Pattern, Spec, Words
from structgen.base.limits import Limits
from structgen.schema.meaning.formulas import LISTED, conjunction, disjunction, negation
from structgen.schema.meaning.literals import NEVER, STRING, Literal
from structgen.schema.meaning.place import ANYTHING, NOTHING, PlaceTables
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape import (
    AtKey,
    AtLeast,
    AtMost,
    AtOther,
    AtPattern,
    BadKey,
    Differs,
    ObjectShape,
    Without,
)
from structgen.schema.meaning.shape_disjunctions import Shapes
from structgen.schema.reading.json_values import json_string, string_order
from structgen.schema.recogniser.key_order import NameSet, declared_keys
from structgen.schema.recogniser.object_keys import Frame, FrameStanding, KeyClass


@dataclass(eq=False)
class ObjectFrames:
    """Makes the frames of one network, and finds the demands of shapes on the keys of a frame."""

    tables: PlaceTables
    scalars: Scalars
    shapes: Shapes
    limits: Limits
    any_order: bool

    def __post_init__(self) -> None:
        self._frames: dict[tuple[int, ...], Frame] = {}

    def frame_of(self, demands: tuple[int, ...]) -> Frame:
        """Return the frame of the objects of a place; the names have the order in which the place mentions
        them."""
        frame = self._frames.get(demands)
        if frame is None:
            frame = self._frames[demands] = self._make_frame(demands)
        return frame

    def _make_frame(self, demands: tuple[int, ...]) -> Frame:
        shapes = [shape for demand in demands for shape in self.shapes.object_shapes(demand)]
        frame_id = len(self._frames)
        if len(shapes) != 1:
            return self._general_frame(frame_id, demands, shapes)
        shape = shapes[0]
        facets = shape.facets
        literals = self.tables.demands[demands[0]]
        is_plain = shape.plain and not shape.key_literals and not shape.values
        if is_plain and len(demands) == 1 and len(literals) == 1 and len(facets) <= 1:
            schema = literals[0].schema
            is_plain_schema = not (schema.has_combinators or schema.pattern_properties)
            if is_plain_schema and (not facets or facets[0] is schema):
                # One schema with plain keywords: by far the most frequent frame.
                properties = schema.properties
                names = [*properties, *(key for key in shape.required_keys if key not in properties)]
                ordered_count = 0 if self.any_order else len(names)
                frame = Frame(frame_id, demands, tuple(names), ordered_count)
                if shape.lo or shape.hi is not None:
                    # One more than the maximum, so that too many members differ from just enough.
                    frame.cap = max(shape.lo, -1 if shape.hi is None else shape.hi + 1)
                return frame
        return self._general_frame(frame_id, demands, shapes)

    def _general_frame(
        self,
        frame_id: int,
        demands: tuple[int, ...],
        shapes: list[ObjectShape],
    ) -> Frame:
        """Return the frame of any objects: it names all keys of their schemas; other keys have classes."""
        universe, sources, literals, watched_keys, cap = _mentions_of_keys(shapes)
        # A pattern with few matches is treated as a list of names.
        for source in list(sources):
            if not _seems_finite(source):
                continue
            words = self.scalars.strings.words(Pattern(source), LISTED)
            if words is not None:
                universe.update(dict.fromkeys(words))
                del sources[source]
        for literal in literals:
            formula = self.scalars.literal_formula(literal, STRING)
            if isinstance(formula, Words) and len(formula.of) <= LISTED:
                universe.update(dict.fromkeys(sorted(formula.of)))
        all_literals = chain.from_iterable(self.tables.demands[demand] for demand in demands)
        positive_schemas = (literal.schema for literal in all_literals if not literal.is_negated)
        names = [] if self.any_order else declared_keys(positive_schemas)
        ordered_count = len(names)
        names += sorted(universe.keys() - names, key=json_string)
        frame = self._make_named_frame(frame_id, demands, names, ordered_count, sources, literals)
        if frame.predicates and any(shape.lo or shape.obligations for shape in shapes):
            if few := self._few_keys(frame):
                # Small classes: each of their keys becomes a name, as an obligation may use up all of them.
                names.extend(sorted(few, key=json_string))
                frame = self._make_named_frame(frame_id, demands, names, ordered_count, sources, literals)
        frame.cap = cap
        for key in watched_keys:
            frame.watched_bits |= 1 << frame.index[key]
        return frame

    def _make_named_frame(
        self,
        frame_id: int,
        demands: tuple[int, ...],
        names: list[str],
        ordered_count: int,
        sources: Iterable[str],
        literals: Iterable[Literal],
    ) -> Frame:
        """Return a frame with these names, and the predicates that divide all other keys into classes.

        The first `ordered_count` names have an order. `sources` are patterns of keys and `literals` schemas
        of keys: for example `["^x-"]` and `[]` make two classes.
        """
        if self.any_order:
            names.sort(key=json_string)
        frame = Frame(frame_id, demands, tuple(names), ordered_count)
        for source in sources:
            frame.pattern_at[source] = len(frame.predicates)
            frame.predicates.append(Pattern(source))
        key_literals = [*literals]
        if key_literals or frame.predicates:
            # Without predicates all unnamed keys are one class, whose schema says which can be written.
            writable_keys = self.scalars.written_keys
            if writable_keys is not None:
                frame.key_literals = (writable_keys,)
                key_literals.append(writable_keys)
        for literal in key_literals:
            frame.literal_at[literal] = len(frame.predicates)
            frame.predicates.append(self.scalars.literal_formula(literal, STRING))
        return frame

    def _few_keys(self, frame: Frame) -> set[str]:
        """Return the keys of the classes that are small enough to be listed."""
        words: set[str] = set()
        for key_class in self.classes_of(frame):
            if not key_class.infinite:
                formula = self._unnamed_formula(frame, self.class_formula(frame, key_class), ())
                words.update(self.scalars.strings.words(formula, LISTED) or ())
        return words

    def classes_of(self, frame: Frame) -> list[KeyClass]:
        """Return the classes of keys that the frame does not name, divided by its predicates. Raises
        LimitError where these overlap in too many ways."""
        if frame.classes is None:
            predicates = frame.predicates
            strings = self.scalars.strings
            try:
                # Without predicates there is one class, of infinitely many keys.
                sets = strings.classes(predicates) if predicates else {frozenset[int](): True}
            except (LimitError, UnsupportedError) as error:
                error.name_schemas(self.tables.source_pointers(frame.demands))
                raise
            if len(sets) > self.limits.alternatives:
                raise self.tables.too_many(
                    f"{len(predicates)} patterns of keys overlap in {len(sets):,} ways.",
                    "alternatives",
                    frame.demands,
                )
            # With a bound on their length there are finitely many keys.
            may_be_infinite = self.scalars.max_length is None
            # Sorted, since the order of the sets depends on hashes.
            numbers = range(len(predicates))
            order = sorted(sets, key=lambda true_numbers: [number not in true_numbers for number in numbers])
            frame.classes = [
                KeyClass(index, true_numbers, may_be_infinite and sets[true_numbers])
                for index, true_numbers in enumerate(order)
            ]
        return frame.classes

    def class_formula(self, frame: Frame, key_class: KeyClass) -> Formula:
        """Return the formula of the keys of a class."""
        if key_class.formula is None:
            true_predicates = key_class.true_predicates
            parts = (
                predicate if number in true_predicates else negation(predicate)
                for number, predicate in enumerate(frame.predicates)
            )
            key_class.formula = self.scalars.key_formula(conjunction(parts))
        return key_class.formula

    def make_spec(self, frame: Frame, groups: Sequence[Sequence[KeyClass]]) -> Spec:
        """Return the spec of unnamed keys: the outcome {j} for a key of a class of group j."""
        if self.scalars.max_length is not None:
            # The bound on the length is in the formulas of classes, and not in the predicates.
            formulas = (disjunction([self.class_formula(frame, part) for part in group]) for group in groups)
            return Spec(tuple(formulas))
        if len(groups) == 1 and len(groups[0]) == len(self.classes_of(frame)):
            return FREE
        # The last formula is TRUE: a class without any true predicate needs one, too.
        last = len(frame.predicates)
        sets = tuple(frozenset([part.true_predicates | {last} for part in group]) for group in groups)
        return Spec((*frame.predicates, TRUE), sets)

    def _unnamed_formula(self, frame: Frame, formula: Formula, used_keys: Iterable[str]) -> Formula:
        names = frozenset((*frame.names, *used_keys))
        if names:
            return conjunction((formula, Not(Words(names))))
        return formula

    def fresh_keys(
        self,
        frame: Frame,
        key_class: KeyClass,
        count: int,
        used_keys: Collection[str],
    ) -> list[str]:
        """Return up to `count` keys of a class that the frame does not name, the shortest first.

        `used_keys` are keys that must not come again, for example `("a",)`. Raises `LimitError` for more keys
        than LISTED.
        """
        if count > LISTED:
            raise self.tables.too_many(
                f"an object here needs {count:,} keys that no schema names.",
                "oracle_steps",
                frame.demands,
            )
        names: list[str] = []
        keys = self.class_formula(frame, key_class)
        if keys == TRUE:
            # Any string: no automaton is needed, and most classes are such.
            avoided_keys = set(frame.names) | set(used_keys)
            for key in _short_keys(len(avoided_keys) + count, self.scalars.can_be_written):
                if key not in avoided_keys:
                    names.append(key)
                    if len(names) == count:
                        break
            return names
        for _ in range(count):
            formula = self._unnamed_formula(frame, keys, (*used_keys, *names))
            text = self.scalars.shortest_text(formula, STRING)
            if text is None:
                break
            names.append(_decode_key(text.to_bytes()))
        return names

    def standing_of(self, frame: Frame, shape: ObjectShape) -> FrameStanding:
        """Return the shape's required keys by their indices in the frame."""
        standing = frame.standings.get(shape.id)
        if standing is None:
            standing = frame.standings[shape.id] = FrameStanding(shape, frame)
        return standing

    def value_demand(self, shape: ObjectShape, key: str) -> int:
        """Return the demand on the value under a named key, NOTHING where the key may not be there."""
        demand = shape.values_memo.get(key)
        if demand is None:
            demand = shape.values_memo[key] = self.tables.of_value(self._find_value_demand(shape, key))
        return demand

    def _find_value_demand(self, shape: ObjectShape, key: str) -> int:
        if not self.scalars.can_be_written(key):
            return NOTHING
        facets = shape.facets
        if len(facets) == 1 and not shape.values and not shape.key_literals:
            facet = facets[0]
            if not facet.pattern_properties:
                # The frequent case: `properties`, else `additionalProperties`, of one schema.
                child = facet.properties.get(key, facet.additional)
                return ANYTHING if child is None else self.tables.demand_of(child)
        for literal in shape.key_literals:
            if not self.scalars.string_meets(self.scalars.literal_formula(literal, STRING), key):
                return NOTHING
        literals = self.shapes.obligations.value_literals(facets, key)
        literals.extend(shape.values.get(key, ()))
        return self.tables.intern_demand(literals)

    def extra_demand(self, frame: Frame, shape: ObjectShape, key_class: KeyClass) -> int:
        """Return the demand on the values of a class of keys that the frame does not name."""
        known_demand = frame.extra_demands.get((shape.id, key_class.index))
        if known_demand is None:
            tables = self.tables
            true_predicates = key_class.true_predicates
            # A key that does not meet its schema is forbidden: no value is allowed under it.
            key_literals = (*shape.key_literals, *frame.key_literals)
            literals = [NEVER for literal in key_literals if frame.literal_at[literal] not in true_predicates]
            for facet in shape.facets:
                matching_schemas = [
                    child
                    for source, child in facet.pattern_properties
                    if frame.pattern_at.get(source) in true_predicates
                ]
                literals.extend(map(tables.literal_of, matching_schemas))
                if facet.additional is not None and not matching_schemas:
                    literals.append(tables.literal_of(facet.additional))
            demand = tables.of_value(tables.intern_demand(literals))
            known_demand = frame.extra_demands[shape.id, key_class.index] = demand
        return known_demand


def _mentions_of_keys(
    shapes: Sequence[ObjectShape],
) -> tuple[NameSet, NameSet, dict[Literal, None], NameSet, int]:
    """Return five things that shapes mention about keys, each in the order of the schema:

    the keys that they name; their patterns; the schemas of keys (all keys must meet them, or some key must
    not); the keys on whose presence something depends; the number up to which members are counted.
    """
    keys: NameSet = {}
    patterns: NameSet = {}
    literals: dict[Literal, None] = {}
    watched_keys: NameSet = {}
    max_count = 0
    for shape in shapes:
        max_count = max(max_count, shape.lo, -1 if shape.hi is None else shape.hi + 1)
        # A copy: facets of obligations are added to it below.
        facets = list(shape.facets)
        keys |= dict.fromkeys((*shape.required_keys, *shape.values))
        for key, dependents in shape.conditional:
            watched_keys |= dict.fromkeys((key, *dependents))
        literals |= dict.fromkeys(shape.key_literals)
        for alternative in chain.from_iterable(shape.obligations):
            match alternative:
                case AtKey(key, _) | Without(key):
                    keys[key] = None
                case AtPattern(source, _):
                    patterns[source] = None
                case AtOther(schema, _):
                    facets.append(schema)
                case BadKey(literal):
                    literals[literal] = None
                case AtLeast(count):
                    max_count = max(max_count, count)
                case AtMost(count):
                    max_count = max(max_count, count + 1)
                case Differs(rests):
                    keys |= dict.fromkeys(key for rest in rests for key, _ in rest)
        for facet in facets:
            keys |= dict.fromkeys(facet.properties)
            patterns |= dict.fromkeys(source for source, _ in facet.pattern_properties)
    return keys | watched_keys, patterns, literals, watched_keys, max_count


def _seems_finite(source: str) -> bool:
    """Return whether a pattern is anchored at both ends and has no sign of unbounded repetition."""
    return "^" in source and "$" in source and not any(sign in source for sign in ("*", "+", ",}"))


def _short_keys(count: int, writes: Callable[[str], bool]) -> list[str]:
    """Return the first `count` strings of letters, by the length and then the bytes of their JSON text.
    `writes` tells whether a string can be written."""
    letters = [char for char in map(chr, range(0x20, 0x80)) if char not in '"\\' and writes(char)]
    texts = [""]
    texts.extend(letters[:count])
    # Each string in turn is continued by each letter: so all of one length come before the longer ones.
    begin = 1
    while len(texts) < count:
        texts.extend(texts[begin] + letter for letter in letters)
        begin += 1
    # Strings of two bytes: two letters; characters of two bytes or escapes are not smaller than those.
    texts.sort(key=string_order)
    return texts[:count]


def _decode_key(literal: bytes) -> str:
    value = json.loads(literal)
    assert isinstance(value, str)
    return value
