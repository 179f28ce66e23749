"""The default method: beams; walks with tempered weights where the budget pays for few texts.

Beams (see `structgen.samplers.methods.beams`) have the least error of all methods that correct masking's law.
But the correction has a price: for fewer than about 64 texts its noise is greater than the bias that it
removes, and plain masking is nearer to the target. There `auto` draws by walks through the prefix tree, as
`asap` does, and applies the importance weights only in part: to the greatest power that leaves an effective
size of 95 % of the draws. Such draws are biased, less than masking's. Their estimate of Z, by the whole
weights, is not.

Source of the power: tempered importance weights, as in Koblents and Miguez (2015), A population Monte Carlo
scheme with transformed weights.
"""

from __future__ import annotations

from typing import Final

from structgen.samplers.estimates import log_sum, normalised
from structgen.samplers.methods import beams
from structgen.samplers.run_limits import CUTS, Drawn, SamplingRun, attempts_of, drawn
from structgen.samplers.target import Floats
from structgen.samplers.walk import Attempt, Finish, Walker

FEW_TEXTS: Final = 64
"""A budget that pays for fewer texts is spent on walks. With 50 texts masking has a lower error than beams on
two tasks of five, with 100 on none (docs/inside/results.md)."""
SHARE: Final = 0.95
"""The effective size of tempered draws, as a share of their number. With 0.7 and 0.85 the error on "enum" at
300 rows was above masking's, by 0.042 and 0.015."""
_PILOT: Final = 4
"""Walks that tell how many rows a text takes."""
_HALVINGS: Final = 30
"""Steps of the search for a power: it is then known to 1e-9."""


def draw(run: SamplingRun) -> Drawn:
    """Return draws with weights: by beams, or, where the budget pays for few texts, by walks."""
    budget, tree = run.budget, run.tree
    if budget is None or tree.root is not None or budget >= FEW_TEXTS * (run.target.max_tokens + 1):
        return beams.draw(run)
    # The highest bit of the seed keeps the random numbers of walks and beams apart.
    walker = Walker(run.target, Finish.WEIGHT, tree, seed=run.seed ^ (1 << 63))
    found: list[Attempt] = []
    try:
        while len(found) < _PILOT and not walker.is_spent and run.afford(0):
            found += walker.attempts(1, run.afford)
    except CUTS as error:
        run.cut(error)
    if budget * len(found) < FEW_TEXTS * run.model_rows:
        found = attempts_of(run, walker, min(run.n, 2 * FEW_TEXTS), found)
        texts = sum(attempt.weight > 0 for attempt in found)
        if not tree.is_exhausted and (run.stopped or texts == run.n):
            return _weighted(found, run.n)
    return beams.draw(run)


def _weighted(attempts: list[Attempt], wanted: int) -> Drawn:
    """Return the draws of walks with tempered weights, and the estimate of Z by the whole weights."""
    found = drawn(attempts, wanted, weighted=True, estimated=True)
    weights = tempered(found.log_weights)
    shares = normalised(weights)
    found.log_weights = weights - log_sum(weights) + found.log_z
    found.contributions = lambda values: (shares * values.T).T
    found.is_biased = True
    return found


def tempered(log_weights: Floats) -> Floats:
    """Return log weights times the greatest number, at most 1, for which the effective size is `SHARE` of the
    number of draws."""
    low, high = 0.0, 1.0
    if not len(log_weights) or _size(log_weights) >= SHARE * len(log_weights):
        return log_weights
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_enough = _size(middle * log_weights) >= SHARE * len(log_weights)
        low, high = (middle, high) if is_enough else (low, middle)
    return low * log_weights


def _size(log_weights: Floats) -> float:
    """Return the effective size by weights (Kish)."""
    weights = normalised(log_weights)
    return float(1.0 / (weights @ weights))
