"""Sampling without replacement: the masses of known texts are summed, and each walk draws a new text.

A *known* text is a valid text that was found before; the prefix tree keeps its probability. K is the mass of
all known texts, and U the tree's upper bound on Z. A *repeat* is a draw of a known text. A *walk* writes one
text token by token (`walk`).

The tree knows the probability of each text that was found. So a walk draws its edges by P(a | u) times what
is neither known to be valid nor proved invalid, `upper - lower`, in place of `upper`: each accepted walk is a
new text. With the known mass K and the weight w of a walk, K + w is an unbiased estimate of Z, and the known
sum of P f plus w f(x) one of the sum of P f over the valid texts. Estimates of later walks are better, as
more is known. A walk enters the mean by the inverse of U - K, which bounds its weight.

A text in the draws has the weight that all walks give it together: those that knew it, and the one that found
it. `auto` has the same walks with *repeats*: with the probability K / U a draw is a known text, which costs
no row, and only else a walk, so that n draws are n draws; and light walks end by coin flips.

Sources: a running sum over known units is the estimator of Raj (1956), Some estimators in sampling with
varying probabilities without replacement; for language models, Kool, van Hoof and Welling (2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from structgen.decoding.samplers.estimates import log_sum
from structgen.decoding.samplers.intervals.attempts import Attempts
from structgen.decoding.samplers.run_limits import Drawn, SamplingRun, record_attempts
from structgen.decoding.samplers.target import Floats, Tokens, drawn_edge, random_stream
from structgen.decoding.samplers.walk import Attempt, Finish, Walker

_SLOW: Final = 8
"""The divisor of the drawn texts that bounds a batch: it has at most an eighth of them. What the walks of a
batch learn helps only later batches."""


def draw(run: SamplingRun, *, repeats: bool = False) -> Drawn:
    """Return `n` new texts, and those that the tree knew before, each once, with weights. If the run finds
    all valid texts, return all of them. With `repeats`, return `n` draws, repeats of known texts among them,
    as `auto` makes them."""
    walks = RemainderWalks(run, flips=repeats)
    walks.go_on(run.n, repeats=repeats)
    return walks.collect_draws()


class RemainderWalks:
    """The walks of a run."""

    def __init__(self, run: SamplingRun, changed_bits: int = 0, flips: bool = False) -> None:
        """Prepare the walks. `changed_bits`: those of the run's seed, for other random numbers; `flips` is
        that of `Walker`."""
        self._run = run
        self._walker = Walker(
            run.target, Finish.REMAINDER, run.tree, seed=run.seed ^ changed_bits, flips=flips
        )
        self._texts_before = dict(run.tree.known())
        """The texts that the tree knew before the run, with log P."""
        self.attempts: list[Attempt] = []
        self.pilot = 0
        """The number of first attempts that served to choose the method."""
        self.accepted_count = 0
        self.longest = 0
        """The number of rows of the longest walk, its end included."""
        self._random = random_stream(self._walker.seed, 0)
        self._texts: dict[Tokens, float] = {}
        """The new texts, with log P."""
        self._known_texts: list[Tokens] = list(self._texts_before)
        self._logs: list[float] = list(self._texts_before.values())
        self._repeats: list[Tokens] = []
        self._twice = 0
        """The number of repeats that are attempts of their own."""

    @property
    def draw_count(self) -> int:
        """The number of draws so far: new texts, and repeats."""
        return len(self._texts) + len(self._repeats)

    @property
    def attempt_count(self) -> int:
        """The number of attempts so far, repeats among them."""
        return len(self.attempts) + len(self._repeats) - self._twice

    def go_on(
        self, wanted_count: int, *, repeats: bool = False, is_enough: Callable[[], bool] = lambda: False
    ) -> None:
        """Draw until there are `wanted_count` texts, every valid text is known, or the run is over. It also
        ends if `is_enough` returns True after a batch. With `repeats`, known texts are drawn too, with their
        probabilities."""
        run, walker = self._run, self._walker
        with run.cut_short():
            while self.draw_count < wanted_count and run.afford_rows(0):
                if walker.is_spent and not (repeats and self._known_texts):
                    run.stopped = "exhausted"
                    break
                missing_count = wanted_count - self.draw_count
                slots = max(min(run.width, missing_count, self.draw_count // _SLOW), 1)
                # A draw is a known text with the probability K / U.
                lower, upper = run.tree.bracket
                share = lower / upper if repeats and self.attempts else 0.0
                if walker.is_spent:
                    slots = missing_count
                    share = 1.0
                repeat_count = self._draw_repeats(slots, share)
                walks = slots - repeat_count
                if not walks:
                    continue
                # Bets plan with the texts that walks will find, without the repeats among them.
                planned_draws = run.plan_texts(self.draw_count) - repeat_count
                planned_texts = max(planned_draws * (1 - share), 1.0)
                fresh = walker.make_attempts(walks, run.afford_rows, planned_texts)
                self._note_attempts(fresh, repeats)
                run.note_attempts(len(fresh), sum(attempt.weight > 0 for attempt in fresh))
                run.report_progress(self.draw_count)
                if run.is_enough(self.collect_draws, self.draw_count) or is_enough():
                    break
        run.tree_rows += walker.tree_rows
        walker.tree_rows = 0

    def _draw_repeats(self, slots: int, share: float) -> int:
        """Draw known texts by their probabilities, each slot with the probability `share`; return how
        many."""
        count = 0
        if share:
            count = sum(self._random.random() < share for _ in range(slots))
        # Relative to the likeliest text: long texts have probabilities that round to 0.
        top = max(self._logs, default=0.0)
        masses = np.exp(np.array(self._logs) - top)
        for _ in range(count):
            at = drawn_edge(masses, self._random.random())
            self._repeats.append(self._known_texts[at])
        return count

    def _note_attempts(self, fresh: Sequence[Attempt], repeats: bool) -> None:
        """Note the attempts of a batch. Two of them may have found one text: it is then a repeat."""
        self.attempts += fresh
        for attempt in fresh:
            self.longest = max(self.longest, len(attempt.tokens) + 1)
            if not attempt.weight > 0:
                continue
            self.accepted_count += 1
            if attempt.tokens in self._texts:
                # In a full tree the same text is found again and again, and is a draw each time.
                is_draw = repeats or not attempt.is_kept
                self._repeats += [attempt.tokens] * is_draw
                self._twice += is_draw
                continue
            self._texts[attempt.tokens] = attempt.logprob
            if attempt.is_kept and attempt.tokens not in self._texts_before:
                self._known_texts.append(attempt.tokens)
                self._logs.append(attempt.logprob)

    def collect_draws(self) -> Drawn:
        """Return the draws: first each text once, then the repeats, which share the weight of their text. The
        weights are exact if the tree knows all valid texts."""
        logs = self._texts_before | self._texts
        tokens = list(logs)
        places = {text: at for at, text in enumerate(tokens)}
        attempts = replace(
            record_attempts(self.attempts, draws=places, known_texts=list(self._texts_before)),
            repeats=len(self._repeats) - self._twice,
            pilot=self.pilot,
        )
        tokens += self._repeats  # each text once, then its repeats
        logprobs = np.array([logs[text] for text in tokens])
        scale = 1.0
        accepted_count = self.accepted_count
        if self.draw_count >= self._run.n and accepted_count > 1:
            # The n-th text ended the run (see `run_limits.draws_of_attempts`).
            count = len(attempts.weights)
            scale = (accepted_count - 1) / accepted_count * count / (count - 1)
        is_whole = self._walker.is_spent
        masses = np.exp(logprobs) if is_whole else masses_of(logprobs, attempts, scale)
        log_weights = share_masses(tokens, masses)
        log_z = log_sum(log_weights) if self.attempts or is_whole else math.nan
        return Drawn(tokens, logprobs, log_weights, self.attempt_count, log_z, attempts, method="raj")


def masses_of(logprobs: Floats, attempts: Attempts, scale: float = 1.0) -> Floats:
    """Return the mass that all attempts together give to each text, float64 [D], at the text's first draw.
    The sum estimates Z.

    `logprobs` are those of the draws. `scale` is a factor for the texts that were not known.
    """
    # The share of each attempt in the mean: one that could weigh more has a greater error, and counts less.
    shares = 1 / np.maximum(attempts.bounds - attempts.known, 1e-300)
    shares /= shares.sum()
    hits = np.flatnonzero(attempts.texts >= 0)
    sums: Floats = np.zeros(len(logprobs))
    # `add.at`, since several attempts may have found one text: `sums[...] +=` would add one of them.
    found_masses = shares[hits] * attempts.weights[hits] * scale
    np.add.at(sums, attempts.texts[hits], found_masses)
    # The shares of the attempts from each one on: what the attempts that knew a text have of it.
    later_shares = np.append(np.cumsum(shares[::-1])[::-1], 0.0)
    since_shares = later_shares[np.searchsorted(attempts.batches, attempts.since)]
    until_shares = later_shares[np.searchsorted(attempts.batches, attempts.until)]
    knowing_shares = since_shares - until_shares
    known_masses = knowing_shares * np.exp(logprobs[attempts.listed])
    np.add.at(sums, attempts.listed, known_masses)
    return sums


def share_masses(tokens: Sequence[Tokens], masses: Floats) -> Floats:
    """Return the log weights of draws: the mass of each text, given at its first draw, shared with its
    repeats."""
    first: dict[Tokens, int] = {}
    first_places = [first.setdefault(text, at) for at, text in enumerate(tokens)]
    places = np.array(first_places, np.int64)
    copies = np.bincount(places, minlength=len(tokens))
    # The least number above 0 stands for a mass that was rounded to 0: its logarithm is finite.
    logs = np.log(np.maximum(masses, 5e-324))
    weights: Floats = logs[places] - np.log(copies[places])
    return weights
