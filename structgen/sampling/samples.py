"""`Samples`: texts with weights, and estimates of Z and of expectations."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from structgen.errors import OptionError, StructgenError
from structgen.sampling.estimates import (
    CUT_SHORT,
    FEWEST,
    FEWEST_PARTS,
    LEAST_CLOUDS,
    LEAST_SIZE,
    NORMAL,
    Statistics,
    effective_parts,
    half_width,
    log,
    normalised,
)
from structgen.sampling.marginals import Marginal, marginals
from structgen.sampling.samples_file import read_samples, write_samples
from structgen.sampling.target import Floats

T = TypeVar("T")
S = TypeVar("S")
_QUESTIONS = 64
_ENDS = {
    "n": "with as many draws as were asked for",
    "budget": "by the budget of model rows",
    "seconds": "by the time limit",
    "standard_error": "as log Z was known well enough",
    "exhausted": "as every valid text is known",
    "interrupted": "by an interrupt",
    "fruitless": "as 10,000 attempts in a row gave no text",
    "limit": "by a limit of the grammar",
}
"""Texts for people, by `Statistics.stopped`."""
_CUT = "; the run was cut before it was done, which favours short texts"


@dataclass(frozen=True, eq=False)
class Samples(Generic[T]):
    """The draws of one run. len(), iteration and indexing are those of `values`."""

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

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[T]:
        return iter(self.values)

    def __getitem__(self, at: int) -> T:
        return self.values[at]

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
    def knows_error(self) -> bool:
        """Whether the draws tell the error of means (see `why_no_error`)."""
        return not self.why_no_error

    @cached_property
    def why_no_error(self) -> str:
        """Why the draws tell no error of means, in words; "" where they do: log Z has an interval, and the
        draws are worth at least `LEAST_SIZE` independent ones, from `LEAST_CLOUDS` effective clouds of
        particles."""
        if self.lists_all:
            return ""
        if self.is_biased:
            return "the draws are of another law"
        if self.log_z_interval is None:
            return f"there are fewer than {FEWEST} attempts, particles or texts"
        clouds = self.contributions(np.ones(len(self.texts)))
        is_spread = float(clouds.sum()) ** 2 >= LEAST_CLOUDS * float(clouds @ clouds)
        if self.method != "auto" and not is_spread:
            return f"fewer than {LEAST_CLOUDS} clouds of particles carry the weight"
        # The weights of `auto` are probabilities: their spread says nothing of the error.
        size = self.worth if self.method == "auto" else min(self.worth, self.effective_size)
        is_enough = size > LEAST_SIZE - 1e-6  # rounding
        return "" if is_enough else f"{size:.1f} effective draws are fewer than {LEAST_SIZE}"

    @property
    def weights(self) -> Floats:
        """The normalised weights, float64 [n]; their sum is 1."""
        return normalised(self.log_weights)

    @property
    def effective_size(self) -> float:
        """The equivalent number of independent draws by weights alone: (sum w)^2 / sum w^2 (Kish 1965)."""
        weights = self.weights
        return float(1.0 / (weights @ weights)) if len(weights) else 0.0

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

    def expectation(self, function: Callable[[T], float]) -> tuple[float, float | None]:
        """Return the estimate of a function's mean under the target, and its standard error.

        The estimate is the weighted mean; the error is that of a ratio of means (the delta method), enlarged
        for few draws by Student's quantile: the mean plus and minus 1.96 errors is an interval of 95 %. It is
        None where it is unknown: the draws do not tell (`why_no_error` says why), or nearly all agree;
        `marginals` may still have intervals of shares. It is 0 if all valid texts are listed. Raises
        StructgenError if there is no draw.
        """
        if not self.values:
            raise StructgenError(
                "There is no draw to take a mean of.",
                where="expectation",
                cure="Give a larger budget, or look at `bracket`: the valid texts may have hardly any mass.",
            )
        weights = self.weights
        found = np.array([float(function(value)) for value in self.values])
        mean = float(weights @ found)
        if self.lists_all:
            return mean, 0.0
        parts = self.contributions(found - mean)
        half = half_width(parts)
        if self.why_no_error or half is None:
            return mean, None
        return mean, half / NORMAL if np.ptp(found) and effective_parts(parts) >= FEWEST_PARTS else None

    def resample(self, count: int, seed: int = 0) -> list[T]:
        """Return `count` values drawn by weight, with replacement."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise OptionError(f"count={count!r}: it takes a whole number, at least 0.", where="count")
        if not self.values:
            raise StructgenError(
                "There is no draw to resample.", where="resample", cure="Give a larger budget."
            )
        draws = np.random.default_rng(seed)
        return [self.values[at] for at in draws.choice(len(self.values), count, p=self.weights)]

    def marginals(self, field: str | Callable[[T], Any], most: int = 10) -> list[Marginal]:
        """Return the likeliest values of a field under the target, each with its share of the mass and an
        interval of 95 %; the interval is the proven one if the draws do not tell their error (`knows_error`).
        For biased draws, both are those of the law that they are from.

        `field` is a path such as "city", "address.city" or "tags[]" (any item of a list), or a function of a
        value. Raises StructgenError if there is no draw.
        """
        return marginals(self, field, most)

    def with_values(self, read: Callable[[str], S]) -> Samples[S]:
        """Return the same draws with the values `read(text)`."""
        return replace(self, values=list(map(read, self.texts)))  # type: ignore[arg-type,return-value]

    def to_jsonl(self, path: str | Path) -> None:
        """Write the draws to a file of JSON lines, atomically.

        The first line describes the run; each other line is a draw (the format:
        `structgen.sampling.samples_file`). Raises OSError.
        """
        write_samples(self, Path(path))

    @staticmethod
    def from_jsonl(path: str | Path) -> Samples[Any]:
        """Return the draws of a file that `to_jsonl` wrote. The values are those of the JSON texts, or the
        texts; `with_values` makes objects of them.

        Standard errors are those of batch means with at most 50 parts. Raises StructgenError, which names the
        line, if the file is damaged; OSError.
        """
        contents = read_samples(Path(path))
        found: Samples[Any] = Samples(**contents.fields)
        # As the run computed it: batch means would give another estimate.
        found.__dict__["worth"] = contents.worth
        return found

    @property
    def kind(self) -> str:
        """ "exact", "weighted", or "biased" (draws of another law)."""
        return "biased" if self.is_biased else "exact" if self.is_exact else "weighted"

    def facts(self) -> list[tuple[str, str]]:
        """Return the main facts as pairs of name and text."""
        done, size = self.statistics, len(self.texts)
        kinds = {
            "exact": "independent draws from the model's distribution of valid texts",
            "weighted": "with their weights they stand for the model's distribution of valid texts",
            "biased": "draws from another law than the model's, which no weights mend",
        }
        lower, upper = self.bracket
        rows = f"{done.model_rows:,}"
        is_more = self.method == "auto" and size > self.about.get("n", size)
        more = "; auto lists each text that it meets, and n is the least" if is_more else ""
        if answered := done.tree_rows:
            rows += f", and {answered:,} answered from the tree"
        return [
            ("draws", f"{size:,} by {self.method}, {len(set(self.texts)):,} different texts{more}"),
            ("kind", f"{self.kind}: {kinds[self.kind]}{_CUT if done.stopped in CUT_SHORT else ''}"),
            ("effective sample size", self._worth),
            (
                "log Z",
                "not estimated by this method"
                if math.isnan(self.log_z)
                else f"{self.log_z:.4f} ({self._error})",
            ),
            ("Z, proven", between(f"{lower:.4g}", f"{upper:.4g}", "from ")),
            ("accepted", self._accepted),
            ("model rows", rows),
            ("ended", f"{_ENDS.get(done.stopped, done.stopped)}, after {done.seconds:.1f} s"),
        ]

    @property
    def accept_rate(self) -> float:
        """The share of attempts that gave a valid text; NaN if there was no attempt, or an attempt may give
        several texts."""
        done = self.statistics
        return done.accepted / done.attempts if 0 < done.attempts >= done.accepted else math.nan

    def __repr__(self) -> str:
        z = "" if math.isnan(self.log_z) else f", log Z {self.log_z:.3f}"
        return (
            f"<Samples: {len(self.texts):,} draws by {self.method}, {self.kind}, effective sample size "
            f"{self._worth}{z}, {self.statistics.model_rows:,} model rows>"
        )

    @property
    def _accepted(self) -> str:
        done, rate = self.statistics, self.accept_rate
        if math.isnan(rate) and done.accepted:
            return f"{done.accepted:,} texts, in {done.attempts:,} attempts of several texts each"
        return f"{done.accepted:,} of {done.attempts:,} attempts{_percent(rate)}"

    @property
    def effective_draws(self) -> float:
        """`worth`, at most the number of draws: what a report calls the effective sample size."""
        return min(self.worth, float(len(self.texts)))

    @property
    def _error(self) -> str:
        if self.log_z_interval is None:
            return f"no interval: {self.why_no_error or 'there is no draw'}"
        return "95 %: {:.4f} to {:.4f}".format(*self.log_z_interval)

    @property
    def _worth(self) -> str:
        known = " (every valid text is known)" if math.isinf(self.worth) else ""
        return f"{self.effective_draws:,.1f}{known}"

    def _repr_html_(self) -> str:
        """Return a short summary for a notebook, with the heaviest draws."""
        facts = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(said)}</td></tr>"
            for name, said in self.facts()
        )
        weights = self.weights
        first = "".join(
            f"<tr><td>{weights[at]:.4f}</td><td><code>{html.escape(_short(self.texts[at]))}</code></td></tr>"
            for at in np.argsort(-weights, kind="stable")[:5]
        )
        return f"<table>{facts}</table><table><tr><th>weight</th><th>text</th></tr>{first}</table>"


def _percent(share: float) -> str:
    return "" if math.isnan(share) else f" ({share:.1%})"


def _short(text: str, most: int = 120) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def between(low: str, high: str, head: str = "") -> str:
    """Return the words for an interval with these ends as they are shown; `head` stands before two ends."""
    return f"{low}, to the digits shown" if low == high else f"{head}{low} to {high}"
