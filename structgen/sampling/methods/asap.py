"""ASAp: adaptive sampling with approximate expected futures (Park, Wang, Berg-Kirkpatrick, Polikarpova,
D'Antoni: Grammar-Aligned Decoding, NeurIPS 2024).

Tokens are drawn by P(a | u) upper(ua), with the bound of the prefix tree in place of h; each text improves
the tree. The law converges to the target as the tree grows, but not monotonically: its divergence may rise
first. After any finite number of steps the draws are biased.
"""

from __future__ import annotations

from structgen.sampling.run_limits import Drawn, SamplingRun, attempts_of, drawn
from structgen.sampling.walk import Finish, Walker


def draw(run: SamplingRun) -> Drawn:
    """Return draws of ASAp's law, all of the same weight. One walk at a time: each learns from those before
    it."""
    run.width = 1
    walker = Walker(run.target, Finish.IGNORE, run.tree, seed=run.seed)
    found = drawn(attempts_of(run, walker), run.n, weighted=False, estimated=False)
    found.is_biased = True
    return found
