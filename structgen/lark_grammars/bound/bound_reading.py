"""Reads texts of a Lark grammar with bound terminals, symbol by symbol.

Where the parser allows a bound terminal, the text continues either with lark's lexer, or with a text of the
bound grammar, which may end as soon as it is complete. lark's lexer never looks for bound terminals. So a
configuration is a set of *items*: readings of lark's lexer, as in the machine, and texts of bound grammars,
each with the carry of the lexeme before it.

Whether an item can be completed is shown by a plan. Each bound terminal has a character of its own as a
pattern (a stand-in), a text of that grammar is completed like that of any Lark grammar, each such character
is replaced by the shortest bound text, and the plan is read. Where no plan is read to its end, all texts are
searched, the nearest to an end first.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Final, NamedTuple, TypeAlias, Union

from structgen.errors import LimitError
from structgen.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.lark_grammars.compiled.costs import UNREACHABLE, Distances, SymbolCosts
from structgen.lark_grammars.compiled.lark_completions import Endings, text_ends
from structgen.lark_grammars.compiled.lark_language import bytes_alone
from structgen.lark_grammars.compiled.loaded_lark import LarkGrammar
from structgen.lark_grammars.lexer.contextual_lexer import DEAD, Lexer
from structgen.lark_grammars.lexer.effort import Effort
from structgen.lark_grammars.lexer.lexer_tables import LexerTables
from structgen.lark_grammars.machine.lark_masks import place_behind
from structgen.lark_grammars.reading.loaded_grammar import Context, ParserTables
from structgen.limits import Limits
from structgen.text_grammars.machine.language import TOKEN, Config, Language

_NO_CHARACTER: Final = 0xFF
"""A byte of no text. lark's patterns see it in place of a special token."""
_TRIED: Final = 12
"""How many ends of a lexeme are tried, those with the shortest text first."""
Rest: TypeAlias = "tuple[int, ...]"
"""The symbols of a completion."""


class InsideBound(NamedTuple):
    """An item inside a bound text."""

    place: int
    """The place before it."""
    terminal: int
    config: Config
    """The configuration of its own language."""
    carry: int
    """What the lexeme before owes."""


class Lexing(NamedTuple):
    """A reading of lark's lexer."""

    place: int
    state: int
    """DEAD: no lexeme may come; the text may end."""
    column: int
    carry: int
    """Between two lexemes what is owed; DEAD inside one."""


Item: TypeAlias = Union[Lexing, InsideBound]
Items: TypeAlias = frozenset[Item]
NOTHING: Final[Items] = frozenset()


def without(tables: ParserTables, terminals: Collection[int]) -> ParserTables:
    """Return the tables of a grammar whose lexer does not look for some terminals."""
    contexts = tuple(
        Context(tuple(one for one in context.terminals if one not in terminals), context.unless)
        for context in tables.contexts
    )
    kept = tuple(
        replace(one, pattern=None, where="") if number in terminals else one
        for number, one in enumerate(tables.terminals)
    )
    return replace(tables, contexts=contexts, terminals=kept)


class _Planned(NamedTuple):
    """The grammar with stand-ins, as the machine takes it."""

    tables: ParserTables
    is_local: bool
    limits: Limits
    digest: str = ""


class BoundReader:
    """Steps items without checking whether they are live. Not thread-safe."""

    def __init__(self, grammar: LarkGrammar, bound: Mapping[int, Language | None], limits: Limits) -> None:
        """`grammar`: with stand-ins; `bound`: the languages of the bound terminals, by number (None: without
        a text). Raises GrammarError where there is no text, LimitError."""
        self.bound = {terminal: of for terminal, of in bound.items() if of is not None}
        dead = {terminal for terminal, of in bound.items() if of is None}
        is_local = grammar.is_local
        tables = without(grammar.tables, dead) if dead else grammar.tables
        named = [
            replace(one, where="") if at in bound else one for at, one in enumerate(tables.terminals)
        ]  # stand-ins are not shown
        tables = replace(tables, terminals=tuple(named))
        self.planned = CompiledLark(_Planned(tables, is_local, limits), bytes_alone(), limits, False, False)
        self.planned.answers.read_whole_table()
        self.effort = Effort(limits)
        with self.effort.begin():
            self.lexer = Lexer(without(grammar.tables, bound), is_local, self.effort)
        self.rows = LexerTables(self.lexer, lambda _name, _value: None)
        self.tables = grammar.tables
        self.starts = {terminal: language.start() for terminal, language in self.bound.items()}
        self.counts_tokens = any(language.counts_tokens for language in self.bound.values())
        indentation = grammar.tables.indentation
        self.newline = -1 if indentation is None else indentation.newline
        self._tab = 0 if indentation is None else indentation.tab_size
        self._settled: dict[tuple[int, int, int, int], Items] = {}
        self._read: dict[tuple[int, int, int], int] = {}

    # --- places ---------------------------------------------------------------------------------------------

    def read(self, place: int, terminal: int, column: int) -> int:
        """Return the place after a lexeme, below 0 where it is an error."""
        key = place, terminal, column
        known = self._read.get(key)
        if known is None:
            known = self._read[key] = self.planned.answers.call_keeping(place_behind, *key)
        return known

    def ends(self, place: int) -> bool:
        """Return whether the text may end at a place."""
        return self.planned.answers.call_keeping(text_ends, place) == 1

    def column_after(self, column: int, byte: int) -> int:
        """Return the column behind one more byte of a lexeme that may be the indenter's newline."""
        if byte == 10:
            return 0
        return column if column < 0 else column + {9: self._tab, 32: 1}.get(byte, 0)

    # --- items ----------------------------------------------------------------------------------------------

    def start(self) -> Items:
        """Return the items before the first symbol."""
        (reading,) = self.planned.readings(self.planned.start.index)
        return self.fresh(reading[0], self.lexer.first)

    def fresh(self, place: int, carry: int) -> Items:
        """Return the items between two lexemes."""
        context = int(self.tables.context_of[self.planned.answers.top(place)])
        with self.effort.begin():
            state = self.rows.start(context, carry)
        column = -1 if state >= 0 and self.rows.may_break(state) else 0
        return self._made(place, state, column, carry)

    def _made(self, place: int, state: int, column: int, carry: int) -> Items:
        """Return a reading with the bound texts that may come at once."""
        key = place, state, column, carry
        known = self._settled.get(key)
        if known is None:
            found: set[Item] = {Lexing(place, state, column, carry)}
            before = [(place, carry)] if carry >= 0 else []
            for terminal, left in self.lexer.states[state].ends if state >= 0 else ():
                before.append((self.read(place, terminal, column), left))
            for at, owed in before:
                for one, start in self.starts.items() if at >= 0 else ():
                    if self.read(at, one, 0) >= 0:
                        found.add(InsideBound(at, one, start, owed))
            known = self._settled[key] = frozenset(found)
        return known

    def moved(self, state: int, byte: int) -> int:
        """Return the lexer's state after a byte, or DEAD."""
        if state < 0:
            return DEAD
        with self.effort.begin():
            self.rows.put_row(state)
        return int(self.rows.moves[state, self.lexer.classes[byte]])

    def step(self, items: Iterable[Item], symbol: int) -> Items:
        """Return the items after a symbol; none if every continuation is an error."""
        found: set[Item] = set()
        for item in items:
            found |= (
                self._in_bound(item, symbol)
                if isinstance(item, InsideBound)
                else self._in_lexeme(item, symbol if symbol < TOKEN else _NO_CHARACTER)
            )
        return frozenset(found)

    def _in_bound(self, item: InsideBound, symbol: int) -> Items:
        language = self.bound[item.terminal]
        after = language.step(item.config, symbol)
        if after is None:
            return NOTHING
        kind = self.lexer.classes[symbol if symbol < TOKEN else _NO_CHARACTER]
        carry = self.lexer.carry_after(item.carry, kind)
        if carry == DEAD:
            return NOTHING
        found: Items = frozenset((InsideBound(item.place, item.terminal, after, carry),))
        if not language.accepts(after):
            return found
        return found | self.fresh(self.read(item.place, item.terminal, 0), carry)

    def _in_lexeme(self, item: Lexing, byte: int) -> Items:
        found: Items = NOTHING
        for place, state, column in self.readings(item):
            to = self.moved(state, byte)
            if to >= 0:
                at = self.column_after(column, byte) if self.rows.may_break(to) else 0
                found |= self._made(place, to, at, DEAD)
        return found

    def readings(self, item: Lexing) -> Iterator[tuple[int, int, int]]:
        """Yield the reading of an item, and those of the lexemes that may begin where this one ends."""
        yield item.place, item.state, item.column
        for terminal, carry in self.lexer.states[item.state].ends if item.state >= 0 else ():
            after = self.read(item.place, terminal, item.column)
            if after >= 0:
                for one in self.fresh(after, carry):
                    if isinstance(one, Lexing):
                        yield one.place, one.state, one.column

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
        lexer = self.lexer
        if item.carry >= 0 and lexer.holds_at_end(item.carry) and self.ends(item.place):
            return True
        for terminal in lexer.ends_with_text(item.state) if item.state >= 0 else ():
            after = self.read(item.place, terminal, item.column)
            if after >= 0 and self.ends(after):
                return True
        return False

    def bounded(self, items: Iterable[Item]) -> Items:
        """Return the items after the end of a token."""
        found: set[Item] = set()
        for item in items:
            if isinstance(item, Lexing):
                found.add(item)
                continue
            config = self.bound[item.terminal].boundary(item.config)
            if config is not None:
                found.add(item._replace(config=config))
        return frozenset(found)


class Proofs:
    """Completions of items, memoised."""

    def __init__(self, reader: BoundReader, limits: Limits, symbols: list[int]) -> None:
        """`symbols`: one of each class."""
        self._reader, self._limits, self._symbols = reader, limits, symbols
        patterns = {one: reader.tables.terminals[one].pattern for one in reader.bound}
        self._words = {
            patterns[one]: tuple(language.shortest(reader.starts[one]))
            for one, language in reader.bound.items()
        }
        """For each stand-in: the shortest text of its bound grammar."""
        self._rests: dict[Item, Rest | None] = {}
        self._behind: dict[tuple[int, int], bool] = {}
        self._plans: dict[int, list[Rest]] = {}
        self._endings: dict[int, Endings] = {}
        costs = SymbolCosts(reader.planned.answers.letters, is_whole=False)
        self._distances = Distances(costs, reader.planned.cells)

    def is_live(self, item: Item) -> bool:
        """Return whether an item can be completed. Raises LimitError if the work budget was spent."""
        lexer = self._reader.lexer
        if not isinstance(item, InsideBound) or not lexer.is_local or item.carry != lexer.nothing:
            return self.rest(item) is not None
        # a bound text can always end, and what follows does not depend on which text it was
        key = item.place, item.terminal
        if key not in self._behind:
            self._behind[key] = self.rest(item) is not None
        return self._behind[key]

    def rest(self, item: Item) -> Rest | None:
        """Return a short completion of an item, empty if it is complete; None if there is none.

        Raises LimitError if the work budget was spent before this was known.
        """
        if item not in self._rests:
            rest = self._rests[item] = self._find(item)
            if rest is not None:
                self._note(item, rest)
        return self._rests[item]

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
        for rest in self._ways(item):
            if reader.accepts(reader.run((item,), rest)):
                return rest
        return None if self._is_refuted(item) else self._search(item)

    def _ways(self, item: Item) -> list[Rest]:
        """Return possible completions of an item, shortest first."""
        reader, found = self._reader, dict[Rest, None]()
        if isinstance(item, InsideBound):
            word = tuple(reader.bound[item.terminal].shortest(item.config))
            after = reader.read(item.place, item.terminal, 0)
            found.update(dict.fromkeys((word, *(word + rest for rest in self._planned(after)))))
        else:
            if item.carry >= 0:
                found.update(dict.fromkeys(self._planned(item.place)))
            for terminal, text in self._ends(item):
                column = item.column
                for byte in text:
                    column = reader.column_after(column, byte)
                place = reader.read(item.place, terminal, column)
                if place >= 0:
                    found.update(dict.fromkeys((text, *(text + rest for rest in self._planned(place)))))
        return sorted(found, key=len)[: 2 * _TRIED]

    def _planned(self, place: int) -> list[Rest]:
        """Return the planned completions of a place, with and without an ignored lexeme first."""
        known = self._plans.get(place)
        if known is None:
            try:
                plans = self._reader.planned.rests.of_place(place)
            except LimitError:
                plans = []  # the search will tell
            known = self._plans[place] = [self._written(text) for text in plans]
        return known

    def _written(self, text: bytes) -> Rest:
        """Return a planned text with the bound texts in place of their stand-ins."""
        found: list[int] = []
        for char in text.decode("utf-8", "surrogateescape"):
            found += self._words.get(char) or char.encode("utf-8", "surrogateescape")
        return tuple(found)

    def _ends(self, item: Lexing) -> Iterator[tuple[int, Rest]]:
        """Yield the terminals that a lexeme may become, each with texts up to its end."""
        reader = self._reader
        for _text, terminal, _carry in self._of_state(item.state)[:_TRIED]:
            if terminal != reader.newline:
                yield terminal, tuple(_text)
                continue
            widths = reader.planned.answers.widths(item.place)
            for lead in (_text, _text + b"\n"):
                column = item.column
                for byte in lead:
                    column = reader.column_after(column, byte)
                if column >= 0:
                    blanks = [width - column for width in (*widths, widths[0] + 1) if width >= column]
                    yield from ((terminal, (*lead, *[32] * blank)) for blank in blanks)

    def _of_state(self, state: int) -> list[tuple[bytes, int, int]]:
        """Return the ends that are reached from a state of the lexer, shortest first."""
        if state < 0:
            return []
        known = self._endings.get(state)
        if known is None:
            reader = self._reader
            known = self._endings[state] = Endings(reader.rows, reader.effort, state, reader.newline)
            with reader.effort.begin():
                while not known.is_whole:
                    known.extend()
        return [tuple(one) for one in known.found]  # type: ignore[misc]

    def terminals(self, state: int) -> set[int]:
        """Return the terminals that a lexeme may become in a state of the lexer."""
        return {terminal for _text, terminal, _carry in self._of_state(state)}

    def _is_refuted(self, item: Item) -> bool:
        """Return whether the parser refuses all terminals that a lexeme may become."""
        reader = self._reader
        if isinstance(item, InsideBound):
            return False
        for place, state, _column in reader.readings(item):
            for terminal in self.terminals(state):
                if terminal == reader.newline or reader.read(place, terminal, 0) >= 0:
                    return False
        return True

    # --- all texts ------------------------------------------------------------------------------------------

    def _search(self, *items: Item) -> Rest | None:
        """Return a text that completes one of the items; None if there is none: all texts are tried."""
        reader, steps, order = self._reader, 0, count()
        queue: list[tuple[int, int, Rest, Item]] = []
        seen = set(items)
        for item in items:
            heapq.heappush(queue, (0, next(order), (), item))
        while queue:
            _estimate, _order, text, item = heapq.heappop(queue)
            known = self._rests.get(item)
            if known is not None:
                return text + known
            for symbol in self._symbols:
                steps += 1
                if steps > self._limits.oracle_steps:
                    raise LimitError(
                        "The work budget was spent before it was known whether a text can continue here.",
                        limit="oracle_steps",
                        where="grammar",
                    )
                after = reader.step((item,), symbol)
                if reader.accepts(after):
                    return (*text, symbol)
                for one in after - seen:
                    if self._is_wider(item, one):
                        continue
                    seen.add(one)
                    distance = self._distances.of(reader.planned.stack(one.place))
                    if distance < UNREACHABLE and self._rests.get(one, ()) is not None:
                        heapq.heappush(queue, (len(text) + distance, next(order), (*text, symbol), one))
        for item in seen:
            self._rests.setdefault(item, None)
        return None

    def _is_wider(self, before: Item, after: Item) -> bool:
        """Return whether a line was deeper than all open indentations before its last blank: its
        continuations are those with one blank less."""
        if not isinstance(before, Lexing) or not isinstance(after, Lexing) or after.place != before.place:
            return False
        return after.column > before.column > self._reader.planned.answers.widths(after.place)[0]
