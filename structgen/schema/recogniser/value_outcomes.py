"""Finds in which of several sets a value may lie at the same time.

A value under one key may settle many obligations of an object: each asks whether the value lies in a set. A
*cell* is a combination of these sets that some value has. For example the sets {1, 2} and {2, 3} have three
cells inside them: only the first, both, only the second.

All combinations of n sets are 2^n. The cells are few where the sets exclude or contain each other: n + 1 for
n constants, 2 n + 1 for n ranges. Finite sets are divided value by value. Every other set divides the cells
found so far, and empty cells are dropped at once. So the n values that a union asks of its discriminator cost
n cells. Sets that are truly independent exceed a limit early.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from structgen.automata.strings.live_strings import speaks_of_texts
from structgen.base.limits import Limits
from structgen.schema.meaning.literals import STRING, Literal, Literals
from structgen.schema.meaning.place import NOTHING, PlaceTables
from structgen.schema.meaning.scalars import Scalars, ValueSet

_NAMED_SETS = 3
"""The most finite sets that are tested one by one. The demands then name keywords of the schema's text."""
_CELLS_FOR_ALTERNATIVES = 10
"""The cost of one outcome, counted in alternatives of the limit: automata must decide if it is empty."""


class ValueOutcome(NamedTuple):
    """A demand for some values, and the sets in which each of these values certainly lies."""

    demand: int
    """The demand on these values. All lie in the sets of `met`; some may lie in further sets, too."""
    met: int
    """The numbers of the sets, as bits."""


class _Cell(NamedTuple):
    """The values that lie in the same sets, among the sets that were considered so far."""

    inside: Literals
    """The literals of the sets that contain the values."""
    met: int
    values: ValueSet


class ValueOutcomes:
    """Finds the outcomes of values; every answer is remembered."""

    def __init__(self, tables: PlaceTables, scalars: Scalars, limits: Limits) -> None:
        self.tables = tables
        self.scalars = scalars
        self.limits = limits
        self._known_outcomes: dict[tuple[int, tuple[Literals, ...]], list[ValueOutcome]] = {}

    def outcomes_of(
        self,
        base: int,
        set_literals: Sequence[Literals],
    ) -> list[ValueOutcome]:
        """Return outcomes that cover all values of a base. A value in some combination of the sets is in an
        outcome whose `met` is that combination.

        `set_literals`: sets of values, each as the literals that all of its values meet. LimitError past a
        tenth of `limits.alternatives`. Cost: the number of outcomes times that of sets; of constants, their
        number.
        """
        if not set_literals:
            return [ValueOutcome(base, 0)]
        key = base, tuple(set_literals)
        outcomes = self._known_outcomes.get(key)
        if outcomes is None:
            outcomes = self._known_outcomes[key] = self._divide_cells(base, key[1])
        return outcomes

    def _divide_cells(
        self,
        base: int,
        set_literals: tuple[Literals, ...],
    ) -> list[ValueOutcome]:
        """Return the outcomes, cell by cell: the lists of values are divided at once, then each other set
        divides the cells so far."""
        tables = self.tables
        finite_sets = [number for number, literals in enumerate(set_literals) if self._is_list(literals)]
        if len(finite_sets) <= _NAMED_SETS:
            finite_sets = []
        all_values = _Cell((), 0, self.scalars.value_set(tables.demands[base]))
        cells = [all_values]
        if finite_sets:
            cells = []
            for literal, met in self._group_values(set_literals, finite_sets):
                value_cell = self._narrow_cell(all_values, (literal,), met)
                if value_cell is not None:
                    cells.append(value_cell)
        done_sets = set(finite_sets)
        max_cells = max(1, self.limits.alternatives // _CELLS_FOR_ALTERNATIVES)
        for number, literals in enumerate(set_literals):
            if number in done_sets:
                continue
            new_cells: list[_Cell] = []
            # The complement of one literal is a literal. That of several is none, and is not followed; nor is
            # the complement of a grammar.
            is_followed = len(literals) == 1 and not speaks_of_texts(
                self.scalars.literal_formula(literals[0], STRING)
            )
            negations = (tables.negate_literal(literals[0]),) if is_followed else ()
            for cell in cells:
                outside = self._narrow_cell(cell, negations, cell.met)
                if outside is not None:
                    new_cells.append(outside._replace(inside=cell.inside))
                inside = self._narrow_cell(cell, literals, cell.met | 1 << number)
                if inside is not None:
                    new_cells.append(inside)
            cells = new_cells
            if len(cells) > max_cells:
                raise tables.too_many(
                    f"one value of this object can lie in more than {max_cells:,} combinations of "
                    f"the {len(set_literals):,} sets that distinguish the alternatives.",
                    "alternatives",
                    (base,),
                )
        outcomes: dict[ValueOutcome, None] = {}
        for cell in cells:
            demand = tables.add_judging_literals(base, cell.inside) if cell.inside else base
            if demand != NOTHING:
                outcomes[ValueOutcome(demand, cell.met)] = None
        return list(outcomes)

    def _narrow_cell(
        self,
        cell: _Cell,
        literals: Literals,
        met: int,
    ) -> _Cell | None:
        """Return the part of a cell that meets more literals, or None where it is empty."""
        values = self.scalars.narrow_values(cell.values, literals)
        if values.is_empty(self.scalars.is_satisfiable):
            return None
        return _Cell((*cell.inside, *literals), met, values)

    def _is_list(self, literals: Literals) -> bool:
        """Return whether a set, or its complement, is a list of values."""
        if len(literals) != 1:
            return False
        schema = literals[0].schema
        return schema.only_values and schema.enum is not None

    def _group_values(
        self,
        set_literals: Sequence[Literals],
        finite: list[int],
    ) -> list[tuple[Literal, int]]:
        """Return groups of values in the same finite sets: the literal of each group, and its sets as
        bits. The first group has all values that no list names.

        `finite` has the numbers of the finite sets in `set_literals`, complements of lists included.
        """
        constants = self.tables.constants
        # For each value the bits of the lists that have it.
        lists_of_value: dict[Literal, int] = {}
        # The sets that are complements of lists, as bits.
        complements = 0
        for number in finite:
            literal = set_literals[number][0]
            schema = literal.schema
            complements |= literal.is_negated << number
            for value in schema.enum or ():
                constant = constants.literal_of_value(value, schema.pointer)
                lists_of_value[constant] = lists_of_value.get(constant, 0) | 1 << number
        groups: dict[int, list[Literal]] = {}
        for constant, sets in lists_of_value.items():
            groups.setdefault(sets, []).append(constant)
        value_groups = [(constants.none_of(frozenset(lists_of_value)), complements)]
        for sets, values in groups.items():
            # A negated set holds the values outside of its list: its bit is flipped.
            value_groups.append((constants.literal_of_set(frozenset(values)), sets ^ complements))
        return value_groups
