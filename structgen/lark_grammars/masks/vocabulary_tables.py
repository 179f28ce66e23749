"""The tables of a Lark grammar and a vocabulary that compiled code reads, and the list of its questions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.ma  # numba imports it at the first call with an array; do it now, not during a mask
import numpy.typing as npt

from structgen.lark_grammars.compiled import lexeme_records
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.compiled.mask_fragments import MaskFragments
from structgen.lark_grammars.compiled.paired_lexemes import PairedLexemes
from structgen.lark_grammars.kept.kept_masks import DenseRows
from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.lark_grammars.tables.grammar_tables import (
    FIRST_ROOM,
    GrammarTables,
    GrowingGrammarTables,
    Records,
)
from structgen.native.lazy_memory import room
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of, words_of
from structgen.store.mask_store import VocabularyStore
from structgen.tokens.vocabulary import Vocabulary

_CONTEXT_QUESTIONS: Final = word_of(K.LarkContext, "questions")
_CONTEXT_TABLES: Final = word_of(K.LarkContext, "tables")
_RECORD_CROSSINGS: Final = word_of(K.LexemeRecord, "crossings")
_RECORD_LEFTOVERS: Final = word_of(K.LexemeRecord, "leftovers")
_RECORD_LEFTOVER_COUNT: Final = K.LexemeRecord.leftover_count
_TRIE_COUNT: Final = K.LeftoverTrie.count
_TRIE_IDS: Final = word_of(K.LeftoverTrie, "ids")
_TRIE_NODES: Final = word_of(K.LeftoverTrie, "nodes")
_TRIE_RECORDS: Final = word_of(K.LeftoverTrie, "records")
_TRIE_STARTS: Final = word_of(K.LeftoverTrie, "starts")
_TRIE_WORDS: Final = words_of(K.LeftoverTrie)
_tables_word = partial(word_of, K.LarkTables)
_scan_word = partial(word_of, K.RecordScan)
_MANY = 64
_SUBTREE_WORDS, _MOST_SUBTREE_WORDS = 1 << 12, 1 << 16
"""The initial and the greatest capacity for notes of subtrees, in words."""
_MOST_SEGMENTS = 1 << 10
_PARTS = 7
"""The number of parts of the scratch memory."""
_BEGINNINGS = 256
"""How many dense rows by first bytes are cached."""


class TrieAddresses(NamedTuple):
    """A trie of tokens or of continuations of tokens: its number, the addresses of its arrays, and the number
    of nodes."""

    number: int
    nodes: int
    starts: int
    ids: int
    size: int


class RecordArray(NamedTuple):
    """An array that compiled code reads."""

    array: npt.NDArray[Any]
    addresses: Sequence[int] | npt.NDArray[np.signedinteger] = ()
    """Which of its words (int64) are addresses in arrays that were made; 0 is none."""
    rows: Sequence[int] | npt.NDArray[np.signedinteger] = ()
    """Which of its words are numbers of dense rows."""


class _Left(NamedTuple):
    """The trie of the tokens' continuations after some nodes."""

    words: npt.NDArray[np.int64]
    """The words of the trie."""
    row: tuple[int, int, int]
    """The address of the words; the address and the number of the tokens that end there."""


class _LaidOut(NamedTuple):
    """The output of `lexeme_records.fill`."""

    record: npt.NDArray[np.int64]
    lists: npt.NDArray[np.int32]
    bits: npt.NDArray[np.int32]
    """Valid until the next record is written."""
    marks: npt.NDArray[np.int32]
    addresses: int


class RecordBuilder:
    """Makes records over one vocabulary; groups of many tokens are dense rows of its mask store."""

    def __init__(
        self, vocabulary: Vocabulary, masks: VocabularyStore, newline: int, made: list[RecordArray]
    ) -> None:
        """`newline`: the indenter's, -1: none. `made` receives every array whose address is given to compiled
        code, before the address is given."""
        self.vocabulary, self._masks, self._made = vocabulary, masks, made
        self._beginnings: dict[tuple[int, ...], npt.NDArray[np.int32]] = {}
        self.first_bytes = vocabulary.first_bytes()
        self._firsts: dict[int, tuple[int, ...]] = {}
        """The first bytes of the tokens in dense rows, 256 bits in four words."""
        nodes, starts, ids = vocabulary.nodes, vocabulary.slot_start, vocabulary.slot_ids
        self._tries = {
            0: TrieAddresses(0, address_of(nodes), address_of(starts), address_of(ids), len(nodes))
        }
        """The vocabulary's trie and those of continuations, by the addresses of their words."""
        self._merged: dict[tuple[int, bytes, int], _Left] = {}
        """Tries of leftovers, by their parts: a trie, the nodes taken from it, 1 if without their bytes."""
        self._words = np.zeros(words_of(K.RecordScan), np.int64)
        self._address = address_of(self._words)
        self._segments = np.empty(2 * _MOST_SEGMENTS, np.int64)
        self._scratch, self._room = np.empty(1 << 12, np.int64), np.empty(1 << 10, np.int32)
        words = self._words
        words[_scan_word("segments")], words[_scan_word("scratch")] = (
            address_of(self._segments),
            address_of(self._scratch),
        )
        words[K.RecordScan.newline], words[_scan_word("first_bytes")] = (
            newline,
            address_of(self.first_bytes),
        )
        words[K.RecordScan.many] = self._many = max(_MANY, masks.words // 8)
        """Groups of at least so many tokens are dense rows, most of which several states share."""
        words[K.RecordScan.width] = K.FIRST_WORDS + masks.words
        self._subtrees: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._table: npt.NDArray[np.int32] = np.empty(0, np.int32)
        self._give_room(_SUBTREE_WORDS)

    def beginning(self, firsts: Sequence[int]) -> npt.NDArray[np.int32]:
        """Return the dense row of all tokens with some first bytes, 256 bits in four words. Cost: 0.1 ms, the
        first time."""
        key = tuple(firsts)
        known = self._beginnings.get(key)
        if known is None:
            if len(self._beginnings) >= _BEGINNINGS:
                self._beginnings.clear()
            chosen = np.unpackbits(np.array(firsts, np.int64).view(np.uint8), bitorder="little")
            known = self._beginnings[key] = self.vocabulary.beginning(chosen.astype(np.bool_))
        return known

    def begin_all(self, row: int, firsts: Sequence[int]) -> bool:
        """Return whether all tokens of a dense row are known to begin with one of some bytes."""
        return self._firsts.get(row) == tuple(firsts)

    def scan(self, context: int, lexeme: int, words: int) -> int:
        """Scan a trie (0, or the address of its words) in a lexeme state, and note what its tokens do.
        Returns 0, or ASKED. Cost: 5 us if the states after first bytes are known, else about 3 ns a node."""
        trie, held = self._trie(words), self._words
        held[: K.RecordScan.number + 1] = trie.nodes, trie.size, trie.starts, trie.ids, trie.number
        if 8 * int(held[K.RecordScan.used]) > 7 * _MOST_SUBTREE_WORDS:
            held[K.RecordScan.used] = 0
            self._give_room(len(self._subtrees))
        while True:
            code = int(lexeme_records.scan_record(context, lexeme, self._address))
            if code != K.FULL:
                return code
            self._give_room(2 * len(self._subtrees))

    @property
    def nbytes(self) -> int:
        """Bytes of the notes of subtrees."""
        return self._subtrees.nbytes + self._table.nbytes

    def record(self, words: int) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[np.int64]]]:
        """Return the record of the last scan, and the words of those of its tries that may have records of
        their own. Cost: about 50 us, 1 ns for each token that stays inside, and new tries of
        continuations."""
        trie, held = self._trie(words), self._words
        part = held[K.RecordScan.part] = int(held[K.RecordScan.noted]) // 2 + 1
        if _PARTS * part > len(self._scratch):
            scratch = np.empty(2 * _PARTS * part, np.int64)
            self._scratch, held[_scan_word("scratch")] = scratch, address_of(scratch)
        held[K.RecordScan.many] = self._many
        record, lists, bits, marks, count = self._laid_out()
        interned = [self._masks.intern_row(row) for row in bits[:, K.FIRST_WORDS :]]
        numbers = [number for number in interned if number is not None]
        if len(numbers) < len(interned):
            # the store has no room for some rows
            held[K.RecordScan.many] = 1 << 40
            record, lists, bits, marks, count = self._laid_out()
            numbers = []
        rows = marks[len(marks) - len(numbers) :]
        record[rows] = numbers
        firsts = np.ascontiguousarray(bits[:, : K.FIRST_WORDS]).view(np.int64).tolist()
        self._firsts.update(zip(numbers, map(tuple, firsts), strict=True))
        left = self._left_over(trie, part)
        record[len(record) - K.LEFTOVER_WORDS * len(left) :] = [
            word for terminal, moved, one in left for word in (terminal, moved, *one.row)
        ]
        tries = [one.words for _terminal, _moved, one in left if one.words[_TRIE_COUNT] >= K.LARGE_TRIE]
        self._made += (RecordArray(lists), RecordArray(record, marks[:count], rows))
        return record, tries

    def _laid_out(self) -> _LaidOut:
        """Write a record without its tries and the numbers of its rows."""
        held = self._words
        lists = np.zeros(lexeme_records.measure(self._address), np.int32)
        groups, rows, left = held[K.RecordScan.group_count : K.RecordScan.leftover_count + 1].tolist()
        record = np.empty(K.RECORD_WORDS + 4 * groups + K.LEFTOVER_WORDS * left, np.int64)
        width, marked = int(held[K.RecordScan.width]), 3 + 2 * groups + 2 * left + rows
        if rows * width + marked > len(self._room):
            self._room = np.empty(2 * (rows * width + marked), np.int32)
        bits, marks = self._room[: rows * width], self._room[rows * width :][:marked]
        at = address_of(bits)
        held[_scan_word("record") : _scan_word("marks") + 1] = (
            address_of(record),
            address_of(lists),
            at,
            at + bits.nbytes,
        )
        count = lexeme_records.fill(self._address)
        return _LaidOut(record, lists, bits.reshape(rows, width), marks.copy(), count)

    def _trie(self, words: int) -> TrieAddresses:
        """Return the trie whose words are at an address; 0: the vocabulary's."""
        found = self._tries.get(words)
        if found is None:
            nodes, count, starts, ids = array_at(words, _TRIE_RECORDS, np.int64).tolist()
            found = self._tries[words] = TrieAddresses(len(self._tries), nodes, starts, ids, count)
        return found

    def _give_room(self, room: int) -> None:
        """Grow the memory for notes of subtrees to so many words."""
        held = self._words
        subtrees, table, used = (
            np.empty(room, np.int64),
            np.zeros(room, np.int32),
            int(held[K.RecordScan.used]),
        )
        subtrees[:used] = self._subtrees[:used]
        words = [
            _scan_word("subtrees"),
            _scan_word("table"),
            K.RecordScan.room,
            K.RecordScan.mask,
            K.RecordScan.may_grow,
        ]
        values = [address_of(subtrees), address_of(table), room, room - 1, int(room < _MOST_SUBTREE_WORDS)]
        ahead = held.copy()
        ahead[words] = values
        lexeme_records.index(address_of(ahead))
        # one statement: after an interrupt compiled code must see arrays that are still referenced
        self._subtrees, self._table, held[words] = subtrees, table, values

    def _left_over(self, trie: TrieAddresses, part: int) -> list[tuple[int, int, _Left]]:
        """Return the tries of continuations of the measured nodes (parts of the scratch have `part` words),
        each with its terminal and the effect of the bytes on its column."""
        count = int(self._words[K.RecordScan.leftover_count])
        keys, ends, nodes = (self._scratch[at * part :] for at in (2, 3, 4))
        names, begin = [], 0
        for key, end in zip(keys[:count].tolist(), ends[:count].tolist(), strict=True):
            names.append((trie.number, nodes[begin:end].tobytes(), key & 1))
            begin = end
        new = list(dict.fromkeys(name for name in names if name not in self._merged))
        if new:
            wanted = [(np.frombuffer(roots, np.int64), below) for _number, roots, below in new]
            made = lexeme_records.merged((trie.nodes, trie.starts, trie.ids), wanted)
            at = address_of(made.words) + 8 * _TRIE_WORDS * np.arange(len(new))
            marks = _TRIE_WORDS * np.arange(len(new))[:, None] + (
                _TRIE_NODES,
                _TRIE_STARTS,
                _TRIE_IDS,
            )
            self._made += (
                RecordArray(made.nodes),
                RecordArray(made.numbers),
                RecordArray(made.words, marks.reshape(-1)),
            )
            for name, words, *row in zip(new, made.words, at.tolist(), *made.ended.T.tolist(), strict=True):
                self._merged[name] = _Left(words, tuple(row))
        found = []
        for key, name in zip(keys[:count].tolist(), names, strict=True):
            terminal = (key + (1 << K.LEFTOVER_KEY_AT - 1)) >> K.LEFTOVER_KEY_AT
            found.append((terminal, (key - (terminal << K.LEFTOVER_KEY_AT)) >> 1, self._merged[name]))
        return found


def array_at(address: int, count: int, dtype: Any) -> npt.NDArray[Any]:
    """Return the memory at an address as an array; the caller keeps it alive."""
    size = count * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), dtype)


class RecordSource(Protocol):
    """Where records are stored."""

    @property
    def nbytes(self) -> int:
        """Bytes of the records."""
        ...

    @property
    def dense(self) -> DenseRows | None:
        """Their dense rows; None if these are in the mask store."""
        ...

    def read(self) -> Records | None:
        """Return the records, once; None if they cannot be used."""
        ...


class VocabularyTables(GrowingGrammarTables):
    """The tables of the lexer and the parser, the records, and the questions of compiled code."""

    def __init__(
        self,
        tables: ParserTables,
        language: Callable[[], ContextualLanguage],
        vocabulary: Vocabulary,
        masks: VocabularyStore,
        grammar_tables: GrammarTables | None = None,
        records: RecordSource | None = None,
    ) -> None:
        """`language` is called if something is needed that `grammar_tables` do not have. `records` (stored
        ones) are read when the first is needed. Nobody else may write to either. Cost: a lexer without
        `grammar_tables`, 0.1 ms with them."""
        super().__init__(tables, language, grammar_tables)
        words = self._words
        self._records: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._made: list[RecordArray] = []
        """The arrays of records."""
        self._tries: dict[int, npt.NDArray[np.int64]] = {}
        self._held: dict[int, npt.NDArray[np.int64]] = {}
        """The words of tries that have records, and their records, by the addresses of the words."""
        self._builder = RecordBuilder(vocabulary, masks, int(words[K.LarkTables.newline]), self._made)
        self._masks = masks
        self.pairs = PairedLexemes(vocabulary, masks, self._builder.first_bytes)
        words[_tables_word("pairs")] = address_of(self.pairs.table)
        dense, levels = 1 + K.COLLECTED_ROW_WORDS * K.MOST_ROWS, words_of(K.Level) * K.MOST_LEVELS
        liveness, units = 1 + words_of(K.LivenessEntry) * K.MOST_LIVENESS, 2 * K.MOST_UNITS
        held = room(8 * (dense + levels + liveness + units)).view(np.int64)
        self._dense, self._levels, self._liveness, self._units = np.split(
            held, np.cumsum((dense, levels, liveness))
        )
        self._unions: dict[bytes, int] = {}
        self._wanted = np.ones(256 * (K.MOST_LEVELS + 1), np.uint8)
        words[_tables_word("first_bytes")] = address_of(self._builder.first_bytes)
        words[_tables_word("collected")] = address_of(self._dense)
        words[_tables_word("levels")], words[_tables_word("wanted")] = (
            address_of(self._levels),
            address_of(self._wanted),
        )
        self._fragments = MaskFragments(pooled=True)
        words[_tables_word("fragments")] = self._fragments.address
        words[K.LarkTables.lowest], words[K.LarkTables.inspected] = K.NOTHING_INSPECTED, 0
        words[_tables_word("liveness")], words[_tables_word("units")] = (
            address_of(self._liveness),
            address_of(self._units),
        )
        self._later = records
        """Stored records that are not read yet."""
        self._beside = None if records is None else records.dense
        """The dense rows of the stored records."""
        if grammar_tables is not None:
            self._records = np.zeros(len(self._newlines), np.int64)
            words[_tables_word("records")] = address_of(self._records)
        else:
            self._grow(FIRST_ROOM)

    def attach(self, context: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Make compiled code that is called with a context read these tables; return the list in which it
        notes questions, also about the context's own places and states."""
        needs = room(8 * (1 + 4 * K.MOST_NOTED)).view(np.int64)
        context[_CONTEXT_QUESTIONS], context[_CONTEXT_TABLES] = (
            address_of(needs),
            address_of(self._words),
        )
        return needs

    def reopen_all(self) -> None:
        """Reopen all unanswered questions."""
        super().reopen_all()
        for records in (self._records, *self._held.values()):
            records[records < 0] = 0
        self.pairs.reopen_all()

    # --- what is kept ---------------------------------------------------------------------------------------

    def records(self) -> Records | None:
        """Return the records, with row numbers of the mask store; None if it has no room for the dense rows
        of stored records; none of them if such a row is damaged. Cost: about 2 us for each array, 20 us for
        each such row."""
        self._fetch()
        # those with addresses first: only they are written to when the file is read
        count, made = self._told, sorted(self._made, key=lambda one: not len(one.addresses))
        sizes = np.array([(one.array.nbytes + 7) // 8 for one in made], np.int64)
        at = np.cumsum(sizes) - sizes
        """The position of each array, in words."""
        held = np.zeros(int(sizes.sum()), np.int64)
        octets = held.view(np.uint8)
        addresses: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
        rows: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
        for one, begin in zip(made, at.tolist(), strict=True):
            octets[8 * begin : 8 * begin + one.array.nbytes] = one.array.reshape(-1).view(np.uint8)
            addresses.append(np.asarray(one.addresses, np.int64) + begin)
            rows.append(np.asarray(one.rows, np.int64) + begin)
        places = np.array([address_of(one.array) for one in made], np.int64)
        order = np.argsort(places, kind="stable")

        def offsets(of: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
            which = order[np.searchsorted(places[order], of, "right") - 1]
            found: npt.NDArray[np.int64] = 8 * at[which] + of - places[which]
            return found

        where = np.concatenate(addresses)
        held[where] = offsets(held[where])
        tries = np.array(list(self._tries), np.int64)
        records = np.zeros((1 + len(tries), count), np.int64)
        all_held = [self._records, *(self._held[trie] for trie in self._tries)]
        for row, of_trie in zip(records, all_held, strict=True):
            known = of_trie[:count] > 0
            row[known] = 1 + offsets(of_trie[:count][known])
        for trie in offsets(tries).tolist():
            held[trie // 8 + _TRIE_RECORDS] = 0
        found = Records(records, offsets(tries), held, where, np.concatenate(rows))
        if self._put_beside(found):
            return found
        return Records.none(count) if self._beside is not None and self._beside.is_damaged else None

    def _put_beside(self, records: Records) -> bool:
        """Copy the dense rows of stored records to the mask store; return whether all fit."""
        named = records.made[records.rows]
        beside = named < 0
        which, places = np.unique(named[beside], return_inverse=True)
        numbers = [None if self._beside is None else self._beside.number(-1 - one) for one in which.tolist()]
        if None in numbers:
            return False
        named[beside] = np.array(numbers, np.int64)[places]
        records.made[records.rows] = named
        return True

    def _fetch(self) -> None:
        """Read the stored records, if that was not done yet."""
        later, self._later = self._later, None
        kept = None if later is None else later.read()
        if kept is None:
            return
        base, known = address_of(kept.made), kept.records.shape[1]
        kept.made[kept.addresses] += base
        if len(kept.made):
            self._made.append(RecordArray(kept.made, kept.addresses, kept.rows))
        records = np.zeros((len(kept.records), len(self._newlines)), np.int64)
        records[:, :known] = np.where(kept.records > 0, kept.records + (base - 1), 0)
        self._kept.append(self._records)  # a running call may still use its address
        self._records = records[0]
        self._words[_tables_word("records")] = address_of(self._records)
        for trie, held in zip(kept.tries.tolist(), records[1:], strict=True):
            words = kept.made[trie // 8 : trie // 8 + _TRIE_WORDS]
            self._tries[base + trie], self._held[base + trie] = words, held
            words[_TRIE_RECORDS] = address_of(held)

    # --- room -----------------------------------------------------------------------------------------------

    def _grow(self, rows: int) -> None:
        """Make room for lexeme states."""
        old = self._records
        records = np.zeros(rows, np.int64)
        records[: len(old)] = old
        self._kept.append(old)  # a running call may still use its address
        self._records, self._words[_tables_word("records")] = records, address_of(records)
        for trie in self._tries.values():
            self._hang(trie, rows)
        super()._grow(rows)

    def dense(self) -> int | npt.NDArray[np.int32] | None:
        """Return the number of a dense row with the tokens of all dense rows of the last collected mask, -1
        if it has none; the row itself, if the store has no room for it; None if one of them is damaged."""
        count = int(self._dense[0])
        if count == 0:
            return -1
        noted = self._dense[1 : 1 + K.COLLECTED_ROW_WORDS * count]
        key = noted.tobytes()
        known = self._unions.get(key)
        if known is None:
            row = np.zeros(self._masks.words, np.int32)
            for number, *firsts in noted.reshape(-1, K.COLLECTED_ROW_WORDS).tolist():
                one = self._dense_row(number)
                if one is None:
                    return None
                row |= (
                    one if self._builder.begin_all(number, firsts) else one & self._builder.beginning(firsts)
                )
            known = self._masks.intern_row(row)
            if known is None:
                return row
            self._unions[key] = known
        return known

    def _dense_row(self, number: int) -> npt.NDArray[np.int32] | None:
        if number >= 0:
            row: npt.NDArray[np.int32] = self._masks.rows[number]
            return row
        assert self._beside is not None
        return self._beside.row(-1 - number)

    def collect_record(self, context: int, lexeme: int, words: int) -> int:
        """Scan a trie (0, or the address of its words) in a lexeme state. Returns 0, or ASKED."""
        return self._builder.scan(context, lexeme, words)

    def put_record(self, lexeme: int, words: int) -> None:
        """Store the record of the last scan of a trie in a lexeme state."""
        rows = len(self._newlines)
        record, tries = self._builder.record(words)
        for trie in tries:
            if address_of(trie) not in self._tries:
                self._hang(trie, rows)
                self._tries[address_of(trie)] = trie
        held = self._records if words == 0 else self._held[words]
        held[lexeme] = address_of(record)

    def is_open(self, kind: int, first: int, second: int) -> bool:
        """Return whether a question about the lexer has no answer."""
        if kind == K.Q_RECORD:
            self._fetch()
            held = self._records if second == 0 else self._held[second]
            return first >= len(held) or int(held[first]) <= 0
        return super().is_open(kind, first, second)

    def left_over(self, lexeme: int, words: int) -> list[tuple[int, int]]:
        """Return the terminals after which a record has tries with records of their own, and the addresses of
        the tries' words."""
        self._fetch()
        at = int((self._records if words == 0 else self._held[words])[lexeme])
        record = array_at(at, _RECORD_CROSSINGS, np.int64)
        count = int(record[_RECORD_LEFTOVER_COUNT]) * K.LEFTOVER_WORDS
        rows = array_at(int(record[_RECORD_LEFTOVERS]), count, np.int64)
        return [
            (row[0], row[2]) for row in rows.reshape(-1, K.LEFTOVER_WORDS).tolist() if row[2] in self._tries
        ]

    def _hang(self, trie: npt.NDArray[np.int64], rows: int) -> None:
        """Allocate the list of a trie's records."""
        at = address_of(trie)
        records = np.zeros(rows, np.int64)
        old = self._held.get(at)
        if old is not None:
            records[: len(old)] = old
            self._kept.append(old)
        self._held[at], trie[_TRIE_RECORDS] = records, address_of(records)

    def reopen(self, kind: int, first: int, second: int) -> None:
        """Have a question about the lexer asked again."""
        if kind == K.Q_PAIR:
            self.pairs.reopen(first, second)
        elif kind == K.Q_RECORD:
            (self._records if second == 0 else self._held[second])[first] = 0
        else:
            super().reopen(kind, first, second)

    @property
    def extent(self) -> tuple[int, int]:
        """Return the amount of knowledge: lexeme states, and arrays of records."""
        return self._told, len(self._made) + (self._later is not None)

    @property
    def nbytes(self) -> int:
        """Bytes of all tables, outgrown ones included."""
        arrays: list[npt.NDArray[Any]] = [
            self._moves,
            self._newlines,
            self._endings,
            self._lists,
            self._records,
            *(one.array for one in self._made),
            *self._held.values(),
            *self._kept,
        ]
        others = self._builder.nbytes + self.pairs.nbytes + self._fragments.nbytes
        others += 0 if self._later is None else self._later.nbytes
        return others + sum(int(array.nbytes) for array in (*arrays, *self._fixed.values()))
