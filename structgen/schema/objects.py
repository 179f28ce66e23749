"""Objects: which keys may come next, what their values must be, when the object may close, and its shortest rest.

The residue of an object is a set of *threads*, the ways in which the demands of its place may still come true:
one for each live shape, and more where an obligation may be met by this member or by a later one. What has been
written (the place in the declared order, the keys, their number) is common to all threads.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import product
from typing import TypeAlias

from structgen.errors import LimitError
from structgen.ir import TRUE, Formula, Not, Pattern, Words
from structgen.limits import Limits
from structgen.schema import patterns
from structgen.schema.order import declared
from structgen.schema.place import NEVER, STRING, Tables
from structgen.schema.scalars import Scalars, conjunction, disjunction, negation
from structgen.schema.shapes import (
    Alternative,
    AtKey,
    AtLeast,
    AtMost,
    AtOther,
    AtPattern,
    BadKey,
    ObjectShape,
    Obligation,
    Shapes,
    Without,
)
from structgen.schema.values import EMPTY, Text, has_lone_surrogate, json_string, string_order

Debt: TypeAlias = tuple[Obligation, ...]
"""Obligations that are still open, each with the alternatives that are still possible."""
Thread: TypeAlias = tuple[int, ObjectShape, Debt]
"""A demand's index, one of its shapes, and what is still owed."""
Ask: TypeAlias = Callable[[int], Text | None]
"""Demand -> the text of a value that meets it, or None where none is known."""
_WORDS = 1_000
"""A pattern with at most this many matches is read as so many named keys."""
_MANY_KEYS = 1_000
"""More keys than this are not made up for an object that needs them (minProperties)."""


class KeyClass:
    """A class of keys that no schema of the object names: those for which the same predicates are true."""

    __slots__ = ("formula", "index", "true")

    def __init__(self, index: int, true: frozenset[int], formula: Formula) -> None:
        self.index = index
        self.true = true
        self.formula = formula


Where: TypeAlias = str | KeyClass


class Standing:
    """What a shape asks of the keys of a frame, by their indices."""

    __slots__ = ("free_required", "last", "optional", "required", "shape")

    def __init__(self, shape: ObjectShape, frame: Frame) -> None:
        self.shape = shape
        ordered: list[int] = []
        self.free_required = 0
        for key in shape.required:
            index = frame.index[key]
            if index < frame.ordered:
                ordered.append(index)
            else:
                self.free_required |= 1 << index
        ordered.sort()
        self.required = ordered
        """Indices of the required keys that have a place in the order, ascending."""
        self.last = ordered[-1] if ordered else -1
        self.optional: int | None = None
        """Keys whose value can be met, as a bit set; worked out when a count asks for it."""


class Frame:
    """What all residues of one object have in common: the names of its keys and their order."""

    __slots__ = (
        "_classes",
        "_sorted",
        "cap",
        "demands",
        "extras",
        "id",
        "index",
        "literal_at",
        "names",
        "ordered",
        "pattern_at",
        "predicates",
        "simple",
        "standings",
        "watch",
    )

    def __init__(self, id: int, demands: tuple[int, ...], names: tuple[str, ...], ordered: int) -> None:
        self.id = id
        self.demands = demands
        self.names = names
        """The keys that have a place in the order, in that order, then those that may come in any order after."""
        self.ordered = ordered
        self.index = {name: index for index, name in enumerate(names)}
        self.predicates: list[Formula] = []
        self.pattern_at: dict[str, int] = {}
        self.literal_at: dict[int, int] = {}
        self.cap = 0
        """Members are counted up to here; beyond it their number does not matter."""
        self.watch = 0
        """Ordered keys of which it is remembered whether they were written."""
        self.standings: dict[int, Standing] = {}
        self.extras: dict[tuple[int, int], int] = {}
        self.simple: dict[int, tuple[tuple[int, ...], tuple[bool, ...], int]] = {}
        self._classes: list[KeyClass] | None = None
        self._sorted: tuple[str, ...] | None = None

    def sorted_names(self) -> tuple[str, ...]:
        """Return the names sorted by their UTF-8 bytes."""
        if self._sorted is None:
            self._sorted = tuple(sorted(self.names, key=lambda name: name.encode("utf-8", "surrogatepass")))
        return self._sorted


Moves: TypeAlias = tuple[int, list[tuple[int, Thread]]]
"""The place of a value, and for each thread that goes on the index of the demand that the value must meet for it."""


class ObjectState:
    """A residue of an object. Immutable, but for its memos."""

    __slots__ = (
        "begun",
        "closing",
        "count",
        "extra",
        "frame",
        "id",
        "mask",
        "moves",
        "pos",
        "rests",
        "threads",
    )

    def __init__(
        self,
        id: int,
        frame: Frame,
        pos: int,
        mask: int,
        count: int,
        begun: bool,
        threads: tuple[Thread, ...],
    ) -> None:
        self.id = id
        self.frame = frame
        self.pos = pos
        """Ordered keys before this index may not come any more."""
        self.mask = mask
        """Bits of the keys written, as far as they are remembered."""
        self.count = count
        self.begun = begun
        """A member has been written."""
        self.threads = threads
        self.moves: dict[str | frozenset[int], Moves | None] = {}
        self.extra: list[tuple[Formula, Moves]] | None = None
        self.closing: frozenset[int] | None = None
        self.rests: dict[int, Text] | None = None


class Objects:
    """The objects of one network: frames, residues and their moves."""

    def __init__(
        self,
        tables: Tables,
        scalars: Scalars,
        shapes: Shapes,
        limits: Limits,
        *,
        any_order: bool,
        register: Callable[[object], int],
    ) -> None:
        """`register` gives a new residue its number."""
        self.tables = tables
        self.scalars = scalars
        self.shapes = shapes
        self.limits = limits
        self.any_order = any_order
        self.register = register
        self.alive: Callable[[int], bool] = lambda demand: True
        """Set by the network: whether some value meets a demand."""
        self._frames: dict[tuple[int, ...], Frame] = {}
        self._states: dict[tuple[object, ...], ObjectState] = {}
        self._live: dict[tuple[object, ...], bool] = {}

    # Frames

    def frame(self, demands: tuple[int, ...]) -> Frame:
        """Return the frame of the objects of a place; its order is that of the place."""
        frame = self._frames.get(demands)
        if frame is None:
            frame = self._frames[demands] = self._make_frame(demands)
        return frame

    def _make_frame(self, demands: tuple[int, ...]) -> Frame:
        every = [shape for demand in demands for shape in self.shapes.objects(demand)]
        frame_id = len(self._frames)
        if len(every) == 1 and every[0].plain and not every[0].key_literals and not every[0].values:
            shape = every[0]
            facets = shape.facets
            literals = self.tables.demands[demands[0]]
            if len(demands) == 1 and len(literals) == 1 and len(facets) <= 1:
                schema = self.tables.infos[literals[0] >> 1].schema
                if (not facets or facets[0] is schema) and not schema.pattern_properties:
                    # One schema with plain keywords: by far the most frequent frame.
                    properties = schema.properties
                    names = [*properties, *(key for key in shape.required if key not in properties)]
                    frame = Frame(frame_id, demands, tuple(names), 0 if self.any_order else len(names))
                    if shape.lo or shape.hi is not None:
                        frame.cap = max(shape.lo, -1 if shape.hi is None else shape.hi + 1)
                    return frame
        return self._general_frame(frame_id, demands, every)

    def _general_frame(self, frame_id: int, demands: tuple[int, ...], every: list[ObjectShape]) -> Frame:
        universe: dict[str, None] = {}
        sources: dict[str, None] = {}
        literals: dict[int, None] = {}
        watched: dict[str, None] = {}
        cap = 0
        for shape in every:
            cap = max(cap, shape.lo, -1 if shape.hi is None else shape.hi + 1)
            facets = list(shape.facets)
            universe.update(dict.fromkeys(shape.required))
            universe.update(dict.fromkeys(shape.values))
            for key, others in shape.conditional:
                watched.update(dict.fromkeys((key, *others)))
            literals.update(dict.fromkeys(shape.key_literals))
            for obligation in shape.obligations:
                for alternative in obligation:
                    match alternative:
                        case AtKey(key, _) | Without(key):
                            universe[key] = None
                        case AtPattern(source, _):
                            sources[source] = None
                        case AtOther(schema, _):
                            facets.append(schema)
                        case BadKey(literal):
                            literals[literal] = None
                        case AtLeast(count):
                            cap = max(cap, count)
                        case AtMost(count):
                            cap = max(cap, count + 1)
            for facet in facets:
                universe.update(dict.fromkeys(facet.properties))
                sources.update(dict.fromkeys(source for source, _ in facet.pattern_properties))
        universe.update(watched)
        for source in list(sources):
            words = self.scalars.strings.words(Pattern(source), _WORDS) if _seems_finite(source) else None
            if words is not None:
                universe.update(dict.fromkeys(words))
                del sources[source]
        for literal in literals:
            formula = self.scalars.literal(literal, STRING)
            if isinstance(formula, Words) and len(formula.of) <= _WORDS:
                universe.update(dict.fromkeys(sorted(formula.of)))
        if self.any_order:
            names, ordered = list(universe), 0
            names.sort(key=json_string)
        else:
            positive = [
                self.tables.infos[literal >> 1].schema
                for demand in demands
                for literal in self.tables.demands[demand]
                if not literal & 1
            ]
            names = declared(positive)
            ordered = len(names)
            known = set(names)
            names.extend(sorted((key for key in universe if key not in known), key=json_string))
        frame = Frame(frame_id, demands, tuple(names), ordered)
        frame.cap = cap
        for key in watched:
            frame.watch |= 1 << frame.index[key]
        for source in sources:
            frame.pattern_at[source] = len(frame.predicates)
            frame.predicates.append(Pattern(source))
        for literal in literals:
            frame.literal_at[literal] = len(frame.predicates)
            frame.predicates.append(self.scalars.literal(literal, STRING))
        return frame

    def classes(self, frame: Frame) -> list[KeyClass]:
        """Return the classes of keys that the frame does not name, told apart by its predicates."""
        found = frame._classes
        if found is None:
            parts: list[tuple[tuple[int, ...], tuple[Formula, ...]]] = [((), ())]
            prefixes: list[str | None] = []
            for at, predicate in enumerate(frame.predicates):
                prefix = patterns.literal_prefix(predicate.source) if isinstance(predicate, Pattern) else None
                prefixes.append(prefix)
                split: list[tuple[tuple[int, ...], tuple[Formula, ...]]] = []
                for true, formulas in parts:
                    if not any(_apart(prefix, prefixes[other]) for other in true):
                        split.append(((*true, at), (*formulas, predicate)))
                    split.append((true, (*formulas, negation(predicate))))
                if len(split) > 32:
                    split = [part for part in split if self.scalars.satisfiable(conjunction(part[1]), STRING)]
                if len(split) > self.limits.alternatives:
                    raise LimitError(
                        f"{len(frame.predicates)} patterns of keys overlap in {len(split):,} ways.",
                        limit="alternatives",
                        where=next(iter(self.tables.sources(frame.demands)), ""),
                    )
                parts = split
            found = frame._classes = [
                KeyClass(index, frozenset(true), conjunction(formulas))
                for index, (true, formulas) in enumerate(parts)
            ]
        return found

    def _unnamed(self, frame: Frame, formula: Formula, taken: Iterable[str]) -> Formula:
        names = frozenset((*frame.names, *taken))
        return conjunction((formula, Not(Words(names)))) if names else formula

    def _fresh_keys(self, frame: Frame, key_class: KeyClass, count: int, taken: Collection[str]) -> list[str]:
        """Return up to `count` keys of a class, the shortest first."""
        if count > _MANY_KEYS:
            raise LimitError(
                f"an object here needs {count:,} keys that no schema names.",
                limit="oracle_steps",
                where=next(iter(self.tables.sources(frame.demands)), ""),
            )
        found: list[str] = []
        if key_class.formula == TRUE:
            avoid = set(frame.names) | set(taken)
            for key in _short_keys(len(avoid) + count):
                if key not in avoid:
                    found.append(key)
                    if len(found) == count:
                        break
            return found
        for _ in range(count):
            formula = self._unnamed(frame, key_class.formula, (*taken, *found))
            text = self.scalars.shortest(formula, STRING)
            if text is None:
                break
            found.append(_decoded(text.flat()))
        return found

    # What a thread asks

    def standing(self, frame: Frame, shape: ObjectShape) -> Standing:
        """Return the shape's required keys by their indices in the frame."""
        found = frame.standings.get(shape.id)
        if found is None:
            found = frame.standings[shape.id] = Standing(shape, frame)
        return found

    def value(self, shape: ObjectShape, key: str) -> int:
        """Return the demand on the value under a named key, NEVER where the key may not be there."""
        found = shape.values_memo.get(key)
        if found is None:
            found = shape.values_memo[key] = self._value(shape, key)
        return found

    def _value(self, shape: ObjectShape, key: str) -> int:
        if not key.isascii() and not self.scalars.lone and has_lone_surrogate(key):
            return NEVER
        facets = shape.facets
        if len(facets) == 1 and not shape.values and not shape.key_literals:
            facet = facets[0]
            child = facet.properties.get(key)
            if not facet.pattern_properties:
                if child is None:
                    child = facet.additional
                    if child is None:
                        return 0
                return self.tables.demand_of(child)
        for literal in shape.key_literals:
            if not self.scalars.string_meets(self.scalars.literal(literal, STRING), key):
                return NEVER
        literals = self.shapes.value_literals(facets, key)
        literals.extend(shape.values.get(key, ()))
        return self.tables.demand(literals)

    def _extra(self, frame: Frame, shape: ObjectShape, key_class: KeyClass) -> int:
        """Return the demand on the values of a class of keys that the frame does not name."""
        found = frame.extras.get((shape.id, key_class.index))
        if found is None:
            tables = self.tables
            literals: list[int] = []
            for literal in shape.key_literals:
                if frame.literal_at[literal] not in key_class.true:
                    literals.append(NEVER)
            for facet in shape.facets:
                matched = False
                for source, child in facet.pattern_properties:
                    if frame.pattern_at.get(source, -1) in key_class.true:
                        matched = True
                        literals.append(tables.literal(child))
                if not matched and facet.additional is not None:
                    literals.append(tables.literal(facet.additional))
            found = frame.extras[shape.id, key_class.index] = tables.demand(literals)
        return found

    def extra_demand(self, frame: Frame, shape: ObjectShape) -> int:
        """Return the demand on values under keys that the frame does not name, where these are of one class."""
        return self._extra(frame, shape, self.classes(frame)[0])

    def _base(self, frame: Frame, shape: ObjectShape, where: Where) -> int:
        return self.value(shape, where) if isinstance(where, str) else self._extra(frame, shape, where)

    def _discharge(self, frame: Frame, alternative: Alternative, where: Where) -> tuple[int, ...] | None:
        """Return the literals under which a member at `where` makes an alternative true; None: it cannot."""
        match alternative:
            case AtKey(key, literals):
                return literals if where == key else None
            case AtPattern(source, literals):
                return literals if self._matches(frame, source, where) else None
            case AtOther(schema, literals):
                if isinstance(where, str) and where in schema.properties:
                    return None
                if any(self._matches(frame, source, where) for source, _ in schema.pattern_properties):
                    return None
                return literals
            case BadKey(literal):
                if isinstance(where, str):
                    meets = self.scalars.string_meets(self.scalars.literal(literal, STRING), where)
                else:
                    meets = frame.literal_at[literal] in where.true
                return None if meets else ()
        return None

    def _matches(self, frame: Frame, source: str, where: Where) -> bool:
        if isinstance(where, str):
            return self.scalars.pattern_matches(source, where)
        return frame.pattern_at.get(source, -1) in where.true

    def _options(self, frame: Frame, shape: ObjectShape, debt: Debt, where: Where) -> list[tuple[int, Debt]]:
        """Return the ways to take a member: the demand on its value, and what is owed after it."""
        base = self._base(frame, shape, where)
        if base == NEVER:
            return []
        if not debt:
            return [(base, debt)]
        ways: list[list[tuple[tuple[int, ...], bool]]] = []
        total = 1
        for obligation in debt:
            own: list[tuple[tuple[int, ...], bool]] = [((), False)]
            for alternative in obligation:
                literals = self._discharge(frame, alternative, where)
                if literals is not None:
                    own.append((literals, True))
            if ((), True) in own:
                own = [((), True)]
            ways.append(own)
            total *= len(own)
            if total > self.limits.alternatives:
                raise LimitError(
                    "one member of this object can meet its obligations in too many ways.",
                    limit="alternatives",
                    where=next(iter(self.tables.sources(frame.demands)), ""),
                )
        found: dict[tuple[int, Debt], None] = {}
        for combination in product(*ways):
            extra = [literal for literals, _ in combination for literal in literals]
            demand = self.tables.both(base, extra) if extra else base
            if demand == NEVER or (extra and self.tables.clash(self.tables.demands[demand])):
                continue
            left = tuple(
                obligation for obligation, (_, met) in zip(debt, combination, strict=True) if not met
            )
            found[demand, left] = None
        return list(found)

    def _owed(
        self, frame: Frame, debt: Debt, where: Where, before: int, pos: int, mask: int, count: int
    ) -> Debt | None:
        """Return what is owed once a member has been written; None where it can no longer be paid."""
        if not debt:
            return debt
        left: list[Obligation] = []
        for obligation in debt:
            kept: list[Alternative] = []
            held = False
            for alternative in obligation:
                match alternative:
                    case Without(key):
                        if key == where:
                            continue
                        index = frame.index[key]
                        if index < frame.ordered:
                            if before <= index < pos:
                                held = True
                                break
                            if index < before:
                                continue
                        elif mask >> index & 1:
                            continue
                    case AtKey(key, _):
                        index = frame.index[key]
                        if key == where or (index < pos if index < frame.ordered else mask >> index & 1):
                            continue
                    case AtLeast(least):
                        if count >= least:
                            held = True
                            break
                    case AtMost(most):
                        if count > most:
                            continue
                kept.append(alternative)
            if held:
                continue
            if not kept:
                return None
            left.append(tuple(kept))
        return tuple(left)

    def _closes(self, shape: ObjectShape, frame: Frame, mask: int, count: int, debt: Debt) -> bool:
        """Return whether an object that has all its required keys may close."""
        if count < shape.lo or (shape.hi is not None and count > shape.hi):
            return False
        for key, others in shape.conditional:
            if mask >> frame.index[key] & 1 and not all(mask >> frame.index[other] & 1 for other in others):
                return False
        return all(
            any(isinstance(alternative, (Without, AtMost)) for alternative in obligation)
            for obligation in debt
        )

    # Liveness

    def start(self, demands: tuple[int, ...]) -> ObjectState | None:
        """Return the residue of an object of which nothing is written, or None where no demand can be met."""
        threads: list[Thread] = []
        frame: Frame | None = None
        for j, demand in enumerate(demands):
            for shape in self.shapes.objects(demand):
                if frame is None:
                    frame = self.frame(demands)
                if self._begins(frame, shape):
                    threads.append((j, shape, shape.obligations))
        if frame is None or not threads:
            return None
        return self.state(frame, 0, 0, 0, False, tuple(threads))

    def _begins(self, frame: Frame, shape: ObjectShape) -> bool:
        """Return whether some object has the shape."""
        for key in shape.required:
            demand = self.value(shape, key)
            if demand == NEVER or not self.alive(demand):
                return False
        if shape.plain and not shape.lo and shape.hi is None:
            return True
        return self._goes_on(frame, shape, shape.obligations, 0, 0, 0)

    def _goes_on(self, frame: Frame, shape: ObjectShape, debt: Debt, pos: int, mask: int, count: int) -> bool:
        """Return whether a thread whose required keys are all in order and can be met leads to a whole object."""
        if shape.plain:
            if not shape.lo and shape.hi is None:
                return True
            return self._counts(frame, shape, pos, mask, count)
        key = (frame.id, shape.id, debt, pos, mask, count)
        found = self._live.get(key)
        if found is None:
            found = self._live[key] = (
                self.complete(frame, shape, debt, pos, mask, count, True, self._known, False) is not None
            )
        return found

    def _known(self, demand: int) -> Text | None:
        return EMPTY if self.alive(demand) else None

    def _counts(self, frame: Frame, shape: ObjectShape, pos: int, mask: int, count: int) -> bool:
        missing = self._missing(frame, shape, pos, mask)
        if shape.hi is not None and max(shape.lo, count + missing) > shape.hi:
            return False
        if count + missing >= shape.lo:
            return True
        standing = self.standing(frame, shape)
        if standing.optional is None:
            standing.optional = 0
            for index, name in enumerate(frame.names):
                demand = self.value(shape, name)
                if demand != NEVER and self.alive(demand):
                    standing.optional |= 1 << index
        passed = (1 << min(pos, frame.ordered)) - 1
        least = shape.lo - count - (standing.optional & ~(mask | passed)).bit_count()
        return least <= 0 or self._extras(frame, shape, least) >= least

    def _missing(self, frame: Frame, shape: ObjectShape, pos: int, mask: int) -> int:
        """Return how many required keys are still to be written."""
        standing = self.standing(frame, shape)
        missing = len(standing.required) - bisect_left(standing.required, pos)
        return missing + (standing.free_required & ~mask).bit_count()

    def _extras(self, frame: Frame, shape: ObjectShape, most: int) -> int:
        """Return how many members with keys that the frame does not name a new object may have, up to `most`."""
        found = 0
        for key_class in self.classes(frame):
            demand = self._extra(frame, shape, key_class)
            if demand != NEVER and self.alive(demand):
                if key_class.formula == TRUE or _infinite(key_class.formula):
                    return most
                found += len(self._fresh_keys(frame, key_class, most - found, ()))
        return found

    # Completion

    def complete(
        self,
        frame: Frame,
        shape: ObjectShape,
        debt: Debt,
        pos: int,
        mask: int,
        count: int,
        begun: bool,
        ask: Ask,
        written: bool,
        taken: Collection[str] = (),
    ) -> Text | None:
        """Return the shortest rest of an object for one thread, closing brace included, or None.

        `ask` gives the text of a value; `written` False leaves keys out (only whether there is a rest matters).
        A shortest-path search over the keys in the order in which they are written. `taken`: keys that the
        object already holds and the frame does not name.
        """
        required = set(shape.required)
        if shape.plain:
            missing = self._missing(frame, shape, pos, mask)
            if count + missing >= shape.lo and (shape.hi is None or count + missing <= shape.hi):
                return self._plain_rest(frame, shape, pos, mask, begun, ask)
        candidates = self._candidates(frame, shape, debt, pos, mask, count, written, taken)
        conditional = 0
        for key, others in shape.conditional:
            conditional |= 1 << frame.index[key]
            for other in others:
                conditional |= 1 << frame.index[other]
        layer: dict[tuple[int, int, Debt, bool, int], Text] = {
            (mask & conditional, count, debt, begun, pos): EMPTY
        }
        steps = 0
        for text, where, index in candidates:
            needed = isinstance(where, str) and where in required
            following: dict[tuple[int, int, Debt, bool, int], Text] = {} if needed else dict(layer)
            for (mask_now, count_now, debt_now, begun_now, pos_now), prefix in layer.items():
                count_then = min(count_now + 1, frame.cap) if frame.cap else 0
                if shape.hi is not None and count_now + 1 > shape.hi:
                    continue
                if index < 0 or index >= frame.ordered:
                    pos_then = frame.ordered
                else:
                    pos_then = index + 1
                mask_then = mask_now | (1 << index & conditional if index >= 0 else 0)
                for demand, left in self._options(frame, shape, debt_now, where):
                    steps += 1
                    if steps > self.limits.oracle_steps:
                        raise LimitError(
                            "the ways to complete an object here are too many.",
                            limit="oracle_steps",
                            where=next(iter(self.tables.sources(frame.demands)), ""),
                        )
                    value = ask(demand)
                    if value is None:
                        continue
                    owed = self._owed(frame, left, where, pos_now, pos_then, mask_now, count_then)
                    if owed is None:
                        continue
                    state = (mask_then, count_then, owed, True, pos_then)
                    new = Text((prefix, b"," + text if begun_now else text, value)) if written else EMPTY
                    if new.before(following.get(state)):
                        following[state] = new
            layer = following
            if not layer:
                return None
        best: Text | None = None
        for (mask_now, count_now, debt_now, _, _), prefix in layer.items():
            if self._closes(shape, frame, mask_now, count_now, debt_now) and prefix.before(best):
                best = prefix
        return None if best is None else Text((best, b"}"))

    def _plain_rest(
        self, frame: Frame, shape: ObjectShape, pos: int, mask: int, begun: bool, ask: Ask
    ) -> Text | None:
        standing = self.standing(frame, shape)
        parts: list[bytes | Text] = []
        indices = standing.required[bisect_left(standing.required, pos) :]
        free = standing.free_required & ~mask
        if free:
            rest = [frame.names[index] for index in _bits(free)]
            rest.sort(key=json_string)
            names = [*(frame.names[index] for index in indices), *rest]
        else:
            names = [frame.names[index] for index in indices]
        for name in names:
            demand = self.value(shape, name)
            value = ask(demand) if demand != NEVER else None
            if value is None:
                return None
            parts.append((b"," if begun else b"") + json_string(name) + b":")
            parts.append(value)
            begun = True
        parts.append(b"}")
        return Text(tuple(parts))

    def _candidates(
        self,
        frame: Frame,
        shape: ObjectShape,
        debt: Debt,
        pos: int,
        mask: int,
        count: int,
        written: bool,
        taken: Collection[str],
    ) -> list[tuple[bytes, Where, int]]:
        """Return the members that a shortest rest may be made of, in the order in which they would be written."""
        wanted: set[str] = set(shape.required)
        for key, others in shape.conditional:
            wanted.add(key)
            wanted.update(others)
        least = shape.lo
        open_ended = 0
        for obligation in debt:
            any_key = False
            for alternative in obligation:
                if isinstance(alternative, AtKey):
                    wanted.add(alternative.key)
                elif isinstance(alternative, AtLeast):
                    least = max(least, alternative.count)
                elif isinstance(alternative, (AtPattern, AtOther, BadKey)):
                    any_key = True
                    wanted.update(
                        name for name in frame.names if self._discharge(frame, alternative, name) is not None
                    )
            open_ended += any_key
        missing = max(0, least - count)
        if missing:
            wanted.update(frame.names)
        ordered: list[tuple[bytes, Where, int]] = []
        free: list[tuple[bytes, Where, int]] = []
        for name in wanted:
            index = frame.index[name]
            if index < frame.ordered:
                if index >= pos:
                    ordered.append((json_string(name) + b":" if written else b"", name, index))
            elif not mask >> index & 1:
                free.append((json_string(name) + b":", name, index))
        ordered.sort(key=lambda candidate: candidate[2])
        extras = missing + open_ended
        if extras:
            for key_class in self.classes(frame):
                if self._extra(frame, shape, key_class) == NEVER:
                    continue
                if not written and (key_class.formula == TRUE or _infinite(key_class.formula)):
                    free.extend((b"", key_class, -1) for _ in range(extras))
                else:
                    free.extend(
                        (json_string(key) + b":", key_class, -1)
                        for key in self._fresh_keys(frame, key_class, extras, taken)
                    )
        free.sort(key=lambda candidate: candidate[0])
        return [*ordered, *free]

    # Residues

    def state(
        self, frame: Frame, pos: int, mask: int, count: int, begun: bool, threads: tuple[Thread, ...]
    ) -> ObjectState:
        """Return the residue with these contents, interned."""
        key = (frame.id, pos, mask, count, begun, threads)
        state = self._states.get(key)
        if state is None:
            state = ObjectState(0, frame, pos, mask, count, begun, threads)
            state.id = self.register(state)
            self._states[key] = state
        return state

    def _after(self, state: ObjectState, where: Where) -> tuple[int, int, int]:
        """Return the place in the order, the keys and the number of members after a member at `where`."""
        frame = state.frame
        count = min(state.count + 1, frame.cap)
        if isinstance(where, str):
            index = frame.index[where]
            if index < frame.ordered:
                return index + 1, state.mask | (1 << index & frame.watch), count
            return frame.ordered, state.mask | 1 << index, count
        return frame.ordered, state.mask, count

    def moves(self, state: ObjectState, name: str) -> Moves | None:
        """Return what a value under a named key leads to, or None where the key may not come now."""
        if name not in state.moves:
            frame = state.frame
            index = frame.index[name]
            written = index < state.pos if index < frame.ordered else bool(state.mask >> index & 1)
            state.moves[name] = None if written else self._moves(state, name)
        return state.moves[name]

    def _moves(self, state: ObjectState, where: Where) -> Moves | None:
        frame = state.frame
        pos, mask, count = self._after(state, where)
        reach = frame.index[where] if isinstance(where, str) else frame.ordered
        demands: dict[int, int] = {}
        going: list[tuple[int, Thread]] = []
        for thread in state.threads:
            j, shape, debt = thread
            standing = self.standing(frame, shape)
            if standing.last >= state.pos:
                required = standing.required
                at = bisect_left(required, state.pos)
                if at < len(required) and required[at] < min(reach, frame.ordered):
                    continue
            if shape.hi is not None and state.count >= shape.hi:
                continue
            if shape.plain:
                demand = self._base(frame, shape, where)
                if demand == NEVER or not self.alive(demand):
                    continue
                if not self._goes_on(frame, shape, debt, pos, mask, count):
                    continue
                going.append((demands.setdefault(demand, len(demands)), thread))
                continue
            for demand, left in self._options(frame, shape, debt, where):
                if not self.alive(demand):
                    continue
                owed = self._owed(frame, left, where, state.pos, pos, state.mask, count)
                if owed is None or not self._goes_on(frame, shape, owed, pos, mask, count):
                    continue
                going.append((demands.setdefault(demand, len(demands)), (j, shape, owed)))
        if not going:
            return None
        return self.tables.place(tuple(demands)), going

    def named(self, state: ObjectState) -> dict[str, int]:
        """Return the named keys that may come now, each with the place of its value."""
        frame = state.frame
        limit = -1
        for _, shape, _ in state.threads:
            required = self.standing(frame, shape).required
            at = bisect_left(required, state.pos)
            limit = max(limit, required[at] if at < len(required) else len(frame.names))
        found: dict[str, int] = {}
        for index in range(state.pos, min(limit + 1, len(frame.names))):
            if index >= frame.ordered and state.mask >> index & 1:
                continue
            name = frame.names[index]
            moves = self.moves(state, name)
            if moves is not None:
                found[name] = moves[0]
        return found

    def extra(self, state: ObjectState) -> list[tuple[Formula, Moves]]:
        """Return the classes of keys that the frame does not name and may come now, with what they lead to."""
        found = state.extra
        if found is None:
            found = state.extra = []
            if any(self.standing(state.frame, shape).last < state.pos for _, shape, _ in state.threads):
                groups: dict[object, tuple[list[Formula], Moves]] = {}
                classes = self.classes(state.frame)
                for key_class in classes:
                    moves = self._moves(state, key_class)
                    if moves is not None:
                        key = (moves[0], tuple(moves[1]))
                        groups.setdefault(key, ([], moves))[0].append(key_class.formula)
                for formulas, moves in groups.values():
                    whole = len(formulas) == len(classes)
                    found.append((TRUE if whole else disjunction(formulas), moves))
        return found

    def closing(self, state: ObjectState) -> frozenset[int]:
        """Return the indices of the demands that the object meets if it closes now."""
        found = state.closing
        if found is None:
            frame = state.frame
            met: list[int] = []
            for j, shape, debt in state.threads:
                standing = self.standing(frame, shape)
                if standing.last >= state.pos or standing.free_required & ~state.mask:
                    continue
                if self._closes(shape, frame, state.mask, state.count, debt):
                    met.append(j)
            found = state.closing = frozenset(met)
        return found

    def after(self, state: ObjectState, moves: Moves, where: Where, met: frozenset[int]) -> ObjectState:
        """Return the residue after a value that met these demands of its place."""
        pos, mask, count = self._after(state, where)
        threads = _undominated([thread for index, thread in moves[1] if index in met])
        frame = state.frame
        if (count or frame.watch) and all(shape.simple for _, shape, _ in threads):
            # What was remembered for the sake of other threads matters no more.
            count, mask = 0, mask >> frame.ordered << frame.ordered
        return self.state(frame, pos, mask, count, True, threads)

    def rest(self, state: ObjectState, thread: Thread, ask: Ask, taken: Collection[str] = ()) -> Text | None:
        """Return the shortest rest of the object for one of its threads."""
        _, shape, debt = thread
        return self.complete(
            state.frame, shape, debt, state.pos, state.mask, state.count, state.begun, ask, True, taken
        )

    def any_class(self, frame: Frame) -> KeyClass:
        """Return some class of the frame; for `after`, to which all are alike."""
        return self.classes(frame)[0]


def _undominated(threads: Sequence[Thread]) -> tuple[Thread, ...]:
    """Return the threads without duplicates and without those that owe more than another that is otherwise the same."""
    if len(threads) < 2:
        return tuple(threads)
    distinct = tuple(dict.fromkeys(threads))
    if not any(debt for _, _, debt in distinct):
        return distinct
    groups: dict[tuple[int, int], list[frozenset[Obligation]]] = {}
    for j, shape, debt in distinct:
        groups.setdefault((j, shape.id), []).append(frozenset(debt))
    return tuple(
        (j, shape, debt)
        for j, shape, debt in distinct
        if not any(other < frozenset(debt) for other in groups[j, shape.id])
    )


def _apart(a: str | None, b: str | None) -> bool:
    """Return whether no key begins with both prefixes."""
    if a is None or b is None:
        return False
    return not (a.startswith(b) or b.startswith(a))


def _seems_finite(source: str) -> bool:
    """Return whether a pattern is anchored at both ends and has no sign of unbounded repetition."""
    return "^" in source and "$" in source and not any(sign in source for sign in ("*", "+", ",}"))


def _infinite(formula: Formula) -> bool:
    """Return whether infinitely many strings meet a formula, where that shows at once."""
    match formula:
        case Pattern(source):
            plain = patterns.simple(source)
            return plain is not None and plain.infinite
        case Not(Pattern(source)):
            return patterns.literal_prefix(source) is not None
        case Not(Words()):
            return True
    return False


def _bits(mask: int) -> list[int]:
    found: list[int] = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def _short_keys(count: int) -> list[str]:
    """Return the `count` first strings by the length and the bytes of their JSON text."""
    letters = [chr(code) for code in range(0x20, 0x80) if chr(code) not in '"\\']
    found = [""]
    found.extend(letters[:count])
    at = 1
    while len(found) < count:
        found.extend(found[at] + letter for letter in letters)
        at += 1
    # Strings of two bytes: two letters; characters of two bytes or escapes are not smaller than those.
    found.sort(key=string_order)
    return found[:count]


def _decoded(literal: bytes) -> str:
    value = json.loads(literal)
    assert isinstance(value, str)
    return value
