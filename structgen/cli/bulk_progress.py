"""Many prompts on the command line: the progress of `structgen generate --prompts`, in one process or on Ray.

A terminal gets a bar; elsewhere a line is printed each ten seconds, and one at the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from structgen.cli.output import console, echo
from structgen.errors import OptionError

if TYPE_CHECKING:
    from structgen.engine import Engine, Request
    from structgen.engine.bulk import BulkProgress


@contextmanager
def going_on(out: Path) -> Iterator[None]:
    """Say after Ctrl-C how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        echo(f"Stopped. The same command without --start-over goes on from {out}.", err=True)
        raise


def work_through(
    engine: Engine, prompts: Path, out: Path, request_of: Callable[[str], Request], start_over: bool
) -> None:
    """Work through a file of prompts in this process."""
    from structgen.engine.bulk import run_bulk

    _told(lambda tell: run_bulk(engine, prompts, out, request_of, tell, start_over=start_over))


def work_on_ray(
    model: str,
    prompts: Path,
    out: Path,
    request_of: Callable[[str], Request],
    start_over: bool,
    workers: int | None,
    max_rows: int,
    device: str | None,
    engine: str,
    engine_options: str | None,
) -> None:
    """Work through a file of prompts on Ray. `engine_options`: a JSON object."""
    from structgen.engine.bulk import run_bulk_on_ray

    _told(
        lambda tell: run_bulk_on_ray(
            model,
            prompts,
            out,
            request_of,
            tell,
            start_over=start_over,
            workers=workers,
            max_rows=max_rows,
            device=device,
            engine=engine,
            engine_options=_object(engine_options, "--engine-options"),
        )
    )


def _object(text: str | None, option: str) -> dict[str, Any]:
    """Return what a text of JSON says. Raises OptionError where it is no object."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise OptionError("It is no JSON object.", where=option, cure="Write it as in '{\"name\": 1}'.")
    return found


def _told(work: Callable[[Callable[[BulkProgress], None]], BulkProgress]) -> None:
    """Do the work, and show its progress."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    screen, begun = console(stderr=True), time.perf_counter()

    def rate(progress: BulkProgress) -> str:
        return f"{progress.tokens / max(time.perf_counter() - begun, 1e-9):,.0f} tokens/s"

    if screen.is_terminal:
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=screen) as bar:
            task = bar.add_task("texts", total=None, rate="")
            last = work(lambda now: bar.update(task, total=now.total, completed=now.done, rate=rate(now)))
    else:
        said = begun

        def tell(progress: BulkProgress) -> None:
            nonlocal said
            if time.perf_counter() - said >= 10:
                said = time.perf_counter()
                echo(f"generate: {progress.done:,} of {progress.total:,}", err=True)

        last = work(tell)
    before = f", {last.before:,} of them before" if last.before else ""
    screen.print(f"{last.done:,} of {last.total:,} texts{before}; {rate(last)}", highlight=False)
