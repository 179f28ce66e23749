"""Makes the report of draws, a JSON value: where the grammar removed mass, how fields are distributed, and
how masking would differ.

The *mass* that a grammar removes at a token is the model's probability of the forbidden tokens. *Masking* is
the method that draws each token from the allowed ones, and so changes the distribution of texts.

`report` computes the numbers; `rows_of` tells them in words, and `report_page` makes an HTML page of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from structgen.asking.pages.html_pages import NOTHING, format_count, format_percent
from structgen.base.errors import OptionError
from structgen.decoding.samplers.intervals.columns import column_of
from structgen.decoding.samplers.intervals.field_paths import (
    LENGTH_OF_TEXT,
    MOST_FIELDS,
    paths_of,
    show_path,
    values_at,
)
from structgen.decoding.samplers.marginals import MOST_LISTED, Marginal, collect_values, estimate_shares
from structgen.decoding.samplers.samples import Samples, interval_words
from structgen.decoding.samplers.target import Floats

Report: TypeAlias = "dict[str, Any]"
"""The numbers of a report by name. An estimate is an `Estimate`, in JSON a list of four. Unknown numbers are
None."""


class Estimate(NamedTuple):
    """A number with its interval of 95 %, or with proven bounds; `low` and `high` are None if its error is
    unknown."""

    value: float
    low: float | None
    high: float | None
    is_proven: bool = False

    def describe(self, form: Callable[[float], str] = format_percent) -> str:
        """Return the number and its interval in words; `form` writes a number."""
        return f"{form(self.value)} ({self.describe_interval(form)})"

    def describe_interval(self, form: Callable[[float], str] = format_percent) -> str:
        """Return the interval in words."""
        if self.low is None or self.high is None:
            return "no interval"
        return f"{'proven' if self.is_proven else '95 %'}: {interval_words(form(self.low), form(self.high))}"


def report(samples: Samples[Any], masked: Samples[Any] | None = None) -> Report:
    """Return the report of draws.

    `masked` are draws with the method "masked" from the same target, for comparison. Raises OptionError for
    `masked` draws of another target or method. Cost: 0.2 s of CPU for 300 draws and 50 figures.
    """
    if masked is not None:
        _check_comparable(samples, masked)
    masks = _masses_of_draws(samples)
    fields, left_out = _list_fields(samples, masked)
    return {
        "method": samples.method,
        "kind": samples.kind,
        "draws": len(samples.texts),
        "caveats": samples.caveats,
        # n Z / U, the exact draws that the run is worth
        "worth": None if samples.worth is None else _finite_or_none(samples.worth),
        "why_no_interval": samples.why_no_interval,
        "kish_sample_size": _finite_or_none(samples.effective_size),
        "accept_rate": _finite_or_none(samples.accept_rate),
        "log_z": [
            _finite_or_none(samples.log_z),
            *map(_finite_or_none, samples.log_z_interval or (math.nan, math.nan)),
        ],
        "bracket": samples.bracket,
        "model_rows": samples.statistics.model_rows,
        # KL(target || masked) in nats; a dead end of masking counts as an outcome of its own
        "divergence_of_masking": None if masks is None else _estimate_divergence(samples, masks),
        "masked_draws": 0 if masked is None else len(masked.texts),
        "removed_by_position": [] if masks is None else _list_positions(samples, masks),
        "fields": fields,
        "fields_left_out": left_out,
    }


def rows_of(samples: Samples[Any], numbers: Report) -> list[tuple[str, str]]:
    """Return a report in words, as pairs of name and text. Of the token positions it tells the five at which
    the grammar removes the most mass."""
    rows = samples.facts()
    divergence = numbers["divergence_of_masking"]
    if divergence is not None:
        rows.append(("KL(target || masked)", f"{divergence.describe('{:.4f}'.format)} nats"))
    # A position that few texts reach counts little, whatever is removed there.
    by_loss = sorted(
        numbers["removed_by_position"], key=lambda place: -place["removed"].value * place["reached"]
    )
    worst = [place for place in by_loss[:5] if place["removed"].value >= NOTHING]
    for place in sorted(worst, key=lambda place: int(place["position"])):
        remark = f"of the model's mass; {format_percent(place['reached'])} of the texts come so far"
        rows.append((f"removed at token {place['position'] + 1}", f"{place['removed'].describe()} {remark}"))
    if numbers["removed_by_position"] and not worst:
        rows.append(("removed", f"The grammar removes less than {NOTHING:.2%} of the mass at each token."))
    for field in numbers["fields"]:
        name = field["field"]
        values = field["values"]
        for value in values:
            masked = value["masked"]
            masked_text = "" if masked is None else f"; {format_percent(masked.value)} under masking"
            rows.append((f"{name} = {value['value']}", f"{value['share'].describe()}{masked_text}"))
        if field["distinct"] > len(values):
            rows.append((name, f"and {field['distinct'] - len(values):,} other values"))
        if field["mean"] is not None and field["distinct"] > 1:
            rows.append((f"mean of {name}", field["mean"].describe("{:,.4g}".format)))
    if left_out_count := numbers["fields_left_out"]:
        rows.append(("not shown", format_count(left_out_count, "more field")))
    return rows


def _check_comparable(samples: Samples[Any], masked_samples: Samples[Any]) -> None:
    """Raise OptionError unless the second draws are by masking from the same target."""
    if masked_samples.method != "masked" or not masked_samples.texts:
        raise OptionError(
            f"The samples have {len(masked_samples.texts):,} draws by {masked_samples.method}.",
            where="masked",
            cure='Pass draws that were made with method="masked".',
        )
    differences = [
        (
            f"The {name} of the samples is {masked_samples.about.get(name)!r}, and that of the draws is "
            f"{samples.about.get(name)!r}."
        )
        for name in ("model", "temperature", "max_tokens")
        if samples.about.get(name) != masked_samples.about.get(name)
    ]
    if samples.target != masked_samples.target and samples.target and masked_samples.target:
        differences.append("The prompt, grammar or checkers differ from those of the draws.")
    if differences:
        raise OptionError(differences[0], where="masked", cure="Pass draws from the same target.")


def _masses_of_draws(samples: Samples[Any]) -> list[Floats] | None:
    """Return the masses of all draws; None if some are unknown, or the draws are from another law."""
    if samples.is_biased or not samples.texts or not samples.masses:
        return None
    known_masses = [np.array(masses) for masses in samples.masses if masses is not None]
    return known_masses if len(known_masses) == len(samples.texts) else None


def _list_positions(samples: Samples[Any], masks: list[Floats]) -> list[dict[str, Any]]:
    """Return two numbers for each token position: the mean share of the model's mass that is forbidden there,
    over the texts that reach the position, and the share of these texts. Both are under the target."""
    longest = max(map(len, masks))
    reach = np.zeros((len(masks), longest))
    removed_mass = np.zeros((len(masks), longest))
    for at, masses in enumerate(masks):
        reach[at, : len(masses)] = 1.0
        removed_mass[at, : len(masses)] = np.clip(1 - masses, 0.0, 1.0)
    reach_share = samples.weights @ reach
    common = np.flatnonzero(reach_share > 0)
    means, ends = samples.figures(removed_mass[:, common], reach[:, common])
    # `ends` has the lower ends, the upper ends, and whether both are proven.
    columns = (column.tolist() for column in (common, reach_share[common], means, *ends))
    return [
        {"position": at, "removed": _share_estimate(*figure), "reached": share}
        for at, share, *figure in zip(*columns, strict=True)
    ]


def _estimate_divergence(samples: Samples[Any], masks: list[Floats]) -> Estimate | None:
    """Return E[sum of log z] - log Z under the target; None if Z is unknown. If all texts are listed, the
    interval is one point. Otherwise there is none: a text that was not drawn may have any sum."""
    if math.isnan(samples.log_z):
        return None
    # the logarithm of the product of each draw's allowed masses
    log_masses = [float(np.log(masses).sum()) for masses in masks]
    logs = np.array(log_masses)
    # A divergence is never negative. Errors of the two estimates may make it so.
    value = max(float(samples.weights @ logs) - samples.log_z, 0.0)
    if samples.lists_all:
        return Estimate(value, value, value, is_proven=True)
    return Estimate(value, None, None)


def _list_fields(
    samples: Samples[Any], masked_samples: Samples[Any] | None
) -> tuple[list[dict[str, Any]], int]:
    """Return the fields of the draws, and the number of fields left out."""
    if not samples.texts:
        return [], 0
    values = _values_of_draws(samples)
    others = [] if masked_samples is None else _values_of_draws(masked_samples)
    paths = paths_of([document for _, document in values]) if samples.is_json else []
    # Each reader takes a text with its JSON value. `path=path` binds the path of this turn of the loop.
    readers: dict[str, Callable[[Any], dict[Any, Any]]] = {
        show_path(path) or "value": lambda value, path=path: values_at(value[1], path)  # type: ignore[misc]
        for path in paths[:MOST_FIELDS]
    }
    if not samples.is_json:
        readers["text"] = lambda value: {value[0]: value[0]}
    readers[LENGTH_OF_TEXT] = lambda value: {len(value[0]): len(value[0])}
    columns = []
    for name, read_values in readers.items():
        own_values = list(map(read_values, values))
        masked_values = list(map(read_values, others))
        columns.append(_describe_field(name, samples, masked_samples, own_values, masked_values))
    return columns, len(paths[MOST_FIELDS:])


def _estimate_of_marginal(marginal: Marginal) -> Estimate:
    """Return the share of a value with its interval."""
    return _share_estimate(marginal.share, marginal.low, marginal.high, marginal.is_proven)


def _share_estimate(share: float, low: float, high: float, is_proven: bool) -> Estimate:
    """Return a share with its interval, or without one where it excludes nothing.

    For example `_share_estimate(0.3, 0.0, 1.0, False)` has no interval: each share is from 0 to 1.
    """
    excludes_some = low > 0.0 or high < 1.0
    if not excludes_some:
        return Estimate(share, None, None, is_proven)
    return Estimate(share, low, high, is_proven)


def _values_of_draws(samples: Samples[Any]) -> list[tuple[str, Any]]:
    """Return the texts, each with its JSON value if it is JSON."""
    return [(text, json.loads(text) if samples.is_json else None) for text in samples.texts]


def _describe_field(
    name: str,
    samples: Samples[Any],
    masked_samples: Samples[Any] | None,
    values: list[dict[Any, Any]],
    masked_values: list[dict[Any, Any]],
) -> dict[str, Any]:
    """Return a field with its likeliest values, as the report has it.

    `values`, `masked_values`: for each draw, and for each draw by masking (none without `masked_samples`),
    its values by the keys of `key_values`, for example `[{(str, "Rome"): "Rome"}]` for one draw.
    """
    places = collect_values(values)
    masked_places = collect_values(masked_values)
    weights = samples.weights
    mass = {key: float(weights[draws].sum()) for key, (_, draws) in places.items()}
    # A value that only masking likes is listed, too: the difference is what the report is about.
    for key, (_, draws) in masked_places.items():
        masked_share = len(draws) / len(masked_values)
        mass[key] = max(mass.get(key, 0.0), masked_share)
    top = sorted(mass, key=lambda key: -mass[key])[:MOST_LISTED]
    top_places = [places.get(key) or (masked_places[key][0], []) for key in top]
    marginals = estimate_shares(samples, top_places)
    masked_estimates: list[Estimate | None] = [None] * len(top)
    if masked_samples is not None:
        top_masked_places = [masked_places.get(key, (None, [])) for key in top]
        masked_marginals = estimate_shares(masked_samples, top_masked_places)
        masked_estimates = [_estimate_of_marginal(marginal) for marginal in masked_marginals]
    return {
        "field": name,
        "distinct": len(mass),
        "mean": _mean_of_field(samples, name, values),
        "values": [
            {
                "value": marginal.value,
                "share": _estimate_of_marginal(marginal),
                "masked": masked_estimate,
                "draws": marginal.draws,
            }
            for marginal, masked_estimate in zip(marginals, masked_estimates, strict=True)
        ],
    }


def _mean_of_field(samples: Samples[Any], name: str, values: list[dict[Any, Any]]) -> Estimate | None:
    """Return the mean of a field that has one number in every draw."""
    numbers = [next(iter(names.values())) for names in values if len(names) == 1]
    if len(numbers) != len(values) or not all(map(_is_plain_number, numbers)):
        return None
    # The numbers are at hand: the "values" are their indices, and the "function" looks them up.
    look_up = numbers.__getitem__
    value_range = samples.ranges.get(name)
    column = column_of(look_up, value_range, range(len(numbers)), samples.texts, None, name)
    mean, interval = samples.mean_of(column)
    low, high = interval or (None, None)
    return Estimate(mean, low, high, samples.lists_all)


def _is_plain_number(value: Any) -> bool:
    """Return whether a value is a number, no bool, and of a size of which doubles hold each integer."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _finite_or_none(value: float) -> float | None:
    """Return a number, None for NaN and infinity."""
    return value if math.isfinite(value) else None
