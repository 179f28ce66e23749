"""`structgen sample-report`: describes a run by its draws, as a table and as a page with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo_json, echo_table


@takes_options("html", "masked", "json")
def sample_report(
    options: CommandOptions,
    file: Annotated[
        Path,
        typer.Argument(help="Draws, as structgen sample --out and Samples.to_jsonl write them."),
    ],
) -> None:
    """Report on a file of weighted draws.

    It shows the acceptance rate, the exact draws that the run is worth, the interval as draws come in, the
    probability mass that the grammar removes at each token, the distribution of each field, and what masking
    alone would have changed.

    Exit status: 0 done, 2 the file cannot be read, or wrong usage.
    """
    from structgen.base.system.output_files import write_output
    from structgen.decoding.samplers.report import report, rows_of
    from structgen.decoding.samplers.report_page import page_of
    from structgen.decoding.samplers.samples import Samples

    draws, masked_file = Samples.from_jsonl(file), options.get("masked")
    numbers = report(draws, None if masked_file is None else Samples.from_jsonl(masked_file))
    if "html" in options:
        write_output(options.get("html"), page_of(draws, numbers))
    if "json" in options:
        echo_json(numbers)
    else:
        echo_table(("", ""), rows_of(draws, numbers))
