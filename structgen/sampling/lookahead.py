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

from structgen.sampling.target import Floats, Ids

_MEMORY: Final = 32.0
"""About how many estimates a mean remembers. Early ones, which rest on guesses, are forgotten."""
_PRIOR: Final = 1.0
"""The weight of the mean over all tokens of a state, in estimates of one token."""


class _State:
    """The means after one state of the grammar."""

    __slots__ = ("count", "counts", "mean", "means", "stale", "tokens", "values")

    def __init__(self) -> None:
        self.means: dict[int, float] = {}
        self.counts: dict[int, float] = {}
        self.mean = self.count = 0.0
        self.tokens: Ids = np.empty(0, np.int64)
        self.values: Floats = np.empty(0)
        self.stale = False


class LookAhead:
    """Means of estimates of h by grammar state and token."""

    def __init__(self) -> None:
        self._states: dict[int, _State] = {}

    def learn(self, state: int, token: int, estimate: float) -> None:
        """Note an estimate of h after a token in a state."""
        found = self._states.setdefault(state, _State())
        count = min(found.counts.get(token, 0.0) + 1.0, _MEMORY)
        mean = found.means.get(token, 0.0)
        found.counts[token], found.means[token] = count, mean + (estimate - mean) / count
        found.count = min(found.count + 1.0, _MEMORY)
        found.mean += (estimate - found.mean) / found.count
        found.stale = True

    def guess(self, state: int, tokens: Ids, otherwise: float) -> Floats:
        """Return an estimate of h, above 0, after each of some tokens in a state; `otherwise` if no token was
        ever taken in the state."""
        found = self._states.get(state)
        if found is None:
            return np.full(len(tokens), otherwise)
        if found.stale:
            found.tokens = np.array(sorted(found.means), np.int64)
            means = np.array([found.means[token] for token in found.tokens.tolist()])
            counts = np.array([found.counts[token] for token in found.tokens.tolist()])
            found.values = (counts * means + _PRIOR * found.mean) / (counts + _PRIOR)
            found.stale = False
        at = np.minimum(np.searchsorted(found.tokens, tokens), len(found.tokens) - 1)
        return np.where(found.tokens[at] == tokens, found.values[at], found.mean)

    def rest(self, state: int, otherwise: float) -> float:
        """Return an estimate of h after an unknown token."""
        found = self._states.get(state)
        return otherwise if found is None else found.mean
