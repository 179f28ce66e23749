"""Look-ahead: an estimate of h after prefixes that were never read.

The probability that a prefix ends up valid depends most on its grammar state and its last token. So for each
state s and token a we keep the mean of the estimates of h at the prefixes that were read after (s, a),
whatever came before. The estimates come from the tree, from the deepest prefix up:

    estimate(u) = P(end | u) + sum over tokens a of P(a | u) (estimate(ua) if ua was read, else its
    look-ahead)

This is the value function of a low-order surrogate of the model, computed by dynamic programming over the
grammar's automaton, restricted to the states that the run has met. It needs no further rows. Means over (s,
a) and the previous token brought nothing on five tasks of n-gram models.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from structgen.samplers.target import Floats, Ids

_MEMORY: Final = 32.0
"""About how many estimates a mean remembers. Early ones, which rest on guesses, are forgotten."""
_PRIOR: Final = 1.0
"""The weight of the mean over all tokens of a state, in estimates of one token."""


_WHOLE: Final = -1
"""In place of a token: the mean over all tokens of a state."""


class LookAhead:
    """Means of estimates of h by grammar state and token."""

    def __init__(self) -> None:
        self._states: dict[int, dict[int, tuple[float, float]]] = {}
        """Of a state and a token, how many estimates its mean remembers, and the mean."""

    def learn(self, state: int, token: int, estimate: float) -> None:
        """Note an estimate of h after a token in a state."""
        found = self._states.setdefault(state, {})
        for key in (token, _WHOLE):
            count, mean = found.get(key, (0.0, 0.0))
            count = min(count + 1.0, _MEMORY)
            found[key] = count, mean + (estimate - mean) / count

    def guess(self, state: int, tokens: Ids, otherwise: float) -> Floats:
        """Return an estimate of h, above 0, after each of some tokens in a state; `otherwise` if no token was
        ever taken in the state."""
        found = self._states.get(state)
        if found is None:
            return np.full(len(tokens), otherwise)
        unknown = 0.0, found[_WHOLE][1]
        pairs = np.array([found.get(token, unknown) for token in tokens.tolist()]).reshape(-1, 2)
        counts, means = pairs[:, 0], pairs[:, 1]
        guesses: Floats = (counts * means + _PRIOR * unknown[1]) / (counts + _PRIOR)
        return guesses

    def rest(self, state: int, otherwise: float) -> float:
        """Return an estimate of h after an unknown token."""
        found = self._states.get(state)
        return otherwise if found is None else found[_WHOLE][1]
