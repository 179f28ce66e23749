"""JSON values as keys of equality, and pieces of JSON text.

A *key of equality* is a hashable value that two JSON values share if and only if they are equal: 1 and 1.0
have the same one. A *piece* of text is kept as parts that are joined late (`JsonPieces`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

from structgen.base.errors import LimitError
from structgen.base.json_text.exact_json import Json, write_numeral
from structgen.base.json_text.raw_json import LONE, quote_string

MOST_BYTES = 1 << 26
"""The longest completion that is written out, in bytes."""

Digests: TypeAlias = dict[int, tuple[Json, bytes]]
"""Objects and arrays with their digests, by identity. So a value that is nested n deep is read once, and not
at each of n levels."""


def equality_key(value: Json, digests: Digests | None = None) -> Hashable:
    """Return a key that two JSON values share if and only if they are equal as JSON Schema has it.

    Numbers compare by value (1 = 1.0), objects without regard to the order of keys, and true is not 1.
    Containers are compared by a 32-byte digest: nested tuples would be hashed on the C stack, as deep as
    the value. Iterative: the depth of the value does not matter. `digests` holds the digests of containers
    that were met before, and takes those of all that are met; they must not change as long as it is used.
    """
    if value is None or isinstance(value, bool):
        return ("literal", value)
    if isinstance(value, (str, int, Decimal)):  # an int and a Decimal of the same value hash alike
        return value
    done: list[bytes] = []
    # A container is on the stack twice: first to put its children above it, then to join their digests.
    stack: list[tuple[Json, bool]] = [(value, False)]
    while stack:
        node, is_entered = stack.pop()
        if not isinstance(node, (dict, list)):
            done.append(_digest_of_scalar(node))
        elif is_entered:
            parts = [done.pop() for _ in node][::-1]
            kind = b"array"
            if isinstance(node, dict):
                kind = b"object"
                # Sorted by the digests of the keys: the order of an object's keys does not count.
                sorted_members = sorted(zip(map(_digest_of_scalar, node), parts, strict=True))
                parts = [part for member in sorted_members for part in member]
            done.append(_digest_parts(kind, *parts))
            if digests is not None:
                # The node is kept beside its digest: while it lives no other object gets its id.
                digests[id(node)] = node, done[-1]
        elif digests is not None and id(node) in digests:
            done.append(digests[id(node)][1])
        else:
            stack.append((node, True))
            children = node.values() if isinstance(node, dict) else node
            stack.extend((child, False) for child in reversed(children))
    return ("object" if isinstance(value, dict) else "array", done[0])


def _digest_parts(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=32)
    for part in parts:
        # The length before each part: other parts that join to the same bytes have another digest.
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _digest_of_scalar(value: bool | int | Decimal | str | None) -> bytes:
    if isinstance(value, str):
        # A string of JSON may hold lone surrogates, which UTF-8 refuses by default.
        return _digest_parts(b"string", value.encode("utf-8", "surrogatepass"))
    if value is None or isinstance(value, bool):
        return _digest_parts(b"literal", repr(value).encode())
    return _digest_parts(b"number", write_numeral(Decimal(value)).encode())


_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def can_be_written(text: str, *, lone: bool) -> bool:
    """Return whether a string can be written as JSON text.

    `lone`: lone surrogates may be written, as escapes. Two surrogates that would be a pair can never be
    written: their escapes mean another character (RFC 8259, section 7).
    """
    return text.isascii() or (_HALVES if lone else LONE).search(text) is None


@lru_cache(maxsize=65536)
def json_string(text: str) -> bytes:
    """Return the shortest JSON string literal of a decoded string, quotes included.

    As `json.dumps(ensure_ascii=False)` writes it; lone surrogates, which UTF-8 cannot encode, are escaped.
    """
    return quote_string(text).encode()


@lru_cache(maxsize=65536)
def ascii_string(text: str) -> bytes:
    """Return a string's JSON literal as `json.dumps(ensure_ascii=True)` writes it, quotes included."""
    return json.dumps(text).encode()


def string_order(text: str) -> tuple[int, bytes]:
    """Return the sort key under which the shortest JSON literal, then the smallest, comes first."""
    literal = json_string(text)
    return len(literal), literal


class JsonPieces:
    """A piece of JSON text, kept as parts and joined only when it is asked for.

    A witness of a schema nested n deep has length O(n) at each of n levels; joined at every level that would
    be O(n^2) bytes. Immutable; compared by `is_before`.
    """

    __slots__ = ("_flat", "length", "parts")

    def __init__(self, parts: tuple[bytes | JsonPieces, ...]) -> None:
        self.parts = parts
        self.length: int
        # A loop: `sum` would take almost twice as long, and there are many short texts.
        length = 0
        for part in parts:
            length += len(part) if isinstance(part, bytes) else part.length
        self.length = length
        self._flat: bytes | None = None

    def to_bytes(self) -> bytes:
        """Return the bytes; O(length), iterative. Raises LimitError (oracle_steps) past MOST_BYTES."""
        if self._flat is None:
            if self.length > MOST_BYTES:
                raise LimitError(
                    f"the shortest document from here has {self.length:,} bytes.",
                    limit="oracle_steps",
                    cure=f"Completions are written for texts of up to {MOST_BYTES:,} bytes.",
                )
            out: list[bytes] = []
            stack = list(reversed(self.parts))
            while stack:
                part = stack.pop()
                if isinstance(part, bytes):
                    out.append(part)
                elif part._flat is not None:
                    # It was joined before: texts share their parts.
                    out.append(part._flat)
                else:
                    stack.extend(reversed(part.parts))
            self._flat = b"".join(out)
        return self._flat

    def is_before(self, other: JsonPieces | None) -> bool:
        """Return whether this text is shorter than the other, or as long and smaller (None is the
        longest)."""
        if other is None:
            return True
        if self.length != other.length:
            return self.length < other.length
        if self.length > MOST_BYTES:
            return False  # neither text is ever written out
        return self is not other and self.to_bytes() < other.to_bytes()

    def __lt__(self, other: JsonPieces) -> bool:
        """Return `is_before`, for a heap."""
        return self.is_before(other)


EMPTY = JsonPieces(())
"""The empty text."""


def repeat_text(text: bytes | JsonPieces, times: int) -> JsonPieces:
    """Return a text repeated `times` times; O(log times)."""
    # By the binary digits of `times`: `text` is doubled for each digit, and the doubles share their parts.
    parts: list[bytes | JsonPieces] = []
    while times:
        if times & 1:
            parts.append(text)
        times >>= 1
        if times:
            text = JsonPieces((text, text))
    return JsonPieces(tuple(parts))
