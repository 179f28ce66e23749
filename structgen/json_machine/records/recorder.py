"""Makes the records of terminals: found in the store by what they are, or walked and put there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from structgen.automata.strings.string_pool import StringPool
from structgen.json_machine.answers.expander import Expander
from structgen.json_machine.masks import state_walk
from structgen.json_machine.records import terminal_masks, terminal_walks
from structgen.json_machine.tables import json_blocks as L
from structgen.json_machine.tables.json_blocks import JsonState, StringRow
from structgen.json_machine.tables.json_tables import Identity
from structgen.machine_core.growing_tables import GrowingTables
from structgen.machine_core.layout import ASKED, UNKNOWN_FREE
from structgen.machine_core.workspace import Workspace
from structgen.store.mask_store import VocabularyStore
from structgen.store.terminal_records import Record

_FREE_STRING = b"the free string"
_WRITTEN = frozenset((L.M_STRING, L.M_KEY))
_QUOTED = frozenset((L.M_QUOTED_STRING, L.M_QUOTED_KEY))


class Recorder:
    """The records of one grammar's terminals. The grammar's lock is held by the caller."""

    __slots__ = ("_expander", "_keys", "_large", "_masks", "_records", "_retry", "_tables")

    def __init__(
        self,
        tables: GrowingTables,
        expander: Expander,
        masks: VocabularyStore,
        retry: Callable[..., int],
    ) -> None:
        self._tables, self._expander, self._masks, self._retry = tables, expander, masks, retry
        self._records: dict[int, Record] = {}
        """The tables hold addresses of their arrays."""
        self._keys: dict[Identity, bytes] = {}
        """The keys in the mask store of the terminals that were met."""
        self._large: list[int] = []

    def make(self, terminal: int, index: int, space: Workspace) -> None:
        """Install what a terminal is; `index` is the state in which it was met."""
        identity = self._tables.rows(L.T_TERMINAL)[terminal, : L.JsonTerminal.dense_row].tolist()
        mode = identity[L.TerminalKey.mode]
        is_space = mode == L.M_SPACE
        key = terminal_masks.space_key(identity, self._masks) if is_space else self._key(identity)
        record = self._masks.get(key)
        if record is None and mode in _WRITTEN:
            record = self._from_start(key, identity, index, space)
        if record is None:
            record = self._put(key, self._walk(terminal, identity, index, space))
        outcomes = [self._expander.outcomes(one.outcome) for one in record.crossings]
        terminal_masks.install(self._tables, terminal, record, outcomes)
        self._records[terminal] = record
        if len(record.tokens) >= self._masks.words:
            self._large.append(terminal)

    def _put(self, key: bytes, found: terminal_masks.Harvest) -> Record:
        """Put what a walk found into the store."""
        sets = self._expander.outcomes.sets
        crossings = terminal_masks.make_crossings(found.crossings, {o: sets[o] for o in found.crossings})
        return self._masks.put(key, found.inside, crossings, found.row, found.number)

    def _key(self, identity: list[int]) -> bytes:
        """Return a terminal's key in the mask store."""
        known = tuple(identity)
        if known in self._keys:
            return self._keys[known]
        lex, expander = identity[L.TerminalKey.lexeme], self._expander
        if identity[L.TerminalKey.mode] == L.M_NUMBER:
            automaton = expander.numbers.key(lex)
        elif lex & L.STATE_BITS == StringPool.FREE:
            automaton = _FREE_STRING
        else:
            automaton = expander.strings.key(lex & L.STATE_BITS)
        key = self._keys[known] = terminal_masks.content_key(identity, automaton, self._tables.context)
        return key

    def forget_large(self) -> None:
        """Forget records whose tokens are as many as a row would hold, and for which the store had no row."""
        for terminal in self._large:
            terminal_masks.remove(self._tables, terminal)
            del self._records[terminal]
        self._large.clear()

    # --- walks ----------------------------------------------------------------------------------------------

    def _walk(
        self, terminal: int, identity: list[int], index: int, space: Workspace
    ) -> terminal_masks.Harvest:
        mode, lex = identity[L.TerminalKey.mode], identity[L.TerminalKey.lexeme]
        if mode in _QUOTED:
            self._repeat(terminal_walks.quoted_tokens, terminal, space)
        elif mode == L.M_SPACE:
            self._repeat(terminal_walks.space_tokens, terminal, space)
        else:
            if mode == L.M_NUMBER:
                # it may be one that a value of this state would only begin
                index = self._retry(state_walk.put_node, mode, 0, lex)
            self._repeat(terminal_walks.terminal_tokens, index, space)
        return terminal_masks.harvest(self._tables, space, mode, self._masks)

    # --- states that are told by another one's record -------------------------------------------------------

    def _from_start(self, key: bytes, identity: list[int], index: int, space: Workspace) -> Record | None:
        """Return the record of a string or key, made of that of the state in which its automaton begins;
        None where too much differs (`terminal_walks.lost_tokens`), and a walk is due."""
        mode, lex = identity[L.TerminalKey.mode], identity[L.TerminalKey.lexeme]
        residue = int(self._tables.rows(L.T_NODE)[index, JsonState.residue])
        start = self._begins(mode, residue)
        if start <= StringPool.FREE or lex & L.STATE_BITS in (StringPool.FREE, L.NO_STATE):
            return None
        if not self._expander.strings.bans(start):
            return None  # others differ too much: a walk that finds that out is lost
        if (identity[L.TerminalKey.least], identity[L.TerminalKey.most]) != (0, -1):
            return None  # what the length takes is walked
        reference = lex & ~L.STATE_BITS | start
        if reference == lex:
            return None
        while (code := terminal_walks.lost_tokens(self._tables.address, index, reference)) == ASKED:
            self._expander.answer(no_terminal)
        if code != 0:
            return None
        removed = np.unique(space.buffer[: int(self._tables.context[L.JsonContext.buffer_count])])
        whole = self._record_of(mode, residue, reference, space)
        return terminal_masks.less(whole, removed, key, self._masks)

    def _begins(self, mode: int, residue: int) -> int:
        """Return the state in which the automaton of a string or of an object's extra keys begins, or -1."""
        if mode == L.M_KEY:
            row = self._tables.rows(L.T_RES)[residue]
            return int(row[L.ResidueRow.extra]) if row[L.ResidueRow.status] else -1
        row = self._tables.rows(L.T_STRING)[residue]
        return int(row[StringRow.start]) if row[StringRow.kind] == 0 else -1

    def _record_of(self, mode: int, residue: int, lex: int, space: Workspace) -> Record:
        """Return the record of a string or key of any length, which may be another one than the state's that
        is asked about."""
        identity = (mode, lex, 0, -1, 0, 0)
        key = self._key(list(identity))
        record = self._masks.get(key)
        if record is not None:
            return record
        node = self._retry(state_walk.put_node, mode, residue, lex)
        record = self._from_start(key, list(identity), node, space)
        if record is None:
            self._repeat(terminal_walks.terminal_tokens, node, space)
            record = self._put(key, terminal_masks.harvest(self._tables, space, mode, self._masks))
        return record

    def _repeat(self, ask: Callable[[int, int], int], argument: int, space: Workspace) -> None:
        """Walk a terminal until nothing is left to ask."""
        while (code := ask(self._tables.address, argument)) != 0:
            if code == UNKNOWN_FREE:
                self._know_free(space)
            else:
                self._expander.answer(no_terminal)

    def _know_free(self, space: Workspace) -> None:
        """Have what stays inside a free string at hand: other strings are told by what they take less."""
        context, masks = self._tables.context, self._masks
        escapes = int(context[L.JsonContext.escapes])
        if escapes not in masks.free:
            key = terminal_masks.content_key(terminal_masks.FREE_TERMINAL, _FREE_STRING, context)
            record = masks.get(key)
            if record is None:
                self._walk_free(space)
                found = terminal_masks.harvest(self._tables, space, L.M_STRING, masks)
                crossings = terminal_masks.make_crossings(found.crossings, {0: frozenset((0,))})
                record = masks.put(key, found.inside, crossings, found.row)
            if record.row < 0:
                masks.free[escapes] = None, masks.dense_row(record.tokens)
            else:
                masks.free[escapes] = record.row, masks.rows[record.row]
        context[L.JsonContext.free] = 1

    def _walk_free(self, space: Workspace) -> None:
        row = self._expander.free_string()
        node = self._retry(state_walk.put_node, L.M_STRING, row, StringPool.FREE)
        self._repeat(terminal_walks.terminal_tokens, node, space)


def no_terminal(_index: int) -> None:
    """Answer questions of a walk that has none for terminals."""
    raise AssertionError("only masks ask for terminals")
