"""The fewest tokens that write a text: the measure of `tokens_to_finish`."""

from __future__ import annotations

import numba
import numpy as np

from structgen.machine.compiled import entry
from structgen.machine.memory import load8, load32, load64, store32

IMPOSSIBLE = 1 << 30


@entry("int64(int64, int64, int64, int64, int64, int64)")
def fewest_tokens(trie, count, first, text, size, best):
    """Return the fewest tokens that write text[0:size], or IMPOSSIBLE;
    best[i] (int32) is that of text[i:size].

    Dynamic programming from the end; the optimum of a rest is the rest of an optimum. Cost:
    the trie nodes on the way.
    """
    store32(best, size, 0)
    for i in range(size - 1, -1, -1):
        least = numba.int64(IMPOSSIBLE)
        node = load32(first, load8(text, i))
        at = i
        while node >= 0:
            word = load64(trie, node)
            at += 1
            if (word >> 20) & 0xFFFFF > 0:
                rest = load32(best, at) + 1
                if rest < least:
                    least = rest
            if at == size:
                break
            end, byte = (word >> 40) & 0xFFFFFF, load8(text, at)
            child = node + 1
            node = numba.int64(-1)
            while child < end:
                other = load64(trie, child)
                if other & 255 == byte:
                    node = child
                    break
                if other & 255 > byte:
                    break
                child = (other >> 40) & 0xFFFFFF
        store32(best, i, least)
    return load32(best, 0)


def scratch(size: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Return room for the optima of a text of `size` bytes."""
    return np.empty(size + 1, np.int32)
