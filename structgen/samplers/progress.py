"""Progress of a run on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from io import StringIO
from typing import Any, Final

from structgen.errors import OptionError
from structgen.samplers.run_limits import RunProgress

_WIDTH: Final = 100
"""Characters of a bar in a notebook."""
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

    class OfCell(Progress):
        """A bar in the output of a notebook's cell, as text: rich's own needs widgets, which few have."""

        def start(self) -> None:
            self.of_cell: Any = import_module("IPython.display")  # optional: a notebook has it
            self.shown = self.of_cell.display(self.of_cell.Pretty(""), display_id=True)

        def refresh(self) -> None:
            out = StringIO()
            Console(file=out, width=_WIDTH, force_jupyter=False, color_system=None).print(
                self.get_renderable()
            )
            if self.shown is not None:
                self.shown.update(self.of_cell.Pretty(out.getvalue().rstrip()))

        def stop(self) -> None:
            self.refresh()

    # Refreshed by hand, without a thread; a run reports a few times a second.
    columns = (TextColumn("{task.description}"), BarColumn(None), TimeElapsedColumn())
    screen = Console(stderr=True)
    kind = OfCell if screen.is_jupyter else Progress
    with kind(*columns, console=screen, auto_refresh=False) as bar:
        task = bar.add_task("", total=None)

        def tell(now: RunProgress) -> None:
            low, high = now.bracket
            begin = f"prompt {now.prompt + 1} of {now.prompts}: " if now.prompts > 1 else ""
            said = f"{begin}{now.accepted:,} of {now.wanted:,} texts, {now.model_rows:,} rows, "
            said += f"{low:.3g} <= Z <= {high:.3g}"
            bar.update(task, total=now.wanted, completed=now.accepted, description=said, refresh=True)

        yield tell
