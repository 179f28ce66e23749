"""MCMC: Metropolis-Hastings chains over whole texts (Gonzalez, Vaidya, Park, Ji, Berg-Kirkpatrick, D'Antoni:
Constrained Sampling for Language Models Should Be Easy: An MCMC Perspective, 2025, with its proposal
"restart").

A proposal is a text x' drawn under the mask; its probability is P(x') / w(x'), where w is the product of the
allowed masses on its way. A chain replaces its text x by x' with probability min(1, w(x') / w(x)), so the
target is its stationary law. The text after `STEPS` proposals is one draw, and the next chain starts again:
draws are independent of each other. Their law differs from the target by at most (1 - Z / sup w) ** `STEPS`
in total variation (Mengersen and Tweedie 1996, theorem 2.1, for independence samplers).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

import structgen as sg

STEPS: Final = 10
"""Proposals after a chain's first text, as in the paper's main experiments."""


def chains(proposals: sg.Samples[Any], chance: np.random.Generator, steps: int = STEPS) -> sg.Samples[Any]:
    """Return the last texts of chains, each of the next `steps` + 1 draws of `sg.sample(method="masked")`;
    draws that are left over are dropped. `chance` may share no number with the seed of the draws."""
    assert proposals.method == "masked"
    weights = [float(np.log(masses or [1.0]).sum()) for masses in proposals.masses]
    ends = []
    for begin in range(0, len(weights) - steps, steps + 1):
        state = begin
        for at in range(begin + 1, begin + steps + 1):
            if chance.random() < np.exp(weights[at] - weights[state]):
                state = at
        ends.append(state)
    return replace(
        proposals,
        method="mcmc",
        texts=[proposals.texts[at] for at in ends],
        values=[proposals.values[at] for at in ends],
        token_ids=[proposals.token_ids[at] for at in ends],
        masses=[proposals.masses[at] for at in ends],
        logprobs=proposals.logprobs[ends],
        log_weights=np.full(len(ends), -np.log(max(len(ends), 1))),
        attempts=None,
    )
