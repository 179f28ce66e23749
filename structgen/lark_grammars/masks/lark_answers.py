"""The questions of compiled code about a Lark grammar, and their answers.

Compiled code notes what it does not know and returns ASKED. Python answers the questions from the lexer and
its own reader, and calls again, until there are none (`LarkAnswers.call`). Answers are
stored in tables, so that each question is answered once for a grammar.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.errors import LimitError, StructgenError
from structgen.lark_grammars.compiled import lark_masks, paired_lexemes
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.kept.state_snapshot import clear
from structgen.lark_grammars.masks.vocabulary_tables import VocabularyTables
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage, LanguageSource
from structgen.machine_core.growing_tables import EDGES, NODES, GrowingTables
from structgen.machine_core.questions import call_answered
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import words_of

_NODE_WORDS: Final = words_of(K.LarkNode)
_STATE_BASE: Final = K.LarkState.base
_STATE_COLUMN: Final = K.LarkState.column
_STATE_LEXEME: Final = K.LarkState.lexeme
_STATE_MODE: Final = K.LarkState.mode
_STATE_PLACE: Final = K.LarkState.place
_ROOM: Final = 1 << 12
"""Free rows that each table must have before compiled code is called."""
_MOST_PLACES: Final = 1 << 15
"""With more places than this, those that no state uses are removed."""


class ReaderStates:
    """The states of a compiled grammar as configurations of the Python reader, and back.

    A state is a row of registers in compiled code's tables. If it has several open ends of a lexeme, it is a
    *slow* state: a configuration that only the Python reader can represent.
    """

    __slots__ = ("_configurations", "_numbers", "_places", "_slow", "_source", "_tables", "_vocabulary")

    def __init__(
        self, tables: GrowingTables, source: LanguageSource, vocabulary_tables: VocabularyTables
    ) -> None:
        self._tables, self._source, self._vocabulary = tables, source, vocabulary_tables
        self._slow: list[ReaderConfiguration] = []
        self._numbers: dict[ReaderConfiguration, int] = {}
        """The configurations of slow states, and the numbers of their states."""
        self._configurations: dict[int, ReaderConfiguration] = {}
        self._places: dict[int, ParserPlace] = {}

    @property
    def language(self) -> ContextualLanguage:
        """The grammar's language, made at the first use."""
        return self._source()

    @property
    def reader(self) -> ContextualReader:
        """The language's reader."""
        return self._source().reader

    def make_room(self) -> None:
        """Make sure that the tables to which compiled code appends have free rows."""
        for table in (K.CELLS, K.PLACES, EDGES, NODES):
            self._tables.room(table, _ROOM)

    def is_slow(self, index: int) -> bool:
        """Return whether only the Python reader can step a state."""
        return int(self._tables.rows(NODES)[index, _STATE_MODE]) == K.SLOW

    def place(self, number: int) -> ParserPlace:
        """Return a place by its number: the parser's stack, the widths of open blocks, the open brackets."""
        place = self._places.get(number)
        if place is None:
            stack, widths, brackets, _ = self._tables.rows(K.PLACES)[number].tolist()
            pairs = self._tables.rows(K.CELLS)
            columns = []
            while widths >= 0:
                width, widths = pairs[widths].tolist()
                columns.append(-1 - width)
            states = []
            while stack >= 0:
                state, stack = pairs[stack].tolist()
                states.append(state)
            parser, here = self.reader.parser, 0
            for state in reversed(states[:-1]):
                here = parser.push(here, state)
            place = self._places[number] = ParserPlace(here, tuple(reversed(columns)), brackets)
        return place

    def configuration(self, index: int) -> ReaderConfiguration:
        """Return the reader's configuration in a state."""
        known = self._configurations.get(index)
        if known is None:
            row = self._tables.rows(NODES)[index].tolist()
            if row[_STATE_MODE] == K.SLOW:
                slow: ReaderConfiguration = self._slow[row[_STATE_PLACE]]
                return slow
            lexeme, begun = row[_STATE_LEXEME] >> 1, bool(row[_STATE_LEXEME] & 1)
            base = None if row[_STATE_BASE] < 0 else self.configuration(row[_STATE_BASE])
            bases: tuple[ReaderConfiguration | None, ...] = ()
            if begun:
                slots = self.reader.lexer.states[lexeme].slots
                bases = tuple(None if slot.terminal >= 0 else base for slot in slots)
            place, before = self.place(row[_STATE_PLACE]), self.reader.lexer.initial_look_behind()
            known = self.reader.configuration(place, lexeme, begun, bases, row[_STATE_COLUMN], before)
            self._configurations[index] = known
        return known

    def number(self, configuration: ReaderConfiguration) -> int:
        """Return the number of a configuration's state, which is added if it is new."""
        self.make_room()
        slots = self.reader.lexer.states[configuration.lexeme].slots
        old = [base for slot, base in zip(slots, configuration.bases, strict=False) if slot.terminal < 0]
        base = K.NO_BASE
        if len(old) == 1 and old[0] is not None:
            base = self.number(old[0])
        if len(old) > 1 or (base >= 0 and self.is_slow(base)):
            return self._slow_number(configuration)
        self._vocabulary.reach(configuration.lexeme)
        address, place = self._tables.address, configuration.place
        stack, widths = -1, -1
        parser, states, here = self.reader.parser, [], place.stack
        while here >= 0:
            states.append(parser.top[here])
            here = parser.below[here]
        self._tables.room(K.CELLS, len(states) + len(place.widths))
        for state in reversed(states):
            stack = int(lark_masks.put_cell(address, state, stack))
        for width in place.widths:
            widths = int(lark_masks.put_cell(address, -1 - width, widths))
        number = int(lark_masks.put_place(address, stack, widths, place.brackets))
        lexeme = 2 * configuration.lexeme + configuration.begun
        return int(lark_masks.put_node(address, number, lexeme, configuration.column, base))

    def _slow_number(self, configuration: ReaderConfiguration) -> int:
        number = self._numbers.get(configuration)
        if number is None:
            row = np.full(_NODE_WORDS, -1, np.int64)
            row[_STATE_MODE], row[_STATE_PLACE] = K.SLOW, len(self._slow)
            number = self._numbers[configuration] = self._tables.append(NODES, row)
            self._slow.append(configuration)
        return number

    def forget_places(self) -> None:
        """Remove the places that no state uses: those of proofs, and of tokens that were tried."""
        tables = K.CELLS, K.PLACES, EDGES
        counts = [self._tables.count(table) for table in tables]
        clear(self._tables)
        for table, count in zip(tables, counts, strict=True):
            self._tables.room(table, count - self._tables.count(table))
        self._places.clear()


class LarkAnswers:
    """Answers what compiled code asks about one grammar.

    `vocabulary_tables` and `source` may be shared with other compiled grammars of the same language and
    vocabulary; the questions noted in `needs` are this grammar's own.
    """

    __slots__ = ("_lock", "_most_places", "_needs", "_parsed", "_source", "_states", "_tables", "_vocabulary")

    def __init__(
        self,
        parsed: ParserTables,
        tables: GrowingTables,
        vocabulary_tables: VocabularyTables,
        states: ReaderStates,
        source: LanguageSource,
        lock: threading.RLock,
    ) -> None:
        self._parsed, self._tables, self._vocabulary = parsed, tables, vocabulary_tables
        self._states, self._source, self._lock = states, source, lock
        self._needs: npt.NDArray[np.int64] = vocabulary_tables.attach(tables.context)
        """The number of noted questions, and four words for each."""
        self._most_places = _MOST_PLACES

    def call(self, function: Callable[..., Any], *arguments: int) -> int:
        """Return the result of a compiled call, once it has no questions (`machine_core.questions`)."""
        address = self._tables.address
        return int(
            call_answered(self._lock, lambda: self._source.budget, self.answer, function, address, *arguments)
        )

    def answer(self) -> None:
        """Answer the noted questions. If an answer exceeds a limit, its question is reopened, and the error
        is raised after the others are answered."""
        failed: StructgenError | None = None
        questions = self._taken()
        if not questions:
            self._reopen_all()
        if not self._vocabulary.knows_certain:
            self._vocabulary.put_certain(self._states.language.certain())
        with suppress(LimitError):  # answering one by one shows which question exceeds it
            questions = self._answer_together(questions)
        # records last: the questions that they depend on may be among the others
        for question in sorted(questions, key=lambda one: one[0] in (K.Q_RECORD, K.Q_PAIR)):
            try:
                self._answer_one(*question)
            except StructgenError as error:
                self._reopen(*question)
                failed = error
        places = self._tables.count(K.PLACES)
        if places > self._most_places:
            self._states.forget_places()
            places = self._tables.count(K.PLACES)
            self._most_places = max(_MOST_PLACES, 4 * places)
        self._states.make_room()
        if failed is not None:
            raise failed

    def _taken(self) -> list[tuple[int, int, int]]:
        """Return the noted questions, and clear the list."""
        count = int(self._needs[0])
        noted = self._needs[1 : 1 + 4 * count].reshape(-1, 4)[:, :3].tolist()
        self._needs[0] = 0
        return [(kind, first, second) for kind, first, second in noted]

    def _reopen_all(self) -> None:
        """Reopen all questions without an answer. Compiled code waits for one that is not in its list: a
        grammar that shares the tables has noted it, or a call was interrupted."""
        self._vocabulary.reopen_all()
        edges = self._tables.rows(EDGES)[: self._tables.count(EDGES)]
        edges[(edges[:, 1] < 0) & (edges[:, 3] == K.LIVE_PENDING), 3] = K.LIVE_UNKNOWN

    def _answer_together(self, questions: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        """Answer the questions that are cheaper together, or prepare their answers; return the others."""
        if lexemes := [first for kind, first, _second in questions if kind == K.Q_ENDINGS]:
            self._states.language.meet_endings(lexemes)
        if moves := [(first, second) for kind, first, second in questions if kind == K.Q_MOVE]:
            self._vocabulary.put_moves(*zip(*moves, strict=True))
        return [one for one in questions if one[0] != K.Q_MOVE]

    def _reopen(self, kind: int, first: int, second: int) -> None:
        """Have a noted but unanswered question asked again."""
        if kind == K.Q_OPEN:
            self._put_known(first, K.OPEN_KEY, 0, K.LIVE_UNKNOWN)
        elif kind == K.Q_LIVE:
            self._put_known(first, K.LIVE_KEY, 0, K.LIVE_UNKNOWN)
        elif kind == K.Q_YIELDS:
            self._put_known(first, K.YIELDS_KEY, second, K.LIVE_UNKNOWN)
        elif kind == K.Q_COVERS:
            self._put_known(first, K.COVERS_KEY, second, K.LIVE_UNKNOWN)
        else:
            self._vocabulary.reopen(kind, first, second)

    def _put_known(self, first: int, key: int, second: int, known: int) -> None:
        lark_masks.put_known(self._tables.address, first, key, second, known)

    def _answer_one(self, kind: int, first: int, second: int) -> None:
        held, states = self._vocabulary, self._states
        if kind == K.Q_MOVE:
            held.put_moves([first])
        elif kind == K.Q_START:
            lexer = states.reader.lexer
            held.put_start(first, lexer.start(first, lexer.initial_look_behind()))
        elif kind == K.Q_ENDINGS:
            held.put_endings(first, *states.language.endings(first))
        elif kind == K.Q_OPEN:
            goes_on = states.language.is_open(states.place(first))
            self._put_known(first, K.OPEN_KEY, 0, K.LIVE_YES if goes_on else K.LIVE_NO)
        elif kind == K.Q_RECORD:
            if held.is_open(kind, first, second):  # a stored record may have been read meanwhile
                self.call(held.collect_record, first, second)
                held.put_record(first, second)
        elif kind == K.Q_PAIR:
            noted = held.pairs.room()
            count = self.call(paired_lexemes.scan_pair, first, second, address_of(noted))
            held.pairs.put(first, second, noted[: paired_lexemes.NOTED_WORDS * count])
        elif kind == K.Q_LIVE:
            goes_on = states.language.is_live(states.configuration(first))
            self._put_known(first, K.LIVE_KEY, 0, K.LIVE_YES if goes_on else K.LIVE_NO)
        elif kind == K.Q_YIELDS:
            yields = states.language.never_ends_at_slot(first, second)
            self._put_known(first, K.YIELDS_KEY, second, K.LIVE_YES if yields else K.LIVE_NO)
        elif kind == K.Q_COVERS:
            waiting = states.reader.lexer.waiting_items
            covers = waiting(second) <= waiting(first)
            self._put_known(first, K.COVERS_KEY, second, K.LIVE_YES if covers else K.LIVE_NO)

    def _answer_if_open(self, kind: int, first: int, second: int) -> None:
        """Answer a question that was not asked, if it has no answer."""
        if self._vocabulary.is_open(kind, first, second):
            self._answer_one(kind, first, second)

    # --- ahead of time --------------------------------------------------------------------------------------

    def prepare(self, room: int, progress: Callable[[int], None] | None) -> int:
        """Make the records of lexeme states, breadth-first from the beginnings of lexemes, until `room` bytes
        are used; return how many states have records."""
        held = self._vocabulary
        most = held.nbytes + room
        for context in range(len(self._parsed.contexts)):
            self._answer_if_open(K.Q_START, context, 0)
        states = dict.fromkeys(map(held.start_of, range(len(self._parsed.contexts))))
        pending, behind, done = list(states), dict[tuple[int, int], None](), 0
        for state in pending:
            if held.nbytes > most:
                return done
            for kind in (K.Q_MOVE, K.Q_ENDINGS, K.Q_RECORD):
                self._answer_if_open(kind, state, 0)
            behind |= self._left_over(state, 0)
            done += 1
            if progress is not None:
                progress(done)
            after = dict.fromkeys(held.states_after(state))
            pending += [one for one in after if one not in states]
            states |= after
        tries = list(behind)
        for state, words in tries:
            if held.nbytes > most:
                return done
            self._answer_if_open(K.Q_RECORD, state, words)
            more = self._left_over(state, words)
            tries += [one for one in more if one not in behind]
            behind |= more
        return done

    def _left_over(self, state: int, words: int) -> dict[tuple[int, int], None]:
        """Return the records that depend on one: the lexeme states in which the next lexeme may begin, each
        with the trie of the tokens' continuations."""
        held, contexts = self._vocabulary, self._parsed.contexts_after
        left = held.left_over(state, words)
        return {(held.start_of(one), after): None for terminal, after in left for one in contexts(terminal)}
