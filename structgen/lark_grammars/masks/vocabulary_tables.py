"""The tables of a Lark grammar and a vocabulary that compiled code reads, and the questions that it notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from structgen.json_machine.tables import layout as L
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.compiled.mask_fragments import Pieces
from structgen.lark_grammars.compiled.paired_lexemes import PairedLexemes
from structgen.lark_grammars.compiled.record_shapes import Made, Records, Shape, array_at
from structgen.lark_grammars.kept.kept_masks import DenseRows
from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.lark_grammars.tables.grammar_tables import FIRST_ROOM, GrammarTables, PageTables
from structgen.native.lazy_memory import room
from structgen.native.raw_memory import address_of
from structgen.store.mask_store import VocabularyStore
from structgen.tokens.vocabulary import Vocabulary


class RecordSource(Protocol):
    """Where records are kept."""

    @property
    def nbytes(self) -> int:
        """Bytes of the records."""
        ...

    @property
    def dense(self) -> DenseRows | None:
        """Their dense rows; None where these are the mask store's."""
        ...

    def read(self) -> Records | None:
        """Return the records, once; None where they do not serve."""
        ...


class VocabularyTables(PageTables):
    """The tables of the lexer and the parser that compiled code reads, the records of what tokens do, and the
    questions."""

    def __init__(
        self,
        tables: ParserTables,
        language: Callable[[], ContextualLanguage],
        vocabulary: Vocabulary,
        masks: VocabularyStore,
        pages: GrammarTables | None = None,
        records: RecordSource | None = None,
    ) -> None:
        """`language` is called when something is met that `pages` do not know; `records`, what was kept, are
        read when the first is asked for. Nobody else may write to either. Cost: a lexer without pages, 0.1 ms
        with them."""
        super().__init__(tables, language, pages)
        words = self._words
        self._records: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._made: list[Made] = []
        """The arrays of records."""
        self._tries: dict[int, npt.NDArray[np.int64]] = {}
        self._held: dict[int, npt.NDArray[np.int64]] = {}
        """The words of tries that have records, and these, by the addresses of the words."""
        self._shape = Shape(vocabulary, masks, int(words[K.K_NEWLINE]), self._made)
        self._masks = masks
        self.pairs = PairedLexemes(vocabulary, masks, self._shape.first_bytes)
        words[K.K_PAIRS] = address_of(self.pairs.table)
        dense, levels = 1 + K.DENSE_WORDS * K.MOST_DENSE, K.LEVEL_WORDS * K.MOST_LEVELS
        looks, chains = 1 + K.LOOK_WORDS * K.MOST_LOOKS, 2 * K.MOST_CHAINS
        held = room(8 * (dense + levels + looks + chains)).view(np.int64)
        self._dense, self._levels, self._looks, self._chains = np.split(
            held, np.cumsum((dense, levels, looks))
        )
        self._unions: dict[bytes, int] = {}
        self._wanted = np.ones(256 * (K.MOST_LEVELS + 1), np.uint8)
        words[K.K_FIRST_BYTES] = address_of(self._shape.first_bytes)
        words[K.K_DENSE] = address_of(self._dense)
        words[K.K_LEVELS], words[K.K_WANTED] = address_of(self._levels), address_of(self._wanted)
        self._pieces = Pieces(pooled=True)
        words[K.K_PIECES] = self._pieces.address
        words[K.K_LOW], words[K.K_LOOKED] = K.NOTHING_LOOKED, 0
        words[K.K_LOOKS], words[K.K_CHAINS] = address_of(self._looks), address_of(self._chains)
        self._later = records
        """What is not read yet."""
        self._beside = None if records is None else records.dense
        """The dense rows of what was kept."""
        if pages is not None:
            self._records = np.zeros(len(self._newlines), np.int64)
            words[K.K_RECORDS] = address_of(self._records)
        else:
            self._grow(FIRST_ROOM)

    def attach(self, context: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Have compiled code that is called with a context read this book; return where it notes its
        questions, which speak of the context's own places and states, too."""
        needs = room(8 * (1 + 4 * K.MOST_NOTED)).view(np.int64)
        context[L.C_NEEDS], context[K.C_LARK] = address_of(needs), address_of(self._words)
        return needs

    def reopen_all(self) -> None:
        """Have all asked again that was asked and not answered: whoever shares this book has noted it."""
        super().reopen_all()
        for records in (self._records, *self._held.values()):
            records[records < 0] = 0
        self.pairs.ask_again()

    # --- what is kept ---------------------------------------------------------------------------------------

    def records(self) -> Records | None:
        """Return the records, with numbers of the mask store; None where it has no room for the dense rows of
        those that were kept; none at all where one of these is damaged. Cost: some 2 us for each array that
        they are made of, 20 us for each such row."""
        self._fetch()
        # those with addresses first: they alone are written to when it is read
        count, made = self._told, sorted(self._made, key=lambda one: not len(one.addresses))
        sizes = np.array([(one.array.nbytes + 7) // 8 for one in made], np.int64)
        at = np.cumsum(sizes) - sizes
        """Of each array, the word where it lies."""
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
            held[trie // 8 + K.D_RECORDS] = 0
        found = Records(records, offsets(tries), held, where, np.concatenate(rows))
        if self._put_beside(found):
            return found
        return Records.none(count) if self._beside is not None and self._beside.is_damaged else None

    def _put_beside(self, records: Records) -> bool:
        """Have the dense rows of what was kept in the mask store; return whether they are."""
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
        """Have the records that were kept, if they were not read yet."""
        later, self._later = self._later, None
        kept = None if later is None else later.read()
        if kept is None:
            return
        base, known = address_of(kept.made), kept.records.shape[1]
        kept.made[kept.addresses] += base
        if len(kept.made):
            self._made.append(Made(kept.made, kept.addresses, kept.rows))
        records = np.zeros((len(kept.records), len(self._newlines)), np.int64)
        records[:, :known] = np.where(kept.records > 0, kept.records + (base - 1), 0)
        self._kept.append(self._records)  # a reader may still hold its address
        self._records = records[0]
        self._words[K.K_RECORDS] = address_of(self._records)
        for trie, held in zip(kept.tries.tolist(), records[1:], strict=True):
            words = kept.made[trie // 8 : trie // 8 + K.D_WORDS]
            self._tries[base + trie], self._held[base + trie] = words, held
            words[K.D_RECORDS] = address_of(held)

    # --- room -----------------------------------------------------------------------------------------------

    def _grow(self, rows: int) -> None:
        """Make room for lexeme states."""
        old = self._records
        records = np.zeros(rows, np.int64)
        records[: len(old)] = old
        self._kept.append(old)  # a reader may still hold its address
        self._records, self._words[K.K_RECORDS] = records, address_of(records)
        for trie in self._tries.values():
            self._hang(trie, rows)
        super()._grow(rows)

    def dense(self) -> int | npt.NDArray[np.int32] | None:
        """Return the number of the dense row that has the tokens of all those in the mask that was collected
        just now, -1 where it has none; or the row itself, where the store has no room for it; None where one
        is damaged."""
        count = int(self._dense[0])
        if count == 0:
            return -1
        noted = self._dense[1 : 1 + K.DENSE_WORDS * count]
        key = noted.tobytes()
        known = self._unions.get(key)
        if known is None:
            row = np.zeros(self._masks.words, np.int32)
            for number, *firsts in noted.reshape(-1, K.DENSE_WORDS).tolist():
                one = self._dense_row(number)
                if one is None:
                    return None
                row |= one if self._shape.begin_all(number, firsts) else one & self._shape.beginning(firsts)
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
        """Note what the tokens of a trie, 0 or the address of its words, do in a lexeme state. Returns 0, or
        ASKED."""
        return self._shape.harvest(context, lexeme, words)

    def put_record(self, lexeme: int, words: int) -> None:
        """Enter what the tokens of a trie do in a lexeme state, as it was noted just now."""
        rows = len(self._newlines)
        record, tries = self._shape.record(words)
        for trie in tries:
            if address_of(trie) not in self._tries:
                self._hang(trie, rows)
                self._tries[address_of(trie)] = trie
        held = self._records if words == 0 else self._held[words]
        held[lexeme] = address_of(record)

    def is_open(self, kind: int, first: int, second: int) -> bool:
        """Return whether a question about the lexer or the parser's plans has no answer yet."""
        if kind == K.Q_RECORD:
            self._fetch()
            held = self._records if second == 0 else self._held[second]
            return first >= len(held) or int(held[first]) <= 0
        return super().is_open(kind, first, second)

    def left_over(self, lexeme: int, words: int) -> list[tuple[int, int]]:
        """Return the terminals behind which a record has tries that may have records of their own, and the
        addresses of their words."""
        self._fetch()
        at = int((self._records if words == 0 else self._held[words])[lexeme])
        record = array_at(at, K.R_CROSSINGS, np.int64)
        count = int(record[K.R_TRIE_COUNT]) * K.TRIE_ROW
        rows = array_at(int(record[K.R_TRIES]), count, np.int64)
        return [(row[0], row[2]) for row in rows.reshape(-1, K.TRIE_ROW).tolist() if row[2] in self._tries]

    def _hang(self, trie: npt.NDArray[np.int64], rows: int) -> None:
        """Give a trie room for its records."""
        at = address_of(trie)
        records = np.zeros(rows, np.int64)
        old = self._held.get(at)
        if old is not None:
            records[: len(old)] = old
            self._kept.append(old)
        self._held[at], trie[K.D_RECORDS] = records, address_of(records)

    def reopen(self, kind: int, first: int, second: int) -> None:
        """Have a question about the lexer or the parser's plans asked again."""
        if kind == K.Q_PAIR:
            self.pairs.reopen(first, second)
        elif kind == K.Q_RECORD:
            (self._records if second == 0 else self._held[second])[first] = 0
        else:
            super().reopen(kind, first, second)

    @property
    def extent(self) -> tuple[int, int]:
        """Return how much is known: lexeme states, and arrays of records."""
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
        others = self._shape.nbytes + self.pairs.nbytes + self._pieces.nbytes
        others += 0 if self._later is None else self._later.nbytes
        return others + sum(int(array.nbytes) for array in (*arrays, *self._fixed.values()))
