"""Lengths as states: bounds on the length of a text that its automaton counts.

A bound goes into the automaton only where it matters: a lower bound that every text reaches, and an upper one
that none passes, are dropped, and the states of (state, count) pairs are those that the minimal automaton
tells apart. Other bounds stay outside (`length_phases`).
"""

from __future__ import annotations

from collections.abc import Iterable

from structgen.automata.strings.automata import MOST_STATES, NONE, Automaton, both, of_lengths, steps_to
from structgen.automata.strings.kernels import longest
from structgen.base.language.ir import Formula, Length


def within(of: Automaton, least: int, most: int | None, most_states: int = MOST_STATES) -> Automaton:
    """Return the automaton of the texts of `of` that have `least` to `most` characters. `of` has one outcome.

    Cost: states times the bound that matters. Raises `LimitError` where the pairs of a state and a count are
    too many.
    """
    if of.is_empty or (most is not None and least > most):
        return NONE
    if least and int(steps_to(of.trans, of.accept > 0)[0]) >= least:
        least = 0
    if most is not None and int(longest(of.trans)[0]) <= most:
        most = None
    if least == 0 and most is None:
        return of
    return both([of, of_lengths(least, most, most_states)], most_states)


def bounds(parts: Iterable[Formula]) -> tuple[int, int | None]:
    """Return the least and the most characters that the lengths among some formulas allow together."""
    least, most = 0, None
    for part in parts:
        if isinstance(part, Length):
            least = max(least, part.least)
            if part.most is not None:
                most = part.most if most is None else min(most, part.most)
    return least, most
