"""The masks of terminals: what scans have found, for the store, and what the store has, for compiled code."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from structgen.json_machine.masks.terminal_lexer import leftovers
from structgen.json_machine.tables import json_blocks as L
from structgen.machine_core.growing_tables import COUNT, GrowingTables
from structgen.machine_core.workspace import Left, Workspace
from structgen.store.mask_store import VocabularyStore
from structgen.store.terminal_records import Crossing, Record
from structgen.tokens.trie import build_trie

_MOST_LEFT = 1024
_LEAVES = {L.M_SPACE: b"s", L.M_KEY: b"k"}
"""What may be left over differs by what was closed: white space, a key, or a value."""


def content_key(identity: Sequence[int], automaton: bytes, context: npt.NDArray[np.int64]) -> bytes:
    """Return the store's key of a terminal: what it is (the leading words of its row, its automaton's state),
    without the grammar it was met in."""
    mode = identity[L.TerminalKey.mode]
    if mode == L.M_NUMBER:
        rest, escapes = (mode, 0, 0, -1, 0), 0
    else:
        rest = (
            mode,
            identity[L.TerminalKey.lexeme] >> L.ESCAPE_SHIFT,
            identity[L.TerminalKey.least],
            identity[L.TerminalKey.most],
            identity[L.TerminalKey.quoted],
        )
        is_string = mode == L.M_STRING
        escapes = int(context[L.JsonContext.escapes if is_string else L.JsonContext.key_escapes])
    return blake2b(automaton + repr((rest, escapes)).encode(), digest_size=16).digest()


def space_key(identity: list[int], masks: VocabularyStore) -> bytes:
    """Return the store's key of a white space terminal; every grammar asks for the same few."""
    words = tuple(identity[: L.TerminalKey.quoted])
    key = masks.space_keys.get(words)
    if key is None:
        key = blake2b(b"white space" + repr(words).encode(), digest_size=16).digest()
        masks.space_keys[words] = key
    return key


def left_over(tables: GrowingTables, space: Workspace, crossings: npt.NDArray[np.int64], mode: int) -> Left:
    """Return what the tokens leave over that closed the terminal scanned last, by its outcomes; `crossings`
    are the rows of `LexemeCrossing`."""
    where = _LEAVES.get(mode, b"v") + crossings.tobytes()
    found = space.left.get(where)
    if found is None:
        found = {}
        for outcome in set(crossings[:, 1].tolist()):
            data, offsets, owners, exact = leftovers(tables.address, outcome, mode)
            found[outcome] = build_trie(data, offsets, owners), exact
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
    return tuple(Crossing(sets[outcome], trie, exact) for outcome, (trie, exact) in found.items())
