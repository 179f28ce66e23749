"""The slow obvious twin of a lattice: every filling is listed, and sums and maxima run over the list."""

from __future__ import annotations

import itertools
import math

import numpy as np

from structgen.core.dfa import Dfa
from structgen.infilling.lattice import NULL, OPEN
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


class Enumerated:
    """All valid fillings of a canvas part with their weights."""

    def __init__(
        self,
        automaton: TokenAutomaton,
        tokens: list[int],
        logits: np.ndarray,
        nullable: list[bool],
        closes: list[bool],
        end: int,
        pad: int,
    ) -> None:
        count = logits.shape[1]
        choices = []
        for slot, token in enumerate(tokens):
            some = [token] if token != OPEN else list(range(count))
            if token == OPEN and nullable[slot]:
                some.append(NULL)
            choices.append(some)
        self.weights: dict[tuple[int, ...], float] = {}
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
                self.weights[filling] = weight

    def log_z(self) -> float:
        top = max(self.weights.values(), default=-math.inf)
        if top == -math.inf:
            return top
        return top + math.log(math.fsum(math.exp(one - top) for one in self.weights.values()))

    def marginal(self, slot: int, token: int) -> float:
        z = self.log_z()
        return math.fsum(math.exp(one - z) for some, one in self.weights.items() if some[slot] == token)
