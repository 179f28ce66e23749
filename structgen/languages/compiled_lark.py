"""`CompiledLark`: a Lark grammar under LALR(1) and the contextual lexer, compiled against a tokenizer.

The compiled twin of `ContextualLanguage`: stacks, places and states are numbers in tables that compiled code
fills by itself (`lark_steps`, `lark_masks`); Python is asked what a byte does to a lexeme state it has not
met, and whether a text goes on from a place. What more than one open end of a lexeme would take is followed
by the Python reader, state by state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from structgen.errors import LimitError
from structgen.expected import Expected
from structgen.grammar import Grammar
from structgen.jit import load
from structgen.languages import lark_harvest, lark_masks, lark_moves, lark_pairs, lark_records
from structgen.languages import lark_layout as K
from structgen.languages.completing import CompiledRests
from structgen.languages.contextual import ContextualLanguage
from structgen.languages.kept_masks import KeptMasks
from structgen.languages.lark_ahead import MOST_STATES
from structgen.languages.lark_book import Book
from structgen.languages.lark_files import LarkGrammar
from structgen.languages.lark_image import clear, put, take
from structgen.languages.lark_kept import Keeping, Source, identity_of, read
from structgen.languages.lark_pages import Pages
from structgen.languages.lark_pieces import Pieces
from structgen.languages.sure import Sure
from structgen.limits import Limits
from structgen.machine import filling
from structgen.machine import layout as L
from structgen.machine.tables import address_of
from structgen.masks.bits import add_tokens
from structgen.masks.store import MaskStore
from structgen.parsing import lexeme_ends, lexeme_rows
from structgen.parsing.contextual import ContextualReader, Reading
from structgen.parsing.parser import Place
from structgen.parsing.tables import END
from structgen.tokenizer import Tokenizer

_ROOM = 1 << 12
"""Rows that each table has free before compiled code goes on."""
_MANY, _MANY_EACH = 1 << 13, 8
"""Places, and of them for each parser state, at which it pays to show once for all stacks that a text goes
on, not place by place."""
_FEW = 64
"""Tokens left to the reader that it reads one by one."""
_CROWD = 1 << 15
"""Places at which those are forgotten that no state names."""
_LOOPS = filling, lark_harvest, lark_masks, lark_moves, lark_pairs, lark_records, lexeme_ends, lexeme_rows
"""The modules whose machine code is there when a grammar is, so that its first mask does not wait for it."""


class CompiledLark(CompiledRests):
    """What lark accepts, compiled: exact masks, states as values, completions.

    Cost: some 15 ns a byte for lexeme states that were met, 30 us for a byte that was not, and 50 us for each
    place between two lexemes the first time that a token ends there or in the lexeme before.
    """

    take = staticmethod(lark_masks.take_token)

    def __init__(
        self,
        grammar: Grammar,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        store: MaskStore | Literal[False] | None = None,
        *,
        before: CompiledLark | None = None,
    ) -> None:
        """`before`: the one whose successor this is. Its lexemes and records are shared, and the states that
        have masks taken over."""
        super().__init__(grammar, tokenizer, limits, store)
        load(*(one.__name__ for one in _LOOPS))
        assert isinstance(grammar, LarkGrammar)
        self._parsed = grammar.tables
        files, image, kept = self._masks.grammars, None, None
        pages: Pages | None = None
        lexemes: npt.NDArray[np.uint8] | None = None
        if before is None:
            self._identity = identity_of(grammar, tokenizer, self.limits)
            kept = None if files is None else read(files, self._identity, self._masks)
            if kept is not None:
                pages, lexemes, image = kept.pages, kept.lexemes, kept.image
            elif ahead := grammar.ahead:
                pages, lexemes = ahead.pages.own(), ahead.lexemes
            self._source = Source(grammar, self.limits, lexemes)
            if kept is None and not (ahead and ahead.has_text):
                self._language.start()  # raises where there is no text
            known = self._parsed, self._source, self.vocabulary, self._masks
            self._book = Book(*known, pages, None if kept is None else kept.records)
        else:
            self._identity, self._source, self._book = before._identity, before._source, before._book
            if self._source.nbytes > self.limits.grammar_memory:
                # what its reader has met goes with it
                self._source = Source(grammar, self.limits, before._source.encode())
                known = self._parsed, self._source, self.vocabulary, self._masks
                self._book = Book(*known, before._book.pages(), before._book.records())
            else:
                self.lock = before.lock  # of what they share
            if before._kept is not None:
                before._kept.recall_all()
            image = take(before._tables, before._start)
            if image.nbytes > self.limits.grammar_memory // 4:
                image = image.emptied()
        self._needs = self._book.attach(self._tables.context)
        self._alike = Pieces(pooled=False)
        """Masks that states which look alike share."""
        self._tables.context[K.C_MASKS] = self._alike.address
        self._followed: list[Reading] = []
        """Readings that compiled code cannot hold; their states have MODE M_WORDS."""
        self._of_followed: dict[Reading, int] = {}
        self._readings: dict[int, Reading] = {}
        self._places: dict[int, Place] = {}
        self._finished = -1
        self._dense: int | npt.NDArray[np.int32] = -1
        self._extra: npt.NDArray[np.int32] = self._end_ids
        """Of the mask that is worked out: its dense row, and what is neither in it nor in the buffer."""
        self._crowded = _CROWD
        if image is not None:
            self._start = put(image, self._tables, None if kept is None else kept.slots)
        self._kept: KeptMasks | None = None if kept is None else kept.masks(self._tables)
        """Masks that lie in a file and were not asked for yet."""
        if image is None:
            self._room()
            self._start = self._retry(lark_masks.first_node, self._parsed.start)
        if files is not None:
            held = self._masks, self._tables, self._book, self._source
            self._keeping = Keeping(
                files, self._identity, self.lock, held, self._start, self._kept, self.limits
            )
            files.writer.watch(self, self._keeping)

    def anew(self) -> CompiledLark:
        """Return the same, with the states alone that have masks: most of what is met are places of
        proofs."""
        return CompiledLark(self.grammar, self.tokenizer, self.limits, self.store, before=self)

    @property
    def _language(self) -> ContextualLanguage:
        return self._source()

    @property
    def _reader(self) -> ContextualReader:
        return self._source().reader

    # --- questions ------------------------------------------------------------------------------------------

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
        failed: LimitError | None = None
        questions = self._questions()
        if not questions:
            self._book.ask_again()
        with suppress(LimitError):  # one by one it shows whose it is
            questions = self._answer_together(questions)
        # records last: what they ask may stand among the other questions
        for question in sorted(questions, key=lambda one: one[0] in (K.Q_RECORD, K.Q_PAIR)):
            try:
                self._answer_one(*question)
            except LimitError as error:
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
            count = self._retry(lark_pairs.harvest_pair, first, second, address_of(noted))
            book.pairs.put(first, second, noted[: lark_pairs.NOTED_WORDS * count])
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

    def _place(self, number: int) -> Place:
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
            place = self._places[number] = Place(here, tuple(reversed(columns)), brackets)
        return place

    def _reading(self, index: int) -> Reading:
        reading: Reading | None = self._readings.get(index)
        if reading is None:
            row = self._tables.rows(L.T_NODE)[index].tolist()
            if row[L.MODE] == L.M_WORDS:
                followed: Reading = self._followed[row[L.RES]]
                return followed
            lexeme, begun = row[K.LEXEME] >> 1, bool(row[K.LEXEME] & 1)
            base = None if row[K.BASE] < 0 else self._reading(row[K.BASE])
            bases: tuple[Reading | None, ...] = ()
            if begun:
                slots = self._reader.lexer.states[lexeme].slots
                bases = tuple(None if slot.terminal >= 0 else base for slot in slots)
            reading = self._reader.reading(
                self._place(row[K.PLACE]), lexeme, begun, bases, row[K.COLUMN], self._reader.lexer.before()
            )
            self._readings[index] = reading
        return reading

    def _number(self, reading: Reading) -> int:
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

    # --- states ---------------------------------------------------------------------------------------------

    def _after_token(self, index: int, token: int) -> int:
        code = self._retry(lark_masks.take_token, index, token)
        if code == L.UNKNOWN_FREE:
            text = self.tokenizer.token_bytes[token]
            assert text is not None
            return self._after_followed(index, text)
        return code

    def _after_followed(self, index: int, text: bytes) -> int:
        """Return the live state after a text, as the reader finds it."""
        with self.lock, self._source.effort:
            reading = self._reader.run(self._reading(index), text)
            if reading is None or not self._language.is_live(reading):
                return -1
            return self._number(reading)

    def _after_end(self, index: int) -> int:
        if not self.may_end(index):
            return -1
        with self.lock:
            if self._finished < 0:
                row = np.full(L.N_STRIDE, -1, np.int64)
                row[L.MODE] = L.M_FINISHED
                self._room()
                self._finished = self._tables.append(L.T_NODE, row)
            return self._finished

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        if index == self._finished:
            return -1
        if not self._is_followed(index):
            held = np.frombuffer(data, np.uint8)
            code = self._retry(lark_masks.take_bytes, index, address_of(held), len(data))
            if code != L.UNKNOWN_FREE:
                return code if code >= 0 and self._retry(lark_masks.is_live, code) else -1
        return self._after_followed(index, data)

    def ends_below(self, index: int, wanted: npt.NDArray[np.uint8], most: int) -> list[int]:
        """As CompiledGrammar's, in one compiled call: some 30 ns a node. Where Python must follow, it goes on
        from there."""
        if self._is_followed(index):
            return super().ends_below(index, wanted, most)
        room = np.empty(len(wanted), np.int32)  # where Python must follow is noted on the way, too
        count = self._retry(lark_masks.ends_below, index, address_of(wanted), address_of(room))
        noted = room[:count].tolist()
        found: list[int] = [node for node in noted if node >= 0]
        followed = [-1 - node for node in noted if node < 0]
        if followed:
            left, skips = np.zeros_like(wanted), self.vocabulary.nodes >> np.uint64(40)
            for node in followed:
                left[np.flatnonzero(skips[:node] > node)] = 1
                left[node : int(skips[node])] = wanted[node : int(skips[node])]
            found = sorted(found + super().ends_below(index, left, most))
        return found

    def may_end(self, index: int) -> bool:
        """Return whether the text may end in a state, by its number."""
        if index == self._finished:
            return False
        if not self._is_followed(index):
            return bool(self._retry(lark_masks.ends, index))
        with self.lock:
            return self._reader.accepts(self._reading(index))

    def _next_bytes(self, index: int) -> bytes:
        return bytes(byte for byte in range(256) if self.bytes_index(index, bytes((byte,))) >= 0)

    def _expected(self, index: int) -> list[Expected]:
        if index == self._finished:
            return []
        with self._source.effort:
            found = self._language.expected(self._reading(index))
        return [*found, Expected("the end of the text")] if self.may_end(index) else found

    # --- masks ----------------------------------------------------------------------------------------------

    def _compute(self, index: int, target: int) -> int:
        if filling.fill(self.address, index, target) == 0:
            return 0
        if self._kept is not None and self._kept.recall(index):
            return int(filling.fill(self.address, index, target))
        if index == self._finished:
            return L.ENDED
        self._dense = -1
        with self._source.effort:
            if self._is_followed(index):
                found = self._walk_followed(index)
            else:
                found = self._walk(index)
                dense = self._book.dense()
                if dense is None:  # a record's tokens are lost
                    dense, found = -1, self._walk_followed(index)
                self._dense = dense
        if self.may_end(index):
            found += self._end_ids.tolist()
        self._extra = extra = np.array(found, np.int32)
        if not isinstance(self._dense, int):
            return L.LARGE
        arguments = address_of(extra), len(extra), self._dense, target
        while True:
            code = int(lark_masks.memoise(self.address, index, *arguments))
            if code != L.ASKED:
                return code
            self._tables.room(L.T_LIST, self.vocab_size + 2)

    def _large_row(self) -> npt.NDArray[np.int32]:
        row = super()._large_row()
        add_tokens(row, self._extra)
        if not isinstance(self._dense, int):
            row |= self._dense
        elif self._dense >= 0:
            row |= self._masks.rows[self._dense]
        return row

    def _walk(self, index: int) -> list[int]:
        """Have the tokens of a state collected; return those that the reader has found beside."""
        while int(lark_records.collect(self.address, index)) == L.ASKED:
            self._answer()
        return self._deferred(self._reading(index)) if self._tables.context[L.C_DEFERRED_COUNT] else []

    def _deferred(self, reading: Reading) -> list[int]:
        """Return those of the tokens left to the reader that may come, but for those that are in the buffer
        now."""
        count = int(self._tables.context[L.C_DEFERRED_COUNT])
        tokens = self._workspace.arrays[3][:count]
        return self._read_singly(reading, tokens) if count < _FEW else self._read_below(reading, tokens)

    def _read_singly(self, reading: Reading, tokens: npt.NDArray[np.int32]) -> list[int]:
        """Return those of some tokens that may come, as the reader finds it: in the order of their texts, so
        that what some have in common is read once."""
        texts = [(self.tokenizer.token_bytes[token] or b"", token) for token in tokens.tolist()]
        found, last = list[int](), b""
        readings: list[Reading | None] = [reading]
        """After each byte of the last text, up to the first that is an error."""
        for text, token in sorted(texts):
            shared = 0
            while shared < min(len(last), len(text)) and last[shared] == text[shared]:
                shared += 1
            del readings[shared + 1 :]
            last, after = text, readings[-1]
            for byte in text[len(readings) - 1 :]:
                if after is None:
                    break
                after = self._reader.step(after, byte)
                readings.append(after)
            if text and after is not None and self._language.is_live(after):
                found.append(token)
        return found

    def _read_below(self, reading: Reading, tokens: npt.NDArray[np.int32]) -> list[int]:
        """As `_read_singly`, byte by byte down the trie; what compiled code can take over is in the buffer
        then."""
        vocabulary, reader = self.vocabulary, self._reader
        nodes, starts, ids = vocabulary.nodes, vocabulary.slot_start, vocabulary.slot_ids
        wanted = np.zeros(self.vocab_size, np.bool_)
        wanted[tokens] = True
        slots = np.cumsum(((nodes >> 20) & 0xFFFFF) != 0)
        before = starts[np.concatenate(([0], slots))]
        """For each node, how many ids those before it have."""
        wanted_before = np.concatenate(([0], np.cumsum(wanted[ids])))[before]
        readings: dict[int, Reading] = {0: reading}
        found: list[int] = []
        node = 0
        while node < len(nodes):
            word = int(nodes[node])
            depth, skip = (word >> 8) & 0xFFF, word >> 40
            after = None
            if wanted_before[skip] != wanted_before[node]:
                after = reader.step(readings[depth - 1], word & 0xFF)
            if after is None:
                node = skip
                continue
            own = ids[before[node] : before[node + 1]]
            own = own[wanted[own]]
            if len(own) and self._language.is_live(after):
                found += own.tolist()
            readings[depth] = after
            node += 1
            left = wanted_before[skip] - wanted_before[node]
            if left and left == before[skip] - before[node]:
                number = self._number(after)
                if not self._is_followed(number):
                    found += self._below(number, node - 1, reading)
                    node = skip
        return found

    def _below(self, number: int, node: int, reading: Reading) -> list[int]:
        """Have the tokens below a trie node collected, to which a reading has led to a state; return those
        that the reader has found beside."""
        context = self._tables.context
        before = int(context[L.C_BUFFER_COUNT])
        context[L.C_DEFERRED_COUNT] = 0
        while int(lark_masks.collect_below(self.address, number, node)) == L.ASKED:
            context[L.C_BUFFER_COUNT], context[L.C_DEFERRED_COUNT] = before, 0
            self._answer()
        return self._read_singly(reading, self._workspace.arrays[3][: int(context[L.C_DEFERRED_COUNT])])

    def _walk_followed(self, index: int) -> list[int]:
        """Return the tokens of a state that only the reader can hold: it goes down the trie until compiled
        code can take over."""
        self._tables.context[L.C_BUFFER_COUNT] = 0
        vocabulary, reader = self.vocabulary, self._reader
        nodes, starts, ids = vocabulary.nodes, vocabulary.slot_start, vocabulary.slot_ids
        readings: dict[int, Reading] = {0: self._reading(index)}
        found: list[int] = []
        node = 0
        while node < len(nodes):
            word = int(nodes[node])
            depth, skip = (word >> 8) & 0xFFF, word >> 40
            after = reader.step(readings[depth - 1], word & 0xFF)
            if after is None:
                node = skip
                continue
            slot = (word >> 20) & 0xFFFFF
            if slot and self._language.is_live(after):
                found += ids[starts[slot - 1] : starts[slot]].tolist()
            readings[depth] = after
            if skip == node + 1:
                node = skip
                continue
            number = self._number(after)
            if self._is_followed(number):
                node += 1
                continue
            found += self._below(number, node, readings[0])
            node = skip
        return found

    # --- completion -----------------------------------------------------------------------------------------

    def _shortest(self, index: int) -> Sequence[int]:
        return self._language.shortest(self._reading(index))

    def _after_text(self, index: int, data: int, size: int) -> int:
        if not self._is_followed(index):
            code = self._retry(lark_masks.take_bytes, index, data, size)
            if code != L.UNKNOWN_FREE:
                assert code >= 0, "a rest that its language refuses"
                return code
        return self._after_followed(index, _copied(data, size))

    def _after_tokens(self, index: int, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.array([self._after_token(index, int(token)) for token in tokens], np.int64)

    # --- size -----------------------------------------------------------------------------------------------

    @property
    def used(self) -> float:
        """How much of what its limits allow it holds, from all documents; above 1 it is time for `fresh`."""
        limits = self.limits
        rows = max(self._tables.count(table) for table in (L.T_NODE, L.T_TEXT, L.T_SET, L.T_EDGE))
        return max(
            self.nbytes / limits.grammar_memory,
            2 * rows / limits.parser_states,
            2 * self._book.states / limits.automaton_states,
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the grammar's own tables, and of what its reader has met, about."""
        tables = self._tables.nbytes() + self._alike.nbytes + self._book.nbytes
        return int(tables + 2000 * self._book.states + self._source.nbytes)

    @property
    def sizes(self) -> dict[str, int]:
        """How far the grammar is expanded: states, stacks, and bytes."""
        count = self._tables.count
        return {
            "machine_states": count(L.T_NODE),
            "stacks": count(L.T_TEXT),
            "places": count(L.T_SET),
            "lexer_states": self._book.states,
            "table_bytes": self.nbytes,
        }


def _copied(data: int, size: int) -> bytes:
    import ctypes

    return ctypes.string_at(data, size)
