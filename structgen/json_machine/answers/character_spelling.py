"""How a character of a listed string may be written in JSON text, and what of an escape is already there."""

from __future__ import annotations

from collections.abc import Iterator

from structgen.json_machine.tables import json_blocks as L
from structgen.schema.reading.json_values import ascii_string, json_string


def ways(rest: str, *, escapes: str) -> Iterator[bytes]:
    """Yield the ways of writing the first character of the rest of a word, or the quote that ends it.

    `escapes` is the policy: under all but "any" there is one way. A lone high surrogate is written
    together with what follows: only that tells it from half a pair.
    """
    if not rest:
        yield b'"'
        return
    shortest = (ascii_string if escapes == "ascii" else json_string)(rest[0])[1:-1]
    units = rest[0].encode("utf-16-be", "surrogatepass").hex()
    spelled = "".join("\\u" + units[at : at + 4] for at in range(0, len(units), 4)).encode()
    found = {shortest, spelled} if escapes == "any" else {shortest}
    if escapes == "any" and rest[0] == "/":
        found.add(b"\\/")
    if "\ud800" <= rest[0] < "\udc00":
        for text in _behind(rest[1:], escapes=escapes):
            yield from (way + text for way in found)
        return
    yield from found


def _behind(rest: str, *, escapes: str) -> Iterator[bytes]:
    """Yield the first character's ways of writing behind a lone high surrogate."""
    if rest and "\ud800" <= rest[0] < "\udc00":
        yield f"\\u{ord(rest[0]):04x}".encode()
    else:
        yield from ways(rest, escapes=escapes)


def begun(lex: int) -> bytes:
    """Return what is written of an escape, in lower case (LEX: escape state, digits, high surrogate)."""
    escape, value, high = (lex >> L.ESCAPE_SHIFT) & 15, (lex >> 32) & 0xFFFF, (lex >> 48) & 0x3FF
    text = ""
    if escape >= 6:
        text = f"\\u{0xD800 + high:04x}"
        escape -= 6
    if escape == 1:
        text += "\\"
    elif escape > 1:
        text += "\\u" + (f"{value:0{escape - 2}x}" if escape > 2 else "")
    return text.encode()


def either_case(text: bytes, at: int) -> bytes:
    """Return a byte of a way of writing, in both cases where it is a hexadecimal digit of an escape."""
    byte = text[at : at + 1]
    return byte + byte.upper() if text[:1] == b"\\" and at % 6 >= 2 and byte in b"abcdef" else byte
