"""Points that must differ: how many a demand has, which, and whether items can all be different.

A demand with more values than are asked for never stands in the way. One with fewer has them listed, and
whether each item can have its own is a question of matching (Kuhn's algorithm).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from structgen.automata.strings.live_strings import speaks_of_texts
from structgen.base.errors import LimitError, SchemaError
from structgen.base.json_text.exact_json import Json, nearest_double, read
from structgen.base.language.ir import FALSE, TRUE, Formula, Length, Not, PlainInteger, Words, conjuncts
from structgen.base.language.number_ranges import Ranges, points
from structgen.schema.meaning.formulas import EXACT_EXPONENT, LISTED, steps_and_ranges
from structgen.schema.meaning.literals import ARRAY, NUMBER, OBJECT, STRING, Literal
from structgen.schema.meaning.place import PlaceTables
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape import ArrayShape, Differs, ObjectShape
from structgen.schema.meaning.shape_disjunctions import Shapes
from structgen.schema.reading.json_values import JsonPieces
from structgen.schema.recogniser.object_search import Ask

_DEPTH = 6
"""Schemas within schemas that are looked into for a sign of many values."""
_COUNTED = 4_096
"""Points of one demand that are listed one by one."""
_NARROW = Decimal("1e-6")
"""Any wider interval, and wider than this part of its ends, has millions of numerals under every policy."""


class Distinct:
    """Counts and lists values of demands; every question takes `ask` (see `object_search.Ask`) for
    aliveness."""

    def __init__(
        self,
        tables: PlaceTables,
        scalars: Scalars,
        shapes: Shapes,
        item: Callable[[ArrayShape, int], int],
        member: Callable[[ObjectShape, str], int],
    ) -> None:
        """`item`, `member`: the demand on an item, and on the value under a key."""
        self.tables = tables
        self.scalars = scalars
        self.shapes = shapes
        self.text: Callable[[int], JsonPieces | None]
        """Set by the network: the text of some value of a demand."""
        self.of_point: Callable[[str], Json] = nearest_double
        """Set by the network: the value of a numeral with a point or an exponent."""
        self.item, self.member = item, member
        self.looked_for: dict[Literal, bytes] = {}
        """Values, each with a text, of which somebody asked whether an array holds them: what else it holds
        made no difference."""
        self._read: dict[bytes, Literal] = {}
        self._lists: dict[int, list[tuple[JsonPieces, Literal]] | None] = {}
        self._enough: dict[int, int] = {}
        self._fewer: dict[int, int] = {}

    def literal(self, text: bytes) -> Literal:
        """Return the literal of the value of a JSON text. Raises `LimitError` for a number that no decimal
        holds, as numbers="any" may write it."""
        literal = self._read.get(text)
        if literal is None:
            if len(self._read) > _COUNTED:
                self._read.clear()
            try:
                value = read(text.decode("utf-8", "surrogatepass"), self.of_point)
            except SchemaError:  # of a text that was taken as JSON this alone is left
                raise LimitError(
                    "A number among items that must differ has an exponent beyond 10^18.",
                    limit="number_chars",
                    cure='Write numbers as numbers="bounded" allows.',
                ) from None
            literal = self._read[text] = self.tables.constants.value(value, "")
        return literal

    # How many

    def has(self, demand: int, need: int, ask: Ask, surely: bool = False) -> bool:
        """Return whether a demand has at least `need` values; LimitError where that takes too long. `surely`:
        whether a cheap proof shows that it has; False: unknown."""
        if need <= 0:
            return True
        if ask(demand) is None:
            return False
        if need <= self._enough.get(demand, 1):
            return True
        if need >= self._fewer.get(demand, need + 1):
            return False
        is_many = self._many(demand, need, ask, _DEPTH) or (not surely and self._exactly(demand, need))
        if is_many:
            self._enough[demand] = need
        elif not surely:
            self._fewer[demand] = need
        return is_many

    def _exactly(self, demand: int, need: int) -> bool:
        return any(nth >= need for nth, _ in enumerate(self.values(demand, self.text), 1))

    def _many(self, demand: int, need: int, ask: Ask, depth: int) -> bool:
        """Return whether a cheap proof shows that a demand has so many values. False: unknown."""
        scalars, types = self.scalars, self.scalars.types(demand)
        count = len(scalars.constants(demand, types))
        if types & NUMBER:
            count += self._numbers(scalars.demand(demand, NUMBER), need)
        if types & STRING and count < need:
            count += self._strings(scalars.demand(demand, STRING), need)
        if count >= need:
            return True
        if not depth:
            return False
        if types & ARRAY:
            for array in self.shapes.arrays(demand):
                if self._many_arrays(array, need, ask, depth):
                    return True
        if types & OBJECT:
            for shape in self.shapes.objects(demand):
                if self._many_objects(shape, need, ask, depth):
                    return True
        return False

    def _numbers(self, formula: Formula, need: int) -> int:
        """Return a lower bound on the numbers of a formula, `need` where there are as many."""
        if formula == TRUE:
            return need
        if self.scalars.quoting.numerals_lack:
            return 0
        steps, ranges, is_known = steps_and_ranges(formula)
        if len(steps) > 1 or not is_known or PlainInteger() in conjuncts(formula):
            return 0
        count = 0
        for low, high in ranges.ends():
            if low is None or high is None:
                return need
            ends = Decimal(low[0]), Decimal(high[0])
            if ends[0] == ends[1]:
                count += not steps
            elif not any(abs(value.adjusted()) > EXACT_EXPONENT for value in (*ends, *steps) if value):
                width, most = ends[1] - ends[0], max(Decimal(1), abs(ends[0]), abs(ends[1]))
                if steps:
                    count += max(0, int(width / steps[0]) - 1) if steps[0] > _NARROW**2 * most else 0
                elif width > _NARROW * most and need < 10**6:
                    return need
        return min(count, need)

    def _strings(self, formula: Formula, need: int) -> int:
        """Return how many strings a formula has, up to `need`."""
        if isinstance(formula, Words):
            return len(formula.of)
        parts = conjuncts(formula)
        if all(
            (isinstance(part, Not) and isinstance(part.of, Words))
            or (isinstance(part, Length) and part.most is None)
            for part in parts
        ):
            return need
        if formula == FALSE:
            return 0
        if need > _COUNTED:
            return 0
        words = self.scalars.strings.words(formula, need - 1)
        return need if words is None else len(words)

    def _many_arrays(self, shape: ArrayShape, need: int, ask: Ask, depth: int) -> bool:
        if shape.counters or shape.obligations or shape.lo > _DEPTH:
            return False
        if shape.hi is not None and (shape.lo > shape.hi or not shape.hi):
            return False
        least = max(shape.lo, 1)
        demands = [self.item(shape, index) for index in range(least)]
        if None in map(ask, demands):
            return False
        if self.is_endless(shape, 0, ask):
            return True
        wanted = need + shape.lo if shape.unique else need
        fast = (self._fast(demand, wanted, ask, depth) for demand in demands)
        return all(fast) if shape.unique else any(fast)

    def is_endless(self, shape: ArrayShape, index: int, ask: Ask) -> bool:
        """Return whether any number of items may follow so many, but for what obligations ask."""
        if shape.counters or shape.unique or shape.hi is not None:
            return False
        demands = {self.item(shape, at) for at in range(index, max(index, shape.settled) + 1)}
        return None not in map(ask, demands)

    def _many_objects(self, shape: ObjectShape, need: int, ask: Ask, depth: int) -> bool:
        if not shape.loose:
            return False
        # It loses one value at most for each that it must differ from.
        need += sum(len(differs.rests) for (differs,) in shape.obligations if isinstance(differs, Differs))
        if any(ask(self.member(shape, key)) is None for key in shape.required):
            return False
        if all(facet.additional is None for facet in shape.facets) and not shape.key_literals:
            plain = [facet for facet in shape.facets if facet.pattern_properties]
            if not plain:
                return True
        keys = dict.fromkeys((*shape.required, *(key for facet in shape.facets for key in facet.properties)))
        return any(self._fast(self.member(shape, key), need, ask, depth) for key in keys)

    def _fast(self, demand: int, need: int, ask: Ask, depth: int) -> bool:
        if ask(demand) is None:
            return False
        return need <= 1 or self._many(demand, need, ask, depth - 1)

    # Which

    def untaken(
        self, demand: int, ask: Ask, taken: frozenset[Literal]
    ) -> Iterator[tuple[JsonPieces, Literal]]:
        """Yield those of `values` that are not among the values of an array (`looked_for`)."""
        for text, literal in self.values(demand, ask):
            if taken:
                self.looked_for.setdefault(literal, text.flat())
            if literal not in taken:
                yield text, literal

    def values(self, demand: int, ask: Ask) -> Iterator[tuple[JsonPieces, Literal]]:
        """Yield the values of a demand, the shortest text first, each with its literal."""
        known: set[Literal] = set()
        if demand not in self._lists:
            if sum(1 + len(listed or ()) for listed in self._lists.values()) > _COUNTED:
                self._lists.clear()
            self._lists[demand] = self._listed(demand)
        listed = self._lists[demand]
        if listed is not None:
            yield from listed
            return
        while True:
            now = demand
            if known:
                # A set, not the order of finding: equal sets are one literal.
                now = self.tables.both(demand, (self.tables.constants.none_of(frozenset(known)),))
            text = None if self.tables.hopeless(now) else ask(now)
            if text is None:
                return
            if len(known) >= _COUNTED:
                raise self._endless(demand)
            literal = self.literal(text.flat())
            known.add(literal)
            yield text, literal

    def _listed(self, demand: int) -> list[tuple[JsonPieces, Literal]] | None:
        """Return the values of a demand that has finitely many scalars alone, where that shows, else None."""
        scalars, types = self.scalars, self.scalars.types(demand)
        if types & (OBJECT | ARRAY):
            return None
        texts = [JsonPieces((text,)) for text in scalars.constants(demand, types)]
        if types & NUMBER:
            formula = scalars.demand(demand, NUMBER)
            if formula != FALSE:
                listed = formula.listed() if isinstance(formula, Ranges) else None
                if listed is None:
                    return None
                for value in listed:
                    written = scalars.shortest(points((value,)), NUMBER)
                    if written is not None:
                        texts.append(written)
        if types & STRING:
            formula = scalars.demand(demand, STRING)
            if formula != FALSE:
                most = LISTED if speaks_of_texts(formula) else _COUNTED
                if self._strings(formula, most) >= most:
                    return None
                words = formula.of if isinstance(formula, Words) else scalars.strings.words(formula, most)
                assert words is not None
                texts.extend(JsonPieces((scalars.written(word),)) for word in words)
        texts.sort(key=lambda text: (text.length, text.flat()))
        return [(text, self.literal(text.flat())) for text in texts]

    def _endless(self, demand: int) -> LimitError:
        what = "how many values are possible here could not be decided."
        return self.tables.too_many(what, "oracle_steps", (demand,))

    # All different

    def matched(
        self, demands: Mapping[int, int], taken: frozenset[Literal], ask: Ask
    ) -> frozenset[Literal] | None:
        """Return values for those demands that have few, so that all items can be different from each other
        and from those `taken`; None where they cannot. `demands`: how many items have which demand."""
        need = sum(demands.values()) + len(taken) + 1  # one more may be written that is not known yet
        few: list[list[Literal]] = []
        for demand, times in demands.items():
            if ask(demand) is None:
                return None
            if self.has(demand, need, ask):
                continue
            values = [literal for _, literal in self.untaken(demand, self.text, taken)]
            if len(values) < times:
                return None
            few.extend([values] * times)
        owner: dict[Literal, int] = {}
        for at in range(len(few)):
            if not _augment(few, owner, at):
                return None
        return frozenset(owner)


def _augment(few: list[list[Literal]], owner: dict[Literal, int], start: int) -> bool:
    """Give one more item a value, moving others where it must be; breadth first."""
    asking: dict[Literal, int] = {}
    queue = [start]
    for at in queue:
        for value in few[at]:
            if value in asking:
                continue
            asking[value] = at
            if value in owner:
                queue.append(owner[value])
                continue
            held = {item: owned for owned, item in owner.items()}
            free: Literal | None = value
            while free is not None:
                owner[free] = asking[free]
                free = held.get(asking[free])
            return True
    return False
