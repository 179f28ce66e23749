"""Adaptive weighted rejection sampling: particles as in `smc`, whose next token is drawn until the checkers
let it through (Lipkin et al., Fast Controlled Generation from Language Models with Adaptive Weighted
Rejection Sampling, 2025).

The grammar's mask is exact and comes with every row. A checker without a mask must be asked about each token,
which is too slow for the whole vocabulary. So tokens are drawn under the mask without replacement, and only
drawn tokens are checked. The first one that passes is a draw from the valid tokens, by their probabilities.

Its weight must be multiplied by an estimate of theta, the probability of all valid edges together. For this,
drawing continues, among all edges not known to be invalid, until an edge passes for the second time (it may
be the same edge). Let q_i be the mass that is left after i edges were refused, j of them in all. Then

    1 / (1/q_0 + 1/q_1 + ... + 1/q_j)

is an unbiased estimate of theta, whichever edge passed first. For the refusals r_1 ... r_j come, with the
first edge to pass before or after any of them, with probability

    P(r_1)/q_0 ... P(r_j)/q_(j-1)  theta/q_j  times  theta (1/q_0 + ... + 1/q_j),

so its mean is theta times the sum of P(r_1)/q_0 ... P(r_j)/q_(j-1) theta/q_j. The terms of that sum are the
probabilities of the refusals that come before a first edge passes, so it is 1. Where single edges have little
mass this is the estimate 1 / (draws - 1) of inverse binomial sampling.
"""

from __future__ import annotations

import numpy as np

from structgen.decoding.samplers.methods import smc
from structgen.decoding.samplers.methods.smc import TakenEdge, check_edge
from structgen.decoding.samplers.run_limits import Drawn, SamplingRun
from structgen.decoding.samplers.target import Floats, Prefix, Target, TargetStep


def draw(run: SamplingRun) -> Drawn:
    """Return at least `n` weighted draws, of at least two independent runs of particles."""
    draws = smc.draw(run, propose=propose_checked)
    draws.method = "awrs"
    return draws


def propose_checked(
    target: Target, prefix: Prefix, step: TargetStep, draws: np.random.Generator
) -> TakenEdge | None:
    """Draw an edge that passes the checkers, with an unbiased estimate of the mass of all that do; None if
    every edge was refused.

    `step` is that of `prefix`. For example, of three edges with the masses 0.5, 0.3 and 0.2 of which the
    first is refused, the estimate is 0.5 on average. Cost: O(V) each time that half of the mass has been
    refused, and the checks.
    """
    remaining = _RemainingEdges(step.edges)
    first: tuple[int, Prefix] | None = None
    inverses = 1 / remaining.mass if remaining.mass > 0 else 0.0
    while remaining.mass > 0:
        edge = remaining.draw_edge(draws)
        # The first edge again is the second pass, and needs no check.
        if first is not None and edge == first[0]:
            break
        after = check_edge(target, prefix, step, edge)
        if after is None:
            remaining.refuse_edge(edge)
            if remaining.mass > 0:
                inverses += 1 / remaining.mass
        elif first is None:
            first = edge, after
        else:
            break
    mass = 1 / inverses if inverses > 0 else 0.0
    # A mass that underflows to 0 counts as a dead end.
    return None if first is None or mass == 0.0 else TakenEdge(*first, mass)


class _RemainingEdges:
    """The edges that are not known to be invalid."""

    def __init__(self, masses: Floats) -> None:
        self._masses = masses
        self._sum_masses()

    def _sum_masses(self) -> None:
        """Compute the sums by which edges are drawn, and the mass, from the masses that are left."""
        self._sums = np.cumsum(self._masses)
        self.mass = self._mass_when_summed = float(self._sums[-1])

    def draw_edge(self, draws: np.random.Generator) -> int:
        """Return an edge drawn by its mass; edges drawn before may come again, unless they were refused."""
        while True:
            point = draws.random() * self._sums[-1]
            edge = int(np.searchsorted(self._sums, point, side="right"))
            # The sums may be older than the last refusals.
            if edge < len(self._masses) and self._masses[edge] > 0:
                return edge

    def refuse_edge(self, edge: int) -> None:
        """Remove an edge. After many removals the sums are recomputed: subtraction loses digits."""
        self.mass -= float(self._masses[edge])
        self._masses[edge] = 0.0
        if self.mass < 0.5 * self._mass_when_summed:
            self._sum_masses()
