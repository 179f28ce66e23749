"""Lengths that demands tell apart, as phases of a text: between two bounds a length says nothing.

Cut at all bounds on lengths, the numbers of characters are a few intervals. In each of them a formula of
strings is a formula without lengths (`at_length`), and one automaton tells all of these apart: bounds add no
states. Whoever reads a string counts its characters. A text is alive in a state where it can end in its
phase, or reach the next one, alive, by exactly as many characters as are left; so the states that are alive,
by the characters left, are a sequence that is periodic from some number on (`Phase.live`). That is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.automata.regex.counted_class import without_count
from structgen.automata.strings.alphabets import NUMBERS_OF_A_CHARACTER
from structgen.automata.strings.automata import MOST_WORK, raise_limit_error, steps_to
from structgen.automata.strings.kernels import FAR, TOO_MUCH_WORK
from structgen.automata.strings.utf8_rows import ByteRows
from structgen.base.language.ir import FALSE, TRUE, All, Any_, Formula, Length, Not, Pattern, Spec, atoms
from structgen.base.system.public_calls import THIS_CALL

States: TypeAlias = npt.NDArray[np.bool_]
"""A flag for each state, perhaps in rows."""
ENDLESS: Final = 1 << 62
"""The end of the last phase."""


class Phase(NamedTuple):
    """The texts of some lengths."""

    end: int
    """The length of a text that has left the phase."""
    asks: tuple[int, ...]
    """Of each demand the formula of the automaton that it is in this phase, -1 where no text meets it."""
    outcomes: tuple[frozenset[int], ...]
    """Of each number of an outcome of the automaton the demands that a text meets."""
    live: States
    """[characters left, states]: which states are alive so many characters before the end."""
    prelude: int
    """The rows of `live` from this one on are repeated for more characters."""
    farthest: int
    """The most characters that the shortest way to an end in this phase takes, in whichever state there is
    one; -1: no text ends in it."""

    def alive_states(self, written_count: int) -> States:
        """Return which states are alive behind so many characters."""
        remaining = self.end - written_count
        period = len(self.live) - self.prelude
        # Beyond the prelude the rows come again and again; before it `remaining` itself is the less.
        periodic_row = self.prelude + (remaining - self.prelude) % period
        row: States = self.live[min(remaining, periodic_row)]
        return row


def phase_at(phases: Sequence[Phase], written_count: int) -> Phase:
    """Return the phase of a text of so many characters."""
    return next(phase for phase in phases if written_count < phase.end)


def _open_pattern(formula: Formula) -> Formula:
    """Return a pattern that counts one class of characters as one that does not, and a length."""
    return without_count(formula) if isinstance(formula, Pattern) else formula


def length_cuts(formulas: Iterable[Formula]) -> list[int]:
    """Return the numbers of characters from which on some lengths say another thing, ascending."""
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
    """Return a formula as it is for texts of `size` characters: a formula without lengths. Cost: 2 us a
    part. Raises `LimitError` where a call has no steps left."""
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
            # One false part decides a conjunction, one true part a disjunction.
            deciding = FALSE if isinstance(node, All) else TRUE
            # The stack gave the last part first: in reverse the parts stand as in the formula.
            parts = tuple(part for part in answers[::-1] if part not in (TRUE, FALSE))
            combined = parts[0] if len(parts) == 1 else type(node)(parts)
            done[start:] = [deciding if deciding in answers else combined]
    THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * steps)
    return done[0]


def divide_into_phases(
    formulas: tuple[Formula, ...], rows_of: Callable[[Spec], ByteRows]
) -> tuple[ByteRows, tuple[Phase, ...]] | None:
    """Return the demands of a spec in phases, beside one automaton; None where no text meets any. `rows_of`
    makes the automaton of a spec without lengths.

    Cost: the automaton; for each phase as many sweeps over it as characters make a difference before the
    phase ends. Raises what `rows_of` raises, and `LimitError`.
    """
    sizes = [0, *length_cuts(formulas)]
    # Where nothing changes at a bound, the phase goes on: the key of a phase is its least length.
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
    # From the last phase to the first: what is alive in a phase depends on what is alive behind it.
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
        # `phases` has the later phases, so its last one is the next. Behind all of them no length is asked.
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
    """Return which states are alive so many characters before the end of a phase, up to `max_length`, and
    from which row on the rows are repeated. `accept`: which states accept in it; `after`: which are alive
    behind it."""
    trans = of.automaton.trans
    layer = after
    met: dict[bytes, int] = {}
    layers: list[States] = []
    # A layer follows from the one before alone: once a layer comes again, so do all that follow it.
    while len(layers) <= max_length and (name := layer.tobytes()) not in met:
        met[name] = len(layers)
        layers.append(layer)
        THIS_CALL.count_work(trans.size)
        if len(layers) * trans.size > MOST_WORK:
            raise_limit_error(TOO_MUCH_WORK)
        layer = accept | np.append(layer, False)[trans].any(axis=1)
    live = np.stack(layers)
    # Places inside a character: one byte before its end first, since the others lead to these.
    for remaining in range(1, 4):
        tails = of.tails[of.open_bytes[of.automaton.states :] == remaining]
        if len(tails):
            inside = [np.append(row, False)[tails].any(axis=1) for row in live]
            live = np.concatenate([live, np.stack(inside)], axis=1)
    return live, met[name]
