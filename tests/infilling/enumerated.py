"""The slow obvious twin of a lattice: every filling is listed, and sums and maxima run over the list."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from structgen.core.dfa import Dfa
from structgen.errors import StructgenError
from structgen.infilling.lattice import NULL, OPEN, Lattice
from structgen.infilling.token_automaton import TokenAutomaton, token_automaton


def random_automaton(chance: np.random.Generator, states: int, tokens: int) -> TokenAutomaton:
    """Return an automaton with random transitions, a third of them missing; some tokens act alike."""
    classes = max(2, tokens - 2)
    table = chance.integers(-states // 2, states, (states, classes)).astype(np.int32)
    table = np.maximum(table, -1)
    accepting = chance.random(states) < 0.4
    accepting[chance.integers(states)] = True
    token_class = chance.integers(-1, classes, tokens)
    token_class[:classes] = chance.permutation(classes)  # every class has a token
    token_class = chance.permutation(token_class).astype(np.int32)
    return token_automaton(Dfa(0, table, token_class, accepting, ()))


Weights = dict[tuple[int, ...], float]
"""All valid fillings, each with the sum of its logits."""


def fillings_of(
    automaton: TokenAutomaton,
    tokens: list[int],
    logits: np.ndarray,
    nullable: list[bool],
    closes: list[bool],
    end: int,
    pad: int,
) -> Weights:
    """Return all valid fillings of a canvas part with their weights."""
    count = logits.shape[1]
    choices = []
    for slot, token in enumerate(tokens):
        some = [token] if token != OPEN else list(range(count))
        if token == OPEN and nullable[slot]:
            some.append(NULL)
        choices.append(some)
    weights: Weights = {}
    for filling in itertools.product(*choices):
        is_behind_null, weight, text, is_valid = False, 0.0, [], True
        for slot, token in enumerate(filling):
            if token == NULL:
                if tokens[slot] == OPEN:
                    weight += float(logits[slot, pad if is_behind_null else end])
                is_behind_null = True
            else:
                is_valid = is_valid and not is_behind_null
                text.append(token)
                if tokens[slot] == OPEN:
                    weight += float(logits[slot, token])
            if closes[slot]:
                is_behind_null = False
        if is_valid and automaton.accepts(text):
            weights[filling] = weight
    return weights


def log_z(weights: Weights) -> float:
    top = max(weights.values(), default=-math.inf)
    if top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(one - top) for one in weights.values()))


def check(lattice: Lattice, weights: Weights, at: np.ndarray | None = None) -> None:
    """Compare everything that a lattice says with the list of all fillings. `at`: the place in a filling of
    each slot of the lattice, below 0 where it has none; by default its own."""
    at = np.arange(len(lattice)) if at is None else at
    assert lattice.is_feasible == bool(weights)
    z = log_z(weights)
    assert lattice.log_z() == pytest.approx(z, rel=1e-9, abs=1e-9)
    if not weights:
        with pytest.raises(StructgenError, match="No filling"):
            lattice.best()
        return
    marginals = lattice.marginals()
    entropies = lattice.entropies(marginals)
    for slot in np.flatnonzero(lattice.is_open).tolist():
        shares: Counter[int] = Counter()
        for some, weight in weights.items():
            shares[some[at[slot]]] += math.exp(weight - z)
        chances, null = lattice.token_marginals(slot, lattice.marginals())
        assert set(np.flatnonzero(lattice.token_mask(slot)).tolist()) == set(shares) - {NULL}
        assert lattice.null_allowed(slot) == (NULL in shares)
        assert chances == pytest.approx([shares[one] for one in range(len(chances))], rel=1e-9, abs=1e-12)
        assert null == pytest.approx(shares[NULL], rel=1e-9, abs=1e-12)
        entropy = -math.fsum(one * math.log(one) for one in shares.values() if one > 0)
        assert entropies[slot] == pytest.approx(entropy, abs=1e-9)
    ordered = sorted(weights.values(), reverse=True)
    for k in (1, 2, 5):
        found = [(value, tuple(some[at >= 0].tolist())) for value, some in lattice.best(k)]
        assert [value for value, _ in found] == pytest.approx(ordered[:k], rel=1e-9, abs=1e-9)
        assert len({some for _, some in found}) == len(found)
        for value, some in found:
            assert weights[some] == pytest.approx(value, rel=1e-9, abs=1e-9)
    for uniforms in np.random.default_rng(1).random((5, len(lattice), 3)):
        assert tuple(lattice.sample(uniforms)[at >= 0].tolist()) in weights
