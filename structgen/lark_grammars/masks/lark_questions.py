"""What compiled code asks about a Lark grammar, and the answers: by the lexer, the parser's plans, proofs.

Compiled code notes what it does not know and says ASKED; Python answers what was noted, and compiled code
begins again, further on. What is asked is asked of a grammar once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from structgen.errors import LimitError, StructgenError
from structgen.json_machine.tables import layout as L
from structgen.language.grammar import Grammar
from structgen.lark_grammars.compiled import lark_masks, paired_lexemes
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.kept.state_image import clear
from structgen.lark_grammars.liveness.always_completable import Sure
from structgen.lark_grammars.masks.kept_lark import LanguageSource
from structgen.lark_grammars.masks.vocabulary_tables import Book
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import END, ParserTables
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.lark_grammars.tables.prepared_lexer import MOST_STATES
from structgen.limits import Limits
from structgen.native.raw_memory import address_of
from structgen.store.mask_store import MaskStore
from structgen.text_grammars.machine.completing import CompiledRests
from structgen.tokens.tokenizer import Tokenizer

_ROOM = 1 << 12
"""Rows that each table has free before compiled code goes on."""
_MANY, _MANY_EACH = 1 << 13, 8
"""Places, and of them for each parser state, at which it pays to show once for all stacks that a text goes
on, not place by place."""
_CROWD = 1 << 15
"""Places at which those are forgotten that no state names."""


class LarkQuestions(CompiledRests):
    """A compiled Lark grammar by what is asked about it: its book is filled as answers are found."""

    _parsed: ParserTables
    _book: Book
    _source: LanguageSource
    """Its language, made when it is asked for the first time."""
    _needs: npt.NDArray[np.int64]
    """Where questions are noted."""

    def __init__(
        self,
        grammar: Grammar,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        store: MaskStore | Literal[False] | None = None,
    ) -> None:
        super().__init__(grammar, tokenizer, limits, store)
        self._followed: list[ReaderConfiguration] = []
        """Readings that compiled code cannot hold; their states have MODE M_WORDS."""
        self._of_followed: dict[ReaderConfiguration, int] = {}
        self._readings: dict[int, ReaderConfiguration] = {}
        self._places: dict[int, ParserPlace] = {}
        self._crowded = _CROWD

    @property
    def _language(self) -> ContextualLanguage:
        return self._source()

    @property
    def _reader(self) -> ContextualReader:
        return self._source().reader

    def _room(self) -> None:
        tables = self._tables
        for table in (L.T_TEXT, L.T_SET, L.T_EDGE, L.T_NODE, L.T_OFFSET):
            tables.room(table, _ROOM)

    def _retry(self, call: Any, *arguments: int) -> int:
        with self.lock:
            code: int = call(self.address, *arguments)
            if code != L.ASKED:
                return code
            with self._source.effort:
                while code == L.ASKED:
                    self._answer()
                    code = call(self.address, *arguments)
            return code

    def _questions(self) -> list[tuple[int, int, int]]:
        """Return the questions that were noted, and forget them."""
        count = int(self._needs[0])
        noted = self._needs[1 : 1 + 4 * count].reshape(-1, 4)[:, :3].tolist()
        self._needs[0] = 0
        return [(kind, first, second) for kind, first, second in noted]

    def _answer(self) -> None:
        """Answer the questions that were noted; one whose answer meets a bound is open again, its error is
        raised once the others are answered."""
        failed: StructgenError | None = None
        questions = self._questions()
        if not questions:
            self._ask_again()
        with suppress(LimitError):  # one by one it shows whose it is
            questions = self._answer_together(questions)
        # records last: what they ask may stand among the other questions
        for question in sorted(questions, key=lambda one: one[0] in (K.Q_RECORD, K.Q_PAIR)):
            try:
                self._answer_one(*question)
            except StructgenError as error:
                self._reopen(*question)
                failed = error
        if self._tables.count(L.T_SET) > self._crowded:
            self._clear()
        many = min(_MANY, _MANY_EACH * len(self._parsed.kernels))
        if not self._book.knows_sure and self._tables.count(L.T_SET) > many:
            self._find_sure()
        self._room()
        if failed is not None:
            raise failed

    def _ask_again(self) -> None:
        """Have all asked again that was asked and not answered: compiled code waits for an answer and has
        nothing new to ask. Whoever shares the book has noted it, or a call that was cut off had taken it."""
        self._book.ask_again()
        flags = self._tables.rows(L.T_OFFSET)[: self._tables.count(L.T_SET)]
        flags[(flags & K.OPEN_BITS) == K.OPEN_PENDING] &= ~K.OPEN_BITS
        edges = self._tables.rows(L.T_EDGE)[: self._tables.count(L.T_EDGE)]
        edges[(edges[:, 1] < 0) & (edges[:, 3] == K.LIVE_PENDING), 3] = K.LIVE_UNKNOWN

    def _answer_together(self, questions: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        """Answer those of some questions that are answered in less time together, or what they need; return
        the others."""
        if lexemes := [first for kind, first, _second in questions if kind == K.Q_ENDINGS]:
            self._language.meet_endings(lexemes)
        if moves := [(first, second) for kind, first, second in questions if kind == K.Q_MOVE]:
            self._book.put_moves(*zip(*moves, strict=True))
        return [one for one in questions if one[0] != K.Q_MOVE]

    def _clear(self) -> None:
        """Forget the places that no state names: those of proofs, and of tokens that were only looked at."""
        tables = L.T_TEXT, L.T_SET, L.T_EDGE, L.T_OFFSET
        counts = [self._tables.count(table) for table in tables]
        clear(self._tables)
        for table, count in zip(tables, counts, strict=True):
            self._tables.room(table, count - self._tables.count(table))
        self._places.clear()
        self._crowded = max(_CROWD, 4 * self._tables.count(L.T_SET))

    def _reopen(self, kind: int, first: int, second: int) -> None:
        """Have a question asked again that was noted and not answered."""
        if kind == K.Q_OPEN:
            self._note_open(first, K.OPEN_UNKNOWN)
        elif kind == K.Q_LIVE:
            lark_masks.note_told(self.address, first, K.LIVE_KEY, 0, K.LIVE_UNKNOWN)
        elif kind == K.Q_YIELDS:
            lark_masks.note_told(self.address, first, K.YIELDS_KEY, second, K.LIVE_UNKNOWN)
        else:
            self._book.reopen(kind, first, second)

    def _note_open(self, place: int, known: int) -> None:
        flags = self._tables.rows(L.T_OFFSET)
        flags[place] = (int(flags[place, 0]) & ~K.OPEN_BITS) | known

    def _answer_one(self, kind: int, first: int, second: int) -> None:
        book = self._book
        if kind == K.Q_MOVE:
            book.put_moves([first])
        elif kind == K.Q_START:
            lexer = self._reader.lexer
            book.put_start(first, lexer.start(first, lexer.before()))
        elif kind == K.Q_ENDINGS:
            book.put_endings(first, *self._language.endings(first))
        elif kind == K.Q_OPEN:
            self._note_open(first, K.OPEN if self._language.is_open(self._place(first)) else K.SHUT)
        elif kind == K.Q_RECORD:
            if book.is_open(kind, first, second):  # it may have been kept
                self._retry(book.harvest, first, second)
                book.put_record(first, second)
        elif kind == K.Q_PAIR:
            noted = book.pairs.room()
            count = self._retry(paired_lexemes.harvest_pair, first, second, address_of(noted))
            book.pairs.put(first, second, noted[: paired_lexemes.NOTED_WORDS * count])
        elif kind == K.Q_PLAN:
            book.put_plan(first, *self._plan_of(first))
        elif kind == K.Q_CLEAN:
            book.put_clean(first, second, self._language.cleanness(first, second))
            self._reopen_plans()
        elif kind == K.Q_LIVE:
            goes_on = self._language.is_live(self._reading(first))
            told = K.LIVE_YES if goes_on else K.LIVE_NO
            lark_masks.note_told(self.address, first, K.LIVE_KEY, 0, told)
        elif kind == K.Q_YIELDS:
            told = K.LIVE_YES if self._language.gives_way(first, second) else K.LIVE_NO
            lark_masks.note_told(self.address, first, K.YIELDS_KEY, second, told)

    def _plan_of(self, state: int) -> tuple[int, int, list[int]]:
        """Return the plan of a parser state that holds with what is known of its terminals."""
        while True:
            plan = self._language.plan_of(state)
            for terminal in plan[2]:
                context = self._book.soiled(terminal)
                if context >= 0:  # it may have been kept, and the language not be asked
                    self._language.cleanness(context, terminal)
            if state not in self._reopen_plans():
                return plan

    def _reopen_plans(self) -> list[int]:
        """Have plans be asked for again that hold no longer; return their states."""
        outdated = self._language.outdated()
        for state in outdated:
            self._book.reopen(K.Q_PLAN, state, 0)
        return outdated

    def _find_sure(self) -> None:
        """Show behind which parser states a text goes on, whatever lies below them; once."""
        book = self._book
        if book.knows_sure or len(self._parsed.kernels) > MOST_STATES:
            return

        def plan_of(state: int) -> tuple[int, int, list[int]]:
            self._work_out(K.Q_PLAN, state, 0)
            return book.plan(state)

        def cleanness(context: int, terminal: int) -> int:
            self._work_out(K.Q_CLEAN, context, terminal)
            return book.clean(context, terminal)

        states = range(len(self._parsed.kernels))
        while True:
            found = Sure(self._parsed, plan_of, cleanness).find()
            # by what was asked of the lexer, plans may hold no longer
            if not any(book.is_open(K.Q_PLAN, state, 0) for state in states):
                break
        book.put_sure(found)

    # --- ahead of time --------------------------------------------------------------------------------------

    def prepare(self, room: int = 1 << 25, progress: Callable[[int], None] | None = None) -> int:
        """Work out what tokens do in the states of lexemes, those nearest to where lexemes begin first, and
        what the parser's plans are."""
        with self.lock:
            self._attach()
            book = self._book
            most = book.nbytes + room
            for state in range(len(self._parsed.kernels)):
                self._work_out(K.Q_PLAN, state, 0)
            for context, of_context in enumerate(self._parsed.contexts):
                self._work_out(K.Q_START, context, 0)
                for terminal in (END, *of_context.terminals):
                    self._work_out(K.Q_CLEAN, context, terminal)
            self._find_sure()
            states = dict.fromkeys(map(book.start_of, range(len(self._parsed.contexts))))
            pending, behind, done = list(states), dict[tuple[int, int], None](), 0
            for state in pending:
                if book.nbytes > most:
                    return done
                self._work_out(K.Q_MOVE, state, 0)
                self._work_out(K.Q_ENDINGS, state, 0)
                self._work_out(K.Q_RECORD, state, 0)
                behind |= self._behind(state, 0)
                done += 1
                if progress is not None:
                    progress(done)
                after = dict.fromkeys(book.states_behind(state))
                pending += [one for one in after if one not in states]
                states |= after
            tries = list(behind)
            for state, words in tries:
                if book.nbytes > most:
                    return done
                self._work_out(K.Q_RECORD, state, words)
                more = self._behind(state, words)
                tries += [one for one in more if one not in behind]
                behind |= more
            return done

    def _behind(self, state: int, words: int) -> dict[tuple[int, int], None]:
        """Return what comes behind what the tokens of a trie do in a state of a lexeme: the states in which
        the next one may begin, each with the trie of what is left over."""
        book, contexts = self._book, self._parsed.contexts_behind
        left = book.left_over(state, words)
        return {(book.start_of(one), after): None for terminal, after in left for one in contexts(terminal)}

    def _work_out(self, kind: int, first: int, second: int) -> None:
        """Answer a question that nobody has asked, if it is open."""
        if self._book.is_open(kind, first, second):
            self._answer_one(kind, first, second)

    # --- places and states, as the reader has them ----------------------------------------------------------

    def _place(self, number: int) -> ParserPlace:
        place = self._places.get(number)
        if place is None:
            stack, widths, brackets, _ = self._tables.rows(L.T_SET)[number].tolist()
            pairs = self._tables.rows(L.T_TEXT)
            columns = []
            while widths >= 0:
                width, widths = pairs[widths].tolist()
                columns.append(-1 - width)
            states = []
            while stack >= 0:
                state, stack = pairs[stack].tolist()
                states.append(state)
            parser, here = self._reader.parser, 0
            for state in reversed(states[:-1]):
                here = parser.push(here, state)
            place = self._places[number] = ParserPlace(here, tuple(reversed(columns)), brackets)
        return place

    def _reading(self, index: int) -> ReaderConfiguration:
        reading: ReaderConfiguration | None = self._readings.get(index)
        if reading is None:
            row = self._tables.rows(L.T_NODE)[index].tolist()
            if row[L.MODE] == L.M_WORDS:
                followed: ReaderConfiguration = self._followed[row[L.RES]]
                return followed
            lexeme, begun = row[K.LEXEME] >> 1, bool(row[K.LEXEME] & 1)
            base = None if row[K.BASE] < 0 else self._reading(row[K.BASE])
            bases: tuple[ReaderConfiguration | None, ...] = ()
            if begun:
                slots = self._reader.lexer.states[lexeme].slots
                bases = tuple(None if slot.terminal >= 0 else base for slot in slots)
            reading = self._reader.reading(
                self._place(row[K.PLACE]), lexeme, begun, bases, row[K.COLUMN], self._reader.lexer.before()
            )
            self._readings[index] = reading
        return reading

    def _number(self, reading: ReaderConfiguration) -> int:
        """Return the number of a reading's state."""
        self._room()
        slots = self._reader.lexer.states[reading.lexeme].slots
        held = [base for slot, base in zip(slots, reading.bases, strict=False) if slot.terminal < 0]
        base = K.NO_BASE
        if len(held) == 1 and held[0] is not None:
            base = self._number(held[0])
        if len(held) > 1 or (base >= 0 and self._is_followed(base)):
            number = self._of_followed.get(reading)
            if number is None:
                row = np.full(L.N_STRIDE, -1, np.int64)
                row[L.MODE], row[L.RES] = L.M_WORDS, len(self._followed)
                number = self._of_followed[reading] = self._tables.append(L.T_NODE, row)
                self._followed.append(reading)
            return number
        self._book.reach(reading.lexeme)
        address, place = self.address, reading.place
        stack, widths = -1, -1
        parser, states, here = self._reader.parser, [], place.stack
        while here >= 0:
            states.append(parser.top[here])
            here = parser.below[here]
        self._tables.room(L.T_TEXT, len(states) + len(place.widths))
        for state in reversed(states):
            stack = int(lark_masks.put_pair(address, state, stack))
        for width in place.widths:
            widths = int(lark_masks.put_pair(address, -1 - width, widths))
        number = int(lark_masks.put_place(address, stack, widths, place.brackets))
        lexeme = 2 * reading.lexeme + reading.begun
        return int(lark_masks.put_node(address, number, lexeme, reading.column, base))

    def _is_followed(self, index: int) -> bool:
        return int(self._tables.rows(L.T_NODE)[index, L.MODE]) == L.M_WORDS
