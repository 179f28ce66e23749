"""Sequential Monte Carlo: particles that are weighted at each token, and resampled when their weights become
uneven.

A particle is a prefix. It draws its next token under the mask and multiplies its weight by the allowed mass
z. When the effective number of particles falls below half of them, all are drawn again by weight (systematic
resampling), so that the work goes to prefixes that the model considers likely. The mean weight, multiplied
over the resamplings, is an unbiased estimate of Z. (Doucet, de Freitas, Gordon 2001; for language models Lew
et al. 2023 and Loula et al. 2025. Effective sample size: Kong, Liu, Wong 1994.) A particle may also take its
token by a law of the caller's (`Proposal`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from structgen.base.errors import StructgenError
from structgen.decoding.samplers.checkers import GeneratedText
from structgen.decoding.samplers.constraints import name_of
from structgen.decoding.samplers.estimates import log_or_infinity
from structgen.decoding.samplers.frontier import Afford
from structgen.decoding.samplers.run_limits import USUAL, Drawn, Particles, SamplingRun
from structgen.decoding.samplers.target import (
    Floats,
    Ids,
    Prefix,
    Target,
    TargetStep,
    Tokens,
    drawn_edge,
    random_stream,
)

PARTICLES: Final = 16
"""The number of particles in a run, if enough draws are wanted."""
CLOUDS: Final = 16
"""The least number of runs for `MANY` draws or more."""
MANY: Final = 64
"""The number of draws from which on there are at least `CLOUDS` runs of particles."""


class TakenEdge(NamedTuple):
    """The edge that a particle takes from a prefix, and the factor of its weight."""

    edge: int
    """The index of the token in `TargetStep.tokens`; one past the last: the end of the text."""
    after: Prefix
    """The prefix after the token; the same prefix at the end of the text."""
    mass: float
    """An unbiased estimate of the probability of all valid edges."""


Propose: TypeAlias = Callable[[Target, Prefix, TargetStep, np.random.Generator], "TakenEdge | None"]
"""A function that draws an edge from a prefix for one particle; it returns None at a dead end."""


def propose_masked(
    target: Target, prefix: Prefix, step: TargetStep, draws: np.random.Generator
) -> TakenEdge | None:
    """Return an edge that is drawn under the mask, if the checkers accept it. `step` has the allowed tokens
    after `prefix`. Return None at a dead end, for example if a checker refuses the edge. Then no other edge
    is drawn (`awrs` does that)."""
    mass = step.mass
    if not mass > 0:
        return None
    edge = drawn_edge(step.edges, draws.random())
    after = check_edge(target, prefix, step, edge)
    return None if after is None else TakenEdge(edge, after, mass)


def check_edge(target: Target, prefix: Prefix, step: TargetStep, edge: int) -> Prefix | None:
    """Return the prefix after an edge, or None if a checker refuses it.

    `edge` is an index of `step.tokens`, for example 0 for the token with the least id; their count stands for
    the end. `step` has the allowed tokens after `prefix`.
    """
    if edge == len(step.tokens):
        return prefix if target.accepts_text(prefix) else None
    return target.extend_prefix(prefix, int(step.tokens[edge]))


Proposal: TypeAlias = Callable[[GeneratedText, Ids, Floats], Any]
"""The caller's distribution of the next token, as a function that returns relative weights (float64 [k + 1]).
Its arguments are the text so far; the allowed tokens (int64 [k], read-only); and the model's probabilities of
these and, last, of the end (float64 [k + 1], a copy).
It is a function, or an object with `__call__`, which may learn from what it is asked: a weight belongs to the
answer that was given, so the law of weighted draws stays."""


def proposed_by(proposal: Proposal) -> Propose:
    """Return the function that draws edges by a proposal of the caller. The weight is the model's probability
    divided by that of the proposal. So the law of weighted draws is the same for each proposal that is
    positive wherever the model is."""

    def propose_edge(
        target: Target, prefix: Prefix, step: TargetStep, draws: np.random.Generator
    ) -> TakenEdge | None:
        """Draw an edge by the proposal; parameters and result are those of `propose_masked`."""
        masses = step.edges
        if not masses.sum() > 0:
            return None
        shares = _check_proposal(_ask_proposal(proposal, prefix, step.tokens, masses), masses)
        edge = drawn_edge(shares, draws.random())
        after = check_edge(target, prefix, step, edge)
        if after is None:
            return None
        return TakenEdge(edge, after, float(masses[edge] / shares[edge]))

    return propose_edge


def _ask_proposal(proposal: Proposal, prefix: Prefix, tokens: Ids, masses: Floats) -> Any:
    """Return the answer of a proposal after a prefix.

    `tokens` are the allowed tokens. `masses` are their probabilities and that of the end, for example three
    numbers for two tokens. If the proposal raises, raises StructgenError with the proposal's name.
    """
    token_view = tokens.view()
    token_view.flags.writeable = False  # particles at one prefix share them
    try:
        return proposal(prefix.written, token_view, masses.copy())
    except StructgenError:
        raise
    except Exception as error:
        raise StructgenError(
            f"The proposal {name_of(proposal)} raised {type(error).__name__}: {error}, after "
            f"{prefix.text[-60:]!r}.",
            where="proposal",
            cure="Return the given probabilities where there is no better proposal.",
        ) from error


def _check_proposal(answer: Any, masses: Floats) -> Floats:
    """Return the answer of a proposal as probabilities, which are 0 wherever the model's are. Raises
    StructgenError for a wrong answer, and for one that is 0 where the model is not: texts would be lost, and
    no weight would show it."""
    try:
        weights = np.asarray(answer, np.float64)
    except (TypeError, ValueError):
        weights = np.empty(0)  # the wrong shape: the error below shows the answer
    has_shape = weights.shape == masses.shape
    if not has_shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise StructgenError(
            f"The proposal returned {str(answer)[:60]}.",
            where="proposal",
            cure=f"Return {len(masses):,} numbers, none of them negative: one for each allowed token and, "
            "last, one for the end.",
        )
    weights = np.where(masses > 0, weights, 0.0)
    if (weights[masses > 0] == 0).any():
        raise StructgenError(
            "The proposal gives probability 0 to a token that the model and the grammar allow.",
            where="proposal",
            cure="Add a part of the given probabilities: 0.9 * yours + 0.1 * probabilities.",
        )
    shares: Floats = weights / weights.sum()
    return shares


def draw(run: SamplingRun, propose: Propose = propose_masked) -> Drawn:
    """Return `n` weighted draws from independent runs of particles, less the particles that died. There are
    at least `CLOUDS` runs from `MANY` draws on, and at least two for fewer draws. If the caller sets the
    number of particles, there may be a few more draws."""
    settings = run.particles
    if settings.particles is None:
        fewest_runs = CLOUDS if run.n >= MANY else 2
        runs = min(max(fewest_runs, round(run.n / PARTICLES)), run.n)
        particles = run.n
    else:
        runs = -(-run.n // settings.particles)  # rounded up
        particles = runs * settings.particles
    propose = propose if settings.proposal is None else proposed_by(settings.proposal)
    finished_clouds: list[Cloud] = []
    with run.cut_short():
        # As many clouds at a time as fit into a pass; a cloud is at most as wide as needed. Clouds are
        # made one by one, and so are their sizes: `n` may be far more than the budget allows.
        widest_cloud = -(-particles // runs)
        together = max(1, run.width // widest_cloud)
        for begin in range(0, runs, together):
            batch = []
            for i in range(begin, min(begin + together, runs)):
                # The sizes differ by one at most, and add up to all particles.
                size = particles * (i + 1) // runs - particles * i // runs
                random = random_stream(run.seed, i)
                batch.append(Cloud(run.target, size, random, propose, settings))
            if not _run_together(run, batch):
                # Clouds that were cut short have no estimate, so they are dropped whole.
                break
            finished_clouds += batch
            run.report_progress(sum(cloud.count for cloud in finished_clouds))
    return _draws_of_clouds(finished_clouds)


def _draws_of_clouds(clouds: list[Cloud]) -> Drawn:
    """Return the particles of finished clouds, without those of weight 0."""
    # The result has only numbers and tokens: a cloud would keep its rows in memory.
    tokens = list[Tokens]()
    logprobs = list[float]()
    log_weights = list[float]()
    particles = 0
    for cloud in clouds:
        log_count = math.log(cloud.count * len(clouds))
        for i in np.flatnonzero(cloud.log_weights > -math.inf):
            tokens.append(cloud.prefixes[i].tokens)
            logprobs.append(float(cloud.logprobs[i]))
            log_weights.append(cloud.log_z + float(cloud.log_weights[i]) - log_count)
        particles += cloud.count
    estimates = np.array([cloud.estimate for cloud in clouds])
    return Drawn(
        tokens,
        np.array(logprobs),
        np.array(log_weights),
        particles,
        log_or_infinity(float(estimates.mean())) if clouds else math.nan,
        log_z_of_clouds=np.array([log_or_infinity(estimate) for estimate in estimates]),
        method="smc",
    )


def _run_together(run: SamplingRun, clouds: list[Cloud]) -> bool:
    """Run clouds to their ends, one token for all particles in each pass; False if the run is over."""
    while any(cloud.active for cloud in clouds):
        prefixes = dict.fromkeys(cloud.prefixes[i] for cloud in clouds for i in cloud.active)
        if not run.afford_rows(len(prefixes)):
            return False
        prefix_steps = run.target.read_steps(list(prefixes))
        steps = dict(zip(prefixes, prefix_steps, strict=True))
        # A proposal or a checker may be slow: the time is checked before each particle.
        if not all(cloud.step(steps, run.afford_rows) for cloud in clouds):
            return False
    return True


class Cloud:
    """The particles of one run: prefixes with weights. Finished particles wait for the others."""

    def __init__(
        self,
        target: Target,
        count: int,
        draws: np.random.Generator,
        propose: Propose,
        settings: Particles = USUAL,
    ) -> None:
        self._target = target
        self.count = count
        self._draws = draws
        self._propose = propose
        self._settings = settings
        # Prefixes are immutable, so all particles begin with one object.
        self.prefixes: list[Prefix] = [target.start()] * count
        self.log_weights: Floats = np.zeros(count)
        self.logprobs: Floats = np.zeros(count)
        self._guesses: Floats = np.zeros(count)
        """The guess at each particle's log-weight that is included in its weight now."""
        self.is_done = np.zeros(count, np.bool_)
        self.log_z = 0.0
        """The log of the product of the mean weights at resamplings."""

    @property
    def active(self) -> list[int]:
        """The particles that need another token."""
        is_alive = self.log_weights > -math.inf
        return [int(i) for i in np.flatnonzero(~self.is_done & is_alive)]

    @property
    def estimate(self) -> float:
        """The unbiased estimate of Z."""
        return math.exp(self.log_z) * float(np.exp(self.log_weights).mean())

    def step(self, steps: dict[Prefix, TargetStep], afford: Afford = lambda rows: True) -> bool:
        """Take a token for each active particle, and resample if the weights are uneven. `steps` has the
        allowed tokens after each prefix. `afford(0)` is asked before each particle; return False if it says
        that the run is over."""
        for i in self.active:
            if not afford(0):
                return False
            self._extend_particle(i, steps[self.prefixes[i]])
        # Relative to the greatest weight, so that `exp` neither overflows nor makes all of them 0.
        top = float(self.log_weights.max())
        weights = np.zeros(self.count)
        if top > -math.inf:
            weights = np.exp(self.log_weights - top)
        total = float(weights.sum())
        # The effective number of particles, (sum w)^2 / sum w^2, is below its share of all.
        is_uneven = total * total < self._settings.threshold * self.count * float(weights @ weights)
        is_due = is_uneven and self.active
        has_died = self._settings.are_replaced and not weights.all()
        if total > 0 and (is_due or has_died):
            self._resample_particles(weights / total, math.exp(top) * total / self.count)
        return True

    def _extend_particle(self, i: int, step: TargetStep) -> None:
        """Take the next token, or the end, of particle `i`, whose prefix has the given step."""
        taken_edge = self._propose(self._target, self.prefixes[i], step, self._draws)
        if taken_edge is None:
            self.log_weights[i] = -math.inf
            return
        self.prefixes[i] = taken_edge.after
        self.is_done[i] = taken_edge.edge == len(step.tokens)
        # What the checkers' weights change: at each token the guess after it replaces the one before, and at
        # the end the weight of the text does. The guesses cancel, so the law is the target's.
        weigh = self._target.log_weight if self.is_done[i] else self._target.guess_log_weight
        guess_after = weigh(taken_edge.after)
        guess_before = self._guesses[i]
        self._guesses[i] = guess_after
        # Infinity less infinity is NaN: a particle without weight is dead, whatever was guessed before.
        change = guess_after - guess_before if guess_after > -math.inf else -math.inf
        self.log_weights[i] += math.log(taken_edge.mass) + change
        probability = step.end if self.is_done[i] else step.probabilities[taken_edge.edge]
        self.logprobs[i] += math.log(probability)

    def _resample_particles(self, shares: Floats, mean: float) -> None:
        """Draw all particles again by weight, finished ones too: systematically."""
        # One random number places a comb of `count` points. Rounding may put its last one behind the sums.
        offset = self._draws.random()
        points = (offset + np.arange(self.count)) / self.count
        places = np.searchsorted(np.cumsum(shares), points, side="right")
        chosen = np.minimum(places, self.count - 1)
        self.prefixes = [self.prefixes[i] for i in chosen]
        self.is_done = self.is_done[chosen]
        self.logprobs = self.logprobs[chosen]
        self._guesses = self._guesses[chosen]
        self.log_weights = np.zeros(self.count)
        self.log_z += math.log(mean)
