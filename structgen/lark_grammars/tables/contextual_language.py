"""Lark grammars as languages: the texts that lark accepts with LALR(1) and its contextual lexer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from structgen.errors import GrammarError, LimitError, StructgenError
from structgen.language.expectation import Expected
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.lexer.contextual_lexer import LexemeEndings
from structgen.lark_grammars.lexer.kept_lexemes import decode_lexemes, encode_lexemes
from structgen.lark_grammars.lexer.lexeme_ends import HAS_IGNORED, HAS_OLD, MAY_BE_IGNORED, MAY_BREAK
from structgen.lark_grammars.lexer.lexemes import DEAD, DECIDED, Move
from structgen.lark_grammars.lexer.work_budget import WorkBudget
from structgen.lark_grammars.liveness.letters import NOTHING
from structgen.lark_grammars.liveness.oracle import LivenessOracle
from structgen.lark_grammars.liveness.shortest_letters import ShortestLetters
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import ParserTables, rule_as_written
from structgen.limits import Limits
from structgen.native.array_file import DamagedArrays
from structgen.text_grammars.machine.language import TOKEN, Config, Language

_MOST_LINES = 16
"""The most states of the indenter's newlines after their line breaks."""
_STACK_BYTES = 1000
"""Bytes that the reader needs for a stack of the parser."""


class ContextualLanguage(Language):
    """The texts that lark accepts, as a `Language`."""

    has_stack = True

    def __init__(
        self,
        tables: ParserTables,
        limits: Limits,
        lexemes: npt.NDArray[np.uint8] | None = None,
        budget: WorkBudget | None = None,
    ) -> None:
        """`lexemes`: an earlier result of `lexemes`, if it was stored. `budget`: counts the steps of a
        call."""
        self.budget = WorkBudget(limits) if budget is None else budget
        self.reader = ContextualReader(tables, self.budget)
        separators: list[bytes] | None = None
        self._boundaries: list[int] = []
        """The obligations of boundaries, from FIRST_OWED on."""
        if lexemes is not None:
            self._boundaries, *texts = decode_lexemes(lexemes, self.reader.lexer)
            separators = [one.encode("latin-1") for one in texts]
        self.classes = self._classes()
        with self.budget:
            self._oracle = LivenessOracle(self.reader, separators)
        self.separator = self._oracle.separator
        """An ignored byte that separates lexemes; empty if the grammar has none."""
        self._line_states: frozenset[int] | None = None

    def _classes(self) -> bytes:
        lexer = self.reader.lexer
        if self.reader.tables.indentation is None:
            return lexer.classes
        # columns count blanks, however the patterns treat them
        numbers: dict[tuple[int, int], int] = {}
        kinds = {10: 1, 9: 2, 32: 3}
        return bytes(
            numbers.setdefault((kind, kinds.get(byte, 0)), len(numbers))
            for byte, kind in enumerate(lexer.classes)
        )

    def lexemes(self) -> npt.NDArray[np.uint8]:
        """Return the data for another process: the states of the lexer (kept_lexemes), the obligations of
        boundaries, and the separators."""
        separators = (one.decode("latin-1") for one in self._oracle.separators)
        return encode_lexemes(self.reader.lexer, self._boundaries, *separators)

    def start(self) -> Config:
        """Return the configuration before the first byte. Raises GrammarError if lark accepts no text."""
        start = self.reader.start()
        if not self.reader.parser.is_productive:
            raise GrammarError(
                "The start rule derives no text: each of its expansions needs a rule that never ends, or a "
                "terminal that no text matches.",
                where="start",
                cure="Give each recursive rule an expansion without itself, and each terminal a text.",
            )
        with self.budget:
            live = self._oracle.is_live(start)
        if not live:
            raise GrammarError(
                "The grammar accepts no text: each one that its rules derive is an error to the lexer.",
                where="start",
                cure="Look for terminals that take the beginning of others, or are declared and never made.",
            )
        return start

    def step(self, config: Config, symbol: int) -> Config | None:
        """Return the configuration after a byte; None exactly if no accepted text continues so."""
        assert isinstance(config, ReaderConfiguration)
        if symbol >= TOKEN:
            return None
        with self.budget:
            after = self.reader.step(config, symbol)
            return after if after is not None and self._oracle.is_live(after) else None

    def is_live(self, reading: ReaderConfiguration) -> bool:
        """Return whether a configuration can be completed to an accepted text."""
        return self._oracle.is_live(reading)

    def is_open(self, place: ParserPlace) -> bool:
        """Return whether some text continues from a place where nothing is owed (where patterns look around:
        beginning with the separator)."""
        reader, saturated = self.reader, self._oracle.saturated
        if saturated.is_exact:
            return saturated.is_live(place.stack, NOTHING)
        after = reader.run(reader.between_lexemes(place, reader.lexer.initial_look_behind()), self.separator)
        return after is not None and self._oracle.is_live(after)

    @property
    def _parting(self) -> int:
        return self.separator[0] if self.separator else 0

    def meet_endings(self, lexemes: Sequence[int]) -> None:
        """Prepare `endings` of several lexemes together."""
        self.reader.lexer.prepare_endings(lexemes, self._parting)

    def endings(self, lexeme: int) -> tuple[list[int], list[int], int]:
        """Return the endings of a lexeme, all terminals that it may become, and the result at the text's end
        (a terminal, ENDS_NOT or ENDS_OLD).

        The endings are terminals with the boundary behind them (see `registers`): those that the separator
        decides, the ones that need the fewest bytes first; then others; and special ones.
        """
        lexer = self.reader.lexer
        ends = lexer.endings(lexeme, self._parting)
        separated, others = ends.separated, ends.unseparated
        if not self.separator:
            separated, others = [], [one for one in ends.terminals if one != self._shortest_letters.newline]
        elif others:
            separated = sorted(separated + self._further(lexeme, others))
        found = [terminal for _size, terminal in separated]
        for terminal in others if self._boundaries or not self.separator else ():
            owed = self._owed_after(lexeme, terminal)
            if owed is not None:
                boundary = K.BETWEEN if owed == NOTHING else K.FIRST_OWED + self._boundaries.index(owed)
                found.append(terminal + (boundary << K.OWED_AT))
        if ends.flags & MAY_BREAK and self._breaks(lexeme):
            found.append(K.ANY_LINE)
        if self.separator:
            found += self._special_endings(lexeme, ends)
        return found, ends.terminals, ends.at_end

    def _special_endings(self, lexeme: int, ends: LexemeEndings) -> list[int]:
        """Return the endings of a lexeme that may be ignored, or has an old slot."""
        lexer, found = self.reader.lexer, list[int]()
        if ends.flags & HAS_IGNORED:
            found.append(K.SEPARATED - lexeme)
        if ends.flags & MAY_BE_IGNORED and self._ends_ignored(lexeme, ends.terminals):
            found.append(K.IGNORED)
        if ends.flags & HAS_OLD:
            source = next(at for at, slot in enumerate(lexer.states[lexeme].slots) if slot.terminal < 0)
            if lexer.move(lexeme, self._parting) == Move(DECIDED, (source,)):
                found.append(K.OLD_PARTED)
        return found

    def _owed_after(self, lexeme: int, terminal: int) -> int | None:
        """Return an obligation that a lexeme leaves if it ends as a terminal, one that some boundary has.
        Two texts are tried: the shortest, and this one with the terminal's last byte once more. None if
        neither leaves such an obligation."""
        lexer, told = self.reader.lexer, self._boundaries[: K.MOST_BOUNDARIES - K.FIRST_OWED]
        state, text = lexeme, lexer.shortest_text(lexeme, terminal) or b""
        for at, byte in enumerate(text, 1):
            move = lexer.move(state, byte)
            state = move.after
            if state == DECIDED and at == len(text) and move.sources[0] == -1 - terminal:
                return None if self.separator else NOTHING
            if state < 0:
                return None
        last = next((text[-1] for text in lexer.sample_lexemes(terminal) if text), None)
        further = -1 if last is None else lexer.move(state, last).after
        for one in (state, further):
            owed = self._shortest_letters.owed_at(one, terminal) if one >= 0 else None
            if owed in told:
                return owed
        return None

    def _further(self, lexeme: int, terminals: Sequence[int]) -> list[tuple[int, int]]:
        """Of terminals that the separator may not decide, return those that it decides after more bytes, each
        after the number of these bytes."""
        lexer, found = self.reader.lexer, []
        for terminal in terminals:
            if lexer.shortest_text(lexeme, terminal) == b"":
                size = lexer.bytes_until_separated(lexeme, terminal, self._parting)
                if size:
                    found.append((size, terminal))
        return found

    def never_ends_at_slot(self, lexeme: int, other: int) -> bool:
        """Return whether a lexeme with an old slot never ends there, because the reading from the slot is
        then an error (`Lexer.never_ends_at_slot`)."""
        slots = [[slot.terminal for slot in self.reader.lexer.states[one].slots] for one in (lexeme, other)]
        return slots[0] == [-1] and -1 not in slots[1] and self.reader.lexer.never_ends_at_slot(lexeme, other)

    def _ends_ignored(self, lexeme: int, terminals: Sequence[int]) -> bool:
        """Return whether a lexeme may become an ignored one of some terminals, followed by something like the
        separator: a comment, followed by the line break that ends it."""
        lexer, ignored = self.reader.lexer, self.reader.tables.ignored
        for terminal in ignored.intersection(terminals):
            for word in lexer.short_texts(lexeme, terminal):
                state = lexeme
                for byte in word:
                    state = lexer.move(state, byte).after if state >= 0 else DEAD
                slots = lexer.states[state].slots if state >= 0 else ()
                if any(slot.terminal == terminal for slot in slots) and self._is_left(state, terminal):
                    return True
        return False

    def _is_left(self, state: int, terminal: int) -> bool:
        """Return whether a byte that has the separator's effect at every beginning of a lexeme decides that a
        lexeme has ended as a terminal."""
        lexer = self.reader.lexer
        slots, row = lexer.states[state].slots, lexer.row(state)
        kinds = [
            kind
            for kind, move in enumerate(row)
            if move.after == DECIDED and move.sources[0] >= 0 and slots[move.sources[0]].terminal == terminal
        ]
        return bool(kinds) and lexer.begins_like(self.separator[0], kinds)

    def _breaks(self, lexeme: int) -> bool:
        """Return whether a line break makes a lexeme that may become the indenter's newline one to which
        blanks may be added."""
        lexer, indentation = self.reader.lexer, self.reader.tables.indentation
        assert indentation is not None
        for byte in lexer.shortest_text(lexeme, indentation.newline) or b"":  # completes an open character
            if lexer.move(lexeme, 10).after in self._lines():
                return True
            lexeme = lexer.move(lexeme, byte).after
            if lexeme < 0:
                return False
        return lexer.move(lexeme, 10).after in self._lines()

    def _lines(self) -> frozenset[int]:
        """Return the states of the indenter's newlines after their line breaks; empty if such a state can
        continue with anything but more blanks and breaks."""
        if self._line_states is None:
            lexer, indentation = self.reader.lexer, self.reader.tables.indentation
            assert indentation is not None
            newline = indentation.newline
            # a comment may also begin one; its line break comes later
            contexts = lexer.distinct_contexts(10, newline)
            starts = sorted({lexer.partial_start(context, newline, 10) for context in contexts})
            begun = [
                state
                for state in lexer.after_first_bytes(starts, newline, 10)
                if newline in lexer.viable_terminals(state)
            ]
            pending = [lexer.move(state, 10).after for state in (*starts, *begun)]
            pending = [state for state in pending if state >= 0 and self._is_line(state)]
            found: set[int] = set()
            plain = True
            while pending and plain:
                state = pending.pop()
                if state == DEAD or state in found:
                    continue
                found.add(state)
                plain = state >= 0 and len(found) <= _MOST_LINES and self._is_line(state)
                if plain:
                    after = lexer.move(state, 32).after, lexer.move(state, 10).after
                    plain = min(after) >= 0
                    pending += after
            self._line_states = frozenset(found) if plain else frozenset()
        return self._line_states

    def _is_line(self, state: int) -> bool:
        """Return whether a lexeme is the indenter's newline if nothing follows, and nothing before it is
        open."""
        lexer, indentation = self.reader.lexer, self.reader.tables.indentation
        assert indentation is not None
        slots = [slot.terminal for slot in lexer.states[state].slots]
        return slots == [indentation.newline] and lexer.end(state).sources == (-1 - indentation.newline,)

    @cached_property
    def _shortest_letters(self) -> ShortestLetters:
        return ShortestLetters(self.reader.lexer, self.separator, self._lines)

    def certain(self) -> npt.NDArray[np.int64]:
        """Return int64[parser states, 2]: the boundaries, as bits, from which every stack with the state on
        top leads to the text's end; the second number where a bracket is open. 0 where the letters spend the
        work budget. Cost: 20 ms for 600 parser states, besides the letters of the lexer."""
        try:
            with self.budget:
                found = self._oracle.saturated.certain(self._boundaries, self._shortest_letters)
        except LimitError:
            found = np.zeros((len(self.reader.tables.kernels), 2), np.int64)
        return found

    def height(self, config: Config) -> int:
        """Return the height of the parser's stack: the largest over all readings of the text."""
        assert isinstance(config, ReaderConfiguration)
        below, highest = self.reader.parser.below, 0
        for one in config.branches():
            height, stack = 0, one.place.stack
            while stack:
                height, stack = height + 1, below[stack]
            highest = max(highest, height)
        return highest

    def accepts(self, config: Config) -> bool:
        """Return whether lark accepts the text so far."""
        assert isinstance(config, ReaderConfiguration)
        return self.reader.accepts(config)

    def shortest(self, config: Config) -> Sequence[int]:
        """Return a short completion: the cheapest derivation, each terminal as its shortest lexeme."""
        assert isinstance(config, ReaderConfiguration)
        with self.budget:
            return self._oracle.text(config)

    def expected(self, config: Config) -> list[Expected]:
        """Return the terminals that the current lexeme may become, or that may follow it, with the rules that
        use them, and as what the text before was read."""
        assert isinstance(config, ReaderConfiguration)
        reader = self.reader
        found: dict[int, tuple[set[str], set[int], set[str]]] = {}
        readings: list[tuple[int, ReaderConfiguration]] = [(-1, config)]
        for slot in range(len(reader.lexer.states[config.lexeme].slots)):
            base = reader.base(config, slot)
            if base is not None:
                readings.append((slot, base))
        for slot, reading in readings:
            before = "" if reading.begun else reader.parser.last_read(reading.place.stack, reader.tables)
            live = {terminal for terminal, _word in self._oracle.next_terminals(reading)}
            for terminal, first in self._first(config, slot, reading).items():
                if terminal in live:
                    rules, known, read = found.setdefault(terminal, (set(), set(), set()))
                    rules |= self._rules(reading, terminal)
                    known |= first
                    read |= {before} - {""}
        shown = []
        for terminal, (rules, first, read) in found.items():
            name = reader.tables.terminals[terminal].shown
            shown.append(
                Expected(name, tuple(sorted(rules)), bytes(sorted(first)), " or ".join(sorted(read)))
            )
        return sorted(shown, key=lambda one: (not one.sources, one.what))

    def _first(
        self, config: ReaderConfiguration, slot: int, reading: ReaderConfiguration
    ) -> dict[int, set[int]]:
        """Return, for each terminal that the current lexeme of `reading` may be then, the bytes with which it
        may continue. `slot`: -1 for the configuration itself, else the slot from which `reading`
        continues."""
        lexer, found = self.reader.lexer, dict[int, set[int]]()
        kinds: dict[int, set[int]] = {}
        for byte, kind in enumerate(self.classes):
            kinds.setdefault(kind, set()).add(byte)
        for bytes_of in kinds.values():
            byte = min(bytes_of)
            if self.step(config, byte) is None or self.step(reading, byte) is None:
                continue
            if slot >= 0 and slot not in lexer.move(config.lexeme, byte).sources:
                continue  # the lexeme does not end there before this byte
            move = lexer.move(reading.lexeme, byte)
            names = {-1 - source for source in move.sources if source < 0}
            if move.after >= 0:
                names |= lexer.viable_terminals(move.after)
            for terminal in names:
                found.setdefault(terminal, set()).update(bytes_of)
        return found

    def _rules(self, reading: ReaderConfiguration, terminal: int) -> set[str]:
        """Return the rules in which a terminal would be read; none for an ignored one."""
        parser, tables = self.reader.parser, self.reader.tables
        if terminal in tables.ignored:
            return set()
        after = parser.feed(reading.place.stack, terminal)
        if after < 0:
            return set()
        names = (
            tables.nonterminals[tables.rules[rule].origin] for rule, _dot in tables.kernels[parser.top[after]]
        )
        return {rule_as_written(name) for name in names}

    @property
    def sizes(self) -> dict[str, int]:
        """The numbers of lexeme states and parser stacks."""
        return {
            "lexer_states": len(self.reader.lexer.states),
            "stacks": len(self.reader.parser.top),
        }


class LanguageSource:
    """A grammar's language, made at the first use: with stored tables many grammars do not need it."""

    __slots__ = ("_kept", "_language", "_limits", "_refuse", "_tables", "budget")

    def __init__(
        self,
        tables: ParserTables,
        limits: Limits,
        kept: npt.NDArray[np.uint8] | None,
        refuse: Callable[[], object] = lambda: None,
    ) -> None:
        """`kept`: the states of its lexer, from `encode`; `refuse` deletes their file, with a
        StoreWarning."""
        self._tables, self._limits, self._kept, self._refuse = tables, limits, kept, refuse
        self._language: ContextualLanguage | None = None
        self.budget = WorkBudget(limits)

    def __call__(self) -> ContextualLanguage:
        """Return the language. Cost: the first time that of a lexer, up to 0.1 s. Raises StructgenError if
        the stored states are not those of this lexer."""
        if self._language is None:
            try:
                self._language = ContextualLanguage(self._tables, self._limits, self._kept, self.budget)
            except DamagedArrays as error:
                self._refuse()
                raise StructgenError(
                    "The states of the lexer that were kept of this grammar are not those of its lexer.",
                    cure="Compile it again: the file is gone.",
                ) from error
            self._kept = None
        return self._language

    @property
    def nbytes(self) -> int:
        """About how many bytes the parser's stacks and their proofs take."""
        return 0 if self._language is None else _STACK_BYTES * len(self._language.reader.parser.top)

    def encode(self) -> npt.NDArray[np.uint8]:
        """Return the states of the lexer, to be stored."""
        if self._kept is not None:
            return self._kept
        return self().lexemes()
