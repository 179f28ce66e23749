"""The masks of terminals: looked up in the store by content, or walked and kept there."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.json_machine.records.terminal_walks import buffer_row, clear_row, leftovers
from structgen.json_machine.tables import json_blocks as L
from structgen.machine_core.growing_tables import COUNT, GrowingTables
from structgen.machine_core.workspace import Left, Workspace
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of
from structgen.store.mask_store import VocabularyStore
from structgen.store.terminal_records import Crossing, Record
from structgen.tokens.trie import TrieArrays, build_trie
from structgen.tokens.trie_nodes import fields_of

_MOST_LEFT = 1024
_LEAVES = {L.M_SPACE: b"s", L.M_KEY: b"k", L.M_QUOTED_KEY: b"k"}
"""What may be left over differs by what was closed: white space, a key, or a value."""


FREE_TERMINAL = (L.M_STRING, 0, 0, -1, 0, 0)
"""The identity of the free string's terminal."""


def content_key(identity: Sequence[int], automaton: bytes, context: npt.NDArray[np.int64]) -> bytes:
    """Return the store's key of a terminal: what it is (the leading words of its row, its automaton's state),
    without the grammar it was met in."""
    mode = identity[L.TerminalKey.mode]
    if mode == L.M_NUMBER:
        rest, escapes = (mode, 0, 0, -1), 0
    else:
        rest = (
            mode,
            identity[L.TerminalKey.lexeme] >> L.ESCAPE_SHIFT,
            identity[L.TerminalKey.least],
            identity[L.TerminalKey.most],
        )
        string = mode == L.M_STRING or mode == L.M_QUOTED_STRING
        escapes = int(context[L.JsonContext.escapes if string else L.JsonContext.key_escapes])
    return blake2b(automaton + repr((rest, escapes)).encode(), digest_size=16).digest()


def space_key(identity: list[int], masks: VocabularyStore) -> bytes:
    """Return the store's key of a white space terminal; every grammar asks for the same few."""
    words = tuple(identity[: L.TerminalKey.spare])
    key = masks.space_keys.get(words)
    if key is None:
        key = blake2b(b"white space" + repr(words).encode(), digest_size=16).digest()
        masks.space_keys[words] = key
    return key


class Harvest(NamedTuple):
    """What the walk of a terminal found."""

    inside: npt.NDArray[np.int32]
    """The tokens that stay inside, ascending; none where `row` has them."""
    row: npt.NDArray[np.int32] | None
    """The same as a row of bits, where they are many."""
    crossings: Left
    number: int | None = None
    """The row's number in the store, where it is one of its own."""


_NONE: npt.NDArray[np.int32] = np.empty(0, np.int32)


def harvest(tables: GrowingTables, space: Workspace, mode: int, masks: VocabularyStore) -> Harvest:
    """Return what the last walk of a terminal left in the workspace; many tokens inside make a row."""
    context = tables.context
    crossings = left_over(tables, space, mode, masks)
    count = int(context[L.JsonContext.buffer_count])
    if context[L.JsonContext.removed]:
        number, row = masks.free[int(context[L.JsonContext.escapes])]
        if count:
            number, row = None, row.copy()
            clear_row(tables.address, address_of(row))
        return Harvest(_NONE, row, crossings, number)
    if count >= masks.dense:
        row = np.empty(int(context[word_of(L.JsonContext, "vocabulary", "mask_words")]), np.int32)
        buffer_row(tables.address, address_of(row))
        return Harvest(_NONE, row, crossings)
    inside = space.buffer[:count].copy()
    inside.sort()
    return Harvest(inside, None, crossings)


def left_over(tables: GrowingTables, space: Workspace, mode: int, masks: VocabularyStore) -> Left:
    """Return what the tokens leave over that closed the terminal walked last, by its outcomes."""
    crossings = space.crossed[: 3 * int(tables.context[L.JsonContext.crossed_count])]
    where = _LEAVES.get(mode, b"v") + crossings.tobytes()
    found = space.left.get(where)
    if found is None:
        found = {}
        for outcome in set(crossings[::3].tolist()):
            data, offsets, owners, exact = leftovers(tables.address, outcome, mode)
            whole = bool((crossings[1::3][crossings[::3] == outcome] < 0).any())
            found[outcome] = (masks.shared(build_trie(data, offsets, owners)), exact, whole)
        if len(space.left) >= _MOST_LEFT:
            space.left.clear()
        space.left[where] = found
    return found


def install(tables: GrowingTables, index: int, record: Record, outcomes: list[int]) -> None:
    """Write a record into a terminal's row; `outcomes` are this grammar's numbers
    of its crossings' outcomes."""
    count = len(outcomes)
    first = tables.extend(L.T_CROSS, record.block, count) if count else tables.count(L.T_CROSS)
    if any(outcomes):
        tables.rows(L.T_CROSS)[first : first + count, 0] = outcomes
    # `crossings` says that the row is there; it is written with the rest
    tables.rows(L.T_TERMINAL)[index, L.JsonTerminal.dense_row : L.JsonTerminal.crossing_count + 1] = (
        *record.words,
        first,
        count,
    )


def remove(tables: GrowingTables, index: int) -> None:
    """Forget what was installed for a terminal: it is asked again when a mask needs it."""
    row = tables.rows(L.T_TERMINAL)[index]
    first, count = int(row[L.JsonTerminal.crossings]), int(row[L.JsonTerminal.crossing_count])
    if first + count == tables.count(L.T_CROSS):
        tables.context[L.T_CROSS + COUNT] = first
    row[L.JsonTerminal.crossings] = -1


def make_crossings(found: Left, sets: dict[int, frozenset[int]]) -> tuple[Crossing, ...]:
    """Return the crossings of a record, outcomes as sets."""
    return tuple(
        Crossing(sets[outcome], trie, exact, whole) for outcome, (trie, exact, whole) in found.items()
    )


def less(whole: Record, removed: npt.NDArray[np.int32], key: bytes, masks: VocabularyStore) -> Record:
    """Return a record without some tokens, in order, put into the store under its key."""
    if not len(removed):
        row = None if whole.row < 0 else masks.rows[whole.row]
        return masks.put(key, whole.tokens, whole.crossings, row, None if whole.row < 0 else whole.row)
    inside, row = np.setdiff1d(whole.tokens, removed, assume_unique=True), None
    if whole.row >= 0:
        inside, row = _NONE, masks.rows[whole.row] & ~masks.dense_row(removed)
    gone = np.zeros(32 * masks.words, np.bool_)
    gone[removed] = True
    crossings = tuple(_without(one, gone) for one in whole.crossings)
    return masks.put(key, inside, tuple(one for one in crossings if not _is_empty(one)), row)


def _without(crossing: Crossing, gone: npt.NDArray[np.bool_]) -> Crossing:
    """Return a crossing without the tokens of a bitmap; it is the same object where it has none of them."""
    trie, kept = crossing.trie, ~gone[crossing.trie.slot_ids]
    exact = crossing.exact[~gone[crossing.exact]]
    if kept.all():
        if len(exact) == len(crossing.exact):
            return crossing
        return Crossing(crossing.outcome, trie, exact, crossing.whole)
    owners = trie.slot_ids[kept]
    data, offsets = _spelled(trie, kept)
    return Crossing(crossing.outcome, build_trie(data, offsets, owners), exact, crossing.whole)


def _spelled(
    trie: TrieArrays, kept: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the texts of those tokens of a trie that are kept, in the order of its slots, and where each
    begins. Cost: some 0.5 us a node."""
    texts: list[bytes] = []
    path = bytearray()
    for node in trie.nodes.tolist():
        byte, depth, slot, _end = fields_of(node)
        del path[depth - 1 :]
        path.append(byte)
        if slot:
            first, end = int(trie.slot_start[slot - 1]), int(trie.slot_start[slot])
            texts += [bytes(path)] * int(np.count_nonzero(kept[first:end]))
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return np.frombuffer(b"".join(texts), np.uint8), offsets


def _is_empty(crossing: Crossing) -> bool:
    return not len(crossing.trie.slot_ids) and not len(crossing.exact)
