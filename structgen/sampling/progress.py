"""Progress of a run as a line on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from structgen.errors import OptionError
from structgen.sampling.run_limits import RunProgress

Listener = Callable[[RunProgress], None]


@contextmanager
def listener(progress: Listener | bool | None) -> Iterator[Listener | None]:
    """Yield the listener of a run's progress: the caller's function; for True a line on stderr; for None or
    False nothing. Raises OptionError for anything else."""
    if progress is None or progress is False:
        yield None
    elif progress is True:
        with _line() as tell:
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
def _line() -> Iterator[Listener]:
    """Show a progress line during a run; its last state stays."""
    # optional: rich
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    # Refreshed by hand, without a thread; a run reports a few times a second.
    console = Console(stderr=True)

    def line(said: str) -> Text:
        return Text(said, no_wrap=True, overflow="ellipsis")

    with Live(line(""), console=console, auto_refresh=False) as live:
        yield lambda progress: live.update(line(described(progress)), refresh=True)
    if not console.is_terminal:
        console.line()  # in a file rich writes only the last state, without a newline


def described(progress: RunProgress) -> str:
    """Return the progress line."""
    low, high = progress.bracket
    begin = f"prompt {progress.prompt + 1} of {progress.prompts}: " if progress.prompts > 1 else ""
    return (
        f"{begin}{progress.accepted:,} of {progress.wanted:,} texts, {progress.model_rows:,} rows, "
        f"{low:.3g} <= Z <= {high:.3g}, {progress.seconds:.1f} s"
    )
