"""Lengths as states: bounds on the length of a text that its automaton counts.

A bound goes into the automaton only where it matters: a lower bound that every text reaches, and an upper one
that none passes, are dropped, and the states of (state, count) pairs are those that the minimal automaton
tells apart. Other bounds stay outside (`length_phases`).
"""

from __future__ import annotations

from collections.abc import Iterable

from structgen.automata.strings.automata import (
    MOST_STATES,
    NONE,
    Automaton,
    automaton_of_lengths,
    intersect_automata,
    steps_to,
)
from structgen.automata.strings.kernels import longest_rests
from structgen.base.language.ir import Formula, Length


def limit_lengths(
    of: Automaton,
    min_length: int,
    max_length: int | None,
    most_states: int = MOST_STATES,
) -> Automaton:
    """Return the automaton of the texts of `of` that have `min_length` to `max_length` characters. `of` has
    one outcome.

    Cost: states times the bound that matters. Raises `LimitError` where the pairs of a state and a count are
    too many.
    """
    if of.is_empty or (max_length is not None and min_length > max_length):
        return NONE
    # A bound that no text passes is dropped before the product, whose states are pairs with a count.
    if min_length and int(steps_to(of.trans, of.accept > 0)[0]) >= min_length:
        min_length = 0
    if max_length is not None and int(longest_rests(of.trans)[0]) <= max_length:
        max_length = None
    if min_length == 0 and max_length is None:
        return of
    return intersect_automata([of, automaton_of_lengths(min_length, max_length, most_states)], most_states)


def length_bounds(parts: Iterable[Formula]) -> tuple[int, int | None]:
    """Return the least and the most characters that the lengths among some formulas allow together."""
    min_length = 0
    max_length = None
    for part in parts:
        if isinstance(part, Length):
            min_length = max(min_length, part.minimum)
            if part.maximum is not None:
                max_length = part.maximum if max_length is None else min(max_length, part.maximum)
    return min_length, max_length
