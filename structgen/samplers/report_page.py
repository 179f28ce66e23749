"""The page of `structgen sample-report`: one self-contained HTML file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Final

import numpy as np

from structgen.samplers.report import DrawsReport, Estimate, ValueShare, ceiling_of
from structgen.samplers.samples import Samples
from structgen.system.html_pages import Column, counted, number, percent, rendered

# ruff: noqa: E501 (markup)

_TEXTS: Final = 10
_COLOURED: Final = 3
"""Texts that are shown token by token."""
_RARE: Final = 0.001
"""Token positions that a smaller share of the texts reaches are not drawn."""

_TEMPLATE: Final = """\
<p class=faint>Made by {{ samples.method }}. {{ {
  "exact": "Each draw is an independent one from the model's own distribution, given that the text is valid.",
  "weighted": "With their weights the draws stand for the model's own distribution, given that the text is valid: a share
  below is a sum of weights, not a count of draws.",
  "biased": "Read the shares below as those of the law that was drawn from.",
}[samples.kind] }}</p>
{% for sentence in samples.caveats %}
<p class=warning>{{ sentence }}</p>
{% endfor %}
<div class=cards>{% for value, name, more in cards %}
<div class=card><b>{{ value }}</b><span>{{ name }}</span><i class=faint>{{ more }}</i></div>{% endfor %}</div>
{% if not weights %}
<p class=warning>There is no draw. What is known of the valid texts is the bracket around Z; a larger budget may find some.</p>
{% endif %}

<h2>How often the model is valid by itself</h2>
<p>Z is the probability that the model, left alone, writes a valid text that ends in time. {{ proven }}</p>
<div class=plot role=img aria-label="What is known of Z"><small class=title>Z, on a logarithmic axis</small>
<div></div>{{ bar(z_parts, z_mark) }}
<div class=ticks>{% for at, said in z_ticks %}
<span style="left:{{ at|css }}"><small class=axis>{{ said }}</small></span>{% endfor %}</div></div>
{{ key(("pale", "proven"), ("blue", "the estimate, with 95 %" if samples.log_z_interval else "the estimate")) }}

{% if weights %}
<h2>Weights</h2>
{% if weights[0] - weights[-1] < 1e-12 %}
<p>All {{ "{:,}".format(weights|length) }} draws have the same weight.</p>
{% else %}
<p>The heaviest draw has {{ weights[0]|percent }} of the weight; half of it is in {{ half|counted("draw") }}, of
{{ "{:,}".format(weights|length) }}. By weights alone they are worth {{ "{:,.1f}".format(samples.effective_size) }} draws
(Kish).
{% if samples.is_list %}
Each {{ "valid text" if samples.lists_all else "text that was found" }} is there once, and a likely one has a large weight,
which is no fault: the effective sample size above counts how well shares are known.
{% endif %}</p>
{{ plot("Distribution of the weights", "share", "weight, in times the mean weight", weights_most, weights_columns, "blue") }}
{{ key(("grey", "share of the draws"), ("blue", "share of the weight")) }}
{% endif %}
{% endif %}

<h2>Where the grammar takes mass from the model</h2>
{% if not positions %}
<p class=faint>The allowed mass at each token is not known {{ "of draws of another law" if samples.is_biased else
"of this method" }}.</p>
{% elif worst.removed.value < NOTHING %}
<p>Nowhere: the grammar removes less than {{ "{:.2%}".format(NOTHING) }} of the model's mass at each token, so masking alone
is close to the model's own distribution.</p>
{% else %}
<p>At each token, the share of the model's mass that may not follow, on average over the valid texts that come so far (grey:
how many do). The most is lost at token {{ worst.position + 1 }}: {{ worst.removed.value|percent }}.
{% if found.divergence is not none %}
Masking divides the rest back to 1 at every token and so distorts the distribution: its Kullback-Leibler divergence from the
target, in nats, is {{ found.divergence.told(number) }}.
{% if found.divergence.high is not none and found.divergence.high < 0.05 %}
That is little: masking alone is close to the model's own distribution here.
{% else %}
A typical valid text is {{ "{:,.2g}".format(times) }} times likelier under the model's own distribution than under masking.
{% endif %}
{% endif %}</p>
{{ plot("Mass removed by position", "mass removed", "token of the text", removed_most, removed_columns, "red") }}
{{ key(("red", "mass removed, with 95 %"), ("grey", "texts that come so far (of 100 %)")) }}
<p>The likeliest texts, token by token: the redder a token, the more of the model's mass was forbidden where it stands.</p>
<table><tr><th class=number>share</th><th>tokens</th></tr>
{% for weight, pieces in coloured %}
<tr><td class=number>{{ weight|percent }}</td><td><code>
{%- for text, lost in pieces %}{{ token(text, lost, lost|percent ~ " forbidden here") }}{% endfor %}</code></td></tr>
{% endfor %}</table>
{% endif %}

{% if found.fields %}
<h2>Fields</h2>
<p>The share of each value under {{ "these draws' law" if samples.is_biased else
"the model's own distribution of valid texts" }}, with intervals of 95 %.
{% if has_masked %}
The diamond is what masking would say, {% if found.masked_draws %}
from {{ found.masked_draws|counted("draw") }} by it, with intervals of 95 %.{% else %}
by the probability that it gives to the same texts, which are {{ found.masked_covered|percent }} of its law.{% endif +%}
Where the two differ, masking changes the answer.
{% elif not samples.is_biased %}
To see what masking would say, draw the same with --method masked, and give that file with --masked.
{% endif %}</p>
{{ key(("blue", "share, with its interval"), ("amber", "under masking")) }}
<div class=fields>{% for field in found.fields %}
<div class=field><strong>{{ field.field }}</strong><table>{% for one in field.values %}{% set masked = one.masked %}
<tr title="{{ one.share.told() }}, in {{ one.draws|counted("draw") }}
{%- if masked %}; under masking {{ masked.told() }}{% endif %}"><td class=cut><code>{{ said(one.value) }}</code></td><td>
{{ bar(parts(one), masked.value if masked else none, "amber") }}</td>
<td class=number>{{ one.share.value|percent }}{% if masked %} <small>mask {{ masked.value|percent }}</small>{% endif %}</td></tr>
{% endfor %}</table>
{% if field.distinct > field.values|length %}
<small>and {{ "{:,}".format(field.distinct - field.values|length) }} other values</small>
{% endif %}
{% if field.mean is not none and field.distinct > 1 %}
<small>mean {{ field.mean.told(number) }}</small>
{% endif %}</div>{% endfor %}</div>
{% if found.fields_left_out %}
<p class=faint>{{ "{:,}".format(found.fields_left_out) }} more fields are not shown.</p>
{% endif %}
{% endif %}

{% if ceiling is not none %}
<h2>The ceiling of a checker that errs</h2>
<p>The checker passes {{ ceiling.false_accepts|percent }} of the wrong texts. Drawing until it says yes then has a ceiling that
no number of draws lifts: <strong>P(right | accepted) = a / (a + (1 &minus; a) f)</strong>, a being the share of right texts
among the model's own.
{% if ceiling.right_given_accepted is not none %}
Of the model's texts a share Z is accepted, so if every right text is, a = (Z &minus; f) / (1 &minus; f) =
{{ ceiling.right.told() }}, and of the accepted texts at most {{ ceiling.right_given_accepted.told() }} are right.
{% else %}
Less than that share of the model's texts is accepted at all (Z), which cannot be where the texts are checked by it alone: f
is lower than was said, or the grammar refuses most of what the checker would pass.
{% endif %}</p>
{{ plot("Ceiling of accuracy", "right, given accepted", "a: right texts among the model's own", 1, ceiling_columns, "blue") }}
{{ key(("blue", "right, given accepted"), ("grey", "right, without a checker"), ("soft", "where a lies")) }}
{% endif %}

{% if texts %}
<h2>{{ "All texts" if is_whole else "The likeliest texts" }}</h2>
<table><tr><th class=number>share</th><th>text</th></tr>
{% for text, weight in texts %}
<tr><td class=number>{{ weight|percent }}</td><td><code>{{ text[:400] }}{{ "…" if text|length > 400 else "" }}</code></td></tr>
{% endfor %}</table>
{% endif %}
<h2>The run</h2>
{{ facts(run) }}
"""


def page_of(found: DrawsReport) -> str:
    """Return the page as HTML."""
    samples = found.samples
    shares = _summed(samples.texts, samples.weights.tolist())
    about = [(name.replace("_", " "), str(value)) for name, value in samples.about.items() if name != "n"]
    return rendered(
        f"{len(samples.texts):,} draws from {samples.about.get('model') or 'a model'}",
        _TEMPLATE,
        found=found,
        samples=samples,
        cards=_cards(found),
        **_z(samples),
        **_weights(samples),
        **_removed(found),
        has_masked=any(one.masked is not None for field in found.fields for one in field.values),
        said=lambda value: (
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        ),
        parts=_parts,
        number="{:,.4g}".format,
        ceiling=found.ceiling,
        ceiling_columns=_ceiling_columns(found),
        texts=shares[:_TEXTS],
        is_whole=len(shares) <= _TEXTS,
        run=[*samples.facts(), *about],
    )


def _summed(keys: Iterable[Any], weights: Iterable[float]) -> list[tuple[Any, float]]:
    """Return different keys, the heaviest first, each with the sum of its weights."""
    sums: dict[Any, float] = {}
    for key, weight in zip(keys, weights, strict=True):
        sums[key] = sums.get(key, 0.0) + weight
    return sorted(sums.items(), key=lambda one: -one[1])


def _cards(found: DrawsReport) -> list[tuple[str, str, str]]:
    """Return the main numbers, each with its name and a remark."""
    samples, done = found.samples, found.samples.statistics
    attempts = counted(done.attempts, "attempt")
    worth = "independent draws that would say as much, at most those that were made"
    if math.isinf(samples.worth):
        worth = "every valid text is known: no sampling error"
    cards = [(f"{samples.effective_draws:,.0f}", "effective sample size", worth)]
    if math.isnan(samples.accept_rate):
        cards += [(f"{done.accepted:,}", "valid texts found", f"in {attempts}, each of several texts")]
    else:
        cards += [
            (percent(samples.accept_rate), "accept rate", f"{done.accepted:,} valid texts in {attempts}")
        ]
    if not math.isnan(samples.log_z):
        told = samples.log_z_interval_told(lambda end: number(math.exp(end)))
        cards += [(number(math.exp(samples.log_z)), "Z: the model's text is valid", told)]
    if found.divergence is not None:
        nats = found.divergence.interval("{:.3f}".format)
        cards += [(f"{found.divergence.value:.3f}", "nats: KL of masking against the target", nats)]
    if found.ceiling is not None and (reached := found.ceiling.right_given_accepted) is not None:
        cards += [(percent(reached.value), "ceiling: right, given accepted", reached.interval())]
    rows = f"{done.model_rows / len(samples.texts):,.1f} for each draw" if samples.texts else "no draw yet"
    return [*cards, (f"{done.model_rows:,}", "model rows", rows)]


def _z(samples: Samples[Any]) -> dict[str, Any]:
    """Return what is known of Z: in words, and as parts of a bar on a logarithmic axis with its ticks."""
    lower, upper = samples.bracket
    z, ends = math.exp(samples.log_z), [math.exp(one) for one in samples.log_z_interval or ()]
    least = min((one for one in (lower, upper, z, *ends) if one > 0), default=1e-3)
    floor = min(math.floor(math.log10(least) - 1e-9), -1) - (lower == 0)

    def at(value: float) -> float:
        return min(max(1 - math.log10(value) / floor, 0.0), 1.0) if value > 0 else 0.0

    parts: list[tuple[Any, ...]] = [(at(lower), at(upper), "pale")]
    if ends:
        parts.append((at(ends[0]), at(ends[1]), "blue", "line"))
    factors = (1, 2, 5) if floor >= -2 else (1,)
    powers = range(floor, 1, max(1, -floor // 8))
    ticks = [factor * 10.0**power for power in powers for factor in factors if factor * 10.0**power <= 1]
    proven = f"It lies between {number(lower)} and {number(upper)}: that is proven, not estimated."
    if number(lower) == number(upper):
        proven = f"It is {number(upper)}, to the digits shown: that is proven, not estimated."
    if (lower, upper) == (0.0, 1.0):
        proven = "This method proves nothing of it."
    if lower == upper:
        proven = "Every valid text is known, so it is known exactly."
    return {
        "proven": proven,
        "z_parts": parts,
        "z_mark": None if math.isnan(z) else at(z),
        "z_ticks": [(at(one), "0" if lower == 0 and one == ticks[0] else number(one)) for one in ticks],
    }


def _weights(samples: Samples[Any]) -> dict[str, Any]:
    """Return the weights, the heaviest first, and their histogram: two columns for each power of ten."""
    weights = np.sort(samples.weights)[::-1]
    if not len(weights):
        return {"weights": []}
    relative = np.log10(np.maximum(weights * len(weights), 1e-6))
    low = math.floor(float(relative.min()))
    bins = 2 * (max(math.ceil(float(relative.max()) + 1e-9), low + 1) - low)
    edges = np.linspace(low, low + bins / 2, bins + 1)
    counts = np.histogram(relative, edges)[0] / len(weights)
    masses = np.histogram(relative, edges, weights=weights)[0]
    most = float(max(counts.max(), masses.max()))
    columns = [
        Column(
            mass,
            at,
            "" if at % 2 else "≤ 1e-06" if edges[at] == -6 else f"{10.0 ** edges[at]:g}",
            f"{percent(count)} of the draws, {percent(mass)} of the weight",
            beside=count / most,
        )
        for at, (count, mass) in enumerate(zip(counts.tolist(), masses.tolist(), strict=True))
    ]
    return {
        "weights": weights.tolist(),
        "half": sum(1 for mass in accumulate(weights.tolist()) if mass < 0.5) + 1,
        "weights_most": most,
        "weights_columns": columns,
    }


def _removed(found: DrawsReport) -> dict[str, Any]:
    """Return what the grammar removes: at each position, and from the likeliest texts."""
    samples = found.samples
    positions = [one for one in found.positions if one.reached >= _RARE]
    worst = max(positions, key=lambda one: one.removed.value * one.reached, default=None)
    highs = [one.removed.value if one.removed.high is None else one.removed.high for one in positions]
    most = min(1.0, 1.05 * max(highs, default=1.0)) or 1.0
    step = max(1, round(len(positions) / 15))
    columns = [
        Column(
            one.removed.value,
            at + 0.5,
            f"{one.position + 1}" if at == 0 or (one.position + 1) % step == 0 else "",
            f"token {one.position + 1}: {percent(one.removed.value)} removed ({one.removed.interval()}); "
            f"{percent(one.reached)} of the texts come here",
            high if one.removed.low is None else one.removed.low,
            min(high, most),
            one.reached,
        )
        for at, (one, high) in enumerate(zip(positions, highs, strict=True))
    ]
    masses = dict(zip(samples.token_ids, samples.masses, strict=True)) if positions else {}
    coloured = []
    for tokens, weight in _summed(samples.token_ids, samples.weights.tolist())[
        : _COLOURED if positions else 0
    ]:
        texts = [*(samples.pieces.get(one, "\ufffd") for one in tokens), "⟨end⟩"]
        lost = [1 - min(mass, 1.0) for mass in masses[tokens] or ()]
        coloured.append((weight, list(zip(texts, lost, strict=True))))
    return {
        "positions": positions,
        "worst": worst,
        "times": math.exp(min(found.divergence.value, 50)) if found.divergence is not None else None,
        "removed_most": most,
        "removed_columns": columns,
        "coloured": coloured,
    }


def _ceiling_columns(found: DrawsReport) -> list[Column]:
    """Return P(right | accepted) for each share of right texts; marked where the share lies."""
    if found.ceiling is None:
        return []
    right, steps = found.ceiling.right, 20
    return [
        Column(
            reached := ceiling_of(share, found.ceiling.false_accepts),
            at + 0.5,
            f"{share:.0%}" if at % 5 == 0 else "",
            f"{share:.0%} right: {percent(reached)} of the accepted",
            beside=share,
            is_marked=right is not None
            and right.low is not None
            and right.high is not None
            and right.low <= share + 0.5 / steps
            and share - 0.5 / steps <= right.high,
        )
        for at, share in enumerate(at / steps for at in range(steps + 1))
    ]


def _parts(one: ValueShare) -> list[tuple[Any, ...]]:
    """Return the parts of a value's bar: its share, its interval, and that under masking."""
    pairs: tuple[tuple[Estimate | None, str], ...] = (one.share, "ink"), (one.masked, "amber")
    lines = [
        (of.low, of.high, colour, "line") for of, colour in pairs if of is not None and of.low is not None
    ]
    return [(0.0, one.share.value, "blue"), *lines]
