"""A proof of emptiness: no text completes a configuration, although infinitely many stacks are reachable.

All configurations after it are followed with *shallow* stacks, which keep only their topmost states, so that
there are finitely many. For the forgotten part we keep which states were directly below which. A reduction
that looks below continues with each of them. So all real stacks are covered: if no shallow one accepts, the
configuration is dead. If one accepts, nothing is proved.

The forgotten part is an automaton over states, as in the reachability of pushdown systems (Bouajjani, Esparza
and Maler, CONCUR 1997).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias, TypeVar

from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import REFUSED, Parser, ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import END, ParserTables

_HEIGHTS: Final = (1, 4, 12)
"""How many states a stack keeps; the fewest are tried first."""
_SHALLOW: Final = 8
"""How many times more bytes are tried with stacks of one state: there are few configurations then."""
_FORGOTTEN: Final = -2
"""In place of a state: the rest of the stack was forgotten."""
_PUSHED: Final = -1
"""The position of cells that were pushed later."""

T = TypeVar("T")
Cell: TypeAlias = tuple[int, int]
"""A state in a stack, and its position if it was there from the beginning."""


class _Fed(NamedTuple):
    """The effect of a terminal on a stack."""

    stacks: list[int]
    asked: set[Cell]
    """Cells below which a reduction looked."""


class _ShallowParser(Parser):
    """Stacks of at most `most` cells, over a forgotten part. A terminal may lead to several stacks: `all_of`
    repeats a call with each of them."""

    def __init__(self, tables: ParserTables, lexer: Lexer, most: int) -> None:
        super().__init__(tables, lexer.shortest_lengths())
        self._most = most
        self._places = [0]
        self._placed: dict[tuple[int, Cell], int] = {}
        self._bottom = self.push(REFUSED, _FORGOTTEN)
        self._forgotten: dict[Cell, set[Cell]] = {}
        """For each cell the cells that were directly below it when they were forgotten."""
        self._all_fed: dict[tuple[int, int], _Fed] = {}
        self._askers: dict[Cell, set[tuple[int, int]]] = {}
        self._chosen: list[tuple[int, int]] = []
        """For each call of `feed` with several results: the number of the present one, and how many there
        are."""
        self._calls = 0
        self.asked: set[Cell] = set()
        """Cells below which a call looked since this was cleared."""
        self._news: set[Cell] = set()

    # --- stacks ---------------------------------------------------------------------------------------------

    def push(self, stack: int, state: int, place: int = _PUSHED) -> int:
        key = stack, (state, place)
        known = self._placed.get(key)
        if known is None:
            known = len(self._places)
            self.top[known:], self.below[known:] = (state,), (stack,)
            self._places.append(place)
            self._placed[key] = known
        return known

    def shallow_stack(self, cells: list[Cell]) -> int:
        """Return the shallow stack of some cells, given from the bottom."""
        first = max(0, len(cells) - self._most)
        for below, cell in pairwise(cells[: first + 1]):
            known = self._forgotten.setdefault(cell, set())
            if below[0] != _FORGOTTEN and below not in known:
                known.add(below)
                self._news.add(cell)
        stack = self._bottom if first else REFUSED
        for cell in cells[first:]:
            stack = self.push(stack, *cell)
        return stack

    def _cells(self, stack: int) -> list[Cell]:
        """Return the cells of a stack from the bottom, with that of the forgotten part."""
        found: list[Cell] = []
        while stack != REFUSED:
            found.append((self.top[stack], self._places[stack]))
            stack = self.below[stack]
        return found[::-1]

    # --- terminals ----------------------------------------------------------------------------------

    def all_of(self, asked: Callable[[], T]) -> Iterator[T]:
        """Yield the results of a call for each of the stacks to which it may lead."""
        self._chosen = []
        while True:
            self._calls = 0
            yield asked()
            while self._chosen:
                number, count = self._chosen.pop()
                if number + 1 < count:
                    self._chosen.append((number + 1, count))
                    break
            else:
                return

    def news(self) -> set[Cell]:
        """Return the cells with new cells below them since the last call."""
        found, self._news = self._news, set()
        for cell in found:
            for key in self._askers.pop(cell, ()):
                self._all_fed.pop(key, None)
        return found

    def feed(self, stack: int, terminal: int) -> int:
        key = stack, terminal
        fed = self._all_fed.get(key)
        if fed is None:
            fed = self._all_fed[key] = self._feed_all(stack, terminal)
            for cell in fed.asked:
                self._askers.setdefault(cell, set()).add(key)
        self.asked |= fed.asked
        if len(fed.stacks) == 1:
            return fed.stacks[0]
        # nothing is known below a cell yet: an error, until `news` reports more
        if not fed.stacks:
            return REFUSED
        if self._calls == len(self._chosen):
            self._chosen.append((0, len(fed.stacks)))
        number, _count = self._chosen[self._calls]
        self._calls += 1
        return fed.stacks[number]

    def _feed_all(self, stack: int, terminal: int) -> _Fed:
        rules, found, asked = self.tables.rules, dict[int, None](), set[Cell]()
        pending = [(stack, 0, -1)]
        """A stack, how many more states a reduction pops, and its nonterminal."""
        seen = set(pending)
        for here, count, origin in pending:
            while count and self.below[here] != self._bottom:
                here, count = self.below[here], count - 1
            further: list[tuple[int, int, int]] = []
            if count:
                cell = self.top[here], self._places[here]
                asked.add(cell)
                further += [
                    (self.push(self._bottom, *one), count - 1, origin)
                    for one in self._forgotten.get(cell, ())
                ]
            else:
                if origin >= 0:
                    here = self.push(here, self.gotos[self.top[here]][origin])
                action = self.actions[self.top[here]][terminal]
                if terminal == END and self.top[here] == self.tables.end:
                    found[here] = None
                elif action > 0:
                    found[self.shallow_stack(self._cells(self.push(here, action - 1)))] = None
                elif action < 0:
                    rule = rules[-1 - action]
                    further.append((here, len(rule.symbols), rule.origin))
                else:
                    found[REFUSED] = None
            pending += [one for one in further if one not in seen]
            seen.update(further)
        return _Fed(list(found), asked)


def is_proved_dead(reader: ContextualReader, configuration: ReaderConfiguration, steps: int) -> bool:
    """Return whether no text completes a configuration; False: not proved. `steps`: the most bytes that are
    tried for each height of stacks."""
    for most in _HEIGHTS:
        times = _SHALLOW if most == 1 else 1
        parser = _ShallowParser(reader.tables, reader.lexer, most)
        shallow = reader.with_parser(parser)
        if _is_closed(shallow, parser, _moved(shallow, configuration, reader.parser, parser), times * steps):
            return True
    return False


def _is_closed(
    reader: ContextualReader, parser: _ShallowParser, configuration: ReaderConfiguration, steps: int
) -> bool:
    """Return whether all configurations after one were visited, and none accepts."""
    pending, seen = [configuration], {configuration}
    waiting: dict[Cell, set[ReaderConfiguration]] = {}
    """For each cell the configurations that looked below it."""
    while pending:
        here = pending.pop()
        parser.asked = set()
        if any(parser.all_of(partial(reader.accepts, here))):
            return False
        for byte in set[int]().union(*parser.all_of(partial(reader.representative_bytes, here))):
            for after in parser.all_of(partial(reader.step, here, byte)):
                steps -= 1
                if after is not None and after not in seen:
                    seen.add(after)
                    pending.append(after)
            if steps < 0:
                return False
        for cell in parser.asked:
            waiting.setdefault(cell, set()).add(here)
        for cell in parser.news():
            pending += waiting.pop(cell, ())
    return True


def _moved(
    reader: ContextualReader, configuration: ReaderConfiguration, parser: Parser, other: _ShallowParser
) -> ReaderConfiguration:
    """Return a configuration over the stacks of the shallow parser."""

    def moved(one: ReaderConfiguration) -> tuple[ParserPlace, int]:
        states: list[int] = []
        stack = one.place.stack
        while stack != REFUSED:
            states.append(parser.top[stack])
            stack = parser.below[stack]
        cells = [(state, place) for place, state in enumerate(reversed(states))]
        return ParserPlace(other.shallow_stack(cells), one.place.widths, one.place.brackets), one.column

    return reader.mapped(configuration, moved)
