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
        row: States = self.live[min(remaining, self.prelude + (remaining - self.prelude) % period)]
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
    ends = {atom.maximum + 1 for atom in lengths if atom.maximum is not None}
    return sorted(ends.union(atom.minimum for atom in lengths) - {0})


def at_length(formula: Formula, size: int) -> Formula:
    """Return what a formula says of texts of so many characters: a formula without lengths. Cost: 2 us a
    part. Raises `LimitError` where a call has no steps left."""
    done: list[Formula] = []
    steps = 1
    stack = [(formula, False)]
    while stack:
        node, is_ready = stack.pop()
        node = node if is_ready else _open_pattern(node)
        if isinstance(node, Length):
            done.append(
                TRUE if node.minimum <= size and (node.maximum is None or size <= node.maximum) else FALSE
            )
        elif not isinstance(node, (Not, All, Any_)) or not node.of:
            done.append(node)
        elif not is_ready:
            parts = (node.of,) if isinstance(node, Not) else node.of
            steps += len(parts)
            stack += [(node, True), *((part, False) for part in parts)]
        elif isinstance(node, Not):
            done[-1] = FALSE if done[-1] == TRUE else TRUE if done[-1] == FALSE else Not(done[-1])
        else:
            start = len(done) - len(node.of)
            deciding = FALSE if isinstance(node, All) else TRUE
            parts = tuple(part for part in done[start:][::-1] if part not in (TRUE, FALSE))
            combined = parts[0] if len(parts) == 1 else type(node)(parts)
            done[start:] = [deciding if deciding in done[start:] else combined]
    THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * steps)
    return done[0]


def in_phases(
    formulas: tuple[Formula, ...], rows_of: Callable[[Spec], ByteRows]
) -> tuple[ByteRows, tuple[Phase, ...]] | None:
    """Return the demands of a spec in phases, beside one automaton; None where no text meets any. `rows_of`
    makes the automaton of a spec without lengths.

    Cost: the automaton; for each phase as many sweeps over it as characters make a difference before the
    phase ends. Raises what `rows_of` raises, and `LimitError`.
    """
    sizes = [0, *length_cuts(formulas)]
    groups = groupby(sizes, lambda size: tuple([at_length(formula, size) for formula in formulas]))
    begins = {next(group_sizes): demands for demands, group_sizes in groups}
    numbers = dict.fromkeys(chain.from_iterable(begins.values()))
    numbers.pop(FALSE, None)
    distinct_formulas = tuple(numbers)
    if not distinct_formulas:
        return None
    rows = rows_of(Spec(distinct_formulas))
    trans = rows.automaton.trans
    met = (frozenset[int](), *rows.outcomes)
    phases: list[Phase] = []
    end = ENDLESS
    for begin, demands in reversed(begins.items()):
        asks = tuple([distinct_formulas.index(formula) if formula != FALSE else -1 for formula in demands])
        outcomes = [frozenset(at for at, ask in enumerate(asks) if ask in true) for true in met]
        accept = np.array(list(map(bool, outcomes)))[rows.automaton.accept]
        far = steps_to(trans, accept)
        after = phases[-1].alive_states(end)[: len(accept)] if phases else far < FAR
        phases.append(
            Phase(
                end,
                asks,
                tuple(outcomes),
                *_alive_layers(rows, accept, after, end - begin),
                int(far[far < FAR].max(initial=-1)),
            )
        )
        end = begin
    return rows, tuple(phases[::-1])


def _alive_layers(of: ByteRows, accept: States, after: States, max_length: int) -> tuple[States, int]:
    """Return which states are alive so many characters before the end of a phase, up to `max_length`, and
    from which row on the rows are repeated. `accept`: which states accept in it; `after`: which are alive
    behind it."""
    trans = of.automaton.trans
    now = after
    met: dict[bytes, int] = {}
    layers: list[States] = []
    while len(layers) <= max_length and (name := now.tobytes()) not in met:
        met[name] = len(layers)
        layers.append(now)
        THIS_CALL.count_work(trans.size)
        if len(layers) * trans.size > MOST_WORK:
            raise_limit_error(TOO_MUCH_WORK)
        now = accept | np.append(now, False)[trans].any(axis=1)
    live = np.stack(layers)
    for remaining in range(1, 4):
        tails = of.tails[of.open_bytes[of.automaton.states :] == remaining]
        if len(tails):
            inside = [np.append(row, False)[tails].any(axis=1) for row in live]
            live = np.concatenate([live, np.stack(inside)], axis=1)
    return live, met[name]
