"""Finds the least and the greatest number that a field can have in valid texts, before any text is drawn.

- A *range* or bounds are two numbers, such as (0, 120) for {"type": "integer", "minimum": 0, "maximum": 120}.
- The *network* of a schema is the form of it that the masks are made of.
- A *demand* is a condition on one value in the network, with a number as its name. A *shape* is the part of a
  demand about arrays, or about objects. A demand is *alive* if some value meets it.

The bounds come from the schema's network, and from the greatest length of a text. In the network, `allOf`,
`$ref`, `oneOf`, `not` and `if` at one place are one set of numbers. Each bound holds for every text that the
compiled grammar accepts within `max_tokens`. It may be wide: conditions on several members together (`not` of
an object, a number of items that `contains` counts) are not used here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from structgen.automata.numbers.written_forms import fold_formula, only_integers
from structgen.base.errors import LimitError, UnsupportedError
from structgen.base.language.ir import All, Formula, Not, NumberAtom
from structgen.base.language.number_ranges import (
    Cut,
    Ranges,
    intersect_ranges,
    interval,
    points,
    unite_ranges,
)
from structgen.base.system.public_calls import THIS_CALL
from structgen.decoding.samplers.intervals.field_paths import ITEM, LENGTH
from structgen.decoding.samplers.target import Bounds
from structgen.grammars.json_grammars.plain_network import network_of
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.machines.core.compiled import CompiledGrammar
from structgen.schema.meaning.shape import ArrayShape
from structgen.schema.recogniser.schema_network import SchemaNetwork

_EVERY: Final = interval(None, None)
_COMMAS: Final = re.compile(rb",(?:\s*,)*")


def find_value_ranges(compiled_grammar: CompiledGrammar, token_limit: int) -> ValueRanges:
    """Return the bounds of the numbers in texts of a grammar that have at most `token_limit` tokens.

    If the grammar's `limits` end the reading of the schema, no number has bounds. Cost: some milliseconds for
    the schema, and 20 ms for a vocabulary of 100,000 tokens.
    """
    grammar = compiled_grammar.grammar.innermost
    network = None
    if isinstance(grammar, JsonSchemaGrammar) and compiled_grammar.grammar.policies is not None:
        with suppress(LimitError, UnsupportedError):
            network = network_of(grammar.document(limits=compiled_grammar.limits))
    tokens = [token for token in compiled_grammar.tokenizer.token_bytes if token]
    # Between two items there is one comma. Further commas after it, with only white space between them, must
    # be in a string, so a row of commas counts as one.
    commas = [len(_COMMAS.findall(token)) for token in tokens if b"," in token]
    most_bytes = token_limit * max(map(len, tokens), default=0)
    most_commas = token_limit * max(commas, default=0)
    return ValueRanges(network, most_bytes, most_commas)


@dataclass(frozen=True, slots=True)
class ValueRanges:
    """The bounds of the numbers in the texts of one grammar, made by `find_value_ranges`. Only one thread may
    use it at a time."""

    _network: SchemaNetwork | None
    """The schema's network; None if the texts are not JSON, or if the schema was not read."""
    _most_bytes: int
    """The most bytes of a text."""
    _most_commas: int
    """The most commas between the items of one list."""

    @property
    def text_length(self) -> Bounds:
        """The least and the greatest number of characters of a text. A character has at least a byte."""
        return 0.0, float(self._most_bytes)

    def range_at(self, path: tuple[str, ...]) -> Bounds | None:
        """Return the least and the greatest number that a valid text can have at a path (keys, `ITEM` and
        `LENGTH`). True counts as 1 and False as 0.

        Return None if a text can have values there that are not numbers, if one side has no bound, if no text
        has the path, or if `limits` end the search. A range does not mean that every text has a number there:
        an optional member has the range of the numbers that occur. The numbers are those of the JSON text,
        read as doubles; the reader of a Python type may change them. Cost: some microseconds for each schema
        on the path, and at most `limits.oracle_steps`.
        """
        network = self._network
        numbers = _EVERY  # this stays if a limit ends the search
        if network is None:
            return None
        demands = network.tables.places[network.root]
        lengths = list[Ranges]()
        shapes = network.shapes
        with suppress(LimitError, UnsupportedError), THIS_CALL.begin_call(network.document.limits):
            # `demands` are those on the values at the path so far. Each value meets one of them.
            for step in path:
                arrays = [shape for demand in demands for shape in shapes.array_shapes(demand)]
                objects = [shape for demand in demands for shape in shapes.object_shapes(demand)]
                # "length" may be the length of a list or a key of an object: both count.
                lengths = [self._list_lengths(network, shape) for shape in arrays if step == LENGTH]
                inner = [network.objects.frames.value_demand(shape, step) for shape in objects]
                if step == ITEM:
                    for shape in arrays:
                        inner += _item_demands(network, shape)
                demands = tuple(dict.fromkeys(filter(network.oracle.is_alive, inner)))
            value_numbers = [_numbers_of_demand(network, demand) for demand in demands]
            numbers = unite_ranges([*lengths, *value_numbers])
        # The cuts are the places where the set begins and ends, in turn. If their number is odd (`& 1`), the
        # set has no greatest number.
        if numbers.from_below or not numbers.cuts or len(numbers.cuts) & 1:
            return None
        low = float(Decimal(numbers.cuts[0][0]))
        high = float(Decimal(numbers.cuts[-1][0]))
        return (low, high) if high - low < math.inf else None

    def _list_lengths(self, network: SchemaNetwork, shape: ArrayShape) -> Ranges:
        """Return the range of the lengths of the lists of a shape. A list of n items has at least 2n + 1
        bytes: n for the items, n - 1 commas and two brackets."""
        max_length = min(self._most_commas + 1, (self._most_bytes - 1) // 2)
        item_count = len([*_item_demands(network, shape)])
        # All items from index `uniform_from` on have the same demand. If it can be met, the schema's bound
        # holds. Otherwise the list ends before the first item whose demand no value meets.
        bound = (shape.hi or max_length) if item_count > shape.uniform_from else item_count
        return interval(shape.lo, min(max_length, bound))


def _item_demands(network: SchemaNetwork, shape: ArrayShape) -> Iterator[int]:
    """Yield the demands on the items of a list, one for each index. The last one is that of `uniform_from`,
    which all later items share, or that of the last item that a list can have."""
    for index in range(shape.uniform_from + 1):
        item = network.arrays.progress.item_demand(shape, index)
        if index == shape.hi or not network.oracle.is_alive(item):
            return
        yield item


def _numbers_of_demand(network: SchemaNetwork, demand: int) -> Ranges:
    """Return a set of numbers that contains all values of a demand; the set of all numbers if the demand
    allows other values too."""
    menu = network.entry(network.tables.place((demand,)))
    if {menu.object, menu.array, menu.string, menu.null} != {None}:
        return _EVERY
    # False counts as 0 and True as 1.
    bools = [value for value, outcome in enumerate((menu.false, menu.true)) if outcome is not None]
    parts = [points(bools)]
    for formula in menu.number.formulas if menu.number is not None else ():
        numbers = fold_formula(formula, _join_ranges)
        if only_integers(formula):
            parts += map(_integers_between, numbers.ends())
        else:
            parts.append(numbers)
    return unite_ranges(parts)


def _join_ranges(formula: Formula, atoms: list[NumberAtom], parts: list[Ranges]) -> Ranges:
    """Return a set that contains the numbers of a formula (All, Any or Not), given the sets of its parts.
    `atoms` are conditions such as a range or a multiple."""
    # An atom that is not a range, such as a multiple, does not narrow the set.
    ranges = [*(atom if isinstance(atom, Ranges) else _EVERY for atom in atoms), *parts]
    if isinstance(formula, Not):
        return _EVERY  # the parts are supersets, so their complement proves nothing
    return intersect_ranges(ranges) if isinstance(formula, All) else unite_ranges(ranges)


def _integers_between(ends: tuple[Cut | None, Cut | None]) -> Ranges:
    """Return the range of the integers between two cuts. For example, from 1.5 to 4, with 4 excluded, it is 2
    to 3."""
    # A cut is a pair: a number, and whether the cut is after that number (True) or before it (False). None:
    # there is no bound.
    firsts = []
    for cut in ends:
        first = None
        if cut is not None:
            number, is_behind = cut
            first = math.floor(number) + 1 if is_behind else math.ceil(number)
        firsts.append(first)
    # `firsts` has the least integer after each of the two cuts. The last integer of the range is one less
    # than the second of them.
    low, high = firsts
    return interval(low, None if high is None else high - 1)
