"""A page that shows how a text came to be: one file, nothing outside it."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from structgen.engine.requests import Result, Step, Usage
from structgen.system.cache import writing
from structgen.tokens.tokenizer import Tokenizer

# ruff: noqa: E501 (markup)

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --faint: #777; --line: #ddd; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #181818; --faint: #999; --line: #444; }
} body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.2rem; } h2 { font-size: 1rem; margin-top: 2rem; }
.text { font: 15px/2 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  border: 1px solid var(--line); border-radius: 6px; padding: .8rem; }
.text span { border-bottom: 2px solid transparent; border-radius: 2px; }
.forced { border-bottom-color: #4c8bf5 !important; } .steered { outline: 1px solid #d33; }
.plot { display: grid; grid-template-columns: max-content 1fr; gap: 0 .4rem; margin-bottom: 1rem; }
.plot small { line-height: 1; } .plot .scale { display: flex; flex-direction: column; height: 90px;
  justify-content: space-between; text-align: right; } .plot .tokens { display: flex;
  justify-content: space-between; grid-column: 2; }
.chart { display: flex; align-items: flex-end; height: 90px; gap: 1px; border-bottom: 1px solid var(--line);
  border-left: 1px solid var(--line); }
.chart i { flex: 1; min-width: 1px; background: #e8873a; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { text-align: right; padding: .1rem .5rem; border-bottom: 1px solid var(--line); }
td.token, th.token { text-align: left; } td.token { font-family: ui-monospace, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; min-width: 4rem; } .wide { overflow-x: auto; }
small { color: var(--faint); } .key { color: var(--faint); } dl { display: grid; grid-template-columns:
max-content 1fr; gap: .1rem 1rem; } dt { color: var(--faint); } dd { margin: 0; }
.guessed span, .legend span { text-decoration-line: underline; text-decoration-thickness: 3px;
text-underline-offset: 3px;
  text-decoration-skip-ink: none; border-radius: 2px; }
.legend { padding: 0; } .legend li { display: inline-block; margin-right: 1.5rem; } .legend span {
font-family: ui-monospace, monospace;
  padding: 0 .4rem; }
"""

_COLOURS: Final = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#F0E442")
"""Those that colour-blind readers distinguish (Okabe and Ito, Color universal design, 2008)."""
_LINES: Final = ("solid", "dashed", "dotted", "double", "wavy")
"""Underlines, so that drafters are distinguished without colours too."""
_KNOWN: Final = ("forced", "grammar", "suffix", "text", "earlier", "model")
"""Drafters that look the same on every page; others are numbered as they come."""


def write_trace(path: Path, result: Result, tokenizer: Tokenizer, title: str = "A generation") -> None:
    """Write the page: the text token by token, where the model wanted to go, what the mask removed, times."""
    with writing(path) as file:
        file.write(trace_page(result, tokenizer, title).encode())


def speculation_told(usage: Usage) -> str:
    """Return in words how many passes of the model a text took, and what became of the guesses."""
    told = f"{usage.calls:,} calls of the model behind the prompt"
    if usage.calls:
        told += f" ({usage.tokens_per_call:.2f} tokens a call)"
    if usage.drafted:
        taken = ", ".join(f"{name} {count:,}" for name, count in usage.accepted.items()) or "none"
        told += f"; {usage.drafted:,} guesses checked, taken: {taken}"
    if usage.strategy_calls:
        told += f"; {usage.strategy_calls:,} calls for further rows of a strategy"
    if usage.strategy:
        told += f"; {usage.strategy}"
    for one in usage.monitors:
        told += f"; {one}"
    if usage.speculation:
        told += f"; {usage.speculation}"
    return told


def trace_page(result: Result, tokenizer: Tokenizer, title: str = "A generation") -> str:
    """Return the page as HTML."""
    steps, usage = result.steps, result.usage
    guessed = any(map(_names, steps))
    facts = [
        ("finish reason", result.finish_reason.value),
        ("tokens", f"{usage.tokens} after a prompt of {usage.prompt_tokens}"),
        ("log-probability", f"{result.logprob:.3f}; given the masks {result.constrained_logprob:.3f}"),
        ("forced", f"tokens without an alternative: {sum(step.allowed == 1 for step in steps)}"),
        (
            "went elsewhere",
            f"{sum(step.wanted != step.token for step in steps)} times another token was likeliest",
        ),
        ("steered", f"{sum(step.steered for step in steps)} tokens chosen again to fit max_tokens"),
        ("calls", speculation_told(usage)),
        ("model", f"{usage.model_seconds:.3f} s"),
        ("masks", f"{usage.mask_seconds:.3f} s beside the model, {usage.waited_seconds:.3f} s waited for"),
        ("cache", f"{usage.cache_bytes:,} bytes"),
    ]
    if result.error is not None:
        facts.insert(1, ("error", str(result.error)))
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>",
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>",
        f"<h1>{html.escape(title)}</h1><div class=text>",
        *(_piece(step, tokenizer) for step in steps),
        "</div><p class=key>The redder a token, the more the mask took from the model there; blue below: no other "
        "token could come; red frame: chosen again to fit the budget. Hover for figures.</p>",
        *_guesses(steps, tokenizer),
        "<h2>Probability mass removed by the mask</h2>",
        *_removed_plot(steps),
        "<h2>In all</h2><dl>",
        *(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in facts),
        "</dl><h2>Token by token</h2><div class=wide><table><tr><th>#</th><th class=token>token</th><th class=token>likeliest</th>"
        "<th>p</th><th>p given mask</th><th>allowed</th><th>removed</th><th>model ms</th><th>masks ms</th>",
        "<th class=token>guessed by</th></tr>" if guessed else "</tr>",
        *(_line(i, step, tokenizer, guessed) for i, step in enumerate(steps)),
        "</table></div></html>\n",
    ]
    return "".join(parts)


def _removed_plot(steps: Sequence[Step]) -> list[str]:
    """Return the plot of the removed mass by token, with its axes; a sentence where nothing was removed."""
    most = max((step.removed for step in steps), default=0.0)
    if most < 0.0005:
        return ["<p>The mask removed nothing: the model wanted only tokens that the grammar allows.</p>"]
    return [
        "<div class=plot><div class=scale><small class=axis>100 %</small><small class=axis>50 %</small><small class=axis>0 %</small></div>",
        "<div class=chart>",
        *(
            f"<i style='height:{round(90 * step.removed)}px' title='token {at}: {step.removed:.1%}'></i>"
            for at, step in enumerate(steps)
        ),
        f"</div><div class=tokens><small class=axis>token 0</small><small class=axis>token {len(steps) - 1:,}</small></div></div>",
    ]


def _shown(token: int, tokenizer: Tokenizer) -> str:
    if token in tokenizer.eos_token_ids:
        return "⟨end⟩"
    return tokenizer.decode([token]).decode("utf-8", "replace")


def _visible(token: int, tokenizer: Tokenizer) -> str:
    return html.escape(_shown(token, tokenizer).replace("\n", "⏎").replace(" ", "·"))


def _piece(step: Step, tokenizer: Tokenizer) -> str:
    classes = " ".join(
        name for name, is_so in (("forced", step.allowed == 1), ("steered", step.steered)) if is_so
    )
    hint = (
        f"p {math.exp(step.logprob):.3f}, given the mask {math.exp(step.constrained):.3f}; {step.allowed:,} allowed; "
        f"removed {step.removed:.3f}"
    )
    if step.likeliest:
        hint += f"; likeliest {_pairs(step.likeliest, tokenizer)}; of those allowed {_pairs(step.likeliest_allowed, tokenizer)}"
    elif step.wanted != step.token:
        hint += f"; likeliest {_shown(step.wanted, tokenizer)!r}"
    if step.state:
        hint += f"; the strategy noted {', '.join(f'{figure:.3f}' for figure in step.state)}"
    text = html.escape(_shown(step.token, tokenizer))
    return (
        f"<span class='{classes}' style='background:rgba(232,90,58,{0.75 * step.removed:.2f})' "
        f'title="{html.escape(hint, quote=True)}">{text}</span>'
    )


def _guesses(steps: Sequence[Step], tokenizer: Tokenizer) -> list[str]:
    """Return the part of the page that shows which drafters had guessed each token; nothing without them."""
    found = {name for step in steps for name in _names(step)}
    if not found:
        return []
    others = dict.fromkeys(name for step in steps for name in _names(step) if name not in _KNOWN)
    looks = {name: place for place, name in enumerate((*_KNOWN, *others))}
    shown = [name for name in looks if name in found]
    parts = ["<h2>Who guessed each token</h2><div class='text guessed'>"]
    for step in steps:
        names = sorted(_names(step), key=looks.__getitem__)
        hint = f"guessed by {' and '.join(names)}" if names else "guessed by nobody: the model's choice alone"
        parts.append(
            f"<span style='{_look(names, looks)}' title=\"{html.escape(hint, quote=True)}\">"
            f"{html.escape(_shown(step.token, tokenizer))}</span>"
        )
    parts.append("</div><ul class=legend>")
    for name in shown:
        with_others = sum(name in _names(step) for step in steps)
        alone = sum(_names(step) == [name] for step in steps)
        parts.append(
            f"<li><span style='{_look([name], looks)}'>{html.escape(name)}</span> "
            f"tokens: {with_others:,}; guessed by no other: {alone:,}</li>"
        )
    nobody = sum(not step.drafter for step in steps)
    parts.append(
        f"<li><span style='{_look([], looks)}'>no line</span> tokens that nobody had guessed: {nobody:,}</li></ul>"
    )
    parts.append(
        "<p class=key>A guess is taken only where the model chooses the same token. Each stretch of guessed tokens, and "
        "the token behind it, came from one pass of the model.</p>"
    )
    return parts


def _names(step: Step) -> list[str]:
    return [name for name in map(str.strip, step.drafter.split(",")) if name]


def _look(names: Sequence[str], looks: Mapping[str, int]) -> str:
    """Return the style of a token: a band of colour for each drafter, and the underline of the first."""
    if not names:
        return "text-decoration-line:none"
    places = [looks[name] for name in names]
    tints = [f"color-mix(in srgb, {_COLOURS[place % len(_COLOURS)]} 40%, transparent)" for place in places]
    edges = [round(100 * at / len(tints)) for at in range(len(tints) + 1)]
    bands = ", ".join(f"{tint} {edges[at]}% {edges[at + 1]}%" for at, tint in enumerate(tints))
    first = places[0]
    where = "underline" if first % (2 * len(_LINES)) < len(_LINES) else "underline overline"
    line = f"{_LINES[first % len(_LINES)]} {_COLOURS[first % len(_COLOURS)]}"
    return f"background:linear-gradient({bands});text-decoration:{where} 3px {line}"


def _pairs(found: tuple[tuple[int, float], ...], tokenizer: Tokenizer) -> str:
    return ", ".join(f"{_shown(token, tokenizer)!r} {math.exp(p):.3f}" for token, p in found)


def _line(number: int, step: Step, tokenizer: Tokenizer, guessed: bool) -> str:
    if step.likeliest:
        wanted = " ".join(
            f"{_visible(token, tokenizer)}<small>&nbsp;{math.exp(p):.2f}</small>"
            for token, p in step.likeliest
        )
    else:
        wanted = "" if step.wanted == step.token else _visible(step.wanted, tokenizer)
    cells = (
        f"{math.exp(step.logprob):.3f}",
        f"{math.exp(step.constrained):.3f}",
        f"{step.allowed:,}",
        f"{step.removed:.3f}",
        f"{1e3 * step.model_seconds:.2f}",
        f"{1e3 * step.mask_seconds:.3f}",
    )
    return (
        f"<tr><td>{number}</td><td class=token>{_visible(step.token, tokenizer)}</td><td class=token>{wanted}</td>"
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + (f"<td class=token>{html.escape(', '.join(_names(step)))}</td></tr>" if guessed else "</tr>")
    )
