"""The method `beams`: it finds distinct valid texts by beams, each twice as wide as the one before.

- A *beam* of width w follows up to w prefixes side by side, token by token, and ends in some valid texts
  (`structgen.decoding.samplers.beam`).
- A *round* is one finished beam. For example, the rounds of a run have the widths 8, 16 and 32.
- The *known stratum* is the set of texts that earlier rounds found. Their mass, the sum of P(x), is exact.
- A *row* is the model's distribution after one prefix, the unit of cost.

A beam gives an unbiased estimate of the mass of the valid texts that are not in the known stratum. All rows
that it read stay in the prefix tree, so the next beam does not read them again. For any function f, beam t
gives the unbiased estimate

    sum over texts x known before t of P(x) f(x)  +  sum over texts x found by t of m_t(x) P(x) f(x)

where m_t(x) is the weight that the beam gave to the text. The result is the mean of these estimates; the
weight of a beam in the mean is proportional to its width. Once every valid text is known, the probabilities
of the texts are the result, without error. Before that the tree's bracket [lower, upper] bounds Z for
certain.

Sources: the tree and its bound as in ASAp and CARS; a running sum over what is known is the estimator of Raj
(1956) for draws without replacement, and of Kool, van Hoof, Welling (2020) for language models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from structgen.decoding.samplers.beam import Beam, FoundText, LookAhead
from structgen.decoding.samplers.estimates import log_sum
from structgen.decoding.samplers.run_limits import Drawn, SamplingRun
from structgen.decoding.samplers.target import Tokens, random_stream

FIRST: Final = 8
"""The width of the first beam."""
WIDEST: Final = 1 << 15
"""The width of the widest beam: a step takes about 100 MB."""


@dataclass(frozen=True, slots=True)
class _Round:
    """A finished beam."""

    width: int
    known_count: int
    """The number of texts that were known before this beam. They are the first ones in the list of all
    texts."""
    found_texts: list[FoundText]
    """The texts that this beam found, with their weights m_t."""


def draw(run: SamplingRun) -> Drawn:
    """Return the distinct valid texts that were found, with weights. Texts that the tree knew before the run
    are among them."""
    known_texts = dict(run.tree.known())
    rounds: list[_Round] = []
    plan, ahead = _Plan(run), LookAhead()
    with run.cut_short():
        while len(known_texts) < run.n and run.afford_rows(0):
            if run.tree.is_exhausted:
                run.stopped = "exhausted"
                break
            width = plan.next_width()
            if width < 1:
                run.stopped = "budget"
                break
            random = random_stream(run.seed, len(rounds))
            beam = Beam(run.target, run.tree, width, random, ahead)
            is_whole = beam.follow_particles(run.afford_rows, plan.fitting_width)
            run.tree_rows += beam.tree_rows
            if not is_whole:
                break
            plan.learn_rows(beam)
            rounds.append(_Round(width, len(known_texts), beam.found_texts))
            # Only texts that the tree stores are known to the next beam, which leaves them out of its sum.
            fresh = {text.tokens: text.log_probability for text in beam.found_texts if text.is_kept}
            known_texts |= fresh
            run.note_attempts(width, len(fresh))
            run.report_progress(len(known_texts))
    draws = _combine_rounds(run, known_texts, rounds)
    draws.method = "beams"
    return draws


class _Plan:
    """Chooses the width of the next beam, and of each step of a beam, so that the budget suffices."""

    def __init__(self, run: SamplingRun) -> None:
        self._run = run
        self._width = FIRST // 2
        self._rows: list[int] = []
        """The numbers of rows that the last beam read, one for each step; []: no beam yet."""

    def next_width(self) -> int:
        """Return the width of the next beam; 0 if the budget is too small for a useful one."""
        fits = self.fitting_width(0)
        # `_rows` is empty before the first beam, whose cost is unknown: it is tried in any case. A later beam
        # is not worth its rows if only an eighth of the planned width (2 * `_width`) fits.
        if self._rows and fits < self._width / 4:
            return 0
        return min(2 * self._width, fits, WIDEST)

    def learn_rows(self, beam: Beam) -> None:
        """Note the rows that a beam read."""
        self._width = beam.width
        self._rows = beam.rows

    def fitting_width(self, step: int) -> int:
        """Return the width that the remaining budget allows from step number `step` on.

        It is assumed that the beam reads as many rows for its width as the last beam did. For example, if the
        last beam of width 8 read 100 rows from this step on, and 200 rows are left, the width is 16.
        """
        if self._run.budget is None:
            # a width that stands for "any"
            return 1 << 62
        rows_left = self._run.budget - self._run.model_rows
        expected_rows = sum(self._rows[step:])
        return int(rows_left / expected_rows * self._width) if expected_rows else rows_left


def _combine_rounds(run: SamplingRun, known_texts: dict[Tokens, float], rounds: list[_Round]) -> Drawn:
    """Return the draws of all rounds. `known_texts` has the log-probability of each text of the known
    stratum. The weight of a text is the mean of its weights in the rounds, weighted by their widths."""
    all_known = run.tree.is_exhausted or not rounds
    logprobs = dict(known_texts)
    if not all_known:
        # A full tree does not store all found texts: those that it did not store come after the known ones.
        for beam in rounds:
            logprobs |= {text.tokens: text.log_probability for text in beam.found_texts}
    tokens = [*logprobs]
    log_probabilities = np.array([*logprobs.values()])
    if all_known:
        log_z = log_sum(log_probabilities) if run.tree.is_exhausted else math.nan
        return Drawn(tokens, log_probabilities, log_probabilities, len(rounds), log_z)
    # The index of each text in `tokens`.
    places = {text: i for i, text in enumerate(tokens)}
    total_width = sum(beam.width for beam in rounds)
    log_shares = np.log([beam.width for beam in rounds]) - math.log(total_width)
    log_weights = np.full(len(tokens), -np.inf)
    for log_share, beam in zip(log_shares, rounds, strict=True):
        # The texts that were known before this beam are the first ones. `part` is a view: `out` writes
        # into the weights.
        part = log_weights[: beam.known_count]
        np.logaddexp(part, log_share + log_probabilities[: beam.known_count], out=part)
        for text in beam.found_texts:
            at = places[text.tokens]
            log_weights[at] = np.logaddexp(log_weights[at], log_share + text.log_weight)
    return Drawn(tokens, log_probabilities, log_weights, len(rounds), log_sum(log_weights))
