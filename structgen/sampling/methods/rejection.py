"""Rejection sampling: texts are drawn from the model alone, and given up at the first token that is not
allowed.

Accepted texts are independent draws from the target. A text costs 1 / Z attempts on average; most of them
are short, as a forbidden token ends them. The attempt is drawn backwards: instead of a token that may be
forbidden, a coin with the allowed mass z says whether it would have been, and an allowed token is drawn after
it. The law is the same.
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
