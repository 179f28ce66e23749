"""The questions of compiled code about a Lark grammar, and their answers from the lexer and the liveness.

Compiled code notes what it does not know and returns ASKED; the answers are written into its tables, and
the call is made again (`machine_core.questions`). So each question is answered once for a grammar.
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
import numpy.typing as npt

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.base.native.lazy_memory import room
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of
from structgen.base.system.garbage import uncollected
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.lark_grammars.compiled.kept_lark import KeptParts
from structgen.grammars.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.grammars.lark_grammars.lexer.effort import STATES_COUNTED
from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerTables
from structgen.grammars.lark_grammars.liveness.lark_liveness import Liveness, Solved
from structgen.grammars.lark_grammars.liveness.letters import Letters
from structgen.grammars.lark_grammars.machine import lark_layout as L
from structgen.grammars.lark_grammars.machine import lark_masks
from structgen.grammars.lark_grammars.machine.forgetting import forget
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
"""Arrays of one compiled grammar."""
_NOTHING_TOLD: Final = 0, 0
MOST_PLACES: Final = 1 << 16
"""With more places than this, those that no state needs are forgotten; then with twice as many as were kept,
if these are more."""


def _word(name: str) -> int:
    return word_of(L.LarkContext, name)


_PLACES, _CELLS, _PROOFS, _LEFTOVERS = map(_word, ("places", "cells", "proofs", "leftovers"))
_HOOKS: Final = {
    "miss": ask_row,
    "read": lark_masks.place_behind,
    "begun": lark_masks.state_behind,
    "lives": lark_masks.group_lives,
    "walk": lark_masks.walk_small,
}


class Reading(NamedTuple):
    """One way to read a text, exact by itself."""

    place: int
    lexeme: int
    """The state of the lexer."""
    column: int
    """The column of a newline so far, below 0 before it."""


class LexerParts(NamedTuple):
    """What answers: made when it is first asked, where the arrays come from a file."""

    lexer: Lexer
    rows: LexerTables
    letters: Letters


class LarkAnswers:
    """The answers for one compiled grammar, and the arrays that they are written to."""

    def __init__(
        self,
        tables: ParserTables,
        is_local: bool,
        grown: GrowingTables,
        vocabulary: Vocabulary,
        store: VocabularyStore,
        lock: Any,
        limits: Limits,
        kept: KeptParts | None = None,
        bound: Mapping[int, Language | None] = MappingProxyType({}),
    ) -> None:
        """`kept`: the arrays that no vocabulary changes; else they are made. `bound`: as of `Lexer`. Cost:
        the lexer's automaton and the liveness, 10 ms to 2 s. Raises LimitError."""
        self._tables, self._grown, self._lock, self.limits = tables, grown, lock, limits
        self.begin = partial(THIS_CALL.begin, limits)
        """Return the context of a call."""
        self._is_local, self._kept = is_local, kept
        self._held: dict[str, npt.NDArray[Any]] = {}
        self._walks = room(8 * L.WALK_WORDS * (DEEPEST + 2))  # it takes memory as it is used
        grown.context[_word("walks")] = address_of(self._walks)
        self._parts: LexerParts | None = None
        self._liveness: Liveness | None = None
        self._solved: Solved | None = None
        self._told = _NOTHING_TOLD
        self._most_places, self._may_forget = MOST_PLACES, False
        self.records = RecordTables(grown, vocabulary, store)
        self.records.hook(**_HOOKS)
        self.search: WeakMethod[Callable[[Reading, set[int]], bool]]
        """Whether some text goes on in a reading whose lexeme becomes one of some terminals."""
        self.forgotten = 0
        """How often places and cells got new numbers."""
        if kept is not None:
            marks = np.zeros(kept.classes, np.int32)
            self._put(
                {**kept.arrays, "marks_of_classes": marks}, {**kept.words, "class_count": kept.classes - 1}
            )
            return
        self._put_parser()
        lexer = Lexer(tables, is_local, limits, bound=bound)
        rows = LexerTables(lexer, grown.context)
        self._parts = LexerParts(lexer, rows, Letters(rows))
        self._put_letters()
        self._put_begins()

    @property
    def parts(self) -> LexerParts:
        """What answers. Cost: where the arrays come from a file, once that of reading it, 1 to 100 ms."""
        if self._parts is None:
            assert self._kept is not None
            with uncollected():
                of_lexer, of_letters, told, solved = marshal.loads(self._kept.lexer.data)
                lexer = Lexer(self._tables, self._is_local, self.limits, of_lexer)
                rows = LexerTables(lexer, self._grown.context, self._kept.arrays)
                self._told = told
                self._solved = solved and Solved._make((*solved, self._held["certain"]))
                self._parts = LexerParts(lexer, rows, Letters(rows, of_letters))
        return self._parts

    @property
    def liveness(self) -> Liveness:
        """Which texts go on. Cost: once that of making it."""
        if self._liveness is None:
            known = self._tables, self.letters, self.limits
            made = Liveness(*known, self._solved)
            self._liveness, self._solved, self._told = made, None, _NOTHING_TOLD
        return self._liveness

    @property
    def lexer(self) -> Lexer:
        """The lexer of its terminals."""
        return self.parts.lexer

    @property
    def rows(self) -> LexerTables:
        """Its states as arrays."""
        return self.parts.rows

    @property
    def letters(self) -> Letters:
        """Its letters."""
        return self.parts.letters

    # --- arrays ---------------------------------------------------------------------------------------------

    def _put(self, arrays: Mapping[str, Any], words: Mapping[str, int] = MappingProxyType({})) -> None:
        """Write arrays and words, all of them at once: an exception finds what compiled code reads as it was,
        or as it will be."""
        held = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        numbers = {**words, **{name: address_of(array) for name, array in held.items()}}
        places, values, every = [*map(_word, numbers)], [*numbers.values()], self._held | held
        self._grown.context[places], self._held = values, every

    def _put_parser(self) -> None:
        tables, indentation = self._tables, self._tables.indentation
        terminals = len(tables.terminals)
        ignored, brackets = np.zeros(terminals, np.uint8), np.zeros(terminals, np.uint8)
        ignored[sorted(tables.ignored)] = 1
        words = {
            "terminal_count": terminals,
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
            "sizes": np.array([len(rule.symbols) for rule in tables.rules], np.int32),
            "origins": np.array([rule.origin for rule in tables.rules], np.int32),
            "context_of": tables.context_of.astype(np.int32),
            "ignored": ignored,
            "brackets": brackets,
        }
        self._put(arrays, words)

    def _put_begins(self) -> None:
        """Write for each terminal the bytes with which a lexeme behind it may begin, at least."""
        tables, rows = self._tables, self.rows
        begins = np.ones((len(tables.terminals), self.lexer.width), np.uint8)
        if self.lexer.is_local:
            starts = [rows.start(context, self.lexer.nothing) for context in range(rows.contexts)]
            first = np.array(
                [rows.moves[state] >= 0 if state >= 0 else [False] * self.lexer.width for state in starts]
            )
            for terminal in range(1, len(tables.terminals)):
                begins[terminal] = first[tables.contexts_after(terminal)].any(axis=0)
        self._put({"begins": begins, "begin_bytes": byte_sets(begins[:, rows.classes])})

    def _put_letters(self) -> None:
        """Write the classes of endings, and the liveness of the letters that there are."""
        letters, made = self.letters, self.liveness
        told = len(letters.classes), len(letters.letters)
        flat = [letter for some in letters.classes for letter in some]
        arrays = {
            "class_at": np.cumsum([0, *map(len, letters.classes)]).astype(np.int32),
            "class_letters": np.array(flat or [0], np.int32),
            "marks_of_classes": np.zeros(len(letters.classes), np.int32),
            "actions": made.actions,
            "gotos": made.gotos,
            "certain": made.certain,
            "letter_terminal": np.array([terminal for terminal, _kind in letters.letters], np.int32),
            "letter_kind": np.array([kind for _terminal, kind in letters.letters], np.int32),
            "letter_boundary": made.boundary,
        }
        words = {"boundaries": made.boundaries, "keeps_column": int(letters.keeps_column)}
        self._put(arrays, {**words, "class_count": told[0]})
        self._told = told

    def _tell(self) -> None:
        """Write what is new of letters and states: answers bring it, and so do completions and `expected`,
        which ask for letters and rows outside of compiled calls."""
        if self._parts is not None:
            letters = self._parts.letters
            if self._told != (len(letters.classes), len(letters.letters)):
                self._put_letters()

    # --- answers --------------------------------------------------------------------------------------------

    def call(self, function: Callable[..., int], *arguments: int) -> int:
        """Return the result of a compiled call, once it has no questions. Raises LimitError."""
        self._may_forget = True
        return self._call(function, *arguments)

    def call_keeping(self, function: Callable[..., int], *arguments: int) -> int:
        """Return the result of a compiled call, once it has no questions; places keep their numbers. Raises
        LimitError."""
        self._may_forget = False
        return self._call(function, *arguments)

    def _call(self, function: Callable[..., int], *arguments: int) -> int:
        self._tell()
        code = call_answered(self._lock, self.begin, self.answer, self._grown.address, function, *arguments)
        if code == FULL:
            raise LimitError(
                f"A text can be read in more than {L.MOST_READINGS} ways, or its tokens in too many.",
                limit="parser_states",
                where="grammar",
                cure="Have terminals look ahead less far, and make those that begin alike one.",
            )
        return code

    def answer(self) -> None:
        """Answer the noted questions. Raises LimitError; then the call can be made again."""
        records = []
        for kind, first, second, third in self._grown.questions():
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
                self._prove(first, second, third)
            else:
                records.append((first, second))
        self._tell()
        # last: what they need may be among the others
        for trie, state in records:
            self.records.make(self._call, trie, state)
        if self._may_forget and self._grown.count(_PLACES) > self._most_places:
            # once a call, which begins again at its state
            self._may_forget = False
            self.forgotten += 1
            self._most_places = max(MOST_PLACES, 2 * forget(self._grown))

    def begun(self, place: int, carry: int) -> list[Reading]:
        """Return the readings that begin at a place behind a carry: of a lexeme, and of bound texts."""
        with self.begin():
            states = self.rows.begun(int(self._tables.context_of[self.top(place)]), carry)
        return [Reading(place, state, -1 if self.rows.may_break(state) else 0) for state in states]

    def width(self, place: int) -> int:
        """Return the width of the innermost open block at a place."""
        cell = self._grown.rows(_PLACES)[place, L.LarkPlace.widths]
        return -1 - int(self._grown.rows(_CELLS)[cell, L.Cell.top])

    def brackets(self, place: int) -> int:
        """Return how many brackets are open at a place."""
        return int(self._grown.rows(_PLACES)[place, L.LarkPlace.brackets])

    def top(self, place: int) -> int:
        """Return the state of the parser at a place."""
        return int(self._grown.rows(_CELLS)[self._grown.rows(_PLACES)[place, L.LarkPlace.stack], 0])

    def tells(self, letter: int) -> bool:
        """Return whether a letter alone says what goes on behind it, whatever the state of the lexer."""
        terminal, kind = self.letters.letters[letter]
        if terminal in self._tables.ignored and kind:
            return False
        lines = self._tables.indentation
        keeps = self.letters.keeps_column and lines is not None and terminal == lines.newline
        return self.liveness.is_exact and self.letters.are_all(1 << letter) and not keeps

    def _states(self, place: int) -> list[int]:
        """Return the states of the parser on the stack at a place, the bottom first."""
        cells, states = self._grown.rows(_CELLS), list[int]()
        stack = self._grown.rows(_PLACES)[place, L.LarkPlace.stack]
        while stack >= 0:
            state, stack = cells[stack].tolist()
            states.append(state)
        return states[::-1]

    def height(self, place: int) -> int:
        """Return the height of the parser's stack at a place."""
        return len(self._states(place)) - 1

    def told(self, place: int, lexeme: int) -> bool | None:
        """Return whether some text goes on at a place, from a state of the lexer; None: letters alone do not
        tell."""
        if self.lexer.states[lexeme].has_begun:
            return None
        return self.liveness.tells(self._states(place), self.brackets(place) > 0, lexeme)

    def proves(self, place: int, letters: Sequence[int], lexeme: int, column: int) -> bool:
        """Return whether some text goes on where one of some letters is read at a place, exactly. `lexeme`: a
        state of the lexer with these letters; `column`: of a newline so far."""
        lives = self.liveness.reaches_end(self._states(place), self.brackets(place) > 0, letters)
        if lives is None:
            search, may_forget = self.search(), self._may_forget
            assert search is not None
            lives = search(
                Reading(place, lexeme, column), {self.letters.letters[letter][0] for letter in letters}
            )
            self._may_forget = may_forget
        return lives

    def _prove(self, place: int, end_class: int, column: int) -> None:
        """Write whether some text goes on behind a class of endings, exactly."""
        letters = self.letters
        lives = self.proves(place, letters.classes[end_class], letters.state_of[end_class], column)
        proofs, count = self._grown.rows(_PROOFS), self._grown.count(_PROOFS)
        row = find_proof(self._grown.address, place, end_class, column)
        assert 0 <= row < count
        proofs[row, L.Proof.answer] = int(lives)

    # --- for a file -----------------------------------------------------------------------------------------

    def kept_arrays(self) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.uint8]]:
        """Return copies of the arrays that no vocabulary changes, by the names of their fields, and the lexer
        and its letters."""
        arrays = {name: array for name, array in self._held.items() if name not in _NOT_KEPT}
        if self._parts is None:
            assert self._kept is not None
            lexer = self._kept.lexer
        else:
            arrays |= self.rows.arrays
            told = self._told
            solved = self._solved if self._liveness is None else self._liveness.solved
            with uncollected():
                parts: Any = self.lexer.kept, self.letters.kept, told, solved and solved[:-1]
                lexer = np.frombuffer(marshal.dumps(parts), np.uint8)
        return {
            name: array.reshape(len(array), -1 if array.size else 1).copy() for name, array in arrays.items()
        }, lexer

    # --- ahead of time --------------------------------------------------------------------------------------

    def prepare(self, most: int, progress: Callable[[int], None] | None) -> int:
        """Make the records of lexer states, in breadth from the beginnings of lexemes, and those of the tries
        behind them, until all has so many bytes. Returns how many there are."""
        table = self._grown.rows(RECORDS)[: self._grown.count(RECORDS)]
        table = table[:, [LexemeRecord.trie, LexemeRecord.lexeme]]
        known = {(trie, state): at for at, (trie, state) in enumerate(table.tolist())}
        with self.begin():
            starts = [self.rows.start(context, self.lexer.nothing) for context in range(self.rows.contexts)]
            pending = dict.fromkeys((0, state) for state in (self.start_lexeme(), *starts) if state >= 0)
        queue, done = list(pending), 0
        for trie, state in queue:  # the list grows meanwhile
            if self._grown.nbytes() + self.nbytes > most:
                break
            after: list[tuple[int, int]] = []
            # what a limit forbids may be needed by no mask
            with suppress(LimitError), self.begin():
                if (trie, state) not in known:
                    self.records.make(self._call, trie, state)
                    known[trie, state] = self._grown.count(RECORDS) - 1
                like = int(self._grown.rows(RECORDS)[known[trie, state], LexemeRecord.like])
                after = [(trie, like), *self._behind(trie, state), *self._left_over(known[trie, state])]
            done += 1
            if progress is not None:
                progress(done)
            fresh = dict.fromkeys(record for record in after if record[1] >= 0 and record not in pending)
            pending |= fresh
            queue += fresh
        return done

    def _behind(self, trie: int, state: int) -> list[tuple[int, int]]:
        """Return the records of the states behind one more byte, and behind an end."""
        self.rows.put_row(state)
        records = [(0, after) for after in self.rows.moves[state].tolist()] if trie == 0 else []
        for terminal, carry in self.lexer.states[state].ends:
            records += [
                (0, self.rows.start(context, carry)) for context in self._tables.contexts_after(terminal)
            ]
        return records

    def _left_over(self, record: int) -> list[tuple[int, int]]:
        """Return the records that one leads to: what tokens have behind a lexeme, where another begins."""
        first, last = self._grown.rows(RECORDS)[
            record, [LexemeRecord.leftovers, LexemeRecord.leftovers_end]
        ].tolist()
        records = []
        for terminal, carry, _shift, after in self._grown.rows(_LEFTOVERS)[first:last].tolist():
            if self._grown.rows(TRIES)[after, Trie.count] >= SMALL_TRIE:
                begun = {self.rows.start(context, carry) for context in self._tables.contexts_after(terminal)}
                records += [(after, state) for state in sorted(begun)]
        return records

    @property
    def share(self) -> float:
        """The used share of its limits: of the states of the lexer, and of the memory for records."""
        return max(self.lexer_share, self.records.nbytes / self.limits.grammar_memory)

    @property
    def lexer_share(self) -> float:
        """The used share of the limit on the states of the lexer."""
        return 2 * STATES_COUNTED * self.sizes["lexer_states"] / self.limits.automaton_states

    @property
    def nbytes(self) -> int:
        """About how many bytes the lexer takes."""
        rows = 0 if self._parts is None else self.rows.nbytes
        return (
            rows + 2000 * self.sizes["lexer_states"] + sum(int(array.nbytes) for array in self._held.values())
        )

    # --- states ---------------------------------------------------------------------------------------------

    def start_lexeme(self) -> int:
        """Return the lexer's state before the first byte; DEAD where there is none."""
        context = int(self._tables.context_of[self._tables.start])
        return self.rows.start(context, self.lexer.first)

    @property
    def sizes(self) -> dict[str, int]:
        """The numbers of lexer states, carries, and tokens' records."""
        count = self._grown.count
        states, carries = 0, 0
        if self._parts is not None:
            states, carries = len(self.lexer.states), len(self.lexer.carries)
        elif self._kept is not None:
            states, carries = len(self._kept.arrays["end_class"]), len(self._kept.arrays["starts"])
        return {
            "lexer_states": states,
            "carries": carries,
            "records": count(RECORDS),
            "tries": count(TRIES),
        }
