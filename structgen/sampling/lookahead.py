"""A guess of h after prefixes that were never read: a look-ahead.

The probability that a prefix ends up valid depends most of all on where it stands in the grammar and on its
last token. So for each state s of the grammar and token a we keep the mean of the estimates of h at the
prefixes that were read after (s, a), whatever stood before. The estimates come from the tree, from the
deepest prefix up:

    estimate(u) = P(end | u) + sum over tokens a of P(a | u) (estimate(ua) where ua was read, else the guess)

This is the value function of a low-order surrogate of the model, run through the automaton of the grammar by
dynamic programming, with only those of its states that a run has met. It needs no row beyond those that were
paid for. Means over (s, a) and the token before brought nothing on five tasks of n-gram models.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from structgen.sampling.target import Floats, Ids

_MEMORY: Final = 32.0
"""The estimates that a mean remembers, about: early ones, made of guesses, are forgotten."""
_PRIOR: Final = 1.0
"""The estimates that the mean over all tokens of a state counts for, beside those of one token."""


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
    """See the module."""

    def __init__(self) -> None:
        self._states: dict[int, _State] = {}

    def learn(self, state: int, token: int, estimate: float) -> None:
        """Note an estimate of h after a token that was taken in a state."""
        found = self._states.setdefault(state, _State())
        count = min(found.counts.get(token, 0.0) + 1.0, _MEMORY)
        mean = found.means.get(token, 0.0)
        found.counts[token], found.means[token] = count, mean + (estimate - mean) / count
        found.count = min(found.count + 1.0, _MEMORY)
        found.mean += (estimate - found.mean) / found.count
        found.stale = True

    def guess(self, state: int, tokens: Ids, otherwise: float) -> Floats:
        """Return a guess of h after each of some tokens taken in a state, above 0; `otherwise` is what to
        say of a state that was never left."""
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
        """Return a guess of h after a token of which nothing is known."""
        found = self._states.get(state)
        return otherwise if found is None else found.mean
