"""Answers the questions of compiled code about a Lark grammar, with the lexer and the liveness.

A *question* is a fact that compiled code needs and does not have, such as: the lexer's state after a byte.
Compiled code notes the question and returns ASKED. This module writes the answer into the tables that
compiled code reads, and the call is made again (`machine_core.questions`). So each question is answered once
for a grammar.

A *place* is the parser between two lexemes: its stack, the widths of open blocks, and the open brackets. A
*reading* is one way to read the text so far: a place, a state of the lexer, and a column. A *cell* is the top
of a stack, with the number of the stack below it. `position` is always the number of a place.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from weakref import WeakMethod

import numpy as np

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.base.native.array_types import Array, ByteArray
from structgen.base.native.lazy_memory import room
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of
from structgen.base.system.garbage import pause_collection
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.lark_grammars.compiled.kept_lark import KeptParts
from structgen.grammars.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.grammars.lark_grammars.lexer.effort import STATES_COUNTED
from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerTables
from structgen.grammars.lark_grammars.liveness.lark_liveness import Fixpoint, Liveness
from structgen.grammars.lark_grammars.liveness.letters import Letters
from structgen.grammars.lark_grammars.machine import lark_layout as L
from structgen.grammars.lark_grammars.machine import lark_masks
from structgen.grammars.lark_grammars.machine.forgetting import forget_places
from structgen.grammars.lark_grammars.machine.memo import find_proof
from structgen.grammars.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.grammars.text_grammars.machine.language import Language
from structgen.machines.machine_core.growing_tables import DEEPEST, GrowingTables
from structgen.machines.machine_core.lexeme_layout import (
    ASK_CARRY,
    ASK_CLASS,
    ASK_LASTS,
    ASK_PROOF,
    ASK_ROW,
    ASK_START,
    FULL,
    SMALL_TRIE,
    LexemeRecord,
    Trie,
)
from structgen.machines.machine_core.lexeme_records import ask_row
from structgen.machines.machine_core.lexeme_tables import RECORDS, TRIES, RecordTables, byte_sets
from structgen.machines.machine_core.questions import call_answered
from structgen.machines.store.mask_store import VocabularyStore
from structgen.tokens.vocabulary import Vocabulary

_NOT_KEPT: Final = frozenset(("marks_of_classes",))
"""The arrays that belong to one compiled grammar, so that no file has them."""
_NOTHING_WRITTEN: Final = 0, 0
MOST_PLACES: Final = 1 << 16
"""If there are more places than this, those that no state needs are dropped. Then the bound becomes twice the
number of kept places, if that is larger."""


def _field_index(name: str) -> int:
    """Return the offset of a field in the block that compiled code reads, in words of 8 bytes."""
    return word_of(L.LarkContext, name)


_PLACES = _field_index("places")
_CELLS = _field_index("cells")
_PROOFS = _field_index("proofs")
_LEFTOVERS = _field_index("leftovers")
# The machine of lexemes is shared with text grammars. It calls these functions where Lark grammars differ.
_HOOKS: Final = {
    "miss": ask_row,
    "read_bytes": lark_masks.place_behind,
    "begin_lexeme": lark_masks.state_behind,
    "lives": lark_masks.group_lives,
    "walk": lark_masks.walk_small,
}


class LarkReading(NamedTuple):
    """One way to read a text. Each reading is exact by itself."""

    parse_position: int
    """The number of the place: a row of the table `places`."""
    lexer_state: int
    """The state of the lexer."""
    column: int
    """The column that the indenter's newline has reached; below 0: there was no line break yet."""


class LexerParts(NamedTuple):
    """The lexer and the letters, which answer questions. If the arrays come from a file, these objects are
    made when the first question comes."""

    lexer: Lexer
    rows: LexerTables
    letters: Letters


class LarkAnswers:
    """Answers questions for one compiled grammar, and holds the arrays that the answers are written to."""

    def __init__(
        self,
        tables: ParserTables,
        is_local: bool,
        growing_tables: GrowingTables,
        vocabulary: Vocabulary,
        store: VocabularyStore,
        lock: Any,
        limits: Limits,
        cached_parts: KeptParts | None = None,
        bound: Mapping[int, Language | None] = MappingProxyType({}),
    ) -> None:
        """`tables`: lark's parser and terminals. `is_local`: whether no lexeme looks behind its beginning.
        `growing_tables`: the tables that compiled code fills. `cached_parts`: the arrays that do not depend
        on the vocabulary, from a file; None: they are made. `bound`: the languages of bound terminals.
        Cost: the lexer's automaton and the liveness, 10 ms to 2 s. Raises LimitError."""
        self._tables = tables
        self._growing_tables = growing_tables
        self._lock = lock
        self.limits = limits
        self.begin = partial(THIS_CALL.begin_call, limits)
        """Begins a call: a function that returns its context manager."""
        self._is_local = is_local
        self._cached_parts = cached_parts
        # Compiled code has only the addresses of these arrays. The references keep their memory alive.
        self._arrays: dict[str, Array] = {}
        self._walks = room(8 * L.WALK_WORDS * (DEEPEST + 2))  # only the written parts take memory
        growing_tables.context[_field_index("walks")] = address_of(self._walks)
        self._parts: LexerParts | None = None
        self._liveness: Liveness | None = None
        self._fixpoint: Fixpoint | None = None
        self._written_counts = _NOTHING_WRITTEN
        self._max_places = MOST_PLACES
        self._may_forget = False
        """Whether places may get new numbers. They may not while Python code holds such numbers."""
        self.records = RecordTables(growing_tables, vocabulary, store)
        self.records.hook(**_HOOKS)
        self.search: WeakMethod[Callable[[LarkReading, set[int]], bool]]
        """The search for a text: a function of a reading and a set of terminals. It returns whether some text
        goes on if the reading's lexeme becomes one of the terminals."""
        self.renumbering_count = 0
        """The number of times that places and cells got new numbers."""
        if cached_parts is not None:
            # The lexer is read from the file when the first question comes: most masks need none.
            marks = np.zeros(cached_parts.classes, np.int32)
            arrays = {**cached_parts.arrays, "marks_of_classes": marks}
            words = {**cached_parts.words, "class_count": cached_parts.classes - 1}
            self._write_fields(arrays, words)
            return
        self._put_parser()
        lexer = Lexer(tables, is_local, limits, bound=bound)
        rows = LexerTables(lexer, growing_tables.context)
        self._parts = LexerParts(lexer, rows, Letters(rows))
        self._put_letters()
        self._put_begins()

    @property
    def parts(self) -> LexerParts:
        """The lexer and the letters. Cost: if the arrays come from a file, reading it once, 1 to 100 ms."""
        if self._parts is None:
            assert self._cached_parts is not None
            with pause_collection():
                kept_values = marshal.loads(self._cached_parts.lexer.data)
                lexer_values, letter_values, written_counts, fixpoint = kept_values
                lexer = Lexer(self._tables, self._is_local, self.limits, lexer_values)
                rows = LexerTables(lexer, self._growing_tables.context, self._cached_parts.arrays)
                self._written_counts = written_counts
                # The last field of a fixpoint is one of the arrays, so it is not in the file a second time.
                self._fixpoint = fixpoint and Fixpoint._make((*fixpoint, self._arrays["certain"]))
                self._parts = LexerParts(lexer, rows, Letters(rows, letter_values))
        return self._parts

    @property
    def liveness(self) -> Liveness:
        """The liveness of the grammar: which texts go on. Cost: making it, once."""
        if self._liveness is None:
            liveness_inputs = self._tables, self.letters, self.limits
            liveness = Liveness(*liveness_inputs, self._fixpoint)
            # Its arrays are new, so their addresses are written again for compiled code. One statement: an
            # interrupt must not leave the old addresses beside the new arrays.
            self._liveness, self._fixpoint, self._written_counts = liveness, None, _NOTHING_WRITTEN
        return self._liveness

    @property
    def lexer(self) -> Lexer:
        """The lexer of the grammar."""
        return self.parts.lexer

    @property
    def rows(self) -> LexerTables:
        """The lexer's states as arrays."""
        return self.parts.rows

    @property
    def letters(self) -> Letters:
        """The letters of the grammar."""
        return self.parts.letters

    # --- arrays ---------------------------------------------------------------------------------------------

    def _write_fields(
        self, arrays: Mapping[str, Any], words: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        """Write fields of the block that compiled code reads: `arrays` by their addresses, `words` as
        numbers. All are written at once, so that an exception leaves either all old or all new fields."""
        contiguous_arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        addresses = {name: address_of(array) for name, array in contiguous_arrays.items()}
        fields = {**words, **addresses}
        field_indices = [*map(_field_index, fields)]
        field_values = [*fields.values()]
        all_arrays = self._arrays | contiguous_arrays
        # One statement: an interrupt before it leaves the old fields, and no array is freed too early.
        self._growing_tables.context[field_indices], self._arrays = field_values, all_arrays

    def _put_parser(self) -> None:
        """Write the fields of the parser and of the indenter."""
        tables, indentation = self._tables, self._tables.indentation
        terminal_count = len(tables.terminals)
        is_ignored = np.zeros(terminal_count, np.uint8)
        is_ignored[sorted(tables.ignored_terminals)] = 1
        brackets = np.zeros(terminal_count, np.uint8)
        words = {
            "terminal_count": terminal_count,
            "nonterminal_count": tables.gotos.shape[1],
            "end_state": tables.end,
        }
        if indentation is None:
            words |= {"newline": -1, "indent": -1, "dedent": -1}
        else:
            brackets[sorted(indentation.opening)] = 1
            brackets[sorted(indentation.closing)] = 2
            words |= {"newline": indentation.newline, "indent": indentation.indent}
            words |= {"dedent": indentation.dedent, "tab": indentation.tab_size}
        arrays = {
            "context_of": tables.context_of.astype(np.int32),
            "is_ignored": is_ignored,
            "brackets": brackets,
        }
        self._write_fields(arrays, words)

    def _put_begins(self) -> None:
        """Write for each terminal a superset of the bytes with which a lexeme after it may begin."""
        tables, rows = self._tables, self.rows
        # Where lexemes look behind, all bytes are listed: the exact answer is found later.
        begins = np.ones((len(tables.terminals), self.lexer.width), np.uint8)
        if self.lexer.is_local:
            starts = [rows.start(context, self.lexer.nothing) for context in range(rows.contexts)]
            begins_in = np.zeros((rows.contexts, self.lexer.width), np.bool_)
            for context, state in enumerate(starts):
                if state >= 0:
                    begins_in[context] = rows.moves[state] >= 0
            for terminal in range(1, len(tables.terminals)):
                begins[terminal] = begins_in[tables.contexts_after(terminal)].any(axis=0)
        begin_bytes = byte_sets(begins[:, rows.classes])
        self._write_fields({"begins": begins, "begin_bytes": begin_bytes})

    def _put_letters(self) -> None:
        """Write the classes of endings, and the liveness of the existing letters."""
        letters, liveness = self.letters, self.liveness
        counts = len(letters.classes), len(letters.letters)
        class_letters = [letter for end_class in letters.classes for letter in end_class]
        arrays = {
            "class_at": np.cumsum([0, *map(len, letters.classes)]).astype(np.int32),
            "class_letters": np.array(class_letters or [0], np.int32),  # no array is empty
            "marks_of_classes": np.zeros(len(letters.classes), np.int32),
            "actions": liveness.actions,
            "gotos": liveness.gotos,
            "sizes": liveness.sizes,
            "origins": liveness.origins,
            "certain": liveness.certain,
            "letter_terminal": np.array([terminal for terminal, _kind in letters.letters], np.int32),
            "letter_kind": np.array([kind for _terminal, kind in letters.letters], np.int32),
            "letter_boundary": liveness.boundary,
        }
        words = {"boundaries": liveness.boundaries, "keeps_column": int(letters.keeps_column)}
        self._write_fields(arrays, {**words, "class_count": counts[0]})
        self._written_counts = counts

    def _write_new_letters(self) -> None:
        """Write the letters and states that are new. Answers make new ones, and so do completions and
        `expected`, which use letters and rows outside of compiled calls."""
        if self._parts is not None:
            letters = self._parts.letters
            if self._written_counts != (len(letters.classes), len(letters.letters)):
                self._put_letters()

    # --- answers --------------------------------------------------------------------------------------------

    def call_compiled(self, function: Callable[..., int], *arguments: int) -> int:
        """Call compiled code until it has no more questions, and return its result. Raises LimitError."""
        self._may_forget = True
        return self._call_until_answered(function, *arguments)

    def call_compiled_keeping_positions(self, function: Callable[..., int], *arguments: int) -> int:
        """Call compiled code until it has no more questions, and return its result. Meanwhile places keep
        their numbers. Raises LimitError."""
        self._may_forget = False
        return self._call_until_answered(function, *arguments)

    def _call_until_answered(self, function: Callable[..., int], *arguments: int) -> int:
        self._write_new_letters()
        code = call_answered(
            self._lock, self.begin, self.answer_questions, self._growing_tables.address, function, *arguments
        )
        if code == FULL:
            raise LimitError(
                f"The grammar is too ambiguous: a prefix has more than {L.MOST_READINGS} parses, or "
                "its tokens have too many.",
                limit="parser_states",
                where="grammar",
                cure="Use shorter look-aheads, and merge terminals that begin alike.",
            )
        return code

    def answer_questions(self) -> None:
        """Answer the questions that compiled code has noted. Raises LimitError, after which the call can be
        made again."""
        records: list[tuple[int, int]] = []
        # The three numbers of a question depend on its kind: a state, a context and a carry, a place...
        for kind, first, second, third in self._growing_tables.questions():
            if kind == ASK_ROW:
                self.rows.put_row(first)
            elif kind == ASK_START:
                self.rows.start(first, second)
            elif kind == ASK_CARRY:
                self.rows.put_carry(first)
            elif kind == ASK_CLASS:
                self.letters.class_of(first)
            elif kind == ASK_LASTS:
                self.rows.put_lasts(first)
            elif kind == ASK_PROOF:
                self._write_proof(first, second, third)
            else:
                records.append((first, second))
        self._write_new_letters()
        # Records come last, since they may need the answers to the other questions.
        for trie, state in records:
            self.records.make(self._call_until_answered, trie, state)
        if self._may_forget and self._growing_tables.count(_PLACES) > self._max_places:
            # Places are dropped at most once a call. The call begins again at its state, and a second time
            # would drop what it has found.
            self._may_forget = False
            self.renumbering_count += 1
            self._max_places = max(MOST_PLACES, 2 * forget_places(self._growing_tables))

    def readings_after(self, position: int, carry: int) -> list[LarkReading]:
        """Return the readings that begin at a place after a carry: that of a lexeme, and those of bound
        texts."""
        context = int(self._tables.context_of[self.top_parser_state(position)])
        with self.begin():
            states = self.rows.start_states(context, carry)
        readings = []
        for state in states:
            # A column below 0: the lexeme may be the indenter's newline, and there was no line break yet.
            column = -1 if self.rows.may_break(state) else 0
            readings.append(LarkReading(position, state, column))
        return readings

    def indent_width(self, position: int) -> int:
        """Return the width of the innermost open block at a place."""
        cell = self._growing_tables.rows(_PLACES)[position, L.LarkPlace.widths]
        # Stacks of widths are cells too. A width w is stored as -1 - w, so that it differs from all states.
        return -1 - int(self._growing_tables.rows(_CELLS)[cell, L.Cell.top])

    def open_brackets(self, position: int) -> int:
        """Return how many brackets are open at a place."""
        return int(self._growing_tables.rows(_PLACES)[position, L.LarkPlace.brackets])

    def top_parser_state(self, position: int) -> int:
        """Return the state of the parser at a place."""
        cell = self._growing_tables.rows(_PLACES)[position, L.LarkPlace.stack]
        return int(self._growing_tables.rows(_CELLS)[cell, L.Cell.top])

    def is_decided_by_letter(self, letter: int) -> bool:
        """Return whether a letter alone decides what may come after it, whatever the state of the lexer."""
        terminal, kind = self.letters.letters[letter]
        if terminal in self._tables.ignored_terminals and kind:
            return False
        indentation = self._tables.indentation
        is_newline = indentation is not None and terminal == indentation.newline
        needs_column = self.letters.keeps_column and is_newline
        return self.liveness.is_exact and self.letters.are_all(1 << letter) and not needs_column

    def _parser_stack(self, position: int) -> list[int]:
        """Return the states of the parser on the stack at a place, the bottom first."""
        cells = self._growing_tables.rows(_CELLS)
        cell = self._growing_tables.rows(_PLACES)[position, L.LarkPlace.stack]
        states: list[int] = []
        while cell >= 0:
            state, cell = cells[cell].tolist()
            states.append(state)
        return states[::-1]

    def stack_height(self, position: int) -> int:
        """Return the height of the parser's stack at a place."""
        return len(self._parser_stack(position)) - 1

    def is_live_by_letters(self, position: int, lexeme: int) -> bool | None:
        """Return whether some text goes on at a place, from a state of the lexer (`lexeme`). None: letters
        alone do not decide it."""
        if self.lexer.states[lexeme].has_begun:
            return None
        is_in_brackets = self.open_brackets(position) > 0
        return self.liveness.is_live_before_lexeme(self._parser_stack(position), is_in_brackets, lexeme)

    def prove_live(
        self,
        position: int,
        letters: Sequence[int],
        lexeme: int,
        column: int,
    ) -> bool:
        """Return whether some text goes on after one of some letters is read at a place. The answer is exact.

        `position`: the place; `letters`: the numbers of the letters; `lexeme`: a state of the lexer that may
        become these letters; `column`: the column of a newline so far. For example, `prove_live(position,
        (letter,), lexeme, -1)` asks about one letter outside of newlines. Raises LimitError."""
        is_in_brackets = self.open_brackets(position) > 0
        is_live = self.liveness.reaches_end(self._parser_stack(position), is_in_brackets, letters)
        if is_live is None:
            # Letters do not decide, so a text is searched for. The search calls compiled code, which would
            # change `_may_forget` of the present call: it is restored afterwards.
            search, may_forget = self.search(), self._may_forget
            assert search is not None
            terminals = {self.letters.letters[letter][0] for letter in letters}
            is_live = search(LarkReading(position, lexeme, column), terminals)
            self._may_forget = may_forget
        return is_live

    def _write_proof(self, position: int, end_class: int, column: int) -> None:
        """Decide exactly whether some text goes on after a class of endings, and write the answer."""
        letters = self.letters
        is_live = self.prove_live(position, letters.classes[end_class], letters.state_of[end_class], column)
        # The search may have made the table grow, so its rows are fetched after the search.
        proofs = self._growing_tables.rows(_PROOFS)
        row = find_proof(self._growing_tables.address, position, end_class, column)
        assert 0 <= row < self._growing_tables.count(_PROOFS)
        proofs[row, L.Proof.answer] = int(is_live)

    # --- for a file -----------------------------------------------------------------------------------------

    def kept_arrays(self) -> tuple[dict[str, Array], ByteArray]:
        """Return copies of the arrays that do not depend on the vocabulary, by field name. Also return the
        lexer and the letters, in `marshal` format."""
        arrays = {name: array for name, array in self._arrays.items() if name not in _NOT_KEPT}
        if self._parts is None:
            assert self._cached_parts is not None
            lexer = self._cached_parts.lexer
        else:
            arrays |= self.rows.arrays
            fixpoint = self._fixpoint if self._liveness is None else self._liveness.fixpoint
            # The last field is one of the arrays (`certain`).
            fixpoint_values = fixpoint and fixpoint[:-1]
            with pause_collection():
                parts: Any = (
                    self.lexer.kept_values,
                    self.letters.kept_values,
                    self._written_counts,
                    fixpoint_values,
                )
                lexer = np.frombuffer(marshal.dumps(parts), np.uint8)
        # Files hold tables of two dimensions. Copies are made because the arrays here still change.
        tables = {}
        for name, array in arrays.items():
            columns = -1 if array.size else 1  # numpy cannot tell how many columns nothing has
            tables[name] = array.reshape(len(array), columns).copy()
        return tables, lexer

    # --- ahead of time --------------------------------------------------------------------------------------

    def prepare_records(self, max_bytes: int, progress: Callable[[int], None] | None) -> int:
        """Make the records of lexer states ahead of time, breadth-first from the beginnings of lexemes, with
        the records of the tries after them. Stop when all tables together have `max_bytes`. Return the number
        of records."""
        tables = self._growing_tables
        records = tables.rows(RECORDS)[: tables.count(RECORDS)]
        tries_and_states = records[:, [LexemeRecord.trie, LexemeRecord.lexeme]].tolist()
        # A record belongs to a trie and a state. The values are its rows in the table.
        record_numbers = {(trie, state): number for number, (trie, state) in enumerate(tries_and_states)}
        with self.begin():
            starts = [self.start_lexeme()]
            for context in range(self.rows.contexts):
                starts.append(self.rows.start(context, self.lexer.nothing))
        pending = dict.fromkeys((0, state) for state in starts if state >= 0)
        queue = list(pending)
        done_count = 0
        for trie, state in queue:  # the list grows meanwhile
            if tables.nbytes() + self.nbytes > max_bytes:
                break
            successors: list[tuple[int, int]] = []
            # If a limit is met, only this record is given up: perhaps no mask needs it.
            with suppress(LimitError), self.begin():
                if (trie, state) not in record_numbers:
                    self.records.make(self._call_until_answered, trie, state)
                    record_numbers[trie, state] = tables.count(RECORDS) - 1
                number = record_numbers[trie, state]
                like_state = int(tables.rows(RECORDS)[number, LexemeRecord.like])
                successors = [
                    (trie, like_state),
                    *self._successor_records(trie, state),
                    *self._leftover_records(number),
                ]
            done_count += 1
            if progress is not None:
                progress(done_count)
            fresh = dict.fromkeys(record for record in successors if record[1] >= 0 and record not in pending)
            pending |= fresh
            queue += fresh
        return done_count

    def _successor_records(self, trie: int, state: int) -> list[tuple[int, int]]:
        """Return the records of the states after one more byte, and after an end, as pairs (trie, state)."""
        self.rows.put_row(state)
        records: list[tuple[int, int]] = []
        # Trie 0 has all tokens; the others have what tokens leave over, and no byte goes on in them.
        if trie == 0:
            records += [(0, next_state) for next_state in self.rows.moves[state].tolist()]
        for terminal, carry in self.lexer.states[state].ends:
            for context in self._tables.contexts_after(terminal):
                records.append((0, self.rows.start(context, carry)))
        return records

    def _leftover_records(self, record: int) -> list[tuple[int, int]]:
        """Return the records that a record leads to: for the rests of tokens after a lexeme, where another
        lexeme begins."""
        tables = self._growing_tables
        row = tables.rows(RECORDS)[record]
        leftovers = tables.rows(_LEFTOVERS)[row[LexemeRecord.leftovers] : row[LexemeRecord.leftovers_end]]
        records = []
        for terminal, carry, _shift, trie in leftovers.tolist():
            # Small tries have no records: masks walk them token by token.
            if tables.rows(TRIES)[trie, Trie.count] >= SMALL_TRIE:
                contexts = self._tables.contexts_after(terminal)
                start_states = {self.rows.start(context, carry) for context in contexts}
                records += [(trie, state) for state in sorted(start_states)]
        return records

    @property
    def used_share(self) -> float:
        """The used share of its limits: of the states of the lexer, and of the memory for records."""
        return max(self.lexer_share, self.records.nbytes / self.limits.grammar_memory)

    @property
    def lexer_share(self) -> float:
        """The used share of the limit on the states of the lexer."""
        return 2 * STATES_COUNTED * self.sizes["lexer_states"] / self.limits.automaton_states

    @property
    def nbytes(self) -> int:
        """About how many bytes the lexer takes."""
        row_bytes = 0 if self._parts is None else self.rows.nbytes
        array_bytes = sum(int(array.nbytes) for array in self._arrays.values())
        # 2,000 bytes: a state with its items and guards, as Python's objects.
        return row_bytes + 2000 * self.sizes["lexer_states"] + array_bytes

    # --- states ---------------------------------------------------------------------------------------------

    def start_lexeme(self) -> int:
        """Return the lexer's state before the first byte; DEAD where there is none."""
        context = int(self._tables.context_of[self._tables.start])
        return self.rows.start(context, self.lexer.first)

    @property
    def sizes(self) -> dict[str, int]:
        """The numbers of lexer states, carries, and tokens' records."""
        count = self._growing_tables.count
        states, carries = 0, 0
        if self._parts is not None:
            states, carries = len(self.lexer.states), len(self.lexer.carries)
        elif self._cached_parts is not None:  # its arrays have a row for each
            arrays = self._cached_parts.arrays
            states, carries = len(arrays["end_class"]), len(arrays["starts"])
        return {
            "lexer_states": states,
            "carries": carries,
            "records": count(RECORDS),
            "tries": count(TRIES),
        }
