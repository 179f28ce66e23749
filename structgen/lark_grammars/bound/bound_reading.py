"""Reads texts of a Lark grammar with bound terminals, byte by byte.

Where the parser allows a bound terminal, the text continues either with lark's lexer, or with a text of the
bound grammar, which may end as soon as it is complete. lark's lexer never looks for bound terminals. So a
configuration is a set of *items*. Each item is in a lexeme of lark's
(`lark_grammars.parser.contextual_reader`, with sets instead of single configurations) or in a bound text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias, Union

from structgen.lark_grammars.lexer.lexemes import DEAD, DECIDED
from structgen.lark_grammars.lexer.ordered_matching import LookBehindState
from structgen.lark_grammars.parser.contextual_reader import ContextualReader
from structgen.lark_grammars.parser.lalr_parser import ParserPlace
from structgen.text_grammars.machine.language import TOKEN, Config, Language

_NO_CHARACTER: Final = 0xFF
"""A byte of no text. lark's patterns see it in place of a special token."""


class InsideBound(NamedTuple):
    """An item inside a bound text."""

    place: ParserPlace
    """The place before it."""
    terminal: int
    config: Config
    """The configuration of its own language."""
    behind: LookBehindState


class Lexing(NamedTuple):
    """A place of the parser and the lexeme that is read there, for lark's own terminals. The fields are those
    of `lark_grammars.parser.contextual_reader.Reading`."""

    place: ParserPlace
    lexeme: int
    begun: bool
    bases: tuple[Items, ...]
    """For each slot of the lexeme's state: the items that have read on from there."""
    column: int
    behind: LookBehindState


Item: TypeAlias = Union[Lexing, InsideBound]
Items: TypeAlias = frozenset[Item]
NOTHING: Final[Items] = frozenset()


class BoundReader:
    """Steps items without checking whether they are live. Not thread-safe."""

    def __init__(self, reader: ContextualReader, bound: Mapping[int, Language]) -> None:
        """`reader`: of lark's own lexemes; `bound`: the languages of the bound terminals, by number."""
        self.reader, self.bound = reader, dict(bound)
        self.starts = {terminal: language.start() for terminal, language in self.bound.items()}
        self.counts_tokens = any(language.counts_tokens for language in self.bound.values())
        self._fresh: dict[tuple[ParserPlace, LookBehindState], Items] = {}

    def start(self) -> Items:
        """Return the items before the first symbol."""
        return self.fresh(self.reader.parser.start(), self.reader.lexer.initial_look_behind())

    def fresh(self, place: ParserPlace, behind: LookBehindState) -> Items:
        """Return the items between two lexemes."""
        found = self._fresh.get((place, behind))
        if found is None:
            found = self._fresh[place, behind] = self._made(place, behind)
        return found

    def _made(self, place: ParserPlace, behind: LookBehindState) -> Items:
        own = self.reader.between_lexemes(place, behind)
        found: list[Item] = [Lexing(own.place, own.lexeme, own.begun, (), own.column, own.look_behind)]
        for terminal, start in self.starts.items():
            if self.reader.parser.read(place, terminal, -1) is not None:
                found.append(InsideBound(place, terminal, start, behind))
        return frozenset(found)

    def base(self, item: Lexing, slot: int) -> Items:
        """Return the items that continue from a slot; for a slot at the present end, the place after the
        lexeme."""
        terminal = self.reader.lexer.states[item.lexeme].slots[slot].terminal
        if terminal < 0:
            return item.bases[slot]
        place = self.reader.parser.read(item.place, terminal, item.column)
        return NOTHING if place is None else self.fresh(place, item.behind)

    def step(self, items: Iterable[Item], symbol: int) -> Items:
        """Return the items after a symbol; none if every continuation is an error."""
        found: set[Item] = set()
        for item in items:
            found |= (
                self._in_bound(item, symbol)
                if isinstance(item, InsideBound)
                else self._in_lexeme(item, symbol)
            )
        return frozenset(found)

    def behind(self, behind: LookBehindState, symbol: int) -> LookBehindState:
        """Return the look-behind state after a symbol."""
        return self.reader.lexer.step_look_behind(behind, symbol if symbol < TOKEN else _NO_CHARACTER)

    def _in_bound(self, item: InsideBound, symbol: int) -> Items:
        language = self.bound[item.terminal]
        after = language.step(item.config, symbol)
        if after is None:
            return NOTHING
        behind = self.behind(item.behind, symbol)
        found: Items = frozenset((InsideBound(item.place, item.terminal, after, behind),))
        if not language.accepts(after):
            return found
        place = self.reader.parser.read(item.place, item.terminal, -1)
        assert place is not None, "a bound terminal that the parser does not take"
        return found | self.fresh(place, behind)

    def _in_lexeme(self, item: Lexing, symbol: int) -> Items:
        reader = self.reader
        byte = symbol if symbol < TOKEN else _NO_CHARACTER
        move = reader.lexer.move(item.lexeme, byte)
        if move.after == DEAD:
            return NOTHING
        behind = self.behind(item.behind, symbol)
        column = reader.column(item.column, byte)
        if move.after == DECIDED:
            source = move.sources[0]
            if source >= 0:
                return self.step(self.base(item, source), symbol)
            place = reader.parser.read(item.place, -1 - source, column)
            return NOTHING if place is None else self.fresh(place, behind)
        bases = tuple(
            NOTHING if source < 0 else self.step(self.base(item, source), symbol) for source in move.sources
        )
        if not reader.is_newline(move.after):
            column = 0
        return frozenset((Lexing(item.place, move.after, True, bases, column, behind),))

    def run(self, items: Iterable[Item], symbols: Iterable[int]) -> Items:
        """Return the items after some symbols."""
        found = frozenset(items)
        for symbol in symbols:
            found = self.step(found, symbol)
            if not found:
                break
        return found

    def accepts(self, items: Iterable[Item]) -> bool:
        """Return whether the text may end here. (After a bound text there is an item between lexemes.)"""
        return any(isinstance(item, Lexing) and self._ends(item) for item in items)

    def _ends(self, item: Lexing) -> bool:
        reader = self.reader
        if not item.begun:
            return reader.parser.accepts(item.place)
        move = reader.lexer.end(item.lexeme)
        if move.after == DEAD:
            return False
        source = move.sources[0]
        if source >= 0:
            return self.accepts(self.base(item, source))
        place = reader.parser.read(item.place, -1 - source, item.column)
        return place is not None and reader.parser.accepts(place)

    def bounded(self, items: Iterable[Item]) -> Items:
        """Return the items after the end of a token."""
        found: set[Item] = set()
        for item in items:
            if isinstance(item, Lexing):
                found.add(item._replace(bases=tuple(map(self.bounded, item.bases))))
                continue
            config = self.bound[item.terminal].boundary(item.config)
            if config is not None:
                found.add(item._replace(config=config))
        return frozenset(found)
