"""What tokens do inside a lexeme, made into a record's arrays (`lark_records`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.languages import lark_layout as K
from structgen.machine.tables import address_of
from structgen.masks.trie import build_trie
from structgen.masks.vocabulary import Vocabulary


class Shape:
    """Makes records over one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        data, offsets = vocabulary.token_data, vocabulary.token_offset
        lengths = np.diff(offsets)
        self.first_bytes: npt.NDArray[np.uint8] = np.zeros(vocabulary.vocab_size, np.uint8)
        """[V]: of tokens without bytes 0."""
        self.first_bytes[lengths > 0] = data[offsets[:-1][lengths > 0]]
        there = np.flatnonzero(vocabulary.first[:256] >= 0)
        self._roots, self._root_bytes = vocabulary.first[there], there.astype(np.int32)
        self._nodes = vocabulary.nodes.view(np.int64)

    def record(self, noted: npt.NDArray[np.int64], newline: int) -> list[npt.NDArray[Any]]:
        """Return a record, and behind it the arrays whose addresses it holds. Cost: some milliseconds where
        half of the tokens stay inside."""
        inside = noted[:, 0] < 0
        groups, kept = self._groups(noted[inside, 1], noted[inside, 2])
        crossings = noted[~inside]
        kind = crossings[:, 2] & K.KIND_BITS
        terminal = (crossings[:, 2] >> K.TERMINAL_SHIFT) & K.TERMINAL_BITS
        # where a newline ends, its column matters: it is followed
        left = (kind == K.MV_BEFORE) & (terminal != newline)
        tries = []
        for one in np.unique(terminal[left]).tolist():
            arrays = self._left_over(crossings[left & (terminal == one), 0])
            tries.append((one, address_of(arrays[0]), len(arrays[0]), *map(address_of, arrays[1:])))
            kept += arrays
        followed = self._followed(crossings[~left])
        rows = np.array(tries, np.int64).reshape(-1, 5)
        kept += [groups, rows, followed]
        record = np.zeros(6, np.int64)
        record[K.R_GROUP_COUNT], record[K.R_GROUPS] = len(groups), address_of(groups)
        record[K.R_TRIE_COUNT], record[K.R_TRIES] = len(rows), address_of(rows)
        record[K.R_CROSSING_COUNT], record[K.R_CROSSINGS] = len(followed), address_of(followed)
        return [record, *kept]

    def _tokens(self, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the positions of ranges, one behind the other."""
        sizes = last - first
        ends = np.cumsum(sizes)
        return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(first - (ends - sizes), sizes)

    def _groups(
        self, endings: npt.NDArray[np.int64], slots: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[Any]]]:
        starts = self._vocabulary.slot_start.astype(np.int64)
        first, last = starts[slots], starts[slots + 1]
        tokens = self._vocabulary.slot_ids[self._tokens(first, last)]
        of = np.repeat(endings, last - first)
        rows, kept = [], []
        for one in np.unique(of).tolist():
            members = np.ascontiguousarray(tokens[of == one], np.int32)
            begins = np.searchsorted(self.first_bytes[members], np.arange(257)).astype(np.int32)
            kept += [members, begins]
            rows.append((one, address_of(members), address_of(begins)))
        return np.array(rows, np.int64).reshape(-1, 3), kept

    def _left_over(self, nodes: npt.NDArray[np.int64]) -> list[npt.NDArray[Any]]:
        """Return the trie (nodes, slot starts, token ids) of what tokens below some nodes have from there
        on, the nodes' own bytes included."""
        vocabulary = self._vocabulary
        words = self._nodes[nodes]
        depth, skip = (words >> 8) & 0xFFF, (words >> 40) & 0xFFFFFF
        slots_before = vocabulary.slots_before.astype(np.int64)
        first, last = slots_before[nodes], slots_before[skip]
        slots = self._tokens(first, last)
        taken = np.repeat(depth - 1, last - first)
        starts = vocabulary.slot_start.astype(np.int64)
        sizes = starts[slots + 1] - starts[slots]
        ids = vocabulary.slot_ids[self._tokens(starts[slots], starts[slots + 1])]
        taken = np.repeat(taken, sizes)
        begin, end = vocabulary.token_offset[ids] + taken, vocabulary.token_offset[ids + 1]
        data = vocabulary.token_data[self._tokens(begin, end)]
        offsets = np.zeros(len(ids) + 1, np.int64)
        np.cumsum(end - begin, out=offsets[1:])
        trie = build_trie(np.ascontiguousarray(data), offsets, np.ascontiguousarray(ids, np.int32))
        return [trie.nodes, trie.slot_start, trie.slot_ids]

    def _followed(self, crossings: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        rows = np.zeros((len(crossings), 4), np.int32)
        rows[:, 0] = crossings[:, 0]
        rows[:, 1] = crossings[:, 1] & ((1 << K.SHIFT_AT) - 1)
        rows[:, 2] = crossings[:, 1] >> K.SHIFT_AT
        at = np.searchsorted(self._roots, crossings[:, 0], "right") - 1
        rows[:, 3] = self._root_bytes[at]
        return rows
