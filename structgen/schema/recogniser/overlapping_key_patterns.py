"""Patterns of keys that overlap in too many ways to be listed: classes of keys are made as texts reach them.

Fifty patterns that may match anywhere divide the keys into 2^50 classes, few of which any text meets. Where
they are not listed, the automaton of keys finds the patterns that match a key, and a *judge* decides whether
a key of that class may come: whether some value meets the subschemas of all its patterns. If one value meets
all subschemas at once, every class may come, which settles most schemas without a search.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from structgen.language.ir import TRUE, Spec
from structgen.schema.meaning.formulas import conjunction, negation
from structgen.schema.meaning.place import NEVER, PlaceTables
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape import ObjectShape
from structgen.schema.reading.model import Schema
from structgen.schema.recogniser.object_keys import Frame, KeyClass

MOST_CLASSES = 64
"""More classes of keys than this, before any is proved empty, are not listed."""


class KeyJudge:
    """Decides which classes of keys may come in an object of one of some shapes (`ir.Judge`)."""

    def __init__(
        self, unlisted: UnlistedKeyClasses, shapes: tuple[ObjectShape, ...], lives: Callable[[int], bool]
    ) -> None:
        self._classes, self._shapes, self._lives = unlisted, shapes, lives
        self.total = any(lives(unlisted.at_once(shape)) for shape in shapes)

    def holds(self, true: frozenset[int]) -> bool:
        """Return whether a key may come for which exactly these predicates are true."""
        true -= {self._classes.last}
        return any(self._lives(self._classes.value(shape, true)) for shape in self._shapes)


def own_patterns(frame: Frame, facet: Schema) -> dict[int, Schema]:
    """Return the subschemas of a schema for keys, by the predicate that is true of them."""
    found = frame.own_patterns.get(facet.id)
    if found is None:
        at = frame.pattern_at
        found = {at[source]: child for source, child in facet.pattern_properties if source in at}
        frame.own_patterns[facet.id] = found
    return found


def asked(
    tables: PlaceTables,
    frame: Frame,
    shape: ObjectShape,
    true: frozenset[int],
) -> list[int]:
    """Return the literals of the values under keys of which these predicates are true, NEVER among them where
    no key may come."""
    literals: list[int] = []
    for literal in (*shape.key_literals, *frame.key_literals):
        at = frame.literal_at[literal]
        if at not in true:
            literals.append(NEVER)
    for facet in shape.facets:
        own = own_patterns(frame, facet)
        matched = own.keys() & true
        literals.extend(tables.literal(own[at]) for at in sorted(matched))
        if facet.additional is not None and not matched:
            literals.append(tables.literal(facet.additional))
    return literals


class UnlistedKeyClasses:
    """The keys that one frame does not name, their classes made as they are met."""

    def __init__(self, tables: PlaceTables, scalars: Scalars, frame: Frame) -> None:
        self.tables = tables
        self.scalars = scalars
        self.frame = frame
        self.predicates = frame.predicates
        self.last = len(self.predicates)
        """The index of TRUE among the formulas of a spec."""
        self._classes: dict[frozenset[int], KeyClass] = {}
        self._judges: dict[tuple[Callable[[int], bool], tuple[int, ...]], KeyJudge] = {}
        self._found: dict[int, list[tuple[str, KeyClass]]] = {}
        """Keys that were found for objects of a shape, short ones first."""
        self._values: dict[tuple[int, frozenset[int]], int] = {}

    def of(self, true: frozenset[int]) -> KeyClass:
        """Return the class of the keys for which exactly these predicates are true."""
        true -= {self.last}
        found = self._classes.get(true)
        if found is None:
            parts = (one if at in true else negation(one) for at, one in enumerate(self.predicates))
            found = self._classes[true] = KeyClass(len(self._classes), true, conjunction(parts))
        return found

    def examples(self) -> Iterator[KeyClass]:
        """Yield a few classes, for messages: those with one true predicate, or none."""
        yield self.of(frozenset())
        for at in range(len(self.predicates)):
            yield self.of(frozenset((at,)))

    def judge(self, shapes: Collection[ObjectShape], lives: Callable[[int], bool]) -> KeyJudge:
        """Return the judge of the keys that may come in an object of one of the shapes; equal shapes, the
        same judge. `lives`: whether some value meets a demand."""
        key = lives, tuple(shape.id for shape in shapes)
        found = self._judges.get(key)
        if found is None:
            found = self._judges[key] = KeyJudge(self, tuple(shapes), lives)
        return found

    def spec(self, judge: KeyJudge) -> Spec:
        """Return the spec of the keys that may come."""
        return Spec((*self.predicates, TRUE), judge)

    def at_once(self, shape: ObjectShape) -> int:
        """Return the demand that asks all that is asked of the value under any key, NEVER where some key may
        not come: if some value meets it, every key may come."""
        demand = self.value(shape, frozenset(range(self.last)))
        others = [facet.additional for facet in shape.facets if facet.additional is not None]
        if demand == NEVER or shape.key_literals:
            return NEVER
        return self.tables.both(demand, map(self.tables.literal, others))

    def value(self, shape: ObjectShape, true: frozenset[int]) -> int:
        """Return the demand on the values of a class of keys, NEVER where no key may come."""
        found = self._values.get((shape.id, true))
        if found is None:
            literals = asked(self.tables, self.frame, shape, true)
            found = self._values[shape.id, true] = self.tables.of_value(self.tables.demand(literals))
        return found

    def supply(
        self, shape: ObjectShape, count: int, taken: Collection[str], ask: Callable[[int], object], most: int
    ) -> list[tuple[str, KeyClass]]:
        """Return up to `count` keys that are neither named nor taken and whose values can be met, each with
        its class: as many as there are. `ask`: None where no value is known to meet a demand.

        Raises LimitError where that takes more than `most` texts.
        """
        answers: dict[frozenset[int], bool] = {}

        def may_come(true: frozenset[int]) -> bool:
            found = answers.get(true)
            if found is None:
                demand = self.value(shape, true - {self.last})
                found = answers[true] = demand != NEVER and ask(demand) is not None
            return found

        # Who asks once asks again, when a little more is written: the same keys will mostly do.
        gone = frozenset(taken)
        fresh = [
            (key, key_class)
            for key, key_class in self._found.get(shape.id, ())
            if key not in gone and may_come(key_class.true)
        ]
        if len(fresh) >= count:
            return fresh[:count]
        spec = self.spec(self.judge((shape,), _is_possible))
        avoid = {*self.frame.names, *gone}
        keys = self.scalars.strings.some(spec, count, avoid, may_come, most)
        if keys is None:
            raise self.tables.too_many(
                f"{len(self.predicates)} patterns of keys overlap, and no {count:,} keys were found here.",
                "oracle_steps",
                self.frame.demands,
            )
        found = self._found[shape.id] = [(key, self.of(true)) for key, true in keys]
        return found


class Places(Mapping[frozenset[int], int]):
    """The places of values by the formulas that are true of their keys, computed on lookup. Iteration yields
    examples alone."""

    def __init__(self, unlisted: UnlistedKeyClasses, place: Callable[[KeyClass], int | None]) -> None:
        self._classes, self._place = unlisted, place

    def __getitem__(self, true: frozenset[int]) -> int:
        found = self._place(self._classes.of(true))
        if found is None:
            raise KeyError(true)
        return found

    def __iter__(self) -> Iterator[frozenset[int]]:
        for key_class in self._classes.examples():
            if self._place(key_class) is not None:
                yield key_class.true | {self._classes.last}

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True


def _is_possible(demand: int) -> bool:
    return demand != NEVER
