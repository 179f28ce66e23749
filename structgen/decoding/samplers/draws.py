"""`Draws`: texts with weights, and what the weights say: effective sizes, and whether errors are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

import numpy as np

from structgen.decoding.samplers.estimates import (
    CUT_SHORT,
    LEAST_PARTS,
    LEAST_TEXTS,
    LEAST_Z,
    NORMAL,
    Statistics,
    carriers,
    half_width,
    interval_of_share,
    is_tiny,
    log,
    normalised,
    quantile,
)
from structgen.decoding.samplers.target import Floats

T = TypeVar("T")
_QUESTIONS: Final = 64
ENDS: Final = {
    "n": "with as many draws as were asked for",
    "budget": "by the budget of model rows",
    "seconds": "by the time limit",
    "standard_error": "as log Z was known well enough",
    "exhausted": "as every valid text is known",
    "interrupted": "by an interrupt",
    "fruitless": "as 10,000 attempts in a row gave no text",
    "limit": "by a limit of the grammar",
}
"""How a run ended, by `Statistics.stopped`."""
_DIED: Final = "as the particles that are missing died: no valid text went on from them"
"""How a run with fewer draws than were asked for ended, where no limit cut it."""
OTHER_LAW: Final = "The draws are from another law than the model's own, and no weights mend that."
CUT: Final = "A run that is cut favours short texts."


@dataclass(frozen=True, eq=False)
class Draws(Generic[T]):
    """The draws of one run."""

    method: str
    texts: list[str]
    values: list[T]
    """The parsed JSON values if the grammar is a JSON Schema, objects if it is a type, else the texts."""
    token_ids: list[tuple[int, ...]]
    logprobs: Floats
    """float64 [n]: log P(tokens, end) under the model at the run's temperature."""
    log_weights: Floats
    """float64 [n]: all equal for exact draws. Where `log_z` is a number, the sum of their exp estimates Z."""
    is_exact: bool
    """Whether the draws are independent draws from the target itself. Not those of a run that a limit cut: it
    favours short texts."""
    is_biased: bool
    """Whether the draws are from another law that the weights do not correct (`masked`, `asap`)."""
    log_z: float
    """The estimate of log Z; NaN for a method that gives none."""
    log_z_interval: tuple[float, float] | None
    """The interval of 95 %, within the bracket; None if the error is unknown."""
    bracket: tuple[float, float]
    """Proven bounds on Z: the mass of the valid texts found, and the mass not proved invalid."""
    statistics: Statistics
    contributions: Callable[[Floats], Floats] = field(repr=False)
    """For standard errors: a linear map from a function's value at each draw, float64 [n] or [n, m], to
    uncorrelated parts of its weighted mean, [k] or [k, m]. There is one part for each independent draw, run
    of particles, or attempt."""
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
    """The independent estimates of log Z of the runs of particles (smc, awrs); the mean of their exp is that
    of Z. Empty for other methods."""
    target: str = ""
    """The digest of the target; "" if a part of it has no name."""

    @property
    def log_z_bounds(self) -> tuple[float, float]:
        """`log_z_interval`, or the logarithms of the proven bracket if there is none."""
        if self.log_z_interval is not None:
            return self.log_z_interval
        return log(self.bracket[0]), log(self.bracket[1])

    @cached_property
    def lists_all(self) -> bool:
        """Whether the draws are all valid texts, each once, weighted by its probability: means are exact.

        An exhausted tree is not enough: draws from it are draws still.
        """
        lower, upper = self.bracket
        return (
            lower == upper
            and len(set(self.token_ids)) == len(self.texts) > 0
            and bool(np.allclose(self.log_weights, self.logprobs, rtol=0.0, atol=1e-9))
            and math.isclose(float(np.exp(self.logprobs).sum()), upper, rel_tol=1e-9)
        )

    @property
    def is_list(self) -> bool:
        """Whether each text that beams found is there once, so that its weight grows with its probability."""
        return self.method in ("beams", "auto") and not self.is_biased

    @property
    def knows_error(self) -> bool:
        """Whether the draws tell the error of means (see `why_no_error`)."""
        return not self.why_no_error

    @cached_property
    def why_no_error(self) -> str:
        """Why the draws tell no error of means, in words; "" where they do: at least `LEAST_PARTS`
        independent draws carry the weight, and beams found at least `LEAST_TEXTS` texts. A mean may have no
        error even so: if all draws have the same number, they do not tell which others there are."""
        if self.lists_all:
            return ""
        if self.is_biased:
            return "the draws are of another law"
        if self.method == "awrs" and is_tiny(self.log_z):
            return f"Z is below {LEAST_Z}, where weights of awrs do not tell their error"
        if self.independent < LEAST_PARTS - 1e-9:  # rounding
            return f"fewer than {LEAST_PARTS} independent draws carry the weight"
        if self.is_exact or self.log_z_interval is not None:
            return ""
        if math.isnan(self.log_z):
            return "a limit ended the run before Z was estimated"
        return f"there are fewer than {LEAST_TEXTS} texts"

    @cached_property
    def independent(self) -> float:
        """How many independent draws carry the weight: Kish's number of the attempts or first particles that
        the draws come from; for beams that of draws with their relative error of Z."""
        parts = self.contributions(np.ones(len(self.texts)))
        squares = float(parts @ parts)
        return min(1 / squares, len(parts)) if squares > 0 else len(parts)

    def half_width_of(self, deviations: Floats) -> float | None:
        """Return half of the interval of 95 % of a weighted mean, given the deviations of the draws from it;
        0 if all valid texts are listed, None if the error is unknown.

        The variance has one more term than the draws show, as large as the largest: a rare value may be
        missing.
        """
        if self.lists_all:
            return 0.0
        if self.why_no_error or not np.ptp(deviations):
            return None
        parts = self.contributions(deviations)
        return half_width(parts, unseen=float((parts * parts).max()))

    def interval_of(self, share: float, has: Floats) -> tuple[float, float]:
        """Return the interval of 95 % of a share, given 1 for each draw that counts and 0 for the others.

        Weighted draws have Jeffreys' interval of as many independent ones as have the same standard error,
        enlarged by Student's quantile; if all agree, of as many as carry the weight.
        """
        if self.is_exact:
            return interval_of_share(share, len(self.texts))
        parts, size = self.contributions(has - share), self.independent
        square = float(parts @ parts) * len(parts) / max(len(parts) - 1, 1)
        if square > 1e-12:
            size = share * (1 - share) / square * (NORMAL / quantile(size)) ** 2
        return interval_of_share(share, size, more=0.5)

    @property
    def weights(self) -> Floats:
        """The normalised weights, float64 [n]; their sum is 1."""
        return normalised(self.log_weights)

    @property
    def effective_size(self) -> float:
        """The equivalent number of independent draws by weights alone: (sum w)^2 / sum w^2 (Kish 1965)."""
        return carriers(self.weights)

    @cached_property
    def worth(self) -> float:
        """The number of independent draws from the target with equal standard errors, on average over 64
        random yes/no questions about the text; infinite if they are all valid texts (`lists_all`).

        Unlike Kish's number it accounts for particles with common ancestors, and for texts whose probability
        is known exactly. Cost: 64 standard errors.
        """
        if self.lists_all:
            return math.inf
        numbers = {text: number for number, text in enumerate(dict.fromkeys(self.texts))}
        places = np.array([numbers[text] for text in self.texts], np.int64)
        draws, weights = np.random.default_rng(0), self.weights
        spread = error = 0.0
        for _ in range(_QUESTIONS if len(numbers) > 1 else 0):
            found = draws.integers(0, 2, len(numbers)).astype(np.float64)[places]
            found -= weights @ found
            parts = self.contributions(found)
            spread += float(weights @ (found * found))
            error += float(parts @ parts)
        # If all draws are the same, their spread is 0.
        return spread / error if error > 0 else self.effective_size

    @property
    def kind(self) -> str:
        """ "exact", "weighted", or "biased" (draws of another law)."""
        return "biased" if self.is_biased else "exact" if self.is_exact else "weighted"

    @property
    def accept_rate(self) -> float:
        """The share of attempts that gave a valid text; NaN if there was no attempt, or an attempt may give
        several texts."""
        done = self.statistics
        return done.accepted / done.attempts if 0 < done.attempts >= done.accepted else math.nan

    @property
    def ending(self) -> str:
        """How the run ended, in the words that follow "ended"."""
        stopped = self.statistics.stopped
        if stopped == "n" and len(self.texts) < self.about.get("n", 0):
            return _DIED
        return ENDS.get(stopped, stopped)

    @property
    def caveats(self) -> list[str]:
        """The sentences that restrict what the draws stand for: there are fewer than were asked for, or a
        limit cut the run, or the draws are biased; empty where none of these holds. The warning, the
        representation, the tables, the JSON and the page show these sentences."""
        made, asked, stopped = len(self.texts), self.about.get("n", 0), self.statistics.stopped
        found = []
        if made < asked:
            end = f"The run gave {made:,} of {asked:,} draws, and ended {self.ending}."
            listed = f"The {made:,} of {asked:,} draws are all valid texts."
            found.append(listed if self.lists_all else end)
        elif stopped in CUT_SHORT:
            found.append(f"The run ended {ENDS[stopped]}.")
        if stopped in CUT_SHORT:
            found.append(CUT)
        if self.is_biased:
            found.append(OTHER_LAW)
        return found

    @property
    def effective_draws(self) -> float:
        """`worth`, at most the number of draws: what a report calls the effective sample size."""
        return min(self.worth, float(len(self.texts)))
