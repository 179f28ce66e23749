"""Local parts of mailboxes, measured in octets (RFC 5321, section 4.5.3.1.1), as parts of programs.

A separate pattern that counts would make some 500 product states for a few addresses, in 6 ms. Here one
state is the place and the length together: 170 states, in 1 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from structgen.automata.programs.instructions import CHAR, SPLIT
from structgen.automata.programs.thompson_construction import ProgramBuilder
from structgen.automata.unicode.charsets import Ranges, union

MOST_OCTETS: Final = 64
"""Octets of a local part, quotation marks included (RFC 5321, section 4.5.3.1.1)."""

_WIDTHS: Final = ((0, 0x7F), (0x80, 0x7FF), (0x800, 0xFFFF), (0x10000, 0x10FFFF))
"""The code points that UTF-8 writes with 1, 2, 3 and 4 octets."""


def local_part(builder: ProgramBuilder, atom: Ranges, quoted: Ranges, after: int) -> int:
    """Emit a local part of at most 64 octets and an `@` before `after`; return its start.

    `atom`: the characters of an atom; `quoted`: those in quotation marks without a backslash. Dots join
    atoms, and any printing ASCII character may follow a backslash (section 4.1.2). Some 1,000 instructions
    for ASCII, else some 1,700.
    """
    at_sign = builder.put(CHAR, builder.set(_one("@")), after)
    dot, quote, slash = (builder.set(_one(char)) for char in '."\\')
    escaped = builder.set(((0x20, 0x7E),))
    atoms, texts = _by_width(builder, atom), _by_width(builder, quoted)

    def goes_on(kinds: Sequence[tuple[int, int]], at: int, to: dict[int, int]) -> list[int]:
        return [builder.put(CHAR, chars, to[at + width]) for width, chars in kinds if at + width in to]

    inside: dict[int, int] = {}  # octets read -> the instruction in an atom
    begun: dict[int, int] = {}  # the same behind a dot, and at the start
    for at in range(MOST_OCTETS, -1, -1):
        more = goes_on(atoms, at, inside)
        if more:
            begun[at] = either(builder, more)
        if at:
            joined = [builder.put(CHAR, dot, begun[at + 1])] if at + 1 in begun else []
            inside[at] = either(builder, [at_sign, *more, *joined])
    within: dict[int, int] = {}  # octets read, the first mark included -> the instruction between the marks
    for at in range(MOST_OCTETS - 1, 0, -1):
        edges = [builder.put(CHAR, quote, at_sign), *goes_on(texts, at, within)]
        if at + 2 in within:
            edges.append(builder.put(CHAR, slash, builder.put(CHAR, escaped, within[at + 2])))
        within[at] = either(builder, edges)
    return either(builder, [begun[0], builder.put(CHAR, quote, within[1])])


def either(builder: ProgramBuilder, targets: Sequence[int]) -> int:
    """Emit a choice of instructions; return its start."""
    first, *rest = targets
    for other in rest:
        first = builder.put(SPLIT, first, other)
    return first


def _one(char: str) -> Ranges:
    return ((ord(char), ord(char)),)


def _by_width(builder: ProgramBuilder, ranges: Ranges) -> list[tuple[int, int]]:
    """Return (octets, number of the set) for the characters of 1, 2, 3 and 4 octets in a set."""
    found = []
    for width, (low, high) in enumerate(_WIDTHS, 1):
        part = union((max(low, a), min(high, b)) for a, b in ranges if a <= high and b >= low)
        if part:
            found.append((width, builder.set(part)))
    return found
