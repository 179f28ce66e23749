"""`text_of` makes the JSON text of an array's item from the labels of its log.

- An *item* is an element of an array, whose text may matter (as in `uniqueItems`).
- A *log* is the text of an item without white space, label by label. A *label* is a byte, or KEY_BEGINS or
  KEY_ENDS: between the two are the decoded bytes of a key.

For example, the labels `{`, KEY_BEGINS, `a`, KEY_ENDS, `:`, `1` make the text `{"a":1`.
"""

from __future__ import annotations

from types import MappingProxyType

from structgen.automata.unicode.decoded_text import decode_text
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.schema.reading.json_values import json_string

_CLOSING = MappingProxyType({b'"': b'"', b"{": b"}", b"[": b"]"})
_LITERALS = MappingProxyType({b"t": b"true", b"f": b"false", b"n": b"null"})


def text_of(labels: list[int]) -> bytes:
    """Return the JSON text of a log, without white space between tokens. The item may be unfinished."""
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
    """Return the JSON text of an unfinished key, after its quote. It may end inside a character."""
    # Up to three bytes of an unfinished character are kept as they are; the bytes before them are a text.
    end = len(key)
    while True:
        try:
            return json_string(decode_text(key[:end]))[1:-1] + key[end:]
        except UnicodeDecodeError:
            end -= 1


def close_text(text: bytes) -> bytes:
    """Return the whole text of a value that lacks at most its last byte; a literal, by its first letter."""
    first = text[:1]
    if first in _LITERALS:
        return _LITERALS[first]
    return text + _CLOSING.get(first, b"")
