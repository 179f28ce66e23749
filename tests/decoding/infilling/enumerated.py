"""The slow obvious twin of a lattice: every filling is listed."""

from __future__ import annotations

import itertools

import numpy as np

from structgen.decoding.infilling.lattice import NULL, OPEN
from structgen.decoding.infilling.token_automaton import TokenAutomaton, token_automaton
from structgen.machines.core.dfa import Dfa


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


def accepts(automaton: TokenAutomaton, tokens: list[int]) -> bool:
    """Return whether a sequence of tokens is a text of the language."""
    state = automaton.start
    for token in tokens:
        column = int(automaton.token_class[token])
        state = -1 if column < 0 else int(automaton.transitions[state, column])
        if state < 0:
            return False
    return bool(automaton.accepting[state])


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
        if is_valid and accepts(automaton, text):
            weights[filling] = weight
    return weights
