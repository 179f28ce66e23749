"""The page of `structgen sample-report`: one self-contained HTML file."""

from __future__ import annotations

import html
import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from structgen.printable import printable
from structgen.sampling.marginals import Marginal
from structgen.sampling.report import (
    NOTHING,
    Ceiling,
    DrawsReport,
    Estimate,
    FieldShares,
    TokenPosition,
    ceiling_of,
)
from structgen.sampling.samples import between
from structgen.system.cache import writing

# ruff: noqa: E501 (markup)

_WIDE: Final = 900
_TEXTS: Final = 10
_PAINTED: Final = 3
_RARE: Final = 0.001
"""Token positions that a smaller share of the texts reaches are not drawn."""
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2330; --paper: #fff; --soft: #f4f6fa; --faint: #667085; --line:
#d9dee8;
  --blue: #3566d6; --pale: #b9ccf5; --red: #d6493c; --palered: #f3beb9; --amber: #b86b00; --grey: #b4bccb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaf0; --paper: #14171d; --soft: #1d222b; --faint:
#97a1b3;
  --line: #333b49; --blue: #7ba4ff; --pale: #33508f; --red: #ff7b6e; --palered: #7a3731; --amber: #f0a640;
  --grey: #515b6c; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; margin: 0 auto; max-width: 60rem;
padding: 2rem 1.2rem 4rem;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.55rem; line-height: 1.25; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2.6rem 0
.3rem; } p { margin: .3rem 0 .8rem; max-width: 46rem; } .faint, small { color: var(--faint); }
.warning { border-left: 4px solid var(--red); background: var(--soft); padding: .6rem .9rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.6rem, 1fr)); gap: .7rem; margin:
1.3rem 0; } .card { background: var(--soft); border-radius: 10px; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.5rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.card span { display: block; font-size: .85rem; } .card i { display: block; font-style: normal; font-size:
.8rem; color: var(--faint); } svg { display: block; width: 100%; height: auto; } svg text { fill:
var(--faint); font-size: 13px; } svg .axis { stroke: var(--line); } svg .strong { fill: var(--ink); }
.fields { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem; }
.field { border: 1px solid var(--line); border-radius: 10px; padding: .7rem .9rem; min-width: 0; }
.field h3 { font: 600 .95rem ui-monospace, monospace; margin: 0 0 .3rem; overflow-wrap: anywhere; }
.field table { width: 100%; table-layout: fixed; } .field td { border: 0; padding: .05rem .3rem;
vertical-align: middle; } .field td:first-child { width: 30%; } .field td.number { width: 11rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: .2rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
.painted span { border-right: 1px solid var(--line); border-radius: 2px; padding: .1rem 0; }
code { font: .85rem ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
.cut { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.key i { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin: 0 .3rem 0 .9rem;
vertical-align: -1px; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.2rem;
font-size: .88rem; } dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; } @media (max-width:
34rem) { .fields { grid-template-columns: 1fr; } }
"""


def write_page(found: DrawsReport, path: Path) -> None:
    """Write the page of a report atomically. Raises OSError."""
    with writing(path) as file:
        file.write(page_of(found).encode())


def page_of(found: DrawsReport) -> str:
    """Return the page as HTML."""
    samples = found.samples
    model = str(samples.about.get("model") or "a model")
    title = f"{len(samples.texts):,} draws from {model}"
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{_text(title)}</title>",
        f"<meta name=viewport content='width=device-width, initial-scale=1'><style>{_STYLE}</style>",
        f"<h1>{_text(title)}</h1><p class=faint>{_text(_kind(found))}</p>",
        _cards(found),
    ]
    if not samples.texts:
        parts.append(
            "<p class=warning>There is no draw. What is known of the valid texts is the bracket around Z; a larger "
            "budget may find some.</p>"
        )
    parts += [_z(found), _weights(found), _removed(found), _fields(found), _ceiling(found.ceiling)]
    parts += [_texts(found), _facts(found), "</html>\n"]
    return "".join(parts)


def _kind(found: DrawsReport) -> str:
    method = found.samples.method
    return {
        "exact": f"Made by {method}. Each draw is an independent one from the model's own distribution, given that "
        "the text is valid.",
        "weighted": f"Made by {method}. With their weights the draws stand for the model's own distribution, given "
        "that the text is valid: a share below is a sum of weights, not a count of draws.",
        "biased": f"Made by {method}. These draws are from another law than the model's own, and their weights do "
        "not mend it: read the shares below as that law's.",
    }[found.samples.kind]


def _cards(found: DrawsReport) -> str:
    samples = found.samples
    worth = samples.worth
    done = samples.statistics
    cards = [
        (
            f"{samples.effective_draws:,.0f}",
            "effective sample size",
            "independent draws that would say as much, at most those that were made"
            if math.isfinite(worth)
            else "every valid text is known: no sampling error",
        ),
        (
            f"{done.accepted:,}" if math.isnan(samples.accept_rate) else _percent(samples.accept_rate),
            "valid texts found" if math.isnan(samples.accept_rate) else "accept rate",
            f"in {_count(done.attempts, 'attempt')}, each of several texts"
            if math.isnan(samples.accept_rate)
            else f"{done.accepted:,} valid texts in {_count(done.attempts, 'attempt')}",
        ),
    ]
    if not math.isnan(samples.log_z):
        low, high = (math.exp(one) for one in samples.log_z_bounds)
        cards.append(
            (
                _number(math.exp(samples.log_z)),
                "Z: the model's text is valid",
                f"95 %: {between(_number(low), _number(high))}",
            )
        )
    if found.divergence is not None:
        cards.append(
            (
                f"{found.divergence.value:.3f}",
                "nats: KL of masking against the target",
                f"95 %: {found.divergence.low:.3f} to {found.divergence.high:.3f}",
            )
        )
    reached = found.ceiling.reached if found.ceiling is not None else None
    if reached is not None:
        cards.append((_percent(reached.value), "ceiling: right, given accepted", _range(reached)))
    rows = f"{done.model_rows / len(samples.texts):,.1f} for each draw" if samples.texts else "no draw yet"
    cards.append((f"{done.model_rows:,}", "model rows", rows))
    shown = "".join(
        f"<div class=card><b>{_text(value)}</b><span>{_text(name)}</span><i>{_text(more)}</i></div>"
        for value, name, more in cards
    )
    return f"<div class=cards>{shown}</div>"


def _z(found: DrawsReport) -> str:
    """Return the picture of what is known of Z, on a logarithmic axis."""
    samples = found.samples
    lower, upper = samples.bracket
    points = [lower, upper]
    if not math.isnan(samples.log_z):
        points += [math.exp(one) for one in (samples.log_z, *samples.log_z_bounds)]
    least = min((one for one in points if one > 0), default=1e-3)
    floor = min(math.floor(math.log10(least) - 1e-9), -1)
    if lower == 0:
        floor -= 1
    left, right = 40, _WIDE - 40

    def x(value: float) -> float:
        share = 1 - math.log10(value) / floor if value > 0 else 0.0
        return left + (right - left) * min(max(share, 0.0), 1.0)

    marks = [
        f"<rect x={x(lower):.1f} y=22 width={max(x(upper) - x(lower), 1.5):.1f} height=24 rx=3 fill='var(--pale)'/>"
    ]
    if not math.isnan(samples.log_z):
        low, high = (math.exp(one) for one in samples.log_z_bounds)
        marks.append(
            f"<rect x={x(low):.1f} y=29 width={max(x(high) - x(low), 1.5):.1f} height=10 fill='var(--blue)'/>"
        )
        at = x(math.exp(samples.log_z))
        anchor = "end" if at > _WIDE - 120 else "start" if at < 120 else "middle"
        marks.append(
            f"<circle cx={at:.1f} cy=34 r=6 fill='var(--blue)' stroke='var(--paper)' stroke-width=2 />"
            f"<text class=strong x={at:.1f} y=14 text-anchor={anchor}>{_number(math.exp(samples.log_z))}</text>"
        )
    step = max(1, -floor // 8)
    named = [10.0**power for power in range(floor, 1, step)]
    if floor >= -2:
        named += [
            factor * one for one in named[:-1] for factor in (2, 5) if not (lower == 0 and one == named[0])
        ]
    for share in named:
        at = x(share)
        name = "0" if share == named[0] and lower == 0 else _number(share)
        marks.append(
            f"<line class=axis x1={at:.1f} x2={at:.1f} y1=20 y2=54 /><text x={at:.1f} y=70 text-anchor=middle>{name}</text>"
        )
    least_told, most_told = _number(lower), _number(upper)
    known = f"It lies between {least_told} and {most_told}"
    if least_told == most_told:
        known = f"It is {most_told}, to the digits shown"
    certain = f"{known}: that is proven, not estimated."
    if (lower, upper) == (0.0, 1.0):
        certain = "This method proves nothing of it."
    if lower == upper:
        certain = "Every valid text is known, so it is known exactly."
    return (
        "<h2>How often the model is valid by itself</h2><p>Z is the probability that the model, left alone, writes a "
        f"valid text that ends in time. {certain}</p>"
        + _svg(76, "What is known of Z", "".join(marks))
        + "<p class='key faint'><i style='background:var(--pale)'></i>proven<i style='background:var(--blue)'></i>"
        "95 % of the estimate</p>"
    )


def _weights(found: DrawsReport) -> str:
    samples = found.samples
    if not samples.texts:
        return ""
    head = "<h2>Weights</h2>"
    weights = samples.weights
    if float(weights.max() - weights.min()) < 1e-12:
        return head + f"<p>All {len(weights):,} draws have the same weight.</p>"
    ordered = np.sort(weights)[::-1]
    half = int(np.searchsorted(np.cumsum(ordered), 0.5)) + 1
    said = (
        f"The heaviest draw has {_percent(float(ordered[0]))} of the weight; half of it is in {_count(half, 'draw')}, "
        f"of {len(weights):,}. By weights alone they are worth {samples.effective_size:,.1f} draws (Kish)."
    )
    if samples.method == "auto":
        said += (
            " Each valid text is there once, with its probability as its weight, so a large weight is no fault: the "
            "effective sample size above counts how well shares are known."
        )
    relative = np.log10(np.maximum(weights * len(weights), 1e-6))
    low, high = math.floor(float(relative.min())), math.ceil(float(relative.max()) + 1e-9)
    edges = np.linspace(low, max(high, low + 1), 2 * (max(high, low + 1) - low) + 1)
    counts = np.histogram(relative, edges)[0] / len(weights)
    masses = np.histogram(relative, edges, weights=weights)[0]
    most = float(max(counts.max(), masses.max()))
    base, tall, left = 190, 160, 62
    each = (_WIDE - left - 20) / len(counts)
    bars = [_axis(base, tall, left, most), f"<text x=0 y={base - tall - 14}>share</text>"]
    for at, (count, mass) in enumerate(zip(counts.tolist(), masses.tolist(), strict=True)):
        place = left + at * each
        for offset, share, colour, what in (
            (0.1, count, "var(--grey)", "of the draws"),
            (0.5, mass, "var(--blue)", "of the weight"),
        ):
            height = tall * share / most
            bars.append(
                f"<rect x={place + offset * each:.1f} y={base - height:.1f} width={0.38 * each:.1f} height={height:.1f} "
                f"fill='{colour}'><title>{_percent(share)} {what}</title></rect>"
            )
    for power in range(low, max(high, low + 1) + 1):
        place = left + (power - low) * 2 * each
        name = "≤ 1e-06" if power == -6 else f"{10.0**power:g}"
        bars.append(f"<text x={place:.1f} y={base + 18} text-anchor=middle>{name}</text>")
    bars.append(f"<text x={_WIDE - 20} y={base + 36} text-anchor=end>weight, in times the mean weight</text>")
    return (
        f"{head}<p>{said}</p>"
        + _svg(base + 44, "Distribution of the weights", "".join(bars))
        + "<p class='key faint'><i style='background:var(--grey)'></i>share of the draws"
        "<i style='background:var(--blue)'></i>share of the weight</p>"
    )


def _removed(found: DrawsReport) -> str:
    positions = [one for one in found.positions if one.reached >= _RARE]
    head = "<h2>Where the grammar takes mass from the model</h2>"
    if not positions:
        why = "of draws of another law" if found.samples.is_biased else "of this method"
        return f"{head}<p class=faint>The allowed mass at each token is not known {why}.</p>"
    worst = max(positions, key=lambda one: one.removed.value * one.reached)
    if worst.removed.value < NOTHING:
        return (
            f"{head}<p>Nowhere: the grammar removes less than {NOTHING:.2%} of the model's mass at each token, so "
            "masking alone is close to the model's own distribution.</p>"
        )
    said = (
        "At each token, the share of the model's mass that may not follow, on average over the valid texts that come "
        f"so far (grey: how many do). The most is lost at token {worst.index + 1}: {_percent(worst.removed.value)}."
    )
    if found.divergence is not None:
        divergence = found.divergence
        said += (
            " Masking divides the rest back to 1 at every token and so distorts the distribution: its "
            f"Kullback-Leibler divergence from the target is {divergence.value:.3f} nats (95 %: {divergence.low:.3f} to "
            f"{divergence.high:.3f}). "
            + (
                "That is little: masking alone is close to the model's own distribution here."
                if divergence.high < 0.05
                else "A typical valid text is "
                f"{math.exp(min(divergence.value, 50)):,.2g} times likelier under the model's own distribution than "
                "under masking."
            )
        )
    return f"{head}<p>{said}</p>{_removed_picture(positions)}{_painted(found)}"


def _painted(found: DrawsReport) -> str:
    """Return the heaviest texts, token by token: the redder, the more was forbidden where the token
    stands."""
    samples = found.samples
    weights: dict[tuple[int, ...], float] = {}
    for tokens, weight in zip(samples.token_ids, samples.weights.tolist(), strict=True):
        weights[tokens] = weights.get(tokens, 0.0) + weight
    masses = dict(zip(samples.token_ids, samples.masses, strict=True))
    rows = []
    for tokens in sorted(weights, key=lambda one: -weights[one])[:_PAINTED]:
        pieces = []
        for token, mass in zip((*tokens, None), masses[tokens] or (), strict=True):
            text = "⟨end⟩" if token is None else samples.pieces.get(token, "�")
            pieces.append(
                f"<span style='background:color-mix(in srgb,var(--red) {100 * (1 - min(mass, 1)):.0f}%,transparent)' "
                f'title="{_percent(max(1 - mass, 0.0))} forbidden here">{_text(text)}</span>'
            )
        rows.append(
            f"<tr><td class=number>{_percent(weights[tokens])}</td><td><code class=painted>{''.join(pieces)}</code></td></tr>"
        )
    return (
        "<p>The likeliest texts, token by token: the redder a token, the more of the model's mass was forbidden where it "
        f"stands.</p><table><tr><th class=number>share</th><th>tokens</th></tr>{''.join(rows)}</table>"
    )


def _removed_picture(positions: list[TokenPosition]) -> str:
    base, tall, left = 200, 170, 62
    each = (_WIDE - left - 10) / max(len(positions), 8)
    most = max(max(one.removed.high for one in positions), 1e-6)
    most = min(1.0, most * 1.05)
    bars = [_axis(base, tall, left, most), f"<text x=0 y={base - tall - 14}>mass removed</text>"]
    reach = []
    for at, one in enumerate(positions):
        place = left + at * each
        height = tall * one.removed.value / most
        low, high = (base - tall * end / most for end in (one.removed.low, min(one.removed.high, most)))
        middle = place + 0.46 * each
        hint = f"token {one.index + 1}: {_percent(one.removed.value)} removed ({_range(one.removed)}); {_percent(one.reached)} of the texts come here"
        bars.append(
            f"<g><title>{_text(hint)}</title><rect x={place:.1f} y={base - tall} width={each:.1f} height={tall} fill='transparent'/>"
            f"<rect x={place + 0.08 * each:.1f} y={base - height:.1f} width={0.76 * each:.1f} height={height:.1f} fill='var(--red)'/>"
            f"<line x1={middle:.1f} x2={middle:.1f} y1={low:.1f} y2={high:.1f} stroke='var(--ink)' stroke-width=1.2 opacity=.55 /></g>"
        )
        reach += [
            f"{place:.1f},{base - tall * one.reached:.1f}",
            f"{place + each:.1f},{base - tall * one.reached:.1f}",
        ]
    bars.insert(
        1,
        f"<polyline points='{' '.join(reach)}' fill=none stroke='var(--grey)' stroke-width=1.5 stroke-dasharray='4 3'/>",
    )
    step = max(1, round(len(positions) / 15))
    step = next(one for one in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if one >= step)
    for at, one in enumerate(positions):
        if (one.index + 1) % step == 0 or at == 0:
            bars.append(
                f"<text x={left + (at + 0.46) * each:.1f} y={base + 18} text-anchor=middle>{one.index + 1}</text>"
            )
    bars.append(f"<text x={_WIDE - 10} y={base + 36} text-anchor=end>token of the text</text>")
    return (
        _svg(base + 44, "Mass removed by position", "".join(bars))
        + "<p class='key faint'><i style='background:var(--red)'></i>mass removed, with 95 %"
        "<i style='background:var(--grey)'></i>texts that come so far (of 100 %)</p>"
    )


def _fields(found: DrawsReport) -> str:
    if not found.fields:
        return ""
    has_masked = any(other is not None for field in found.fields for other in field.masked)
    law = "these draws' law" if found.samples.is_biased else "the model's own distribution of valid texts"
    said = f"The share of each value under {law}, with intervals of 95 %."
    key = "<p class='key faint'><i style='background:var(--blue)'></i>share, with its interval"
    if has_masked:
        source = (
            f"from {_count(found.masked_draws, 'draw')} by it, with intervals of 95 %"
            if found.masked_draws
            else "by the probability that it gives to the same texts, which are "
            f"{_percent(found.masked_covered)} of its law"
        )
        said += f" The diamond is what masking would say, {source}. Where the two differ, masking changes the answer."
        key += "<i style='background:var(--amber);transform:rotate(45deg) scale(.8)'></i>under masking"
    elif not found.samples.is_biased:
        said += " To see what masking would say, draw the same with --method masked, and give that file with --masked."
    more = (
        f"<p class=faint>{found.fields_left_out:,} more fields are not shown.</p>"
        if found.fields_left_out
        else ""
    )
    return (
        f"<h2>Fields</h2><p>{said}</p>{key}</p><div class=fields>"
        + "".join(map(_field, found.fields))
        + f"</div>{more}"
    )


def _field(field: FieldShares) -> str:
    rows = "".join(_value(one, other) for one, other in zip(field.top, field.masked, strict=True))
    notes = []
    if field.distinct > len(field.top):
        notes.append(f"and {field.distinct - len(field.top):,} other values")
    if field.mean is not None and field.distinct > 1:
        mean = field.mean
        notes.append(f"mean {mean.value:,.4g} ({mean.low:,.4g} to {mean.high:,.4g})")
    note = f"<small>{_text('; '.join(notes))}</small>" if notes else ""
    return f"<div class=field><h3>{_text(field.name)}</h3><table>{rows}</table>{note}</div>"


def _value(one: Marginal, masked: Estimate | None) -> str:
    said = _said(one.value)
    hint = (
        f"{_percent(one.share)} ({_percent(one.low)} to {_percent(one.high)}), in {_count(one.draws, 'draw')}"
    )
    marks = [
        f"<rect x=0 y=5 width=200 height=10 rx=2 fill='var(--soft)'/><rect x=0 y=5 width={200 * one.share:.1f} height=10 rx=2 fill='var(--blue)'/>",
        f"<path d='M{200 * one.low:.1f} 10H{200 * one.high:.1f}M{200 * one.low:.1f} 6v8M{200 * one.high:.1f} 6v8' stroke='var(--ink)' stroke-width=1.2 opacity=.6 fill=none />",
    ]
    if masked is not None:
        at = 200 * masked.value
        hint += (
            f"; under masking {_percent(masked.value)} ({_percent(masked.low)} to {_percent(masked.high)})"
        )
        marks.append(
            f"<path d='M{200 * masked.low:.1f} 10H{200 * masked.high:.1f}' stroke='var(--amber)' stroke-width=1.6 fill=none />"
            f"<path d='M{at:.1f} 3.5l6 6.5l-6 6.5l-6-6.5z' fill='var(--amber)' stroke='var(--paper)' stroke-width=1.2 />"
        )
    number = f"{_percent(one.share)}"
    if masked is not None:
        number += f" <small>mask {_percent(masked.value)}</small>"
    return (
        f'<tr title="{_text(hint)}"><td class=cut><code>{_text(said)}</code></td>'
        f"<td><svg viewBox='-7 0 214 20' role=img aria-label=\"{_text(hint)}\">{''.join(marks)}</svg></td>"
        f"<td class=number>{number}</td></tr>"
    )


def _ceiling(found: Ceiling | None) -> str:
    if found is None:
        return ""
    false_accepts = found.false_accepts
    head = "<h2>The ceiling of a checker that errs</h2>"
    said = (
        f"The checker passes {_percent(false_accepts)} of the wrong texts. Drawing until it says yes then has a ceiling that no "
        "number of draws lifts: <b>P(right | accepted) = a / (a + (1 &minus; a) f)</b>, a being the share of right texts among "
        "the model's own."
    )
    base, tall, left = 220, 190, 50

    def x(share: float) -> float:
        return left + (_WIDE - left - 20) * share

    curve = " ".join(
        f"{x(one):.1f},{base - tall * ceiling_of(float(one), false_accepts):.1f}"
        for one in np.linspace(0, 1, 181)
    )
    marks = [
        _axis(base, tall, left, 1.0),
        f"<polyline points='{x(0):.1f},{base} {x(1):.1f},{base - tall}' fill=none stroke='var(--grey)' stroke-dasharray='4 4'/>",
        f"<polyline points='{curve}' fill=none stroke='var(--blue)' stroke-width=2.5 />",
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        marks.append(f"<text x={x(share):.1f} y={base + 18} text-anchor=middle>{share:.0%}</text>")
    marks.append(
        f"<text x={_WIDE - 20} y={base + 36} text-anchor=end>a: right texts among the model's own</text>"
    )
    if found.right is not None and found.reached is not None:
        right, reached = found.right, found.reached
        at, height = x(right.value), base - tall * reached.value
        marks.insert(
            1,
            f"<rect x={x(right.low):.1f} y={base - tall} width={max(x(right.high) - x(right.low), 1):.1f} height={tall} fill='var(--pale)' opacity=.6 />",
        )
        anchor, place = ("end", at - 10) if right.value > 0.7 else ("start", at + 12)
        marks.append(
            f"<circle cx={at:.1f} cy={height:.1f} r=6 fill='var(--blue)' stroke='var(--paper)' stroke-width=2 />"
            f"<text class=strong x={place:.1f} y={min(height + 22, base - 6):.1f} text-anchor={anchor}>{_percent(reached.value)} right</text>"
        )
        said += (
            f" Of the model's texts a share Z is accepted, so if every right text is, a = (Z &minus; f) / (1 &minus; f) = "
            f"{_percent(right.value)} ({_range(right)}), and of the accepted texts at most {_percent(reached.value)} "
            f"({_range(reached)}) are right."
        )
    else:
        said += (
            " Less than that share of the model's texts is accepted at all (Z), which cannot be where the texts are "
            "checked by it alone: f is lower than was said, or the grammar refuses most of what the checker would pass."
        )
    return (
        f"{head}<p>{said}</p>"
        + _svg(base + 44, "Ceiling of accuracy", "".join(marks))
        + "<p class='key faint'><i style='background:var(--blue)'></i>right, given accepted"
        "<i style='background:var(--grey)'></i>right, without a checker</p>"
    )


def _texts(found: DrawsReport) -> str:
    samples = found.samples
    if not samples.texts:
        return ""
    weights: dict[str, float] = {}
    for text, weight in zip(samples.texts, samples.weights.tolist(), strict=True):
        weights[text] = weights.get(text, 0.0) + weight
    ordered = sorted(weights.items(), key=lambda one: -one[1])[:_TEXTS]
    rows = "".join(
        f"<tr><td class=number>{_percent(weight)}</td><td><code>{_text(text[:400])}{'…' if len(text) > 400 else ''}</code></td></tr>"
        for text, weight in ordered
    )
    return (
        f"<h2>{'The likeliest texts' if len(weights) > _TEXTS else 'All texts'}</h2><table><tr><th class=number>share</th>"
        f"<th>text</th></tr>{rows}</table>"
    )


def _facts(found: DrawsReport) -> str:
    said = [*found.samples.facts()]
    said += [
        (name.replace("_", " "), str(value)) for name, value in found.samples.about.items() if name != "n"
    ]
    rows = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in said)
    return f"<h2>The run</h2><dl>{rows}</dl>"


def _axis(base: float, tall: float, left: float, most: float) -> str:
    """Return lines at some shares of the vertical axis, with their names."""
    step = next(
        one * 10.0**power
        for power in range(-9, 1)
        for one in (1, 2, 2.5, 5)
        if most / (one * 10.0**power) <= 5.001
    )
    lines = []
    for number in range(int(most / step + 1e-9) + 1):
        y = base - tall * number * step / most
        lines.append(
            f"<line class=axis x1={left} x2={_WIDE} y1={y:.1f} y2={y:.1f} />"
            f"<text x={left - 8} y={y + 4:.1f} text-anchor=end>{100 * number * step:.4g}&#8239;%</text>"
        )
    return "".join(lines)


def _svg(height: float, name: str, inside: str) -> str:
    return f"<svg viewBox='0 0 {_WIDE} {height}' role=img aria-label='{name}'>{inside}</svg>"


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _text(text: str) -> str:
    """Return text escaped for HTML and its attributes; control characters as visible escapes."""
    return html.escape(printable(text), quote=True)


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _range(one: Estimate) -> str:
    return f"95 %: {between(_percent(one.low), _percent(one.high))}"


def _percent(share: float) -> str:
    """Return a share as a percentage."""
    if share <= 0 or share > 1 - 1e-12:
        return f"{share:.0%}"
    if share < 0.0005:
        return "< 0.1%"
    return f"{share:.1%}" if share < 0.9995 else "> 99.9%"


def _number(value: float) -> str:
    return f"{value:.3g}" if value == 0 or value >= 1e-3 else f"{value:.1e}"
