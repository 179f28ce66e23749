"""Masking: tokens are drawn from the model's distribution renormalised over the allowed ones.

This is what every engine for structured output does (grammar-constrained decoding, for example Geng et al.
2023). It puts h = 1 for every viable prefix, and so samples a text x with probability P(x) / product of z(u)
over its prefixes u, z being the allowed mass: texts that pass through prefixes of little allowed mass come
too often. It is the baseline.
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
