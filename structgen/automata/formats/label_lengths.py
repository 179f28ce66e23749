"""Labels of non-ASCII letters, limited by the length of their Punycode (RFC 3492); compiled.

That length depends on every letter, so a thread of a LETTERS instruction is the text that it has read, as a
linked list: (instruction, 0, the thread before, the letter). Its value is the number of octets of the
A-label. Every text is an end, because no rule of a label forbids these letters anywhere.
"""

from __future__ import annotations

import numpy as np

from structgen.automata.programs.determinizer_tables import NONE, UNSET, StringTables, intern
from structgen.native.jit import jit

MOST_OCTETS = 63
"""The most octets of a label (RFC 1034, section 3.1)."""


@jit
def a_label_octets(text, length):  # type: ignore[no-untyped-def]
    """Return the octets of the A-label of code points beyond ASCII: four, and the digits of RFC 3492,
    section 6.3.

    Cost: some microseconds.
    """
    n, delta, bias, done, octets = 128, 0, 72, 0, 4
    while done < length:
        least = 0x110000
        for i in range(length):
            if n <= text[i] < least:
                least = text[i]
        delta += (least - n) * (done + 1)
        n = least
        for i in range(length):
            if text[i] < n:
                delta += 1
            if text[i] != n:
                continue
            left, k = delta, 36
            while True:
                octets += 1
                threshold = min(max(k - bias, 1), 26)
                if left < threshold:
                    break
                left = (left - threshold) // (36 - threshold)
                k += 36
            delta = delta // 700 if done == 0 else delta // 2
            done += 1
            delta += delta // done
            k = 0
            while delta > 455:
                delta //= 35
                k += 36
            bias = k + 36 * delta // (delta + 38)
            delta = 0
        delta += 1
        n += 1
    return octets


@jit
def range_of_point(p: StringTables, s: int, point: int) -> int:
    """Return the range of a spec's partition that holds a code point."""
    low, high = 0, p.specs[s].ranges
    starts = p.specs[s].starts
    while high - low > 1:
        middle = (low + high) // 2
        if p.heap[starts + middle] <= point:
            low = middle
        else:
            high = middle
    return low


@jit
def class_of_point(p: StringTables, s: int, point: int) -> int:
    """Return the class of a code point."""
    return p.heap[p.specs[s].kinds + range_of_point(p, s, point)]


@jit
def after_letter(p: StringTables, t: int, point: int, class_: int) -> int:
    """Return the thread after a LETTERS thread and a letter; -1 for another character, or if the label is too
    long."""
    if (
        not p.code[p.keys[t].what].c <= point <= p.code[p.keys[t].what].d
        or p.heap[p.code[p.keys[t].what].a + class_] == 0
    ):
        return NONE
    u = intern(p, p.keys[t].what, 0, t, point)
    if p.keys[u].value == UNSET:
        text = np.empty(MOST_OCTETS + 1, np.int64)
        length, at = 0, u
        while p.keys[at].third != 0:
            text[MOST_OCTETS - length] = p.keys[at].third
            length += 1
            at = p.keys[at].second
        p.keys[u].value = a_label_octets(text[MOST_OCTETS + 1 - length :], length)
    return u if p.keys[u].value <= MOST_OCTETS else NONE
