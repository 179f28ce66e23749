"""Is there a text from here, and which: what makes the contextual reader's masks exact.

Two ways lead to an answer. The quick one plans by the grammar (`Parser.plan`: the terminals of the cheapest
end of the rules under way), writes each terminal by its shortest lexeme, with an ignored lexeme between two
where they would run together, and reads what it writes: a text that was read is a proof. Where that fails,
because a terminal takes the beginning of another or the table has lost an action to a conflict, all texts are
searched, the nearest to an end first; a search that comes to its end proves that there is none.

What is proved of a place between two lexemes is remembered with the first byte of the text that proves it:
whatever configuration that byte leads to the same place may go on with the same text, if what look-behinds
may ask of the text before is the same, too. So a plan is written only as far as the next place known, nearly
always a lexeme or two.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from structgen.lark_grammars.lexer.lexemes import DECIDED
from structgen.lark_grammars.lexer.ordered_matching import LookBehindState
from structgen.lark_grammars.lexer.work_budget import TRIED
from structgen.lark_grammars.liveness.emptiness import is_proved_dead
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import REFUSED, ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE, Indentation

_KEPT = 1 << 18
"""Answers that are remembered; past it all are worked out anew."""
_END = -1
"""In the place of a first byte: the text ends."""
_ENDINGS = 6
"""Ways in which the present lexeme may end that are tried, the cheapest first."""
_LINE, _LINES = 4, 20_000
"""Terminals of a line that is put in where a block must end, and lines that are looked at."""
_DETOURS = 1
"""Places behind the first at which a plan may go on otherwise than by the cheapest end."""
_WANDERED = 64
"""Lexemes that are written where no plan can be read, before texts are tried byte by byte."""
_STRAYED = 16
"""Lexemes of a text written by plans alone that bring the end no nearer: those of a line that is put in, and
those that the parser's table, which a conflict took an action from, reads otherwise than planned."""
_WAITS = 4
"""Bytes that a search takes a look-ahead to need that must come true."""
_NOTED = 1 << 14
"""Configurations that are remembered as dead after a search."""
_PROOF = 2_000
"""Bytes that a search tries before a proof that it is in vain is sought; then after eight times as many."""


_Spot: TypeAlias = "tuple[ParserPlace, LookBehindState]"
"""A place between two lexemes, and what look-behinds may ask of the text before it."""


class _Link(NamedTuple):
    """A lexeme (with what is ignored before it), and what proves the place behind it."""

    text: bytes
    after: _Spot
    first: int
    """The first byte from there, _END."""


def _separators(reader: ContextualReader) -> list[bytes]:
    """Return short texts that are ignored between two lexemes, a blank first; and before them none."""
    lexer, ignored = reader.lexer, reader.tables.ignored
    # as they are behind some character: look-behinds may refuse them where the text begins
    context = int(reader.tables.context_of[reader.tables.start])
    start = lexer.start(context, lexer.step_look_behind(lexer.initial_look_behind(), ord("a")))
    words = {lexer.near_word(start, terminal) or b"" for terminal in sorted(ignored)}
    for blank in (b" ", b"\n", b"\t"):
        move = lexer.move(start, blank[0])
        if any(-1 - source in ignored for source in move.sources):
            words.add(blank)
    if all(len(word) != 1 for word in words):
        # the automaton is asked: all of it
        words |= {lexer.shortest_text(start, terminal) or b"" for terminal in sorted(ignored)}
    return [b"", *sorted(words - {b""}, key=lambda word: (len(word), word != b" ", word))]


class LivenessOracle:
    """LivenessOracle of the configurations of one reader, remembered."""

    def __init__(self, reader: ContextualReader, separators: Sequence[bytes] | None = None) -> None:
        """`separators`: those of the same lexer, where they are known. Cost: without them, all states of a
        lexeme that is ignored."""
        self._reader = reader
        self._live: dict[ReaderConfiguration, bool] = {}
        self._links: dict[_Spot, dict[int, _Link | None]] = {}
        """For each place, by first byte: how a text goes on; None where it ends."""
        self._next_of: dict[
            tuple[ReaderConfiguration, ParserPlace], tuple[bytes, ReaderConfiguration, ParserPlace] | None
        ] = {}
        """Behind a lexeme, how the cheapest end by the grammar goes on: the next lexeme, and what it leads
        to."""
        self._searched: dict[ReaderConfiguration, bytes | None] = {}
        self._stuck: dict[ParserPlace, bool] = {}
        self._refused: dict[tuple[int, int], bool] = {}
        self._lines: dict[int, list[int]] = {}
        """Plans that begin with one more line, by stack."""
        self.separators = _separators(reader) if separators is None else separators
        """What is ignored, in short; first nothing."""

    @property
    def separator(self) -> bytes:
        """What is ignored and has one byte, best a blank; empty where there is none."""
        return next((one for one in self.separators if len(one) == 1), b"")

    def is_live(self, reading: ReaderConfiguration) -> bool:
        """Return whether some text completes a configuration. Raises LimitError where a search was ended."""
        known = self._live.get(reading)
        if known is None:
            if len(self._live) > _KEPT:
                self._live.clear()
            self._reader.trim()
            with self._reader.budget:
                known = self._live[reading] = self._find(reading) is not None
        return known

    def text(self, reading: ReaderConfiguration) -> bytes:
        """Return a short text that completes a live configuration, empty where it is complete."""
        if self._reader.accepts(reading):
            return b""
        if len(self._next_of) > _KEPT:
            self._next_of.clear()
        ways = self._planned(reading) or self._ways(reading)
        if ways:
            return min(ways, key=len)
        found = self._find(reading)
        assert found is not None, "a configuration that is not live"
        return self._written(*found)

    def _planned(self, reading: ReaderConfiguration) -> list[bytes]:
        """Return texts that complete a configuration by the plans alone, one for each of the cheapest ends of
        its lexeme that have one; between two lexemes first what is planned there. They do not depend on what
        was proved before."""
        whole = None if reading.begun else self._by_plan(reading, reading.place)
        ways = [whole] if whole else []
        for _cost, terminal, text in self._endings(reading)[:_ENDINGS]:
            after = self._reader.run(reading, text)
            place = None if after is None else self._ended(reading, after, terminal)
            more = None if after is None or place is None else self._by_plan(after, place)
            if more is not None:
                ways.append(text + more)
        return ways

    def _by_plan(self, reading: ReaderConfiguration, place: ParserPlace) -> bytes | None:
        """Return the text of the cheapest end by the grammar from a place, where `reading` has just come to
        its lexeme's end; None where it cannot be read as it is planned. After each lexeme it is planned anew,
        which is remembered: texts that come to the same place share what follows."""
        parts: list[bytes] = []
        parser = self._reader.parser
        left, strayed = parser.plan_cost(place.stack), 0
        while strayed <= _STRAYED:
            here = reading, place
            if here not in self._next_of:
                self._next_of[here] = self._next_planned(*here)
            step = self._next_of[here]
            if step is None:
                return b"".join(parts) if self._reader.accepts(reading) else None
            text, reading, place = step
            parts.append(text)
            before, left = left, parser.plan_cost(place.stack)
            strayed += left >= before
        return None

    def _next_planned(
        self, reading: ReaderConfiguration, place: ParserPlace
    ) -> tuple[bytes, ReaderConfiguration, ParserPlace] | None:
        """Return the next lexeme of a plan, written, and what it leads to; None where there is none."""
        _number, wanted = self._next(self._beginning(place.stack), 0, place)
        return None if wanted is None else self._write(reading, place, *wanted)

    def _ways(self, reading: ReaderConfiguration) -> list[bytes]:
        """Return texts that complete a configuration, one for each of the cheapest ends of its lexeme."""
        ways = []
        for _cost, terminal, text in self._endings(reading)[:_ENDINGS]:
            after = self._reader.run(reading, text)
            behind = None if after is None else self._behind(reading, after, terminal, False)
            if behind is not None:
                more, place, first = behind
                ways.append(self._written(text + more, place, first))
        return ways

    def _written(self, text: bytes, place: _Spot, first: int) -> bytes:
        """Return a text with what proves the place behind it."""
        parts = [text]
        while first != _END:
            link = self._links[place][first]
            if link is None:
                break
            parts.append(link.text)
            place, first = link.after, link.first
        return b"".join(parts)

    def next_terminals(self, reading: ReaderConfiguration) -> list[tuple[int, bytes]]:
        """Return the terminals that the present lexeme may become so that a text goes on, with the bytes that
        it still needs."""
        return [
            (terminal, text)
            for _cost, terminal, text in self._endings(reading)
            if (after := self._reader.run(reading, text)) is not None and self.is_live(after)
        ]

    # --- proofs ---------------------------------------------------------------------------------------------

    def _find(self, reading: ReaderConfiguration) -> tuple[bytes, _Spot, int] | None:
        """Return a text up to the end of a lexeme, the present one or one more, the place behind it, and the
        first byte from there."""
        reader = self._reader
        if reader.accepts(reading):
            return b"", _spot(reading), _END
        if self._distance(reading) >= UNREACHABLE or (reading.begun and self._is_refused(reading)):
            return None
        endings = self._endings(reading)
        for known in (True, False):  # first those behind which all is known
            for _cost, terminal, text in endings[:_ENDINGS]:
                after = reader.run(reading, text)
                if after is None:
                    continue
                found = self._behind(reading, after, terminal, known)
                if found is not None:
                    more, place, first = found
                    return text + more, place, first
        if not endings and not any(reading.bases):
            return None
        for base in reading.bases:
            # what goes on from a slot goes on here, if the better threads end with it
            for text in [] if base is None else self._ways(base):
                after = reader.run(reading, text)
                if after is not None and reader.accepts(after):
                    return text, _spot(reading), _END
        searched = self._search(reading)
        return None if searched is None else (searched, _spot(reading), _END)

    def _endings(self, reading: ReaderConfiguration) -> list[tuple[int, int, bytes]]:
        """Return how the lexeme may end so that the parser takes it: about how many bytes a text then needs,
        the terminal, and the bytes up to its end; the cheapest first."""
        reader = self._reader
        lexer, parser, tables = reader.lexer, reader.parser, reader.tables
        slots = lexer.states[reading.lexeme].slots
        terminals = lexer.viable_terminals(reading.lexeme) | {
            slot.terminal for slot in slots if slot.terminal >= 0
        }
        found: list[tuple[int, int, bytes]] = []
        newline = -1 if tables.indentation is None else tables.indentation.newline
        for terminal in sorted(terminals):
            if terminal != newline and parser.read(reading.place, terminal, 0) is None:
                continue
            if (terminal in tables.ignored or terminal == newline) and self._is_stuck(reading.place):
                continue
            words = lexer.short_texts(reading.lexeme, terminal)
            if not words:
                if lexer.never(reading.lexeme, terminal):
                    continue
                # others win in all texts that were tried; the search will tell
                found.append((1 << 50, terminal, b""))
                continue
            for text, column in (one for word in words for one in self._columns(reading, terminal, word)):
                place = parser.read(reading.place, terminal, column)
                distance = UNREACHABLE if place is None else parser.distance(place.stack)
                if distance < UNREACHABLE:
                    found.append((len(text) + (terminal in tables.ignored) + distance, terminal, text))
        return sorted(found)

    def _is_stuck(self, place: ParserPlace) -> bool:
        """Return whether no lexeme at all leads on from a place, and the text may not end there."""
        known = self._stuck.get(place)
        if known is None:
            parser, tables = self._reader.parser, self._reader.tables
            context = tables.contexts[int(tables.context_of[parser.top[place.stack]])]
            strings = {string for _terminal, of in context.unless for string in of}
            columns = (*place.widths, place.widths[-1] + 1)
            known = not parser.accepts(place) and not any(
                parser.read(place, terminal, column) not in (None, place)
                for terminal in strings.union(context.terminals) - tables.ignored
                for column in columns
            )
            self._stuck[place] = known
        return known

    def _columns(
        self, reading: ReaderConfiguration, terminal: int, word: bytes
    ) -> Iterator[tuple[bytes, int]]:
        """Yield texts that end a lexeme, and its column: for the indenter's newline, with blanks up to each
        width that may follow."""
        indentation = self._reader.tables.indentation
        if indentation is None or terminal != indentation.newline:
            yield word, -1
            return
        if reading.place.brackets:
            yield word, -1
            yield word + b"\n", -1  # a comment ends with its line
            return
        widths = reading.place.widths
        for lead in (word, word + b"\n"):
            after = self._reader.run(reading, lead)
            if after is not None and after.place == reading.place and after.column >= 0:
                for width in (*reversed(widths), max(widths[-1] + 1, after.column)):
                    if width >= after.column:
                        yield lead + b" " * (width - after.column), width

    def _behind(
        self, before: ReaderConfiguration, after: ReaderConfiguration, terminal: int, known: bool
    ) -> tuple[bytes, _Spot, int] | None:
        """Return what is written behind a lexeme that has just ended (nothing where its next byte makes sure
        of it), the place behind that, and a first byte from there that is proved; `known`: without a plan."""
        place = self._ended(before, after, terminal)
        if place is None:
            return None
        first = self._continues(after, place)
        if first is None and not known:
            planned = self._plan(after, place)
            if planned is None and not self._wander(after, place):
                return None
            first = self._continues(after, place)
            if first is None:
                # what ends the lexeme is sure some lexemes later: the plan was read from here all the same
                return planned
        return None if first is None else (b"", (place, after.look_behind), first)

    def _ended(
        self, before: ReaderConfiguration, after: ReaderConfiguration, terminal: int
    ) -> ParserPlace | None:
        """Return the place behind a lexeme of a terminal that ends a configuration, or what a slot of it has
        read on, where an earlier lexeme's end is not sure yet."""
        parser = self._reader.parser
        if not after.begun:
            # decided with its last byte
            ignored = terminal in self._reader.tables.ignored
            return after.place if not ignored or after.place == before.place else None
        if any(slot.terminal == terminal for slot in self._reader.lexer.states[after.lexeme].slots):
            return parser.read(after.place, terminal, after.column)
        places = (None if base is None else self._ended(before, base, terminal) for base in after.bases)
        return next((place for place in places if place is not None), None)

    def _continues(self, reading: ReaderConfiguration, place: ParserPlace) -> int | None:
        """Return a first byte that leads from a configuration into the texts known from a place, _END where
        the text may end, None where none does."""
        links = self._links.get((place, reading.look_behind))
        if links is None:
            return None
        for first, link in links.items():
            if link is None:
                if self._reader.accepts(reading):
                    return _END
            elif self._leads(reading, place, first):
                return first
        return None

    def _leads(self, reading: ReaderConfiguration, place: ParserPlace, byte: int) -> bool:
        """Return whether a byte makes sure of the lexeme that ends at a place, and of those before it."""
        if not reading.begun:
            return reading.place == place
        lexer = self._reader.lexer
        move = lexer.move(reading.lexeme, byte)
        if move.after != DECIDED or move.sources[0] < 0:
            return False
        terminal = lexer.states[reading.lexeme].slots[move.sources[0]].terminal
        if terminal < 0:
            base = reading.bases[move.sources[0]]
            return base is not None and self._leads(base, place, byte)
        return self._reader.parser.read(reading.place, terminal, reading.column) == place

    # --- plans ----------------------------------------------------------------------------------------------

    def _plan(
        self, reading: ReaderConfiguration, place: ParserPlace, detours: int = _DETOURS
    ) -> tuple[bytes, _Spot, int] | None:
        """Write the cheapest end by the grammar from a place on, where `reading` has just come to its
        lexeme's end; note its links, and return what was written, the place behind it, and a first byte from
        there that is proved. None where it could not be read."""
        written: list[tuple[ParserPlace, ReaderConfiguration, bytes]] = []
        terminals = self._terminals(place.stack)
        number, end = 0, False
        while not end:
            if written and self._continues(reading, place) is not None:
                break
            number, wanted = self._next(terminals, number, place)
            if wanted is None:
                if not self._reader.accepts(reading):
                    return None
                self._links.setdefault((place, reading.look_behind), {})[_END] = None
                break
            went = self._write(reading, place, *wanted)
            if went is None:
                if not detours or not written or not self._detour(reading, place, detours - 1):
                    return None
                break
            text, after, behind = went
            written.append((place, reading, text))
            reading, place = after, behind
        first = self._continues(reading, place)
        if first is None:
            return None
        self._link(written, reading, place, first)
        return b"".join(text for _before, _start, text in written), (place, reading.look_behind), first

    def _link(
        self,
        written: Sequence[tuple[ParserPlace, ReaderConfiguration, bytes]],
        reading: ReaderConfiguration,
        place: ParserPlace,
        first: int,
    ) -> None:
        """Note what was written, lexeme by lexeme: the place before each, the configuration there, and its
        text; they have led to a place and a first byte that is proved."""
        reader = self._reader
        for before, start, text in reversed(written):
            link = _Link(text, (place, reading.look_behind), first)
            links = self._links.setdefault((before, start.look_behind), {})
            links.setdefault(text[0], link)
            self._separate(links, reader.between_lexemes(before, start.look_behind), link, reading)
            reading, place, first = start, before, text[0]

    def _beginning(self, stack: int) -> list[int]:
        """Return the terminals with which `_terminals` begins: the first, and what follows up to one that
        is no indentation's beginning or end."""
        indentation = self._reader.tables.indentation
        found: list[int] = []
        for terminal in self._reader.parser.plan(stack):
            found.append(terminal)
            if indentation is None:
                return found
            if len(found) > 1 and terminal not in (indentation.indent, indentation.dedent):
                break
        return self._with_line(stack, found)

    def _terminals(self, stack: int) -> list[int]:
        """Return the terminals of the cheapest end by the grammar from a stack. Where it begins by ending a
        block, which only a line's end does, and more must follow, one more line comes before."""
        return self._with_line(stack, list(self._reader.parser.plan(stack)))

    def _with_line(self, stack: int, terminals: list[int]) -> list[int]:
        """Return the terminals of a plan, or its beginning, with the line that must come before them."""
        indentation = self._reader.tables.indentation
        if indentation is None or not terminals or terminals[0] != indentation.dedent:
            return terminals
        if all(one == indentation.dedent for one in terminals):
            return terminals
        if stack not in self._lines:
            self._lines[stack] = self._line_before(stack, indentation)
        return self._lines[stack] or terminals

    def _line_before(self, stack: int, indentation: Indentation) -> list[int]:
        """Return the terminals of a line after which a block ends, and of the plan from there; none where no
        line of _LINE terminals does."""
        tables, parser = self._reader.tables, self._reader.parser
        pending: list[tuple[int, tuple[int, ...]]] = [(stack, ())]
        for here, line in pending:
            if len(line) >= _LINE or len(pending) > _LINES:
                break
            ended = parser.feed(here, indentation.newline) if line else REFUSED
            if ended != REFUSED and parser.feed(ended, indentation.dedent) != REFUSED:
                return [*line, indentation.newline, *parser.plan(ended)]
            context = tables.contexts[int(tables.context_of[parser.top[here]])]
            for terminal in context.terminals:
                after = parser.feed(here, terminal)
                if terminal not in tables.ignored and after != REFUSED:
                    pending.append((after, (*line, terminal)))
        return []

    def _detour(self, reading: ReaderConfiguration, place: ParserPlace, detours: int = 0) -> bool:
        """Write a lexeme that the cheapest end from a place does not have, and a plan behind it: what stands
        before it may keep that end away (no line ends behind a continuation); return whether one could be."""
        for terminal, column in self._nearest(place):
            went = self._write(reading, place, terminal, column)
            if went is None:
                continue
            text, after, behind = went
            if self._continues(after, behind) is None and self._plan(after, behind, detours) is None:
                continue
            first = self._continues(after, behind)
            if first is not None:
                links = self._links.setdefault((place, reading.look_behind), {})
                links.setdefault(text[0], _Link(text, (behind, after.look_behind), first))
                return True
        return False

    def _wander(self, reading: ReaderConfiguration, place: ParserPlace) -> bool:
        """Write one lexeme after another that the cheapest ends do not have, _WANDERED at most, the nearest
        to an end first, and a plan behind each; return whether one could be."""
        parser, order = self._reader.parser, 0
        queue: list[
            tuple[
                int,
                int,
                ReaderConfiguration,
                ParserPlace,
                tuple[tuple[ParserPlace, ReaderConfiguration, bytes], ...],
            ]
        ] = []
        heapq.heappush(queue, (0, 0, reading, place, ()))
        met = {(reading.lexeme, place)}
        while queue:
            _distance, _order, reading, place, written = heapq.heappop(queue)
            for terminal, column in self._nearest(place):
                order += 1
                if order > _WANDERED:
                    return False
                went = self._write(reading, place, terminal, column)
                if went is None or (went[1].lexeme, went[2]) in met:
                    continue
                text, after, behind = went
                met.add((after.lexeme, behind))
                if self._continues(after, behind) is None:
                    self._plan(after, behind, 0)
                first = self._continues(after, behind)
                further = (*written, (place, reading, text))
                if first is not None:
                    self._link(further, after, behind, first)
                    return True
                heapq.heappush(queue, (parser.distance(behind.stack), order, after, behind, further))
        return False

    def _nearest(self, place: ParserPlace) -> list[tuple[int, int]]:
        """Return the terminals that the parser takes at a place and goes on behind, each with the column that
        it wants, those that are nearest to an end first."""
        parser, tables = self._reader.parser, self._reader.tables
        indentation = tables.indentation
        context = tables.contexts[int(tables.context_of[parser.top[place.stack]])]
        strings = {string for _terminal, of in context.unless for string in of}
        ways: list[tuple[int, int, int]] = []
        for terminal in strings.union(context.terminals) - tables.ignored:
            lines = indentation is not None and terminal == indentation.newline
            for column in (*place.widths, place.widths[-1] + 1) if lines else (-1,):
                behind = parser.read(place, terminal, column)
                if behind is not None and behind != place:
                    ways.append((parser.distance(behind.stack), terminal, column))
        return [way[1:] for way in sorted(ways) if way[0] < UNREACHABLE]

    def _next(
        self, terminals: list[int], number: int, place: ParserPlace
    ) -> tuple[int, tuple[int, int] | None]:
        """Return the next terminal of a plan that has a text, and the column that it wants; None: the end."""
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

    def _write(
        self, reading: ReaderConfiguration, place: ParserPlace, terminal: int, column: int
    ) -> tuple[bytes, ReaderConfiguration, ParserPlace] | None:
        """Return a text that goes on from a lexeme's end with a terminal, and what it leads to."""
        reader = self._reader
        fresh = reader.between_lexemes(place, reading.look_behind)
        word = reader.lexer.shortest_text(fresh.lexeme, terminal)
        if word is None:
            return None
        for separator in (*self.separators, b"\n") if place.brackets else self.separators:
            text = separator + word
            after = reader.run(reading, text)
            if after is None:
                continue
            if column > 0:
                after = reader.run(after, b" " * (column - max(after.column, 0)))
                if after is None:
                    continue
                text += b" " * (column - len(word.rpartition(b"\n")[2]))
            behind = reader.parser.read(place, terminal, column)
            if behind is not None and self._ended(fresh, after, terminal) == behind:
                return text, after, behind
        return None

    def _separate(
        self,
        links: dict[int, _Link | None],
        before: ReaderConfiguration,
        link: _Link,
        reading: ReaderConfiguration,
    ) -> None:
        """Note that what is ignored may stand before a link's lexeme, where that is so: it keeps apart what
        would run together. `before` is the configuration before the lexeme, `reading` the one behind it."""
        for separator in self.separators[1:]:
            text = separator + link.text
            if separator[0] not in links and self._reader.run(before, text) == reading:
                links[separator[0]] = link._replace(text=text)

    def _is_refused(self, reading: ReaderConfiguration) -> bool:
        """Return whether the parser takes nothing that the present lexeme may become, and no slot of it leads
        anywhere."""
        bases = [base for base in reading.bases if base is not None]
        if bases and (len(reading.bases) > 1 or any(bases[0].bases)):
            return False
        key = reading.place.stack, reading.lexeme
        known = self._refused.get(key)
        if known is None:
            known = self._refused[key] = self._refuses(reading)
        return known and (not bases or self._reader.lexer.never_ends_at_slot(reading.lexeme, bases[0].lexeme))

    def _refuses(self, reading: ReaderConfiguration) -> bool:
        """Return whether the parser takes nothing that the present lexeme may become."""
        lexer, parser, tables = self._reader.lexer, self._reader.parser, self._reader.tables
        slots = {slot.terminal for slot in lexer.states[reading.lexeme].slots if slot.terminal >= 0}
        terminals = slots | lexer.viable_terminals(reading.lexeme)
        newline = -1 if tables.indentation is None else tables.indentation.newline
        if newline in terminals or tables.ignored & terminals:
            return False
        return all(parser.feed(reading.place.stack, terminal) == REFUSED for terminal in terminals)

    def _distance(self, reading: ReaderConfiguration) -> int:
        """Return a lower bound of the bytes that complete a configuration, by the rules alone."""
        return min(self._reader.parser.distance(one.place.stack) for one in reading.branches())

    def _waits(self, reading: ReaderConfiguration) -> int:
        """Return how many look-aheads must come true before a configuration can be whole, about."""
        lexer, found = self._reader.lexer, 0
        one: ReaderConfiguration | None = reading
        while one is not None:
            found += lexer.waits(one.lexeme)
            one = self._reader.bound(one.lexeme, one.bases)
        return found

    # --- search ---------------------------------------------------------------------------------------------

    def _search(self, reading: ReaderConfiguration) -> bytes | None:
        """Return a text that completes a configuration, None where there is none: all are tried. What it
        comes by is remembered, too."""
        if reading in self._searched:
            return self._searched[reading]
        reader, steps = self._reader, 0
        queue: list[tuple[int, int, bytes, ReaderConfiguration]] = [(0, 0, b"", reading)]
        seen, order, proof = {_folded(reader, reading)}, 0, _PROOF
        found: bytes | None = None
        while queue and found is None:
            _estimate, _order, text, here = heapq.heappop(queue)
            for byte in reader.representative_bytes(here):
                steps += 1
                after = reader.step(here, byte)
                if after is None or (folded := _folded(reader, after)) in seen:
                    continue
                seen.add(folded)
                further = text + bytes((byte,))
                rest = self._known_rest(after)
                if rest is not None:
                    found = further + rest
                    break
                distance = self._distance(after)
                if distance >= UNREACHABLE or self._is_refused(after) or after in self._searched:
                    continue
                order += 1
                reader.budget.spend(TRIED)
                estimate = len(further) + distance + _WAITS * self._waits(after)
                heapq.heappush(queue, (estimate, order, further, after))
            if steps > proof:
                if is_proved_dead(reader, reading, proof):
                    break
                proof *= 8
        if len(self._searched) > _KEPT:
            self._searched.clear()
        if found is None and len(seen) <= _NOTED:
            self._searched |= dict.fromkeys(seen)
        self._note(reading, found)
        return found

    def _known_rest(self, reading: ReaderConfiguration) -> bytes | None:
        """Return a text that completes a configuration, where one is at hand."""
        if self._reader.accepts(reading):
            return b""
        if reading in self._searched:
            return self._searched[reading]
        return min(self._ways(reading), key=len, default=None) if self._live.get(reading) else None

    def _note(self, reading: ReaderConfiguration, found: bytes | None) -> None:
        """Remember what a search has found, for the configurations on its way as well."""
        self._searched[reading] = found
        after: ReaderConfiguration | None = reading
        for at, byte in enumerate(found or b"", 1):
            assert after is not None and found is not None
            after = self._reader.step(after, byte)
            if at < len(found) and after is not None:
                self._searched.setdefault(after, found[at:])


def _spot(reading: ReaderConfiguration) -> _Spot:
    return reading.place, reading.look_behind


def _folded(reader: ContextualReader, reading: ReaderConfiguration) -> ReaderConfiguration:
    """Return a configuration from which a text goes on if and only if one does from this: lines that are
    deeper than all open indentations are alike, however deep."""
    if reader.tables.indentation is None:
        return reading

    def column(one: ReaderConfiguration) -> int:
        return min(one.column, one.place.widths[-1] + 1)

    return reader.mapped(reading, lambda one: (one.place, column(one)))
