"""The method `auto`, the default: it makes `n` draws by the method that seems cheapest. With a budget of
model rows it uses beams, if the budget suffices for them.

A *row* is the model's distribution after one prefix, the unit of cost. A *walk* writes one text token by
token. *Particles* are prefixes that are extended side by side and resampled; a *cloud* is the particles of
one run of the method. *Beams* read all likely prefixes of one length together. A *pilot* is the first few
walks, from which the cost of a draw is estimated. A *separate text* is a text that is written without a
prefix tree: it costs one row for each of its tokens.

Without a budget the draws are walks through the *remainder*, the valid texts that are not known yet (`raj`).
The walks flip coins, and known texts come again as *repeats*. Without their weights they are exact draws,
like those of `cars`: a known text x is repeated with the probability P(x) / U, where U is the proven bound on
the valid mass; an unknown one is accepted by a walk with the same probability. With their weights, which sum
the known texts, means have a smaller error, and intervals hold on every law.

After the pilot the run knows the cost of a draw. If a draw costs much more than a separate text, the draws
are made by the particles of `smc`, or of `awrs` if checkers kill all of them. Such draws are weighted, and
have no intervals. Walks and particles read the same rows, so the rows of the pilot are not paid for again.
The texts of the walks are then dropped.

Beams (see `structgen.decoding.samplers.methods.beams`) have the least error for a number of rows. With a
budget they come first, and what `n` draws cost is kept back, for the case that the beams find fewer
texts. Where the budget pays for fewer texts than beams need and than were asked for, `auto` draws by walks
through the prefix tree and applies the importance weights only in part: to the greatest power that leaves an
effective size of 95 % of the draws. Such draws are biased, less than masking's. Their estimate of Z,
by the whole weights, is not.

Source of the power: tempered importance weights, as in Koblents and Miguez (2015), A population Monte Carlo
scheme with transformed weights.
"""

from __future__ import annotations

import math
from typing import Final

from structgen.decoding.samplers.estimates import count_carriers, log_sum, normalise_weights
from structgen.decoding.samplers.methods import awrs, beams, smc
from structgen.decoding.samplers.methods.raj import RemainderWalks
from structgen.decoding.samplers.run_limits import (
    Drawn,
    Particles,
    SamplingRun,
    attempts_of,
    draws_of_attempts,
)
from structgen.decoding.samplers.target import ROUNDING, Floats
from structgen.decoding.samplers.walk import Attempt, Finish, Walker

FEW_TEXTS: Final = 64
"""The least number of texts that a budget must pay for to be spent on beams. With 50 texts masking has a
lower error than beams on two tasks of five, with 100 on none (docs/inside/results.md)."""
SHARE: Final = 0.95
"""The effective size of tempered draws, as a share of their number. With 0.7 and 0.85 the error on "enum" at
300 rows was above masking's, by 0.042 and 0.015."""
_PILOT: Final = 2
"""The fewest draws of a pilot, from which the cost of a draw is estimated."""
_SHARE_OF_PILOT: Final = 0.1
"""The part of the cost of `n` separate texts that a pilot may cost. If the tree answers most walks, the pilot
is long."""
_DEAR: Final = 2.5
"""The factor over the cost of separate texts above which walks are replaced by particles. With it `auto`
reads at most a quarter more rows than the cheapest unbiased method
(tests/decoding/samplers/test_enumerated.py)."""


def draw(run: SamplingRun) -> Drawn:
    """Return the draws of the method that was chosen: exact draws, weighted draws, or the texts that beams
    find."""
    run.target.remember_steps()
    if run.budget is not None:
        return _draw_within(run, run.budget)
    return _draw_by_walks(run)


def _draw_by_walks(run: SamplingRun) -> Drawn:
    """Return `n` draws, by walks through the remainder with repeats of known texts. If the walks would cost
    too much, the draws are by particles."""
    # The bit of the seed keeps the random numbers of these walks, of particles and of `_draw_within` apart.
    walks = RemainderWalks(run, changed_bits=1 << 61, flips=True)
    rows_before = run.model_rows

    def rows_paid() -> int:
        """The model rows of these walks so far."""
        return run.model_rows - rows_before

    def is_cheap() -> bool:
        """Whether a draw costs little more than a separate text, as the rows so far say."""
        return walks.draw_count >= _PILOT and rows_paid() <= _DEAR * walks.draw_count * walks.longest

    def is_known() -> bool:
        """Whether the pilot is over: the walks are cheap, the pilot has cost its share of rows, or it has
        made half of the draws."""
        is_paid = rows_paid() >= max(_SHARE_OF_PILOT * run.n, 1) * walks.longest > 0
        return is_cheap() or is_paid or 2 * walks.draw_count >= run.n > 3

    walks.go_on(run.n, repeats=True, is_enough=is_known)
    is_well = 2 * walks.draw_count >= run.n or is_cheap()
    if walks.draw_count < run.n and not run.stopped and is_well:
        walks.pilot = len(walks.attempts)

        def is_too_dear() -> bool:
            """Whether the pilot was wrong: less than half of the draws have cost as much as all draws may."""
            return 2 * walks.draw_count < run.n and rows_paid() >= _DEAR * walks.longest * run.n

        walks.go_on(run.n, repeats=True, is_enough=is_too_dear)
    if walks.draw_count < run.n and not run.stopped:
        particles = _draw_by_particles(run)
        if particles is not None:
            return particles
        walks.go_on(run.n, repeats=True)
    return walks.collect_draws()


def _draw_by_particles(run: SamplingRun) -> Drawn | None:
    """Return `n` weighted draws; None if all particles died in every cloud that was tried.

    Below `smc.MANY` draws one cloud of `n` particles is used, because its particles share the most rows. The
    particles of `smc` cost the least. Checkers that refuse nearly each token kill all of them; the particles
    of `awrs` survive, because they draw a refused token again.
    """
    is_one = run.n < smc.MANY
    # Pairs of a method and the number of particles in a cloud (None: the method's own number).
    clouds: list[tuple[str, int | None]] = [("smc", run.n if is_one else None)]
    # `awrs` asks far more checks than `smc`, so it comes second.
    if run.target.checkers:
        clouds.append(("awrs", run.n))
    elif not is_one:
        clouds.append(("smc", run.n))
    for method, count in clouds:
        run.particles = Particles(count, are_replaced=True)
        draws = smc.draw(run) if method == "smc" else awrs.draw(run)
        if len(draws.tokens) >= run.n or run.stopped:
            return draws
        run.seed ^= 1 << 62  # other random numbers than those of the clouds that died
    return None


def _draw_within(run: SamplingRun, budget: int) -> Drawn:
    """Return the draws that `budget` model rows pay for."""
    attempts: list[Attempt] = []
    seed = run.seed ^ (1 << 63)
    walker = Walker(run.target, Finish.WEIGHT, run.tree, seed=seed)
    # A text costs at most `max_tokens` rows and one for its end.
    is_small = run.tree.root is None and budget < FEW_TEXTS * (run.target.max_tokens + 1)
    if is_small or run.n < budget:
        attempts = _run_pilot(run, walker)
    # The rows that `n` draws will cost; infinity without an attempt, since the cost is then unknown.
    cost = run.model_rows * run.n / len(attempts) if attempts else math.inf
    if not is_small or budget * len(attempts) >= FEW_TEXTS * run.model_rows:
        return _beams_first(run, budget, cost)
    if cost <= budget:
        return _draw_by_walks(run)
    attempts = attempts_of(run, walker, min(run.n, 2 * FEW_TEXTS), attempts)
    has_all = sum(attempt.weight > 0 for attempt in attempts) == run.n
    if not run.tree.is_exhausted and (run.stopped or has_all):
        return _draw_tempered(attempts, run.n)
    # Where the tree knows every valid text, beams list them without another row.
    return beams.draw(run)


def _beams_first(run: SamplingRun, budget: int, cost: float) -> Drawn:
    """Return the texts of beams, or `n` draws by walks if the beams find too few texts.

    `cost` is the expected number of rows of `n` draws. The beams may not use so many rows of the budget, if
    `cost` is at most half of it.
    """
    kept_back = math.ceil(cost) if 2 * cost <= budget else 0
    run.budget = budget - kept_back
    beam_draws = beams.draw(run)
    run.budget = budget
    if not kept_back or len(beam_draws.tokens) >= run.n or run.stopped != "budget":
        return beam_draws
    run.stopped = ""  # only the beams' part of the budget is spent
    exact = _draw_by_walks(run)
    if len(exact.tokens) >= run.n:
        return exact
    run.stopped = run.stopped or "budget"
    return beam_draws


def _run_pilot(run: SamplingRun, walker: Walker) -> list[Attempt]:
    """Return the `_PILOT` attempts of a pilot, made one after another; fewer if the limits of the run allow
    no more."""
    attempts: list[Attempt] = []
    with run.cut_short():
        while len(attempts) < _PILOT and not walker.is_spent and run.afford_rows(0):
            attempts += walker.make_attempts(1, run.afford_rows)
    return attempts


def _draw_tempered(attempts: list[Attempt], wanted_count: int) -> Drawn:
    """Return draws with tempered weights from the attempts of walks. `wanted_count` is the number of draws
    that were asked for. The estimate of Z is by the whole weights."""
    draws = draws_of_attempts(attempts, wanted_count, has_weights=True, estimates_z=True)
    weights = temper_weights(draws.log_weights)
    # The weights are scaled so that their sum is the estimate of Z by the whole weights.
    draws.log_weights = weights - log_sum(weights) + draws.log_z
    draws.is_biased = True
    draws.attempt_record = None
    return draws


def temper_weights(log_weights: Floats) -> Floats:
    """Return log weights times a power from 0 to 1: the greatest one for which the effective size is at least
    `SHARE` of the number of draws. Equal weights, for example, are returned as they are."""
    low, high = 0.0, 1.0
    wanted_size = SHARE * len(log_weights)
    if not len(log_weights) or count_carriers(normalise_weights(log_weights)) >= wanted_size:
        return log_weights
    # The effective size falls as the power rises, so halving finds the greatest power.
    while high - low > ROUNDING:
        middle = (low + high) / 2
        if count_carriers(normalise_weights(middle * log_weights)) >= wanted_size:
            low = middle
        else:
            high = middle
    return low * log_weights
