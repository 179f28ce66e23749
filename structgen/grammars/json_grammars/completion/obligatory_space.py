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


def _gap(indent: bytes | None, before: bytes, after: bytes, level: int) -> bytes:
    """Return the white space between two tokens; `indent`: None for one line, `level`: the open brackets
    before it."""
    if before == b":":
        return b" "
    if before == b",":
        return b" " if indent is None else b"\n" + indent * level
    opens, closes = before in (b"{", b"["), after in (b"}", b"]")
    return b"" if indent is None or opens == closes else b"\n" + indent * (level - closes)


def _with_space(
    text: bytes, indent: bytes | None, before: bytes = b"", level: int = 0, written: int = 0
) -> bytes:
    """Return compact text with its white space; `written`: how much of that before it is there."""
    out = []
    for after in _PARTS.findall(text):
        out += [_gap(indent, before, after, level)[written:], after]
        level += (after in (b"{", b"[")) - (after in (b"}", b"]"))
        before, written = after, 0
    return b"".join(out)


def ready(machine: Inspection, index: int) -> int:
    """Return the state after the white space that the policy makes obligatory. Where the next JSON token
    decides whether there is any, it is written only if some of it is there."""
    regs = machine.registers(index)
    mode, written = regs.mode, regs.position
    before = _BEFORE.get(mode)
    if machine.space[0] not in _OBLIGING or before is None or not (written or before in (b":", b",")):
        return index
    after = b"}" if mode in (L.M_MEMBER, L.M_ITEM) else b""
    return machine.after(index, _gap(_indent(machine), before, after, machine.brackets(regs))[written:])


def spaced(machine: Inspection, text: bytes, index: int) -> bytes:
    """Return the completion of a state outside of escapes, a compact text, with the white space that the
    policy makes obligatory."""
    if machine.space[0] not in _OBLIGING:
        return text
    regs = machine.registers(index)
    mode, begun, before, written = regs.mode, b"", b"", 0
    if mode in QUOTED:
        quoted = _IN_QUOTES.match(text)
        begun = b"" if quoted is None else quoted[0]
    elif mode in _BEFORE:
        before, written = _BEFORE[mode], regs.position
    rest = text[len(begun) :]
    return begun + _with_space(rest, _indent(machine), before, machine.brackets(regs), written)


def one_line(text: bytes) -> bytes:
    """Return compact text, from outside of strings on, with the blanks of the policy "oneline"."""
    return _with_space(text, None) if b"," in text or b":" in text else text


def _indent(machine: Inspection) -> bytes | None:
    return machine.space[1] if machine.space[0] == L.SPACE_INDENT else None
