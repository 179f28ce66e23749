"""What tokens do inside a lexeme, made into a record's arrays (`lark_records`)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.languages import lark_layout as K
from structgen.machine.tables import address_of
from structgen.masks.merging import merged
from structgen.masks.store import VocabularyStore
from structgen.masks.vocabulary import Vocabulary

_MANY = 64
_BEGINNINGS = 256
"""Dense rows by first bytes that are remembered."""


class Trie(NamedTuple):
    """A trie of texts that tokens have, or have left over."""

    nodes: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int32]
    begins: npt.NDArray[np.int64]
    """The starts, as positions."""


class Made(NamedTuple):
    """An array that compiled code reads."""

    array: npt.NDArray[Any]
    addresses: Sequence[int] | npt.NDArray[np.int64] = ()
    """Which of its words (int64) are addresses in arrays that were made; 0 is none."""
    rows: Sequence[int] | npt.NDArray[np.int64] = ()
    """Which of its words are numbers of dense rows."""


class Shape:
    """Makes records over one vocabulary; groups of many tokens are dense rows of its store."""

    def __init__(self, vocabulary: Vocabulary, masks: VocabularyStore) -> None:
        self.vocabulary, self._masks = vocabulary, masks
        self._many = max(_MANY, masks.words // 8)
        """Tokens of a group that is a dense row: most such rows are of many states."""
        self._beginnings: dict[tuple[int, ...], npt.NDArray[np.int32]] = {}
        data, offsets = vocabulary.token_data, vocabulary.token_offset
        lengths = np.diff(offsets)
        self.first_bytes: npt.NDArray[np.uint8] = np.zeros(vocabulary.vocab_size, np.uint8)
        """[V]: of tokens without bytes 0."""
        self.first_bytes[lengths > 0] = data[offsets[:-1][lengths > 0]]
        there = np.flatnonzero(vocabulary.first[:256] >= 0)
        self._roots, self._root_bytes = vocabulary.first[there], there.astype(np.int32)
        starts = vocabulary.slot_start
        self._trie = Trie(vocabulary.nodes, starts, vocabulary.slot_ids, starts.astype(np.int64))
        self._read: dict[int, Trie] = {}
        """The tries that were left over, by the addresses of their words."""
        self._merged: dict[tuple[int, bytes, bool], npt.NDArray[np.int64]] = {}
        """The words of tries, by what was put together: a trie, its nodes, and whether with their bytes."""

    def beginning(self, firsts: Sequence[int]) -> npt.NDArray[np.int32]:
        """Return the dense row of the tokens with some first bytes, 256 bits in four words. Cost: 0.2 ms, the
        first time."""
        key = tuple(firsts)
        known = self._beginnings.get(key)
        if known is None:
            if len(self._beginnings) >= _BEGINNINGS:
                self._beginnings.clear()
            chosen = np.unpackbits(np.array(firsts, np.int64).view(np.uint8), bitorder="little")
            tokens = np.flatnonzero(chosen[self.first_bytes]).astype(np.int32)
            known = self._beginnings[key] = self._masks.dense_row(tokens)
        return known

    def record(
        self, noted: npt.NDArray[np.int64], newline: int, of: npt.NDArray[np.int64] | None
    ) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[np.int64]], list[Made]]:
        """Return a record over the vocabulary's trie (or, `of`: one with these words), the words of those of
        its tries that may have records of their own, and all the arrays that were made. Cost: some
        milliseconds where half of the tokens stay inside."""
        trie = self._trie if of is None else self.trie(of)
        inside = noted[:, 0] < 0
        groups, kept = self._groups(noted[inside, 1], noted[inside, 2], trie, of is None)
        crossings = noted[~inside]
        kind = crossings[:, 2] & K.KIND_BITS
        terminal = (crossings[:, 2] >> K.TERMINAL_SHIFT) & K.TERMINAL_BITS
        # of columns, the indenter's newline alone takes notice
        shift = np.where(terminal == newline, crossings[:, 1] >> K.SHIFT_AT, 0)
        now = (kind == K.MV_NOW) & (terminal != newline)
        left = now | (kind == K.MV_BEFORE)
        rows, tries = [], []
        keys = (terminal << 40) + (shift << 1) + now
        order = np.flatnonzero(left)[np.argsort(keys[left], kind="stable")]
        begins = np.flatnonzero(np.diff(keys[order], prepend=-(1 << 62)))
        for members in np.split(order, begins[1:]) if len(order) else ():
            one, moved, below = (int(of[members[0]]) for of in (terminal, shift, now))
            nodes = np.ascontiguousarray(crossings[members, 0])
            words, made = self._left_over(nodes, trie, bool(below))
            if words[K.D_COUNT] >= K.LARGE_TRIE:
                tries.append(words)
            ended = self._ended(nodes, trie) if below else np.empty(0, np.int32)
            kept += [*made, Made(ended)]
            rows.append((one, moved, address_of(words), address_of(ended), len(ended)))
        table = np.array(rows, np.int64).reshape(-1, K.TRIE_ROW)
        followed = self._followed(crossings[~left], of is None)
        kept += [
            Made(table, [at + i for at in range(0, table.size, K.TRIE_ROW) for i in (2, 3)]),
            Made(followed),
        ]
        record = np.zeros(6, np.int64)
        record[K.R_GROUP_COUNT], record[K.R_GROUPS] = len(groups), address_of(groups)
        record[K.R_TRIE_COUNT], record[K.R_TRIES] = len(table), address_of(table)
        record[K.R_CROSSING_COUNT], record[K.R_CROSSINGS] = len(followed), address_of(followed)
        kept.append(Made(record, (K.R_GROUPS, K.R_TRIES, K.R_CROSSINGS)))
        return record, tries, kept

    def trie(self, words: npt.NDArray[np.int64]) -> Trie:
        """Return the trie with some words."""
        at = address_of(words)
        found = self._read.get(at)
        if found is None:
            nodes, count, first, ids, _records, slots, tokens = words.tolist()
            starts = array_at(first, slots, np.int32)
            held = array_at(nodes, count, np.uint64), starts, array_at(ids, tokens, np.int32)
            found = self._read[at] = Trie(*held, starts.astype(np.int64))
        return found

    def _tokens(self, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the positions of ranges, one behind the other."""
        sizes = last - first
        ends = np.cumsum(sizes)
        found: npt.NDArray[np.int64] = np.repeat(first - (ends - sizes), sizes)
        return found + np.arange(len(found))

    def _groups(
        self,
        endings: npt.NDArray[np.int64],
        slots: npt.NDArray[np.int64],
        trie: Trie,
        whole: bool,
    ) -> tuple[npt.NDArray[np.int64], list[Made]]:
        starts = trie.begins
        # the groups one behind the other, each in the order of the trie
        order = np.argsort(endings, kind="stable")
        slots, endings = slots[order], endings[order]
        first, last = starts[slots], starts[slots + 1]
        tokens = trie.ids[self._tokens(first, last)]
        begins = np.flatnonzero(np.diff(endings, prepend=-1))
        at_token = np.concatenate(([0], np.cumsum(last - first)))
        bounds = [*at_token[begins].tolist(), len(tokens)]
        rows: list[tuple[int, int, int, int]] = []
        kept: list[Made] = []
        for one, begin, end in zip(endings[begins].tolist(), bounds, bounds[1:], strict=False):
            members = np.array(tokens[begin:end], np.int32)
            row = self._row(members) if len(members) >= self._many else None
            if row is not None:
                first = np.zeros(256, np.uint8)
                first[self.first_bytes[members]] = 1
                kept.append(Made(first))
                rows.append((one, row, address_of(first), K.AS_ROW))
                continue
            at = 0
            if whole:
                firsts = np.zeros(257, np.int32)
                np.cumsum(np.bincount(self.first_bytes[members], minlength=256), out=firsts[1:])
                at = address_of(firsts)
                kept.append(Made(firsts))
            kept.append(Made(members))
            rows.append((one, address_of(members), at, len(members)))
        table = np.array(rows, np.int64).reshape(-1, 4)
        lists = [4 * at + 1 for at, row in enumerate(rows) if row[3] != K.AS_ROW]
        firsts_at = [4 * at + 2 for at, row in enumerate(rows) if row[2] != 0]
        dense = [4 * at + 1 for at, row in enumerate(rows) if row[3] == K.AS_ROW]
        return table, [*kept, Made(table, lists + firsts_at, dense)]

    def _row(self, tokens: npt.NDArray[np.int32]) -> int | None:
        """Return the number of a dense row, None where the store has no room for it."""
        return self._masks.intern_row(self._masks.dense_row(tokens))

    def _left_over(
        self, nodes: npt.NDArray[np.int64], trie: Trie, below: bool
    ) -> tuple[npt.NDArray[np.int64], list[Made]]:
        """Return the words of the trie of what tokens below some nodes have from there on, with the bytes of
        the nodes themselves, or without (`below`); and the arrays that were made for it."""
        key = address_of(trie.nodes), nodes.tobytes(), below
        words = self._merged.get(key)
        if words is not None:
            return words, []
        made, starts, ids = merged(trie.nodes, trie.starts, trie.ids, nodes, below=below)
        words = self._merged[key] = np.zeros(K.D_WORDS, np.int64)
        words[: K.D_RECORDS] = (address_of(made), len(made), address_of(starts), address_of(ids))
        words[K.D_SLOTS :] = len(starts), len(ids)
        self._read[address_of(words)] = Trie(made, starts, ids, starts.astype(np.int64))
        parts = Made(made), Made(starts), Made(ids)
        return words, [*parts, Made(words, (K.D_NODES, K.D_STARTS, K.D_IDS))]

    def _ended(self, nodes: npt.NDArray[np.int64], trie: Trie) -> npt.NDArray[np.int32]:
        """Return the tokens that end at some nodes."""
        slots = (trie.nodes.view(np.int64)[nodes] >> 20) & 0xFFFFF
        slots = slots[slots > 0]
        starts = trie.begins
        return np.ascontiguousarray(trie.ids[self._tokens(starts[slots - 1], starts[slots])], np.int32)

    def _followed(self, crossings: npt.NDArray[np.int64], whole: bool) -> npt.NDArray[np.int32]:
        rows = np.zeros((len(crossings), 4), np.int32)
        rows[:, 0] = crossings[:, 0]
        rows[:, 1] = crossings[:, 1] & ((1 << K.SHIFT_AT) - 1)
        rows[:, 2] = crossings[:, 1] >> K.SHIFT_AT
        if whole:
            at = np.searchsorted(self._roots, crossings[:, 0], "right") - 1
            rows[:, 3] = self._root_bytes[at]
        else:
            rows[:, 3] = -1
        return rows


def array_at(address: int, count: int, dtype: Any) -> npt.NDArray[Any]:
    """Return what lies at an address as an array; whoever calls keeps it alive."""
    size = count * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), dtype)
