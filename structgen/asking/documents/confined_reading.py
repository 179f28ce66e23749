"""Reads files that a stranger may have written, in a process with limits of processor time and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeAlias, Union

from structgen.asking.documents.sheets import Sheet
from structgen.asking.processes.process_limits import OUT_OF_TIME, bound_processor_time, make_confinement
from structgen.asking.processes.worker_process import EndedError, NotStartedError, WorkerProcess
from structgen.base.errors import OptionError, StructgenError
from structgen.base.system.installation import require_extras

TextOfSheets: TypeAlias = tuple[str, tuple[str, ...], tuple[Sheet, ...]]
"""The text of a file, the remarks about it, and the sheets of a PDF."""
Text: TypeAlias = Union[tuple[str, tuple[str, ...]], TextOfSheets]
"""The result of a reader. Only the reader of PDF files returns sheets."""
FileReader: TypeAlias = Callable[[bytes], Text]
"""A function of a module, from the bytes of a file to its text."""
ConfinedReader: TypeAlias = Callable[[FileReader, bytes], Text]
"""A function that calls a reader in a process with limits."""

SECONDS: Final = 60.0
"""The processor time for a file: on a machine that is busy, a file is read as on another one."""
WALL_SECONDS: Final = 600.0
"""The time for a file by the clock, for a reader that waits and does not work."""
MEMORY: Final = 1 << 30
"""The bytes that the process may take beyond those that it begins with."""
_CURE: Final = "Open it in its own program, save it as a text, and give that."


@contextmanager
def confined_reader() -> Iterator[ConfinedReader]:
    """Yield a function that calls a reader with the bytes of a file. All calls of a block are made in one
    process, which starts at the first one and is gone after the block. One that was late, or died, is
    replaced at the next call.

    The function raises StructgenError where a package is missing, OptionError where the reader raises an
    error, needs more than SECONDS of processor time or too much memory, is late, or ends its process. Cost:
    the start of a process, some 10 ms on Linux, and what is sent.
    """
    worker = WorkerProcess(_call_reader, "reader of documents", "document", begin=make_confinement(MEMORY))
    try:
        yield partial(_ask_worker, worker)
    finally:
        worker.end()


def _ask_worker(worker: WorkerProcess, reader: FileReader, data: bytes) -> Text:
    with require_extras("A document in HTML or PDF", "documents"):  # here, so that a fork has them
        import bs4  # optional: beautifulsoup4  # noqa: F401
        import lxml  # optional: lxml  # noqa: F401
        import markdownify  # optional: markdownify  # noqa: F401
        import pypdf  # optional: pypdf  # noqa: F401
        import webencodings  # optional: webencodings  # noqa: F401
    try:
        text: Text = worker.call_function((reader, data, SECONDS), WALL_SECONDS, "about the file", "")
    except NotStartedError:
        raise
    except StructgenError as error:
        fault = error.what
        if isinstance(error, EndedError) and error.code == OUT_OF_TIME:
            fault = f"The file cannot be read within {SECONDS:g} seconds of processor time."
        raise OptionError(fault, cure=_CURE if error.where else error.cure) from error
    except Exception as error:  # whatever a library raises for a file with faults
        fault = f"The file cannot be read: {error!r:.200}."
        raise OptionError(fault, cure=_CURE) from error
    return text


def _call_reader(reader: FileReader, data: bytes, seconds: float) -> Text:
    bound_processor_time(seconds)
    return reader(data)
