"""`structgen sample-report`: what draws say of a run, as a table and as a page with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structgen.cli.output import echo, echo_json, refuse
from structgen.errors import StructgenError

if TYPE_CHECKING:
    from structgen.sampling.report import DrawsReport, Estimate


def sample_report(
    file: Annotated[
        Path,
        typer.Argument(help="Draws, as structgen generate --method --out and Samples.to_jsonl write them."),
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
    try:
        from structgen.sampling.report import report
        from structgen.sampling.report_page import write_page
        from structgen.sampling.samples import Samples

        others = None if masked is None else Samples.from_jsonl(masked)
        found = report(Samples.from_jsonl(file), false_accepts, others)
        if html is not None:
            write_page(found, html)
    except (StructgenError, OSError) as error:
        refuse(error, as_json)
    if as_json:
        echo_json(found.to_dict())
    else:
        _tell(found)


def _tell(found: DrawsReport) -> None:
    """Print the table."""
    for name, said in found.samples.facts():
        echo(f"{name:<22} {said}")
    if found.divergence is not None:
        echo(f"{'KL(target || masked)':<22} {_shown(found.divergence, '.4f')} nats")
    if found.ceiling is not None:
        reached, right = found.ceiling.reached, found.ceiling.right
        said = "none: less than that share of the model's texts is accepted at all"
        if reached is not None and right is not None:
            said = f"{_shown(reached, '.1%')} right, given accepted, where {_shown(right, '.1%')} are right"
        echo(f"{'ceiling':<22} {said}")
    if found.positions:
        echo("\nmass removed, by token of the text: the most")
        worst = sorted(found.positions, key=lambda one: -one.removed.value * one.reached)[:5]
        for one in sorted(worst, key=lambda one: one.index):
            echo(f"  {one.index + 1:>5}  {_shown(one.removed, '.1%')}, in {one.reached:.1%} of the texts")
    for field in found.fields:
        echo(f"\n{field.name}")
        for value, masked in zip(field.top, field.masked, strict=True):
            share = f"{_share(value.share):>7} ({_share(value.low)} to {_share(value.high)})"
            other = "" if masked is None else f"  masked {_share(masked.value)}"
            said = str(value.value)
            echo(f"  {share:<27}{other:<15}  {said if len(said) <= 60 else said[:57] + '...'}")
        if field.distinct > len(field.top):
            echo(f"  and {field.distinct - len(field.top):,} other values")
        if field.mean is not None and field.distinct > 1:
            echo(f"  mean {_shown(field.mean, '.4g')}")
    if found.fields_left_out:
        echo(f"\n{found.fields_left_out:,} more fields")


def _share(share: float) -> str:
    return "< 0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def _shown(one: Estimate, form: str) -> str:
    return f"{one.value:{form}} (95 %: {one.low:{form}} to {one.high:{form}})"
