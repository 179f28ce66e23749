"""Completions that are written and read back: a text that was read to its end is a proof of liveness.

The parser gives the terminals of the shortest completion. Each is written as its shortest lexeme, with an
ignored lexeme (a separator) between two that would otherwise merge, and the result is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import REFUSED, ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE, Indentation

_MOST_REMEMBERED: Final = 1 << 18
"""The most memoised lexemes; beyond that all are dropped."""
_MOST_ENDINGS: Final = 6
"""How many ends of the current lexeme are tried, the cheapest first."""
_MOST_STRAYED: Final = 16
"""How many lexemes of one completion may bring its end no nearer: those of an inserted line, and those that a
table with a lost action reads differently from the rules."""
_UNKNOWN_COST: Final = 1 << 50
"""The cost of an ending whose bytes are not known."""
_LINE_LENGTH: Final = 4
"""The most terminals of a line that is inserted before a DEDENT."""
_MOST_LINES: Final = 20_000
"""The most beginnings of such lines that are tried."""

_Written: TypeAlias = tuple[bytes, ReaderConfiguration, ParserPlace]
"""A text, the configuration after it, and the place after its last lexeme."""
_Wanted: TypeAlias = tuple[int, int]
"""A terminal, and the column at which its lexeme must end; -1: any."""


class WrittenCompletions:
    """Completions of the configurations of one reader, memoised."""

    def __init__(self, reader: ContextualReader, separators: Sequence[bytes] | None = None) -> None:
        """`separators`: those of the same lexer, if they are known. Cost: without them, all states of an
        ignored lexeme."""
        self._reader = reader
        self._next_of: dict[tuple[ReaderConfiguration, ParserPlace], _Written | None] = {}
        """After a lexeme, the next one of the shortest completion."""
        self._complete: set[tuple[ReaderConfiguration, ParserPlace]] = set()
        """Those from which the shortest completion was read to its end."""
        self._lines: dict[int, list[int]] = {}
        """By stack, completions that begin with one more line; empty if no short line helps."""
        self.separators = _separators(reader) if separators is None else separators
        """Short ignored texts; first the empty one."""

    def is_completed(self, configuration: ReaderConfiguration) -> bool:
        """Return whether a completion could be written; False: nothing is known."""
        return next(self._ways(configuration, whole=False), None) is not None

    def texts(self, configuration: ReaderConfiguration) -> list[bytes]:
        """Return texts that complete a configuration, one for each of the cheapest ends of its lexeme. They
        do not depend on earlier calls. Between two lexemes the shortest completion of the place comes
        first."""
        return list(self._ways(configuration, whole=True))

    def _ways(self, configuration: ReaderConfiguration, whole: bool) -> Iterator[bytes]:
        """Yield texts that complete a configuration; without `whole`, some beginning of each."""
        reader = self._reader
        if len(self._next_of) > _MOST_REMEMBERED:
            self._next_of.clear()
            self._complete.clear()
        if not configuration.begun:
            text = self._shortest_completion(configuration, configuration.place, whole)
            if text is not None and (text or not whole):
                yield text
        for _cost, terminal, text in self.endings(configuration)[:_MOST_ENDINGS]:
            after = reader.run(configuration, text)
            place = None if after is None else self._place_after(configuration, after, terminal)
            if after is not None and place is not None:
                rest = self._shortest_completion(after, place, whole)
                if rest is not None:
                    yield text + rest
        for base in configuration.bases:
            # a continuation from a slot is one from here, if the better threads end with it
            for text in [] if base is None else self._ways(base, True):
                after = reader.run(configuration, text)
                if after is not None and reader.accepts(after):
                    yield text

    # --- ends of the current lexeme -------------------------------------------------------------------------

    def endings(self, configuration: ReaderConfiguration) -> list[tuple[int, int, bytes]]:
        """Return the ends of the lexeme that the parser takes, the cheapest first: an estimate of the bytes
        of a completion, the terminal, and the bytes up to the lexeme's end."""
        lexer, parser, tables = self._reader.lexer, self._reader.parser, self._reader.tables
        found: list[tuple[int, int, bytes]] = []
        newline = -1 if tables.indentation is None else tables.indentation.newline
        for terminal in sorted(lexer.possible_terminals(configuration.lexeme)):
            if terminal != newline and parser.read(configuration.place, terminal, 0) is None:
                continue
            texts = lexer.short_texts(configuration.lexeme, terminal)
            if not texts:
                if not lexer.is_unreachable(configuration.lexeme, terminal):
                    # others win in all tried texts; the search will decide
                    found.append((_UNKNOWN_COST, terminal, b""))
                continue
            for text, column in (
                one for short in texts for one in self._columns(configuration, terminal, short)
            ):
                place = parser.read(configuration.place, terminal, column)
                distance = UNREACHABLE if place is None else parser.distance(place.stack)
                if distance < UNREACHABLE:
                    found.append((len(text) + (terminal in tables.ignored) + distance, terminal, text))
        return sorted(found)

    def _columns(
        self, configuration: ReaderConfiguration, terminal: int, text: bytes
    ) -> Iterator[tuple[bytes, int]]:
        """Yield texts that end a lexeme, and its column: for the indenter's newline, with blanks up to each
        width that may follow."""
        indentation = self._reader.tables.indentation
        if indentation is None or terminal != indentation.newline:
            yield text, -1
            return
        if configuration.place.brackets:
            yield text, -1
            yield text + b"\n", -1  # a comment ends with its line
            return
        widths = configuration.place.widths
        for lead in (text, text + b"\n"):
            after = self._reader.run(configuration, lead)
            if after is not None and after.place == configuration.place and after.column >= 0:
                for width in (*reversed(widths), max(widths[-1] + 1, after.column)):
                    if width >= after.column:
                        yield lead + b" " * (width - after.column), width

    def _place_after(
        self, before: ReaderConfiguration, after: ReaderConfiguration, terminal: int
    ) -> ParserPlace | None:
        """Return the place after a lexeme of a terminal that ends a configuration; or, if the end of an
        earlier lexeme is still open, that ends the reading from a slot."""
        parser = self._reader.parser
        if not after.begun:
            # decided with its last byte
            ignored = terminal in self._reader.tables.ignored
            return after.place if not ignored or after.place == before.place else None
        if any(slot.terminal == terminal for slot in self._reader.lexer.states[after.lexeme].slots):
            return parser.read(after.place, terminal, after.column)
        places = (None if base is None else self._place_after(before, base, terminal) for base in after.bases)
        return next((place for place in places if place is not None), None)

    # --- writing --------------------------------------------------------------------------------------------

    def _shortest_completion(
        self, configuration: ReaderConfiguration, place: ParserPlace, whole: bool
    ) -> bytes | None:
        """Return the text of the shortest completion from a place, if `configuration` has just reached its
        lexeme's end; None if it cannot be read. The completion is found again after each lexeme, and
        memoised: texts that reach the same place share the rest. Without `whole`, only up to where that is
        known."""
        parts: list[bytes] = []
        met: list[tuple[ReaderConfiguration, ParserPlace]] = []
        parser = self._reader.parser
        left, strayed = parser.completion_cost(place.stack), 0
        while strayed <= _MOST_STRAYED:
            here = configuration, place
            if here in self._complete and not whole:
                break
            met.append(here)
            if here not in self._next_of:
                terminals = self._first_terminals(place.stack)
                _number, wanted = self._next_wanted(terminals, 0, place)
                written = None if wanted is None else self._write_lexeme(configuration, place, *wanted)
                self._next_of[here] = written
            step = self._next_of[here]
            if step is None:
                if not self._reader.accepts(configuration):
                    return None
                break
            text, configuration, place = step
            parts.append(text)
            before, left = left, parser.completion_cost(place.stack)
            strayed += left >= before
        else:
            return None
        self._complete.update(met)
        return b"".join(parts)

    def _write_lexeme(
        self, configuration: ReaderConfiguration, place: ParserPlace, terminal: int, column: int
    ) -> _Written | None:
        """Return a text that continues from a lexeme's end with a terminal, and the configuration and place
        after it."""
        reader = self._reader
        fresh = reader.between_lexemes(place, configuration.look_behind)
        lexeme = reader.lexer.shortest_text(fresh.lexeme, terminal)
        if lexeme is None:
            return None
        for separator in (*self.separators, b"\n") if place.brackets else self.separators:
            text = separator + lexeme
            after = reader.run(configuration, text)
            if after is None:
                continue
            if column > 0:
                after = reader.run(after, b" " * (column - max(after.column, 0)))
                if after is None:
                    continue
                text += b" " * (column - len(lexeme.rpartition(b"\n")[2]))
            behind = reader.parser.read(place, terminal, column)
            if behind is not None and self._place_after(fresh, after, terminal) == behind:
                return text, after, behind
        return None

    # --- the terminals of the shortest completion -----------------------------------------------------------

    def _first_terminals(self, stack: int) -> list[int]:
        """Return the first terminals of the shortest completion of a stack: one, and the indenter's terminals
        after it. If it begins with a DEDENT (which only a newline makes) and more must follow, a line is
        inserted first."""
        indentation = self._reader.tables.indentation
        found: list[int] = []
        for terminal in self._reader.parser.shortest_completion(stack):
            found.append(terminal)
            if indentation is None:
                return found
            if len(found) > 1 and terminal not in (indentation.indent, indentation.dedent):
                break
        return self._with_line(stack, found)

    def _next_wanted(
        self, terminals: list[int], number: int, place: ParserPlace
    ) -> tuple[int, _Wanted | None]:
        """Return the next terminal with a lexeme, from a number on, and the number after it; None at the end.
        INDENT and DEDENT become the column of the newline before them."""
        indentation = self._reader.tables.indentation
        if number == len(terminals):
            return number, None
        terminal, number = terminals[number], number + 1
        if indentation is None:
            return number, (terminal, -1)
        widths = place.widths
        if terminal == indentation.dedent and all(one == indentation.dedent for one in terminals[number:]):
            return len(terminals), None
        if terminal != indentation.newline:
            return number, (terminal, -1)
        column, depth = widths[-1], len(widths)
        if number < len(terminals) and terminals[number] == indentation.indent:
            return number + 1, (terminal, column + 1)
        while number < len(terminals) and terminals[number] == indentation.dedent and depth > 1:
            number, depth = number + 1, depth - 1
        return number, (terminal, widths[depth - 1])

    def _with_line(self, stack: int, terminals: list[int]) -> list[int]:
        """Return the terminals of a completion, or its beginning, after the inserted line."""
        indentation = self._reader.tables.indentation
        if indentation is None or not terminals or terminals[0] != indentation.dedent:
            return terminals
        if all(one == indentation.dedent for one in terminals):
            return terminals
        if stack not in self._lines:
            self._lines[stack] = self._line_before(stack, indentation)
        return self._lines[stack] or terminals

    def _line_before(self, stack: int, indentation: Indentation) -> list[int]:
        """Return the terminals of a line after which a block ends, and of the completion from there."""
        tables, parser = self._reader.tables, self._reader.parser
        pending: list[tuple[int, tuple[int, ...]]] = [(stack, ())]
        for here, line in pending:
            if len(line) >= _LINE_LENGTH or len(pending) > _MOST_LINES:
                break
            ended = parser.feed(here, indentation.newline) if line else REFUSED
            if ended != REFUSED and parser.feed(ended, indentation.dedent) != REFUSED:
                return [*line, indentation.newline, *parser.shortest_completion(ended)]
            context = tables.contexts[int(tables.context_of[parser.top[here]])]
            for terminal in context.terminals:
                after = parser.feed(here, terminal)
                if terminal not in tables.ignored and after != REFUSED:
                    pending.append((after, (*line, terminal)))
        return []


def _separators(reader: ContextualReader) -> list[bytes]:
    """Return short texts that are ignored between two lexemes: the empty one, then a blank, then others."""
    lexer, ignored = reader.lexer, reader.tables.ignored
    # as after some character: look-behinds may refuse them at the beginning of the text
    context = int(reader.tables.context_of[reader.tables.start])
    start = lexer.start(context, lexer.step_look_behind(lexer.initial_look_behind(), ord("a")))
    texts = {lexer.pattern_text(start, terminal) or b"" for terminal in sorted(ignored)}
    for blank in (b" ", b"\n", b"\t"):
        move = lexer.move(start, blank[0])
        if any(-1 - source in ignored for source in move.sources):
            texts.add(blank)
    if all(len(text) != 1 for text in texts):
        # otherwise search the whole automaton
        texts |= {lexer.shortest_text(start, terminal) or b"" for terminal in sorted(ignored)}
    return [b"", *sorted(texts - {b""}, key=lambda text: (len(text), text != b" ", text))]
