"""Rejection sampling: texts are drawn from the model alone, and dropped at the first token that is not
allowed.

Accepted texts are independent draws from the target. A text costs 1 / Z attempts on average; most attempts
are short, because a forbidden token ends them. The implementation reverses the order: it first flips a coin
with the allowed mass z, and only then draws an allowed token. The law is the same.
"""

from __future__ import annotations

from structgen.sampling.run_limits import Drawn, SamplingRun, attempts_of, drawn
from structgen.sampling.walk import Finish, Walker


def draw(run: SamplingRun) -> Drawn:
    """Return exact draws."""
    walker = Walker(run.target, Finish.COIN, None, seed=run.seed)
    found = drawn(attempts_of(run, walker), run.n, weighted=False, estimated=True)
    found.is_exact = True
    return found
