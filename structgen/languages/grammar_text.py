"""The text of a grammar's file."""

from __future__ import annotations

from pathlib import Path

from structgen.errors import GrammarError


def grammar_text(path: Path) -> str:
    """Return what a file says. Raises GrammarError where it cannot be read, or is not UTF-8."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise GrammarError(
            f"The file cannot be read: {error.strerror or error}.", where=str(path), cure="Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise GrammarError(
            f"The file is not UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}.",
            where=str(path),
            cure="Save it as UTF-8.",
        ) from error
