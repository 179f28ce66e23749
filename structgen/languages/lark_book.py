"""The tables of a Lark grammar that compiled code reads, and the questions that it notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from structgen.languages import lark_layout as K
from structgen.languages.contextual import ContextualLanguage
from structgen.languages.lark_ahead import Ahead
from structgen.languages.lark_moves import UNKNOWN_BEHIND, code_moves
from structgen.languages.lark_pairs import Pairs
from structgen.languages.lark_pieces import Pieces
from structgen.languages.lark_shapes import Made, Shape, array_at
from structgen.machine import layout as L
from structgen.machine.tables import address_of
from structgen.masks.room import room
from structgen.masks.store import VocabularyStore
from structgen.masks.vocabulary import Vocabulary
from structgen.parsing.lexeme_rows import FULL
from structgen.parsing.lexer import Lexer
from structgen.parsing.tables import ParserTables


class Pages(NamedTuple):
    """What a book holds, as plain arrays: numbers of lexeme states and terminals."""

    fixed: npt.NDArray[np.uint8]
    """The classes of the 256 bytes, and the separator, if there is one."""
    moves: npt.NDArray[np.int64]
    newlines: npt.NDArray[np.uint8]
    endings: npt.NDArray[np.int32]
    lists: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]
    plans: npt.NDArray[np.int32]
    clean: npt.NDArray[np.uint8]
    origins: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int32]
    """Of the rules: what they make, of how many symbols."""
    sure: npt.NDArray[np.uint8]
    """Of the parser's states, as in `put_sure`; none where that was not worked out."""


class Records(NamedTuple):
    """The records of a book: numbers of dense rows, and offsets in `made`, one after another of all arrays
    that it has addresses of."""

    records: npt.NDArray[np.int64]
    """[1 + tries, states]: of the vocabulary's trie and each of `tries`, where the record of a state is, and
    1; 0: there is none."""
    tries: npt.NDArray[np.int64]
    made: npt.NDArray[np.int64]
    addresses: npt.NDArray[np.int64]
    """Which words of `made` are offsets in it."""
    rows: npt.NDArray[np.int64]
    """Which are numbers of dense rows."""

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(one.nbytes for one in self)

    def read(self) -> Records:
        """Return the records."""
        return self


class RecordSource(Protocol):
    """Where records are kept."""

    @property
    def nbytes(self) -> int:
        """Bytes of the records."""
        ...

    def read(self) -> Records | None:
        """Return the records, once; None where they do not serve."""
        ...


class Book:
    """The tables of the lexer and the parser that compiled code reads, and the questions."""

    def __init__(
        self,
        tables: ParserTables,
        language: Callable[[], ContextualLanguage],
        vocabulary: Vocabulary,
        masks: VocabularyStore,
        pages: Pages | None = None,
        records: RecordSource | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        """`language` is called when something is met that `pages`, what was kept, do not know; `records` are
        read when the first is asked for. Nobody else may write to either; their dense rows are numbers of
        `masks`. `ahead`: what is known where there are no pages. Cost: a lexer without them, 0.1 ms with
        them."""
        self._language = language
        self._words = np.full(K.K_WORDS, -1, np.int64)
        self._kept: list[npt.NDArray[Any]] = []
        if pages is None:
            lexer = language().reader.lexer
            fixed = np.frombuffer(lexer.classes + language().separator, np.uint8)
            origins = np.array([rule.origin for rule in tables.rules], np.int32)
            sizes = np.array([len(rule.symbols) for rule in tables.rules], np.int32)
        else:
            fixed, origins, sizes = pages.fixed, pages.origins, pages.sizes
        self._classes, separator = fixed[:256].copy(), fixed[256:].tolist()
        self._width = int(self._classes.max()) + 1
        terminals = len(tables.terminals)
        ignored = np.zeros(terminals, np.uint8)
        ignored[sorted(tables.ignored)] = 1
        brackets = np.zeros(terminals, np.uint8)
        words, indentation = self._words, tables.indentation
        if indentation is not None:
            brackets[sorted(indentation.opening)] = 1
            brackets[sorted(indentation.closing)] = 2
            words[K.K_NEWLINE], words[K.K_INDENT] = indentation.newline, indentation.indent
            words[K.K_DEDENT], words[K.K_TAB] = indentation.dedent, indentation.tab_size
        self._starts = np.full(len(tables.contexts), K.UNKNOWN, np.int32)
        self._fixed: dict[int, npt.NDArray[Any]] = {
            K.K_CLASSES: self._classes,
            K.K_ACTIONS: np.ascontiguousarray(tables.actions, np.int32),
            K.K_GOTOS: np.ascontiguousarray(tables.gotos, np.int32),
            K.K_ORIGINS: origins,
            K.K_SIZES: sizes,
            K.K_CONTEXTS: np.ascontiguousarray(tables.context_of, np.int32),
            K.K_STARTS: self._starts,
            K.K_IGNORED: ignored,
            K.K_BRACKETS: brackets,
        }
        for word, array in self._fixed.items():
            words[word] = address_of(array)
        if separator:
            words[K.K_SEPARATOR] = separator[0]
        words[K.K_WIDTH], words[K.K_TERMINALS] = self._width, terminals
        words[K.K_NONTERMINALS], words[K.K_END_STATE] = tables.gotos.shape[1], tables.end
        self._moves: npt.NDArray[np.int64] = np.empty((0, self._width), np.int64)
        self._nothing = np.full((terminals, self._width), UNKNOWN_BEHIND, np.uint8)
        """Which classes of bytes are errors behind a terminal, wherever that stands."""
        self._entered: set[int] | None = set()
        """The lexeme states whose moves are there; None: not listed yet."""
        self._newlines: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        self._endings: npt.NDArray[np.int32] = np.empty(0, np.int32)
        self._lists: npt.NDArray[np.int32] = np.empty(256, np.int32)
        self._listed = 0
        self._plans = np.full(len(tables.kernels), K.UNKNOWN, np.int32)
        self._clean = np.zeros((len(tables.contexts), terminals), np.uint8)
        self._sure = np.zeros(len(tables.kernels), np.uint8)
        self.knows_sure = False
        """Whether it was worked out behind which states a text goes on, whatever lies below."""
        self._fixed |= {K.K_PLANS: self._plans, K.K_CLEAN: self._clean, K.K_SURE: self._sure}
        words[K.K_SURE], words[K.K_BARRING] = address_of(self._sure), 0
        words[K.K_PLANS], words[K.K_CLEAN] = address_of(self._plans), address_of(self._clean)
        self._known_lists: dict[tuple[int, ...], int] = {}
        self._told = 0
        self._records: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._made: list[Made] = []
        """The arrays of records."""
        self._tries: dict[int, npt.NDArray[np.int64]] = {}
        self._held: dict[int, npt.NDArray[np.int64]] = {}
        """The words of tries that have records, and these, by the addresses of the words."""
        self._shape = Shape(vocabulary, masks, int(words[K.K_NEWLINE]))
        self._masks = masks
        self.pairs = Pairs(vocabulary, masks, self._shape.first_bytes)
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
        words[K.K_PIECING], words[K.K_LOW], words[K.K_LOOKED] = 0, K.NOTHING_LOOKED, 0
        words[K.K_LOOKS], words[K.K_CHAINS] = address_of(self._looks), address_of(self._chains)
        words[K.K_ENDS] = words[K.K_STEPS] = address_of(self._lists)
        self._later = records
        """What is not read yet."""
        if pages is not None:
            self._put(pages)
            return
        self._grow(256)
        if ahead is not None:
            self._plans[:], self._clean[:], self._nothing[:] = ahead.plans, ahead.clean, ahead.errors
            self._lists, self._listed = ahead.lists.copy(), len(ahead.lists)
            words[K.K_ENDS] = words[K.K_STEPS] = address_of(self._lists)
            self.put_sure(ahead.sure)

    def attach(self, context: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Have compiled code that is called with a context read this book; return where it notes its
        questions, which speak of the context's own places and states, too."""
        needs = room(8 * (1 + 4 * K.MOST_NOTED)).view(np.int64)
        context[L.C_NEEDS], context[K.C_LARK] = address_of(needs), address_of(self._words)
        return needs

    def ask_again(self) -> None:
        """Have all asked again that was asked and not answered: whoever shares this book has noted it."""
        for cells in (self._moves, self._endings, self._starts, self._plans):
            cells[cells == K.PENDING] = K.UNKNOWN
        self._clean[self._clean == K.CLEAN_PENDING] = K.CLEAN_UNKNOWN
        for records in (self._records, *self._held.values()):
            records[records < 0] = 0
        self.pairs.ask_again()

    @property
    def _lexer(self) -> Lexer:
        return self._language().reader.lexer

    def _known_moves(self) -> set[int]:
        """Return the lexeme states whose moves are there."""
        if self._entered is None:
            self._entered = set(np.flatnonzero((self._moves >= 0).all(axis=1)).tolist())
        return self._entered

    # --- what is kept ---------------------------------------------------------------------------------------

    def pages(self) -> Pages:
        """Return what the book holds but records."""
        count, separator = self._told, int(self._words[K.K_SEPARATOR])
        clean = self._clean.copy()
        clean[clean == K.CLEAN_PENDING] = K.CLEAN_UNKNOWN
        return Pages(
            np.append(self._classes, np.array([separator] if separator >= 0 else [], np.uint8)),
            _answered(self._moves[:count]),
            self._newlines[:count].copy(),
            _answered(self._endings[:count]),
            self._lists[: self._listed].copy(),
            _answered(self._starts),
            _answered(self._plans),
            clean,
            self._fixed[K.K_ORIGINS],
            self._fixed[K.K_SIZES],
            self._sure.copy() if self.knows_sure else self._sure[:0],
        )

    def records(self) -> Records:
        """Return the records. Cost: some 2 us for each array that they are made of."""
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
        return Records(records, offsets(tries), held, where, np.concatenate(rows))

    def _put(self, pages: Pages) -> None:
        """Have what was kept."""
        words, count = self._words, len(pages.newlines)
        self._moves, self._newlines, self._endings = pages.moves, pages.newlines, pages.endings
        self._entered = None
        self._told = count
        self._lists, self._listed = pages.lists, len(pages.lists)
        self._starts[:], self._plans[:], self._clean[:] = pages.starts, pages.plans, pages.clean
        if len(pages.sure):
            self.put_sure(pages.sure)
        self._records = np.zeros(count, np.int64)
        words[K.K_MOVES], words[K.K_NEWLINES] = address_of(self._moves), address_of(self._newlines)
        words[K.K_ENDINGS], words[K.K_RECORDS] = address_of(self._endings), address_of(self._records)
        words[K.K_ENDS] = words[K.K_STEPS] = address_of(self._lists)

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
        old = len(self._newlines)
        moves = np.full((rows, self._width), K.UNKNOWN, np.int64)
        newlines, endings = np.zeros(rows, np.uint8), np.full(rows, K.UNKNOWN, np.int32)
        records = np.zeros(rows, np.int64)
        moves[:old], newlines[:old], endings[:old] = self._moves, self._newlines, self._endings
        records[:old] = self._records
        self._kept.append(self._records)
        self._records, self._words[K.K_RECORDS] = records, address_of(records)
        for trie in self._tries.values():
            self._hang(trie, rows)
        self._kept += [self._moves, self._newlines, self._endings]  # a reader may still hold their addresses
        self._moves, self._newlines, self._endings = moves, newlines, endings
        words = self._words
        words[K.K_MOVES], words[K.K_NEWLINES] = address_of(moves), address_of(newlines)
        words[K.K_ENDINGS] = address_of(endings)

    def reach(self, lexeme: int) -> None:
        """Have rows for all lexeme states, this one among them."""
        lexer, newline = self._lexer, int(self._words[K.K_NEWLINE])
        count = len(lexer.states)
        if count > len(self._newlines):
            self._grow(max(2 * len(self._newlines), count))
        if self._told < count:
            if newline >= 0:
                self._newlines[self._told : count] = lexer.becoming(self._told, count, newline)
            self._told = count
        assert lexeme < count

    def dense(self) -> int | npt.NDArray[np.int32]:
        """Return the number of the dense row that has the tokens of all those in the mask that was collected
        just now, -1 where it has none; or the row itself, where the store has no room for it."""
        count = int(self._dense[0])
        if count == 0:
            return -1
        noted = self._dense[1 : 1 + K.DENSE_WORDS * count]
        key = noted.tobytes()
        known = self._unions.get(key)
        if known is None:
            row = np.zeros(self._masks.words, np.int32)
            for number, *firsts in noted.reshape(-1, K.DENSE_WORDS).tolist():
                if self._shape.begin_all(number, firsts):
                    row |= self._masks.rows[number]
                else:
                    row |= self._masks.rows[number] & self._shape.beginning(firsts)
            known = self._masks.intern_row(row)
            if known is None:
                return row
            self._unions[key] = known
        return known

    def harvest(self, context: int, lexeme: int, words: int) -> int:
        """Note what the tokens of a trie, 0 or the address of its words, do in a lexeme state. Returns 0, or
        ASKED."""
        return self._shape.harvest(context, lexeme, words)

    def put_record(self, lexeme: int, words: int) -> None:
        """Enter what the tokens of a trie do in a lexeme state, as it was noted just now."""
        rows = len(self._newlines)
        record, tries, kept = self._shape.record(words)
        for trie in tries:
            if address_of(trie) not in self._tries:
                self._tries[address_of(trie)] = trie
                self._hang(trie, rows)
        self._made += kept
        held = self._records if words == 0 else self._held[words]
        held[lexeme] = address_of(record)

    def start_of(self, context: int) -> int:
        """Return the lexeme state in which a context begins, below 0 where it is not entered."""
        return int(self._starts[context])

    def is_open(self, kind: int, first: int, second: int) -> bool:
        """Return whether a question about the lexer or the parser's plans has no answer yet."""
        if kind == K.Q_RECORD:
            self._fetch()
            held = self._records if second == 0 else self._held[second]
            return first >= len(held) or int(held[first]) <= 0
        if kind == K.Q_MOVE:
            return first not in self._known_moves()
        if kind == K.Q_CLEAN:
            return int(self._clean[first, second]) in (K.CLEAN_UNKNOWN, K.CLEAN_PENDING)
        cells = {K.Q_START: self._starts, K.Q_PLAN: self._plans, K.Q_ENDINGS: self._endings}[kind]
        return first >= len(cells) or int(cells[first]) < 0

    def states_behind(self, lexeme: int) -> list[int]:
        """Return the lexeme states that the moves of one lead to, with and without its old slot."""
        moves = self._moves[lexeme]
        kinds = moves & K.KIND_BITS
        on = np.isin(kinds, (K.MV_ON, K.MV_KEEP_NEW, K.MV_KEEP_OLD))
        kept = np.isin(kinds, (K.MV_KEEP_NEW, K.MV_KEEP_OLD))
        found: list[int] = np.unique(
            np.concatenate(((moves[on] >> K.TO_SHIFT) & K.TO_BITS, moves[kept] >> K.ELSE_SHIFT))
        ).tolist()
        return found

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
        self._held[at] = records
        trie[K.D_RECORDS] = address_of(records)

    def reopen(self, kind: int, first: int, second: int) -> None:
        """Have a question about the lexer or the parser's plans asked again."""
        if kind == K.Q_MOVE:
            self._moves[first, second] = K.UNKNOWN
            self._known_moves().discard(first)
        elif kind == K.Q_START:
            self._starts[first] = K.UNKNOWN
        elif kind == K.Q_ENDINGS:
            self._endings[first] = K.UNKNOWN
        elif kind == K.Q_PLAN:
            self._plans[first] = K.UNKNOWN
        elif kind == K.Q_CLEAN:
            self._clean[first, second] = K.CLEAN_UNKNOWN
        elif kind == K.Q_PAIR:
            self.pairs.reopen(first, second)
        elif kind == K.Q_RECORD:
            (self._records if second == 0 else self._held[second])[first] = 0

    def put_start(self, context: int, lexeme: int) -> None:
        """Enter the state in which a context begins."""
        self.reach(lexeme)
        self._starts[context] = lexeme

    def put_endings(
        self, lexeme: int, endings: Sequence[int | tuple[int, ...]], all_of: Sequence[int], last: int
    ) -> None:
        """Enter the terminals as which a lexeme may end before a separator, or before others (see
        ContextualLanguage.endings), all that it may become, and what the text's end makes of it."""
        terminals = [
            one if isinstance(one, int) else K.TAILED + self._listed_at((len(one), *one)) for one in endings
        ]
        listed = (len(terminals), *terminals, len(all_of), *all_of, last)
        self._endings[lexeme] = self._listed_at(listed)

    def put_plan(self, state: int, rule: int, dot: int, terminals: Sequence[int]) -> None:
        """Enter what the rule of a parser state that needs the fewest bytes still needs."""
        self._plans[state] = self._listed_at((rule, dot, len(terminals), *terminals))

    def put_clean(self, context: int, terminal: int, clean: int) -> None:
        """Enter whether a terminal's lexeme stands between separators."""
        self._clean[context, terminal] = clean

    def plan(self, state: int) -> tuple[int, int, list[int]]:
        """Return the plan of a parser state that was entered."""
        at = int(self._plans[state])
        rule, dot, count = self._lists[at : at + 3].tolist()
        return rule, dot, self._lists[at + 3 : at + 3 + count].tolist()

    def clean(self, context: int, terminal: int) -> int:
        """Return what was entered of a terminal in a context."""
        return int(self._clean[context, terminal])

    def soiled(self, terminal: int) -> int:
        """Return a context in which it was entered that nothing makes sure of a terminal, -1 where none."""
        found = np.flatnonzero(self._clean[:, terminal] == K.SOILED)
        return int(found[0]) if len(found) else -1

    def put_sure(self, sure: npt.NDArray[np.uint8]) -> None:
        """Enter behind which parser states a text goes on, whatever lies below."""
        self._sure[:] = sure
        self.knows_sure = True
        self._words[K.K_PIECING] = 1
        self._words[K.K_BARRING] = int((sure & K.BARRED).any())

    def _listed_at(self, key: tuple[int, ...]) -> int:
        at = self._known_lists.get(key)
        if at is None:
            at, size = self._listed, len(key)
            if at + size > len(self._lists):
                lists = np.empty(2 * (at + size), np.int32)
                lists[:at] = self._lists[:at]
                self._kept.append(self._lists)
                self._lists = lists
                self._words[K.K_ENDS] = self._words[K.K_STEPS] = address_of(lists)
            self._lists[at : at + size] = key
            self._listed = at + size
            self._known_lists[key] = at
        return at

    def put_moves(self, lexemes: Sequence[int], kinds: Sequence[int] = ()) -> None:
        """Enter what bytes do to some states, and to those to which they lead with some classes of bytes, one
        for each: those are asked for next."""
        self._enter_moves(lexemes)
        if kinds:
            words = self._moves[lexemes, kinds]
            on = words & K.KIND_BITS == K.MV_ON
            self._enter_moves(((words[on] >> K.TO_SHIFT) & K.TO_BITS).tolist())

    def _enter_moves(self, lexemes: Sequence[int]) -> None:
        known = self._known_moves()
        wanted = [one for one in dict.fromkeys(lexemes) if one not in known]
        if not wanted:
            return
        lexer = self._lexer
        fresh = lexer.reached(wanted, len(wanted))
        moves = np.empty((len(fresh), self._width), np.int64)
        arguments = address_of(fresh), len(fresh), address_of(self._nothing), address_of(moves)
        while (code := lexer.items.retry(code_moves, *arguments)) < 0:
            self._ask_nothing(FULL - 1 - code)
        self.reach(max(wanted))
        self._moves[fresh] = moves
        known.update(wanted)

    def _ask_nothing(self, terminal: int) -> None:
        """Find out which classes of bytes are errors behind a terminal, wherever that stands."""
        self._nothing[terminal] = self._lexer.errors_behind(terminal)

    @property
    def extent(self) -> tuple[int, int]:
        """Return how much is known: lexeme states, and arrays of records."""
        return self._told, len(self._made) + (self._later is not None)

    @property
    def states(self) -> int:
        """Lexeme states that are known."""
        return self._told

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


def _answered(cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return cells of a table; what was asked and not answered is unknown."""
    return np.where(cells == K.PENDING, K.UNKNOWN, cells)
