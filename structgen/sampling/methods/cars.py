"""CARS: constrained adaptive rejection sampling (Parys, Vaidya, Berg-Kirkpatrick, D'Antoni 2025).

A walk through the prefix tree, as in ASAp, with coin flips: at each prefix it continues with the probability
(found bound) / (assumed bound). Accepted texts are independent draws from the target. Texts that are known to
be forbidden are never proposed again, so the acceptance rate, Z / upper(root), only rises.
"""

from __future__ import annotations

from structgen.sampling.run_limits import Drawn, SamplingRun, attempts_of, drawn
from structgen.sampling.walk import Finish, Walker


def draw(run: SamplingRun) -> Drawn:
    """Return exact draws."""
    walker = Walker(run.target, Finish.COIN, run.tree, seed=run.seed)
    found = drawn(attempts_of(run, walker), run.n, weighted=False, estimated=True)
    found.is_exact = True
    return found
