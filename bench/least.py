"""The fewest tokens that complete a document, by a breadth-first search over (state, token)."""

from __future__ import annotations

import time

import structgen as sg


def least_tokens(compiled: sg.CompiledGrammar, most: int, states: int, seconds: float) -> int | None:
    """Return the fewest tokens, the end token not counted, of any document; `most` where none has fewer than
    so many; None where that is not known after so many states, or seconds.

    It asks for masks and steps alone, and for nothing that the engine says of completions: each level of the
    search holds the states that so many tokens lead to, and to none before.
    """
    ends = compiled.end_tokens
    level, met, until = [compiled.start], {compiled.start}, time.monotonic() + seconds
    for count in range(most):
        if any(compiled.accepts_end(state) for state in level):
            return count
        ahead: list[sg.core.State] = []
        for state in level:
            if time.monotonic() > until:
                return None
            for token in compiled.allowed(state):
                after = None if token in ends else compiled.step(state, token)
                if after is not None and after not in met:
                    met.add(after)
                    ahead.append(after)
        if len(met) > states:
            return None
        level = ahead
    return most
