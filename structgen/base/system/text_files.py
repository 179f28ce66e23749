"""Reads the texts of files, such as schemas and grammars.

A *byte order mark* is the character U+FEFF, with which some editors begin a file; it is left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from structgen.base.errors import GrammarError, OptionError

StrPath: TypeAlias = str | os.PathLike[str]
"""The path of a file, as `open` takes it."""
_TO_SCHEMAS = "Read a JSON Schema with sg.json_schema; in the shell: --schema FILE."


def read_text(path: Path, fault: type[GrammarError] = GrammarError) -> str:
    """Return the text of a file in UTF-8, with each line break as a line feed and no byte order mark.

    `fault`: the class of the error that is raised if the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise fault(
            f"The file cannot be read: {error.strerror or error}.",
            where=str(path),
            cure="Check the path.",
        ) from error
    except UnicodeDecodeError as error:
        raise fault(
            f"Byte {error.start} of the file is not UTF-8: 0x{error.object[error.start]:02x}.",
            where=str(path),
            cure="Save it as UTF-8.",
        ) from error


@contextmanager
def name_file_in_errors(path: Path) -> Iterator[None]:
    """Have an OSError that the block raises name this file if it names none, as the error of a full disk
    does."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise


def grammar_text(source: StrPath, where: str, cure: str) -> tuple[str, str | None]:
    """Return (text of a grammar without a byte order mark, path of its file or None).

    `source`: the text itself, or a path object. Raises `OptionError`, with `where` and `cure`, for another
    type; `GrammarError` for JSON, or a file that cannot be read.
    """
    file = os.fspath(source) if isinstance(source, os.PathLike) else None
    text = source if file is None else read_text(Path(file))
    if not isinstance(text, str):
        raise OptionError(
            f"A grammar must be a text or a path, got {type(source).__name__}.",
            where=where,
            cure=_TO_SCHEMAS if isinstance(source, dict) else cure,
        )
    # A text that a program read itself may still have its byte order mark.
    text = text.removeprefix("\ufeff")
    # People hand in a schema by mistake. Grammars may begin with a brace, too: only whole JSON is refused.
    if text.lstrip().startswith("{"):
        try:
            json.loads(text)
        except ValueError:
            return text, file
        raise GrammarError("This is JSON, not a grammar.", where=file or where, cure=_TO_SCHEMAS)
    return text, file
