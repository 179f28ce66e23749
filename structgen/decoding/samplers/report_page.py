"""Makes the page of `structgen sample-report`: one HTML file that needs no other.

- A *draw* is a text with a weight; its *share* is its weight divided by the sum of all weights.
- *Z* is the probability that the model, left alone, writes a valid text.
- The *mass removed* at a token is the share of the model's probability that the grammar forbids there.
- *Masking* is drawing from the allowed tokens alone, which changes the distribution of the texts.
- An *attempt* is one try to draw a text; a *part of a run* is its first attempts.

For example, a share of 30 % with the interval 25 % to 36 % is a bar with a line across its end.
"""

from __future__ import annotations

import json
import math
from itertools import accumulate
from typing import Any, Final

import numpy as np

from structgen.asking.pages.html_pages import (
    NOTHING,
    Column,
    format_count,
    format_number,
    format_percent,
    render_page,
)
from structgen.decoding.samplers.estimates import log_or_infinity
from structgen.decoding.samplers.intervals.figures import ProvenMass, interval_of_mass
from structgen.decoding.samplers.marginals import MOST_LISTED
from structgen.decoding.samplers.report import Estimate, Report
from structgen.decoding.samplers.samples import Samples, interval_words

# ruff: noqa: E501 (markup)

_HEAVIEST: Final = 80
"""The most draws whose weights are plotted: a page is wide enough for so many columns."""
_PARTS: Final = 16
"""The number of parts of a run whose interval of Z is plotted; each takes about 0.02 s."""

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
<p>Z is the probability that the model, left alone, writes a valid text that ends in time. Proven of it: {{ proven }}.</p>
{% if not weights %}
<p class=warning>There is no draw. What is known of the valid texts is the bracket around Z; a larger budget may find some.</p>
{% else %}
<h2>Weights</h2>
{% if weights[0] - weights[-1] < 1e-12 %}
<p>All {{ "{:,}".format(weights|length) }} draws have the same weight.</p>
{% else %}
<p>The heaviest draw has {{ weights[0]|percent }} of the weight; half of it is in {{ half|counted("draw") }}, of
{{ "{:,}".format(weights|length) }}. By weights alone they are worth {{ "{:,.1f}".format(samples.effective_size) }} draws
(Kish).
{% if samples.is_list %}
Each {{ "valid text" if samples.lists_all else "text that was found" }} is there once, and a likely one has a large weight,
which is no fault: the worth of the run above counts how well shares are known.
{% endif %}</p>
{{ plot("The heaviest draws", "share of the weight", "draw, the heaviest first", weights[0], heaviest, "blue") }}
{% endif %}
{% endif %}

<h2>The interval as draws come in</h2>
{% if growth %}
<p>Z after each part of the run, and its interval of 95 %. It holds wherever a run stops: to look at it costs no coverage.</p>
{{ plot("The interval as draws come in", "Z, with its interval of 95 %", "attempts so far", growth_most, growth, "blue") }}
{% else %}
<p class=faint>None: {{ samples.why_no_interval or "every valid text is known" }}.</p>
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
{% if divergence %}
Masking divides the rest back to 1 at every token and so distorts the distribution: its Kullback-Leibler divergence from the
target, in nats, is {{ divergence.describe(number) }}.
{% if divergence.high is not none and divergence.high < 0.05 %}
That is little: masking alone is close to the model's own distribution here.
{% else %}
A typical valid text is {{ "{:,.2g}".format(times) }} times likelier under the model's own distribution than under masking.
{% endif %}
{% endif %}</p>
{{ plot("Mass removed by position", "mass removed", "token of the text", removed_most, removed_columns, "red") }}
{{ key(("red", "mass removed, with 95 %"), ("grey", "texts that come so far (of 100 %)")) }}
{% endif %}

{% if texts %}
<h2>{{ "All texts" if is_whole else "The likeliest texts" }}</h2>
{% if positions %}
<p>The redder a token, the more of the model's mass was forbidden where it stands.</p>
{% endif %}
<table><tr><th class=number>share</th><th>text</th></tr>
{% for weight, pieces in texts %}
<tr><td class=number>{{ weight|percent }}</td><td><code>
{%- for text, lost in pieces %}{{ token(text, lost, lost|percent ~ " forbidden here" if positions else "") }}{% endfor %}</code></td></tr>
{% endfor %}</table>
{% endif %}

{% if report.fields %}
<h2>Fields</h2>
<p>The share of each value under {{ "these draws' law" if samples.is_biased else
"the model's own distribution of valid texts" }}, with intervals of 95 %.
{% if report.masked_draws %}
The diamond is what masking would say, from {{ report.masked_draws|counted("draw") }} by it, with intervals of 95 %. Where the
two differ, masking changes the answer.
{% elif not samples.is_biased %}
To see what masking would say, draw the same with --method masked, and give that file with --masked.
{% endif %}</p>
{{ key(("blue", "share, with its interval"), ("amber", "under masking")) if report.masked_draws }}
<div class=fields>{% for field in report.fields %}
<div class=field><strong>{{ field.field }}</strong><table>{% for entry in field["values"] %}{% set masked = entry.masked %}
<tr title="{{ entry.share.describe() }}, in {{ entry.draws|counted("draw") }}
{%- if masked %}; under masking {{ masked.describe() }}{% endif %}"><td class=cut><code>{{ value_text(entry.value) }}</code></td><td>
{{ bar(parts(entry), masked.value if masked else none, "amber") }}</td>
<td class=number>{{ entry.share.value|percent }}{% if masked %} <small>mask {{ masked.value|percent }}</small>{% endif %}</td></tr>
{% endfor %}</table>
{% if field.distinct > field["values"]|length %}
<small>and {{ "{:,}".format(field.distinct - field["values"]|length) }} other values</small>
{% endif %}
{% if field.mean is not none and field.distinct > 1 %}
<small>mean {{ field.mean.describe(number) }}</small>
{% endif %}</div>{% endfor %}</div>
{% if report.fields_left_out %}
<p class=faint>{{ "{:,}".format(report.fields_left_out) }} more fields are not shown.</p>
{% endif %}
{% endif %}

<h2>The run</h2>
{{ facts(run) }}
"""


def page_of(samples: Samples[Any], report: Report) -> str:
    """Return the page of some draws and their report as HTML."""
    weights = np.sort(samples.weights)[::-1].tolist()
    shares = dict.fromkeys(samples.texts, 0.0)
    for text, weight in zip(samples.texts, samples.weights.tolist(), strict=True):
        # A text that was drawn several times has the weights of all its draws.
        shares[text] += weight
    likeliest = sorted(shares, key=lambda text: -shares[text])[:MOST_LISTED]
    # `facts` has the number of draws
    about = [(name.replace("_", " "), str(value)) for name, value in samples.about.items() if name != "n"]
    divergence = report["divergence_of_masking"]
    return render_page(
        f"{len(samples.texts):,} draws from {samples.about.get('model') or 'a model'}",
        _TEMPLATE,
        report=report,
        samples=samples,
        cards=_list_cards(samples, report),
        proven=dict(samples.facts())["Z, proven"],
        weights=weights,
        half=sum(1 for mass in accumulate(weights) if mass < 0.5) + 1,
        heaviest=[
            Column(weight, at + 0.5, f"{at + 1}" * (at == 0 or (at + 1) % 10 == 0), format_percent(weight))
            for at, weight in enumerate(weights[:_HEAVIEST])
        ],
        growth=(growth := _growth_columns(samples)),
        growth_most=max((column.high for column in growth), default=1.0),
        divergence=divergence,
        times=1.0 if divergence is None else math.exp(min(divergence.value, 50)),
        **_removed_columns(report),
        value_text=lambda value: (
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        ),
        parts=_bar_parts,
        number="{:,.4g}".format,
        texts=[(shares[text], _text_pieces(samples, report, text)) for text in likeliest],
        is_whole=len(shares) <= MOST_LISTED,
        run=[*samples.facts(), *about],
    )


def _list_cards(samples: Samples[Any], report: Report) -> list[tuple[str, str, str]]:
    """Return the cards at the top of the page. A card is a main number of the run, its name, and a remark."""
    # The cards are in the order in which they are read: the worth of the run comes first.
    statistics = samples.statistics
    attempts = format_count(statistics.attempts, "attempt")
    cards = []
    if samples.worth is not None:
        remark = samples.why_no_interval or "exact draws that would say as much"
        remark = "every valid text is known: no sampling error" if math.isinf(samples.worth) else remark
        worth_text = "all" if math.isinf(samples.worth) else f"{samples.worth:,.0f}"
        cards = [(worth_text, "worth of the run", remark)]
    if report["accept_rate"] is None:
        cards += [(f"{statistics.accepted:,}", "valid texts found", f"in {attempts}, each of several texts")]
    else:
        cards += [
            (
                format_percent(samples.accept_rate),
                "accept rate",
                f"{statistics.accepted:,} valid texts in {attempts}",
            )
        ]
    if not math.isnan(samples.log_z):
        interval_text = samples.log_z_interval_told(lambda end: format_number(math.exp(end)))
        cards += [(format_number(math.exp(samples.log_z)), "Z: the model's text is valid", interval_text)]
    if (divergence := report["divergence_of_masking"]) is not None:
        nats = divergence.describe_interval("{:.3f}".format)
        cards += [(f"{divergence.value:.3f}", "nats: KL of masking against the target", nats)]
    rows = "no draw yet"
    if samples.texts:
        rows = f"{statistics.model_rows / len(samples.texts):,.1f} for each draw"
    return [*cards, (f"{statistics.model_rows:,}", "model rows", rows)]


def _growth_columns(samples: Samples[Any]) -> list[Column]:
    """Return a column of the plot for each part of a run: Z and its interval, from the attempts of that part.
    The list is empty if the run has no intervals. Cost: about 0.2 s of CPU for 300 draws."""
    attempts = samples.attempts
    if attempts is None or samples.lists_all or not samples.has_intervals:
        return []
    batches = np.unique(attempts.batches)
    columns = list[Column]()
    # `_PARTS` batches at equal distances, the last batch among them.
    positions = np.linspace(0, len(batches) - 1, _PARTS).round().astype(int)
    for last in np.unique(batches[positions]):
        part = attempts.first_batches(int(last) + 1)
        texts = np.append(part.texts, part.listed[part.since <= last])
        draws = np.arange(len(samples.texts))
        is_known = samples.is_first & np.isin(draws, texts)
        least_bound = float(part.bounds.min())
        proven = ProvenMass(0.0, least_bound, samples.known.probabilities, is_known)
        # The mean of the estimates of Z, weighted as `raj.masses_of` does.
        shares = 1 / np.maximum(part.bounds - part.known, 1e-300)
        mean = float((part.known + part.weights) @ shares / shares.sum())
        log_z = log_or_infinity(max(mean, proven.mass))
        interval = interval_of_mass(part, proven, log_z)
        if last == batches[-1]:
            log_z, interval = samples.log_z, samples.log_z_interval
        low, high = (0.0, proven.upper) if interval is None else map(math.exp, interval)
        z = math.exp(log_z)
        tick = f"{len(part):,}" if len(columns) % 3 == 0 else ""
        hint = f"{format_count(len(part), 'attempt')}: {format_number(z)} (95 %: {interval_words(format_number(low), format_number(high))})"
        columns.append(Column(z, len(columns) + 0.5, tick, hint, low, high))
    # The first intervals are very wide. The axis ends at the highest one after the first quarter of the
    # columns, so that the others do not look flat.
    top = max(column.high for column in columns[len(columns) // 4 :])
    cut_columns = []
    for column in columns:
        low = min(column.low, top)
        cut_columns.append(column._replace(low=low, high=min(column.high, top)))
    return cut_columns


def _removed_columns(report: Report) -> dict[str, Any]:
    """Return the values of the template about the mass that the grammar removes at each position of a
    token."""
    positions = [position for position in report["removed_by_position"] if position["reached"] >= NOTHING]
    highs = [position["removed"].high or position["removed"].value for position in positions]
    # A little room above the highest column; 1 where nothing is removed.
    top = min(1.0, 1.05 * max(highs, default=1.0)) or 1.0
    # About 15 numbers below the columns.
    step = max(1, round(len(positions) / 15))
    columns = []
    for at, position in enumerate(positions):
        high = highs[at]
        token = position["position"] + 1
        removed_share = position["removed"]
        reach_share = position["reached"]
        hint = f"token {token}: {format_percent(removed_share.value)} removed ({removed_share.describe_interval()}); "
        columns.append(
            Column(
                removed_share.value,
                at + 0.5,
                f"{token}" if at == 0 or token % step == 0 else "",
                f"{hint}{format_percent(reach_share)} of the texts come here",
                high if removed_share.low is None else removed_share.low,
                min(high, top),
                reach_share,
            )
        )
    return {
        "positions": positions,
        "worst": max(
            positions, key=lambda position: position["removed"].value * position["reached"], default=None
        ),
        "removed_most": top,
        "removed_columns": columns,
    }


def _text_pieces(samples: Samples[Any], report: Report, text: str) -> list[tuple[str, float]]:
    """Return pairs of a token of a text and the share of the model's mass that was forbidden at its place. If
    the shares are not known, return one pair of the whole text and 0."""
    at = samples.texts.index(text)
    masses = samples.masses[at] if report["removed_by_position"] else None
    if masses is None:
        return [(text, 0.0)]
    # A token that is not valid UTF-8 by itself is shown as the replacement character.
    tokens = [samples.pieces.get(token, "\ufffd") for token in samples.token_ids[at]]
    tokens.append("⟨end⟩")
    return [(token, 1 - min(mass, 1.0)) for token, mass in zip(tokens, masses, strict=True)]


def _bar_parts(value: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the parts of a value's bar, tuples of a begin, an end, a colour, and perhaps "line". They are
    the value's share, its interval, and its interval under masking."""
    share: Estimate = value["share"]
    masked: Estimate | None = value["masked"]
    parts: list[tuple[Any, ...]] = [(0.0, share.value, "blue")]
    for estimate, colour in ((share, "ink"), (masked, "amber")):
        # Without an interval there is nothing to draw.
        if estimate is not None and estimate.low is not None:
            parts.append((estimate.low, estimate.high, colour, "line"))
    return parts
