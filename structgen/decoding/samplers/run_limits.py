"""The limits of a run (draws, model rows, seconds, the width of an interval), and the loop of methods that
walk."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from structgen.base.errors import LimitError, OptionError
from structgen.base.system.progress import progress as shown
from structgen.decoding.samplers.estimates import (
    CUT_SHORT,
    log_sum,
    log_z_of_coins,
    normalised,
)
from structgen.decoding.samplers.intervals.attempts import NEVER, Attempts
from structgen.decoding.samplers.rows import RunOver
from structgen.decoding.samplers.target import Bounds, Floats, Target, Tokens
from structgen.decoding.samplers.tree import PrefixTree
from structgen.decoding.samplers.walk import Attempt, Walker

_EVERY: Final = 0.2
"""Seconds between two calls of `progress`: nobody reads a line faster."""
FEWEST: Final = 64.0
"""Texts that a run plans at least that ends where an interval is narrow enough."""
FRUITLESS: Final = 10_000
"""A run without budget and time limit ends after so many attempts in a row without a text."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The progress of a run, the argument of `progress`."""

    accepted: int
    wanted: int
    model_rows: int
    seconds: float
    bracket: Bounds
    prompt: int = 0
    """The number of the prompt, from 0, if several were given."""
    prompts: int = 1


Listener = Callable[[RunProgress], None]


@contextmanager
def listener(progress: Listener | bool | None) -> Iterator[Listener | None]:
    """Yield the listener of a run's progress: the caller's function; for True a line on stderr; for None or
    False nothing. Raises OptionError for anything else."""
    if progress is None or progress is False:
        yield None
    elif callable(progress):
        yield progress
    elif progress is True:
        with shown("sample", "texts") as tell:

            def told(now: RunProgress) -> None:
                low, high = now.bracket
                of = f", prompt {now.prompt + 1} of {now.prompts}" if now.prompts > 1 else ""
                rows = f"{now.model_rows:,} rows, {now.model_rows / max(now.seconds, 1e-9):,.0f}/s"
                tell(now.accepted, now.wanted, f"{rows}, {low:.3g} <= Z <= {high:.3g}{of}")

            yield told
    else:
        raise OptionError(
            f"progress={progress!r} is no function.",
            where="progress",
            cure="Give True for a line on the screen, or a function that takes a Progress.",
        )


@dataclass(frozen=True, slots=True)
class Particles:
    """How "smc" and "awrs" run."""

    particles: int | None = None
    """Particles of a cloud; None: 16 where enough draws are wanted."""
    threshold: float = 0.5
    """Particles are resampled if their effective number is below this share of them."""
    proposal: Any = None
    """See `methods.smc.Proposal`; None: the mask."""
    replaced: bool = False
    """Whether particles that died are drawn again from the others at once, so that all draws are made."""


USUAL: Final = Particles()
"""As the methods run by themselves."""


@dataclass(slots=True)
class SamplingRun:
    """One call of `sample` for one prompt: the target, the tree, and the limits."""

    target: Target
    tree: PrefixTree
    n: int
    seed: int
    width: int
    """The most walks or particles that go side by side."""
    budget: int | None = None
    seconds: float | None = None
    until: Callable[[Drawn], float] | None = None
    """How many draws make an interval narrow enough, by those so far; 0 where it is. Asked after batches,
    each time that a tenth more of the texts was drawn."""
    progress: Callable[[RunProgress], None] | None = None
    stopped: str = ""
    began: float = field(default_factory=time.monotonic)
    particles: Particles = USUAL
    tree_rows: int = 0
    """Rows that came from the tree instead of the model."""
    accepted: int = 0
    """Valid texts at the last report."""
    limit: LimitError | None = None
    """The limit of the grammar that ended the run."""
    _told: float = 0.0
    _needed: float = FEWEST
    _asked: int = 2
    """With how many texts the interval is looked at again."""
    _fruitless: int = 0
    _paid: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether a limit cut the run, and dropped what was not finished: the longer texts more often."""
        return self.stopped in CUT_SHORT

    @property
    def has_limits(self) -> bool:
        """Whether something else than the number of draws may end the run."""
        return not (self.budget is None and self.seconds is None and self.until is None)

    @property
    def model_rows(self) -> int:
        """Rows that this run asked the model for."""
        return self.target.rows.count

    def afford(self, rows: int) -> bool:
        """Return whether so many more rows may be read; if not, note the reason."""
        if self.budget is not None and self.model_rows + rows > self.budget:
            self.stopped = "budget"
        elif self.seconds is not None and time.monotonic() - self.began >= self.seconds:
            self.stopped = "seconds"
        self.tell(self.accepted)
        return not self.stopped

    @contextmanager
    def cut_short(self) -> Iterator[None]:
        """Within the context, what ends a method early ends the context, and is noted: Ctrl-C, and a limit of
        the grammar. The method then returns what it has."""
        try:
            yield
        except LimitError as error:
            self.stopped, self.limit = "limit", error
        except RunOver:
            pass  # who raised it has noted why
        except KeyboardInterrupt:
            self.stopped = "interrupted"

    def tried(self, attempts: int, texts: int) -> None:
        """Note how many attempts gave a text. A run without time limit ends after `FRUITLESS` attempts in a
        row without one; where it has a budget, if they cost no row of it."""
        is_paid = self.budget is not None and self.model_rows > self._paid
        self._paid = self.model_rows
        self._fruitless = 0 if texts or is_paid else self._fruitless + attempts
        if self._fruitless >= FRUITLESS and self.seconds is None:
            self.stopped = "fruitless"

    def tell(self, accepted: int) -> None:
        """Report the progress, at most every 0.2 s."""
        self.accepted = accepted
        now = time.monotonic()
        if self.progress is not None and now - self._told >= _EVERY:
            self._told = now
            self.progress(self.state(accepted))

    def state(self, accepted: int) -> RunProgress:
        """Return the progress."""
        seconds = time.monotonic() - self.began
        return RunProgress(accepted, self.n, self.model_rows, seconds, self.tree.bracket)

    def planned(self, accepted: int) -> float:
        """Return how many more texts the run plans: up to `n`, or, where an interval ends it, as many as it
        seems to need, and half as many as there are at least: bets would else be over."""
        left = self.n - accepted
        if self.until is None:
            return float(left)
        return min(max(self._needed - accepted, accepted / 2), float(left))

    def is_enough(self, drawn: Callable[[], Drawn], accepted: int) -> bool:
        """Return whether an interval is narrow enough; note it as the reason of the end."""
        if self.until is None or accepted < self._asked:
            return False
        self._asked = math.ceil(1.1 * accepted) + 1
        needed = self.until(drawn())
        self._needed = max(needed, FEWEST)
        if not needed:
            self.stopped = "until"
        return not needed


@dataclass(slots=True)
class Drawn:
    """The draws of a method: texts as token ids, their log-probabilities and log weights."""

    tokens: list[Tokens]
    logprobs: Floats
    log_weights: Floats
    attempts: int
    log_z: float
    """The log of the estimate of Z; NaN if the method gives none."""
    tried: Attempts | None = None
    """What the intervals are from; None if nothing bounds the errors."""
    is_exact: bool = False
    is_biased: bool = False
    log_z_of_clouds: Floats = field(default_factory=lambda: np.empty(0))
    """The estimate of log Z of each run of particles."""
    method: str = ""
    """The method that made them; "": the one that was asked for."""

    @property
    def weights(self) -> Floats:
        """The normalised weights."""
        return normalised(self.log_weights)


def attempts_of(
    run: SamplingRun,
    walker: Walker,
    wanted: int | None = None,
    begun: Sequence[Attempt] = (),
    as_drawn: Callable[[Sequence[Attempt]], Drawn] | None = None,
) -> list[Attempt]:
    """Return attempts, those `begun` first, until `wanted` (default: `n`) of them gave a text, or the run is
    over, perhaps as the interval of the draws that `as_drawn` makes of them is narrow enough. Attempts are
    ordered by their start, whichever ends first; those after the last wanted text are dropped.

    The run also ends if the tree proves that there is nothing to draw; and, without budget and time limit,
    after `FRUITLESS` attempts in a row without a text.
    """
    attempts, wanted = list(begun), run.n if wanted is None else wanted
    accepted = sum(attempt.weight > 0 for attempt in attempts)
    with run.cut_short():
        # If the tree answers everything, the time is checked only here.
        while accepted < wanted and run.afford(0):
            if walker.is_spent:
                run.stopped = "exhausted"
                break
            fresh = walker.attempts(min(run.width, wanted - accepted), run.afford, run.planned(accepted))
            attempts += fresh
            valid = sum(attempt.weight > 0 for attempt in fresh)
            accepted += valid
            run.tried(len(fresh), valid)
            run.tell(accepted)
            if as_drawn is not None:
                run.is_enough(partial(as_drawn, attempts), accepted)
    run.tree_rows += walker.tree_rows
    kept, left = 0, wanted
    while kept < len(attempts) and left:
        left -= attempts[kept].weight > 0
        kept += 1
    return attempts[:kept]


def drawn(attempts: Sequence[Attempt], wanted: int, *, weighted: bool, estimated: bool) -> Drawn:
    """Return the accepted texts of attempts; `wanted` was the requested number. `weighted`: with their
    weights, else all equal; `estimated`: whether the weights estimate Z.

    Attempts that stop at the n-th accepted one contain too many accepted ones. For n > 1 this bias goes away
    if n accepted attempts in N count as n - 1 in N - 1 (Haldane 1945, On a method of estimating frequencies).
    """
    valid = [attempt for attempt in attempts if attempt.weight > 0]
    stopped = len(valid) == wanted > 1
    log_z = math.nan
    if not weighted:
        if estimated:
            inverses = 1.0 / np.array([attempt.bound for attempt in attempts])
            log_z = log_z_of_coins(inverses, len(valid), stopped)
        log_weights = np.full(len(valid), (log_z if estimated else 0.0) - math.log(max(len(valid), 1)))
    else:
        count = len(valid) * (len(attempts) - 1) / (len(valid) - 1) if stopped else max(len(attempts), 1)
        log_weights = np.log([attempt.weight for attempt in valid]) - math.log(count)
        log_z = log_sum(log_weights) if attempts else math.nan
    return Drawn(
        [attempt.tokens for attempt in valid],
        np.array([attempt.logprob for attempt in valid]),
        log_weights,
        len(attempts),
        log_z,
        tried_of(attempts, are_coins=not weighted),
    )


def tried_of(
    attempts: Sequence[Attempt],
    *,
    are_coins: bool = False,
    draws: Mapping[Tokens, int] | None = None,
    known: Sequence[Tokens] = (),
) -> Attempts:
    """Return the record of attempts. Each accepted one is a draw of its own, in order; or the draw that
    `draws` names for its tokens. `known`: the texts that were known before the run."""

    def column(name: str) -> Floats:
        return np.array([getattr(attempt, name) for attempt in attempts], np.float64)

    weights, bounds = column("weight"), column("bound")
    are_valid = weights > 0
    texts = np.where(are_valid, np.cumsum(are_valid) - 1, -1)
    since: dict[int, int] = {}
    if draws is not None:
        texts = np.array(
            [draws[attempt.tokens] if attempt.weight > 0 else -1 for attempt in attempts], np.int64
        )
        since = {draws[tokens]: 0 for tokens in known}
        for attempt in attempts:
            if attempt.weight > 0 and attempt.is_kept:
                since.setdefault(draws[attempt.tokens], attempt.batch + 1)
    return Attempts(
        np.where(are_valid, bounds, 0.0) if are_coins else weights,
        bounds,
        column("known"),
        column("batch").astype(np.int64),
        column("left"),
        texts.astype(np.int64),
        np.array([*since], np.int64),
        np.array([*since.values()], np.int64),
        np.full(len(since), NEVER),
        are_coins=are_coins,
    )
