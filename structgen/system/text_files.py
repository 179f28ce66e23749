"""The texts of files: schemas, grammars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from structgen.errors import GrammarError, LimitError


def read_text(path: Path, fault: type[GrammarError] = GrammarError, *, encoding: str = "utf-8") -> str:
    """Return what a file says, each line break as a newline; `encoding`: UTF-8, or `utf-8-sig`, which takes a
    mark before it. Raises a `fault` where the file cannot be read, or is not UTF-8."""
    try:
        return path.read_text(encoding)
    except OSError as error:
        raise fault(
            f"The file cannot be read: {error.strerror or error}.", where=str(path), cure="Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise fault(
            f"Byte {error.start} of the file is not UTF-8: 0x{error.object[error.start]:02x}.",
            where=str(path),
            cure="Save it as UTF-8.",
        ) from error


@contextmanager
def errors_name(file: str | None) -> Iterator[None]:
    """Put a file's name before the place of each error of a block; None: there is no file."""
    try:
        yield
    except (GrammarError, LimitError) as error:
        if file is not None:
            error.name_file(file)
        raise
