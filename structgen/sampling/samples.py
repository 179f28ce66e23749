"""`Samples`: texts with their weights, and what they say of Z and of expectations."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from structgen.errors import OptionError, StructgenError
from structgen.sampling.target import Floats

T = TypeVar("T")
_NORMAL = 1.96
"""Standard errors on either side of an interval of 95 %."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a run cost, and how it went."""

    attempts: int
    """Walks from the empty prefix, or particles, that came to an end."""
    accepted: int
    """Those of them that gave a valid text."""
    model_rows: int
    """Rows that the model was asked for; the prompt's read is one."""
    seconds: float
    stopped: str
    """Why the run ended: "n", "budget", "seconds", "standard_error", "exhausted" (every valid text is known),
    "interrupted", "limit" (a bound of the grammar's `sg.Limits` was met), or "fruitless" (10,000 attempts in
    a row gave no text, and neither a budget nor a time was given)."""
    checks: int = 0
    """How often a method of a checker was called."""
    tree_rows: int = 0
    """Rows that the prefix tree answered in the model's place."""
    reread_positions: int = 0
    """Positions that the model read once more because their keys and values were no longer kept."""


@dataclass(frozen=True)
class Samples(Generic[T]):
    """Draws of one run. Length, iteration and indices are those of `values`."""

    method: str
    texts: list[str]
    values: list[T]
    """The texts as Python values where the grammar is a JSON Schema, else the texts."""
    token_ids: list[tuple[int, ...]]
    logprobs: Floats
    """float64 [n]: log P(tokens, end) under the model at the run's temperature."""
    log_weights: Floats
    """float64 [n]: all equal for exact draws. Where `log_z` is a number, the sum of their exp estimates Z."""
    is_exact: bool
    """Whether the draws are independent draws from the target itself."""
    is_biased: bool
    """Whether the draws are from another law, and the weights do not mend that (`masked`, `asap`)."""
    log_z: float
    """The estimate of log Z; NaN for a method that gives none."""
    log_z_interval: tuple[float, float]
    """95 % of it, by the normal approximation, within the bracket."""
    bracket: tuple[float, float]
    """Proven bounds on Z: the mass of the valid texts that were met, and what was not proved invalid."""
    statistics: Statistics
    contributions: Callable[[Floats], Floats] = field(repr=False)
    """From a function's value at each draw to uncorrelated parts of its weighted mean, for the standard
    error: one for each independent draw, run of particles, or attempt."""
    target: str = ""
    """What tells the target from others; "" where a part of it has no name."""

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[T]:
        return iter(self.values)

    def __getitem__(self, at: int) -> T:
        return self.values[at]

    @property
    def weights(self) -> Floats:
        """The normalised weights, float64 [n]; their sum is 1."""
        return normalised(self.log_weights)

    @property
    def effective_size(self) -> float:
        """The number of independent draws that are worth as much: (sum w)^2 / sum w^2 (Kish 1965)."""
        weights = self.weights
        return float(1.0 / (weights @ weights)) if len(weights) else 0.0

    def expectation(self, function: Callable[[T], float]) -> tuple[float, float]:
        """Return the estimate of a function's mean under the target, and its standard error.

        The estimate is the weighted mean; the error is that of a ratio of means (the delta method), NaN where
        there is one independent draw alone. Raises StructgenError where there is no draw.
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
        parts = self.contributions(found - mean)
        count = len(parts)
        error = math.sqrt(count / (count - 1) * float(parts @ parts)) if count > 1 else math.nan
        return mean, error

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

    def to_jsonl(self, path: str | Path) -> None:
        """Write an object a line: text, token ids, log-probability, log weight, normalised weight."""
        rows = zip(self.texts, self.token_ids, self.logprobs, self.log_weights, self.weights, strict=True)
        lines = [
            json.dumps(
                {
                    "text": text,
                    "token_ids": list(tokens),
                    "logprob": float(logprob),
                    "log_weight": float(log_weight),
                    "weight": float(weight),
                },
                ensure_ascii=False,
            )
            for text, tokens, logprob, log_weight, weight in rows
        ]
        Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def interval_of(
    log_z: float, relative_error: float, bracket: tuple[float, float]
) -> tuple[float, tuple[float, float]]:
    """Return log Z and an interval of 95 %, cut to proven bounds on Z, from an estimate of log Z and the
    standard error of Z over Z. Without an estimate (NaN): NaN and the bounds."""
    low, high = log(bracket[0]), log(bracket[1])
    if math.isnan(log_z):
        return math.nan, (low, high)
    if low == high:
        return low, (low, low)
    if log_z == -math.inf:
        return log_z, (low, high)  # that all estimates are 0 says nothing of their error
    off = _NORMAL * relative_error
    begin = max(log_z + log(1 - off), low) if off < 1 else low
    return min(max(log_z, low), high), (begin, min(log_z + log(1 + off), high))


def log(value: float) -> float:
    """Return the logarithm of a number that may be 0."""
    return math.log(value) if value > 0 else -math.inf


def log_sum(logs: Floats) -> float:
    """Return the logarithm of the sum of numbers whose logarithms are given."""
    return float(np.logaddexp.reduce(logs)) if len(logs) else -math.inf


def normalised(log_weights: Floats) -> Floats:
    """Return the weights whose logarithms are given, divided by their sum."""
    if not len(log_weights):
        return np.empty(0)
    shifted: Floats = np.exp(log_weights - log_weights.max())
    shifted /= shifted.sum()
    return shifted
