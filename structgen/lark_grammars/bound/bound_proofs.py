"""Whether an item can be completed, and with which text: this makes the masks of bound terminals exact.

First a plan is made. Each bound terminal gets a character of its own as a pattern, a text of that grammar is
completed like that of any Lark grammar (`lark_grammars.liveness.oracle`), and each such character is replaced
by the shortest bound text. Then the plan is read; if it is read to its end, it is a proof. It fails if one of
lark's lexemes continues into a bound text, or if a look-around asks for one. Then all texts are searched, the
nearest to an end first; if that search is exhausted, there is none.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Final, TypeAlias

from structgen.errors import LimitError
from structgen.lark_grammars.bound.bound_reading import BoundReader, InsideBound, Item, Items, Lexing
from structgen.lark_grammars.lexer.ordered_matching import LookBehindState
from structgen.lark_grammars.liveness.oracle import LivenessOracle
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE
from structgen.limits import Limits

Rest: TypeAlias = "tuple[int, ...]"
"""The symbols of a completion."""
_TRIED: Final = 12
"""How many ends of a lexeme are tried, those with the shortest text first."""


class Proofs:
    """Completions of items, memoised."""

    def __init__(
        self, reader: BoundReader, planned: ContextualReader, limits: Limits, symbols: list[int]
    ) -> None:
        """`planned`: reads the grammar with stand-ins, over the same parser; `symbols`: one of each class."""
        self._reader, self._planned, self._limits, self._symbols = reader, planned, limits, symbols
        self._plans = LivenessOracle(planned)
        self._words = {
            planned.tables.terminals[one].pattern: tuple(language.shortest(reader.starts[one]))
            for one, language in reader.bound.items()
        }
        """For each stand-in: the shortest text of its bound grammar."""
        self._rests: dict[Item, Rest | None] = {}
        self._open: dict[tuple[ParserPlace, LookBehindState], Rest | None] = {}
        self._behind: dict[tuple[ParserPlace, int], bool] = {}
        """Whether the text can be completed after a bound terminal that begins at a place."""
        self._of_place: dict[ParserPlace, list[Rest]] = {}

    def rest(self, item: Item) -> Rest | None:
        """Return a short completion of an item, empty if it is complete; None if there is none.

        Raises LimitError if the work budget was spent before this was known.
        """
        if item not in self._rests:
            rest = self._rests[item] = self._find(item)
            if rest is not None:
                self._note(item, rest)
        return self._rests[item]

    def is_live(self, item: Item) -> bool:
        """Return whether an item can be completed. Raises LimitError if the work budget was spent."""
        if not isinstance(item, InsideBound) or not self._reader.reader.lexer.is_local:
            return self.rest(item) is not None
        # a bound text can always end, and what follows does not depend on which text it was
        key = item.place, item.terminal
        known = self._behind.get(key)
        if known is None:
            place = self._reader.reader.parser.read(item.place, item.terminal, -1)
            assert place is not None, "a bound terminal that the parser does not take"
            known = self._behind[key] = self.after(place, item.behind) is not None
        return known

    def _note(self, item: Item, rest: Rest) -> None:
        """Remember a completion, also for the items after each of its symbols."""
        items: Items = frozenset((item,))
        for at, symbol in enumerate(rest):
            items = self._reader.step(items, symbol)
            if len(items) != 1 or self._reader.accepts(items):
                break
            (one,) = items
            if one in self._rests:
                break
            self._rests[one] = rest[at + 1 :]

    def _find(self, item: Item) -> Rest | None:
        reader = self._reader
        if reader.accepts((item,)):
            return ()
        if isinstance(item, InsideBound):
            return self._of_bound(item)
        if not item.begun:
            return self._of_place_alone(item)
        for rest in self._ways(item):
            if reader.accepts(reader.run((item,), rest)):
                return rest
        return None if self._is_refuted(item) else self._search(item)

    def _of_bound(self, item: InsideBound) -> Rest | None:
        """Return the shortest completion of a bound text, followed by one of the place after it."""
        reader = self._reader
        language = reader.bound[item.terminal]
        word = tuple(language.shortest(item.config))
        place = reader.reader.parser.read(item.place, item.terminal, -1)
        assert place is not None, "a bound terminal that the parser does not take"
        behind = item.behind
        for symbol in word:
            behind = reader.behind(behind, symbol)
        tail = self.after(place, behind)
        if tail is not None:
            return word + tail
        # another text may end on what the look-behinds ask for
        return None if reader.reader.lexer.is_local else self._search(item)

    def _of_place_alone(self, item: Lexing) -> Rest | None:
        """Return a completion of a place, for an item of lark's lexer."""
        for rest in self._planned_rests(item.place):
            if self._reader.accepts(self._reader.run((item,), rest)):
                return rest
        return None if self._is_refuted(item) else self._search(item)

    def after(self, place: ParserPlace, behind: LookBehindState) -> Rest | None:
        """Return what completes the text from between two lexemes."""
        key = place, behind
        if key not in self._open:
            items = self._reader.fresh(place, behind)
            self._open[key] = self._planned_rest(items, place)
        return self._open[key]

    def _planned_rest(self, items: Items, place: ParserPlace) -> Rest | None:
        if self._reader.accepts(items):
            return ()
        for rest in self._planned_rests(place):
            if self._reader.accepts(self._reader.run(items, rest)):
                return rest
        return self._search(*items)

    def _planned_rests(self, place: ParserPlace) -> list[Rest]:
        """Return the planned completions of a place, with and without an ignored lexeme first."""
        known = self._of_place.get(place)
        if known is None:
            known = []
            lexer = self._planned.lexer
            for behind in dict.fromkeys(
                (lexer.step_look_behind(lexer.initial_look_behind(), ord("a")), lexer.initial_look_behind())
            ):
                reading = self._planned.between_lexemes(place, behind)
                if self._is_planned(reading):
                    rest = self._written(self._plans.text(reading))
                    known += [rest, (*self._plans.separator, *rest)]
            self._of_place[place] = known = sorted(dict.fromkeys(known), key=len)
        return known

    def _is_planned(self, reading: ReaderConfiguration) -> bool:
        try:
            return self._plans.is_live(reading)
        except LimitError:
            return False  # no plan; the search will tell

    def _written(self, text: bytes) -> Rest:
        """Return a planned text with the bound texts in place of their stand-ins."""
        found: list[int] = []
        for char in text.decode("utf-8", "surrogateescape"):
            found += self._words.get(char) or char.encode("utf-8", "surrogateescape")
        return tuple(found)

    # --- ends of a lexeme -----------------------------------------------------------------------------------

    def _ways(self, item: Lexing) -> list[Rest]:
        """Return possible completions of an item, shortest first: an end of its lexeme or the item read on
        from a slot, then the plan of the place after it."""
        found: dict[Rest, None] = {}
        for terminal, text in self._ends(item):
            for column in self._columns(item, text):
                place = self._reader.reader.parser.read(item.place, terminal, column)
                if place is not None:
                    found.update(dict.fromkeys(text + rest for rest in self._planned_rests(place)))
                    if self._reader.reader.parser.accepts(place):
                        found[text] = None
        for base in item.bases:
            for one in base:
                rest = self.rest(one)
                if rest is not None:
                    found[rest] = None
        return sorted(found, key=len)[:_TRIED]

    def _ends(self, item: Lexing) -> Iterator[tuple[int, Rest]]:
        """Yield the terminals that a lexeme may become, each with texts up to its end."""
        reader = self._reader.reader
        lexer, indentation = reader.lexer, reader.tables.indentation
        slots = {slot.terminal for slot in lexer.states[item.lexeme].slots if slot.terminal >= 0}
        for terminal in sorted(lexer.viable_terminals(item.lexeme) | slots):
            for word in lexer.short_texts(item.lexeme, terminal):
                yield terminal, tuple(word)
                if indentation is None or terminal != indentation.newline:
                    continue
                for lead in ((*word, 10), tuple(word)):
                    for one in self._reader.run((item,), lead):
                        if isinstance(one, Lexing) and one.place == item.place and one.column >= 0:
                            widths = (*item.place.widths, item.place.widths[-1] + 1)
                            blanks = [width - one.column for width in widths if width >= one.column]
                            yield from ((terminal, (*lead, *[32] * blank)) for blank in blanks)

    def _columns(self, item: Lexing, text: Rest) -> Iterable[int]:
        """Return the columns that a lexeme may have at an end."""
        reader = self._reader.reader
        if not reader.is_newline(item.lexeme):
            return (-1,)
        column = item.column
        for byte in text:
            column = reader.column(column, byte)
        return (column,)

    def _is_refuted(self, item: Lexing) -> bool:
        """Return whether the parser refuses all terminals that a lexeme may become."""
        reader = self._reader.reader
        lexer, indentation = reader.lexer, reader.tables.indentation
        if any(item.bases):
            return False
        slots = {slot.terminal for slot in lexer.states[item.lexeme].slots if slot.terminal >= 0}
        for terminal in lexer.viable_terminals(item.lexeme) | slots:
            if indentation is not None and terminal == indentation.newline:
                if item.place.brackets or reader.parser.feed(item.place.stack, terminal) >= 0:
                    return False
            elif reader.parser.read(item.place, terminal, -1) is not None:
                return False
        return True

    # --- all texts ------------------------------------------------------------------------------------------

    def _search(self, *items: Item) -> Rest | None:
        """Return a text that completes one of the items; None if there is none: all texts are tried."""
        reader, steps, order = self._reader, 0, count()
        queue: list[tuple[int, int, Rest, Item]] = []
        seen = set(items)
        for item in items:
            heapq.heappush(queue, (self._distance(item), next(order), (), item))
        while queue:
            _estimate, _order, text, item = heapq.heappop(queue)
            known = self._rests.get(item)
            if known is not None:
                return text + known
            for symbol in self._symbols:
                steps += 1
                if steps > self._limits.oracle_steps:
                    raise LimitError(
                        "It was not found out whether a text goes on here.",
                        limit="oracle_steps",
                        where="grammar",
                    )
                after = reader.step((item,), symbol)
                if reader.accepts(after):
                    return (*text, symbol)
                for one in after - seen:
                    if _is_wider(item, one):
                        continue
                    seen.add(one)
                    distance = self._distance(one)
                    if distance < UNREACHABLE and self._rests.get(one, ()) is not None:
                        heapq.heappush(queue, (len(text) + distance, next(order), (*text, symbol), one))
        for item in seen:
            self._rests.setdefault(item, None)
        return None

    def _distance(self, item: Item) -> int:
        """Return about how many symbols complete an item, UNREACHABLE where surely none do."""
        if isinstance(item, InsideBound):
            place = self._reader.reader.parser.read(item.place, item.terminal, -1)
            assert place is not None, "a bound terminal that the parser does not take"
            inside = len(self._reader.bound[item.terminal].shortest(item.config))
            return min(UNREACHABLE, inside + self._reader.reader.parser.distance(place.stack))
        nearest = self._reader.reader.parser.distance(item.place.stack)
        bases = [self._distance(one) for base in item.bases for one in base]
        return min([nearest, *bases])


def _is_wider(before: Item, after: Item) -> bool:
    """Return whether a line was deeper than all open indentations before its last blank: its continuations
    are those with one blank less."""
    if not isinstance(before, Lexing) or not isinstance(after, Lexing):
        return False
    return after.place == before.place and after.column > before.column > after.place.widths[-1]
