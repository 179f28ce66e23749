"""Completions that are written and read back: a text that was read to its end is a proof of liveness.

The parser gives the terminals of the shortest completion. Each is written as its shortest lexeme, with an
ignored lexeme (a separator) between two that would otherwise merge, and the result is read.

A proof at a boundary between two lexemes is memoised as a *link*, by the first byte of its text. Any
configuration that this byte leads to the same boundary can continue with the same text, if look-behinds see
the same. So a completion is written only up to the next boundary with links, which is usually a lexeme or
two.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from structgen.lark_grammars.lexer.lexemes import DECIDED
from structgen.lark_grammars.liveness.answers import (
    DEAD,
    TEXT_END,
    Answer,
    Boundary,
    Proof,
    accepted,
)
from structgen.lark_grammars.liveness.completion_terminals import CompletionTerminals
from structgen.lark_grammars.liveness.parser_answers import ParserAnswers
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE

_MOST_REMEMBERED: Final = 1 << 18
"""The most memoised lexemes; beyond that all are dropped."""
_MOST_ENDINGS: Final = 6
"""How many ends of the current lexeme are tried, the cheapest first."""
_MOST_DETOURS: Final = 1
"""At how many boundaries of one completion another lexeme than the cheapest may come."""
_MOST_WANDERED: Final = 64
"""How many lexemes are written, if no shortest completion can be read, before texts are searched."""
_MOST_STRAYED: Final = 16
"""How many lexemes of one completion may bring its end no nearer: those of an inserted line, and those that a
table with a lost action reads differently from the rules."""
_UNKNOWN_COST: Final = 1 << 50
"""The cost of an ending whose bytes are not known."""

_Written: TypeAlias = tuple[bytes, ReaderConfiguration, ParserPlace]
"""A text, the configuration after it, and the place after its last lexeme."""
_Step: TypeAlias = tuple[ParserPlace, ReaderConfiguration, bytes]
"""A place, its configuration, and the text written there."""


class _Link(NamedTuple):
    """A lexeme (with an ignored one before it), and the proof at the boundary after it."""

    text: bytes
    after: Boundary
    first: int
    """The first byte from there, or TEXT_END."""


class WrittenCompletions:
    """Completions of the configurations of one reader, memoised."""

    def __init__(
        self,
        reader: ContextualReader,
        parser_answers: ParserAnswers,
        separators: Sequence[bytes] | None = None,
    ) -> None:
        """`separators`: those of the same lexer, if they are known. Cost: without them, all states of an
        ignored lexeme."""
        self._reader, self._parser_answers = reader, parser_answers
        self._terminals = CompletionTerminals(reader)
        self._links: dict[Boundary, dict[int, _Link | None]] = {}
        """For each boundary, by first byte: a continuation; None if the text ends."""
        self._next_of: dict[tuple[ReaderConfiguration, ParserPlace], _Written | None] = {}
        """After a lexeme, the next one of the shortest completion."""
        self.separators = _separators(reader) if separators is None else separators
        """Short ignored texts; first the empty one."""

    def answer(self, configuration: ReaderConfiguration) -> Answer:
        """Return a proof, DEAD if the lexeme has no end that the parser takes, else None."""
        reader, endings = self._reader, self.endings(configuration)
        for known in (True, False):  # first the endings after which links are known
            for _cost, terminal, text in endings[:_MOST_ENDINGS]:
                after = reader.run(configuration, text)
                proof = None if after is None else self._after_lexeme(configuration, after, terminal, known)
                if proof is not None:
                    return proof._replace(text=text + proof.text)
        if not endings and not any(configuration.bases):
            return DEAD
        for base in configuration.bases:
            # a continuation from a slot is one from here, if the better threads end with it
            for text in [] if base is None else self.texts(base):
                after = reader.run(configuration, text)
                if after is not None and reader.accepts(after):
                    return accepted(configuration, text)
        return None

    def texts(self, configuration: ReaderConfiguration) -> list[bytes]:
        """Return texts that complete a configuration, one for each of the cheapest ends of its lexeme."""
        found = []
        for _cost, terminal, text in self.endings(configuration)[:_MOST_ENDINGS]:
            after = self._reader.run(configuration, text)
            proof = None if after is None else self._after_lexeme(configuration, after, terminal, False)
            if proof is not None:
                found.append(self.whole_text(proof._replace(text=text + proof.text)))
        return found

    def independent_texts(self, configuration: ReaderConfiguration) -> list[bytes]:
        """Return texts as `texts` does, but independent of earlier proofs. Between two lexemes the shortest
        completion of the place comes first."""
        if len(self._next_of) > _MOST_REMEMBERED:
            self._next_of.clear()
        whole = None
        if not configuration.begun:
            whole = self._shortest_completion(configuration, configuration.place)
        found = [whole] if whole else []
        for _cost, terminal, text in self.endings(configuration)[:_MOST_ENDINGS]:
            after = self._reader.run(configuration, text)
            place = None if after is None else self._place_after(configuration, after, terminal)
            rest = None if after is None or place is None else self._shortest_completion(after, place)
            if rest is not None:
                found.append(text + rest)
        return found

    def whole_text(self, proof: Proof) -> bytes:
        """Return the text of a proof with all links after it."""
        parts, boundary, first = [proof.text], proof.boundary, proof.first
        while first != TEXT_END:
            link = self._links[boundary][first]
            if link is None:
                break
            parts.append(link.text)
            boundary, first = link.after, link.first
        return b"".join(parts)

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
            leaves_place = terminal in tables.ignored or terminal == newline
            if leaves_place and self._parser_answers.is_stuck(configuration.place):
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

    def _after_lexeme(
        self, before: ReaderConfiguration, after: ReaderConfiguration, terminal: int, known: bool
    ) -> Proof | None:
        """Return a proof after a lexeme that has just ended; its text is empty if links are known there.
        `known`: by links only, without writing."""
        place = self._place_after(before, after, terminal)
        if place is None:
            return None
        first = self._linked(after, place)
        if first is None and not known:
            written = self._write_completion(after, place)
            if written is None and not self._wander(after, place):
                return None
            first = self._linked(after, place)
            if first is None:
                # the lexeme is decided some lexemes later, but the completion was read from here
                return written
        return None if first is None else Proof(b"", (place, after.look_behind), first)

    # --- links ----------------------------------------------------------------------------------------------

    def _linked(self, configuration: ReaderConfiguration, place: ParserPlace) -> int | None:
        """Return a first byte that leads from a configuration into the links of a place, TEXT_END if the text
        may end, None if there is none."""
        links = self._links.get((place, configuration.look_behind))
        if links is None:
            return None
        for first, link in links.items():
            if link is None:
                if self._reader.accepts(configuration):
                    return TEXT_END
            elif self._decides(configuration, place, first):
                return first
        return None

    def _decides(self, configuration: ReaderConfiguration, place: ParserPlace, byte: int) -> bool:
        """Return whether a byte decides the lexeme that ends at a place, and those before it."""
        if not configuration.begun:
            return configuration.place == place
        lexer = self._reader.lexer
        move = lexer.move(configuration.lexeme, byte)
        if move.after != DECIDED or move.sources[0] < 0:
            return False
        terminal = lexer.states[configuration.lexeme].slots[move.sources[0]].terminal
        if terminal < 0:
            base = configuration.bases[move.sources[0]]
            return base is not None and self._decides(base, place, byte)
        return self._reader.parser.read(configuration.place, terminal, configuration.column) == place

    def _link(
        self, steps: Sequence[_Step], configuration: ReaderConfiguration, place: ParserPlace, first: int
    ) -> None:
        """Add a link for each written lexeme. The place after the last lexeme has links already."""
        reader = self._reader
        for before, start, text in reversed(steps):
            link = _Link(text, (place, configuration.look_behind), first)
            links = self._links.setdefault((before, start.look_behind), {})
            links.setdefault(text[0], link)
            fresh = reader.between_lexemes(before, start.look_behind)
            for separator in self.separators[1:]:
                # with a separator before it if both are read the same: it keeps lexemes apart
                apart = separator + text
                if separator[0] not in links and reader.run(fresh, apart) == configuration:
                    links[separator[0]] = link._replace(text=apart)
            configuration, place, first = start, before, text[0]

    # --- writing --------------------------------------------------------------------------------------------

    def _shortest_completion(self, configuration: ReaderConfiguration, place: ParserPlace) -> bytes | None:
        """Return the text of the shortest completion from a place, if `configuration` has just reached its
        lexeme's end; None if it cannot be read. The completion is found again after each lexeme, and
        memoised: texts that reach the same place share the rest."""
        parts: list[bytes] = []
        parser = self._reader.parser
        left, strayed = parser.completion_cost(place.stack), 0
        while strayed <= _MOST_STRAYED:
            here = configuration, place
            if here not in self._next_of:
                terminals = self._terminals.first_of(place.stack)
                _number, wanted = self._terminals.next_wanted(terminals, 0, place)
                written = None if wanted is None else self._write_lexeme(configuration, place, *wanted)
                self._next_of[here] = written
            step = self._next_of[here]
            if step is None:
                return b"".join(parts) if self._reader.accepts(configuration) else None
            text, configuration, place = step
            parts.append(text)
            before, left = left, parser.completion_cost(place.stack)
            strayed += left >= before
        return None

    def _write_completion(
        self, configuration: ReaderConfiguration, place: ParserPlace, detours: int = _MOST_DETOURS
    ) -> Proof | None:
        """Write the shortest completion from a place, where `configuration` is at its lexeme's end, up to the
        next links, and add its links. None if it could not be read."""
        steps: list[_Step] = []
        terminals = self._terminals.all_of(place.stack)
        number = 0
        while True:
            if steps and self._linked(configuration, place) is not None:
                break
            number, wanted = self._terminals.next_wanted(terminals, number, place)
            if wanted is None:
                if not self._reader.accepts(configuration):
                    return None
                self._links.setdefault((place, configuration.look_behind), {})[TEXT_END] = None
                break
            written = self._write_lexeme(configuration, place, *wanted)
            if written is None:
                if not detours or not steps or not self._detour(configuration, place, detours - 1):
                    return None
                break
            text, after, behind = written
            steps.append((place, configuration, text))
            configuration, place = after, behind
        first = self._linked(configuration, place)
        if first is None:
            return None
        self._link(steps, configuration, place, first)
        text = b"".join(text for _place, _start, text in steps)
        return Proof(text, (place, configuration.look_behind), first)

    def _detour(self, configuration: ReaderConfiguration, place: ParserPlace, detours: int) -> bool:
        """Write a lexeme that is not in the shortest completion, and a completion after it; return whether
        one could be read. (A line cannot end after a line continuation.)"""
        for terminal, column in self._terminals.nearest(place):
            written = self._write_lexeme(configuration, place, terminal, column)
            if written is None:
                continue
            text, after, behind = written
            if self._linked(after, behind) is None and self._write_completion(after, behind, detours) is None:
                continue
            first = self._linked(after, behind)
            if first is not None:
                links = self._links.setdefault((place, configuration.look_behind), {})
                links.setdefault(text[0], _Link(text, (behind, after.look_behind), first))
                return True
        return False

    def _wander(self, configuration: ReaderConfiguration, place: ParserPlace) -> bool:
        """Write lexemes that are not in shortest completions, the nearest to an end first, and a completion
        after each; return whether one could be read."""
        parser, order = self._reader.parser, 0
        queue: list[tuple[int, int, ReaderConfiguration, ParserPlace, tuple[_Step, ...]]] = []
        heapq.heappush(queue, (0, 0, configuration, place, ()))
        met = {(configuration.lexeme, place)}
        while queue:
            _distance, _order, configuration, place, steps = heapq.heappop(queue)
            for terminal, column in self._terminals.nearest(place):
                order += 1
                if order > _MOST_WANDERED:
                    return False
                written = self._write_lexeme(configuration, place, terminal, column)
                if written is None or (written[1].lexeme, written[2]) in met:
                    continue
                text, after, behind = written
                met.add((after.lexeme, behind))
                if self._linked(after, behind) is None:
                    self._write_completion(after, behind, 0)
                first = self._linked(after, behind)
                further = (*steps, (place, configuration, text))
                if first is not None:
                    self._link(further, after, behind, first)
                    return True
                heapq.heappush(queue, (parser.distance(behind.stack), order, after, behind, further))
        return False

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
