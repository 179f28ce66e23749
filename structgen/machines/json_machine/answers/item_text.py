"""The text of an item from the labels of its log."""

from __future__ import annotations

from types import MappingProxyType

from structgen.automata.unicode.decoded_text import decode_text
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.schema.reading.json_values import json_string

_CLOSING = MappingProxyType({b'"': b'"', b"{": b"}", b"[": b"]"})
_LITERALS = MappingProxyType({b"t": b"true", b"f": b"false", b"n": b"null"})


def text_of(labels: list[int]) -> bytes:
    """Return JSON text, without white space between tokens, from the labels of its log."""
    out = bytearray()
    at = 0
    while at < len(labels):
        label = labels[at]
        at += 1
        if label != L.KEY_BEGINS:
            out.append(label)
            continue
        end = at
        while end < len(labels) and labels[end] != L.KEY_ENDS:
            end += 1
        key = bytes(labels[at:end])
        is_whole = end < len(labels)  # the last key may still be written
        out += b'"' + (json_string(decode_text(key))[1:] if is_whole else _begun_key_text(key))
        at = end + 1
    return bytes(out)


def _begun_key_text(key: bytes) -> bytes:
    """Return the JSON text of the beginning of a key, which may end inside a character."""
    # Without the bytes of the last character, up to three of them, it is a text.
    end = len(key)
    while True:
        try:
            return json_string(decode_text(key[:end]))[1:-1] + key[end:]
        except UnicodeDecodeError:
            end -= 1


def close_text(text: bytes) -> bytes:
    """Return the text of a value of which at most the last byte of its last token is missing."""
    first = text[:1]
    if first in _LITERALS:
        return _LITERALS[first]
    return text + _CLOSING.get(first, b"")
