"""A page that shows a canvas being filled, step by step: one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from structgen.infilling.denoising import CanvasUsage, DenoisingStep
from structgen.infilling.lattice import NULL, OPEN
from structgen.system.html_pages import rendered
from structgen.tokens.tokenizer import Tokenizer

# ruff: noqa: E501 (markup)

_ROWS: Final = 200
"""The most steps that are drawn; if there are more, some in between are left out."""
_TEMPLATE: Final = """\
<div class=text>
{%- for text, number, chance in pieces %}
{%- if number is none %}<span class=fixed>{{ text }}</span>
{%- else %}{{ token(text, 0.7 * number / last, hint(number, chance)) }}{% endif %}{% endfor %}</div>
<p class=faint>Grey: fixed text. The redder a token, the later it was written. Hover for its step and its probability among
the tokens that fit.</p>
<h2>Step by step</h2>
{% for step, cells in rows %}
<div class=row><small>{{ "step " ~ step.number if step.number else "before" }}: {{ step.committed|length }} slots</small><div>
{%- for text, kind, chance in cells %}
{%- if kind == "open" %}<i></i>
{%- elif kind == "new" %}<b style='background:color-mix(in srgb,var(--blue)
{{- " " ~ (0.1 + 0.4 * chance)|css }},transparent)' title="{{ hint(step.number, chance) }}">{{ text }}</b>
{%- else %}<span class={{ kind }}>{{ text }}</span>{% endif %}{% endfor %}</div></div>
{% endfor %}
<p class=faint>Boxes: masked slots; framed: written in this step, the paler the less probable; ∅: stays empty.</p>
<h2>In all</h2>
{{ facts(in_all) }}
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
    shown = {token: _shown(token, tokenizer) for step in steps for token in step.canvas}
    return rendered(
        title,
        _TEMPLATE,
        pieces=[
            (shown[token], *written.get(at, (None, None)))
            for at, token in enumerate(steps[-1].canvas)
            if token >= 0
        ],
        last=max(steps[-1].number, 1),
        rows=[
            (
                step,
                [
                    (shown[token], *kind)
                    for token, kind in zip(step.canvas, _kinds(step, written), strict=True)
                ],
            )
            for step in _drawn(steps)
        ],
        hint=_hint,
        in_all=[
            ("finish reason", finish_reason),
            ("exactness", exactness),
            ("steps", f"{usage.steps:,} for {len(written):,} slots"),
            ("model", f"{usage.model_seconds:.3f} s"),
            ("lattice", f"{usage.lattice_seconds:.3f} s"),
            ("automata", f"{usage.compile_seconds:.3f} s"),
        ],
    )


def _drawn(steps: tuple[DenoisingStep, ...]) -> list[DenoisingStep]:
    """Return the steps to draw: all, or evenly spread ones that include the first and the last."""
    if len(steps) <= _ROWS:
        return list(steps)
    return [steps[round(at * (len(steps) - 1) / (_ROWS - 1))] for at in range(_ROWS)]


def _shown(token: int, tokenizer: Tokenizer) -> str:
    if token < 0:
        return "∅" if token == NULL else ""
    return tokenizer.decode([token]).decode("utf-8", "replace").replace("\n", "⏎\n")


def _hint(number: int, chance: float) -> str:
    if number == 0:
        return "sure before the first pass"
    return f"step {number}, probability {chance:.3f}"


def _kinds(step: DenoisingStep, written: dict[int, tuple[int, float]]) -> Iterator[tuple[str, float]]:
    """Yield what each slot of a canvas is, with the probability of what is new."""
    new = {one.position: one.probability for one in step.committed}
    for at, token in enumerate(step.canvas):
        if token == OPEN:
            yield "open", 0.0
        elif at in new:
            yield "new", new[at]
        else:
            yield "fixed" if token == NULL or at not in written else "written", 1.0
