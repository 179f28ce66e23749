"""`structgen check`: is a text in the language of a schema, and if not, where does it leave it and why."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Generic, Protocol, TypeVar

import typer

from structgen.cli.policies import SchemaOptions, refuse, takes_schema
from structgen.errors import StructgenError

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
class Stop(Generic[S]):
    """Where a text left the language: the last live state, its place, and what came next (b"": the end)."""

    state: S
    position: Position
    following: bytes


def walk(language: Recogniser[S], stream: BinaryIO, chunk: int = CHUNK) -> Stop[S] | None:
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
        return Stop(state, position, following)
    return None if language.accepts_end(state) else Stop(state, position, b"")


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


@takes_schema
def check(
    options: SchemaOptions,
    text: Annotated[
        Path,
        typer.Argument(metavar="TEXT_FILE|-", help="The text; - is standard input.", show_default=False),
    ] = Path("-"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say whether a text is a document of a schema, or the line, column and byte where it ceases to be one.

    The policies are the widest ones unless an option narrows them.

    Exit status: 0 valid, 1 not valid, 2 wrong usage or a schema that cannot be compiled.
    """
    import structgen
    from structgen.cli.tokens import byte_tokenizer

    try:
        grammar = options.grammar()
        compiled = structgen.compile(grammar, byte_tokenizer())
        name = "standard input" if str(text) == "-" else str(text)
        if str(text) == "-":
            stop = walk(compiled, sys.stdin.buffer)
        else:
            with text.open("rb") as stream:
                stop = walk(compiled, stream)
        if stop is None:
            typer.echo(json.dumps({"valid": True}) if as_json else f"{name}: valid")
            raise typer.Exit(0)
        expected = compiled.expected(stop.state)
    except (StructgenError, OSError) as error:
        refuse(error, as_json)
    typer.echo(_object(stop, expected) if as_json else _message(name, stop, expected))
    raise typer.Exit(1)


class Expected(Protocol):
    """One thing that may come next, and the schema places (JSON pointers) that ask for it."""

    @property
    def what(self) -> str: ...

    @property
    def sources(self) -> tuple[str, ...]: ...


def _object(stop: Stop[S], expected: Sequence[Expected]) -> str:
    return json.dumps(
        {
            "valid": False,
            "line": stop.position.line,
            "column": stop.position.column(stop.following),
            "byte": stop.position.byte,
            "found": found(stop.following),
            "expected": [{"what": item.what, "sources": list(item.sources)} for item in expected],
        }
    )


def _message(name: str, stop: Stop[S], expected: Sequence[Expected]) -> str:
    position, character = stop.position, found(stop.following)
    line, caret = position.excerpt(stop.following)
    what = "the text ends too early" if character is None else f"{json.dumps(character)} cannot come here"
    gutter = str(position.line)
    lines = [
        f"{name}:{position.line}:{position.column(stop.following)} (byte {position.byte}): {what}",
        f"  {gutter} | {line}",
        f"  {' ' * len(gutter)} | {caret}",
    ]
    for number, item in enumerate(expected):
        head = "expected " if number == 0 else "      or "
        lines.append(f"{head}{item.what}" + (f"  (from {', '.join(item.sources)})" if item.sources else ""))
    if position.byte == 0 and stop.following.startswith(b"\xef\xbb\xbf"):
        lines.append("JSON text must not begin with a byte order mark (RFC 8259, section 8.1). Remove it.")
    return "\n".join(lines)
