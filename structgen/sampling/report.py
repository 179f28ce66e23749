"""What draws say of a run: where the grammar removed mass, how fields are distributed, what masking would
have changed, and what a checker that errs can reach.

The numbers are here; `report_page` makes a page of them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from structgen.errors import OptionError
from structgen.sampling.marginals import (
    Marginal,
    is_first,
    likeliest,
    listed,
    paths_of,
    shares,
    shown,
    values_at,
)
from structgen.sampling.samples import Samples
from structgen.sampling.target import Floats

_NORMAL: Final = 1.96
_MOST_VALUES: Final = 8
_MOST_FIELDS: Final = 40
_LENGTH: Final = "length of the text"
_COVERED: Final = 0.8
"""The share of masking's law that has to be known for a comparison."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Position:
    """A token position: what the grammar forbids there, on average under the target."""

    index: int
    removed: Estimate
    """The share of the model's mass that may not follow, among texts that come so far."""
    reached: float
    """The share of texts that come so far."""


@dataclass(frozen=True, slots=True)
class Field:
    """How a field is distributed under the target."""

    name: str
    top: list[Marginal]
    """The likeliest values."""
    masked: list[Estimate | None]
    """The shares of the same values under masking with proven bounds, where enough of its law is known."""
    distinct: int
    """The number of different values among the draws."""
    mean: Estimate | None
    """Of a field of numbers."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What a checker that errs can reach, however many draws are made (*Inference Scaling fLaws*, Stroebl,
    Kapoor, Narayanan 2024): P(right | accepted) = a / (a + (1 - a) f)."""

    false_accepts: float
    """f: the share of wrong texts that the checker passes."""
    right: Estimate | None
    """a: the share of right texts among the model's own. From the accepted share Z = a + (1 - a) f, which
    supposes that all right texts are accepted; None where f is more than Z, which cannot be."""
    reached: Estimate | None
    """P(right | accepted)."""


@dataclass(frozen=True, slots=True)
class Report:
    """All numbers of a report."""

    samples: Samples[Any]
    positions: list[Position]
    """Empty where the masses are not known of all draws."""
    fields: list[Field]
    fields_left_out: int
    masked_covered: float
    """The share of masking's own law that these draws cover: what it would say is known so far."""
    divergence: Estimate | None
    """KL(target || masked) in nats: masking as an outcome of its own where it comes to a dead end."""
    ceiling: Ceiling | None

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON has them; NaN and infinity as None."""
        samples = self.samples
        said = {
            "method": samples.method,
            "kind": samples.kind,
            "draws": len(samples.texts),
            "effective_sample_size": samples.worth,
            "kish_sample_size": samples.effective_size,
            "accept_rate": samples.accept_rate,
            "log_z": [samples.log_z, *samples.log_z_interval],
            "bracket": list(samples.bracket),
            "model_rows": samples.statistics.model_rows,
            "divergence_of_masking": _listed(self.divergence),
            "masked_covered": self.masked_covered,
            "removed_by_position": [
                {"position": one.index, "removed": _listed(one.removed), "reached": one.reached}
                for one in self.positions
            ],
            "fields": [
                {
                    "field": field.name,
                    "distinct": field.distinct,
                    "mean": _listed(field.mean),
                    "values": [
                        {
                            "value": one.value,
                            "share": [one.share, one.low, one.high],
                            "masked": _listed(other),
                        }
                        for one, other in zip(field.top, field.masked, strict=True)
                    ],
                }
                for field in self.fields
            ],
        }
        if self.ceiling is not None:
            said["ceiling"] = {
                "false_accepts": self.ceiling.false_accepts,
                "right": _listed(self.ceiling.right),
                "right_given_accepted": _listed(self.ceiling.reached),
            }
        found: dict[str, Any] = _finite(said)
        return found


def report(samples: Samples[Any], false_accepts: float | None = None) -> Report:
    """Return the report of some draws. Raises OptionError for a share that is none.

    Cost: a standard error for each token position and each value that is shown.
    """
    if false_accepts is not None and not 0 <= false_accepts < 1:
        raise OptionError(
            f"{false_accepts!r} is no share of false accepts.",
            where="false_accepts",
            cure="Give a number from 0, below 1.",
        )
    masks = _masks(samples)
    values = [json.loads(text) for text in samples.texts] if samples.is_json else list(samples.texts)
    masked = np.zeros(len(samples.texts)) if masks is None else _masked(samples, masks)
    fields, left_out = _fields(samples, masked, values)
    return Report(
        samples,
        [] if masks is None else _positions(samples, masks),
        fields,
        left_out,
        float(masked.sum()),
        None if masks is None else _divergence(samples, masks),
        None if false_accepts is None else _ceiling(samples, false_accepts),
    )


def _masks(samples: Samples[Any]) -> list[Floats] | None:
    """Return the masses of all draws; None where one of them has none, or the draws are of another law."""
    if samples.is_biased or not samples.texts or not samples.masses:
        return None
    found = [np.array(masses) for masses in samples.masses if masses is not None]
    return found if len(found) == len(samples.texts) else None


def _masked(samples: Samples[Any], masks: list[Floats]) -> Floats:
    """Return the probability of each draw under masking, P(x) / product of z; 0 where a draw before it has
    the same tokens. Their sum is at most 1: it is the part of masking's law that is known, without an
    error."""
    logs = np.array([float(np.log(masses).sum()) for masses in masks])
    found: Floats = np.where(is_first(samples), np.exp(np.minimum(samples.logprobs - logs, 0.0)), 0.0)
    return found / max(float(found.sum()), 1.0)


def _positions(samples: Samples[Any], masks: list[Floats]) -> list[Position]:
    weights, found = samples.weights, []
    for index in range(max(map(len, masks))):
        reach = np.array([float(len(masses) > index) for masses in masks])
        removed = np.array([1 - masses[index] if len(masses) > index else 0.0 for masses in masks])
        reached = float(weights @ reach)
        if not reached > 0:
            continue
        mean = float(weights @ removed) / reached
        error = _error(samples, (removed - mean * reach) / reached)
        found.append(Position(index, _estimate(mean, error, 0.0, 1.0), reached))
    return found


def _divergence(samples: Samples[Any], masks: list[Floats]) -> Estimate | None:
    """Return E[sum of log z] - log Z under the target."""
    if math.isnan(samples.log_z):
        return None
    logs = np.array([float(np.log(masses).sum()) for masses in masks])
    mean = float(samples.weights @ logs)
    low, high = samples.log_z_interval
    # The two errors are correlated in a way that is not known: they are added up.
    error = _error(samples, logs - mean)
    value = mean - samples.log_z
    return Estimate(
        max(value, 0.0),
        max(value - _NORMAL * error - (high - samples.log_z), 0.0),
        max(value + _NORMAL * error + (samples.log_z - low), 0.0),
    )


def _fields(samples: Samples[Any], masked: Floats, values: list[Any]) -> tuple[list[Field], int]:
    """Return the fields of the draws, and the number of those that were left out."""
    if not values:
        return [], 0
    found = []
    if not samples.is_json:
        found.append(_field("text", samples, masked, [{text: text} for text in samples.texts]))
    paths = paths_of(values) if samples.is_json else []
    for path in paths[:_MOST_FIELDS]:
        found.append(
            _field(shown(path) or "value", samples, masked, [values_at(one, path) for one in values])
        )
    lengths = [{len(text): len(text)} for text in samples.texts]
    found.append(_field(_LENGTH, samples, masked, lengths))
    return found, len(paths[_MOST_FIELDS:])


def _field(name: str, samples: Samples[Any], masked: Floats, found: list[dict[Any, Any]]) -> Field:
    places = listed(found)
    top = likeliest(samples, places, _MOST_VALUES)
    covered = float(masked.sum())
    others: list[Estimate | None] = [None] * len(top)
    if covered >= _COVERED:
        for at, (_, draws) in enumerate(top):
            share = float(masked[draws].sum())
            others[at] = Estimate(share / covered, share, min(share + 1 - covered, 1.0))
    return Field(name, shares(samples, top), others, len(places), _mean(samples, found))


def _mean(samples: Samples[Any], found: list[dict[Any, Any]]) -> Estimate | None:
    """Return the mean of a field that has one number in every draw."""
    numbers = [next(iter(names.values())) for names in found if len(names) == 1]
    if len(numbers) != len(found) or not all(
        isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 1e15 for one in numbers
    ):
        return None
    column = np.array(numbers, np.float64)
    mean = float(samples.weights @ column)
    return _estimate(mean, _error(samples, column - mean), -math.inf, math.inf)


def _ceiling(samples: Samples[Any], false_accepts: float) -> Ceiling:
    low, high = (math.exp(one) for one in samples.log_z_interval)
    # Without an estimate, the middle of what is proven.
    accepted = (low + high) / 2 if math.isnan(samples.log_z) else math.exp(samples.log_z)
    if accepted <= false_accepts:
        return Ceiling(false_accepts, None, None)
    ends = [max((share - false_accepts) / (1 - false_accepts), 0.0) for share in (accepted, low, high)]
    right = Estimate(ends[0], ends[1], ends[2])
    reached = [ceiling_of(one, false_accepts) for one in ends]
    return Ceiling(false_accepts, right, Estimate(reached[0], reached[1], reached[2]))


def ceiling_of(right: float, false_accepts: float) -> float:
    """Return P(right | accepted) = a / (a + (1 - a) f); 1 where nothing wrong is accepted."""
    wrong = (1 - right) * false_accepts
    return right / (right + wrong) if wrong > 0 else 1.0


def _error(samples: Samples[Any], found: Floats) -> float:
    """Return the standard error of a weighted mean whose deviations are given; NaN for one part alone."""
    parts = samples.contributions(found)
    count = len(parts)
    return math.sqrt(count / (count - 1) * float(parts @ parts)) if count > 1 else math.nan


def _estimate(value: float, error: float, least: float, most: float) -> Estimate:
    half = 0.0 if math.isnan(error) else _NORMAL * error
    return Estimate(value, max(value - half, least), min(value + half, most))


def _listed(one: Estimate | None) -> list[float] | None:
    return None if one is None else [one.value, one.low, one.high]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
