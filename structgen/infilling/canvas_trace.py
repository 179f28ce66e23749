"""A page that shows a canvas being filled, step by step: one self-contained HTML file."""

from __future__ import annotations

import html
import math

from structgen.infilling.denoising import CanvasUsage, DenoisingStep
from structgen.infilling.lattice import NULL, OPEN
from structgen.printable import printable
from structgen.tokens.tokenizer import Tokenizer

# ruff: noqa: E501 (markup)

_ROWS = 200
"""The most steps that are drawn; if there are more, some in between are left out."""
_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --faint: #777; --line: #ddd; --open: #e4e4e4;
--fixed: #777; } @media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #181818; --faint:
#999; --line: #444; --open: #333; } } body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
max-width: 72rem; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.2rem; } h2 { font-size: 1rem; margin-top: 2rem; }
.text, .row { font: 14px/1.9 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.text { border: 1px solid var(--line); border-radius: 6px; padding: .8rem; }
.row { display: grid; grid-template-columns: 7rem 1fr; border-bottom: 1px solid var(--line); padding: .15rem
0; } .row > small { color: var(--faint); font: 12px/2 system-ui, sans-serif; }
.row i { display: inline-block; background: var(--open); border-radius: 2px; margin: 0 1px; width: .9em;
height: .9em; vertical-align: -.1em; } .row b { font-weight: 600; border-radius: 2px; outline: 1px solid
#4c8bf5; } .text span, .row span, .row b { border-radius: 2px; }
.row u { text-decoration: none; color: var(--faint); }
.fixed { color: var(--fixed); }
.key, small { color: var(--faint); } dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem
1rem; } dt { color: var(--faint); } dd { margin: 0; }
"""


def canvas_page(
    steps: tuple[DenoisingStep, ...],
    usage: CanvasUsage,
    tokenizer: Tokenizer,
    *,
    title: str,
    finish_reason: str,
    exactness: str,
) -> str:
    """Return the page as HTML: the text, with the step that wrote each token; the canvas after each step;
    figures."""
    written = {one.position: (step.number, one.probability) for step in steps for one in step.committed}
    last = max(steps[-1].number, 1)
    facts = [
        ("finish reason", finish_reason),
        ("exactness", exactness),
        ("steps", f"{usage.steps:,} for {len(written):,} slots; {usage.passes:,} passes of the model"),
        ("model", f"{usage.model_seconds:.3f} s, {usage.canvases:,} canvases"),
        ("lattice", f"{usage.lattice_seconds:.3f} s"),
        ("automata", f"{usage.compile_seconds:.3f} s"),
    ]
    final = steps[-1].canvas
    text = "".join(
        _piece(token, tokenizer, written.get(at), last) for at, token in enumerate(final) if token >= 0
    )
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>",
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>",
        f"<h1>{html.escape(title)}</h1><div class=text>{text}</div>",
        "<p class=key>Grey: fixed text. The redder a token, the later it was written. Hover for its step and its "
        "probability, given that the whole is valid.</p>",
        "<h2>Step by step</h2>",
        *(_row(step, tokenizer, written) for step in _drawn(steps)),
        "<p class=key>Boxes: masked slots; framed: written in this step, the paler the less probable; ∅: stays empty.</p>",
        "<h2>In all</h2><dl>",
        *(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in facts),
        "</dl></html>\n",
    ]
    return "".join(parts)


def _drawn(steps: tuple[DenoisingStep, ...]) -> list[DenoisingStep]:
    """Return the steps to draw: all, or evenly spread ones that include the first and the last."""
    if len(steps) <= _ROWS:
        return list(steps)
    return [steps[round(at * (len(steps) - 1) / (_ROWS - 1))] for at in range(_ROWS)]


def _shown(token: int, tokenizer: Tokenizer) -> str:
    text = tokenizer.decode([token]).decode("utf-8", "replace").replace("\n", "⏎\n")
    return html.escape(printable(text))


def _piece(token: int, tokenizer: Tokenizer, written: tuple[int, float] | None, last: int) -> str:
    if written is None:
        return f"<span class=fixed>{_shown(token, tokenizer)}</span>"
    number, chance = written
    return (
        f"<span style='background:rgba(232,90,58,{0.7 * number / last:.2f})' title='{_hint(number, chance)}'>"
        f"{_shown(token, tokenizer)}</span>"
    )


def _hint(number: int, chance: float) -> str:
    if number == 0:
        return "sure before the first pass"
    if math.isnan(chance):
        return f"step {number}, at the deadline"
    return f"step {number}, probability {chance:.3f}"


def _row(step: DenoisingStep, tokenizer: Tokenizer, written: dict[int, tuple[int, float]]) -> str:
    new = {one.position: one.probability for one in step.committed}
    cells = []
    for at, token in enumerate(step.canvas):
        if token == OPEN:
            cells.append("<i></i>")
            continue
        text = "∅" if token == NULL else _shown(token, tokenizer)
        if at in new:
            chance = 1.0 if math.isnan(new[at]) else new[at]
            hint = _hint(step.number, new[at])
            cells.append(
                f"<b style='background:rgba(76,139,245,{0.1 + 0.4 * chance:.2f})' title='{hint}'>{text}</b>"
            )
        elif token == NULL:
            cells.append(f"<u>{text}</u>")
        else:
            cells.append(f"<span class=fixed>{text}</span>" if at not in written else f"<span>{text}</span>")
    told = "before" if step.number == 0 else f"step {step.number}"
    return f"<div class=row><small>{told}: {len(new)} slots</small><div>{''.join(cells)}</div></div>"
