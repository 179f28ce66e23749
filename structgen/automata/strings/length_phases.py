"""Phases: bounds on lengths that are counted outside the automaton of a string.

All bounds on lengths together cut the numbers of characters into a few intervals. A *phase* is one of them.
With `maxLength` 5000 there are two: 0 to 5000 characters, and more. Within a phase each length condition is
simply true or false, so a formula becomes one without lengths (`at_length`). One automaton tells all these
formulas apart, and the bounds add no states. The reader of a string counts its characters.

A *demand* is one formula of a spec. The formula that it becomes differs from phase to phase.

A state is *alive*, with `n` characters to the end of the phase, in two cases. The text can end within these
characters so that it meets a demand; or exactly `n` characters lead to a state that is alive in the next
phase. The sets of alive states for n = 0, 1, 2, ... are periodic from some number on (`Phase.live`), so they
are known for every n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from structgen.automata.regex.counted_class import without_count
from structgen.automata.strings.alphabets import NUMBERS_OF_A_CHARACTER
from structgen.automata.strings.automata import MOST_WORK, raise_limit_error, steps_to
from structgen.automata.strings.formula_automata import OutcomeSets
from structgen.automata.strings.kernels import FAR, TOO_MUCH_WORK
from structgen.automata.strings.utf8_rows import ByteRows
from structgen.base.language.ir import (
    FALSE,
    TRUE,
    All,
    Any_,
    Formula,
    Formulas,
    Length,
    Not,
    Pattern,
    Spec,
    atoms,
)
from structgen.base.native.array_types import BoolArray
from structgen.base.system.public_calls import THIS_CALL

States: TypeAlias = BoolArray
"""A flag for each state; or several rows of such flags."""
ENDLESS: Final = 1 << 62
"""The `end` of the last phase, which has no bound."""


class Phase(NamedTuple):
    """What a spec asks of texts of some lengths."""

    end: int
    """The first length after the phase."""
    asks: tuple[int, ...]
    """For each demand, the number of the automaton's formula that it asks in this phase; -1: no text meets
    the demand."""
    outcomes: OutcomeSets
    """For each outcome number of the automaton, from 0 on, the demands that a text meets."""
    live: States
    """[characters to the end of the phase, states]: which states are alive."""
    prelude: int
    """The first row of the period of `live`: after the last row, the rows from this one on repeat."""
    farthest: int
    """The largest number of characters from a state to the nearest end of a text in this phase. States
    without such an end do not count; -1: no text ends in the phase."""

    def alive_states(self, written_count: int) -> States:
        """Return which states are alive when `written_count` characters were read."""
        remaining = self.end - written_count
        period = len(self.live) - self.prelude
        # From the prelude on the rows repeat. For fewer characters `remaining` is the smaller number.
        periodic_row = self.prelude + (remaining - self.prelude) % period
        row: States = self.live[min(remaining, periodic_row)]
        return row


def phase_at(phases: Sequence[Phase], written_count: int) -> Phase:
    """Return the phase of a text of `written_count` characters."""
    return next(phase for phase in phases if written_count < phase.end)


def _open_pattern(formula: Formula) -> Formula:
    """Replace a pattern that counts one class of characters, such as `^[a-z]{1,90}$`, by a pattern without
    the count and a length; return any other formula as it is."""
    return without_count(formula) if isinstance(formula, Pattern) else formula


def length_cuts(formulas: Iterable[Formula]) -> list[int]:
    """Return the lengths at which some condition on lengths changes between true and false, ascending.

    For example, `minLength` 2 and `maxLength` 5 -> [2, 6].
    """
    lengths = [
        atom
        for formula in formulas
        for leaf in atoms(formula)
        for atom in atoms(_open_pattern(leaf))
        if isinstance(atom, Length)
    ]
    begins = {atom.minimum for atom in lengths}
    ends = {atom.maximum + 1 for atom in lengths if atom.maximum is not None}
    return sorted((begins | ends) - {0})


def at_length(formula: Formula, size: int) -> Formula:
    """Return the formula without lengths that `formula` is for texts of `size` characters.

    Each length becomes true or false. Cost: 2 us for each part of the formula. Raises `LimitError` where the
    present call has no steps left.
    """
    # Without recursion: formulas may be deep. A connective comes a second time, when its parts are done.
    done: list[Formula] = []
    steps = 1
    stack = [(formula, False)]
    while stack:
        node, is_ready = stack.pop()
        node = node if is_ready else _open_pattern(node)
        if isinstance(node, Length):
            is_met = node.minimum <= size and (node.maximum is None or size <= node.maximum)
            done.append(TRUE if is_met else FALSE)
        elif not isinstance(node, (Not, All, Any_)) or not node.of:
            done.append(node)
        elif not is_ready:
            parts = (node.of,) if isinstance(node, Not) else node.of
            steps += len(parts)
            stack.append((node, True))
            stack += [(part, False) for part in parts]
        elif isinstance(node, Not):
            answer = done[-1]
            if answer == TRUE:
                done[-1] = FALSE
            elif answer == FALSE:
                done[-1] = TRUE
            else:
                done[-1] = Not(answer)
        else:
            start = len(done) - len(node.of)
            answers = done[start:]
            # One false part makes a conjunction false; one true part makes a disjunction true.
            deciding = FALSE if isinstance(node, All) else TRUE
            # The stack took the last part first; reversing restores the order of the formula.
            parts = tuple(part for part in answers[::-1] if part not in (TRUE, FALSE))
            combined = parts[0] if len(parts) == 1 else type(node)(parts)
            done[start:] = [deciding if deciding in answers else combined]
    THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * steps)
    return done[0]


def divide_into_phases(
    formulas: Formulas, rows_of: Callable[[Spec], ByteRows]
) -> tuple[ByteRows, tuple[Phase, ...]] | None:
    """Divide the demands of a spec into phases; return (rows of one automaton, the phases in order).

    Returns None where no text meets any demand. `formulas`: the demands. `rows_of`: makes the automaton and
    the rows of a spec without lengths.

    Cost: making the automaton; and for each phase one sweep over the automaton for each row of `Phase.live`.
    Raises what `rows_of` raises, and `LimitError`.
    """
    sizes = [0, *length_cuts(formulas)]
    # A bound at which no formula changes does not begin a phase. `begins`: first length -> formulas.
    groups = groupby(sizes, lambda size: tuple([at_length(formula, size) for formula in formulas]))
    begins = {next(group_sizes): demands for demands, group_sizes in groups}
    # a dict in place of a set: its order is the same in every process
    distinct = dict.fromkeys(chain.from_iterable(begins.values()))
    distinct.pop(FALSE, None)
    distinct_formulas = tuple(distinct)
    if not distinct_formulas:
        return None
    rows = rows_of(Spec(distinct_formulas))
    met = (frozenset[int](), *rows.outcomes)
    # From the last phase to the first: which states are alive depends on the phase that follows.
    phases: list[Phase] = []
    end = ENDLESS
    for begin, demands in reversed(begins.items()):
        asks = tuple(
            [
                distinct_formulas.index(formula) if formula != FALSE else -1  # -1: no text meets it
                for formula in demands
            ]
        )
        outcomes = [frozenset(at for at, ask in enumerate(asks) if ask in true) for true in met]
        # a state accepts in this phase where its outcome meets a demand
        accept = np.array(list(map(bool, outcomes)))[rows.automaton.accept]
        far = steps_to(rows.automaton.trans, accept)
        # `phases` holds the later phases, so its last element is the next phase. For the last phase, a state
        # is alive where it leads to an end at all.
        after = phases[-1].alive_states(end)[: len(accept)] if phases else far < FAR
        live, prelude = _alive_layers(rows, accept, after, end - begin)
        phases.append(
            Phase(
                end,
                asks,
                tuple(outcomes),
                live,
                prelude,
                farthest=int(far[far < FAR].max(initial=-1)),
            )
        )
        end = begin
    return rows, tuple(phases[::-1])


def _alive_layers(of: ByteRows, accept: States, after: States, max_length: int) -> tuple[States, int]:
    """Return the fields `live` and `prelude` of a phase.

    `accept`: which states accept in the phase. `after`: which states are alive at the start of the next one.
    `max_length`: the number of lengths in the phase, which bounds the rows.
    """
    trans = of.automaton.trans
    layer = after
    met: dict[bytes, int] = {}
    layers: list[States] = []
    # Each layer depends only on the layer before: once a layer repeats, all later ones repeat too.
    while len(layers) <= max_length and (name := layer.tobytes()) not in met:
        met[name] = len(layers)
        layers.append(layer)
        THIS_CALL.count_work(trans.size)
        if len(layers) * trans.size > MOST_WORK:
            raise_limit_error(TOO_MUCH_WORK)
        layer = accept | np.append(layer, False)[trans].any(axis=1)
    live = np.stack(layers)
    # Add the places inside a character (1, 2 and 3 bytes before its end): they lead to those before them.
    for remaining in range(1, 4):
        tails = of.tails[of.open_bytes[of.automaton.states :] == remaining]
        if len(tails):
            inside = [np.append(row, False)[tails].any(axis=1) for row in live]
            live = np.concatenate([live, np.stack(inside)], axis=1)
    return live, met[name]
