"""Letters that are certain, from one lexeme for each terminal.

`letters` has all that lexemes may leave to the text behind them, if no pattern looks around. Of any lexer a
few are enough to tell that a text goes on: each terminal is written as its shortest lexeme, and the lexer is
asked. In most places this is read as the terminal between two *separators* (ignored texts of a byte, a blank
if there is one), whatever comes behind. Such a letter owes nothing. Where the separator does not decide it,
because the lexeme may go on or its pattern looks further, the letter owes the state of its lexeme and the
slot at which it ended: only lexemes may follow that decide for this slot.

There may be more letters than these. So a stack from which they lead to the text's end is live, and of others
nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.lexer.lexeme_rows import S_ITEMS, S_LOOK_BEHIND
from structgen.lark_grammars.lexer.lexemes import DECIDED, Move
from structgen.lark_grammars.liveness.letters import NOTHING, Obligations
from structgen.lark_grammars.reading.loaded_grammar import END

_LINE_BREAK: Final = 10
_MOST_REPEATED: Final = 4
"""How often the last byte of a lexeme is repeated."""
_MOST_SLOTS: Final = 16
"""The most slots of a state whose ends are letters."""


class ShortestLetters:
    """The letters of one lexer. Cost: 30 us for each terminal of a context. Not thread-safe."""

    BREAK: Final = -3
    """In place of an obligation, behind the indenter's newline: blanks may still be added, and no separator
    is needed."""

    def __init__(self, lexer: Lexer, separator: bytes, lines: Callable[[], frozenset[int]]) -> None:
        """`separator`: an ignored byte, or none; `lines`: the states of the indenter's newline after its line
        break."""
        self._lexer, self._tables = lexer, lexer.tables
        self._separator, self._lines = separator, lines
        indentation = lexer.tables.indentation
        self.newline = NOTHING if indentation is None else indentation.newline
        """The indenter's newline; NOTHING if there is none."""
        self._known: dict[tuple[int, int], tuple[int, bool] | None] = {}
        self._texts: dict[tuple[int, int], tuple[int, bytes]] = {}
        self._letters: dict[tuple[int, int], dict[int, Obligations]] = {}
        self._without_words: dict[int, int] = {}

    def of(self, context: int, owed: int, inside: bool) -> Mapping[int, Obligations]:
        """Return the letters that may come in a context: obligations by terminal. `inside`: the indenter's
        newline is ignored."""
        known = self._letters.get((context, owed))
        if known is None:
            known = self._letters[context, owed] = self._find(context, owed)
        if inside and self.newline in known:
            return {terminal: lefts for terminal, lefts in known.items() if terminal != self.newline}
        return known

    def _find(self, context: int, owed: int) -> dict[int, Obligations]:
        found: dict[int, Obligations] = {}
        for terminal in sorted(self._tables.contexts[context].every_terminal - self._tables.ignored - {END}):
            if owed >= 0:
                left = self._behind(context, owed, terminal)
            else:
                left, is_bare = self._separated(context, terminal) or (None, False)
                if owed == self.BREAK and not is_bare:
                    left = None
            if left is not None:
                found[terminal] = (left,)
        return found

    def may_end(self, context: int, owed: int) -> bool:
        """Return whether the text may end between two lexemes."""
        if owed == self.BREAK:
            return True
        if owed >= 0:
            state, slot = divmod(owed, _MOST_SLOTS)
            move = self._lexer.end(state)
            return move.after == DECIDED and move.sources[0] == slot
        if not self._separator:
            return True
        move = self._lexer.move(self._start(context, END), self._separator[0])
        if move.after >= 0:
            move = self._lexer.end(move.after)
        return move.after == DECIDED and -1 - move.sources[0] in self._tables.ignored

    def _start(self, context: int, terminal: int) -> int:
        line = (_LINE_BREAK,) if self.newline != NOTHING else ()
        return self._lexer.partial_start(context, terminal, *self._separator[:1], *line)

    def _text(self, context: int, terminal: int) -> tuple[int, bytes]:
        """Return the state before a terminal's lexeme, and its shortest text; empty if it has none."""
        key = context, terminal
        known = self._texts.get(key)
        if known is None:
            start = self._start(context, terminal)
            known = self._texts[key] = start, self._lexer.shortest_text(start, terminal) or b""
        return known

    def _separated(self, context: int, terminal: int) -> tuple[int, bool] | None:
        """Return what the shortest lexeme of a terminal behind a separator leaves, and whether it may also
        stand right behind the indenter's newline; None if it is not read as this terminal."""
        key = context, terminal
        if key not in self._known:
            self._known[key] = self._find_separated(context, terminal)
        return self._known[key]

    def _find_separated(self, context: int, terminal: int) -> tuple[int, bool] | None:
        lexer = self._lexer
        start, word = self._text(context, terminal)
        if not word or (self._separator and not self._follows_separator(start, word[0])):
            return None
        left = self._left(start, word, terminal)
        if left is None or left == self.BREAK:
            return None if left is None else (left, False)
        lines = self._lines() if self.newline != NOTHING else frozenset()
        is_bare = bool(lines) and all(lexer.move(one, word[0]) == Move(DECIDED, (0,)) for one in lines)
        return left, is_bare

    def _left(self, start: int, word: bytes, terminal: int) -> int | None:
        """Return what a text leaves as a lexeme of a terminal; None if it may be another."""
        lexer = self._lexer
        if terminal == self.newline:
            return self.BREAK if lexer.move(start, _LINE_BREAK).after in self._lines() else None
        if self._separator and lexer.is_separated(start, terminal, word, self._separator[0]):
            return NOTHING
        state = start
        for at, byte in enumerate(word, 1):
            move = lexer.move(state, byte)
            if move.after == DECIDED and at == len(word):
                return NOTHING if move.sources[0] == -1 - terminal else None
            state = move.after
            if state < 0:
                return None
        return self.owed_at(self._repeated(state, word[-1], terminal), terminal)

    def _repeated(self, state: int, byte: int, terminal: int) -> int:
        """Return a state that a repeated byte does not change, so that most lexemes of a terminal lead to it;
        the given one if there is none near."""
        after = state
        for _ in range(_MOST_REPEATED):
            further = self._lexer.move(after, byte).after
            if further < 0 or self.owed_at(further, terminal) is None:
                break
            if further == after:
                return after
            after = further
        return state

    def owed_at(self, state: int, terminal: int) -> int | None:
        """Return what a lexeme leaves that ended as a terminal in a state: a number for the state and its
        slot; None if it has no such slot."""
        items = self._lexer.items
        slots = [slot.terminal for slot in self._lexer.states[state].slots[:_MOST_SLOTS]]
        if terminal not in slots:
            return None
        known = self._without_words.get(state)
        if known is None:
            # whether more bytes make a keyword is of no matter to whether they make a lexeme
            words = items.state(state)
            known = items.settled(words[S_ITEMS:], items.behinds[words[S_LOOK_BEHIND]], (), 0)
            self._without_words[state] = known
        return _MOST_SLOTS * known + slots.index(terminal)

    def _behind(self, context: int, owed: int, terminal: int) -> int | None:
        """Return what the shortest lexeme of a terminal leaves, with a separator before it or without, if it
        decides for the lexeme whose state is owed; else None."""
        start, word = self._text(context, terminal)
        if not word:
            return None
        for before in (b"", self._separator):
            if before and not self._follows_separator(start, word[0]):
                continue
            if self._decides(owed, before + word):
                return self._left(start, word, terminal)
        return None

    def _decides(self, owed: int, text: bytes) -> bool:
        """Return whether a lexeme has ended at a slot, as a text behind it shows."""
        state, slot = divmod(owed, _MOST_SLOTS)
        for byte in text:
            move = self._lexer.move(state, byte)
            if move.after == DECIDED:
                return move.sources[0] == slot
            if move.after < 0 or slot not in move.sources:
                return False
            state, slot = move.after, move.sources.index(slot)
        return False

    def _follows_separator(self, start: int, byte: int) -> bool:
        """Return whether a byte after the separator decides that the separator is ignored."""
        lexer, ignored = self._lexer, self._tables.ignored
        move = lexer.move(start, self._separator[0])
        if move.after == DECIDED:
            return -1 - move.sources[0] in ignored
        if move.after < 0 or lexer.end(move.after).after != DECIDED:
            return False
        slots = lexer.states[move.after].slots
        after = lexer.move(move.after, byte)
        return [slot.terminal in ignored for slot in slots] == [True] and after == Move(DECIDED, (0,))
