"""Adaptive weighted rejection sampling: particles as in `smc`, whose next token is drawn until the checkers
let it through (Lipkin et al., Fast Controlled Generation from Language Models with Adaptive Weighted
Rejection Sampling, 2025).

The grammar's mask is exact and comes with every row. A checker without a mask says nothing of a token before
it is asked, and one question about each token of the vocabulary would cost too much. So tokens are drawn
under the mask without replacement, likely ones first, and only those that were drawn are checked. The first
one that passes is a draw from the valid tokens, by their probabilities.

Its weight has to be multiplied by an estimate of theta, the probability of all valid edges together. Drawing
goes on, from all that is not known to be invalid, until an edge passes for the second time (the first one may
come again). Let q_i be the mass that is left after i edges were refused, j of them in all. Then

    1 / (1/q_0 + 1/q_1 + ... + 1/q_j)

is an unbiased estimate of theta, whichever edge passed first. For the refusals r_1 ... r_j come, with the
first edge to pass before or behind any of them, with probability

    P(r_1)/q_0 ... P(r_j)/q_(j-1)  theta/q_j  times  theta (1/q_0 + ... + 1/q_j),

so its mean is theta times the sum of P(r_1)/q_0 ... P(r_j)/q_(j-1) theta/q_j. The terms of that sum are the
probabilities of the refusals that come before a first edge passes, so it is 1. Where single edges have little
mass this is the estimate 1 / (draws - 1) of inverse binomial sampling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from structgen.sampling.methods import smc
from structgen.sampling.run import Drawn, Run
from structgen.sampling.target import Floats, Prefix, Step, Target

_FIRST = 32
"""Edges that are put into order at first."""


def draw(run: Run) -> Drawn:
    """Return at least `n` weighted draws, of at least two independent runs of particles."""
    return smc.draw(run, propose=propose)


def propose(target: Target, prefix: Prefix, step: Step, draws: np.random.Generator) -> smc.Taken | None:
    """Draw an edge that passes the checkers, with an unbiased estimate of the mass of all that do.

    Drawing without replacement is a race: each edge arrives after an exponentially distributed time, at a
    rate that is its probability; the edge that passed first sets out once more.
    """
    masses = np.append(step.probabilities, step.end)
    with np.errstate(divide="ignore", invalid="ignore"):
        arrivals: Floats = np.where(masses > 0, draws.exponential(size=len(masses)) / masses, math.inf)
    left = _Left(masses)
    first: tuple[int, Prefix] | None = None
    again = math.inf
    inverses = 1 / left.mass if left.mass > 0 else math.inf
    for edge in _ascending(arrivals):
        if arrivals[edge] >= again or arrivals[edge] == math.inf:
            break
        after = smc.checked(target, prefix, step, edge)
        if after is None:
            left.without(edge)
            if left.mass > 0:
                inverses += 1 / left.mass
        elif first is None:
            first = edge, after
            again = float(arrivals[edge] + draws.exponential() / masses[edge])
        else:
            break
    return None if first is None else smc.Taken(*first, 1 / inverses)


class _Left:
    """The mass of edges of which some are taken away, without the loss of digits that subtraction brings."""

    def __init__(self, masses: Floats) -> None:
        self._masses = masses.copy()
        self.mass = self._summed = float(masses.sum())

    def without(self, edge: int) -> None:
        """Take an edge away."""
        self.mass -= float(self._masses[edge])
        self._masses[edge] = 0.0
        if self.mass < 0.5 * self._summed:
            self.mass = self._summed = float(self._masses.sum())


def _ascending(arrivals: Floats) -> Iterator[int]:
    """Yield the places of the numbers in ascending order. The first few cost O(V), all of them O(V log V)."""
    done, wanted = 0, _FIRST
    while done < len(arrivals):
        wanted = min(8 * wanted, len(arrivals))
        places = np.argpartition(arrivals, wanted - 1)[:wanted]
        yield from places[np.argsort(arrivals[places], kind="stable")][done:].tolist()
        done = wanted
