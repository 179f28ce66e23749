"""A page that shows how a text came to be: one file, nothing outside it."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from structgen.engine.requests import Result, Step, Usage
from structgen.system.html_pages import NOTHING, Column, rendered, write_page
from structgen.tokens.tokenizer import Tokenizer

# ruff: noqa: E501 (markup)

_MOST_IN_CELL: Final = 1 << 22
"""Characters of a page that a notebook shows: a text of some 5,000 tokens."""


_TEMPLATE: Final = """\
<div class=text>
{%- for step in steps %}{{ token(shown(step.token), 0.75 * step.removed, hint(step), kind(step)) }}{% endfor %}</div>
<p class=faint>The redder a token, the more the mask took from the model there; blue below: no other token could come; red
frame: chosen again to fit the budget. Hover for figures.</p>
<h2>Probability mass removed by the mask</h2>
{% if columns %}
{{ plot("Mass removed by token", "mass removed", "token of the text", 1, columns, "red") }}
{% else %}
<p>The mask removed nothing: the model wanted only tokens that the grammar allows.</p>
{% endif %}
<h2>In all</h2>
{{ facts(in_all) }}
<h2>Token by token</h2>
<div class=wide><table><tr><th>#</th><th>token</th><th>likeliest</th><th>p</th><th>p given mask</th><th>allowed</th>
<th>removed</th><th>model ms</th><th>masks ms</th>{% if has_drafts %}<th>guessed by</th>{% endif %}</tr>
{% for step in steps %}
<tr><td>{{ loop.index0 }}</td><td class=token>{{ visible(step.token) }}</td><td class=token>
{%- for other, p in step.likeliest %}{{ visible(other) }}<small>&nbsp;{{ "%.2f"|format(exp(p)) }}</small>
{%- if not loop.last %} {% endif %}{% else %}
{%- if step.wanted != step.token %}{{ visible(step.wanted) }}{% endif %}{% endfor %}</td>
{%- for figure in figures(step) %}<td class=number>{{ figure }}</td>{% endfor %}
{% if has_drafts %}<td class=token>{{ step.drafter }}</td>{% endif %}</tr>
{% endfor %}
</table></div>
"""


@dataclass(frozen=True, repr=False)
class Trace:
    """The page of a text (`Engine.trace`): a notebook shows it in a frame of its own, in which nothing runs."""

    page: str
    """One file of HTML."""

    def write(self, path: Path | str) -> None:
        """Write the page. Raises OSError."""
        write_page(Path(path), self.page)

    def __repr__(self) -> str:
        return f"<Trace: a page of {len(self.page):,} characters; write(path) writes it>"

    def _repr_html_(self) -> str:
        """Return the page in a frame; what it is, where it is too long for a notebook."""
        if len(self.page) > _MOST_IN_CELL:
            return f"<p>{html.escape(repr(self))}</p>"
        frame = 'sandbox style="width:100%;height:32rem;border:0"'
        return f'<iframe srcdoc="{html.escape(self.page)}" {frame}></iframe>'


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

    def shown(token: int) -> str:
        return _shown(token, tokenizer)

    in_all = [
        ("finish reason", result.finish_reason.value),
        *([] if result.error is None else [("error", str(result.error))]),
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
    return rendered(
        title,
        _TEMPLATE,
        steps=steps,
        shown=shown,
        visible=lambda token: shown(token).replace("\n", "⏎").replace(" ", "·"),
        hint=lambda step: _hint(step, shown),
        kind=lambda step: "forced" * (step.allowed == 1) + " steered" * step.steered,
        has_drafts=any(step.drafter for step in steps),
        columns=_columns(steps),
        in_all=in_all,
        figures=_figures,
        exp=math.exp,
    )


def _columns(steps: Sequence[Step]) -> list[Column]:
    """Return the plot of the removed mass; nothing where nothing was removed."""
    if max((step.removed for step in steps), default=0.0) < NOTHING:
        return []
    ends = (0, len(steps) - 1)
    return [
        Column(step.removed, at + 0.5, f"token {at:,}" * (at in ends), f"token {at}: {step.removed:.1%}")
        for at, step in enumerate(steps)
    ]


def _shown(token: int, tokenizer: Tokenizer) -> str:
    if token in tokenizer.eos_token_ids:
        return "⟨end⟩"
    return tokenizer.decode([token]).decode("utf-8", "replace")


def _hint(step: Step, shown: Callable[[int], str]) -> str:
    def pairs(found: tuple[tuple[int, float], ...]) -> str:
        return ", ".join(f"{shown(token)!r} {math.exp(p):.3f}" for token, p in found)

    hint = (
        f"p {math.exp(step.logprob):.3f}, given the mask {math.exp(step.constrained):.3f}; {step.allowed:,} allowed; "
        f"removed {step.removed:.3f}"
    )
    if step.likeliest:
        hint += f"; likeliest {pairs(step.likeliest)}; of those allowed {pairs(step.likeliest_allowed)}"
    elif step.wanted != step.token:
        hint += f"; likeliest {shown(step.wanted)!r}"
    if step.state:
        hint += f"; the strategy noted {', '.join(f'{figure:.3f}' for figure in step.state)}"
    return hint


def _figures(step: Step) -> tuple[str, ...]:
    """Return the numbers of a row of the table."""
    return (
        f"{math.exp(step.logprob):.3f}",
        f"{math.exp(step.constrained):.3f}",
        f"{step.allowed:,}",
        f"{step.removed:.3f}",
        f"{1e3 * step.model_seconds:.2f}",
        f"{1e3 * step.mask_seconds:.3f}",
    )
