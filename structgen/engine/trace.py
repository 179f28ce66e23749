"""A page that shows how a text came to be: one file, nothing outside it."""

from __future__ import annotations

import html
import math
from pathlib import Path

from structgen.engine.requests import Result, Step
from structgen.tokenizer import Tokenizer

# ruff: noqa: E501 (markup)

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --faint: #777; --line: #ddd; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #181818; --faint: #999; --line: #444; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.2rem; } h2 { font-size: 1rem; margin-top: 2rem; }
.text { font: 15px/2 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  border: 1px solid var(--line); border-radius: 6px; padding: .8rem; }
.text span { border-bottom: 2px solid transparent; border-radius: 2px; }
.forced { border-bottom-color: #4c8bf5 !important; } .steered { outline: 1px solid #d33; }
.chart { display: flex; align-items: flex-end; height: 90px; gap: 1px; border-bottom: 1px solid var(--line); }
.chart i { flex: 1; min-width: 1px; background: #e8873a; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { text-align: right; padding: .1rem .5rem; border-bottom: 1px solid var(--line); }
td.token, th.token { text-align: left; font-family: ui-monospace, monospace; white-space: pre; }
small { color: var(--faint); } .key { color: var(--faint); } dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { color: var(--faint); } dd { margin: 0; }
"""


def write_trace(path: Path, result: Result, tokenizer: Tokenizer, title: str = "A generation") -> None:
    """Write the page: the text token by token, where the model wanted to go, what the mask removed, times."""
    path.write_text(trace_page(result, tokenizer, title), encoding="utf-8")


def trace_page(result: Result, tokenizer: Tokenizer, title: str = "A generation") -> str:
    """Return the page as HTML."""
    steps, usage = result.steps, result.usage
    facts = [
        ("finish reason", result.finish_reason.value),
        ("tokens", f"{usage.tokens} after a prompt of {usage.prompt_tokens}"),
        ("log-probability", f"{result.logprob:.3f}; given the masks {result.constrained_logprob:.3f}"),
        ("forced", f"{sum(step.allowed == 1 for step in steps)} tokens had no alternative"),
        (
            "went elsewhere",
            f"{sum(step.wanted != step.token for step in steps)} times another token was likeliest",
        ),
        ("steered", f"{sum(step.steered for step in steps)} tokens chosen again to fit max_tokens"),
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
        "<h2>Mass removed by the mask</h2><div class=chart>",
        *(
            f"<i style='height:{max(1, round(90 * step.removed))}px' title='{step.removed:.3f}'></i>"
            for step in steps
        ),
        "</div><h2>In all</h2><dl>",
        *(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in facts),
        "</dl><h2>Token by token</h2><table><tr><th>#</th><th class=token>token</th><th class=token>likeliest</th>"
        "<th>p</th><th>p given mask</th><th>allowed</th><th>removed</th><th>model ms</th><th>masks ms</th></tr>",
        *(_line(i, step, tokenizer) for i, step in enumerate(steps)),
        "</table></html>\n",
    ]
    return "".join(parts)


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
    text = html.escape(_shown(step.token, tokenizer))
    return (
        f"<span class='{classes}' style='background:rgba(232,90,58,{0.75 * step.removed:.2f})' "
        f'title="{html.escape(hint, quote=True)}">{text}</span>'
    )


def _pairs(found: tuple[tuple[int, float], ...], tokenizer: Tokenizer) -> str:
    return ", ".join(f"{_shown(token, tokenizer)!r} {math.exp(p):.3f}" for token, p in found)


def _line(number: int, step: Step, tokenizer: Tokenizer) -> str:
    if step.likeliest:
        wanted = " ".join(
            f"{_visible(token, tokenizer)}<small> {math.exp(p):.2f}</small>" for token, p in step.likeliest
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
        + "</tr>"
    )
