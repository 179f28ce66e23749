"""Shows the progress of long work on standard error: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from structgen.base.printable import printable

_SECONDS_A_LINE = 10.0
"""The seconds between two lines if there is no terminal."""


@contextmanager
def open_progress(name: str, unit: str = "") -> Iterator[Callable[..., None]]:
    """Yield a function that shows the progress: `report_line(done, total=None, said="")`.

    `done`: the number of steps so far. `total`: the number of all steps; None: not known. `said`: a comment.
    A terminal shows a bar until the end, and a notebook one line. Elsewhere a line is printed every ten
    seconds, such as `bulk: 3 of 9 texts`, where `name` is "bulk" and `unit` is "texts".
    """
    from rich.console import Console  # start-up time

    console = Console(stderr=True, highlight=False, emoji=False)
    last = time.monotonic()
    if console.is_terminal:
        # start-up time, as above
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (MofNCompleteColumn(), TextColumn("{task.description} {task.fields[said]}", markup=False))
        times = TimeRemainingColumn()
        with Progress(BarColumn(), *columns, times, console=console, transient=True) as bar:
            task = bar.add_task(unit, total=None, said="")
            yield lambda done, total=None, said="": bar.update(
                task,
                completed=done,
                total=total,
                said=printable(said),
            )
        return

    def report_line(done: int, total: int | None = None, said: str = "") -> None:
        nonlocal last
        of = "" if total is None else f" of {total:,}"
        comment = f", {said}" if said else ""
        line = printable(f"{name}: {done:,}{of} {unit}".rstrip() + comment, lines=False)
        # a cell writes each line over the one before, in 100 columns
        if console.is_jupyter:
            print(f"\r{line:<100}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - last >= _SECONDS_A_LINE:
            last = time.monotonic()
            print(line, file=sys.stderr, flush=True)

    yield report_line
