"""Importance sampling: walks through the prefix tree, weighted by the product of the ratios of bounds.

The proposal is ASAp's law. With the weight upper(root) times all ratios, each draw is an unbiased estimate of
the sum of P(x) f(x) over valid x, whatever the tree has learnt. (Weighted grammar-constrained decoding is in
Lipkin et al. 2025; the telescoping weight is that of adaptive importance sampling.)
"""

from __future__ import annotations

from structgen.sampling.run_limits import Drawn, SamplingRun, attempts_of, drawn
from structgen.sampling.walk import Finish, Walker


def draw(run: SamplingRun) -> Drawn:
    """Return weighted draws."""
    walker = Walker(run.target, Finish.WEIGHT, run.tree, seed=run.seed)
    return drawn(attempts_of(run, walker), run.n, weighted=True, estimated=True)
