"""Bounds of the numbers in valid texts, known before a text is drawn: from the schema, and from the length.

They are read from the network of the schema, which the masks are made of, and not from its text: so `allOf`,
`$ref`, `oneOf`, `not` and `if` at one place are one set of numbers. Each bound holds for every text that the
compiled grammar accepts within the budget. It may be wide: what a schema says of several members together
(`not` of an object, `dependentSchemas` that a value decides) narrows nothing here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final, TypeAlias

from structgen.automata.numbers.written_forms import folded, only_integers
from structgen.base.errors import LimitError, UnsupportedError
from structgen.base.language.ir import All, Formula, Not, NumberAtom
from structgen.base.language.number_ranges import Cut, Ranges, common, interval, points, united
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.json_grammars.plain_network import network_of
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.machines.core.compiled import CompiledGrammar
from structgen.schema.meaning.shape import ArrayShape
from structgen.schema.recogniser.schema_network import SchemaNetwork

ITEM: Final = "[]"
"""A step of a path to any item of a list."""
LENGTH: Final = "length"
"""A step to the number of items of a list."""
Range: TypeAlias = "tuple[float, float]"

_EVERY: Final = interval(None, None)
_COMMAS: Final = re.compile(rb",(?:\s*,)*")


def ranges(compiled: CompiledGrammar, max_tokens: int) -> ValueRanges:
    """Return the bounds of the numbers in texts of a grammar of at most so many tokens. Cost: a reading of
    the schema, some milliseconds; where a limit is met, no number has bounds."""
    grammar, network = compiled.grammar.innermost, None
    if isinstance(grammar, JsonSchemaGrammar) and compiled.grammar.policies is not None:
        with suppress(LimitError, UnsupportedError):
            network = network_of(grammar.document(limits=compiled.limits))
    return ValueRanges(network, [token for token in compiled.tokenizer.token_bytes if token], max_tokens)


@dataclass(frozen=True)
class ValueRanges:
    """The bounds of the numbers in the texts of one grammar; made by `ranges`. For one thread at a time."""

    _network: SchemaNetwork | None
    """What the texts mean; None where they are not JSON, or it is not known."""
    _tokens: list[bytes]
    _max_tokens: int

    def at(self, path: tuple[str, ...]) -> Range | None:
        """Return the least and the greatest number that a valid text can have at a path: keys, `ITEM`,
        `LENGTH`. True counts as 1 and False as 0.

        None where a text can have other values there, where one side has no bound, where no text has the
        path, or where `limits` ends the search. A range does not say that every text has a number there: an
        optional member has the range of those that are given. The numbers are those of the JSON text, read
        as doubles; a type whose reader changes them may go beyond. Cost: some microseconds for each schema
        on the path, at most `limits.oracle_steps`.
        """
        if self._network is None:
            return None
        try:
            with THIS_CALL.begin(self._network.document.limits):
                sets = self._sets(self._network, path)
        except (LimitError, UnsupportedError):
            return None
        ends = [*united(sets).ends()]
        if not ends or ends[0][0] is None or ends[-1][1] is None:
            return None
        low, high = (float(Decimal(value)) for value, _ in (ends[0][0], ends[-1][1]))
        return (low, high) if math.isfinite(low) and math.isfinite(high) else None

    @property
    def text_length(self) -> Range:
        """The least and the greatest number of characters of a text. A character has at least a byte."""
        return 0.0, float(self._most_bytes)

    @cached_property
    def _most_bytes(self) -> int:
        return self._max_tokens * max(map(len, self._tokens), default=0)

    @cached_property
    def _most_commas(self) -> int:
        """The commas between items of one list that a text can have. Of commas in a row, white space aside,
        none stands between items: they are in a string."""
        counts = (_COMMAS.findall(token).count(b",") for token in self._tokens if b"," in token)
        return self._max_tokens * max(counts, default=0)

    def _sets(self, network: SchemaNetwork, path: tuple[str, ...]) -> list[Ranges]:
        """Return sets of numbers that hold all values at a path."""
        demands, lengths = [*network.tables.places[network.root]], list[Ranges]()
        for step in path:
            shapes = [shape for demand in demands for shape in network.shapes.arrays(demand)]
            lengths = [self._lengths(network, shape) for shape in shapes] if step == LENGTH else []
            found = [_member(network, demand, step) for demand in demands]
            found += [_items(network, shape) for shape in shapes if step == ITEM]
            demands = [*dict.fromkeys(one for some in found for one in some if network.oracle.alive(one))]
        return [*lengths, *(_numbers(network, demand) for demand in demands)]

    def _lengths(self, network: SchemaNetwork, shape: ArrayShape) -> Ranges:
        """Return the lengths of the lists of a shape: n items are written with n - 1 commas, in two
        brackets."""
        items = [*_items(network, shape)]
        texts = [network.oracle.text(item) for item in items]
        least = min([1 if text is None else text.length for text in texts], default=0)
        most = min(self._most_commas + 1, (self._most_bytes - 1) // (least + 1))
        bound = shape.hi if len(items) > shape.settled else len(items)
        return interval(shape.lo, most if bound is None else min(most, bound))


def _member(network: SchemaNetwork, demand: int, key: str) -> Iterator[int]:
    """Yield the demands on the value under a key of an object."""
    value, alive = network.objects.frames.value, network.oracle.alive
    for shape in network.shapes.objects(demand):
        if all(alive(value(shape, required)) for required in shape.required):
            yield value(shape, key)


def _items(network: SchemaNetwork, shape: ArrayShape) -> Iterator[int]:
    """Yield the demands on the items of a list: one for each index up to the first that stands for all later
    ones, or to the last item that there can be."""
    for index in range(shape.settled + 1):
        item = network.arrays.progress.item(shape, index)
        if index == shape.hi or not network.oracle.alive(item):
            return
        yield item


def _numbers(network: SchemaNetwork, demand: int) -> Ranges:
    """Return a set that holds the values of a demand; every number, where not all of them are numbers."""
    menu = network.entry(network.tables.place((demand,)))
    if any(one is not None for one in (menu.object, menu.array, menu.string, menu.null)):
        return _EVERY
    found = points([value for value, known in enumerate((menu.false, menu.true)) if known is not None])
    if menu.number is None:
        return found
    (formula,) = menu.number.formulas
    numbers = folded(formula, _joined)
    if only_integers(formula):
        numbers = united([_whole(low, high) for low, high in numbers.ends()])
    return united([found, numbers])


def _joined(formula: Formula, atoms: list[NumberAtom], parts: list[Ranges]) -> Ranges:
    """Return a set that holds the numbers of a connective, given those of its parts."""
    if isinstance(formula, Not):
        return _EVERY
    found = [*(one if isinstance(one, Ranges) else _EVERY for one in atoms), *parts]
    return common(found) if isinstance(formula, All) else united(found)


def _whole(low: Cut | None, high: Cut | None) -> Ranges:
    """Return the range of the integers between two cuts."""
    begin, end = (None if cut is None else _first_behind(cut) for cut in (low, high))
    return interval(begin, None if end is None else end - 1)


def _first_behind(cut: Cut) -> int:
    """Return the first integer behind a cut."""
    value, is_behind = cut
    return math.floor(value) + 1 if is_behind else math.ceil(value)
