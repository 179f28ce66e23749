"""The texts of files: schemas, grammars."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from structgen.base.errors import GrammarError, OptionError

_TO_SCHEMAS = "Read a JSON Schema with sg.json_schema; in the shell: --schema FILE."


def read_text(path: Path, fault: type[GrammarError] = GrammarError) -> str:
    """Return the text of a file in UTF-8, each line break as a newline, without a byte order mark. Raises a
    `fault` where the file cannot be read, or is not UTF-8."""
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
    """Have an OSError of a block that names no file, as that of a full disk does, name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise


def grammar_text(source: str | os.PathLike[str], where: str, cure: str) -> tuple[str, str | None]:
    """Return the text of a grammar that is given as one or as a path, without a byte order mark, and its
    file. Raises `OptionError` for something else (`where`, `cure`), `GrammarError` for JSON."""
    file = os.fspath(source) if isinstance(source, os.PathLike) else None
    text = source if file is None else read_text(Path(file))
    if not isinstance(text, str):
        raise OptionError(
            f"A grammar is a text or a path, not a {type(source).__name__}.",
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
