"""How far something has come, on standard error: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from structgen.base.printable import printable

_SECONDS_A_LINE = 10.0
"""Between two lines where there is no terminal."""


@contextmanager
def open_progress(name: str, unit: str = "", *, has_estimate: bool = True) -> Iterator[Callable[..., None]]:
    """Yield what tells how far something has come: `report_line(done, total=None, said="")`. A terminal has a
    bar until the end, and a notebook's cell one line; elsewhere a line is printed each ten seconds, as in
    `bulk: 3 of 9 texts`. `has_estimate`: the bar has an estimate of the time that is left, from the steps so
    far."""
    from rich.console import Console  # start-up time

    console = Console(stderr=True, highlight=False, emoji=False)
    last = time.monotonic()
    if console.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (MofNCompleteColumn(), TextColumn("{task.description} {task.fields[said]}", markup=False))
        times = [TimeRemainingColumn()] * has_estimate
        with Progress(BarColumn(), *columns, *times, console=console, transient=True) as bar:
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
