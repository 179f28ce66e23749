"""Published samplers that structgen does not ship, written down plainly, to compare with."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

import structgen as sg
from structgen.sampling.rows import FunctionRows
from structgen.sampling.target import Target

STEPS: Final = 10
"""Proposals of a chain before its state is taken as a draw."""


def mcmc_restart(
    next_logprobs: Callable[[list[int]], Any],
    compiled: sg.CompiledGrammar,
    *,
    max_tokens: int,
    checkers: Sequence[Any],
    budget: int,
    seed: int,
) -> tuple[list[str], int, int]:
    """Return the draws of Metropolis-Hastings chains, the model rows, and the texts proposed.

    A chain proposes whole texts by masking and accepts x' in place of x with probability
    min(1, w(x') / w(x)), w being the product of allowed masses: the proposal's law is P(x) / w(x). Its state
    after STEPS proposals is a draw; the next chain starts anew. (Gonzalez, Vaidya, Park, Ji,
    Berg-Kirkpatrick, D'Antoni: Constrained Sampling for Language Models Should Be Easy: An MCMC Perspective,
    2025, with its proposal "restart".) No row is kept: masking keeps none.
    """
    rows = FunctionRows(next_logprobs, [], compiled.vocab_size, "reference")
    target = Target(rows, compiled, max_tokens=max_tokens, checkers=checkers)
    draws = random.Random(seed)
    found: list[str] = []
    proposed = 0
    while True:
        state, weight = None, -math.inf
        for _ in range(STEPS + 1):
            written = _masked(target, draws, budget)
            if written is None:
                return found, rows.count, proposed
            proposed += 1
            tokens, mass = written
            if mass > -math.inf and math.log(draws.random() or 1e-300) < mass - weight:
                state, weight = tokens, mass
        if state is not None:
            found.append(target.text(state).decode())


def _masked(target: Target, draws: random.Random, budget: int) -> tuple[tuple[int, ...], float] | None:
    """Return a text written under the mask and the log of the product of allowed masses (minus infinity where
    it is not valid); None where the budget of rows ends before it does."""
    prefix, mass = target.start(), 0.0
    while True:
        if target.rows.count >= budget:
            return None
        (step,) = target.steps([prefix])
        if not step.mass > 0:
            return prefix.tokens, -math.inf
        mass += math.log(step.mass)
        sums = np.cumsum(np.append(step.probabilities, step.end))
        edge = min(int(np.searchsorted(sums, draws.random() * sums[-1], side="right")), len(sums) - 1)
        if edge == len(step.tokens):
            return prefix.tokens, mass if target.passes(prefix) else -math.inf
        after = target.extend(prefix, int(step.tokens[edge]))
        if after is None:
            return prefix.tokens, -math.inf
        prefix = after
