"""Values that must differ: how many values a demand has, which ones, and whether all items can be different.

Under `uniqueItems` all items of an array differ. A demand with more values than there are items never
prevents that. The values of a smaller demand are listed. Whether each item can have a value of its own is a
question of matching (Kuhn's algorithm). For example three items of `{"enum": [1, 2]}` cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from structgen.automata.strings.live_strings import speaks_of_texts
from structgen.base.errors import LimitError, SchemaError
from structgen.base.json_text.exact_json import Json, nearest_double, read_exact
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
"""The greatest depth of inner schemas that are searched for a sign of many values."""
_COUNTED = 4_096
"""The most values of one demand that are listed one by one."""
_NARROW = Decimal("1e-6")
"""The greatest width of a narrow interval, also relative to its ends. Any wider interval has millions of
numerals under every policy."""


@dataclass(eq=False)
class DistinctValues:
    """Counts and lists values of demands; every question takes `ask` (see `object_search.Ask`) for
    aliveness."""

    tables: PlaceTables
    scalars: Scalars
    shapes: Shapes
    item: Callable[[ArrayShape, int], int]
    """Returns the demand on the item at an index."""
    member: Callable[[ObjectShape, str], int]
    """Returns the demand on the value under a key."""

    def __post_init__(self) -> None:
        self.text: Callable[[int], JsonPieces | None]
        """A function that returns the text of some value of a demand; set by the network."""
        self.of_point: Callable[[str], Json] = nearest_double
        """A function that returns the value of a numeral with a point or an exponent; set by the network."""
        self.looked_for: dict[Literal, bytes] = {}
        """The values, each with a text, that some search for a rest looked for among the items of an array.
        Other values of items made no difference to rests."""
        self._literals_by_text: dict[bytes, Literal] = {}
        self._lists: dict[int, list[tuple[JsonPieces, Literal]] | None] = {}
        self._enough: dict[int, int] = {}
        self._fewer: dict[int, int] = {}

    def literal_of_text(self, text: bytes) -> Literal:
        """Return the literal of the value of a JSON text. Raises `LimitError` for a number that no decimal
        holds, as numbers="any" may write it."""
        literal = self._literals_by_text.get(text)
        if literal is None:
            # The memo is cleared when it is full, which costs less than an order of use.
            if len(self._literals_by_text) > _COUNTED:
                self._literals_by_text.clear()
            try:
                value = read_exact(text.decode("utf-8", "surrogatepass"), self.of_point)
            except SchemaError:  # the only possible fault of a text that was accepted as JSON
                raise LimitError(
                    "uniqueItems: a number has an exponent above 10^18.",
                    limit="number_chars",
                    cure='Write numbers as numbers="bounded" allows.',
                ) from None
            literal = self._literals_by_text[text] = self.tables.constants.literal_of_value(value, "")
        return literal

    # How many

    def has_values(
        self,
        demand: int,
        need: int,
        ask: Ask,
        surely: bool = False,
    ) -> bool:
        """Return whether a demand has at least `need` values; `LimitError` where that takes too long.

        `ask` says whether a demand has a value. `surely`: whether a cheap proof shows that it has so many,
        for example `(demand, 3, ask, True)`; False is unknown then.
        """
        if need <= 0:
            return True
        if ask(demand) is None:
            return False
        # Earlier questions found a least number of values, and a number that is too large.
        if need <= self._enough.get(demand, 1):
            return True
        if need >= self._fewer.get(demand, need + 1):
            return False
        is_many = self._surely_many(demand, need, ask, _DEPTH) or (
            not surely and self._has_exactly(demand, need)
        )
        if is_many:
            self._enough[demand] = need
        elif not surely:
            self._fewer[demand] = need
        return is_many

    def _has_exactly(self, demand: int, need: int) -> bool:
        return any(nth >= need for nth, _ in enumerate(self.values_of(demand, self.text), 1))

    def _surely_many(
        self,
        demand: int,
        need: int,
        ask: Ask,
        depth: int,
    ) -> bool:
        """Return whether a cheap proof shows that a demand has `need` values, for example
        `(demand, 3, ask, _DEPTH)`; `depth` levels of containers are looked into. False: unknown."""
        scalars = self.scalars
        types = self.scalars.possible_types(demand)
        count = len(scalars.constant_texts(demand, types))
        if types & NUMBER:
            count += self._count_numbers(scalars.demand_formula(demand, NUMBER), need)
        if types & STRING and count < need:
            count += self._count_strings(scalars.demand_formula(demand, STRING), need)
        if count >= need:
            return True
        if not depth:
            return False
        if types & ARRAY:
            for array in self.shapes.array_shapes(demand):
                if self._many_arrays(array, need, ask, depth):
                    return True
        if types & OBJECT:
            for shape in self.shapes.object_shapes(demand):
                if self._many_objects(shape, need, ask, depth):
                    return True
        return False

    def _count_numbers(self, formula: Formula, need: int) -> int:
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
            first = Decimal(low[0])
            last = Decimal(high[0])
            if first == last:
                count += not steps
                continue
            nonzero = [value for value in (first, last, *steps) if value]
            if all(abs(value.adjusted()) <= EXACT_EXPONENT for value in nonzero):
                width = last - first
                magnitude = max(Decimal(1), abs(first), abs(last))
                if steps:
                    # Multiples that are very close together may be the same double.
                    (step,) = steps
                    if step > _NARROW**2 * magnitude:
                        count += max(0, int(width / step) - 1)
                elif width > _NARROW * magnitude and need < 10**6:
                    return need
        return min(count, need)

    def _count_strings(self, formula: Formula, need: int) -> int:
        """Return the number of strings that meet a formula, counted up to `need`."""
        if isinstance(formula, Words):
            return len(formula.of)
        # Finitely many excluded words and a least length leave infinitely many strings.
        if all(_leaves_infinitely_many(part) for part in conjuncts(formula)):
            return need
        if formula == FALSE:
            return 0
        if need > _COUNTED:
            return 0
        words = self.scalars.strings.words(formula, need - 1)
        return need if words is None else len(words)

    def _many_arrays(
        self,
        shape: ArrayShape,
        need: int,
        ask: Ask,
        depth: int,
    ) -> bool:
        """Return whether a cheap proof shows that a shape has `need` arrays, as `_surely_many` does for
        demands: for example arrays of any length, or an item with so many values."""
        if shape.counters or shape.obligations or shape.lo > _DEPTH:
            return False
        if shape.hi is not None and (shape.lo > shape.hi or not shape.hi):
            return False
        min_length = max(shape.lo, 1)
        demands = [self.item(shape, index) for index in range(min_length)]
        if None in map(ask, demands):
            return False
        if self.is_endless(shape, 0, ask):
            return True
        # Where all differ, the other items may take some of the values of one item.
        needed_each = need + shape.lo if shape.unique else need
        answers = (self._has_many_inside(demand, needed_each, ask, depth) for demand in demands)
        if shape.unique:
            return all(answers)
        return any(answers)

    def is_endless(self, shape: ArrayShape, index: int, ask: Ask) -> bool:
        """Return whether any number of items may follow after `index` items, obligations aside."""
        if shape.counters or shape.unique or shape.hi is not None:
            return False
        last_single = max(index, shape.uniform_from)
        demands = {self.item(shape, position) for position in range(index, last_single + 1)}
        return None not in map(ask, demands)

    def _many_objects(
        self,
        shape: ObjectShape,
        need: int,
        ask: Ask,
        depth: int,
    ) -> bool:
        """Return whether a cheap proof shows that a shape has `need` objects, as `_surely_many` does for
        demands: for example a key that may have any name, or a value of which there are so many."""
        if not shape.loose:
            return False
        # The shape loses one object at most for each value that it must differ from.
        exclusions = (alternative for (alternative,) in shape.obligations)
        need += sum(len(differs.rests) for differs in exclusions if isinstance(differs, Differs))
        if any(ask(self.member(shape, key)) is None for key in shape.required_keys):
            return False
        # Members of any other names, with any values, may be added.
        limits_names = any(facet.additional is not None or facet.pattern_properties for facet in shape.facets)
        if not limits_names and not shape.key_literals:
            return True
        keys = dict.fromkeys(shape.required_keys)
        for facet in shape.facets:
            keys.update(dict.fromkeys(facet.properties))
        return any(self._has_many_inside(self.member(shape, key), need, ask, depth) for key in keys)

    def _has_many_inside(
        self,
        demand: int,
        need: int,
        ask: Ask,
        depth: int,
    ) -> bool:
        """Return `_surely_many` of a member or an item, one level deeper; `(demand, 1, ask, depth)` asks for
        one value."""
        if ask(demand) is None:
            return False
        return need <= 1 or self._surely_many(demand, need, ask, depth - 1)

    # Which

    def unused_values(
        self,
        demand: int,
        ask: Ask,
        used_values: frozenset[Literal],
    ) -> Iterator[tuple[JsonPieces, Literal]]:
        """Yield the values of `values_of` that are not among the values of an array, and note in `looked_for`
        that these were looked at."""
        for text, literal in self.values_of(demand, ask):
            if used_values:
                self.looked_for.setdefault(literal, text.to_bytes())
            if literal not in used_values:
                yield text, literal

    def values_of(
        self,
        demand: int,
        ask: Ask,
    ) -> Iterator[tuple[JsonPieces, Literal]]:
        """Yield the values of a demand, the shortest text first, each with its literal."""
        literals_so_far: set[Literal] = set()
        if demand not in self._lists:
            # The lists together are bounded, too.
            memory = sum(1 + len(values or ()) for values in self._lists.values())
            if memory > _COUNTED:
                self._lists.clear()
            self._lists[demand] = self._list_values(demand)
        all_values = self._lists[demand]
        if all_values is not None:
            yield from all_values
            return
        # One after another: each time the shortest value that is not among the earlier ones.
        while True:
            rest_demand = demand
            if literals_so_far:
                # A set, not the order of finding: equal sets are one literal.
                exclusion = self.tables.constants.none_of(frozenset(literals_so_far))
                rest_demand = self.tables.add_literals(demand, (exclusion,))
            text = None if self.tables.is_hopeless(rest_demand) else ask(rest_demand)
            if text is None:
                return
            if len(literals_so_far) >= _COUNTED:
                raise self._endless_error(demand)
            literal = self.literal_of_text(text.to_bytes())
            literals_so_far.add(literal)
            yield text, literal

    def _list_values(self, demand: int) -> list[tuple[JsonPieces, Literal]] | None:
        """Return the values of a demand that has finitely many scalars alone, where that shows, else None."""
        scalars = self.scalars
        types = self.scalars.possible_types(demand)
        if types & (OBJECT | ARRAY):
            return None
        texts = [JsonPieces((text,)) for text in scalars.constant_texts(demand, types)]
        if types & NUMBER:
            formula = scalars.demand_formula(demand, NUMBER)
            if formula != FALSE:
                numbers = formula.finite_numbers() if isinstance(formula, Ranges) else None
                if numbers is None:
                    return None
                for value in numbers:
                    number_text = scalars.shortest_text(points((value,)), NUMBER)
                    if number_text is not None:
                        texts.append(number_text)
        if types & STRING:
            formula = scalars.demand_formula(demand, STRING)
            if formula != FALSE:
                max_words = LISTED if speaks_of_texts(formula) else _COUNTED
                if self._count_strings(formula, max_words) >= max_words:
                    return None
                if isinstance(formula, Words):
                    words: Iterable[str] | None = formula.of
                else:
                    words = scalars.strings.words(formula, max_words)
                assert words is not None, "they were counted"
                texts.extend(JsonPieces((scalars.write_literal(word),)) for word in words)
        texts.sort(key=lambda text: (text.length, text.to_bytes()))
        return [(text, self.literal_of_text(text.to_bytes())) for text in texts]

    def _endless_error(self, demand: int) -> LimitError:
        fault = "the number of possible values could not be determined."
        return self.tables.too_many(fault, "oracle_steps", (demand,))

    # All different

    def match_values(
        self,
        demands: Mapping[int, int],
        used_values: frozenset[Literal],
        ask: Ask,
    ) -> frozenset[Literal] | None:
        """Return values for the items whose demands have few values, so that all items can differ from each
        other and from `used_values`. None where they cannot. `demands` has the number of items of each
        demand."""
        need = sum(demands.values()) + len(used_values) + 1  # one more may be written that is not known yet
        # For each item whose demand has few values these values.
        few: list[list[Literal]] = []
        for demand, times in demands.items():
            if ask(demand) is None:
                return None
            if self.has_values(demand, need, ask):
                continue
            values = [literal for _, literal in self.unused_values(demand, self.text, used_values)]
            if len(values) < times:
                return None
            few.extend([values] * times)
        owner: dict[Literal, int] = {}
        for item in range(len(few)):
            if not _augment_matching(few, owner, item):
                return None
        return frozenset(owner)


def _leaves_infinitely_many(part: Formula) -> bool:
    """Return whether a conjunct allows infinitely many strings, also beside other such conjuncts."""
    if isinstance(part, Length):
        return part.maximum is None
    return isinstance(part, Not) and isinstance(part.of, Words)


def _augment_matching(
    few: list[list[Literal]],
    owner: dict[Literal, int],
    start: int,
) -> bool:
    """Give the item `start` a value, and other items other values where that is necessary; breadth first.

    `few` has the possible values of each item, `owner` the item of each value that is given, and is changed.
    Return False where there is no such value: `owner` is as before.
    """
    # For each value that was reached, the item that asks for it.
    wanting_item: dict[Literal, int] = {}
    # The queue grows while it is read: the owner of a value needs another value.
    queue = [start]
    for item in queue:
        for value in few[item]:
            if value in wanting_item:
                continue
            wanting_item[value] = item
            if value in owner:
                queue.append(owner[value])
                continue
            # A free value: each item on the way back takes the value that it wants.
            value_of_item = {owning_item: owned_value for owned_value, owning_item in owner.items()}
            free: Literal | None = value
            while free is not None:
                owner[free] = wanting_item[free]
                free = value_of_item.get(wanting_item[free])
            return True
    return False
