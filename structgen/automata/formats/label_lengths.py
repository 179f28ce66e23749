"""Labels of non-ASCII letters, limited by the length of their Punycode (RFC 3492); compiled.

That length depends on every letter, so a thread of a LETTERS instruction is the text that it has read, as a
linked list: (instruction, 0, the thread before, the letter). Its value is the number of octets of the
A-label. Every text is an end, because no rule of a label forbids these letters anywhere.
"""

from __future__ import annotations

import numpy as np

from structgen.automata.programs.determinizer_tables import (
    NONE,
    P_KINDS,
    P_RANGES,
    P_STARTS,
    UNSET,
    VALUE,
    ZERO,
    heap_of,
    intern,
    keys_of,
    prog_of,
    spec_of,
)
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
def class_of_point(A, s, point):  # type: ignore[no-untyped-def]
    """Return the class of a code point."""
    low, high = np.int64(0), np.int64(spec_of(A)[s, P_RANGES])
    starts = spec_of(A)[s, P_STARTS]
    while high - low > 1:
        middle = (low + high) // 2
        if heap_of(A)[starts + middle] <= point:
            low = middle
        else:
            high = middle
    return heap_of(A)[spec_of(A)[s, P_KINDS] + low]


@jit
def after_letter(A, t, point, class_):  # type: ignore[no-untyped-def]
    """Return the thread after a LETTERS thread and a letter; -1 for another character, or if the label is too
    long."""
    keys, prog = keys_of(A), prog_of(A)
    if (
        not prog[keys[t, 0], 3] <= point <= prog[keys[t, 0], 4]
        or heap_of(A)[prog[keys[t, 0], 1] + class_] == 0
    ):
        return NONE
    u = intern(A, keys[t, 0], ZERO, t, point)
    if keys_of(A)[u, VALUE] == UNSET:
        text = np.empty(MOST_OCTETS + 1, np.int64)
        length, at = np.int64(0), u
        while keys_of(A)[at, 3] != 0:
            text[MOST_OCTETS - length] = keys_of(A)[at, 3]
            length += 1
            at = keys_of(A)[at, 2]
        keys_of(A)[u, VALUE] = a_label_octets(text[MOST_OCTETS + 1 - length :], length)
    return u if keys_of(A)[u, VALUE] <= MOST_OCTETS else NONE
