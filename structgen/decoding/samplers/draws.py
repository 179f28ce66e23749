"""`Draws`: texts with weights, the attempts that they come from, and what a run is worth.

An *attempt* is one try to write a valid text. A *draw* is a text that an attempt gave. Its *weight* says how
much it counts; exact draws have equal weights. A run's *worth* is the number of exact draws that would give
as narrow intervals. Z is the probability that the model writes a valid text; the *bracket* is a pair of
proven bounds on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

import numpy as np

from structgen.decoding.samplers.estimates import (
    CUT_SHORT,
    Statistics,
    count_carriers,
    is_spent,
    log_or_infinity,
    normalise_weights,
)
from structgen.decoding.samplers.intervals.attempts import Attempts
from structgen.decoding.samplers.intervals.betting import TAIL
from structgen.decoding.samplers.intervals.figures import (
    LEAST_WORTH,
    Ends,
    Interval,
    ProvenMass,
    ends_of_means,
    interval_of_mass,
)
from structgen.decoding.samplers.target import Bools, Bounds, Floats, Tokens

T = TypeVar("T")
ENOUGH: Final = 8
"""The worth of a run, in exact draws, from which on most intervals exclude something."""
ENDS: Final = {
    "n": "with as many draws as were asked for",
    "budget": "by the budget of model rows",
    "seconds": "by the time limit",
    "until": "as the interval was narrow enough",
    "exhausted": "as every valid text is known",
    "interrupted": "by an interrupt",
    "fruitless": "as 10,000 attempts in a row gave no text",
    "limit": "by a limit of the grammar",
}
"""How a run ended, by `Statistics.stopped`."""
_DIED: Final = "as the particles that are missing died: no valid text went on from them"
"""The ending of a run that has fewer draws than were asked for, although no limit cut it."""
OTHER_LAW: Final = (
    "The draws follow another distribution than the model's own, and weights cannot correct that."
)
CUT: Final = "A truncated run favours short texts."


@dataclass(frozen=True, eq=False)
class Draws(Generic[T]):
    """The draws of one run."""

    method: str
    texts: list[str]
    values: list[T]
    """The parsed JSON values if the grammar is a JSON Schema, objects if it is a type, else the texts."""
    token_ids: list[Tokens]
    logprobs: Floats
    """float64 [n]: log P(tokens, end) under the model at the run's temperature."""
    log_weights: Floats
    """float64 [n]: all equal for exact draws. If `log_z` is a number, the sum of their exp estimates Z."""
    is_exact: bool
    """Whether the draws are independent draws from the target itself. It is false for a run that a limit cut,
    because that favours short texts."""
    is_biased: bool
    """Whether the draws are from another law that the weights do not correct (`masked`, `asap`)."""
    log_z: float
    """The estimate of log Z; NaN for a method that gives none."""
    bracket: Bounds
    """Proven bounds on Z: the mass of the valid texts found, and the mass not proved invalid."""
    statistics: Statistics
    attempts: Attempts | None = field(default=None, repr=False)
    """The record of the run's attempts, from which the intervals are made; None for a method whose draws are
    not independent."""
    masses: list[tuple[float, ...] | None] = field(default_factory=list)
    """For each draw the allowed mass z after each of its prefixes, the empty one first; None if it is
    unknown. The list is empty if it is unknown for all draws."""
    is_json: bool = False
    """Whether the texts are JSON."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """The parameters of the run: model, temperature, max_tokens, seed and the like."""
    pieces: Mapping[int, str] = field(default_factory=dict)
    """The text of each token in the draws, as far as it is UTF-8 by itself, for display."""
    log_z_of_clouds: Floats = field(default_factory=lambda: np.empty(0))
    """The independent estimates of log Z of the runs of particles (smc, awrs). The mean of their exp is the
    estimate of Z. Empty for other methods."""
    target: str = ""
    """The digest of the target; "" if a part of it has no name."""
    find_ranges: Callable[[], Mapping[str, Bounds]] = field(default=dict, repr=False)
    """The function that finds `ranges`, when they are first asked for."""
    again: Callable[[int, int], Any] | None = field(default=None, repr=False)
    """The function that makes more draws, `again(n, number)`, with what this run has learnt. `number` is that
    of the added run. None for draws of a file, and of methods without intervals. The function refers to the
    model, and to the run's prefix tree up to 16 MB."""

    @cached_property
    def ranges(self) -> Mapping[str, Bounds]:
        """The range of each field that holds numbers which the grammar bounds, by its path ("age",
        "tags.length")."""
        return self.find_ranges()

    @cached_property
    def log_z_interval(self) -> Interval | None:
        """The interval of 95 % of log Z, within the bracket; None if Z has no known lower bound. Cost: 0.02 s
        of CPU for 300 draws."""
        if self.lists_all:
            return Interval(self.log_z, self.log_z)
        if self.attempts is None or not self.has_intervals:
            return None
        return interval_of_mass(self.attempts, self.known, self.log_z)

    @cached_property
    def has_intervals(self) -> bool:
        """Whether the run has intervals beyond the bounds that known texts prove (see `why_no_interval`)."""
        return self.lists_all or (self.worth is not None and self.worth >= LEAST_WORTH)

    @property
    def log_z_bounds(self) -> Bounds:
        """`log_z_interval`, or the logarithms of the proven bracket if there is none."""
        lower, upper = self.bracket
        return self.log_z_interval or (log_or_infinity(lower), log_or_infinity(upper))

    @cached_property
    def lists_all(self) -> bool:
        """Whether the draws are all valid texts, each weighted by its probability, so that means are exact.
        Repeats of a text share its weight. Texts with less than 1e-12 of the mass together may be missing.

        An exhausted tree is not enough: draws from it are still random.
        """
        if not self.texts or not is_spent(self.bracket):
            return False
        # The repeats of a text share its weight, so they are added up before the comparison.
        sums = dict.fromkeys(self.token_ids, 0.0)
        weights = np.exp(self.log_weights).tolist()
        for tokens, weight in zip(self.token_ids, weights, strict=True):
            sums[tokens] += weight
        masses = np.exp(self.logprobs[self.is_first])
        text_weights = list(sums.values())
        has_own_mass = bool(np.allclose(text_weights, masses, rtol=1e-9, atol=0.0))
        total = float(masses.sum())
        return has_own_mass and math.isclose(total, self.bracket[1], rel_tol=1e-9)

    @property
    def is_list(self) -> bool:
        """Whether each found text is in the draws once, so that its weight grows with its probability."""
        if len(self.texts) <= 1 or self.is_biased or self.is_exact:
            return False
        return bool(self.is_first.all())

    @cached_property
    def is_first(self) -> Bools:
        """bool [n]: whether no earlier draw has the same tokens."""
        # From the last draw back, so that the first draw of each text is the one that stays.
        first = {tokens: at for at, tokens in reversed(list(enumerate(self.token_ids)))}
        are_first = [first[tokens] == at for at, tokens in enumerate(self.token_ids)]
        return np.array(are_first, np.bool_)

    @property
    def weights(self) -> Floats:
        """The normalised weights, float64 [n]; their sum is 1."""
        return normalise_weights(self.log_weights)

    @property
    def effective_size(self) -> float:
        """The equivalent number of independent draws by weights alone: (sum w)^2 / sum w^2 (Kish 1965)."""
        return count_carriers(self.weights)

    @cached_property
    def worth(self) -> float | None:
        """k = n Z / U, the number of exact draws that the run is worth. Coin flips would make so many of its
        attempts; n is their number, U their bound. It is infinite if the draws are all valid texts. It is
        None for particles, beams, and draws of another law. About 4 are needed for any interval, and 8 for
        most."""
        if self.lists_all:
            return math.inf
        return None if self.attempts is None or self.is_biased else self.attempts.worth

    @property
    def why_no_interval(self) -> str:
        """Why an interval may be missing, or be only the proven bounds; "": the run has intervals."""
        worth = self.worth
        if not self.texts:
            return "there is no draw"
        if self.is_biased:
            return "the draws are of another law"
        if self.lists_all:
            return ""
        if not math.isfinite(self.bracket[1]):
            return "weights of checkers have no bound that is known before a draw"
        if self.method == "beams":
            return "beams are not independent draws: their bounds are the proven ones, or take method='raj'"
        if worth is None:
            runs = len(self.log_z_of_clouds)
            parts = f"{runs:,} run{'s' * (runs != 1)} of particles: particles of a run are not independent"
            # A run of particles is unbiased as a whole, but some twenty of them bound nothing.
            return (
                f"the draws are from {parts}, and so few runs prove nothing; 'raj' and 'cars' have intervals"
            )
        if worth >= ENOUGH:
            return ""
        advice = f"n = {_round_up(len(self.texts) * ENOUGH / max(worth, 1e-3)):,}"
        draws = f"{worth:.1f}" if worth < 1 else f"{worth:.0f}"
        cars = "" if self.is_exact else ", or method='cars'"
        return f"the run is worth {draws} exact draws; about {ENOUGH} are needed: {advice}{cars}"

    @cached_property
    def known(self) -> ProvenMass:
        """The distinct texts that were drawn, with the proven bounds on Z."""
        # Bounds on Z do not bound means under another law.
        lower, upper = (0.0, math.inf) if self.is_biased else self.bracket
        return ProvenMass(lower, upper, np.exp(self.logprobs), self.is_first)

    def figures(
        self, values: Floats, given: Floats | None = None, tail: float = TAIL, are_seen: bool = False
    ) -> tuple[Floats, Ends]:
        """Return the means of F functions over the texts that have a property, float64 [F], and the ends of
        their intervals.

        For example `figures(np.array([[1.0], [0.0], [1.0]]))` is the share of a property among three draws.
        `values` float64 [n, F] has the numbers of each draw, from 0 to 1. `given` float64 [n, F] has 1 if the
        draw has the property, else 0 (None: all have it). `tail` and `are_seen` are those of `ends_of_means`.
        Draws of another law have the mean of that law, with an interval if they are independent. Cost: 0.1 s
        of CPU for 50 functions and 300 draws.
        """
        given = np.ones_like(values) if given is None else given
        weights = self.weights
        # The sums over the draws with the property, by the weight of these draws; 0 where there are none.
        has = weights @ given
        sums = weights @ (given * values)
        means = sums / np.where(has > 0, has, 1.0)
        if self.lists_all:
            return means, Ends(means, means, np.ones(len(means), np.bool_))
        low, high = self.known.bounds_of(values, given)
        means = np.minimum(np.maximum(means, low), high)
        return means, ends_of_means(self.attempts, self.known, means, values, given, tail, are_seen)

    @property
    def kind(self) -> str:
        """ "exact", "weighted", or "biased" (draws of another law)."""
        if self.is_biased:
            return "biased"
        return "exact" if self.is_exact else "weighted"

    @property
    def accept_rate(self) -> float:
        """The share of attempts that gave a valid text; NaN if there was no attempt, or an attempt may give
        several texts."""
        statistics = self.statistics
        # A beam is one attempt and may give many texts: their quotient is no rate.
        if not 0 < statistics.attempts >= statistics.accepted:
            return math.nan
        return statistics.accepted / statistics.attempts

    @property
    def ending(self) -> str:
        """How the run ended, in the words that follow "ended"."""
        stop_reason = self.statistics.stopped
        if stop_reason == "n" and len(self.texts) < self.about.get("n", 0):
            return _DIED
        return ENDS.get(stop_reason, stop_reason)

    @property
    def caveats(self) -> list[str]:
        """The sentences that warn about the draws: there are fewer than were asked for, a limit cut the run,
        or the draws are biased; empty if none of these holds. The warning, the representation, the tables,
        the JSON and the page show these sentences."""
        draw_count = len(self.texts)
        requested_count = self.about.get("n", 0)
        stop_reason = self.statistics.stopped
        sentences = []
        # A run that ended because its interval was narrow enough has done what was asked.
        if draw_count < requested_count and stop_reason != "until":
            end = f"The run returned {draw_count:,} of {requested_count:,} draws, and ended {self.ending}."
            all_listed = f"The {draw_count:,} of {requested_count:,} draws are all valid texts."
            sentences.append(all_listed if self.lists_all else end)
        elif stop_reason in CUT_SHORT:
            sentences.append(f"The run ended {ENDS[stop_reason]}.")
        if stop_reason in CUT_SHORT:
            sentences.append(CUT)
        if self.is_biased:
            sentences.append(OTHER_LAW)
        return sentences


def _round_up(number: float) -> int:
    """Return a number, rounded up to one digit that is not 0."""
    digits = math.floor(math.log10(max(number, 1.0)))
    unit = int(10 ** max(digits, 0))
    return math.ceil(number / unit - 1e-6) * unit
