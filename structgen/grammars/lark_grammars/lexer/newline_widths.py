"""Which widths lark's indenter may find behind a newline: the columns behind the last line break in it.

`/(\\n *)+/` goes on to each width, from wherever it is. `/\\n */` may have each, and `/\\n\\t*/` each that
counts, but its column matters: it cannot go on to each other one. `/\\n/` has one; and `/\\n+ */` each, but
behind a blank one more newline may follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerTables


class Widths(NamedTuple):
    """What is known of the widths of newlines."""

    goes_on: bool = True
    """Whether what may follow a newline may follow it with each width: then its column is of no matter."""
    has_each: bool = True
    """Whether before its first byte it may follow with each width that any newline has, and there are
    always wider ones: then lines may be read as if it had each."""
    first: int = 0
    """From this column on..."""
    every: int = 1
    """... columns do the same after so many."""


def widths_of(
    rows: LexerTables,
    starts: set[int],
    terminals_of: Callable[[int], frozenset[int]],
    letters_behind: Callable[[int], Sequence[int]],
) -> Widths:
    """Return the widths of the newlines of a grammar. `starts`: the states before a lexeme;
    `terminals_of`: what a state may become; `letters_behind`: what may follow a newline that leaves a carry,
    as bits, in some contexts. Cost: the rows of all states of the newline, and about 50 us for each."""
    lines = rows.lexer.tables.indentation
    if lines is None:
        return Widths()
    newlines = _Newlines(rows, starts, lines.newline, terminals_of, letters_behind)
    columns, first = newlines.states_by_column(max(1, lines.tab_size))
    carries = [[newlines.end_bits(states) for states in some] for some in columns]
    has_wider, used = any(map(any, carries[first:])), [some for some in carries if any(some)]
    leads, at_least = newlines.lead_bits(), newlines.at_least()
    goes_on = all(_has_each(leads[state], carries, at_least) for state in leads)
    has_each = has_wider and all(_has_each(leads[state], used, at_least) for state in starts)
    return Widths(goes_on, has_each, first, len(columns) - first)


def _has_each(here: int, columns: Sequence[Sequence[int]], at_least: Mapping[int, int]) -> bool:
    """Return whether a state that leads to some line breaks and carries (bits) leads, with each column behind
    them, to carries that do for each of its own."""
    for some in columns:
        left_behind = 0
        for number, left_bits in enumerate(some):
            left_behind |= left_bits if here >> number & 1 else 0
        if any(here & bit and not left_behind & sufficient for bit, sufficient in at_least.items()):
            return False
    return True


class _Newlines:
    """The states of the lexer in which a newline goes on. Line breaks have numbers, by the state behind each;
    what newlines leave behind them are bits above those of line breaks."""

    def __init__(
        self,
        rows: LexerTables,
        starts: set[int],
        newline: int,
        terminals_of: Callable[[int], frozenset[int]],
        letters_behind: Callable[[int], Sequence[int]],
    ) -> None:
        self._rows, self._newline, self._terminals_of, self._letters_behind = (
            rows,
            newline,
            terminals_of,
            letters_behind,
        )
        classes = rows.lexer.classes
        self._break, self._tab, self._blank = (classes[byte] for byte in b"\n\t ")
        self._others = {byte_class for byte, byte_class in enumerate(classes) if byte not in b"\n\t "}
        self._states, visited = sorted(starts), set(starts)
        self._following: dict[int, set[int]] = {}
        for state in self._states:  # the list grows meanwhile
            self._following[state] = self._states_after((state,), range(rows.lexer.width))
            self._states += sorted(self._following[state] - visited)
            visited |= self._following[state]
        break_states = sorted(self._states_after(self._states, (self._break,)))
        self._break_number = {state: number for number, state in enumerate(break_states)}
        self._bits: dict[tuple[int, ...], int] = {}
        """What may follow a newline, by contexts -> its bit."""

    def _states_after(self, states: Iterable[int], classes: Iterable[int]) -> set[int]:
        """Return the states of a newline behind bytes of some classes."""
        states_behind, columns = set[int](), sorted(classes)
        for state in states:
            self._rows.put_row(state)
            states_behind.update(self._rows.moves[state, columns].tolist())
        return {to for to in states_behind if to >= 0 and self._newline in self._terminals_of(to)}

    def _with_same_column(self, states: Iterable[int]) -> list[int]:
        """Return states, and those behind any bytes that leave the column as it is."""
        pending = list(dict.fromkeys(states))
        for state in pending:  # the list grows meanwhile
            pending += self._states_after((state,), self._others).difference(pending)
        return pending

    def states_by_column(self, tab_size: int) -> tuple[list[list[list[int]]], int]:
        """Return for each column and each line break the states that have the column behind it, as long as
        they do not come again; and the column that comes again then."""
        nothing = [list[int]()] * len(self._break_number)
        columns = [nothing] * tab_size + [[self._with_same_column((state,)) for state in self._break_number]]
        met = dict[object, int]()
        while (last := tuple(frozenset(some) for at in columns[-tab_size:] for some in at)) not in met:
            met[last] = len(met)
            sources = zip(columns[-1], columns[-tab_size], strict=True)
            next_states = [
                self._states_after(blank_sources, (self._blank,))
                | self._states_after(tab_sources, (self._tab,))
                for blank_sources, tab_sources in sources
            ]
            columns.append([self._with_same_column(states) for states in next_states])
        return columns[tab_size : tab_size + len(met)], met[last]

    def end_bits(self, states: Iterable[int]) -> int:
        """Return what newlines leave that end in some states, as bits."""
        bits = 0
        for terminal, carry in (end for state in states for end in self._rows.lexer.states[state].ends):
            if terminal == self._newline and (letter_row := tuple(self._letters_behind(carry))):
                bits |= self._bits.setdefault(letter_row, 1 << (len(self._break_number) + len(self._bits)))
        return bits

    def lead_bits(self) -> dict[int, int]:
        """Return the line breaks that each state leads to, and what newlines leave, as bits."""
        bits = {}
        for state in self._states:
            breaks = (self._break_number[to] for to in self._states_after((state,), (self._break,)))
            bits[state] = self.end_bits((state,)) | sum(1 << number for number in breaks)
        has_changed = True
        while has_changed:
            has_changed = False
            for state in reversed(self._states):
                reachable_bits = bits[state]
                for to in self._following[state]:
                    reachable_bits |= bits[to]
                has_changed |= reachable_bits != bits[state]
                bits[state] = reachable_bits
        return bits

    def at_least(self) -> dict[int, int]:
        """Return for each bit of what newlines leave the bits behind which as much may follow."""
        return {
            bit: sum(
                other_bit
                for other_row, other_bit in self._bits.items()
                if not any(
                    letters & ~other_letters
                    for letters, other_letters in zip(letter_row, other_row, strict=True)
                )
            )
            for letter_row, bit in self._bits.items()
        }
