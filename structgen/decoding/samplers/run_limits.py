"""The limits of a run (draws, model rows, seconds, the width of an interval), and its loop of attempts.

A *run* is one call of `sample` for one prompt. An *attempt* is one try to write a valid text; it may end
without a text. A *row* is the model's distribution after one prefix. A *particle* is one of many prefixes
that "smc" and "awrs" extend side by side; a *cloud* is the particles of one independent run.
"""

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
from structgen.decoding.runs.progress import open_progress
from structgen.decoding.samplers.estimates import (
    CUT_SHORT,
    log_sum,
    log_z_of_coins,
    normalise_weights,
)
from structgen.decoding.samplers.intervals.attempts import NEVER, Attempts
from structgen.decoding.samplers.rows import RunOver
from structgen.decoding.samplers.target import Bounds, Floats, Target, Tokens
from structgen.decoding.samplers.tree import PrefixTree
from structgen.decoding.samplers.walk import Attempt, Walker

_EVERY: Final = 0.2
"""The least seconds between two calls of `progress`: nobody reads a line faster."""
FEWEST: Final = 64.0
"""The least number of texts that a run plans, if a narrow interval ends it."""
FRUITLESS: Final = 10_000
"""The number of attempts in a row without a text after which a run without budget and time limit ends."""


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
def progress_listener(progress: Listener | bool | None) -> Iterator[Listener | None]:
    """Yield the listener of a run's progress: the caller's function; for True a line on stderr; for None or
    False nothing. Raises OptionError for anything else."""
    if progress is None or progress is False:
        yield None
    elif callable(progress):
        yield progress
    elif progress is True:
        with open_progress("sample", "texts") as show_line:

            def show_progress(report: RunProgress) -> None:
                """Show a report as the last line of the screen."""
                low, high = report.bracket
                prompt_text = ""
                if report.prompts > 1:
                    prompt_text = f", prompt {report.prompt + 1} of {report.prompts}"
                rate = report.model_rows / max(report.seconds, 1e-9)
                remark = (
                    f"{report.model_rows:,} rows, {rate:,.0f}/s, {low:.3g} <= Z <= {high:.3g}{prompt_text}"
                )
                show_line(report.accepted, report.wanted, remark)

            yield show_progress
    else:
        raise OptionError(
            f"must be a bool or a function, got {progress!r}.",
            where="progress",
            cure="Pass True for a line on the screen, or a function that takes a Progress.",
        )


@dataclass(frozen=True, slots=True)
class Particles:
    """The options of "smc" and "awrs"."""

    particles: int | None = None
    """The number of particles in a cloud; None: 16 if enough draws are wanted."""
    threshold: float = 0.5
    """The share of the particles below which their effective number must fall for a resampling."""
    proposal: Any = None
    """The distribution that proposes the next token (`methods.smc.Proposal`); None: the masked model."""
    are_replaced: bool = False
    """Whether particles that died are drawn again from the others at once, so that all draws are made."""


USUAL: Final = Particles()
"""The default options."""


@dataclass(slots=True)
class SamplingRun:
    """One call of `sample` for one prompt: the target, the tree, and the limits."""

    target: Target
    tree: PrefixTree
    n: int
    seed: int
    width: int
    """The most walks or particles that are extended side by side, in one forward pass."""
    budget: int | None = None
    seconds: float | None = None
    until: Callable[[Drawn], float] | None = None
    """The function that estimates, from the draws so far, how many draws make the interval narrow enough; 0:
    it is. It is called after a batch, each time that a tenth more texts were drawn. None: no such limit."""
    progress: Callable[[RunProgress], None] | None = None
    stopped: str = ""
    began: float = field(default_factory=time.monotonic)
    particles: Particles = USUAL
    tree_rows: int = 0
    """The number of rows that came from the tree instead of the model."""
    accepted_count: int = 0
    """The number of valid texts at the last report."""
    limit: LimitError | None = None
    """The limit of the grammar that ended the run; None: no such limit did."""
    _reported_at: float = 0.0
    _needed_texts: float = FEWEST
    _next_check: int = 2
    """The number of texts at which the interval is computed again."""
    _fruitless_count: int = 0
    """The number of attempts in a row without a text, since an attempt last cost a model row."""
    _paid_rows: int = 0
    """The number of model rows at the last report of attempts."""

    @property
    def is_cut(self) -> bool:
        """Whether a limit cut the run and dropped unfinished texts, which are more often the longer ones."""
        return self.stopped in CUT_SHORT

    @property
    def has_limits(self) -> bool:
        """Whether anything other than the number of draws may end the run."""
        return not (self.budget is None and self.seconds is None and self.until is None)

    @property
    def model_rows(self) -> int:
        """The number of rows that this run asked the model for."""
        return self.target.rows.count

    def afford_rows(self, rows: int) -> bool:
        """Return whether `rows` more rows may be read. If not, note the reason in `stopped`."""
        if self.budget is not None and self.model_rows + rows > self.budget:
            self.stopped = "budget"
        elif self.seconds is not None and time.monotonic() - self.began >= self.seconds:
            self.stopped = "seconds"
        self.report_progress(self.accepted_count)
        return not self.stopped

    @contextmanager
    def cut_short(self) -> Iterator[None]:
        """Within this context, Ctrl-C and a limit of the grammar end the context instead of raising, and are
        noted. The method then returns the draws so far."""
        try:
            yield
        except LimitError as error:
            self.stopped = "limit"
            self.limit = error
        except RunOver:
            pass  # the code that raised it has noted the reason
        except KeyboardInterrupt:
            # This is the second Ctrl-C, or the first one if `sample` has no handler of its own.
            self.stopped = "interrupted"

    def note_attempts(self, attempts: int, texts: int) -> None:
        """Note that `attempts` attempts gave `texts` texts. A run without a time limit ends after `FRUITLESS`
        attempts in a row without a text. If it has a budget, this holds only if the attempts cost no row."""
        is_paid = self.budget is not None and self.model_rows > self._paid_rows
        self._paid_rows = self.model_rows
        self._fruitless_count = 0 if texts or is_paid else self._fruitless_count + attempts
        if self._fruitless_count >= FRUITLESS and self.seconds is None:
            self.stopped = "fruitless"

    def report_progress(self, accepted_count: int) -> None:
        """Report the progress, at most every 0.2 s."""
        self.accepted_count = accepted_count
        now = time.monotonic()
        if self.progress is not None and now - self._reported_at >= _EVERY:
            self._reported_at = now
            self.progress(self.state(accepted_count))

    def state(self, accepted_count: int) -> RunProgress:
        """Return the progress."""
        seconds = time.monotonic() - self.began
        return RunProgress(accepted_count, self.n, self.model_rows, seconds, self.tree.bracket)

    def plan_texts(self, accepted_count: int) -> float:
        """Return the number of further texts that the run plans: up to `n`. If an interval ends the run, it
        is the number that the interval seems to need, but at least half of the texts so far. With fewer, the
        bets that make the interval would be over."""
        remaining = float(self.n - accepted_count)
        if self.until is None:
            return remaining
        needed_texts = max(self._needed_texts - accepted_count, accepted_count / 2)
        return min(needed_texts, remaining)

    def is_enough(self, collect_draws: Callable[[], Drawn], accepted_count: int) -> bool:
        """Return whether an interval is narrow enough; note it as the reason of the end."""
        if self.until is None or accepted_count < self._next_check:
            return False
        # An interval costs about as much as some draws, so it is not computed after each draw.
        self._next_check = math.ceil(1.1 * accepted_count) + 1
        needed_texts = self.until(collect_draws())
        self._needed_texts = max(needed_texts, FEWEST)
        if not needed_texts:
            self.stopped = "until"
        return not needed_texts


@dataclass(slots=True)
class Drawn:
    """The draws of a method: texts as token ids, their log-probabilities and log weights."""

    tokens: list[Tokens]
    logprobs: Floats
    log_weights: Floats
    attempts: int
    log_z: float
    """The log of the estimate of Z; NaN if the method gives none."""
    attempt_record: Attempts | None = None
    """The record of all attempts, from which the intervals are made; None if nothing bounds the errors."""
    is_exact: bool = False
    is_biased: bool = False
    log_z_of_clouds: Floats = field(default_factory=lambda: np.empty(0))
    """The estimate of log Z of each cloud of particles."""
    method: str = ""
    """The name of the method that made the draws; "": the method that the caller named."""

    @property
    def weights(self) -> Floats:
        """The normalised weights."""
        return normalise_weights(self.log_weights)


def attempts_of(
    run: SamplingRun,
    walker: Walker,
    wanted_count: int | None = None,
    first_attempts: Sequence[Attempt] = (),
    as_drawn: Callable[[Sequence[Attempt]], Drawn] | None = None,
) -> list[Attempt]:
    """Return attempts, until `wanted_count` (default: `n`) of them gave a text, or the run is over.

    `first_attempts` come first. `as_drawn` makes the draws of attempts; if it is given, a narrow interval of
    these draws ends the run. Attempts are in the order of their start, whichever ends first; those after the
    last wanted text are dropped. The run also ends if the tree proves that there is nothing to draw. Without
    budget and time limit it ends after `FRUITLESS` attempts in a row without a text.
    """
    attempts = list(first_attempts)
    wanted_count = run.n if wanted_count is None else wanted_count
    accepted_count = sum(attempt.weight > 0 for attempt in attempts)
    with run.cut_short():
        # If the tree answers everything, the time is checked only here.
        while accepted_count < wanted_count and run.afford_rows(0):
            if walker.is_spent:
                run.stopped = "exhausted"
                break
            fresh = walker.make_attempts(
                min(run.width, wanted_count - accepted_count), run.afford_rows, run.plan_texts(accepted_count)
            )
            attempts += fresh
            valid = sum(attempt.weight > 0 for attempt in fresh)
            accepted_count += valid
            run.note_attempts(len(fresh), valid)
            run.report_progress(accepted_count)
            if as_drawn is not None:
                run.is_enough(partial(as_drawn, attempts), accepted_count)
    run.tree_rows += walker.tree_rows
    # Attempts after the last wanted text are dropped. The count includes attempts without a text.
    kept_count = 0
    missing_count = wanted_count
    while kept_count < len(attempts) and missing_count:
        missing_count -= attempts[kept_count].weight > 0
        kept_count += 1
    return attempts[:kept_count]


def draws_of_attempts(
    attempts: Sequence[Attempt], wanted_count: int, *, has_weights: bool, estimates_z: bool
) -> Drawn:
    """Return the accepted texts of attempts, as draws.

    `wanted_count` was the requested number of texts. With `has_weights` the draws have the weights of their
    attempts, otherwise equal ones. `estimates_z` says whether the weights estimate Z; those of "masked" do
    not.

    Attempts that stop at the n-th accepted one contain too many accepted ones. For n > 1 this bias goes away
    if n accepted attempts in N count as n - 1 in N - 1 (Haldane 1945, On a method of estimating frequencies).
    """
    valid = [attempt for attempt in attempts if attempt.weight > 0]
    is_stopped = len(valid) == wanted_count > 1
    log_z = math.nan
    if not has_weights:
        if estimates_z:
            inverses = 1.0 / np.array([attempt.bound for attempt in attempts])
            log_z = log_z_of_coins(inverses, len(valid), is_stopped)
        log_total = log_z if estimates_z else 0.0
        log_weights = np.full(len(valid), log_total - math.log(max(len(valid), 1)))
    else:
        count: float = max(len(attempts), 1)
        if is_stopped:
            count = len(valid) * (len(attempts) - 1) / (len(valid) - 1)
        weights = [attempt.weight for attempt in valid]
        log_weights = np.log(weights) - math.log(count)
        log_z = log_sum(log_weights) if attempts else math.nan
    return Drawn(
        [attempt.tokens for attempt in valid],
        np.array([attempt.logprob for attempt in valid]),
        log_weights,
        len(attempts),
        log_z,
        record_attempts(attempts, are_coins=not has_weights),
    )


def record_attempts(
    attempts: Sequence[Attempt],
    *,
    are_coins: bool = False,
    draws: Mapping[Tokens, int] | None = None,
    known_texts: Sequence[Tokens] = (),
) -> Attempts:
    """Return the record of attempts, from which intervals are made.

    Each accepted attempt is a draw of its own, in order. If `draws` is given, it has the number of the draw
    for an attempt's tokens, for example `{(5, 7): 0}`. `are_coins` says whether coin flips accepted the
    attempts, so that each accepted one has the weight U. `known_texts` are the texts that were known before
    the run.
    """

    def column_of_attempts(name: str) -> Floats:
        """Return an array of one member of all attempts."""
        return np.array([getattr(attempt, name) for attempt in attempts], np.float64)

    weights = column_of_attempts("weight")
    bounds = column_of_attempts("bound")
    are_valid = weights > 0
    texts = np.where(are_valid, np.cumsum(are_valid) - 1, -1)
    since: dict[int, int] = {}
    if draws is not None:
        numbers = [draws[attempt.tokens] if attempt.weight > 0 else -1 for attempt in attempts]
        texts = np.array(numbers, np.int64)
        since = {draws[tokens]: 0 for tokens in known_texts}
        # A text that the tree stores is known from the next batch on. The first find counts.
        for attempt in attempts:
            if attempt.weight > 0 and attempt.is_kept:
                since.setdefault(draws[attempt.tokens], attempt.batch + 1)
    return Attempts(
        np.where(are_valid, bounds, 0.0) if are_coins else weights,
        bounds,
        column_of_attempts("known"),
        column_of_attempts("batch").astype(np.int64),
        column_of_attempts("left"),
        texts.astype(np.int64),
        np.array([*since], np.int64),
        np.array([*since.values()], np.int64),
        np.full(len(since), NEVER),
        are_coins=are_coins,
    )
