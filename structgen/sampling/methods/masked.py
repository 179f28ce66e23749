"""Masking: tokens are drawn from the model's distribution renormalised over the allowed ones.

This is what engines for structured output do (grammar-constrained decoding, for example Geng et al. 2023). It
uses h = 1 for every viable prefix. So it samples a text x with probability P(x) / product of z(u) over its
prefixes u, where z is the allowed mass: texts through prefixes of little allowed mass are too frequent. It is
the baseline.
"""

from __future__ import annotations

from structgen.sampling.run_limits import Drawn, SamplingRun, attempts_of, drawn
from structgen.sampling.walk import Finish, Walker


def draw(run: SamplingRun) -> Drawn:
    """Return draws of the masked law, all of the same weight."""
    walker = Walker(run.target, Finish.IGNORE, None, seed=run.seed)
    found = drawn(attempts_of(run, walker), run.n, weighted=False, estimated=False)
    found.is_biased = True
    return found
