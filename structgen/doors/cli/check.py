"""`structgen check`: validate texts against a schema or grammar; say where the first fault is, and why."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from structgen.base.printable import printable
from structgen.base.system.output_files import file_error
from structgen.doors.cli.flags import OF_LARK, POLICIES
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo, echo_json, print_error, standard_input
from structgen.doors.cli.position import TextStop
from structgen.doors.cli.target_language import TargetLanguage

if TYPE_CHECKING:
    from structgen.base.language.expectation import Expected
    from structgen.machines.core.compiled import CompiledGrammar


Inside: TypeAlias = "tuple[int, int] | None"
"""The line and column in the string of a grammar."""


def _has_colours() -> bool:
    """Return whether standard output gets colours: a terminal does, unless NO_COLOR is set and not empty;
    FORCE_COLOR has other outputs get them too."""
    is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    is_forced = os.environ.get("FORCE_COLOR", "0") not in ("", "0")
    return (is_terminal or is_forced) and not os.environ.get("NO_COLOR")


def find_stop(language: CompiledGrammar, data: bytes) -> TextStop | None:
    """Return the position at which a text leaves the language; None for a text of the language. Cost:
    linear."""
    state, length = language.live_part(data)
    is_word = length == len(data) and language.accepts_end(state)
    return None if is_word else TextStop(state, data, length)


@takes_options("schema", "type", "grammar", "regex", "json", more_names=("ebnf", *OF_LARK, *POLICIES))
def check(
    options: CommandOptions,
    text: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[TEXT_FILE|-]...", help="The texts; - is standard input.", show_default=False
        ),
    ] = None,
) -> None:
    """Validate files against a schema, a grammar or a regular expression.

    For a file that is not valid, print the line, column and byte of the first fault, and what was expected.

    A schema is read under the widest policies: each JSON text of a valid value is valid. Options narrow them.

    Exit status: 0 all files are valid; 1 one is not; 2 wrong usage, or a file, the schema or the grammar is
    not usable. A file that cannot be read is told, and the others are checked.
    """
    import structgen
    from structgen.machines.core.compiled import place_in_string
    from structgen.tokens.tokenizer import byte_tokenizer

    texts, status, colours = text or [Path("-")], 0, _has_colours()
    language = TargetLanguage(options)
    language.check()
    assert language.grammar is not None, "checked before"
    compiled = structgen.compile(language.grammar, byte_tokenizer())
    is_json = bool(options.select_given(("schema", "type")))
    for file in texts:
        name = "standard input" if str(file) == "-" else str(file)
        try:
            stop = find_stop(compiled, standard_input().read() if str(file) == "-" else file.read_bytes())
        except OSError as error:
            print_error(file_error(error, name), "json" in options)
            status = 2
            continue  # the other files are checked
        status = max(status, int(stop is not None))
        expected = [] if stop is None else compiled.expected(stop.state)
        inside = None if stop is None else place_in_string(expected, stop.data[: stop.byte])
        printed_name = printable(name, lines=False)
        if "json" in options:
            verdict = {"valid": True} if stop is None else _stop_object(stop, expected, inside)
            echo_json({"text": name, **verdict} if len(texts) > 1 else verdict)
        elif stop is None:
            line = f"{_paint(f'{printed_name}:', bold=True)} {_paint('valid', fg='green')}"
            typer.echo(line, color=colours)
        else:
            typer.echo(_describe_stop(printed_name, stop, expected, inside, is_json), color=colours)
            # the commonest fault of files: an editor has ended the line
            if stop.following == b"\n" and compiled.accepts_end(stop.state):
                cure = f": (?:{options.get('regex')})\\n?" if "regex" in options else " in the grammar."
                echo(f"The text ends in a line feed. Remove it (printf '%s' writes none), or allow one{cure}")
    raise typer.Exit(status)


def _stop_object(stop: TextStop, expected: Sequence[Expected], inside: Inside) -> dict[str, object]:
    """Return a fault as a JSON object, as `--json` prints it."""
    return {
        "valid": False,
        "line": stop.line,
        "column": stop.column,
        "byte": stop.byte,
        **({"string": dict(zip(("line", "column"), inside, strict=True))} if inside else {}),
        "found": stop.character,
        "expected": [
            {"what": item.what, "sources": list(item.sources)}
            | ({"read_before": item.read_before} if item.read_before else {})
            for item in expected
        ],
    }


def _paint(text: str, **style: Any) -> str:
    """Return a text, printable, in a style of `typer.style`."""
    return typer.style(printable(text), **style)


def _describe_stop(
    name: str,
    stop: TextStop,
    expected: Sequence[Expected],
    inside: Inside,
    is_json: bool,
) -> str:
    """Return the lines that describe a fault, painted and printable.

    `name`: that of the text; `inside`: the position in the string of a grammar, None outside of one;
    `is_json`: whether the language is JSON, whose common faults get a hint. For example, the first line is
    `a.json:1:8 (byte 7): unexpected "x"`.
    """
    line, caret = stop.excerpt_lines()
    byte, gutter = stop.byte, str(stop.line)
    fault = "unexpected end of text"
    if stop.character is not None:
        fault = f"unexpected {json.dumps(stop.character)}"
    if stop.is_not_utf8:
        fault = f"byte 0x{stop.data[stop.character_offset]:02X} is not UTF-8. Save the text as UTF-8."
        expected = () if byte > stop.character_offset else expected
        byte = stop.character_offset  # the fault is the character's first byte
    lines = [
        f"{_paint(f'{name}:{stop.line}:{stop.column}', bold=True)} (byte {byte}): "
        + _paint(fault, fg="red", bold=True),
        f"  {_paint(f'{gutter} |', dim=True)} {printable(line)}",
        f"  {_paint(' ' * len(gutter) + ' |', dim=True)} {_paint(caret, fg='red', bold=True)}",
    ]
    for number, item in enumerate(expected):
        head = "expected " if number == 0 else "      or "
        source = f"  (from {', '.join(item.sources)})" if item.sources else ""
        lines.append(head + _paint(item.what, fg="green") + _paint(source, dim=True))
    if inside:
        lines.append(f"In the text of the string it is line {inside[0]}, column {inside[1]}.")
    # signs have one reading; a word may be a keyword or a name
    readings = {item.read_before: None for item in expected if re.search(r"\w", item.read_before)}
    lines += [printable(f"The text before was read as {' or '.join(readings)}.")] if readings else []
    extra_key = re.match(rb'\s*,\s*("[^"\\]*")', stop.following)
    is_after_value = '"}"' in [item.what for item in expected] and not stop.line_start.rstrip().endswith(b"{")
    # a key that is not allowed there, after a whole member
    if is_json and extra_key is not None and is_after_value:
        key = extra_key[1].decode("utf-8", "replace")
        lines.append(printable(f"The object has no further keys: {key} is not allowed."))
    if is_json and stop.byte == 0 and stop.following.startswith(b"\xef\xbb\xbf"):
        lines.append("JSON text must not begin with a byte order mark (RFC 8259, section 8.1). Remove it.")
    return "\n".join(lines)
