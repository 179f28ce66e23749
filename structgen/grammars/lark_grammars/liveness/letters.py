"""Which lexemes may come next: the letters over which the parser's liveness is computed, as if there were
no lexer.

A letter is a terminal with a kind: the carry that its end leaves (`liveness` has an example). Kinds behind
which the same letters may come in every context, ignored lexemes in between included, are one (E. F. Moore's
partitions).

The whole automaton is not made for that. As what a lexeme may end is followed from a state through those
states that still have the terminal's items, and no further than to an end that owes nothing, or to a state of
which the same is known. Where that is not settled among so many states, or a terminal has too many kinds, the
terminal has the letter of kind UNSETTLED beside those that were found: it may have more. Letters that were
found are certain, so what they lead to is; where they lead nowhere and an unsettled one is met, `liveness`
searches.

Most carries are freed by a separator: a blank, a tab or a newline that begins an ignored lexeme, behind which
nothing is owed. If behind that byte the same letters may come as at once, in each context behind the
terminal, such a carry is kind 0: it owes nothing (a bisimulation, whose contexts are a greatest fixpoint).
Whether they do is checked, because an ignored lexeme may take in what must come: behind `#` of `/#[^\\n]*/`
nothing else comes. A newline alone frees what no text on the line may end: behind an operator `%`, beside
`/%.*?%/`, the rest of the line has no `%`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from structgen.base.language.remembering import remember_answers
from structgen.grammars.lark_grammars.lexer.instructions import NO_TERMINAL
from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerTables
from structgen.grammars.lark_grammars.lexer.newline_widths import Widths, widths_of
from structgen.grammars.lark_grammars.liveness.frames import blocks_are_even
from structgen.grammars.lark_grammars.reading.loaded_grammar import END

_SEPARATORS: Final = b"\n \t"
NOWHERE: Final = -1
"""In place of the letters behind a kind, in a context in which it is never met."""
UNSETTLED: Final = 1
"""The kind of a letter that says: this terminal may have more letters than were found."""
_FOLLOWED: Final = 16
"""States that are followed, at least, until all ends of a terminal that owe something are known, or where
something is owed already..."""
_MOST_LOOKED_AT: Final = 4096
"""... and until one is known; and kinds times contexts, from which on a terminal in a state of the lexer gets
no second kind that is new."""


_MADE_AGAIN: Final = (
    "rows", "lexer", "tables", "_ignored_terminals", "_insides", "_contexts_behind_of", "_taken_terminals",
    "remembered terminals_of", "remembered states_by_terminal",
    "_found_by", "_ends",
)  # fmt: skip
"""What is not kept: the grammar's tables say it, or the lexer."""


class Letters:
    """The letters, kinds and classes of endings of one grammar. The letters are listed when they are made:
    what a lexeme may become later on beside them is the unsettled letter of its terminal."""

    def __init__(self, rows: LexerTables, kept_values: dict[str, Any] | None = None) -> None:
        """`kept_values`: what another process has kept, of a lexer with the same numbers. Cost: else what
        begins a lexeme in each context, and what ends it. Raises LimitError."""
        self.rows, self.lexer = rows, rows.lexer
        self.tables = rows.lexer.tables
        indentation = self.tables.indentation
        newline_set = frozenset() if indentation is None else frozenset((indentation.newline,))
        self._ignored_terminals = (self.tables.ignored_terminals, self.tables.ignored_terminals | newline_set)
        """Without and with an open bracket."""
        self._insides = (False, True) if indentation else (False,)
        self._contexts_behind_of = self._contexts_behind()
        """The contexts behind each terminal that the parser reads."""
        contexts = range(rows.contexts)
        self._taken_terminals = [
            [self._taken_in(context, ignored_terminals) for context in contexts]
            for ignored_terminals in self._ignored_terminals
        ]
        """The terminals that are taken in each context, without and with an open bracket."""
        self._found_by: dict[tuple[object, ...], frozenset[int]] = {}
        self._ends: dict[int, dict[int, frozenset[int]]] = {}
        if kept_values is not None:
            vars(self).update(kept_values)
            self.widths = Widths(*kept_values["widths"])
            return
        for context in range(rows.contexts):
            rows.start(context, self.lexer.nothing)
        self._find_separators()
        self._close_letters()
        self._merge_kinds()
        self._is_merged = True
        self._close_letters()  # of kinds that are one, more letters may be met
        if self.unsettled_bits and not self.lexer.is_local:
            # behind what was not followed, other terminals may be met
            for terms in self.tables.contexts:
                for terminal in terms.every_terminal:
                    self._letter_number(terminal, UNSETTLED)
        self._with.clear()
        self.listed_count = len(self.letters)
        """How many letters are listed. Past them are unsettled ones alone."""
        self._are_settled = not self.unsettled_bits
        """Whether these are all that may be met behind a lexeme."""
        members = ((carry, met) for kind, met in self._where.items() for carry in self._members[kind])
        starts = {rows.start(context, carry) for carry, met in members for context in met} - {NOWHERE}
        self.widths = widths_of(rows, starts, self.terminals_of, self._behind_newline)
        """Which widths the indenter's newline may have."""
        produced_terminals = {
            *self.lexer.bound,
            *(terminal for start in starts for terminal in self.states_by_terminal(start)),
        }
        self.tell_lines = self.widths.has_each and blocks_are_even(self.tables, produced_terminals)
        """Whether letters tell how lines go on, if a newline's column is of no matter."""
        self.keeps_column = not (self.widths.goes_on and self.tell_lines)
        """Whether the column matters that a newline has so far."""

    @property
    def kept_values(self) -> dict[str, Any]:
        """What was decided, as plain values."""
        values = {name: value for name, value in vars(self).items() if name not in _MADE_AGAIN}
        return values | {"widths": tuple(self.widths)}

    def kinds_behind_ignored(self) -> dict[int, set[int]]:
        """Return the kinds that ignored lexemes leave, with the contexts in which each may be met."""
        kinds = {
            kind
            for terminal, kind in self.letters
            if terminal in self._ignored_terminals[1] and kind != UNSETTLED
        }
        return {kind: self._where[kind] for kind in kinds if kind in self._where}

    def _behind_newline(self, carry: int) -> list[int]:
        """Return the letters behind a newline that leaves a carry, by contexts. A carry of which these are
        not known is like no other one; in a grammar with many kinds none is returned: it is left out."""
        kind, lines = self._kind_of.get(self.lexer.alike_carry(carry), NOWHERE), self.tables.indentation
        newline = END if lines is None else lines.newline
        contexts_behind, number = (
            sorted(self._contexts_behind_of[newline]),
            self._number_of.get((newline, kind)),
        )
        if number is not None and self.met_bits >> number & 1:
            return [self.available_letters(context, kind, False) for context in contexts_behind]
        return [] if self.is_large else [1 << len(self.letters) + carry] * len(contexts_behind)

    def _taken_in(self, context: int, ignored_terminals: frozenset[int]) -> frozenset[int]:
        """Return the terminals that the parser takes in some state of a context, and the ignored ones."""
        is_taken = (self.tables.actions[self.tables.context_of == context] != 0).any(axis=0)
        return ignored_terminals | frozenset(np.flatnonzero(is_taken).tolist())

    def _contexts_behind(self) -> list[frozenset[int]]:
        """Return for each terminal the contexts behind it, where the parser reads it; behind a newline, also
        those behind the blocks that it opens or closes."""
        contexts_of = [
            set(self.tables.contexts_read(terminal)) for terminal in range(len(self.tables.terminals))
        ]
        lines = self.tables.indentation
        if lines is not None:
            contexts_of[lines.newline] |= contexts_of[lines.indent] | contexts_of[lines.dedent]
        return [frozenset(contexts) for contexts in contexts_of]

    # --- separators -----------------------------------------------------------------------------------------

    def _reset_letters(self, separators: dict[int, frozenset[int]]) -> None:
        """Begin anew with some classes of bytes as separators, each in some contexts."""
        self._separators, self._is_merged, self.listed_count = separators, False, 0
        nothing = self.lexer.nothing
        self._members: list[list[int]] = [[nothing], [nothing]]
        """The carries that were each a kind, and are one now."""
        self.kinds: list[int] = [nothing, nothing]
        """A carry of each kind; kind 0 owes nothing."""
        self._kind_of: dict[int, int] = {nothing: 0}
        self._put_letters([(END, 0)])
        self._frees: dict[int, list[int]] = {}
        """The separators behind which nothing of a carry is owed."""
        self._carries_found: dict[tuple[int, int], frozenset[int]] = {}
        self._found_by.clear()
        self._ends.clear()
        self._where: dict[int, set[int]] = {0: set(range(self.rows.contexts))}
        """The contexts in which each kind may be met behind a terminal that the parser reads."""
        self.classes: list[tuple[int, ...]] = [()]
        """The letters of each class of endings; class 0 never ends."""
        self._class_of: dict[tuple[int, int], int] = {(0, -1): 0}
        self.state_of: list[int] = [-1]
        """A state of each class."""
        self.first_kind = self._kind_of_carry(self.lexer.first)
        """The kind of the carry before the text."""
        self._where.setdefault(self.first_kind, set()).add(int(self.tables.context_of[self.tables.start]))

    def _find_separators(self) -> None:
        """Begin anew with each separator in all contexts in which it separates: a greatest fixpoint."""
        every = frozenset(range(self.rows.contexts) if self.lexer.is_local else ())
        separators = {self.lexer.classes[byte]: every for byte in _SEPARATORS}
        while True:
            self._reset_letters(separators)
            still_separating = {
                byte_class: frozenset(context for context in some if self._is_separator(context, byte_class))
                for byte_class, some in separators.items()
            }
            if still_separating == separators:
                return
            separators = still_separating

    def _is_separator(self, context: int, separator: int) -> bool:
        """Return whether behind a separator the same letters may come in a context as at once."""
        start = self.rows.start(context, self.lexer.nothing)
        if start < 0:
            return False
        self.rows.put_row(start)
        after = int(self.rows.moves[start, separator])
        if after < 0:
            return False
        return not any(
            self.available_letters(context, 0, inside)
            & ~self._letters_behind(context, self.letters_in(context, inside, after), (), inside)
            & ~self.unsettled_bits
            for inside in self._insides
        )

    # --- letters --------------------------------------------------------------------------------------------

    @property
    def is_large(self) -> bool:
        """Whether there are so many kinds that no more are made than must be."""
        return len(self.kinds) * self.rows.contexts > _MOST_LOOKED_AT

    def _put_letters(self, letters: list[tuple[int, int]]) -> None:
        """Take some letters for those that there are."""
        self.letters: list[tuple[int, int]] = []
        """By number: a terminal and the kind of its carry."""
        self._number_of: dict[tuple[int, int], int] = {}
        self.unsettled_bits = 0
        """Bits of the letters that say that there may be more."""
        self._dropped_bits = [0, 0]
        """Bits of the letters of ignored terminals, without and with an open bracket."""
        self._with: dict[tuple[int, frozenset[int]], int] = {}
        self._available_memo: dict[tuple[int, int, bool], int] = {}
        self._closed_size, self.met_bits = -1, 0
        """Bits of the letters that are met: what may come behind them is known."""
        for letter in letters:
            self._letter_number(*letter)

    def _letter_number(self, terminal: int, kind: int) -> int:
        key = terminal, kind
        number = self._number_of.get(key)
        if number is None:
            number = len(self._number_of)
            unsettled_bits = self.unsettled_bits | (kind == UNSETTLED) << number
            pairs = zip(self._dropped_bits, self._ignored_terminals, strict=True)
            dropped_bits = [
                bits | (terminal in ignored_terminals) << number for bits, ignored_terminals in pairs
            ]
            # one statement: no exception finds a part of a letter
            self.letters[number:], self._number_of[key], self.unsettled_bits, self._dropped_bits = (
                (key,),
                number,
                unsettled_bits,
                dropped_bits,
            )
        return number

    def _kind_of_carry(self, carry: int) -> int:
        kind = self._kind_of.get(carry)
        if kind is None:
            first = self.lexer.alike_carry(carry)
            if first not in self._kind_of:
                number = min(len(self.kinds), len(self._members))
                self.kinds[number:], self._members[number:], self._kind_of[first] = (
                    (first,),
                    ([first],),
                    number,
                )
            kind = self._kind_of[carry] = self._kind_of[first]
        return kind

    def _letters_with(self, terminal: int, carries: frozenset[int]) -> int:
        """Return the letters of a terminal with some carries, as bits: where there are many kinds already, no
        more than one new one."""
        known_bits = self._with.get((terminal, carries))
        if known_bits is not None:
            return known_bits
        bits, is_settled = 0, -1 not in carries
        for carry in sorted(carries - {-1}, key=self._weight_of_carry):
            kind = self._kind_of.get(carry, self._kind_of.get(self.lexer.alike_carry(carry), -1))
            number = self._number_of.get((terminal, kind), -1)
            if self.listed_count:
                is_left_out = number < 0 or not (self.met_bits | self._dropped_bits[0]) >> number & 1
            else:
                is_left_out = self.is_large and (number < 0 if self._is_merged else kind < 0 and bits > 0)
            if is_left_out:
                is_settled = False
            else:
                bits |= 1 << self._letter_number(terminal, self._kind_of_carry(carry))
        if not is_settled:
            bits |= 1 << self._letter_number(terminal, UNSETTLED)
        self._with[terminal, carries] = bits
        return bits

    def are_all(self, letters: int) -> bool:
        """Return whether some letters, as bits, and those that may follow them are all that there are."""
        return self._are_settled and not letters & self.unsettled_bits

    def letters_of(self, state: int, terminals: frozenset[int] | None = None) -> int:
        """Return the letters that a lexeme in a state of the lexer may become, as bits; of some terminals
        alone."""
        bits, some = 0, self.terminals_of(state)
        for terminal in sorted(some if terminals is None else some & terminals):
            carries = self._carries_of(state, terminal)
            bits |= self._letters_with(terminal, carries) if carries else 0
        return bits

    def letters_in(self, context: int, inside: bool, state: int) -> int:
        """Return the same without the terminals that the parser never takes in a context."""
        letters = self.letters_of(state, self._taken_terminals[inside][context])
        if not self.listed_count:
            self._note_letters(letters & ~self._dropped_bits[inside])
            for letter in bit_numbers(letters & self._dropped_bits[inside]):
                self._where.setdefault(self.letters[letter][1], set()).add(context)
        return letters

    def _note_letters(self, letters: int) -> None:
        """Note where the kinds of some letters may be met, behind terminals that the parser reads."""
        for letter in bit_numbers(letters & ~self.met_bits):
            terminal, kind = self.letters[letter]
            if kind != UNSETTLED:
                self._where.setdefault(kind, set()).update(self._contexts_behind_of[terminal])
        self.met_bits |= letters

    @remember_answers
    def terminals_of(self, state: int) -> frozenset[int]:
        """Return the terminals whose ends its items can reach, if no guard is broken."""
        lexer_state, items = self.lexer.states[state], self.lexer.items.items
        ends_as = self.lexer.instructions.ends_as
        every = {ends_as[items[item].at] for item in (*lexer_state.items, *lexer_state.words)} - {NO_TERMINAL}
        every |= set() if lexer_state.bound is None else {lexer_state.bound[0]}
        return frozenset(every.union(end[0] for end in lexer_state.ends))

    @remember_answers
    def states_by_terminal(self, state: int) -> dict[int, tuple[int, ...]]:
        """Return the states after one more byte, by the terminals that they may become."""
        self.rows.put_row(state)
        some: dict[int, list[int]] = {}
        for after in dict.fromkeys(self.rows.moves[state].tolist()):
            for terminal in self.terminals_of(after) if after >= 0 else ():
                some.setdefault(terminal, []).append(after)
        return {terminal: tuple(after) for terminal, after in some.items()}

    def _left_of(self, state: int) -> dict[int, frozenset[int]]:
        """Return what it may leave, by terminals: nothing where a separator frees it."""
        left_by = self._ends.get(state)
        if left_by is None:
            nothing, some = self.lexer.nothing, dict[int, set[int]]()
            for terminal, carry in self._ends_behind(state):
                leftover = nothing if self._is_freed(terminal, carry) else carry
                some.setdefault(terminal, set()).add(leftover)
            left_by = self._ends[state] = {
                terminal: frozenset(leftovers) for terminal, leftovers in some.items()
            }
        return left_by

    def _ends_behind(self, state: int) -> Sequence[tuple[int, int]]:
        """Return the ends of a state; of one in a bound text that of the shortest rest too."""
        lexer_state = self.lexer.states[state]
        if lexer_state.bound is None:
            return lexer_state.ends
        carry = self.lexer.owed_in(state)
        if not self.lexer.is_local or carry != self.lexer.nothing:  # else nothing is owed behind any rest
            carry = self.lexer.shortest_end(state)[2]
        return [*lexer_state.ends, (lexer_state.bound[0], carry)] if carry >= 0 else lexer_state.ends

    def _is_freed(self, terminal: int, carry: int) -> bool:
        """Return whether a carry is taken for none behind a terminal."""
        # what an ignored lexeme owes is never taken for nothing: that would be to assume what is to be shown
        contexts_behind = self._contexts_behind_of[terminal]
        if terminal in self._ignored_terminals[1]:
            return False
        freeing = self._frees.get(carry)
        if freeing is None:
            freeing = self._frees[carry] = [
                byte_class for byte_class in self._separators if self.lexer.is_freed(carry, byte_class)
            ]
        return any(contexts_behind <= self._separators[byte_class] for byte_class in freeing)

    def _carries_of(self, state: int, terminal: int) -> frozenset[int]:
        """Return what a lexeme may leave that goes on from a state and ends as a terminal: carries;
        -1 among them: there may be more. Cost: a row of the lexer for each state that is followed."""
        carries = self._carries_found.get((state, terminal))
        if carries is not None:
            return carries
        if self.lexer.states[state].has_begun:
            return self._follow_states(state, terminal)
        # contexts share what follows
        key = terminal, self.states_by_terminal(state).get(terminal, ()), self._left_of(state).get(terminal)
        carries = self._found_by.get(key)
        if carries is None:
            carries = self._found_by[key] = self._follow_states(state, terminal)
        self._carries_found[state, terminal] = carries
        return carries

    def _follow_states(self, state: int, terminal: int) -> frozenset[int]:
        """Return the same, by following states from this one on."""
        nothing, previous, carries = self.lexer.nothing, {state: -1}, set[int]()
        few = max(_FOLLOWED, _MOST_LOOKED_AT // (4 * self.rows.contexts))
        order, pending, is_settled, fresh = list[int](), 0, True, [state]
        while True:
            for after in fresh:
                known_carries = self._carries_found.get((after, terminal))
                carries |= (
                    self._left_of(after).get(terminal, frozenset())
                    if known_carries is None
                    else known_carries
                )
                if (
                    nothing in carries and self.lexer.is_local
                ):  # else other carries know more of the text before
                    at, free = after, frozenset((nothing,))
                    while at >= 0:
                        self._carries_found[at, terminal] = free
                        at = previous[at]
                    return free
                if known_carries is None:
                    order.append(after)
            if pending == len(order):
                break
            if pending > (few if carries - {-1} else _MOST_LOOKED_AT):
                is_settled = False
                break
            here = order[pending]
            pending += 1
            fresh = [
                after for after in self.states_by_terminal(here).get(terminal, ()) if after not in previous
            ]
            previous |= dict.fromkeys(fresh, here)
        if is_settled:
            self._propagate_carries(order[::-1], terminal)
        else:
            self._carries_found[state, terminal] = frozenset(carries | {-1})
        return self._carries_found[state, terminal]

    def _propagate_carries(self, order: list[int], terminal: int) -> None:
        """Note the carries of all states that were followed, the last ones first: a least fixpoint."""
        carries_of = {at: self._left_of(at).get(terminal, frozenset()) for at in order}
        has_changed = True
        while has_changed:
            has_changed = False
            for at in order:
                carries_found, carries = self._carries_found, carries_of[at]
                for after in self.states_by_terminal(at).get(terminal, ()):
                    carries = carries | (
                        carries_of[after] if after in carries_of else carries_found[after, terminal]
                    )
                if len(carries) > len(carries_of[at]):
                    carries_of[at], has_changed = carries, True
        for at, carries in carries_of.items():
            self._carries_found[at, terminal] = carries

    def _weight_of_carry(self, carry: int) -> tuple[int, int]:
        """Return how many items a carry owes, and its number."""
        of = self.lexer.items.guards
        return sum(len(of[guard].items) for guard in self.lexer.carries[max(carry, 0)].guards), carry

    # --- classes of endings ---------------------------------------------------------------------------------

    def class_of(self, state: int) -> int:
        """Return the class of endings of a state of the lexer. Cost: once, what is followed from it."""
        if self.rows.end_class[state] < 0:
            bits = self.letters_of(state)
            is_own = bits & self.unsettled_bits or (self.keeps_column and self.rows.may_break(state))
            key = bits, state if is_own else -1
            number = self._class_of.get(key)
            if number is None:
                number, letters = len(self._class_of), tuple(bit_numbers(bits))
                self.classes[number:], self.state_of[number:], self._class_of[key] = (
                    (letters,),
                    (state,),
                    number,
                )
            self.rows.end_class[state] = number
        return int(self.rows.end_class[state])

    def _close_letters(self) -> None:
        """Know what may follow all letters."""
        while (met := sum(map(len, self._where.values()))) != self._closed_size:
            for kind, contexts in list(self._where.items()):
                for context in list(contexts):
                    for inside in self._insides:
                        self.available_letters(context, kind, inside)
            self._closed_size = met

    # --- boundaries -----------------------------------------------------------------------------------------

    def available_letters(self, context: int, kind: int, inside: bool) -> int:
        """Return the letters that may come in a context behind a kind, ignored lexemes in between included,
        as bits; bit 0: the text's end. `inside`: a bracket is open."""
        key = context, kind, inside
        bits = self._available_memo.get(key)
        if bits is None:
            if kind == 0 and self.lexer.is_local:
                # what comes behind ignored lexemes may come at once, and then owes no more
                bits = 1
                for state in self.rows.start_states(context, self.lexer.nothing):
                    bits |= self.letters_in(context, inside, state) & ~self._dropped_bits[inside]
            else:
                bits = self._letters_behind(context, 0, (kind,), inside)
            self._available_memo[key] = bits
        return bits

    def _letters_behind(self, context: int, letters: int, kinds: tuple[int, ...], inside: bool) -> int:
        """Return some letters, those behind the ignored ones among them, and those behind some kinds."""
        lexer = self.lexer
        bits, met, pending, fresh = 0, set(kinds), list(kinds), letters
        while True:
            dropped_bits = self._dropped_bits[inside] & ~self.unsettled_bits
            bits |= fresh & ~dropped_bits
            for letter in bit_numbers(fresh & dropped_bits):
                kind = self.letters[letter][1]
                if kind not in met:
                    met.add(kind)
                    pending.append(kind)
            if not pending:
                return bits
            kind, fresh = pending.pop(), 0
            if kind == 0 and lexer.is_local:
                bits |= self.available_letters(context, 0, inside)
                continue
            # of kinds that are one, ignored lexemes may lead from one to another
            for carry in self._members[kind]:
                bits |= 1 if lexer.holds_at_end(carry) else 0
                for state in self.rows.start_states(context, carry):
                    fresh |= self.letters_in(context, inside, state)

    # --- kinds that are one ---------------------------------------------------------------------------------

    def _merge_kinds(self) -> None:
        """Make those kinds one behind which the same letters may come (by partitions that are refined)."""
        kinds = range(len(self.kinds))
        rows_behind = [
            [
                self.available_letters(context, kind, inside)
                if context in self._where.get(kind, ())
                else NOWHERE
                for context in range(self.rows.contexts)
                for inside in self._insides
            ]
            for kind in kinds
        ]
        of_rows = {row: bit_numbers(row) for some in rows_behind for row in some if row != NOWHERE}
        # a kind that was not looked at, or behind which there may be more letters, stays as it is; so does
        # that of an ignored lexeme, which is met in contexts that are not compared
        own = {kind for terminal, kind in self.letters if terminal in self._ignored_terminals[1]}
        own |= {
            kind
            for kind in kinds
            if any(row & self.unsettled_bits for row in rows_behind[kind] if row != NOWHERE)
        }
        part = [0 if self._where.get(kind) and kind not in own else kind for kind in kinds]
        parts = len(set(part))
        while True:
            met: dict[int, frozenset[tuple[int, int]]] = {NOWHERE: frozenset({(END, NOWHERE)})} | {
                row: frozenset((self.letters[letter][0], part[self.letters[letter][1]]) for letter in some)
                for row, some in of_rows.items()
            }
            numbers: dict[tuple[object, ...], int] = {}
            part = [
                numbers.setdefault((part[k], *map(met.__getitem__, rows_behind[k])), len(numbers))
                for k in kinds
            ]
            if len(numbers) == parts:
                break
            parts = len(numbers)
        members: list[list[int]] = [[] for _ in range(parts)]
        for kind, joined_kind in enumerate(part):
            members[joined_kind] += self._members[kind]
        self._members, self.kinds = members, [some[0] for some in members]
        self._kind_of = {carry: part[kind] for carry, kind in self._kind_of.items()}
        self.first_kind = part[self.first_kind]
        where: dict[int, set[int]] = {}
        for kind, met_in in self._where.items():
            where.setdefault(part[kind], set()).update(met_in)
        self._where = where
        letters_before, met_before = self.letters, self.met_bits
        self._put_letters([(terminal, part[kind]) for terminal, kind in letters_before])
        for joined_kind in bit_numbers(met_before):
            terminal, kind = letters_before[joined_kind]
            self.met_bits |= 1 << self._letter_number(terminal, part[kind])


def bit_numbers(bits: int) -> list[int]:
    """Return the numbers of the bits that are set."""
    numbers = []
    while bits:
        low = bits & -bits
        numbers.append(low.bit_length() - 1)
        bits ^= low
    return numbers
