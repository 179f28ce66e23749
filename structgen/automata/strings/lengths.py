"""Bounds on the length of a text that the automaton counts in its states.

A bounded automaton has a state for each pair (state of the text, number of characters). It is then made
minimal, so only the pairs that differ remain. A lower bound that every text reaches is dropped, and so is an
upper bound that no text passes: `^abc$` with `minLength` 2 stays as it is. Large bounds are not counted here
but by the reader (`length_phases`).
"""

from __future__ import annotations

from collections.abc import Iterable

from structgen.automata.strings.automata import (
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
    most_states: int,
) -> Automaton:
    """Return the automaton of the texts of `of` that have `min_length` to `max_length` characters.

    `of` has one outcome. `max_length` None: no upper bound. Cost: the states of `of` times the largest bound
    that is not dropped. Raises `LimitError` past `most_states` pairs of a state and a length.
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
    """Return the fewest and the most characters (None: no bound) that all `Length`s of `parts` allow."""
    min_length = 0
    max_length = None
    for part in parts:
        if isinstance(part, Length):
            min_length = max(min_length, part.minimum)
            if part.maximum is not None:
                max_length = part.maximum if max_length is None else min(max_length, part.maximum)
    return min_length, max_length
