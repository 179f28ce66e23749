"""Exact filling under a context-free grammar, without a bound on depth: inside and outside over slots.

Inside and outside sums (Baker, Trainable Grammars for Speech Recognition, 1979) over a token lattice: the
tables of a grammar and a vocabulary are `token_pushdown`, the sums are `token_chart`. In Booleans they say
which tokens a slot may hold, and in maxima the best filling, for any grammar; in sums log Z and marginals,
for grammars in which a text has one derivation (`Rules.conflict`).

What differs from `structgen.decoding.infilling.lattice`: no depth; nothing is kept from one commit to the
next, as all masks of 64 slots cost about 2 ms; one hole, whose last slots may stay empty. Sums are of
numbers, not of logarithms: they vanish where every valid text is 700 nats behind the likeliest token of
each slot. Figures: `python bench/methods/infilling_rows.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from methods.token_chart import MAX, SUM, Ring, inside_outside
from methods.token_chart_bits import allowed
from methods.token_pushdown import TokenPushdown

Array = np.ndarray
OPEN, NULL = -1, -2


@dataclass
class ContextFreeFill:
    """A hole. `tokens`: of each slot, OPEN if it is masked, NULL if it is empty. `logits`: of each token and
    of an empty slot, float [slots, V + 1]. Slots may stay empty behind the first `least` (default: none
    may). To commit is to change `tokens`."""

    tables: TokenPushdown
    tokens: list[int]
    logits: Array
    least: int | None = None

    def through(self, ring: Ring) -> tuple[float, Array]:
        """Return the weight of all valid fillings in a semiring, and that of those with each token, or an
        empty slot, at each slot [slots, V + 1]. Sums are relative to the greatest logit of each slot. Raises
        GrammarError for sums, if a text may have several derivations."""
        each = self._known()
        if ring is SUM:
            self.tables.rules.require_one_derivation()
            each = np.exp(each - self._tops()[:, None])
        return inside_outside(self.tables, ring, each)

    def _known(self) -> Array:
        """Return the logits of what each slot may hold; minus infinity for the rest, 0 for what is fixed."""
        found = np.full(self.logits.shape, -math.inf)
        for slot, token in enumerate(self.tokens):
            if token == OPEN:
                found[slot] = self.logits[slot]
                if self.least is None or slot < self.least:
                    found[slot, -1] = -math.inf
            else:
                found[slot, -1 if token == NULL else token] = 0.0
        return found

    def _tops(self) -> Array:
        top = self._known().max(axis=1)
        return np.where(top > -math.inf, top, 0.0)

    @cached_property
    def _tried(self) -> Array:
        """bool [slots, classes + 1]: the classes of which a masked slot has a token with a positive
        probability, and whether it may stay empty."""
        found = np.zeros((len(self.tokens), self.tables.classes + 1), np.bool_)
        rows, tokens = np.nonzero(self.logits[:, :-1] > -math.inf)
        # a token that stands in no text goes into the last column
        found[rows, self.tables.token_class[tokens]] = True
        found[:, -1] = self.logits[:, -1] > -math.inf
        found[: len(found) if self.least is None else self.least, -1] = False
        return found

    def class_masks(self) -> Array:
        """Return which token classes each slot holds in some valid filling, and whether it may stay empty:
        bool [slots, classes + 1]."""
        tokens = np.array(self.tokens)
        fixed = np.flatnonzero(tokens != OPEN)
        column = np.where(tokens == NULL, self.tables.classes, self.tables.token_class[tokens])[fixed]
        tried = self._tried.copy()
        tried[fixed] = False
        tried[fixed[column >= 0], column[column >= 0]] = True
        return allowed(self.tables, tried)

    def masks(self) -> Array:
        """Return which tokens each slot holds in some valid filling, and whether it may stay empty: bool
        [slots, V + 1]."""
        column = np.append(self.tables.token_class, self.tables.classes)
        found: Array = self.class_masks()[:, column] & (column >= 0) & (self._known() > -math.inf)
        return found

    def log_z(self) -> float:
        """Return the logarithm of the summed weight of all valid fillings, each the exponential of the sum of
        its masked slots' logits; minus infinity if there is none, or if it vanishes."""
        total, _ = self.through(SUM)
        return math.log(total) + float(self._tops().sum()) if total > 0.0 else -math.inf

    def marginals(self) -> Array:
        """Return the probability of each token, and of staying empty, at each slot [slots, V + 1], given
        that the whole is valid. Raises ZeroDivisionError if no weight is left."""
        total, found = self.through(SUM)
        if not total:
            raise ZeroDivisionError("No valid filling has a weight.")
        return found / total

    def best(self) -> tuple[float, list[int]]:
        """Return the value and the tokens of the most probable valid filling. Raises ValueError if there is
        none. A slot with several tokens of best fillings takes the first of them, and all is summed again."""
        tried = ContextFreeFill(self.tables, list(self.tokens), self.logits, self.least)
        value: float | None = None
        while True:
            total, found = tried.through(MAX)
            if total == -math.inf:
                raise ValueError("No filling is valid.")
            value = total if value is None else value
            good = found >= total - 1e-9 * (1.0 + abs(total))
            choice = [NULL if one == len(good[0]) - 1 else int(one) for one in good.argmax(axis=1)]
            tied = np.flatnonzero(good.sum(axis=1) > 1)
            if not len(tied):
                return value, choice
            tried.tokens[tied[0]] = choice[tied[0]]
