"""Printing: all commands print through this module, which escapes control characters for the terminal.

`echo` and `console` print messages, names and tables. `payload` prints a generated document as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from structgen.printable import json_text, printable

if TYPE_CHECKING:
    from rich.console import Console


def echo(text: str = "", *, err: bool = False) -> None:
    """Print lines of text (to stderr: `err`), printable."""
    typer.echo(printable(text), err=err)


def echo_json(value: Any) -> None:
    """Print a value as one line of JSON in ASCII."""
    typer.echo(json.dumps(value))


def echo_json_text(value: Any) -> None:
    """Print a value as one line of JSON whose strings are readable in all languages, and printable."""
    typer.echo(json_text(value))


def payload(text: str, *, newline: bool = True) -> None:
    """Print text exactly as it is: what a command returns to whoever reads its output."""
    typer.echo(text, nl=newline)


def console(*, stderr: bool = False, highlight: bool = True) -> Console:
    """Return a rich console that escapes control characters in all text, and keeps its own colours."""
    from rich.console import Console
    from rich.segment import Segment

    class Printable(Console):
        def render(self, *arguments: Any, **options: Any) -> Any:
            for segment in super().render(*arguments, **options):
                yield segment if segment.control else Segment(printable(segment.text), segment.style)

    return Printable(stderr=stderr, highlight=highlight)


class CommandGroup(TyperGroup):
    """The group of all commands. Messages about wrong usage repeat what was typed, escaped."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the command line, as typer does."""
        with _readable():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run a command, as typer does."""
        with _readable():
            return super().invoke(ctx)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # of click's errors, which typer brings along under a name of its own
        message = getattr(error, "message", None)
        if isinstance(message, str):
            error.message = printable(message)  # type: ignore[attr-defined]
        raise
