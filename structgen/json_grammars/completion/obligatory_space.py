"""The white space that a policy makes obligatory, in a completion."""

from __future__ import annotations

import re

from structgen.json_machine.inspection import Inspection, Registers
from structgen.json_machine.tables import json_blocks as L

_PARTS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[,:]', re.DOTALL)
_OBLIGING = (L.SPACE_ONELINE, L.SPACE_INDENT)


def ready(machine: Inspection, index: int) -> int:
    """Return the state once the white space is written that the policy makes obligatory (and was begun,
    where the next token decides about it)."""
    policy, _indent = machine.space
    if policy not in _OBLIGING:
        return index
    regs = machine.registers(index)
    mode, written = int(regs[L.MODE]), int(regs[L.AT])
    space = b""
    if mode == L.M_VALUE:
        space = b" "
    elif mode in (L.M_KEYS, L.M_NEXT):
        space = _break(machine, machine.brackets(regs)) if policy == L.SPACE_INDENT else b" "
    elif written and mode in (L.M_OBJECT, L.M_ARRAY):
        space = _break(machine, machine.brackets(regs))
    elif written and mode in (L.M_MEMBER, L.M_ITEM):
        space = _break(machine, machine.brackets(regs) - 1)
    return machine.after(index, space[written:])


def spaced(machine: Inspection, text: bytes, regs: Registers) -> bytes:
    """Return compact text with the white space that the policy makes obligatory."""
    policy, _indent = machine.space
    if policy not in _OBLIGING:
        return text
    mode, written = int(regs[L.MODE]), int(regs[L.AT])
    level = machine.brackets(regs)
    out = bytearray()

    def line(depth: int) -> bytes:
        return _break(machine, depth) if policy == L.SPACE_INDENT else b""

    def item(depth: int) -> bytes:
        return line(depth) if policy == L.SPACE_INDENT else b" "

    quoted = mode in (L.M_STRING, L.M_KEY, L.M_WORDS)
    closes = text[:1] in (b"}", b"]")
    opened = False
    first = b""
    if mode == L.M_VALUE:
        first = b" "
    elif mode in (L.M_KEYS, L.M_NEXT):
        first = item(level)
    elif mode in (L.M_OBJECT, L.M_ARRAY):
        opened = True
        first = b"" if closes else line(level)
    elif mode in (L.M_MEMBER, L.M_ITEM) and closes:
        first = line(level - 1)
    structural = not quoted and mode not in (L.M_LITERAL, L.M_NUMBER)
    if structural:
        out += first[written:]
    started = structural
    escaped = quoted and (int(regs[L.LEX]) >> L.ESCAPE_SHIFT) & 15 in (1, 7)
    for byte in text:
        if quoted:
            out.append(byte)
            if escaped:
                escaped = False
            elif byte == 92:
                escaped = True
            elif byte == 34:
                quoted = False
            started = False
            continue
        if byte in b"}]":
            level -= 1
            if not opened and not started:
                out += line(level)
            out.append(byte)
            opened = False
        else:
            if opened and not started:
                out += line(level)
            opened = False
            out.append(byte)
            if byte in b"{[":
                level += 1
                opened = True
            elif byte == 44:
                out += item(level)
            elif byte == 58:
                out += b" "
            elif byte == 34:
                quoted = True
        started = False
    return bytes(out)


def one_line(text: bytes) -> bytes:
    """Return compact text, from outside of strings on, with the blanks of the policy "oneline"."""
    if b"," not in text and b":" not in text:
        return text
    return _PARTS.sub(lambda part: part[0] + b" " if part[0] in b",:" else part[0], text)


def _break(machine: Inspection, level: int) -> bytes:
    return b"\n" + machine.space[1] * level
