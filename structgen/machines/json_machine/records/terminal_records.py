"""`TerminalRecords` keeps the records of terminals, by their content, in tables that all grammars share.

- A *terminal* is a string, a key, a numeral or white space, without the document around it.
- A *record* lists what tokens do in a terminal: which stay inside, and which close it and go on after it.
- An *outcome* is the number of the set of demands that a finished value has met. The numbers are a grammar's
  own, so a shared record has the sets themselves.
- A *leftover* is the rest of a token after the end of the terminal, e.g. `,` of the token `",`.
- A *holder* is the block of the tables that have the record: a grammar's, or the shared one.

For example, two grammars with a string of at most 10 characters use one record.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final, NamedTuple
from weakref import proxy

import numpy as np

from structgen.base.limits import Limits
from structgen.base.native.array_types import Int32Array
from structgen.base.native.typed_blocks import word_of
from structgen.machines.json_machine.records.length_table import LengthTable
from structgen.machines.json_machine.tables.json_tables import TERMINAL_TABLES
from structgen.machines.machine_core.growing_tables import GrowingTables
from structgen.machines.machine_core.layout import ASKED
from structgen.machines.machine_core.lexeme_layout import (
    RANGE_WORDS,
    Group,
    Leftover,
    LexemeContext,
    LexemeRecord,
)
from structgen.machines.machine_core.lexeme_tables import (
    GROUPS,
    LEFTOVERS,
    RANGES,
    RECORDS,
    TOKENS,
    TRIES,
    RecordTables,
    put_trie,
)
from structgen.machines.machine_core.workspace import attach
from structgen.machines.store.mask_store import VocabularyStore
from structgen.tokens.trie_nodes import fields_of
from structgen.tokens.vocabulary import Vocabulary

QUOTE: Final = 34
"""The byte of a quote."""
_VOCABULARY = word_of(LexemeContext, "vocabulary")
_TRIE_NODES = word_of(LexemeContext, "trie_nodes")
_TRIE_SLOTS = word_of(LexemeContext, "trie_slots")
_LARGEST: Final = 1 << 20
"""A bound for the bytes of one record: 1 MiB."""


class KnownTerminal(NamedTuple):
    """A record, and the outcomes with which its terminal closes."""

    holder: int
    """The address of the block of its tables."""
    number: int
    """The number of the record in these tables."""
    outcomes: tuple[frozenset[int], ...]
    """For each leftover of the record the set of demands that the finished value has met."""


def put_behind_quote(tables: GrowingTables, vocabulary: Vocabulary) -> int:
    """Append the trie of the tokens that begin with a quote, without that quote; return its number."""
    quote_node = int(vocabulary.first[QUOTE])
    if quote_node < 0:
        return put_trie(tables, 0, 0, 1)  # no token begins with a quote: a trie without nodes
    end = int(fields_of(int(vocabulary.nodes[quote_node])).end)
    return put_trie(tables, quote_node + 1, end, 1)


def put_copy(tables: GrowingTables, vocabulary: Vocabulary) -> int:
    """Append a copy of the trie of a vocabulary that the tables are not made for; return its number."""
    count = len(vocabulary.nodes)
    nodes = tables.extend(_TRIE_NODES, vocabulary.nodes.astype(np.int64)[:, None], count)
    slots = tables.extend(_TRIE_SLOTS, vocabulary.slot_start, len(vocabulary.slot_start))
    tokens = tables.extend(TOKENS, vocabulary.slot_ids, len(vocabulary.slot_ids))
    ranges = tables.extend(RANGES, (0, count, 0), RANGE_WORDS)
    # in the order of `lexeme_layout.Trie`
    return tables.append(TRIES, (nodes, count, slots, tokens, ranges, int(count > 0)))


class TerminalRecords:
    """The records of one store, in tables of their own, which compiled code reads without a lock.

    They hold no reference to the vocabulary.
    """

    def __init__(self, vocabulary: Vocabulary, store: VocabularyStore) -> None:
        # Other threads read all tables while one of them grows: outgrown rows are kept.
        self._grown = grown = GrowingTables(Limits(), TERMINAL_TABLES, is_shared=True)
        pointers = vocabulary.pointers
        grown.context[_VOCABULARY : _VOCABULARY + len(pointers)] = pointers
        self.address = grown.address
        """The address of the block of these tables."""
        self._store: VocabularyStore = proxy(store)  # it may hold these records
        self._records = RecordTables(grown, vocabulary, self._store)
        put_behind_quote(grown, vocabulary)
        self._by_key: dict[Hashable, KnownTerminal] = {}
        self._copy = -1
        """The number of the copied trie; -1: none was copied."""
        self._sure = 0
        """A number of records that surely fit into the store's memory: a sum of all bytes takes 20 us."""
        self.length_tables: dict[Hashable, LengthTable] = {}
        """The key of a state of a free string of any length -> its table of lengths."""

    @classmethod
    def shared(cls, vocabulary: Vocabulary, store: VocabularyStore) -> TerminalRecords:
        """Return the records of a store, made at the first call."""
        with store.lock:
            if store.terminals is None:
                store.terminals = cls(vocabulary, store)
            records: TerminalRecords = store.terminals
            return records

    def get(self, key: Hashable) -> KnownTerminal | None:
        """Return the record of a terminal, by its content; None: it is not made yet. Cost: 0.1 us."""
        return self._by_key.get(key)

    def has_room(self) -> bool:
        """Return whether one more record, or table of lengths, fits into the store's memory."""
        if self._sure <= 0:
            self._sure = (self._store.memory - self.nbytes) // _LARGEST
        self._sure -= 1
        return self._sure >= 0

    def copy_of(self, vocabulary: Vocabulary) -> int:
        """Return the number of the copied trie of another vocabulary. It is copied at the first call."""
        if self._copy < 0:
            self._copy = put_copy(self._grown, vocabulary)
        return self._copy

    def put_record(
        self,
        key: Hashable,
        vocabulary: Vocabulary,
        trie: int,
        count: int,
        row: Int32Array | None,
        sets: Sequence[frozenset[int]],
    ) -> KnownTerminal:
        """Add the record of the last scan, and return it. If the key has a record, that is returned instead.

        `key`: the content of the terminal. `sets`: the outcomes, by the numbers that the scan used. The other
        parameters are those of `RecordTables.add_record`.
        """
        grown = self._grown
        # The store's lock ranks above the grammar's, which the caller holds: the order is always this one.
        with self._store.lock:
            record = self._by_key.get(key)
            if record is None:
                attach(self._store.workspaces, vocabulary, grown.context)
                # States of the lexer are numbers of a grammar. In these tables each record has its own.
                state = grown.count(RECORDS)
                number = self._records.add_record(self._call_compiled, trie, state, count, row)
                record_row = grown.rows(RECORDS)[number]
                first = int(record_row[LexemeRecord.leftovers])
                last = int(record_row[LexemeRecord.leftovers_end])
                closing_terminals = grown.rows(LEFTOVERS)[first:last, Leftover.terminal].tolist()
                outcomes = tuple([sets[outcome] for outcome in closing_terminals])
                record = self._by_key[key] = KnownTerminal(self.address, number, outcomes)
                self._store.records_made += 1
        return record

    def _call_compiled(self, function: Callable[..., int], *arguments: int) -> int:
        """Return the answer of a compiled function. Its only questions here are for room in the tables."""
        code = function(self.address, *arguments)
        while code == ASKED:
            self._grown.questions()
            code = function(self.address, *arguments)
        return code

    def row(self, number: int) -> Int32Array:
        """Return the tokens that stay inside the terminal of a record, as a row of bits."""
        # JSON's terminals have no classes of endings, so all tokens inside are one group.
        first = int(self._grown.rows(RECORDS)[number, LexemeRecord.groups])
        group = self._grown.rows(GROUPS)[first]
        if group[Group.dense_row] >= 0:
            row: Int32Array = self._store.rows[group[Group.dense_row]]
            return row
        tokens = self._grown.rows(TOKENS)[group[Group.first] : group[Group.last]]
        return self._store.dense_row(tokens)

    @property
    def nbytes(self) -> int:
        """The bytes of the records and of the tables of lengths."""
        grown = self._grown
        rows_in_use = [grown.rows(table)[: grown.count(table)] for table in TERMINAL_TABLES.sizes]
        record_bytes = sum(int(rows.nbytes) for rows in rows_in_use)
        # a copy of the values: another thread may add one meanwhile
        return record_bytes + sum(table.nbytes for table in [*self.length_tables.values()])
