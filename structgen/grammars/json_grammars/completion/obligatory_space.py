"""Adds the white space that a policy demands to a completion, which is found as compact text first.

A *policy* of white space says how a model may write it. Two make it obligatory: one line (`{"a": 1}`), and an
*indent*, with each item on a line of its own. A *token* is a bracket, a comma, a colon, a string, a number or
a literal. A *gap* is the white space between two tokens. A *mode* tells what a state may read next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from structgen.grammars.json_grammars.completion.next_characters import QUOTED
from structgen.machines.json_machine.inspection import Inspection
from structgen.machines.json_machine.tables import json_blocks as L

_PARTS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|[][{},:]|[^][{},:"]+', re.DOTALL)
"""A token of compact JSON text."""
_IN_QUOTES: Final = re.compile(rb'(?:[^"\\]|\\.)*"?', re.DOTALL)
"""The rest of a string, with its closing quote."""
_OBLIGING: Final = (L.SPACE_ONELINE, L.SPACE_INDENT)
"""The policies that make white space obligatory."""
_BEFORE: Final[Mapping[int, bytes]] = {
    L.M_VALUE: b":",
    L.M_KEYS: b",",
    L.M_NEXT: b",",
    L.M_OBJECT: b"{",
    L.M_ARRAY: b"[",
    **dict.fromkeys((L.M_DOC, L.M_COLON, L.M_MEMBER, L.M_ITEM), b""),
}
"""Mode of a state between two tokens -> the token before, which decides on the gap; b"": the token after
alone decides, or there is no gap."""


def _gap_between(indent: bytes | None, token_before: bytes, token_after: bytes, level: int) -> bytes:
    """Return the white space between two tokens. `indent`: the white space of one level, None for one line;
    `level`: the number of open brackets before the gap. Between b"{" and a key at level 1 it is b"\\n  "."""
    if token_before == b":":
        return b" "
    if token_before == b",":
        return b" " if indent is None else b"\n" + indent * level
    opens = token_before in (b"{", b"[")
    closes = token_after in (b"}", b"]")
    # both hold in an empty object or array; neither holds before a comma or a colon
    if indent is None or opens == closes:
        return b""
    return b"\n" + indent * (level - closes)


def _with_space(
    text: bytes,
    indent: bytes | None,
    token_before: bytes = b"",
    level: int = 0,
    written_count: int = 0,
) -> bytes:
    """Return compact text with the white space between its tokens: on one line `{"a":1}` becomes `{"a": 1}`.

    `indent`: the white space of one level, None for one line. `token_before`, `level`: the token and the
    number of open brackets before the text. `written_count`: how many bytes of the first gap are written
    already, and left out."""
    spaced: list[bytes] = []
    for token in _PARTS.findall(text):
        gap = _gap_between(indent, token_before, token, level)
        spaced += [gap[written_count:], token]
        if token in (b"{", b"["):
            level += 1
        elif token in (b"}", b"]"):
            level -= 1
        token_before = token
        written_count = 0  # only the first gap may be written in part
    return b"".join(spaced)


def state_after_space(machine: Inspection, index: int) -> int:
    """Return the state after the obligatory white space that comes next in the state `index`. After a
    bracket or a value, the next token decides whether there is white space. There it is read only if a part
    of it is written already; otherwise `index` itself is returned."""
    kind, _ = machine.space
    registers = machine.registers(index)
    written_count = registers.position
    token_before = _BEFORE.get(registers.mode)
    if kind not in _OBLIGING or token_before is None:
        return index
    if not written_count and token_before not in (b":", b","):
        return index
    token_after = b"}" if registers.mode in (L.M_MEMBER, L.M_ITEM) else b""
    gap = _gap_between(_indent_of(machine), token_before, token_after, machine.brackets(registers))
    return machine.state_after(index, gap[written_count:])


def with_obligatory_space(machine: Inspection, text: bytes, index: int) -> bytes:
    """Return a completion with its obligatory white space. `text`: the completion as compact text; `index`:
    the state in which it begins, which is not inside an escape."""
    kind, _ = machine.space
    if kind not in _OBLIGING:
        return text
    registers = machine.registers(index)
    string_rest = b""
    token_before = b""
    written_count = 0
    if registers.mode in QUOTED:
        # the text begins inside a string, where `:` and `,` are characters
        string_match = _IN_QUOTES.match(text)
        string_rest = b"" if string_match is None else string_match[0]
    elif registers.mode in _BEFORE:
        token_before = _BEFORE[registers.mode]
        written_count = registers.position
    rest = text[len(string_rest) :]
    level = machine.brackets(registers)
    return string_rest + _with_space(rest, _indent_of(machine), token_before, level, written_count)


def one_line(text: bytes) -> bytes:
    """Return compact text with the blanks of the policy "oneline": `[1,2]` gives `[1, 2]`. The text does not
    begin inside a string."""
    if b"," not in text and b":" not in text:
        return text
    return _with_space(text, None)


def _indent_of(machine: Inspection) -> bytes | None:
    """Return the indent of one level; None where the policy writes one line."""
    kind, indent = machine.space
    return indent if kind == L.SPACE_INDENT else None
