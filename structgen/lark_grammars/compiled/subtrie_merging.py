"""Subtries of a byte trie put together as one: what tokens have left over behind some of its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled.registers import (
    D_COUNT,
    D_IDS,
    D_NODES,
    D_SLOTS,
    D_STARTS,
    D_TOKENS,
    D_WORDS,
)
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import address_of, load32, load64, store32, store64
from structgen.tokens.trie_nodes import DEPTH_SHIFT, END_SHIFT, SLOT_SHIFT

_DEPTH, _SLOT = (1 << SLOT_SHIFT - DEPTH_SHIFT) - 1, (1 << END_SHIFT - SLOT_SHIFT) - 1
_SKIP = (1 << 64 - END_SHIFT) - 1
_BYTES, _DEEPEST = 256, 4098
_NODES, _STARTS, _IDS, _JOBS, _COUNT, _WORDS, _ENDED, _MADE, _NUMBERS, _SCRATCH = range(10)
"""Addresses of the trie, of jobs and how many, of what `Merged` has, and of scratch."""
_ROOTS, _ROOT_COUNT, _BELOW, _JOB = range(4)
"""A job: the address of its roots, how many, and whether their bytes do not belong to the trie."""


class Merged(NamedTuple):
    """Tries that were made together."""

    nodes: npt.NDArray[np.uint64]
    numbers: npt.NDArray[np.int32]
    """Of all tries: where slots start, token ids, and the tokens that end at their roots."""
    words: npt.NDArray[np.int64]
    """[tries, D_WORDS]: with addresses in the arrays above."""
    ended: npt.NDArray[np.int64]
    """[tries, 2]: the address of the tokens that end at the roots, and how many; none where the roots' bytes
    belong to the trie."""


def merged(trie: tuple[int, int, int], wanted: Sequence[tuple[npt.NDArray[np.int64], int]]) -> Merged:
    """Return tries (see `trie.TrieArrays`), each of which has below its root what lies at and below some
    nodes of another (or, where 1 stands behind them, only below them), that is given by the addresses of its
    nodes, the slots' starts and their ids. Ids of equal texts share a slot. None of the nodes of one may lie
    below another.

    Cost: 20 us, 2 ns for each node that is taken over alone, and some 20 where several meet.
    """
    jobs = np.array([(address_of(roots), len(roots), below) for roots, below in wanted], np.int64)
    words, ended = np.zeros((len(wanted), D_WORDS), np.int64), np.zeros((len(wanted), 2), np.int64)
    held = np.zeros(_SCRATCH + 1, np.int64)
    held[:_MADE] = *trie, address_of(jobs), len(jobs), address_of(words), address_of(ended)
    at = address_of(held)
    room = _measure(at)
    made, numbers = np.empty(held[_MADE], np.uint64), np.empty(held[_NUMBERS], np.int32)
    scratch = np.empty(4 * room + _BYTES + _DEEPEST, np.int32)
    held[_MADE:] = address_of(made), address_of(numbers), address_of(scratch)
    _merge(at)
    # where several met there is room left
    made.resize(int(words[-1, D_NODES] >> 3) + int(words[-1, D_COUNT]), refcheck=False)
    numbers.resize(int(ended[-1, 0] >> 2) + int(ended[-1, 1]), refcheck=False)
    words[:, D_NODES] += address_of(made)
    words[:, [D_STARTS, D_IDS]] += address_of(numbers)
    ended[:, 0] += address_of(numbers)
    return Merged(made, numbers, words, ended)


@jit
def _last_of(nodes, node):
    """Return the node behind a subtree."""
    return (load64(nodes, node) >> END_SHIFT) & _SKIP


@jit
def _slot_of(nodes, node):
    """Return the slot of a node, plus one; 0: it has none."""
    return (load64(nodes, node) >> SLOT_SHIFT) & _SLOT


@jit
def _slots_of(nodes, node, last):
    """Return the first slot of a subtree, plus one, and the last one's: there is one at each leaf."""
    while _slot_of(nodes, node) == 0:
        node += 1
    return _slot_of(nodes, node), _slot_of(nodes, last - 1)


@entry("int64(int64)")
def _measure(w):
    """Write how many nodes, and numbers, all tries take at most. Returns how many nodes one does."""
    nodes, starts, jobs = load64(w, _NODES), load64(w, _STARTS), load64(w, _JOBS)
    total, numbers, room = 0, 0, 0
    for _ in range(load64(w, _COUNT)):
        before = total
        for i in range(load64(jobs, _ROOT_COUNT)):
            root = load64(load64(jobs, _ROOTS), i)
            behind = _last_of(nodes, root)
            first, last = _slots_of(nodes, root, behind)
            total += behind - root
            numbers += last - first + 1 + load32(starts, last) - load32(starts, first - 1)
        numbers += 1
        room = max(room, total - before)
        jobs += 8 * _JOB
    store64(w, _MADE, total)
    store64(w, _NUMBERS, numbers)
    return room


@jit
def _list(nodes, node, last, entry, entries, heads, span):
    """Put a node and those beside it into the lists of their bytes; the span is the bytes that have one, the
    first in its low bits. Returns how many entries there are then, and the span."""
    low, high = span & 0xFF, span >> 8
    while node < last:
        byte = load64(nodes, node) & 0xFF
        store32(entry, 2 * entries, node)
        store32(entry, 2 * entries + 1, load32(heads, byte))
        store32(heads, byte, entries)
        entries += 1
        low, high = min(low, byte), max(high, byte)
        node = _last_of(nodes, node)
    return entries, low + (high << 8)


@jit
def _take(w, begins, held, target, first, last, filled):
    """Write the ids of the slots first..last, the first plus one, behind `filled` others, and where they end
    from slot `target` on. Returns how many ids there are then."""
    starts, ids = load64(w, _STARTS), load64(w, _IDS)
    begin, end = load32(starts, first - 1), load32(starts, last)
    for i in range(end - begin):
        store32(held, filled + i, load32(ids, begin + i))
    for i in range(last - first + 1):
        store32(begins, target + i, load32(starts, first + i) - begin + filled)
    return filled + end - begin


@jit
def _close(made, open_at, deepest, depth, written):
    """Have all subtries that are open from a depth on end here."""
    while deepest >= depth:
        node = load32(open_at, deepest)
        store64(made, node, load64(made, node) | written << END_SHIFT)
        deepest -= 1
    return deepest


@jit
def _make(w, job, made, begins, held):
    """Make one trie. Returns how many nodes, slots and tokens it has."""
    nodes, below = load64(w, _NODES), load64(job, _BELOW)
    # the list of each byte that is being made, entries (node, the next one), nodes that are open, by depth,
    # and what is to be written (depth, list)
    heads = load64(w, _SCRATCH)
    open_at = heads + 4 * _BYTES
    entry = open_at + 4 * _DEEPEST
    entries, waiting, written, used, filled, deepest = 0, 0, 0, 0, 0, 0
    span = 255
    store32(begins, 0, 0)
    for byte in range(_BYTES):
        store32(heads, byte, -1)
    total = 0
    for i in range(load64(job, _ROOT_COUNT)):
        root = load64(load64(job, _ROOTS), i)
        total += _last_of(nodes, root) - root
        entries, span = _list(nodes, root + below, _last_of(nodes, root), entry, entries, heads, span)
    frames = entry + 8 * total
    depth = 0
    while True:
        # what was sorted by bytes waits, the first byte on top
        for byte in range(span >> 8, (span & 0xFF) - 1, -1):
            if load32(heads, byte) >= 0:
                store32(frames, 2 * waiting, depth + 1)
                store32(frames, 2 * waiting + 1, load32(heads, byte))
                store32(heads, byte, -1)
                waiting += 1
        span = 255
        if waiting == 0:
            break
        waiting -= 1
        depth, at = load32(frames, 2 * waiting), load32(frames, 2 * waiting + 1)
        deepest = _close(made, open_at, deepest, depth, written)
        source = load32(entry, 2 * at)
        if load32(entry, 2 * at + 1) < 0:
            # alone: the whole subtrie is copied
            last = _last_of(nodes, source)
            first, final = _slots_of(nodes, source, last)
            filled = _take(w, begins, held, used + 1, first, final, filled)
            # what is added to all words, and to those with a slot
            sunk = ((load64(nodes, source) >> DEPTH_SHIFT) & _DEPTH) - depth
            moved = ((written - source) << END_SHIFT) - (sunk << DEPTH_SHIFT)
            slid = (used + 1 - first) << SLOT_SHIFT
            for i in range(last - source):
                word = load64(nodes, source + i)
                there = word & (_SLOT << SLOT_SHIFT) != 0
                store64(made, written + i, word + moved + (slid if there else 0))
            used += final - first + 1
            written += last - source
            continue
        byte = load64(nodes, source) & 0xFF
        before = filled
        while at >= 0:
            source = load32(entry, 2 * at)
            slot = _slot_of(nodes, source)
            if slot != 0:
                filled = _take(w, begins, held, used + 1, slot, slot, filled)
            last = _last_of(nodes, source)
            entries, span = _list(nodes, source + 1, last, entry, entries, heads, span)
            at = load32(entry, 2 * at + 1)
        slot = 0
        if filled > before:
            used += 1
            slot = used
        store64(made, written, byte | depth << DEPTH_SHIFT | slot << SLOT_SHIFT)
        deepest = depth
        store32(open_at, depth, written)
        written += 1
    _close(made, open_at, deepest, 1, written)
    return written, used, filled


@jit
def _take_ids(w, slot, target, count):
    """Write the ids of a slot, plus one, behind `count` others. Returns how many there are then."""
    starts, ids = load64(w, _STARTS), load64(w, _IDS)
    for i in range(load32(starts, slot - 1), load32(starts, slot)):
        store32(target, count, load32(ids, i))
        count += 1
    return count


@entry("int64(int64)")
def _merge(w):
    """Make all tries, one behind the other; instead of addresses there are bytes from the arrays' beginnings
    on. Returns 0."""
    nodes, jobs, words, ended = load64(w, _NODES), load64(w, _JOBS), load64(w, _WORDS), load64(w, _ENDED)
    made, numbers = 0, 0
    for _ in range(load64(w, _COUNT)):
        begins = load64(w, _NUMBERS) + numbers
        # at first the ids stand where they have room in any case
        most = 1
        for i in range(load64(jobs, _ROOT_COUNT)):
            root = load64(load64(jobs, _ROOTS), i)
            first, last = _slots_of(nodes, root, _last_of(nodes, root))
            most += last - first + 1
        held = begins + 4 * most
        written, used, filled = _make(w, jobs, load64(w, _MADE) + made, begins, held)
        store64(words, D_NODES, made)
        store64(words, D_COUNT, written)
        store64(words, D_STARTS, numbers)
        store64(words, D_SLOTS, used + 1)
        store64(words, D_TOKENS, filled)
        made += 8 * written
        numbers += 4 * (used + 1)
        store64(words, D_IDS, numbers)
        if used + 1 < most:
            for i in range(filled):
                store32(begins, used + 1 + i, load32(held, i))
        numbers += 4 * filled
        store64(ended, 0, numbers)
        count = 0
        for i in range(load64(jobs, _ROOT_COUNT) if load64(jobs, _BELOW) != 0 else 0):
            slot = _slot_of(nodes, load64(load64(jobs, _ROOTS), i))
            if slot != 0:
                count = _take_ids(w, slot, load64(w, _NUMBERS) + numbers, count)
        store64(ended, 1, count)
        numbers += 4 * count
        jobs += 8 * _JOB
        words += 8 * D_WORDS
        ended += 16
    return 0
