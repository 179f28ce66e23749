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
    before it."""
    if token_before == b":":
        return b" "
    if token_before == b",":
        return b" " if indent is None else b"\n" + indent * level
    opens, closes = token_before in (b"{", b"["), token_after in (b"}", b"]")
    return b"" if indent is None or opens == closes else b"\n" + indent * (level - closes)


def _with_space(
    text: bytes, indent: bytes | None, token_before: bytes = b"", level: int = 0, written_count: int = 0
) -> bytes:
    """Return compact text with its white space; `written_count`: how much of that before it is there."""
    out = []
    for token in _PARTS.findall(text):
        out += [_gap_between(indent, token_before, token, level)[written_count:], token]
        level += (token in (b"{", b"[")) - (token in (b"}", b"]"))
        token_before, written_count = token, 0
    return b"".join(out)


def state_after_space(machine: Inspection, index: int) -> int:
    """Return the state after the white space that the policy makes obligatory. Where the next JSON token
    decides whether there is any, it is written only if some of it is there."""
    regs = machine.registers(index)
    mode, written_count = regs.mode, regs.position
    token_before = _BEFORE.get(mode)
    if (
        machine.space[0] not in _OBLIGING
        or token_before is None
        or not (written_count or token_before in (b":", b","))
    ):
        return index
    token_after = b"}" if mode in (L.M_MEMBER, L.M_ITEM) else b""
    return machine.state_after(
        index,
        _gap_between(_indent_of(machine), token_before, token_after, machine.brackets(regs))[written_count:],
    )


def with_obligatory_space(machine: Inspection, text: bytes, index: int) -> bytes:
    """Return the completion of a state outside of escapes, a compact text, with the white space that the
    policy makes obligatory."""
    if machine.space[0] not in _OBLIGING:
        return text
    regs = machine.registers(index)
    mode, string_rest, token_before, written_count = regs.mode, b"", b"", 0
    if mode in QUOTED:
        string_match = _IN_QUOTES.match(text)
        string_rest = b"" if string_match is None else string_match[0]
    elif mode in _BEFORE:
        token_before, written_count = _BEFORE[mode], regs.position
    rest = text[len(string_rest) :]
    return string_rest + _with_space(
        rest, _indent_of(machine), token_before, machine.brackets(regs), written_count
    )


def one_line(text: bytes) -> bytes:
    """Return compact text, from outside of strings on, with the blanks of the policy "oneline"."""
    return _with_space(text, None) if b"," in text or b":" in text else text


def _indent_of(machine: Inspection) -> bytes | None:
    return machine.space[1] if machine.space[0] == L.SPACE_INDENT else None
