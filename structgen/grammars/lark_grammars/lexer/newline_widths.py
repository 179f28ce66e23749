"""Finds the widths that lark's indenter may see after a newline.

A *newline* here is a lexeme of the terminal that the indenter reads, such as `/\\n */`. Its *width* is the
*column* at its end: the blanks and tabs after its last *line break*, the byte `\\n`. A *carry* is what the
end of the newline demands of the text after it. A *letter* is what the next lexeme may become.

`/(\\n *)+/` can reach any width from wherever it is, since another line break sets the column to 0. `/\\n */`
can have any width too, and `/\\n\\t*/` any multiple of a tab. But inside them the column matters: a smaller
one cannot come any more. `/\\n/` has the width 0 only. `/\\n+ */` can have any width, but what may follow
depends on it: after a blank another newline may begin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from structgen.grammars.lark_grammars.lexer.contextual_lexer import DEAD
from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerTables


class Widths(NamedTuple):
    """What a grammar's newlines allow as widths."""

    goes_on: bool = True
    """Whether from each state inside a newline, whatever may follow it may follow with each width. Then the
    column inside a newline does not matter."""
    has_each: bool = True
    """Whether before the first byte of a newline, whatever may follow it may follow with each width that any
    newline has, and there are always wider ones. Then lines may be read as if a newline had each width."""
    first: int = 0
    """The column from which on columns repeat, with the period `every`."""
    every: int = 1
    """The period of the repetition, in columns."""


def widths_of(
    rows: LexerTables,
    starts: set[int],
    terminals_of: Callable[[int], frozenset[int]],
    letters_behind: Callable[[int], Sequence[int]],
) -> Widths:
    """Return the widths of the newlines of a grammar.

    `rows`: the lexer's tables; `starts`: the states before a lexeme; `terminals_of`: returns the terminals
    that the lexeme of a state may become; `letters_behind`: returns for a carry of a newline the letters that
    may follow, as bits, one number for each context. A newline `/\\n/` gives `Widths(goes_on=False, ...)`.
    Cost: the rows of all states of the newline, and about 50 us for each."""
    indentation = rows.lexer.tables.indentation
    if indentation is None:
        return Widths()
    newlines = _Newlines(rows, starts, indentation.newline, terminals_of, letters_behind)
    states_by_column, first = newlines.states_by_column(max(1, indentation.tab_size))
    # [columns][line breaks]: the bits of what may follow the newlines that end there.
    end_bits = [[newlines.end_bits(states) for states in by_break] for by_break in states_by_column]
    possible_columns = [by_break for by_break in end_bits if any(by_break)]
    # Columns from `first` on repeat for ever, so if one of them is a width, there are wider ones.
    has_wider = any(map(any, end_bits[first:]))
    leads = newlines.lead_bits()
    sufficient_bits = newlines.sufficient_bits()
    goes_on = all(_has_each(bits, end_bits, sufficient_bits) for bits in leads.values())
    has_each = has_wider and all(
        _has_each(leads[state], possible_columns, sufficient_bits) for state in starts
    )
    return Widths(goes_on, has_each, first, len(states_by_column) - first)


def _has_each(
    lead_bits: int,
    columns: Sequence[Sequence[int]],
    sufficient_bits: Mapping[int, int],
) -> bool:
    """Return whether a state of the lexer can end a newline with each column, with as much allowed after it
    as without regard to columns.

    `lead_bits`: the line breaks that the state leads to (low bits), and what may follow the newline (high
    bits). `columns`: for each column and line break, the high bits of the newlines that end there.
    `sufficient_bits`: for each high bit, the high bits after which at least as much may follow."""
    for end_bits_of_breaks in columns:
        bits_with_column = 0
        for number, end_bits in enumerate(end_bits_of_breaks):
            if lead_bits >> number & 1:
                bits_with_column |= end_bits
        for bit, sufficient in sufficient_bits.items():
            if lead_bits & bit and not bits_with_column & sufficient:
                return False
    return True


class _Newlines:
    """The states of the lexer inside a newline, and what each leads to, as bits of one number.

    The low bits stand for line breaks: bit n is the n-th state after a line break. The high bits, above
    these, stand for what may follow a newline: there is one for each different row of letters by contexts."""

    def __init__(
        self,
        rows: LexerTables,
        starts: set[int],
        newline: int,
        terminals_of: Callable[[int], frozenset[int]],
        letters_behind: Callable[[int], Sequence[int]],
    ) -> None:
        """Find the states inside a newline. `newline`: its terminal; other parameters: see `widths_of`."""
        self._rows = rows
        self._newline = newline
        self._terminals_of = terminals_of
        self._letters_behind = letters_behind
        classes = rows.lexer.classes
        self._break, self._tab, self._blank = (classes[byte] for byte in b"\n\t ")
        # Classes of the lexer: a blank may be of one class with another byte, which keeps the column.
        self._others = {byte_class for byte, byte_class in enumerate(classes) if byte not in b"\n\t "}
        self._states = sorted(starts)
        visited = set(starts)
        self._following: dict[int, set[int]] = {}
        for state in self._states:  # the loop appends to the list
            self._following[state] = self._states_after((state,), range(rows.lexer.width))
            self._states += sorted(self._following[state] - visited)
            visited |= self._following[state]
        break_states = sorted(self._states_after(self._states, (self._break,)))
        self._break_number = {state: number for number, state in enumerate(break_states)}
        self._bits: dict[tuple[int, ...], int] = {}
        """What may follow a newline, a row of letters by contexts -> its bit."""

    def _states_after(self, states: Iterable[int], classes: Iterable[int]) -> set[int]:
        """Return the states inside a newline that come after any of `states` and a byte of `classes`."""
        columns = sorted(classes)
        next_states: set[int] = set()
        for state in states:
            self._rows.put_row(state)
            next_states.update(self._rows.moves[state, columns].tolist())
        next_states.discard(DEAD)
        return {state for state in next_states if self._newline in self._terminals_of(state)}

    def _with_same_column(self, states: Iterable[int]) -> list[int]:
        """Return `states`, and the states after any bytes that do not change the column."""
        pending = list(dict.fromkeys(states))
        for state in pending:  # the loop appends to the list
            pending += self._states_after((state,), self._others).difference(pending)
        return pending

    def states_by_column(self, tab_size: int) -> tuple[list[list[list[int]]], int]:
        """Return the states for each column and each line break: those that have the column after it. The
        list ends before columns repeat. Also return the column from which on they repeat. `tab_size`: the
        columns of a tab."""
        no_states: list[list[int]] = [[]] * len(self._break_number)
        column_zero = [self._with_same_column((state,)) for state in self._break_number]
        # Columns below 0 have no states. They are put first, so that a tab always has a column to come from.
        columns = [*[no_states] * tab_size, column_zero]
        number_of_window: dict[object, int] = {}
        while True:
            # The next column depends on the last `tab_size` ones alone: once these repeat, all later ones do.
            window = tuple(frozenset(states) for by_break in columns[-tab_size:] for states in by_break)
            if window in number_of_window:
                break
            number_of_window[window] = len(number_of_window)
            next_column = []
            for blank_sources, tab_sources in zip(columns[-1], columns[-tab_size], strict=True):
                next_states = self._states_after(blank_sources, (self._blank,))
                next_states |= self._states_after(tab_sources, (self._tab,))
                next_column.append(self._with_same_column(next_states))
            columns.append(next_column)
        return columns[tab_size : tab_size + len(number_of_window)], number_of_window[window]

    def end_bits(self, states: Iterable[int]) -> int:
        """Return what may follow the newlines that end in any of `states`, as high bits of one number."""
        bits = 0
        for state in states:
            for terminal, carry in self._rows.lexer.states[state].ends:
                letter_row = tuple(self._letters_behind(carry)) if terminal == self._newline else ()
                if letter_row:
                    new_bit = 1 << (len(self._break_number) + len(self._bits))
                    bits |= self._bits.setdefault(letter_row, new_bit)
        return bits

    def lead_bits(self) -> dict[int, int]:
        """Return for each state the bits of all that it leads to: line breaks, what may follow newlines."""
        bits = {}
        for state in self._states:
            break_states = self._states_after((state,), (self._break,))
            break_bits = sum(1 << self._break_number[target] for target in break_states)
            bits[state] = self.end_bits((state,)) | break_bits
        has_changed = True
        while has_changed:
            has_changed = False
            # Backwards, since a state mostly leads to later ones: few rounds are enough.
            for state in reversed(self._states):
                reachable_bits = bits[state]
                for next_state in self._following[state]:
                    reachable_bits |= bits[next_state]
                has_changed |= reachable_bits != bits[state]
                bits[state] = reachable_bits
        return bits

    def sufficient_bits(self) -> dict[int, int]:
        """Return for each high bit the high bits, with itself, after which at least as much may follow."""

        def allows_as_much(row: Sequence[int], other_row: Sequence[int]) -> bool:
            # Each letter of `row` is in `other_row`, in each context.
            pairs = zip(row, other_row, strict=True)
            return not any(letters & ~other_letters for letters, other_letters in pairs)

        return {
            bit: sum(
                other_bit for other_row, other_bit in self._bits.items() if allows_as_much(row, other_row)
            )
            for row, bit in self._bits.items()
        }
