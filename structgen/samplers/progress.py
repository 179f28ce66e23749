"""Progress of a run on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from structgen.errors import OptionError
from structgen.samplers.run_limits import RunProgress

Listener = Callable[[RunProgress], None]


@contextmanager
def listener(progress: Listener | bool | None) -> Iterator[Listener | None]:
    """Yield the listener of a run's progress: the caller's function; for True a line on stderr; for None or
    False nothing. Raises OptionError for anything else."""
    if progress is None or progress is False:
        yield None
    elif progress is True:
        with _bar() as tell:
            yield tell
    elif callable(progress):
        yield progress
    else:
        raise OptionError(
            f"progress={progress!r} is no function.",
            where="progress",
            cure="Give True for a line on the screen, or a function that takes a Progress.",
        )


@contextmanager
def _bar() -> Iterator[Listener]:
    """Show the progress of a run; its last state stays."""
    # optional: rich
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    # Refreshed by hand, without a thread; a run reports a few times a second.
    columns = (TextColumn("{task.description}"), BarColumn(None), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as bar:
        task = bar.add_task("", total=None)

        def tell(now: RunProgress) -> None:
            low, high = now.bracket
            begin = f"prompt {now.prompt + 1} of {now.prompts}: " if now.prompts > 1 else ""
            said = f"{begin}{now.accepted:,} of {now.wanted:,} texts, {now.model_rows:,} rows, "
            said += f"{low:.3g} <= Z <= {high:.3g}"
            bar.update(task, total=now.wanted, completed=now.accepted, description=said, refresh=True)

        yield tell
