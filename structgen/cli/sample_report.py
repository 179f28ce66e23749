"""`structgen sample-report`: what draws say of a run, as a table and as a page with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from structgen.cli.output import echo_facts, echo_json, refusing


def sample_report(
    file: Annotated[
        Path,
        typer.Argument(help="Draws, as structgen sample --out and Samples.to_jsonl write them."),
    ],
    html: Annotated[
        Path | None, typer.Option(help="Write a page with pictures: one file.", show_default=False)
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
        from structgen.samplers.report import report, rows_of
        from structgen.samplers.report_page import page_of
        from structgen.samplers.samples import Samples
        from structgen.system.html_pages import write_page

        draws = Samples.from_jsonl(file)
        found = report(draws, None if masked is None else Samples.from_jsonl(masked))
        if html is not None:
            write_page(html, page_of(draws, found))
    if as_json:
        echo_json(found)
    else:
        echo_facts(rows_of(draws, found))
