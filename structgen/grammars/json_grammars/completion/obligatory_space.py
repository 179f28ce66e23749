"""The white space that a policy makes obligatory, in a completion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from structgen.grammars.json_grammars.completion.next_characters import QUOTED
from structgen.machines.json_machine.inspection import Inspection
from structgen.machines.json_machine.tables import json_blocks as L

_PARTS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|[][{},:]|[^][{},:"]+', re.DOTALL)
_IN_QUOTES: Final = re.compile(rb'(?:[^"\\]|\\.)*"?', re.DOTALL)
_OBLIGING: Final = (L.SPACE_ONELINE, L.SPACE_INDENT)
_BEFORE: Final[Mapping[int, bytes]] = {
    L.M_VALUE: b":",
    L.M_KEYS: b",",
    L.M_NEXT: b",",
    L.M_OBJECT: b"{",
    L.M_ARRAY: b"[",
    **dict.fromkeys((L.M_DOC, L.M_COLON, L.M_MEMBER, L.M_ITEM), b""),
}
"""The token that decides about the white space before the next one, by the mode of a state between two."""


def _gap_between(indent: bytes | None, token_before: bytes, token_after: bytes, level: int) -> bytes:
    """Return the white space between two tokens; `indent`: None for one line, `level`: the open brackets
    before it. For example, b"\\n  " between b"{" and a key at level 1."""
    if token_before == b":":
        return b" "
    if token_before == b",":
        return b" " if indent is None else b"\n" + indent * level
    opens = token_before in (b"{", b"[")
    closes = token_after in (b"}", b"]")
    # both: an empty object or array; neither: inside a member
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
    """Return compact text with its white space. `token_before`, `level`: the token and the open brackets
    before it; `written_count`: how much of the white space before it is there. For example, `{"a":1}` becomes
    `{"a": 1}` on one line."""
    spaced: list[bytes] = []
    for token in _PARTS.findall(text):
        gap = _gap_between(indent, token_before, token, level)
        spaced += [gap[written_count:], token]
        if token in (b"{", b"["):
            level += 1
        elif token in (b"}", b"]"):
            level -= 1
        token_before = token
        written_count = 0  # only of the first gap something is written
    return b"".join(spaced)


def state_after_space(machine: Inspection, index: int) -> int:
    """Return the state after the white space that the policy makes obligatory. Where the next JSON token
    decides whether there is any, it is written only if some of it is there."""
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
    """Return the completion of a state outside of escapes, a compact text, with the white space that the
    policy makes obligatory."""
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
    """Return compact text, from outside of strings on, with the blanks of the policy "oneline"."""
    if b"," not in text and b":" not in text:
        return text
    return _with_space(text, None)


def _indent_of(machine: Inspection) -> bytes | None:
    """Return the indent of one level; None where the policy writes one line."""
    kind, indent = machine.space
    return indent if kind == L.SPACE_INDENT else None
