"""Which lexemes may come next, and which matches the text behind them must not complete.

lark's lexer takes the match that its best thread finds, however late. So a lexeme that ended while better
threads were alive is a lexeme only if none of these threads ever matches: the text behind it has an
*obligation*, a set of threads that must die. A *letter* is a terminal with the obligation that its lexeme
leaves. Letters are what the parser's liveness is computed over (`saturation`), as if the lexer were not
there.

The fewer threads, the more texts: of several obligations that lexemes of one terminal may leave, only the
minimal ones are kept (an antichain). Obligations that a separator ends, and behind which the same letters
may come as behind none, are none (`_find_separator`: they are bisimilar).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Final, TypeAlias

from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.lexer.lexeme_items import Slot
from structgen.lark_grammars.lexer.lexeme_rows import S_ITEMS, S_LOOK_BEHIND, S_TRACKED, S_UNLESS
from structgen.lark_grammars.lexer.lexemes import DEAD, DECIDED
from structgen.lark_grammars.lexer.work_budget import FOLLOW_STEPS
from structgen.lark_grammars.reading.loaded_grammar import END, ParserTables

NOTHING: Final = -1
"""The empty obligation; and in place of a lexeme state: it has no threads."""
_VIOLATED: Final = -2
_SEPARATORS: Final = b" \n\t"
"""Bytes that are tried as separators, before those with which other ignored lexemes begin."""
_COLUMNS: Final = 2
"""Columns of new lines that are told apart: 0, 1, and more."""

Obligations: TypeAlias = tuple[int, ...]
"""An antichain of obligations. An obligation is a number of a lexeme state of threads alone, in the order
of their numbers."""


class Letters:
    """The letters of one lexer whose patterns have no look-arounds. Not thread-safe."""

    def __init__(self, lexer: Lexer) -> None:
        self._lexer, self._items, self._tables = lexer, lexer.items, lexer.tables
        self._spend = lexer.items.budget.spend
        self._obligation_of: dict[int, int] = {}
        self._threads_of: dict[int, int] = {}
        self._sets: dict[int, frozenset[int]] = {NOTHING: frozenset()}
        self._joined: dict[tuple[int, int], int] = {}
        self._released: dict[int, bool] = {}
        self._ends: dict[tuple[int, int, int], Obligations] = {}
        self._letters: dict[tuple[int, int, bool], Mapping[int, Obligations]] = {}
        newline = NOTHING if self._tables.indentation is None else self._tables.indentation.newline
        self.newline = newline
        """The indenter's newline; NOTHING if there is none."""
        self._terminals = [self._accepted(context) for context in range(len(self._tables.contexts))]
        self._separator, self._behind_separator = NOTHING, NOTHING
        self._find_separator()

    def _accepted(self, context: int) -> list[int]:
        """Return the terminals that the parser may take in a context."""
        tables = self._tables
        taken = (tables.actions[tables.context_of == context] != 0).any(axis=0)
        every = tables.contexts[context].every_terminal - tables.ignored - {END}
        return sorted(one for one in every if taken[one])

    # --- obligations ----------------------------------------------------------------------------------------

    def threads(self, state: int) -> int:
        """Return the lexeme state without slots; NOTHING if there are no threads."""
        known = self._threads_of.get(state)
        if known is None:
            words = self._items.state(state)
            items = self._plain(words[S_ITEMS:])
            known = NOTHING
            if items:
                behind, tracked = (
                    self._items.behinds[words[S_LOOK_BEHIND]],
                    self._items.tracked(words[S_TRACKED]),
                )
                known = self._items.settled(items, behind, tracked, words[S_UNLESS])
            self._threads_of[state] = known
        return known

    def obligation(self, state: int) -> int:
        """Return the threads of a lexeme state as an obligation."""
        known = self._obligation_of.get(state)
        if known is None:
            words = self._items.state(state)
            known = self._of_items(self._plain(words[S_ITEMS:]), words[S_LOOK_BEHIND])
            self._obligation_of[state] = known
        return known

    def joined(self, one: int, other: int) -> int:
        """Return the obligation of both."""
        if one == NOTHING or other == NOTHING or one == other:
            return max(one, other)
        known = self._joined.get((one, other))
        if known is None:
            behind = self._items.state(one)[S_LOOK_BEHIND]
            known = self._joined[one, other] = self._of_items(self._sets[one] | self._sets[other], behind)
        return known

    def _plain(self, items: Iterable[int]) -> list[int]:
        return [one for one in items if not isinstance(self._items.objects[one], Slot)]

    def _of_items(self, items: Iterable[int], behind: int) -> int:
        held = frozenset(items)
        if not held:
            return NOTHING
        found = self._items.settled(sorted(held), self._items.behinds[behind], (), 0)
        self._sets[found] = held
        return found

    def _minimal(self, obligations: Iterable[int]) -> Obligations:
        """Return the minimal ones of some obligations, after those that are none were replaced."""
        every = sorted({self.reduced(one) for one in obligations})
        if NOTHING in every:
            return (NOTHING,)
        sets = self._sets
        return tuple(one for one in every if not any(sets[other] < sets[one] for other in every))

    def reduced(self, owed: int) -> int:
        """Return NOTHING if the same letters may come behind an obligation as behind none, else the
        obligation."""
        if owed == NOTHING or self._separator == NOTHING:
            return owed
        known = self._released.get(owed)
        if known is None:
            held = self._behind_separator
            known = held != NOTHING and self._sets[owed] <= self._sets[held]
            known = known or self._after(owed, self._separator) == NOTHING
            self._released[owed] = known
        return NOTHING if known else owed

    def _after(self, owed: int, byte: int) -> int:
        """Return an obligation after a byte; _VIOLATED if a thread matches."""
        if owed == NOTHING:
            return NOTHING
        move = self._lexer.move(owed, byte)
        if move.after == DEAD:
            return NOTHING
        return _VIOLATED if move.after == DECIDED or move.sources else self.obligation(move.after)

    # --- ends of one lexeme ---------------------------------------------------------------------------------

    def ends(self, state: int, owed: int, terminal: int) -> Obligations:
        """Return what a lexeme may leave that goes on from a state, by one byte at least, and ends as a
        terminal, while an obligation is open; empty if it cannot. Cost: 30 us where the shortest lexeme
        leaves nothing, else all states between."""
        key = state, owed, terminal
        known = self._ends.get(key)
        if known is None:
            text = self._lexer.shortest_text(state, terminal)
            left = self._read(state, owed, text, terminal) if text else _VIOLATED
            if left != _VIOLATED and self.reduced(left) == NOTHING:
                known = (NOTHING,)
            elif text is None and self._lexer.is_unreachable(state, terminal):
                known = ()
            else:
                known = self._minimal(left for left, _column in self.columns(state, owed, terminal, 0, 0))
            self._ends[key] = known
        return known

    def _read(self, state: int, owed: int, text: bytes, terminal: int) -> int:
        """Return what the lexeme of a text leaves, _VIOLATED if it is none of the terminal, or breaks the
        obligation."""
        for at, byte in enumerate(text, 1):
            owed = self._after(owed, byte)
            move = self._lexer.move(state, byte)
            ended = at == len(text) and -1 - terminal in move.sources
            if owed == _VIOLATED or (move.after < 0 and not (ended and move.after == DECIDED)):
                return _VIOLATED
            if ended:
                return owed if move.after == DECIDED else self.joined(owed, self.obligation(move.after))
            state = move.after
        return _VIOLATED

    def columns(self, state: int, owed: int, terminal: int, column: int, most: int) -> set[tuple[int, int]]:
        """Return the same for each column at which the lexeme may end, without minimising: pairs of an
        obligation and a column. `column`: that of the state, -1 before the first line break; `most`:
        columns above are counted as this one. The search ends as soon as a lexeme leaves nothing, where
        columns do not matter."""
        found: set[tuple[int, int]] = set()
        lines = terminal == self.newline and most > 0
        first = self.threads(state)
        if first == NOTHING:
            return found
        met: dict[tuple[int, int], list[int]] = {(first, column): [owed]}
        pending = [(first, owed, column)]
        for here, open_, at in pending:
            self._spend(FOLLOW_STEPS)
            if any(one != open_ and self._sets[one] < self._sets[open_] for one in met[here, at]):
                continue
            for byte, after, named, left in self._moves(here, open_, lines):
                there = _column(at, byte, self._tab_size, most) if lines else at
                if named == terminal:
                    kept = left if after == DECIDED else self.joined(left, self.obligation(after))
                    found.add((self.reduced(kept), there))
                    if not lines and self.reduced(kept) == NOTHING:
                        return found
                if after < 0 or terminal not in self._lexer.viable_terminals(after):
                    continue
                further = self.threads(after)
                if further == NOTHING:
                    continue
                known = met.setdefault((further, there), [])
                if not any(self._sets[one] <= self._sets[left] for one in known):
                    known.append(left)
                    pending.append((further, left, there))
        return found

    @property
    def _tab_size(self) -> int:
        indentation = self._tables.indentation
        return 0 if indentation is None else indentation.tab_size

    def _moves(self, state: int, owed: int, lines: bool) -> list[tuple[int, ...]]:
        """Return the different moves of a lexeme's threads together with an obligation: a byte, the state
        after it, the terminal that matches (NOTHING: none), and the obligation after it."""
        found: dict[tuple[int, int, int, int], int] = {}
        lexer = self._lexer
        row = lexer.row(state)
        beside = None if owed == NOTHING else lexer.row(owed)
        for byte in range(256) if lines else lexer.representative:
            kind = lexer.classes[byte]
            move, left = row[kind], NOTHING
            if move.after == DEAD:
                continue
            if beside is not None:
                other = beside[kind]
                if other.after == DECIDED or other.sources:
                    continue
                left = NOTHING if other.after == DEAD else self.obligation(other.after)
            named = next((-1 - one for one in move.sources if one < 0), NOTHING)
            apart = byte if lines and byte in b"\t\n " else NOTHING
            found.setdefault((move.after, named, left, apart), byte)
        return [(byte, *rest) for (*rest, _apart), byte in found.items()]

    # --- what may come between two lexemes ------------------------------------------------------------------

    def of(self, context: int, owed: int, inside: bool) -> Mapping[int, Obligations]:
        """Return the letters that may come next in a context, behind any ignored lexemes: obligations by
        terminal. `inside`: the indenter's newline is ignored."""
        key = context, self.reduced(owed), inside and self.newline != NOTHING
        known = self._letters.get(key)
        if known is None:
            known = self._letters[key] = self._find_letters(*key)
        return known

    def may_end(self, context: int, owed: int) -> bool:
        """Return True: at the text's end no thread matches any more."""
        return True

    def _find_letters(self, context: int, owed: int, inside: bool) -> Mapping[int, Obligations]:
        lexer, before = self._lexer, self._lexer.initial_look_behind()
        opened = [owed]
        """The open obligation, and those that ignored lexemes leave."""
        ignored = self._tables.ignored | ({self.newline} if inside else set())
        for one in opened if owed != NOTHING else ():
            for terminal in ignored & self._tables.contexts[context].every_terminal:
                for left in self.ends(lexer.start(context, before), one, terminal):
                    if left == NOTHING:
                        return self.of(context, NOTHING, inside)
                    if not any(self._sets[other] <= self._sets[left] for other in opened):
                        opened.append(left)
        found: dict[int, Obligations] = {}
        for terminal in self._terminals[context]:
            start = lexer.partial_start(context, terminal)
            lefts = self._minimal(left for one in opened for left in self.ends(start, one, terminal))
            if lefts and not (inside and terminal == self.newline):
                found[terminal] = lefts
        return found

    # --- separators -----------------------------------------------------------------------------------------

    def _find_separator(self) -> None:
        """Find an ignored byte that ends obligations: behind each obligation that it ends the same letters
        may come as behind none, if that holds where it is assumed of the obligations of these letters."""
        firsts = {text[0] for one in self._tables.ignored for text in self._lexer.sample_lexemes(one) if text}
        for byte in (*_SEPARATORS, *sorted(firsts - {*_SEPARATORS})):
            behind = self._behind(byte)
            if behind == _VIOLATED:
                continue
            self._separator, self._behind_separator = byte, behind
            if all(self._is_separated(context, behind) for context in range(len(self._tables.contexts))):
                break
            self._separator = self._behind_separator = NOTHING
            self._released.clear()
            self._ends.clear()
        self._released.clear()

    def _behind(self, byte: int) -> int:
        """Return all that an ignored lexeme of a byte leaves in any context; _VIOLATED if it is not
        ignored."""
        found = NOTHING
        for context in range(len(self._tables.contexts)):
            move = self._lexer.move(self._lexer.partial_start(context, END, byte), byte)
            if not any(-1 - one in self._tables.ignored for one in move.sources):
                return _VIOLATED
            if move.after >= 0:
                found = self.joined(found, self.obligation(move.after))
        return found

    def _is_separated(self, context: int, behind: int) -> bool:
        """Return whether the same letters may come behind a separator as behind none."""
        for terminal in self._terminals[context]:
            start = self._lexer.partial_start(context, terminal)
            if self.ends(start, NOTHING, terminal) != self.ends(start, behind, terminal):
                return False
        return True

    # --- lines ----------------------------------------------------------------------------------------------

    @cached_property
    def has_free_lines(self) -> bool:
        """Whether the indenter's newline may end at each column, and the same letters may come behind it."""
        lefts: set[int] = set()
        before = self._lexer.initial_look_behind()
        for start in {self._lexer.start(context, before) for context in range(len(self._tables.contexts))}:
            found = self.columns(start, NOTHING, self.newline, -1, _COLUMNS)
            lefts |= {left for left, _column in found}
            if found and (min(column for _left, column in found) < 0 or not self._has_free_line(start)):
                return False
        contexts = range(len(self._tables.contexts))
        return all(
            len({tuple(self.of(context, left, inside).items()) for left in lefts}) <= 1
            for context in contexts
            for inside in (False, True)
        )

    def _has_free_line(self, start: int) -> bool:
        """Return whether a newline goes on with blanks for ever, from its line break on."""
        text = self._lexer.shortest_text(start, self.newline) or b""
        state = start
        for byte in text if text.endswith(b"\n") else text + b"\n":
            state = self._lexer.move(state, byte).after
            if state < 0:
                return False
        for _ in range(_COLUMNS + 2):
            slots = [slot.terminal for slot in self._lexer.states[state].slots]
            after = self._lexer.move(state, 32).after
            if slots != [self.newline] or after < 0:
                return False
            if after == state:
                return True
            state = after
        return False


def _column(column: int, byte: int, tab_size: int, most: int) -> int:
    """Return a column after a byte."""
    if byte == 10:
        return 0
    if column < 0:
        return column
    return min(most, column + (tab_size if byte == 9 else int(byte == 32)))


class AnyLetters:
    """More letters than there are: each terminal of a context, without an obligation."""

    def __init__(self, tables: ParserTables) -> None:
        self._tables = tables

    def of(self, context: int, owed: int, inside: bool) -> Mapping[int, Obligations]:
        """Return the terminals of a context."""
        every = self._tables.contexts[context].every_terminal - self._tables.ignored - {END}
        return dict.fromkeys(every, (owed,))

    def may_end(self, context: int, owed: int) -> bool:
        """Return True: no more is asked."""
        return True
