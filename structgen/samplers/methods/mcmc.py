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

from typing import Final

import numpy as np

from structgen.samplers.estimates import interval_of_weights, mean_of
from structgen.samplers.run_limits import CUTS, Drawn, SamplingRun, drawn
from structgen.samplers.walk import Attempt, Finish, Walker

STEPS: Final = 10
"""Proposals after a chain's first text, as in the paper's main experiments."""


def draw(run: SamplingRun) -> Drawn:
    """Return draws of the same weight. Cost: `STEPS` + 1 texts under the mask for each draw.

    The weights w of all proposals estimate Z without bias, so `log_z` is known although the draws are biased.
    """
    walker = Walker(run.target, Finish.WEIGHT, None, seed=run.seed)
    proposals: list[Attempt] = []
    per_draw = STEPS + 1
    try:
        while len(proposals) < run.n * per_draw and run.afford(0):
            missing = run.n * per_draw - len(proposals)
            fresh = walker.attempts(min(run.width, missing), run.afford)
            proposals += fresh
            run.tried(len(fresh), sum(one.weight > 0 for one in fresh))
            run.tell(len(proposals) // per_draw)
            if run.is_close(proposals):
                run.stopped = "standard_error"
    except CUTS as error:
        run.cut(error)
    chains = len(proposals) // per_draw
    states = [_last(proposals[i * per_draw : (i + 1) * per_draw], run.seed, i) for i in range(chains)]
    found = drawn(states, run.n, weighted=False, estimated=False)
    found.attempts = len(proposals)
    weights = np.array([one.weight for one in proposals])
    found.log_z, _ = mean_of(weights)
    found.log_z_interval = interval_of_weights(weights, found.log_z)
    found.is_biased = True
    return found


def _last(proposals: list[Attempt], seed: int, chain: int) -> Attempt:
    """Return the text of a chain after its last proposal; one of weight 0 where no proposal was valid.

    The walks use the counters from 0 of Philox's streams, the chains those from 2^192, so no random number is
    used twice.
    """
    key = [seed & ((1 << 64) - 1), chain]
    chance = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, 1]))
    state = proposals[0]
    for proposal in proposals[1:]:
        if chance.random() * state.weight < proposal.weight:
            state = proposal
    return state
