"""The tables of a Lark grammar for compiled code that do not depend on a vocabulary: moves of lexemes, their
endings, and from which boundaries every stack leads to the text's end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.compiled.lexeme_moves import UNKNOWN_AFTER, code_moves
from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.lexer.lexeme_rows import FULL
from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of, words_of

_tables_word = partial(word_of, K.LarkTables)
T = TypeVar("T", bound=np.signedinteger[Any])
FIRST_ROOM = 256
"""The initial capacity in lexeme states."""


class GrammarTables(NamedTuple):
    """The contents of these tables as plain arrays: numbers of lexeme states and terminals."""

    fixed: npt.NDArray[np.uint8]
    """The classes of the 256 bytes, and the separator, if there is one."""
    moves: npt.NDArray[np.int64]
    newlines: npt.NDArray[np.uint8]
    endings: npt.NDArray[np.int32]
    lists: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]
    errors: npt.NDArray[np.uint8]
    """[terminals, classes]: whether it is an error after a terminal, in every context. UNKNOWN_AFTER: nobody
    has asked."""
    origins: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int32]
    """For each rule: its nonterminal, and its number of symbols."""
    certain: npt.NDArray[np.int64]
    """[parser states, 2]: as in `put_certain`; empty if nobody has asked."""

    def own(self) -> GrammarTables:
        """Return a copy that may be written to; no copy if nothing is unknown, because nobody writes then."""
        return self._replace(moves=_own(self.moves), endings=_own(self.endings))


class Records(NamedTuple):
    """The records of some tables. Rows are numbers of dense rows (below 0: of those stored beside the
    records). Addresses are offsets in `made`, which has all arrays one after another."""

    records: npt.NDArray[np.int64]
    """[1 + tries, states]: for the vocabulary's trie and each of `tries`, the offset of a state's record,
    plus 1; 0: none."""
    tries: npt.NDArray[np.int64]
    made: npt.NDArray[np.int64]
    addresses: npt.NDArray[np.int64]
    """Which words of `made` are offsets in it."""
    rows: npt.NDArray[np.int64]
    """Which words of `made` are numbers of dense rows."""

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(one.nbytes for one in self)

    @property
    def dense(self) -> None:
        """None: all their dense rows are in the mask store."""

    @classmethod
    def none(cls, states: int) -> Records:
        """Return an empty set of records for so many states."""
        nothing = np.empty(0, np.int64)
        return cls(np.zeros((1, states), np.int64), nothing, nothing, nothing, nothing)

    def read(self) -> Records:
        """Return the records."""
        return self


class GrowingGrammarTables:
    """The tables of the lexer and the parser, filled on demand."""

    def __init__(
        self,
        tables: ParserTables,
        language: Callable[[], ContextualLanguage],
        grammar_tables: GrammarTables | None = None,
    ) -> None:
        """`language` is called if something is needed that `grammar_tables` do not have; nobody else may
        write to these. Cost: a lexer without them, 0.1 ms with them."""
        self._language = language
        self._words = np.full(words_of(K.LarkTables), -1, np.int64)
        self._kept: list[npt.NDArray[Any]] = []
        if grammar_tables is None:
            lexer = language().reader.lexer
            fixed = np.frombuffer(lexer.classes + language().separator, np.uint8)
            origins = np.array([rule.origin for rule in tables.rules], np.int32)
            sizes = np.array([len(rule.symbols) for rule in tables.rules], np.int32)
        else:
            fixed, origins, sizes = grammar_tables.fixed, grammar_tables.origins, grammar_tables.sizes
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
            words[K.LarkTables.newline], words[K.LarkTables.indent] = indentation.newline, indentation.indent
            words[K.LarkTables.dedent], words[K.LarkTables.tab_size] = (
                indentation.dedent,
                indentation.tab_size,
            )
        self._starts = np.full(len(tables.contexts), K.UNKNOWN, np.int32)
        self._certain = np.zeros((len(tables.kernels), 2), np.int64)
        self._fixed: dict[int, npt.NDArray[Any]] = {
            _tables_word("classes"): self._classes,
            _tables_word("actions"): np.ascontiguousarray(tables.actions, np.int32),
            _tables_word("gotos"): np.ascontiguousarray(tables.gotos, np.int32),
            _tables_word("rule_origins"): origins,
            _tables_word("rule_sizes"): sizes,
            _tables_word("contexts"): np.ascontiguousarray(tables.context_of, np.int32),
            _tables_word("start_states"): self._starts,
            _tables_word("ignored"): ignored,
            _tables_word("brackets"): brackets,
            _tables_word("certain"): self._certain,
        }
        for word, array in self._fixed.items():
            words[word] = address_of(array)
        if separator:
            words[K.LarkTables.separator] = separator[0]
        words[K.LarkTables.class_count], words[K.LarkTables.terminal_count] = self._width, terminals
        words[K.LarkTables.nonterminal_count], words[K.LarkTables.end_state] = (
            tables.gotos.shape[1],
            tables.end,
        )
        self.knows_certain = False
        """Whether the certain boundaries were stored (`put_certain`)."""
        self._errors = np.full((terminals, self._width), UNKNOWN_AFTER, np.uint8)
        self._moves: npt.NDArray[np.int64] = np.empty((0, self._width), np.int64)
        self._entered: set[int] | None = set()
        """The lexeme states whose moves are known; None: not listed yet."""
        self._newlines: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        self._endings: npt.NDArray[np.int32] = np.empty(0, np.int32)
        self._lists: npt.NDArray[np.int32] = np.empty(FIRST_ROOM, np.int32)
        self._listed = self._told = 0
        self._known_lists: dict[tuple[int, ...], int] = {}
        self._point()
        if grammar_tables is not None:
            self._put(grammar_tables)

    def _point(self) -> None:
        """Give compiled code the addresses of arrays that have grown."""
        words = self._words
        words[_tables_word("moves")], words[_tables_word("may_be_newline")] = (
            address_of(self._moves),
            address_of(self._newlines),
        )
        words[_tables_word("endings")] = address_of(self._endings)
        words[_tables_word("ending_lists")] = address_of(self._lists)

    @property
    def _lexer(self) -> Lexer:
        return self._language().reader.lexer

    @property
    def states(self) -> int:
        """The number of known lexeme states."""
        return self._told

    @property
    def listed(self) -> int:
        """The length of the lists of endings."""
        return self._listed

    def _known_moves(self) -> set[int]:
        """Return the lexeme states whose moves are known."""
        if self._entered is None:
            self._entered = set(np.flatnonzero((self._moves >= 0).all(axis=1)).tolist())
        return self._entered

    # --- what is kept ---------------------------------------------------------------------------------------

    def grammar_tables(self) -> GrammarTables:
        """Return the contents of the tables."""
        count, separator = self._told, int(self._words[K.LarkTables.separator])
        return GrammarTables(
            np.append(self._classes, np.array([separator] if separator >= 0 else [], np.uint8)),
            _answered(self._moves[:count]),
            self._newlines[:count].copy(),
            _answered(self._endings[:count]),
            self._lists[: self._listed].copy(),
            _answered(self._starts),
            self._errors.copy(),
            self._fixed[_tables_word("rule_origins")],
            self._fixed[_tables_word("rule_sizes")],
            self._certain.copy() if self.knows_certain else self._certain[:0],
        )

    def _put(self, grammar_tables: GrammarTables) -> None:
        """Load stored contents."""
        self._moves, self._newlines, self._endings = (
            grammar_tables.moves,
            grammar_tables.newlines,
            grammar_tables.endings,
        )
        self._entered = None
        self._told = len(grammar_tables.newlines)
        self._lists, self._listed = grammar_tables.lists, len(grammar_tables.lists)
        self._starts[:] = grammar_tables.starts
        self._errors[:] = grammar_tables.errors
        if len(grammar_tables.certain):
            self.put_certain(grammar_tables.certain)
        self._point()

    def reopen_all(self) -> None:
        """Reopen all unanswered questions."""
        for cells in (self._moves, self._endings, self._starts):
            pending = cells == K.PENDING
            if pending.any():
                cells[pending] = K.UNKNOWN

    # --- room -----------------------------------------------------------------------------------------------

    def _grow(self, rows: int) -> None:
        """Make room for lexeme states."""
        old = len(self._newlines)
        moves = np.full((rows, self._width), K.UNKNOWN, np.int64)
        newlines, endings = np.zeros(rows, np.uint8), np.full(rows, K.UNKNOWN, np.int32)
        moves[:old], newlines[:old], endings[:old] = self._moves, self._newlines, self._endings
        self._kept += [
            self._moves,
            self._newlines,
            self._endings,
        ]  # a running call may still use their addresses
        places = [
            _tables_word("moves"),
            _tables_word("may_be_newline"),
            _tables_word("endings"),
        ]
        addresses = [address_of(moves), address_of(newlines), address_of(endings)]
        # one statement: after an interrupt Python and compiled code must read the same arrays
        self._moves, self._newlines, self._endings, self._words[places] = moves, newlines, endings, addresses

    def reach(self, lexeme: int) -> None:
        """Make rows for all lexeme states up to this one."""
        lexer, newline = self._lexer, int(self._words[K.LarkTables.newline])
        count = len(lexer.states)
        if count > len(self._newlines):
            self._grow(max(2 * len(self._newlines), count, FIRST_ROOM))
        if self._told < count:
            if newline >= 0:
                self._newlines[self._told : count] = lexer.may_become_rows(self._told, count, newline)
            self._told = count
        assert lexeme < count

    # --- questions ------------------------------------------------------------------------------------------

    def start_of(self, context: int) -> int:
        """Return the initial lexeme state of a context, below 0 if it is unknown."""
        return int(self._starts[context])

    def is_open(self, kind: int, first: int, second: int) -> bool:
        """Return whether a question about the lexer has no answer."""
        if kind == K.Q_MOVE:
            return first not in self._known_moves()
        cells = {K.Q_START: self._starts, K.Q_ENDINGS: self._endings}[kind]
        return first >= len(cells) or int(cells[first]) < 0

    def reopen(self, kind: int, first: int, second: int) -> None:
        """Have a question about the lexer asked again."""
        if kind == K.Q_MOVE:
            self._moves[first, second] = K.UNKNOWN
            self._known_moves().discard(first)
        elif kind == K.Q_START:
            self._starts[first] = K.UNKNOWN
        elif kind == K.Q_ENDINGS:
            self._endings[first] = K.UNKNOWN

    def states_after(self, *lexemes: int) -> list[int]:
        """Return the lexeme states after the moves of some states, with and without their old slots, in
        order."""
        moves = self._moves[list(lexemes)]
        kinds = moves & K.KIND_BITS
        kept = (kinds == K.MOVE_KEEP_NEW) | (kinds == K.MOVE_KEEP_OLD)
        on = kept | (kinds == K.MOVE_ON)
        found: list[int] = np.unique(
            np.concatenate(((moves[on] >> K.TO_SHIFT) & K.TO_BITS, moves[kept] >> K.ELSE_SHIFT))
        ).tolist()
        return found[:-1] if found and found[-1] == K.ELSE_NONE else found

    def put_start(self, context: int, lexeme: int) -> None:
        """Store the initial state of a context."""
        self.reach(lexeme)
        self._starts[context] = lexeme

    def put_endings(self, lexeme: int, endings: Sequence[int], all_of: Sequence[int], last: int) -> None:
        """Store the endings of a lexeme: the terminals as which it may end before a separator, or before
        others (see ContextualLanguage.endings), all terminals that it may become, and the result at the
        text's end."""
        listed = (len(endings), *endings, len(all_of), *all_of, last)
        self._endings[lexeme] = self._listed_at(listed)

    def put_certain(self, certain: npt.NDArray[np.int64]) -> None:
        """Store int64[parser states, 2]: the boundaries, as bits, from which every stack with the state on
        top leads to the text's end; the second number where a bracket is open."""
        self._certain[:] = certain
        self.knows_certain = True

    def _listed_at(self, key: tuple[int, ...]) -> int:
        at = self._known_lists.get(key)
        if at is None:
            at, size = self._listed, len(key)
            if at + size > len(self._lists):
                lists = np.empty(2 * (at + size), np.int32)
                lists[:at] = self._lists[:at]
                self._kept.append(self._lists)
                self._lists, self._words[_tables_word("ending_lists")] = lists, address_of(lists)
            self._lists[at : at + size] = key
            self._listed, self._known_lists[key] = at + size, at
        return at

    def put_moves(self, lexemes: Sequence[int], kinds: Sequence[int] = ()) -> None:
        """Store the moves of some states, and of those to which they lead by some classes of bytes (one for
        each state): those are asked for next."""
        self._enter_moves(lexemes)
        if kinds:
            words = self._moves[lexemes, kinds]
            on = words & K.KIND_BITS == K.MOVE_ON
            self._enter_moves(((words[on] >> K.TO_SHIFT) & K.TO_BITS).tolist())

    def _enter_moves(self, lexemes: Sequence[int]) -> None:
        known = self._known_moves()
        wanted = [one for one in dict.fromkeys(lexemes) if one not in known]
        if not wanted:
            return
        lexer = self._lexer
        fresh = lexer.explore(wanted, len(wanted))
        moves = np.empty((len(fresh), self._width), np.int64)
        arguments = address_of(fresh), len(fresh), address_of(self._errors), address_of(moves)
        while (code := lexer.items.retry(code_moves, *arguments)) < 0:
            self.put_errors(FULL - 1 - code)
        self.reach(max(wanted))
        self._moves[fresh] = moves
        known.update(wanted)

    def put_errors(self, terminal: int) -> None:
        """Store which classes of bytes are errors after a terminal, in every context."""
        self._errors[terminal] = self._lexer.errors_after(terminal)


def _own(cells: npt.NDArray[T]) -> npt.NDArray[T]:
    return cells.copy() if (cells < 0).any() else cells


def _answered(cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return cells of a table, with pending questions as unknown."""
    return np.where(cells == K.PENDING, K.UNKNOWN, cells)
