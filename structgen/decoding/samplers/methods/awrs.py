"""The method `awrs`, adaptive weighted rejection sampling: particles as in `smc`, whose next token is drawn
again until the checkers accept it (Lipkin et al., Fast Controlled Generation from Language Models with
Adaptive Weighted Rejection Sampling, 2025).

An *edge* is a token that may follow a prefix. Its *mass* is its probability under the model. An edge *passes*
if no checker refuses the prefix with that token; else it is *invalid*.

The grammar's mask is exact and comes with every row. A checker without a mask must be asked about each token,
which is too slow for the whole vocabulary. So tokens are drawn under the mask without replacement, and only
drawn tokens are checked. The first one that passes is a draw from the valid tokens, by their probabilities.

Its weight must be multiplied by an estimate of theta, the probability of all valid edges together. For this,
drawing continues, among all edges not known to be invalid, until an edge passes for the second time (it may
be the same edge). Let j be the number of refused edges, and q_i the mass that remains after the first i of
them were refused. Then

    1 / (1/q_0 + 1/q_1 + ... + 1/q_j)

is an unbiased estimate of theta, whichever edge passed first. The proof: the refusals r_1 ... r_j come in
this order, and the first edge passes before or after any of them, with the probability

    P(r_1)/q_0 ... P(r_j)/q_(j-1)  theta/q_j  times  theta (1/q_0 + ... + 1/q_j),

so the mean of the estimate is theta times the sum of P(r_1)/q_0 ... P(r_j)/q_(j-1) theta/q_j. The terms of
that sum are the probabilities of the refusals that come before a first edge passes, so the sum is 1. If each
edge has little mass, the estimate is nearly 1 / (draws - 1), that of inverse binomial sampling.
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
    """Return an edge that passes the checkers, with an unbiased estimate of the mass of all edges that pass;
    None if every edge was refused.

    `step` has the edges after `prefix`, and `draws` gives the random numbers. For example, let three edges
    have the masses 0.5, 0.3 and 0.2, and the checkers refuse the first one: the estimate is 0.5 on average.
    Cost: O(V) each time that half of the mass has been refused, and the checks.
    """
    remaining = _RemainingEdges(step.edges)
    # The first edge that passed, and the prefix with it; None: no edge has passed yet.
    first: tuple[int, Prefix] | None = None
    # The sum 1/q_0 + 1/q_1 + ... of the module's docstring.
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
    """The edges that are not known to be invalid, with their total mass `mass`."""

    def __init__(self, masses: Floats) -> None:
        self._masses = masses
        self._sum_masses()

    def _sum_masses(self) -> None:
        """Compute, from the masses of the remaining edges, the partial sums by which edges are drawn, and the
        total mass."""
        self._sums = np.cumsum(self._masses)
        self.mass = self._mass_when_summed = float(self._sums[-1])

    def draw_edge(self, draws: np.random.Generator) -> int:
        """Return the index of an edge, drawn with a probability proportional to its mass. An edge that was
        drawn before may come again, unless it was refused."""
        while True:
            point = draws.random() * self._sums[-1]
            edge = int(np.searchsorted(self._sums, point, side="right"))
            # The sums may still count edges that were refused since: their mass is 0, so draw again.
            if edge < len(self._masses) and self._masses[edge] > 0:
                return edge

    def refuse_edge(self, edge: int) -> None:
        """Remove an edge. After many removals the sums are recomputed: subtraction loses digits."""
        self.mass -= float(self._masses[edge])
        self._masses[edge] = 0.0
        if self.mass < 0.5 * self._mass_when_summed:
            self._sum_masses()
