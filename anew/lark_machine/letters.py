"""Which lexemes may come next: the letters over which the parser's liveness is computed, as if there were
no lexer.

A *letter* is a terminal with a *kind*: the carry that its end leaves. Kinds behind which the same letters
may come in every context, ignored lexemes in between included, are one (E. F. Moore's partitions). A *class
of endings* is the set of letters that a state of the lexer may become.

Most carries are freed by a separator: a byte that begins an ignored lexeme in every context, behind which
nothing is owed. If behind that byte the same letters may come as at once, such a carry is kind 0: it owes
nothing (a bisimulation). Whether they do is checked, because an ignored lexeme may take in what must come:
behind `#` of `/#[^\\n]*/` nothing else comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from anew.lark_machine.lexer import NOTHING_OWED
from anew.lark_machine.lexer_tables import LexerTables
from structgen.errors import GrammarError
from structgen.lark_grammars.reading.loaded_grammar import END
from structgen.native.jit import entry

_SEPARATORS: Final = b" \n\t"
NOWHERE: Final = -1
"""In place of the letters behind a kind, in a context in which it is never met."""


@entry("int64(int32[:, ::1], int64, int64, uint64[:, ::1])")
def spread_endings(
    moves: npt.NDArray[np.int32], first: int, count: int, endings: npt.NDArray[np.uint64]
) -> int:
    """Add to the endings of states, from `first` on, as rows of bits, those of the states that follow: a
    least fixpoint. Returns how many rounds it took."""
    changed, rounds = True, 0
    while changed:
        changed = False
        rounds += 1
        for state in range(count - 1, first - 1, -1):
            for kind in range(moves.shape[1]):
                after = moves[state, kind]
                if after >= 0:
                    for w in range(endings.shape[1]):
                        more = endings[after, w] & ~endings[state, w]
                        if more:
                            endings[state, w] |= more
                            changed = True
    return rounds


class Letters:
    """The letters, kinds and classes of endings of one grammar. Their numbers stay; more may come
    (`letters` grows: then the saturation is made again)."""

    def __init__(self, rows: LexerTables) -> None:
        """Cost: the whole automaton of the lexer. Raises LimitError where that is too large."""
        self.rows, self.lexer = rows, rows.lexer
        self.tables = rows.lexer.tables
        indentation = self.tables.indentation
        dropped = frozenset() if indentation is None else frozenset((indentation.newline,))
        self._ignored = (self.tables.ignored, self.tables.ignored | dropped)
        """Without and with an open bracket."""
        for context in range(rows.contexts):
            rows.start(context, self.lexer.nothing)
        rows.start(self.tables.context_of[self.tables.start], self.lexer.first)
        rows.explore()
        self._check_newlines()
        for byte in _SEPARATORS if self.lexer.is_local else b"":
            self._begin(self.lexer.classes[byte])
            if self._separates():
                break
        else:
            self._begin(-1)
        self._merge()

    def _check_newlines(self) -> None:
        """Raise GrammarError where the indenter's newline cannot go on to every width: only then is the
        column that a newline has so far of no matter to what may follow."""
        indentation, states = self.tables.indentation, self.lexer.states
        if indentation is None:
            return
        breaks = np.array([any(end[0] == indentation.newline for end in one.ends) for one in states])
        after = self.rows.moves[: len(states)][breaks][:, [self.lexer.classes[byte] for byte in b"\n "]]
        if not (breaks[after] & (after >= 0)).all():
            shown = self.tables.terminals[indentation.newline].shown
            raise GrammarError(
                f"The indenter's newline, {shown}, cannot go on to every width.",
                where="postlex",
                cure=r"Have it read blank lines too, as (\r?\n[\t ]*)+ does.",
            )

    def _begin(self, separator: int) -> None:
        """Begin anew with a class of bytes as the separator, -1: none."""
        self._separator = separator
        self.letters: list[tuple[int, int]] = [(END, 0)]
        """By number: a terminal and the kind of its carry."""
        self._number_of: dict[tuple[int, int], int] = {(END, 0): 0}
        self.kinds: list[int] = [self.lexer.nothing]
        """A carry of each kind; kind 0 owes nothing."""
        self._members: list[list[int]] = [[self.lexer.nothing]]
        """The carries that were each a kind, and are one now."""
        self.kind_of: dict[int, int] = {self.lexer.nothing: 0}
        self._own_kinds: dict[int, int] = {self.lexer.nothing: 0}
        self.classes: list[tuple[int, ...]] = [()]
        """The letters of each class of endings; class 0 never ends."""
        self._class_of: dict[tuple[int, ...], int] = {(): 0}
        self._voids: dict[int, bool] = {}
        self._bits: npt.NDArray[np.uint64] = np.zeros((0, 1), np.uint64)
        self._known_bits: dict[bytes, int] = {}
        self._reached: dict[tuple[int, int, bool], int] = {}
        self.rows.end_class[:] = -1
        self._where: dict[int, set[int]] = {}
        """The contexts in which each kind may be met."""
        self._used: set[int] = set()
        """The letters of classes."""
        self._less: dict[tuple[int, int], bool] = {}
        first = self.kind_of_carry(self.lexer.first)
        self._where[first] = {int(self.tables.context_of[self.tables.start])}
        self._classify()
        self._close()

    def _close(self) -> None:
        """Know what may follow all letters of classes."""
        before = -1
        while before != (before := self.rows.states):
            for kind, contexts in list(self._where.items()):
                for context in contexts:
                    self.rows.start(context, self.kinds[kind])
            self.rows.explore()
            self._classify()

    # --- letters --------------------------------------------------------------------------------------------

    def kind_of_carry(self, carry: int) -> int:
        """Return the kind of a carry."""
        kind = self.kind_of.get(carry)
        if kind is None:
            separator = self._separator
            is_freed = separator >= 0 and self.rows.carry_row(carry)[separator] == NOTHING_OWED
            kind = self.kind_of[carry] = 0 if is_freed else self._own_kind(carry)
        return kind

    def _own_kind(self, carry: int) -> int:
        """Return the kind of a carry that nothing frees."""
        kind = self._own_kinds.get(carry)
        if kind is None:
            kind = self._own_kinds[carry] = len(self.kinds)
            self.kinds.append(carry)
            self._members.append([carry])
        return kind

    def _letter(self, terminal: int, carry: int) -> int:
        # what an ignored lexeme owes is never taken for nothing: that would be to assume what is to be shown
        kind = self._own_kind(carry) if terminal in self._ignored[1] else self.kind_of_carry(carry)
        key = terminal, kind
        number = self._number_of.get(key)
        if number is None:
            number = self._number_of[key] = len(self.letters)
            self.letters.append(key)
        return number

    def _minimal(self, letters: Sequence[int]) -> list[int]:
        """Return the letters without those that owe more than another one of the same terminal: less owed,
        more may follow. What may follow those that stay is to be known."""
        by_terminal: dict[int, list[int]] = {}
        for one in letters:
            by_terminal.setdefault(self.letters[one][0], []).append(one)
        found = []
        for terminal, some in by_terminal.items():
            kinds = [self.letters[one][1] for one in some]
            for one, kind in zip(some, kinds, strict=True):
                if not any(other != kind and self._owes_less(other, kind) for other in kinds):
                    found.append(one)
                    if terminal != END and one not in self._used:
                        self._used.add(one)
                        self._where.setdefault(kind, set()).update(self.tables.contexts_after(terminal))
        return sorted(found)

    def _owes_less(self, kind: int, other: int) -> bool:
        """Return whether whatever may follow one kind may follow another one as well."""
        if kind == 0:
            return True
        known = self._less.get((kind, other))
        if known is None:
            one, two = self._owed(kind), self._owed(other)
            known = one[0] == two[0] and one[1] <= two[1] and one[2] <= two[2]
            self._less[kind, other] = known
        return known

    def _owed(self, kind: int) -> tuple[object, frozenset[int], frozenset[int]]:
        """Return what look-behinds know behind a kind, the items that must not end, and the guards that
        must hold."""
        guards, behind = self.lexer.carries[self.kinds[kind]]
        of = self.lexer.items.guards
        never = frozenset(item for one in guards if not of[one].holds for item in of[one].items)
        return behind, never, frozenset(one for one in guards if of[one].holds)

    def _is_void(self, carry: int) -> bool:
        """Return whether nothing may follow a carry, not even the text's end."""
        known = self._voids.get(carry)
        if known is None:
            known = not self.rows.carry_row(carry).any() and not self.lexer.holds_at_end(carry)
            self._voids[carry] = known
        return known

    # --- classes of endings ---------------------------------------------------------------------------------

    def class_of(self, state: int) -> int:
        """Return the class of endings of a state of the lexer. Cost: once, what is reached from it."""
        if self.rows.end_class[state] < 0:
            self.lexer.journal.append((-2, state))
            self.rows.explore()
            self._classify()
            self._close()
        return int(self.rows.end_class[state])

    def _classify(self) -> None:
        """Name the classes of endings of new states, whose moves are all known."""
        first, count = len(self._bits), self.rows.states
        lexer = self.lexer
        own: list[set[int]] = []
        for state in range(first, count):
            found = {self._letter(*end) for end in lexer.states[state].ends if not self._is_void(end[1])}
            if lexer.instructions.uses_end:  # some lexeme ends with the text alone
                only = lexer.only_the_end()
                found |= {self._letter(terminal, only) for terminal in lexer.ends_with_text(state)}
            own.append(found)
        words = (len(self.letters) + 63) // 64
        bits = np.zeros((count, words), np.uint64)
        bits[:first, : self._bits.shape[1]] = self._bits
        if words != self._bits.shape[1]:
            self._known_bits.clear()
        for state, some in enumerate(own, first):
            for one in some:
                bits[state, one >> 6] |= np.uint64(1 << (one & 63))
        spread_endings(self.rows.moves, first, count, bits)
        self._bits = bits
        end_class = self.rows.end_class
        for state in range(first, count):
            key = bits[state].tobytes()
            number = self._known_bits.get(key)
            if number is None:
                flags = np.unpackbits(np.frombuffer(key, np.uint8), bitorder="little")
                least = self._minimal(np.flatnonzero(flags).tolist())
                number = self._known_bits[key] = self._class(tuple(least))
            end_class[state] = number

    def _class(self, letters: tuple[int, ...]) -> int:
        number = self._class_of.get(letters)
        if number is None:
            number = self._class_of[letters] = len(self.classes)
            self.classes.append(letters)
        return number

    # --- boundaries -----------------------------------------------------------------------------------------

    def available(self, context: int, kind: int, inside: bool) -> int:
        """Return the letters that may come in a context behind a kind, ignored lexemes in between included,
        as bits; bit 0: the text's end. `inside`: a bracket is open."""
        key = context, kind, inside
        known = self._reached.get(key)
        if known is None:
            known = self._reached[key] = self._behind(context, (), (kind,), inside)
        return known

    def _behind(self, context: int, letters: tuple[int, ...], kinds: tuple[int, ...], inside: bool) -> int:
        """Return some letters, those behind the ignored ones among them, and those behind some kinds."""
        ignored, lexer = self._ignored[inside], self.lexer
        found, met, pending, fresh = 0, set(kinds), list(kinds), list(letters)
        while fresh or pending:
            for one in fresh:
                terminal, kind = self.letters[one]
                if terminal not in ignored:
                    found |= 1 << one
                elif kind not in met:
                    met.add(kind)
                    pending.append(kind)
            fresh = []
            if pending:
                # of kinds that are one, ignored lexemes may lead from one to another
                for carry in self._members[pending.pop()]:
                    found |= 1 if lexer.holds_at_end(carry) else 0
                    state = self.rows.start(context, carry)
                    fresh += self.classes[self.class_of(state)] if state >= 0 else ()
        return found

    def _separates(self) -> bool:
        """Return whether behind the separator the same letters may come as at once, in every context."""
        separator, rows = self._separator, self.rows
        for context in range(rows.contexts):
            start = rows.start(context, self.lexer.nothing)
            after = int(rows.moves[start, separator]) if start >= 0 else -1
            if after < 0:
                return False
            letters = self.classes[self.class_of(after)]
            for inside in (False, True) if self.tables.indentation else (False,):
                if self._behind(context, letters, (), inside) != self.available(context, 0, inside):
                    return False
        self._reached.clear()
        return True

    # --- kinds that are one ---------------------------------------------------------------------------------

    def _merge(self) -> None:
        """Make those kinds one behind which the same letters may come (by partitions that are refined)."""
        kinds = range(len(self.kinds))
        insides = (False, True) if self.tables.indentation else (False,)
        contexts = range(self.rows.contexts)
        behind = [
            [
                self.available(context, kind, inside) if context in self._where.get(kind, ()) else NOWHERE
                for context in contexts
                for inside in insides
            ]
            for kind in kinds
        ]
        ones = {row: _ones(row) for some in behind for row in some if row != NOWHERE}
        part, parts = [0] * len(kinds), 1
        while True:
            met: dict[int, frozenset[tuple[int, int]]] = {NOWHERE: frozenset()} | {
                row: frozenset((self.letters[one][0], part[self.letters[one][1]]) for one in some)
                for row, some in ones.items()
            }
            numbers: dict[tuple[object, ...], int] = {}
            finer = [
                numbers.setdefault((part[k], *map(met.__getitem__, behind[k])), len(numbers)) for k in kinds
            ]
            part = finer
            if len(numbers) == parts:
                break
            parts = len(numbers)
        members: list[list[int]] = [[] for _ in range(parts)]
        for kind, one in enumerate(part):
            members[one].append(self.kinds[kind])
        self._members = members
        self.kinds = [some[0] for some in members]
        # a kind that was never met was not looked at: where it is met later, it is a new one
        self.kind_of = {carry: part[kind] for carry, kind in self.kind_of.items() if kind in self._where}
        own = self._own_kinds.items()
        self._own_kinds = {carry: part[kind] for carry, kind in own if kind in self._where}
        where: dict[int, set[int]] = {}
        for kind, met_in in self._where.items():
            where.setdefault(part[kind], set()).update(met_in)
        self._where = where
        self._less.clear()
        letters: list[tuple[int, int]] = []
        self._number_of = {}
        moved = []
        for one, (terminal, kind) in enumerate(self.letters):
            key = terminal, part[kind]
            if terminal != END and one not in self._used:
                moved.append(-1)
                continue
            if key not in self._number_of:
                self._number_of[key] = len(letters)
                letters.append(key)
            moved.append(self._number_of[key])
        self.letters, self._used = letters, set(range(len(letters)))
        merged = [tuple(sorted({moved[one] for one in some})) for some in self.classes]
        self.classes, self._class_of = [], {}
        renamed = np.array([self._class(some) for some in merged], np.int32)
        known = self.rows.end_class[: len(self._bits)]
        known[:] = renamed[known]
        bits = np.zeros((len(self._bits), (len(letters) + 63) // 64), np.uint64)
        rows = np.zeros((len(self.classes), bits.shape[1]), np.uint64)
        for number, some in enumerate(self.classes):
            for one in some:
                rows[number, one >> 6] |= np.uint64(1 << (one & 63))
        self._bits = rows[known] if len(known) else bits
        self._known_bits.clear()
        self._reached.clear()


def _ones(bits: int) -> list[int]:
    """Return the numbers of the bits that are set."""
    found = []
    while bits:
        low = bits & -bits
        found.append(low.bit_length() - 1)
        bits ^= low
    return found
