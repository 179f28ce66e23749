"""`structgen sample-report`: what draws say of a run, as a table and as a page with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structgen.cli.output import WIDTH, console, echo, echo_fact, echo_json, refusing

if TYPE_CHECKING:
    from structgen.samplers.report import DrawsReport, TokenPosition


def sample_report(
    file: Annotated[
        Path,
        typer.Argument(help="Draws, as structgen sample --out and Samples.to_jsonl write them."),
    ],
    html: Annotated[
        Path | None, typer.Option(help="Write a page with pictures: one file.", show_default=False)
    ] = None,
    false_accepts: Annotated[
        float | None,
        typer.Option(
            help="The share of wrong texts that the checker passes, from 0 to 1: tells the ceiling of what "
            "drawing until it accepts can reach.",
            show_default=False,
        ),
    ] = None,
    masked: Annotated[
        Path | None,
        typer.Option(
            help="Draws from the same target by --method masked: shows what masking would say.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all numbers as a JSON object.")] = False,
) -> None:
    """Report on a file of weighted draws.

    It shows the acceptance rate, the effective sample size, the probability mass that the grammar removes at
    each token, the distribution of each field, and what masking alone would have changed.

    Exit status: 0 done, 2 the file cannot be read, or wrong usage.
    """
    with refusing(as_json):
        from structgen.samplers.report import report
        from structgen.samplers.report_page import page_of
        from structgen.samplers.samples import Samples
        from structgen.system.html_pages import write_page

        others = None if masked is None else Samples.from_jsonl(masked)
        found = report(Samples.from_jsonl(file), false_accepts, others)
        if html is not None:
            write_page(html, page_of(found))
    if as_json:
        echo_json(found.to_dict())
    else:
        _tell(found)


def _tell(found: DrawsReport) -> None:
    """Print the tables."""
    from structgen.system.html_pages import percent  # start-up: numpy

    for name, said in found.samples.facts():
        echo_fact(name, said)
    if found.divergence is not None:
        echo_fact("KL(target || masked)", f"{found.divergence.told('{:.4f}'.format)} nats")
    if found.ceiling is not None:
        reached, right = found.ceiling.right_given_accepted, found.ceiling.right
        said = "none: less than that share of the model's texts is accepted at all"
        if reached is not None and right is not None:
            said = f"{reached.told()} right, given accepted, where {right.told()} are right"
        echo_fact("ceiling", said)
    _tell_removed(found.positions)
    for field in found.fields:
        has_masked = any(one.masked is not None for one in field.values)
        _table(
            field.field,
            ("share", *["under masking"] * has_masked, "value"),
            [
                (
                    one.share.told(),
                    *[percent(one.masked.value) if one.masked else ""] * has_masked,
                    str(one.value),
                )
                for one in field.values
            ],
        )
        if field.distinct > len(field.values):
            echo(f"and {field.distinct - len(field.values):,} other values")
        if field.mean is not None and field.distinct > 1:
            echo(f"mean {field.mean.told('{:,.4g}'.format)}")
    if found.fields_left_out:
        echo(f"\n{found.fields_left_out:,} more fields")


def _tell_removed(positions: Sequence[TokenPosition]) -> None:
    """Print the tokens at which the grammar removes the most mass."""
    from structgen.system.html_pages import NOTHING, percent  # start-up: numpy

    worst = sorted(positions, key=lambda one: -one.removed.value * one.reached)[:5]
    worst = [one for one in worst if one.removed.value >= NOTHING]
    if positions and not worst:
        echo(f"\nThe grammar removes less than {NOTHING:.2%} of the model's mass at each token.")
    if worst:
        _table(
            "mass that the grammar removes, at the tokens that lose the most",
            ("token", "removed", "texts that come so far"),
            [
                (
                    str(one.position + 1),
                    one.removed.told(),
                    percent(one.reached),
                )
                for one in sorted(worst, key=lambda one: one.position)
            ],
        )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of at most 80 columns: the last one is cut."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name, *cells in zip(columns, *rows, strict=True):
        widest = 0 if name == columns[-1] else max(map(len, (name, *cells)))
        table.add_column(name, no_wrap=True, min_width=widest)
    for row in rows:
        table.add_row(*map(Text, row))
    console(highlight=False).print(Text(f"\n{title}"), table, width=WIDTH)
