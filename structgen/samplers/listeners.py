"""Who is told of the progress of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from structgen.errors import OptionError
from structgen.samplers.run_limits import RunProgress
from structgen.system.progress import progress as shown

Listener = Callable[[RunProgress], None]


@contextmanager
def listener(progress: Listener | bool | None) -> Iterator[Listener | None]:
    """Yield the listener of a run's progress: the caller's function; for True a line on stderr; for None or
    False nothing. Raises OptionError for anything else."""
    if progress is None or progress is False:
        yield None
    elif callable(progress):
        yield progress
    elif progress is True:
        with shown("sample", "texts") as tell:

            def told(now: RunProgress) -> None:
                low, high = now.bracket
                of = f", prompt {now.prompt + 1} of {now.prompts}" if now.prompts > 1 else ""
                rows = f"{now.model_rows:,} rows, {now.model_rows / max(now.seconds, 1e-9):,.0f}/s"
                tell(now.accepted, now.wanted, f"{rows}, {low:.3g} <= Z <= {high:.3g}{of}")

            yield told
    else:
        raise OptionError(
            f"progress={progress!r} is no function.",
            where="progress",
            cure="Give True for a line on the screen, or a function that takes a Progress.",
        )
