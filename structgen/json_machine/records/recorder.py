"""Makes the records of terminals: found in the store by what they are, or scanned and put there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.automata.strings.string_pool import StringPool
from structgen.json_machine.answers.expander import Expander
from structgen.json_machine.masks import terminal_lexer
from structgen.json_machine.records import terminal_masks
from structgen.json_machine.tables import json_blocks as L
from structgen.json_machine.tables.json_blocks import JsonContext, StringRow
from structgen.json_machine.tables.json_tables import Identity
from structgen.machine_core.growing_tables import ADDRESS, BYTE_AT, GrowingTables
from structgen.machine_core.layout import ASKED
from structgen.machine_core.lexeme_layout import FULL, KEPT_ALIKE, KEPT_ALL, KEPT_NONE, Hooks, Scan
from structgen.machine_core.lexeme_records import scan_beside
from structgen.machine_core.lexeme_tables import SERIALS, RecordScratch, attach_scratch
from structgen.machine_core.workspace import Workspace
from structgen.native.bit_rows import add_tokens
from structgen.native.jit import code_of
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of
from structgen.store.mask_store import VocabularyStore
from structgen.store.terminal_records import Record
from structgen.tokens.trie_nodes import fields_of
from structgen.tokens.vocabulary import Vocabulary

_FREE_STRING = b"the free string"
_WRITTEN = frozenset((L.M_STRING, L.M_KEY))
_QUOTE: Final = 34
_MOST_APART: Final = 4096
"""Nodes of the trie behind which two states differ, past which a scan by itself is cheaper."""
_WHOLE, _BEHIND_QUOTE = 0, 1
"""The two tries that are scanned: the whole vocabulary, and what its tokens have behind a first quote."""
_MOVES, _FOUND, _SAFE, _ENDS = (
    word_of(JsonContext, "moves"),
    word_of(JsonContext, "found"),
    word_of(JsonContext, "hooks") + word_of(Hooks, "safe"),
    word_of(JsonContext, "hooks") + word_of(Hooks, "ends"),
)


class Recorder:
    """The records of one grammar's terminals. The grammar's lock is held by the caller."""

    __slots__ = ("_expander", "_keys", "_large", "_masks", "_records", "_retry", "_tables", "_vocabulary")

    def __init__(
        self,
        tables: GrowingTables,
        expander: Expander,
        vocabulary: Vocabulary,
        masks: VocabularyStore,
        retry: Callable[..., int],
    ) -> None:
        self._tables, self._expander, self._masks, self._retry = tables, expander, masks, retry
        self._vocabulary = vocabulary
        self._records: dict[bytes, Record] = {}
        """The records in use, by their keys: the tables hold addresses of their arrays."""
        self._keys: dict[Identity, bytes] = {}
        """The keys in the mask store of the terminals that were met."""
        self._large: list[tuple[int, bytes]] = []

    def make(self, terminal: int, space: Workspace) -> None:
        """Install what a terminal is, which a mask asks for."""
        identity = self._tables.rows(L.T_TERMINAL)[terminal, : L.JsonTerminal.dense_row].tolist()
        key = self._key(identity)
        record = self._masks.get(key)
        if record is None:
            state = self._retry(terminal_lexer.state_of, terminal)
            record = self._scanned(key, identity, state, space)
        outcomes = [self._expander.outcomes(one.outcome) for one in record.crossings]
        terminal_masks.install(self._tables, terminal, record, outcomes)
        self._records[key] = record
        if len(record.tokens) >= self._masks.words:
            self._large.append((terminal, key))

    def _key(self, identity: list[int]) -> bytes:
        """Return a terminal's key in the mask store."""
        mode, lexeme = identity[L.TerminalKey.mode], identity[L.TerminalKey.lexeme]
        if mode == L.M_SPACE:
            return terminal_masks.space_key(identity, self._masks)
        known = tuple(identity)
        if known in self._keys:
            return self._keys[known]
        expander = self._expander
        if mode == L.M_NUMBER:
            automaton = expander.numbers.key(lexeme)
        elif lexeme & L.STATE_BITS == StringPool.FREE:
            automaton = _FREE_STRING
        else:
            automaton = expander.strings.key(lexeme & L.STATE_BITS)
        key = self._keys[known] = terminal_masks.content_key(identity, automaton, self._tables.context)
        return key

    def forget_large(self) -> None:
        """Forget records whose tokens are as many as a row would hold, and for which the store had no row."""
        for terminal, key in self._large:
            terminal_masks.remove(self._tables, terminal)
            del self._records[key]
        self._large.clear()

    # --- scans ----------------------------------------------------------------------------------------------

    def _attach(self, space: Workspace) -> RecordScratch:
        """Give compiled code what a scan needs."""
        tables, context, nodes = self._tables, self._tables.context, self._vocabulary.nodes
        if not tables.count(L.T_TRIE):
            context[JsonContext.serial] = next(SERIALS)
            context[word_of(JsonContext, "classes")] = BYTE_AT[0]
            context[JsonContext.width] = terminal_lexer.CELLS
            context[JsonContext.newline] = -1
            context[JsonContext.closing] = 1 << _QUOTE
            context[JsonContext.most_apart] = _MOST_APART
            context[word_of(JsonContext, "hooks") + word_of(Hooks, "miss")] = code_of(terminal_lexer.cell_of)
            first = int(self._vocabulary.first[_QUOTE])
            behind = (0, 0) if first < 0 else (first + 1, int(fields_of(int(nodes[first])).end))
            for depth, (begin, end) in enumerate(((0, len(nodes)), behind)):
                at = tables.extend(L.T_RANGE, np.array([[begin], [end], [depth]]), 3)
                tables.append(L.T_TRIE, (-1, end - begin, 0, 0, at, int(end > begin)))
        scratch = attach_scratch(self._masks.workspaces, self._vocabulary, context)
        context[_FOUND] = address_of(space.buffer)
        return scratch

    def _scanned(self, key: bytes, identity: list[int], state: int, space: Workspace) -> Record:
        """Return the record of a state of the lexer, made by a scan, and put into the store."""
        mode, context = identity[L.TerminalKey.mode], self._tables.context
        like, other, kept = None, -1, KEPT_NONE
        is_text, is_quoted = mode in _WRITTEN, identity[L.TerminalKey.quoted]
        if is_text and not is_quoted:
            like, other, kept = self._like(identity, state, space)
        scratch = self._attach(space)
        context[_ENDS] = 0 if is_text else code_of(terminal_lexer.ends_before)
        trie = _BEHIND_QUOTE if is_quoted else _WHOLE
        found = self._scan(trie, state, other, kept, is_text)
        if found == FULL and kept == KEPT_ALIKE:  # the two states are far apart
            like, other, kept = self._wide(state, space)
            scratch = self._attach(space)
            found = self._scan(trie, state, other, kept, is_text)
        inside: npt.NDArray[np.int32] = space.buffer[:found]
        if is_quoted:
            inside = np.concatenate([self._quotes(), inside])
        row, masks = None, self._masks
        if like is not None:
            row = masks.rows[like.row] if like.row >= 0 else masks.dense_row(like.tokens)
            row = row & scratch.alike
            add_tokens(row, inside)
        elif len(inside) >= masks.dense:
            row = masks.dense_row(inside)
        crossings = scratch.crossings[: int(scratch.scan[Scan.crossed])]
        left = terminal_masks.left_over(self._tables, space, crossings, mode)
        sets = self._expander.outcomes.sets
        made = terminal_masks.make_crossings(left, {outcome: sets[outcome] for outcome in left})
        return masks.put(key, np.sort(inside) if row is None else inside[:0], made, row)

    def _quotes(self) -> npt.NDArray[np.int32]:
        """Return the tokens that are a quote and nothing else."""
        vocabulary = self._vocabulary
        node = int(vocabulary.first[_QUOTE])
        slot = fields_of(int(vocabulary.nodes[node])).slot if node >= 0 else 0
        begin, end = vocabulary.slot_start[slot - 1 : slot + 1].tolist() if slot else (0, 0)
        return vocabulary.slot_ids[begin:end]

    def _scan(self, trie: int, state: int, other: int, kept: int, is_text: bool) -> int:
        """Scan a trie until nothing is left to ask; return how many tokens stay inside, or FULL."""
        context = self._tables.context
        context[_SAFE] = code_of(terminal_lexer.safe_in) if is_text and kept != KEPT_ALIKE else 0
        while True:
            context[_MOVES] = context[L.T_CELL + ADDRESS]
            found = scan_beside(self._tables.address, trie, state, other, kept)
            if found != ASKED:
                return found
            self._expander.answer(no_terminal)

    def _like(self, identity: list[int], state: int, space: Workspace) -> tuple[Record | None, int, int]:
        """Return the record that has nearly all tokens of a string's or key's; the state with which this one
        is compared for them (-1: none); and what a scan leaves to it."""
        mode, lexeme = identity[L.TerminalKey.mode], identity[L.TerminalKey.lexeme]
        begin = self._begins(mode) if identity[L.TerminalKey.least : L.TerminalKey.policy] == [0, -1] else -1
        is_banned = begin > StringPool.FREE and lexeme & L.STATE_BITS not in (StringPool.FREE, L.NO_STATE)
        if is_banned and self._expander.strings.bans(begin):
            # each state is a place in some of the banned texts: most bytes lead as from the beginning
            reference = lexeme & ~L.STATE_BITS | begin
            if reference != lexeme:
                record, other = self._record_of(mode, reference, space)
                return record, other, KEPT_ALIKE
        return self._wide(state, space)

    def _wide(self, state: int, space: Workspace) -> tuple[Record | None, int, int]:
        """As `_like`, of a string that takes nearly all that any string takes."""
        if terminal_lexer.is_wide(self._tables.address, state):
            context = self._tables.context
            row, context[JsonContext.quoted] = int(context[JsonContext.quoted]), self._expander.free_string()
            record, _ = self._record_of(L.M_STRING, StringPool.FREE, space)
            context[JsonContext.quoted] = row
            return record, -1, KEPT_ALL
        return None, -1, KEPT_NONE

    def _begins(self, mode: int) -> int:
        """Return the state in which the automaton of the string, or of the object's extra keys, begins whose
        terminal was asked last; or -1."""
        asked = int(self._tables.context[JsonContext.quoted])
        if mode == L.M_KEY:
            row = self._tables.rows(L.T_RES)[asked]
            return int(row[L.ResidueRow.extra]) if row[L.ResidueRow.status] else -1
        row = self._tables.rows(L.T_STRING)[asked]
        return int(row[StringRow.start]) if row[StringRow.kind] == 0 else -1

    def _record_of(self, mode: int, lexeme: int, space: Workspace) -> tuple[Record, int]:
        """Return the record of a string or key of any length, and its state."""
        state = self._retry(terminal_lexer.whole_string, mode, lexeme)
        identity = [mode, lexeme, 0, -1, 0, 0]
        key = self._key(identity)
        record = self._records.get(key) or self._masks.get(key)
        if record is None:
            record = self._scanned(key, identity, state, space)
        self._records[key] = record
        return record, state


def no_terminal(_index: int) -> None:
    """Answer questions of a scan, which has none for terminals."""
    raise AssertionError("only masks ask for terminals")
