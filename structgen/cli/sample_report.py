"""`structgen sample-report`: what draws say of a run, as a table and as a page with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structgen.cli.output import WIDTH, echo, echo_fact, echo_json, refuse
from structgen.errors import StructgenError

if TYPE_CHECKING:
    from structgen.sampling.report import DrawsReport, Estimate, FieldShares, TokenPosition


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
    try:
        from structgen.sampling.report import report
        from structgen.sampling.report_page import page_of
        from structgen.sampling.samples import Samples
        from structgen.system.html_pages import write_page

        others = None if masked is None else Samples.from_jsonl(masked)
        found = report(Samples.from_jsonl(file), false_accepts, others)
        if html is not None:
            write_page(html, page_of(found))
    except (StructgenError, OSError) as error:
        refuse(error, as_json)
    if as_json:
        echo_json(found.to_dict())
    else:
        _tell(found)


def _tell(found: DrawsReport) -> None:
    """Print the table."""
    for name, said in found.samples.facts():
        echo_fact(name, said)
    if found.divergence is not None:
        echo_fact("KL(target || masked)", f"{_shown(found.divergence, '.4f')} nats")
    if found.ceiling is not None:
        reached, right = found.ceiling.reached, found.ceiling.right
        said = "none: less than that share of the model's texts is accepted at all"
        if reached is not None and right is not None:
            said = f"{_shown(reached, '.1%')} right, given accepted, where {_shown(right, '.1%')} are right"
        echo_fact("ceiling", said)
    if found.positions:
        _tell_removed(found.positions)
    for field in found.fields:
        _tell_field(field)
    if found.fields_left_out:
        echo(f"\n{found.fields_left_out:,} more fields")


def _tell_removed(positions: Sequence[TokenPosition]) -> None:
    """Print the tokens at which the grammar removes the most mass."""
    from structgen.sampling.report import NOTHING  # start-up: of the samplers

    worst = sorted(positions, key=lambda one: -one.removed.value * one.reached)[:5]
    worst = [one for one in worst if one.removed.value >= NOTHING]
    if not worst:
        echo(f"\nThe grammar removes less than {NOTHING:.2%} of the model's mass at each token.")
        return
    echo("\nmass that the grammar removes, at the tokens that lose the most")
    echo(f"  {'token':>5}  {'removed (95 % interval)':<32}  share of the texts that come so far")
    for one in sorted(worst, key=lambda one: one.index):
        echo(f"  {one.index + 1:>5}  {_shown(one.removed, '.1%'):<32}  {one.reached:.1%}")


def _tell_field(field: FieldShares) -> None:
    """Print the shares of a field's values, and those under masking where they are known."""
    has_masked = any(one is not None for one in field.masked)
    echo(f"\n{field.name}")
    echo(f"  {'share (95 % interval)':<27}{'under masking  ' if has_masked else ''}value")
    room = WIDTH - (44 if has_masked else 29)
    for value, masked in zip(field.top, field.masked, strict=True):
        share = f"{_share(value.share):>7} ({_share(value.low)} to {_share(value.high)})"
        other = f"{'' if masked is None else _share(masked.value):<15}" if has_masked else ""
        said = str(value.value)
        echo(f"  {share:<27}{other}{said if len(said) <= room else said[: room - 3] + '...'}")
    if field.distinct > len(field.top):
        echo(f"  and {field.distinct - len(field.top):,} other values")
    if field.mean is not None and field.distinct > 1:
        echo(f"  mean {_shown(field.mean, '.4g')}")


def _share(share: float) -> str:
    return "< 0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def _shown(one: Estimate, form: str) -> str:
    return f"{one.value:{form}} (95 %: {one.low:{form}} to {one.high:{form}})"
