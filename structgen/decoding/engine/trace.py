"""Pages that show how a text was written, or how a canvas was filled. Each page is one file of HTML that
needs no other file.

A *step* is the choice of one token, with its figures (`requests.Step`). The *mask* forbids the tokens that
the grammar does not allow. A page shows the tokens of the text in colours, facts about the whole text, and a
table with a row for each step. For example, a token whose step lost half of its mass to the mask is half red.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from structgen.asking.pages.html_pages import NOTHING, Column, frame_page, render_page
from structgen.base.system.output_files import write_output
from structgen.decoding.engine.requests import Result, Step, Usage
from structgen.tokens.tokenizer import Tokenizer

_TEMPLATE: Final = """\
{% macro show(pieces) %}
{%- for piece in pieces %}{{ token(*piece) }}{% endfor %}
{%- endmacro %}
<div class=text>{{ show(pieces) }}</div>
<p class=faint>{{ legend }} Hover for figures.</p>
{% if removed is defined %}
<h2>Probability mass removed by the mask</h2>
{% if removed %}
{{ plot("Mass removed by token", "mass removed", "token of the text", 1, removed, "red") }}
{% else %}
<p>The mask removed nothing: the model wanted only tokens that the grammar allows.</p>
{% endif %}
{% endif %}
<h2>In all</h2>
{{ facts(in_all) }}
<h2>Step by step</h2>
{% set texts = ("token", "likeliest", "likeliest allowed", "strategy noted", "guessed by") %}
<div class=wide><table><tr>{% for name in names %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in rows %}
<tr>{% for name in names %}{% set cell = row[name] %}
{%- if cell is not string %}<td class=token>{{ show(cell) }}</td>
{%- else %}<td class={{ "token" if name in texts else "number" }}>{{ cell }}</td>{% endif %}{% endfor %}</tr>
{% endfor %}
</table></div>
"""
"""The body of a page; `structgen.asking.pages.html_pages` has its macros `token`, `plot` and `facts`."""


class ShownToken(NamedTuple):
    """A token on a page."""

    text: str
    red: float = 0.0
    """The strength of its colour, from 0 to 1; a token without a hint has no colour."""
    hint: str = ""
    """The figures that a reader sees while the mouse is over the token."""
    kind: str = ""
    """The token's look, a class of the style: "forced", "steered", "fixed", "new", or "open" (a box)."""


@dataclass(frozen=True, repr=False)
class Trace:
    """The page of a text (`Engine.trace`): a notebook shows it in a frame of its own, in which nothing
    runs."""

    page: str
    """One file of HTML."""

    def write(self, path: Path | str) -> None:
        """Write the page. Errors: OptionError for what is no path of a file, OutputError."""
        write_output(path, self.page)

    def __repr__(self) -> str:
        return f"<Trace: a page of {len(self.page):,} characters; write(path) writes it>"

    def _repr_html_(self) -> str:
        """Return the page in a frame, or its `repr` if the page is too long for a notebook."""
        return frame_page(self.page, repr(self))


def describe_speculation(usage: Usage) -> str:
    """Return in words how many passes of the model a text took, and how many guessed tokens were checked and
    accepted."""
    each = f" ({usage.tokens_per_call:.2f} tokens a call)" if usage.calls else ""
    # "taken: none" where guesses were checked and all were refused
    accepted_counts = ", ".join(f"{name} {count:,}" for name, count in usage.accepted.items()) or "none"
    parts = [f"{usage.calls:,} calls of the model after the prompt{each}"]
    if usage.drafted:
        parts.append(f"{usage.drafted:,} guesses checked, taken: {accepted_counts}")
    if usage.strategy_calls:
        parts.append(f"{usage.strategy_calls:,} calls for further rows of a strategy")
    parts += [usage.strategy, usage.speculation]
    return "; ".join(filter(None, parts))


def trace_page(title: str, rows: Sequence[dict[str, Any]], **template_fields: Any) -> str:
    """Return the page as HTML: a text, facts, and a table of steps, without columns that are empty.

    Each of `rows` is a step: its cells by the names of their columns. A cell is a text or a list of
    `ShownToken`s. `template_fields` are the other values of the template: `pieces` (the tokens of the text),
    its `legend`, `in_all` (pairs of a name and a fact), and perhaps `removed`, the columns of the plot of the
    mass that masks removed.
    """
    # all rows have the columns of the first one
    columns = next(iter(rows), ())
    names = [name for name in columns if any(row[name] for row in rows)]
    return render_page(title, _TEMPLATE, rows=rows, names=names, **template_fields)


def text_page(result: Result, tokenizer: Tokenizer, title: str) -> str:
    """Return the page of a text as HTML."""
    steps = result.steps
    usage = result.usage
    rows = [_facts_of_step(index, step, tokenizer) for index, step in enumerate(steps)]
    in_all = [
        ("finish reason", result.finish_reason.value),
        ("error", "" if result.error is None else str(result.error)),
        ("tokens", f"{usage.tokens} after a prompt of {usage.prompt_tokens}"),
        ("log-probability", f"{result.logprob:.3f}; given the masks {result.constrained_logprob:.3f}"),
        ("forced", f"tokens without an alternative: {sum(step.allowed == 1 for step in steps)}"),
        (
            "went elsewhere",
            f"another token was likeliest: {sum(step.wanted != step.token for step in steps)}",
        ),
        ("steered", f"{sum(step.steered for step in steps)} tokens chosen again to fit max_tokens"),
        ("calls", describe_speculation(usage)),
        ("model", f"{usage.model_seconds:.3f} s"),
        ("masks", f"{usage.mask_seconds:.3f} s outside the model, {usage.waited_seconds:.3f} s waited for"),
        ("cache", f"{usage.cache_bytes:,} bytes"),
    ]
    pieces = [
        ShownToken(
            _show_token(step.token, tokenizer),
            # at full strength the text of the token could not be read
            0.75 * step.removed,
            "; ".join(f"{name} {figure}" for name, figure in row.items() if figure),
            "forced" * (step.allowed == 1) + " steered" * step.steered,
        )
        for step, row in zip(steps, rows, strict=True)
    ]
    removed_columns = []
    for index, step in enumerate(steps):
        # the axis has only two labels, one at each end
        label = f"token {index:,}" if index in (0, len(steps) - 1) else ""
        removed_columns.append(Column(step.removed, index + 0.5, label, pieces[index].hint))
    has_removed = any(step.removed >= NOTHING for step in steps)
    return trace_page(
        title,
        rows,
        in_all=[(name, fact) for name, fact in in_all if fact],
        pieces=pieces,
        legend="The redder a token, the more probability the mask removed there; blue below: the "
        "only allowed token; red frame: replaced to fit the budget.",
        removed=removed_columns if has_removed else (),
    )


def _show_token(token: int, tokenizer: Tokenizer) -> str:
    """Return the text of a token; a sign for an end token."""
    if token in tokenizer.eos_token_ids:
        return "⟨end⟩"  # it has no bytes
    return tokenizer.decode([token]).decode("utf-8", "replace")


def _facts_of_step(index: int, step: Step, tokenizer: Tokenizer) -> dict[str, str]:
    """Return the facts of token number `index`, in the order of the table's columns."""

    def visible_token(token: int) -> str:
        return _show_token(token, tokenizer).replace("\n", "⏎").replace(" ", "·")

    def show_pairs(tokens: Sequence[tuple[int, float]]) -> str:
        return "  ".join(f"{visible_token(token)} {math.exp(p):.3f}" for token, p in tokens)

    # without recorded candidates (`Request.logprobs`) only another likeliest token is worth its cell
    other_token = visible_token(step.wanted) if step.wanted != step.token else ""
    return {
        "#": f"{index:,}",
        "token": visible_token(step.token),
        "likeliest": show_pairs(step.likeliest) or other_token,
        "likeliest allowed": show_pairs(step.likeliest_allowed),
        "p": f"{math.exp(step.logprob):.3f}",
        "p given mask": f"{math.exp(step.constrained):.3f}",
        "allowed": f"{step.allowed:,}",
        "removed": f"{step.removed:.3f}",
        "model ms": f"{1e3 * step.model_seconds:.2f}",
        "masks ms": f"{1e3 * step.mask_seconds:.3f}",
        "strategy noted": ", ".join(f"{figure:.3f}" for figure in step.state),
        "guessed by": step.drafter,
    }
