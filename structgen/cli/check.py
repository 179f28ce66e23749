"""`structgen check`: validate texts against a schema or grammar; say where the first fault is, and why."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Generic, Protocol, TypeVar

import typer

from structgen.cli.flags import OF_LARK, POLICIES
from structgen.cli.named_options import Given, reads
from structgen.cli.output import (
    Color,
    Colours,
    echo,
    echo_json,
    echo_painted,
    painted,
    standard_input,
    tell,
    unreadable,
)
from structgen.cli.wanted_language import WantedLanguage
from structgen.printable import printable

if TYPE_CHECKING:
    from structgen.cli.position import Position

S = TypeVar("S")

CHUNK = 1 << 16
"""Bytes read at a time."""


class Recogniser(Protocol[S]):
    """What a walk needs of a compiled grammar."""

    @property
    def start(self) -> S: ...

    def step_bytes(self, state: S, data: bytes) -> S | None: ...

    def accepts_end(self, state: S) -> bool: ...


@dataclass(frozen=True, slots=True)
class TextStop(Generic[S]):
    """Where a text left the language: the last live state, its place, and what came next (b"": the end)."""

    state: S
    position: Position
    following: bytes


def walk(language: Recogniser[S], stream: BinaryIO, chunk: int = CHUNK) -> TextStop[S] | None:
    """Return where the text of `stream` leaves the language, or None if it is a word of it.

    Reads the stream once, `chunk` bytes at a time, in memory bounded by that. Linear in the text; in the
    chunk where the text dies, the byte is found by halving, since a prefix of a live prefix is live.
    """
    from structgen.cli.position import AFTER, Position

    position = Position()
    state = language.start
    while data := stream.read(chunk):
        after = language.step_bytes(state, data)
        if after is not None:
            state = after
            position.feed(data)
            continue
        low, high = 0, len(data)  # data[:low] is live and led to `state`, data[:high] is dead
        while high - low > 1:
            middle = (low + high) // 2
            after = language.step_bytes(state, data[low:middle])
            if after is None:
                high = middle
            else:
                state = after
                position.feed(data[low:middle])
                low = middle
        following = data[low:]
        if len(following) < 4 * (AFTER + 1):
            following += stream.read(4 * (AFTER + 1))
        return TextStop(state, position, following)
    return None if language.accepts_end(state) else TextStop(state, position, b"")


def found(following: bytes) -> str | None:
    """Return the character that the text goes on with (`\\xff` where it is no UTF-8), or None at its end."""
    if not following:
        return None
    for length in range(1, 5):
        try:
            return following[:length].decode("utf-8")
        except UnicodeDecodeError:
            continue
    return f"\\x{following[0]:02x}"


@reads("schema", "type", "grammar", "regex", more=("ebnf", *OF_LARK, *POLICIES))
def check(
    given: Given,
    text: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[TEXT_FILE|-]...", help="The texts; - is standard input.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each text.")] = False,
    color: Color = Colours.AUTO,
) -> None:
    """Validate files against a schema, a grammar or a regular expression.

    For a file that is not valid, print the line, column and byte of the first fault, and what was expected.

    A schema is read under the widest policies: each JSON text of a valid value is valid. Options narrow them.

    Exit status: 0 all files are valid; 1 one is not; 2 wrong usage, or a file, the schema or the grammar is
    not usable. A file that cannot be read is told, and the others are checked.
    """
    import structgen
    from structgen.tokens.tokenizer import byte_tokenizer

    texts, status, colours = text or [Path("-")], 0, color.wanted
    wanted = WantedLanguage(given)
    wanted.check()
    assert wanted.grammar is not None, "checked before"
    compiled = structgen.compile(wanted.grammar, byte_tokenizer())
    is_json = bool(given.some(("schema", "type")))
    for one in texts:
        name = "standard input" if str(one) == "-" else str(one)
        try:
            if str(one) == "-":
                stop = walk(compiled, standard_input())
            else:
                with one.open("rb") as stream:
                    stop = walk(compiled, stream)
        except OSError as error:
            tell(unreadable(error, name), as_json)
            status = 2
            continue
        status = max(status, int(stop is not None))
        expected = [] if stop is None else compiled.expected(stop.state)
        if as_json:
            said = _object(stop, expected)
            echo_json({"text": name, **said} if len(texts) > 1 else said)
        elif stop is None:
            shown = painted(f"{printable(name, lines=False)}:", colours, bold=True)
            echo_painted(f"{shown} {painted('valid', colours, fg='green')}")
        else:
            shown = printable(name, lines=False)
            echo_painted(_message(shown, stop, expected, is_json, colours))
            if stop.following == b"\n" and compiled.accepts_end(stop.state):
                echo(_line_feed_hint(given.get("regex")))
    raise typer.Exit(status)


def not_utf8(position: Position, following: bytes) -> str:
    """Return what to say of a character at the place that is not UTF-8, with its byte; else ""."""
    character = position.unfinished() + following[:4]
    if not following:
        return ""
    try:
        character.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start == 0:
            return f"byte 0x{character[0]:02X} is not UTF-8. Save the text as UTF-8."
    return ""


def _line_feed_hint(pattern: str | None) -> str:
    """Return how to mend a text whose only fault is the line feed at its end."""
    if pattern is None:
        how = "allow one in the grammar."
    else:
        how = f"allow one: (?:{pattern})\\n?" if "|" in pattern else f"allow one: {pattern}\\n?"
    return f"The text ends in a line feed. Remove it (printf '%s' writes none), or {how}"


class ExpectedNext(Protocol):
    """One thing that may come next, and what asks for it: places of a schema (JSON pointers), rules."""

    @property
    def what(self) -> str: ...

    @property
    def sources(self) -> tuple[str, ...]: ...

    @property
    def read_before(self) -> str: ...


def _object(stop: TextStop[S] | None, expected: Sequence[ExpectedNext]) -> dict[str, object]:
    if stop is None:
        return {"valid": True}
    return {
        "valid": False,
        "line": stop.position.line,
        "column": stop.position.column(stop.following),
        "byte": stop.position.byte,
        "found": found(stop.following),
        "expected": [
            {"what": item.what, "sources": list(item.sources)}
            | ({"read_before": item.read_before} if item.read_before else {})
            for item in expected
        ],
    }


def _message(
    name: str, stop: TextStop[S], expected: Sequence[ExpectedNext], is_json: bool, colours: bool
) -> str:
    """Return what to print of a fault: parts are printable, and painted where there are `colours`."""

    position, character = stop.position, found(stop.following)
    line, caret = position.excerpt(stop.following)
    what = "the text ends too early" if character is None else f"{json.dumps(character)} cannot come here"
    gutter, byte, column = str(position.line), position.byte, position.column(stop.following)
    blank = " " * len(gutter)
    if fault := not_utf8(position, stop.following):
        begun = position.unfinished()  # the fault is its first byte
        what, byte = fault, byte - len(begun)
        column = position.column(begun[1:] + b"\x80") if begun else column
        expected = () if begun else expected
    lines = [
        painted(f"{name}:{position.line}:{column}", colours, bold=True)
        + f" (byte {byte}): "
        + painted(what, colours, fg="red", bold=True),
        f"  {painted(f'{gutter} |', colours, dim=True)} {printable(line)}",
        f"  {painted(f'{blank} |', colours, dim=True)} {painted(caret, colours, fg='red', bold=True)}",
    ]
    for number, item in enumerate(expected):
        head = "expected " if number == 0 else "      or "
        source = f"  (from {', '.join(item.sources)})" if item.sources else ""
        lines.append(head + painted(item.what, colours, fg="green") + painted(source, colours, dim=True))
    # signs are read as themselves alone; a word may be a keyword or a name
    before = {item.read_before: None for item in expected if re.search(r"\w", item.read_before)}
    lines += [printable(f"The text before was read as {' or '.join(before)}.")] if before else []
    extra = re.match(rb'\s*,\s*("[^"\\]*")', stop.following)
    is_after_value = '"}"' in [item.what for item in expected] and not position.is_after(b"{")
    if is_json and extra is not None and is_after_value:
        lines.append(
            printable(
                f"The object takes no further key: {extra[1].decode('utf-8', 'replace')} is one too many."
            )
        )
    if is_json and position.byte == 0 and stop.following.startswith(b"\xef\xbb\xbf"):
        lines.append("JSON text must not begin with a byte order mark (RFC 8259, section 8.1). Remove it.")
    return "\n".join(lines)
