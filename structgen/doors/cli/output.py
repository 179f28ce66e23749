"""Printing: all commands print through this module, which escapes control characters for the terminal.

A text is *printable* if its control characters are replaced by escapes that are visible, so that a document
cannot change the terminal. The *payload* of a command is the generated text, which is printed unchanged.
`echo` and `echo_table` print messages, names and tables. `print_payload` prints the payload. `refuse` prints
an error and ends the command: to *refuse* is to stop with a message and a cure.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import typer
from typer.core import TyperGroup

from structgen.base.errors import OptionError, StructgenError
from structgen.base.printable import json_text, printable
from structgen.base.system.output_files import file_error
from structgen.doors.cli.flags import GONE, NAMES, RENAMED


def echo(text: str = "", *, err: bool = False) -> None:
    """Print lines of text, made printable. `err`: whether they go to stderr."""
    typer.echo(printable(text), err=err)


def echo_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, err: bool = False) -> None:
    """Print a table of aligned columns. Columns of numbers are aligned to the right.

    A cell that is wider than its column goes on in the next line. `head`: the name of each column, or "";
    without any name the table has no head. `err`: whether the table goes to stderr.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(head))
    # a column of numbers needs a head: without one, digits may be part of words
    for name, *cells in zip(head, *rows, strict=True):
        is_number = bool(name and cells) and all(cell[:1].isdigit() for cell in cells)
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell, lines=False)) for cell in row))
    console = Console(stderr=err, highlight=False)
    with console.capture() as lines:
        console.print(table)
    # blanks at the ends of lines are removed, also before the escape sequences of colours
    printed_table = re.sub(r" +((?:\x1b\[[0-9;]*m)*)$", r"\1", lines.get(), flags=re.MULTILINE)
    typer.echo(printed_table, nl=False, err=err, color=console.is_terminal)


def echo_json(value: Any) -> None:
    """Print a value as one line of JSON in ASCII."""
    typer.echo(json.dumps(value))


def echo_json_text(value: Any) -> None:
    """Print a value as one line of JSON whose strings are readable in all languages, and printable."""
    typer.echo(json_text(value))


def print_payload(text: str, *, newline: bool = True) -> None:
    """Print the payload of a command exactly as it is. `newline`: whether a line feed is added."""
    typer.echo(text, nl=newline)


def standard_input() -> BinaryIO:
    """Return the stream of standard input. On a terminal, first print on stderr that input is expected."""
    if sys.stdin.isatty():
        echo("Reading standard input (end with Ctrl-D) ...", err=True)
    return sys.stdin.buffer


def has_piped_input() -> bool:
    """Return whether standard input exists and is not a terminal: it is then a pipe or a file."""
    return sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()


def read_input(file: Path, option: str) -> str:
    """Return the text of a file, or of standard input for `-`. Line ends become line feeds.

    `option`: the name of the option that named the file, for errors. Raises OptionError if the file cannot be
    read, or is not UTF-8.
    """
    name = "standard input" if str(file) == "-" else str(file)
    try:
        data = standard_input().read() if str(file) == "-" else file.read_bytes()
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise file_error(error, name, option) from error
    except UnicodeDecodeError as error:
        raise OptionError(
            f"Byte {error.start} of {name} is not UTF-8: 0x{error.object[error.start]:02x}.",
            where=option,
            cure="Save the text as UTF-8 (iconv -f LATIN1 -t UTF-8 converts one).",
        ) from error


def refuse(error: StructgenError | OSError, as_json: bool, status: int = 2) -> NoReturn:
    """Print an error and end the command with an exit status. `as_json`: as in `print_error`."""
    print_error(error, as_json)
    raise typer.Exit(status)


@contextmanager
def refuse_errors(as_json: bool) -> Iterator[None]:
    """Print a StructgenError or an OSError that the block raises, and end the command."""
    try:
        yield
    except (StructgenError, OSError) as error:
        refuse(error, as_json)


def print_error(error: StructgenError | OSError, as_json: bool) -> None:
    """Print an error: on stdout as a JSON object if `as_json`, else as a line on stderr."""
    if isinstance(error, BrokenPipeError):
        raise error  # the reader of the output has ended, as `head` does: typer ends the command silently
    if isinstance(error, OSError) and not isinstance(error, StructgenError):
        error = file_error(error, "standard output" if error.filename is None else str(error.filename))
    if as_json:
        report = {"kind": type(error).__name__, "message": str(error)}
        if isinstance(error, StructgenError):
            report["where"] = error.where
        echo_json({"error": report})
    else:
        echo(f"{type(error).__name__}: {error}", err=True)


class CommandGroup(TyperGroup):
    """The group of all commands. Messages about wrong usage repeat what was typed, escaped."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the command line as typer does; messages about wrong usage are escaped."""
        with _escape_messages():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run a command as typer does. An error that the command does not handle is printed by `refuse`."""
        with _escape_messages():
            try:
                return super().invoke(ctx)
            except (StructgenError, OSError) as error:
                refuse(error, False)


@contextmanager
def _escape_messages() -> Iterator[None]:
    """Change the messages about wrong usage that a block raises: make them printable, and add hints."""
    try:
        yield
    except Exception as error:
        # errors of click have a message; typer contains click under another name, so the class is not asked
        message = getattr(error, "message", None)
        if isinstance(message, str):
            extra = re.search(r"^Got unexpected extra argument.*? \((.+)\)$", message, re.DOTALL)
            if extra is not None:
                message += _hint_of_option(extra[1], getattr(error, "ctx", None))
            if message.startswith("No such option"):
                message += _hint_of_name(str(getattr(error, "option_name", "")), getattr(error, "ctx", None))
            error.message = printable(message)  # type: ignore[attr-defined]
        raise


def _hint_of_option(text: str, context: Any) -> str:
    """Return a hint for a text without an option: `a.json` -> `. Write --schema a.json`.

    `text`: the text on the command line. `context`: click's context, or None. The hint is "" if the command
    does not have the option.
    """
    option_names = (
        {name for parameter in context.command.params for name in parameter.opts} if context else ()
    )
    option_by_suffix = {".json": "--schema", ".lark": "--grammar", ".gbnf": "--grammar", ".ebnf": "--grammar"}
    option = option_by_suffix.get(Path(text).suffix, "--prompt")
    return f". Write {option} {shlex.quote(text)}" if option in option_names else ""


def _hint_of_name(option: str, context: Any) -> str:
    """Return a hint for an option that is not a flag here: how to write it, or which command has it.

    `option`: the option as it was typed. `context`: click's context, or None. The hint is "" if no command
    has the option.
    """
    command = str(getattr(context, "info_name", ""))
    name = option.lstrip("-").replace("-", "_").removeprefix("no_")
    name = RENAMED.get(name, name)
    if name in GONE.get(command, {}):
        return f". {GONE[command][name]}."
    if name in NAMES.get(command, ()):
        return f". Write -o {name}=VALUE."
    commands = [command_name for command_name in NAMES if name in NAMES[command_name]]
    return f". The option belongs to structgen {commands[0]}." if commands and command in NAMES else ""
