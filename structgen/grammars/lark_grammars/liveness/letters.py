"""Finds the letters of a grammar: the input alphabet over which the parser's liveness is computed.

A *letter* is a terminal with a *kind*. A *carry* is the demand that the end of a lexeme makes on the text
after it: the end of a name `[a-z]+` demands that no letter of a to z follows. Carries after which the same
letters may come, in every *context* of the parser, are one kind (E. F. Moore's partitions; lexemes that the
grammar ignores may come in between). The docstring of the package has an example.

The whole automaton of the lexer would be too large for that. So the lexer's states are followed only while
they can still become the terminal, and until an end is found that demands nothing, or a state whose ends are
known. If that takes too many states, or a terminal has too many kinds, the terminal also gets a letter of
kind UNSETTLED, which means: there may be more letters. The letters that were found are certain. Where they
lead to no end, and an unsettled one is met, `liveness` searches for a completion.

Most carries are fulfilled by a *separator*: a blank, a tab or a newline that begins an ignored lexeme. If the
same letters may come after that byte as without it, in each context after the terminal, the carry counts as
kind 0, which demands nothing (a bisimulation, whose contexts are a greatest fixpoint). This must be checked,
because an ignored lexeme may swallow what should come: after the `#` of `/#[^\\n]*/` nothing else comes on
the line. Some carries are fulfilled by a newline only: after an operator `%`, beside a terminal `/%.*?%/`,
the rest of the line must not contain `%`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from structgen.base.language.remembering import remember_answers
from structgen.grammars.lark_grammars.lexer.instructions import NO_TERMINAL
from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerTables
from structgen.grammars.lark_grammars.lexer.newline_widths import Widths, widths_of
from structgen.grammars.lark_grammars.liveness.frames import blocks_are_even
from structgen.grammars.lark_grammars.reading.loaded_grammar import END

Letter: TypeAlias = tuple[int, int]
"""A terminal and its kind."""
Carries: TypeAlias = frozenset[int]
"""The numbers of carries."""
_SEPARATORS: Final = b"\n \t"
NOWHERE: Final = -1
"""Stands for the letters after a kind in a context where the kind never occurs."""
UNSETTLED: Final = 1
"""The kind of a special letter of a terminal: it means that the terminal may have more letters than were
found."""
_FOLLOWED: Final = 16
"""The number of states that are followed at least, even after an end of the terminal is known."""
_MOST_LOOKED_AT: Final = 4096
"""The most states that are followed until one end is known. It also bounds kinds times contexts: above it, a
terminal in a state of the lexer gets at most one new kind."""
_MADE_AGAIN: Final = (
    "rows", "lexer", "tables", "_ignored_terminals", "_insides", "_contexts_behind_of", "_taken_terminals",
    "remembered terminals_of", "remembered states_by_terminal",
    "_found_by", "_ends",
)  # fmt: skip
"""The attributes that are not written to a file: they are computed again from the grammar's tables, or from
the lexer."""


class Letters:
    """The letters, kinds and classes of endings of one grammar.

    The list of letters is complete when the object has been made. If a lexeme could later become a letter
    that is not on the list, the unsettled letter of its terminal is used instead. A *class of endings* is a
    set of letters that a state of the lexer may become."""

    def __init__(self, rows: LexerTables, kept_values: dict[str, Any] | None = None) -> None:
        """`rows`: the lexer's states as arrays; `kept_values`: the values of another process, whose lexer had
        the same numbers. Raises LimitError. Cost without `kept_values`: the states that begin a lexeme in
        each context, and all states up to its ends."""
        self.rows = rows
        self.lexer = rows.lexer
        self.tables = rows.lexer.tables
        indentation = self.tables.indentation
        newline_set = frozenset() if indentation is None else frozenset((indentation.newline,))
        # lark's indenter drops newlines while a bracket is open, as if they were ignored.
        self._ignored_terminals = (self.tables.ignored_terminals, self.tables.ignored_terminals | newline_set)
        """The terminals that are ignored: without, and with an open bracket."""
        self._insides = (False, True) if indentation else (False,)
        """The values of `inside` (a bracket is open) that make a difference."""
        self._contexts_behind_of = self._contexts_behind()
        """The contexts after each terminal that the parser reads."""
        contexts = range(rows.contexts)
        self._taken_terminals = [
            [self._taken_in(context, ignored_terminals) for context in contexts]
            for ignored_terminals in self._ignored_terminals
        ]
        """The terminals that are taken in each context, without and with an open bracket."""
        self._found_by: dict[tuple[object, ...], frozenset[int]] = {}
        """The carries that `_carries_of` has found, by the state's next states and its own ends: states that
        agree in both share an entry."""
        self._ends: dict[int, dict[int, Carries]] = {}
        """The results of `_left_of`, by state."""
        if kept_values is not None:
            vars(self).update(kept_values)
            self.widths = Widths(*kept_values["widths"])
            return
        for context in contexts:
            rows.start(context, self.lexer.nothing)
        self._find_separators()
        self._close_letters()
        self._merge_kinds()
        self._is_merged = True
        self._close_letters()  # where kinds were joined, more letters may occur
        if self.unsettled_bits and not self.lexer.is_local:
            # After ends that were not found, other terminals may occur.
            for terms in self.tables.contexts:
                for terminal in terms.every_terminal:
                    self._letter_number(terminal, UNSETTLED)
        self._with.clear()
        self.listed_count = len(self.letters)
        """The number of listed letters. Letters with larger numbers are unsettled ones."""
        self._are_settled = not self.unsettled_bits
        """Whether no letter is unsettled: then the listed ones are all that may occur."""
        self._decide_lines()

    def _decide_lines(self) -> None:
        """Decide what letters determine about the indenter's lines. All letters are listed already."""
        starts = set[int]()
        for kind, contexts in self._where.items():
            for carry in self._members[kind]:
                starts.update(self.rows.start(context, carry) for context in contexts)
        starts.discard(NOWHERE)
        self.widths = widths_of(self.rows, starts, self.terminals_of, self._behind_newline)
        """The widths that the indenter's newline may have."""
        produced_terminals = set(self.lexer.bound)
        for start in starts:
            produced_terminals.update(self.states_by_terminal(start))
        self.tell_lines = self.widths.has_each and blocks_are_even(self.tables, produced_terminals)
        """Whether letters determine how lines go on, provided that the column of a newline does not
        matter."""
        self.keeps_column = not (self.widths.goes_on and self.tell_lines)
        """Whether the column that a newline has reached matters."""

    @property
    def kept_values(self) -> dict[str, Any]:
        """Return all attributes that a file needs, as plain values. _MADE_AGAIN names the others."""
        values = {name: value for name, value in vars(self).items() if name not in _MADE_AGAIN}
        return values | {"widths": tuple(self.widths)}

    def kinds_behind_ignored(self) -> dict[int, set[int]]:
        """Return the kinds of the carries of ignored lexemes, each with the contexts in which it may
        occur."""
        kinds = {
            kind
            for terminal, kind in self.letters
            if terminal in self._ignored_terminals[1] and kind != UNSETTLED
        }
        return {kind: self._where[kind] for kind in kinds if kind in self._where}

    def _behind_newline(self, carry: int) -> list[int]:
        """Return the letters after a newline with a carry, as bits, one int for each context after it. If the
        letters are not known, the result differs from that of every other carry. The result is empty in a
        grammar with many kinds."""
        indentation = self.tables.indentation
        newline = END if indentation is None else indentation.newline
        contexts_behind = sorted(self._contexts_behind_of[newline])
        kind = self._kind_of.get(self.lexer.alike_carry(carry), NOWHERE)
        number = self._number_of.get((newline, kind))
        if number is not None and self.met_bits >> number & 1:
            return [self.available_letters(context, kind, False) for context in contexts_behind]
        if self.is_large:
            return []
        own_bit = 1 << len(self.letters) + carry  # above the bits of all letters
        return [own_bit] * len(contexts_behind)

    def _taken_in(self, context: int, ignored_terminals: frozenset[int]) -> frozenset[int]:
        """Return the terminals that the parser accepts in some state of a context, and the ignored ones."""
        actions = self.tables.actions[self.tables.context_of == context]
        is_taken = (actions != 0).any(axis=0)
        return ignored_terminals | frozenset(np.flatnonzero(is_taken).tolist())

    def _contexts_behind(self) -> list[frozenset[int]]:
        """Return for each terminal the contexts in which the parser may be after reading it. After a newline
        these include the contexts after the blocks that it opens or closes."""
        contexts_of = [
            set(self.tables.contexts_read(terminal)) for terminal in range(len(self.tables.terminals))
        ]
        indentation = self.tables.indentation
        if indentation is not None:
            behind_blocks = contexts_of[indentation.indent] | contexts_of[indentation.dedent]
            contexts_of[indentation.newline] |= behind_blocks
        return [frozenset(contexts) for contexts in contexts_of]

    # --- separators -----------------------------------------------------------------------------------------

    def _reset_letters(self, separators: dict[int, frozenset[int]]) -> None:
        """Discard all letters, and begin again with given separators. `separators`: for each class of bytes
        the contexts in which it is a separator."""
        self._separators = separators
        self._is_merged = False
        self.listed_count = 0
        nothing = self.lexer.nothing
        # Kinds 0 and UNSETTLED exist from the start.
        self._members: list[list[int]] = [[nothing], [nothing]]
        """For each kind the carries that belong to it."""
        self.kinds: list[int] = [nothing, nothing]
        """One carry of each kind. That of kind 0 demands nothing."""
        self._kind_of: dict[int, int] = {nothing: 0}
        self._put_letters([(END, 0)])
        self._frees: dict[int, list[int]] = {}
        """For each carry the separators that fulfil it."""
        self._carries_found: dict[tuple[int, int], Carries] = {}
        self._found_by.clear()
        self._ends.clear()
        self._where: dict[int, set[int]] = {0: set(range(self.rows.contexts))}
        """For each kind the contexts in which it may occur after a terminal that the parser reads."""
        self.classes: list[tuple[int, ...]] = [()]
        """The letters of each class of endings. Class 0 has none: its lexemes never end."""
        self._class_of: dict[tuple[int, int], int] = {(0, -1): 0}
        self.state_of: list[int] = [-1]
        """One state of the lexer for each class; -1 for class 0."""
        self.first_kind = self._kind_of_carry(self.lexer.first)
        """The kind of the carry before the text."""
        start_context = int(self.tables.context_of[self.tables.start])
        self._where.setdefault(self.first_kind, set()).add(start_context)

    def _find_separators(self) -> None:
        """Find the separators, and the contexts in which each of them is one: a greatest fixpoint. All
        letters are discarded, and begin again with these separators."""
        # Where a lexeme may look behind its beginning, a separator may change what comes next. Then there
        # are no separators.
        all_contexts = frozenset(range(self.rows.contexts) if self.lexer.is_local else ())
        separators = {self.lexer.classes[byte]: all_contexts for byte in _SEPARATORS}
        while True:
            self._reset_letters(separators)
            still_separating = {
                byte_class: frozenset(
                    context for context in contexts if self._is_separator(context, byte_class)
                )
                for byte_class, contexts in separators.items()
            }
            if still_separating == separators:
                return
            separators = still_separating

    def _is_separator(self, context: int, separator: int) -> bool:
        """Return whether the same letters may come in a context after the separator as without it."""
        start = self.rows.start(context, self.lexer.nothing)
        if start < 0:
            return False
        self.rows.put_row(start)
        next_state = int(self.rows.moves[start, separator])
        if next_state < 0:
            return False
        for inside in self._insides:
            at_once = self.available_letters(context, 0, inside)
            ignored = self.letters_in(context, inside, next_state)
            behind_separator = self._letters_behind(context, ignored, (), inside)
            # New letters may have been found meanwhile. Unsettled letters are no evidence.
            if at_once & ~behind_separator & ~self.unsettled_bits:
                return False
        return True

    # --- letters --------------------------------------------------------------------------------------------

    @property
    def is_large(self) -> bool:
        """Whether there are so many kinds already that new ones are avoided."""
        return len(self.kinds) * self.rows.contexts > _MOST_LOOKED_AT

    def _put_letters(self, letters: list[Letter]) -> None:
        """Replace all letters by these."""
        self.letters: list[Letter] = []
        """The letters by their numbers."""
        self._number_of: dict[Letter, int] = {}
        self.unsettled_bits = 0
        """The unsettled letters, as bits."""
        self._dropped_bits = [0, 0]
        """The letters of ignored terminals, as bits: without, and with an open bracket."""
        self._with: dict[tuple[int, Carries], int] = {}
        self._available_memo: dict[tuple[int, int, bool], int] = {}
        self._closed_size = -1
        """The number of pairs of a kind and a context at the end of the last `_close_letters`."""
        self.met_bits = 0
        """The letters that occur, as bits. What may come after them is known."""
        for letter in letters:
            self._letter_number(*letter)

    def _letter_number(self, terminal: int, kind: int) -> int:
        """Return the number of a letter. A new letter is added."""
        key = terminal, kind
        number = self._number_of.get(key)
        if number is None:
            number = len(self._number_of)
            unsettled_bits = self.unsettled_bits | (kind == UNSETTLED) << number
            dropped_bits = [
                bits | (terminal in ignored_terminals) << number
                for bits, ignored_terminals in zip(self._dropped_bits, self._ignored_terminals, strict=True)
            ]
            # One statement, so that an exception never leaves a part of a letter.
            self.letters[number:], self._number_of[key], self.unsettled_bits, self._dropped_bits = (
                (key,),
                number,
                unsettled_bits,
                dropped_bits,
            )
        return number

    def _kind_of_carry(self, carry: int) -> int:
        """Return the kind of a carry. A new carry becomes a new kind."""
        kind = self._kind_of.get(carry)
        if kind is None:
            first_alike = self.lexer.alike_carry(carry)
            if first_alike not in self._kind_of:
                # After an interrupt one list may be longer. Its last entry is then overwritten.
                number = min(len(self.kinds), len(self._members))
                self.kinds[number:], self._members[number:], self._kind_of[first_alike] = (
                    (first_alike,),
                    ([first_alike],),
                    number,
                )
            kind = self._kind_of[first_alike]
            self._kind_of[carry] = kind
        return kind

    def _letters_with(self, terminal: int, carries: Carries) -> int:
        """Return the letters of a terminal with some carries, as bits. If there are many kinds already, at
        most one new kind is made."""
        known_bits = self._with.get((terminal, carries))
        if known_bits is not None:
            return known_bits
        bits = 0
        is_settled = -1 not in carries
        # Carries that demand little come first, since these most likely have a kind already.
        for carry in sorted(carries - {-1}, key=self._weight_of_carry):
            kind = self._kind_of.get(carry, -1)
            if kind < 0:
                kind = self._kind_of.get(self.lexer.alike_carry(carry), -1)
            number = self._number_of.get((terminal, kind), -1)
            if self.listed_count:  # the list is closed: a letter must be on it, and be met or ignored
                usable_bits = self.met_bits | self._dropped_bits[0]
                is_left_out = number < 0 or not usable_bits >> number & 1
            elif self._is_merged:
                is_left_out = self.is_large and number < 0
            else:
                is_left_out = self.is_large and kind < 0 and bits > 0
            if is_left_out:
                is_settled = False
            else:
                bits |= 1 << self._letter_number(terminal, self._kind_of_carry(carry))
        if not is_settled:
            bits |= 1 << self._letter_number(terminal, UNSETTLED)
        self._with[terminal, carries] = bits
        return bits

    def are_all(self, letters: int) -> bool:
        """Return whether some letters (bits) are all settled, and all letters that may follow them too."""
        return self._are_settled and not letters & self.unsettled_bits

    def letters_of(self, state: int, terminals: frozenset[int] | None = None) -> int:
        """Return the letters, as bits, that a lexeme in a state of the lexer may become. `terminals`: only
        letters of these terminals are returned; None: of all."""
        possible = self.terminals_of(state)
        if terminals is not None:
            possible &= terminals
        bits = 0
        # The order is fixed, so that letters have the same numbers in every process.
        for terminal in sorted(possible):
            carries = self._carries_of(state, terminal)
            if carries:
                bits |= self._letters_with(terminal, carries)
        return bits

    def letters_in(self, context: int, inside: bool, state: int) -> int:
        """Return the letters of a state (`letters_of`) without the terminals that the parser never takes in a
        context. `inside`: a bracket is open."""
        letters = self.letters_of(state, self._taken_terminals[inside][context])
        if not self.listed_count:
            dropped_bits = self._dropped_bits[inside]
            self._note_letters(letters & ~dropped_bits)
            # The parser does not move for an ignored lexeme, so its kind occurs in this context.
            for letter in bit_numbers(letters & dropped_bits):
                _terminal, kind = self.letters[letter]
                self._where.setdefault(kind, set()).add(context)
        return letters

    def _note_letters(self, letters: int) -> None:
        """Note the contexts in which the kinds of some letters may occur."""
        for letter in bit_numbers(letters & ~self.met_bits):
            terminal, kind = self.letters[letter]
            if kind != UNSETTLED:
                self._where.setdefault(kind, set()).update(self._contexts_behind_of[terminal])
        self.met_bits |= letters

    @remember_answers
    def terminals_of(self, state: int) -> frozenset[int]:
        """Return the terminals that a lexeme in a state of the lexer may become, if no guard fails."""
        lexer_state = self.lexer.states[state]
        items = self.lexer.items.items
        ends_as = self.lexer.instructions.ends_as
        open_items = (*lexer_state.items, *lexer_state.words)
        terminals = {ends_as[items[item].at] for item in open_items}
        terminals.discard(NO_TERMINAL)
        terminals.update(terminal for terminal, _carry in lexer_state.ends)
        if lexer_state.bound is not None:
            terminals.add(lexer_state.bound[0])
        return frozenset(terminals)

    @remember_answers
    def states_by_terminal(self, state: int) -> dict[int, tuple[int, ...]]:
        """Return for each terminal the states after one more byte that may still become it."""
        self.rows.put_row(state)
        by_terminal: dict[int, list[int]] = {}
        for next_state in dict.fromkeys(self.rows.moves[state].tolist()):
            for terminal in self.terminals_of(next_state) if next_state >= 0 else ():
                by_terminal.setdefault(terminal, []).append(next_state)
        return {terminal: tuple(states) for terminal, states in by_terminal.items()}

    def _left_of(self, state: int) -> dict[int, Carries]:
        """Return for each terminal the carries of a lexeme that ends in a state. A carry that a separator
        fulfils is replaced by `nothing`."""
        left_by = self._ends.get(state)
        if left_by is None:
            carries_by_terminal: dict[int, set[int]] = {}
            for terminal, carry in self._ends_behind(state):
                leftover = self.lexer.nothing if self._is_freed(terminal, carry) else carry
                carries_by_terminal.setdefault(terminal, set()).add(leftover)
            left_by = {terminal: frozenset(carries) for terminal, carries in carries_by_terminal.items()}
            self._ends[state] = left_by
        return left_by

    def _ends_behind(self, state: int) -> Sequence[tuple[int, int]]:
        """Return the ends of a state; of one in a bound text that of the shortest rest too."""
        lexer_state = self.lexer.states[state]
        if lexer_state.bound is None:
            return lexer_state.ends
        terminal, _config = lexer_state.bound
        carry = self.lexer.owed_in(state)
        if not self.lexer.is_local or carry != self.lexer.nothing:  # else nothing is owed after any rest
            _rest, _terminal, carry = self.lexer.shortest_end(state)
        if carry < 0:
            return lexer_state.ends
        return [*lexer_state.ends, (terminal, carry)]

    def _is_freed(self, terminal: int, carry: int) -> bool:
        """Return whether the carry of a terminal counts as kind 0, because a separator fulfils it."""
        # The carry of an ignored lexeme never does: that would assume what is to be shown.
        if terminal in self._ignored_terminals[1]:
            return False
        freeing = self._frees.get(carry)
        if freeing is None:
            freeing = [
                byte_class for byte_class in self._separators if self.lexer.is_freed(carry, byte_class)
            ]
            self._frees[carry] = freeing
        contexts_behind = self._contexts_behind_of[terminal]
        return any(contexts_behind <= self._separators[byte_class] for byte_class in freeing)

    def _carries_of(self, state: int, terminal: int) -> Carries:
        """Return the carries that a lexeme may have which goes on from a state, and ends as a terminal. If -1
        is among them, there may be more. Cost: a row of the lexer for each state that is followed."""
        carries = self._carries_found.get((state, terminal))
        if carries is not None:
            return carries
        if self.lexer.states[state].has_begun:
            return self._follow_states(state, terminal)
        # The states before a lexeme differ with the context, but most of them lead to the same states.
        next_states = self.states_by_terminal(state).get(terminal, ())
        key = terminal, next_states, self._left_of(state).get(terminal)
        carries = self._found_by.get(key)
        if carries is None:
            carries = self._follow_states(state, terminal)
            self._found_by[key] = carries
        self._carries_found[state, terminal] = carries
        return carries

    def _follow_states(self, state: int, terminal: int) -> Carries:
        """Compute `_carries_of`, by following the states from this one on."""
        nothing = self.lexer.nothing
        few = max(_FOLLOWED, _MOST_LOOKED_AT // (4 * self.rows.contexts))
        previous = {state: -1}
        """State -> the state that it was reached from."""
        carries: set[int] = set()
        order: list[int] = []
        """The states to follow, in breadth-first order."""
        followed_count = 0
        is_settled = True
        new_states = [state]
        while True:
            for new_state in new_states:
                known_carries = self._carries_found.get((new_state, terminal))
                if known_carries is None:
                    carries |= self._left_of(new_state).get(terminal, frozenset())
                else:
                    carries |= known_carries
                # After an end that demands nothing, all may come that may come after other ends. So this
                # carry suffices for all states on the way. Not where lexemes look behind: there other
                # carries know more of the text before.
                if nothing in carries and self.lexer.is_local:
                    free = frozenset((nothing,))
                    on_the_way = new_state
                    while on_the_way >= 0:
                        self._carries_found[on_the_way, terminal] = free
                        on_the_way = previous[on_the_way]
                    return free
                if known_carries is None:
                    order.append(new_state)
            if followed_count == len(order):
                break
            if followed_count > (few if carries - {-1} else _MOST_LOOKED_AT):
                is_settled = False
                break
            source = order[followed_count]
            followed_count += 1
            next_states = self.states_by_terminal(source).get(terminal, ())
            new_states = [next_state for next_state in next_states if next_state not in previous]
            previous |= dict.fromkeys(new_states, source)
        if is_settled:
            self._propagate_carries(order[::-1], terminal)
        else:
            self._carries_found[state, terminal] = frozenset(carries | {-1})
        return self._carries_found[state, terminal]

    def _propagate_carries(self, order: list[int], terminal: int) -> None:
        """Compute the carries of all states that were followed: a least fixpoint. `order`: the states, last
        ones first."""
        carries_found = self._carries_found
        carries_of = {state: self._left_of(state).get(terminal, frozenset()) for state in order}
        has_changed = True
        while has_changed:
            has_changed = False
            for state in order:
                carries = carries_of[state]
                for next_state in self.states_by_terminal(state).get(terminal, ()):
                    # A state that is not in `order` was known before.
                    is_open = next_state in carries_of
                    carries |= carries_of[next_state] if is_open else carries_found[next_state, terminal]
                if len(carries) > len(carries_of[state]):
                    carries_of[state] = carries
                    has_changed = True
        for state, carries in carries_of.items():
            carries_found[state, terminal] = carries

    def _weight_of_carry(self, carry: int) -> tuple[int, int]:
        """Return the order of a carry: the number of items in its guards, and then its own number."""
        guards = self.lexer.items.guards
        owed = self.lexer.carries[max(carry, 0)].guards
        return sum(len(guards[guard].items) for guard in owed), carry

    # --- classes of endings ---------------------------------------------------------------------------------

    def class_of(self, state: int) -> int:
        """Return the number of the class of endings of a state of the lexer. Cost: the states that are
        followed from it, once."""
        if self.rows.end_class[state] < 0:
            bits = self.letters_of(state)
            # Where letters do not decide everything, the state itself matters, so it gets its own class.
            # So it does where a line break may change the column, which takes longer to find out.
            is_own_class = bits & self.unsettled_bits or (self.keeps_column and self.rows.may_break(state))
            key = bits, state if is_own_class else -1
            number = self._class_of.get(key)
            if number is None:
                number = len(self._class_of)
                letters = tuple(bit_numbers(bits))
                # One statement: an interrupt must not leave a class that another one overwrites later.
                self.classes[number:], self.state_of[number:], self._class_of[key] = (
                    (letters,),
                    (state,),
                    number,
                )
            self.rows.end_class[state] = number
        return int(self.rows.end_class[state])

    def _close_letters(self) -> None:
        """Find the letters that may follow each letter. New kinds may occur on the way, so rounds are
        repeated until a round finds none."""
        while True:
            pair_count = sum(map(len, self._where.values()))
            if pair_count == self._closed_size:
                return
            for kind, contexts in list(self._where.items()):
                for context in list(contexts):
                    for inside in self._insides:
                        self.available_letters(context, kind, inside)
            self._closed_size = pair_count

    # --- boundaries -----------------------------------------------------------------------------------------

    def available_letters(self, context: int, kind: int, inside: bool) -> int:
        """Return the letters, as bits, that may come in a context after a kind. Ignored lexemes may come in
        between. Bit 0 is the end of the text. `inside`: whether a bracket is open."""
        key = context, kind, inside
        bits = self._available_memo.get(key)
        if bits is None:
            if kind == 0 and self.lexer.is_local:
                # What may come after ignored lexemes may also come without them, and demands no more then.
                bits = 1
                for state in self.rows.start_states(context, self.lexer.nothing):
                    bits |= self.letters_in(context, inside, state) & ~self._dropped_bits[inside]
            else:
                bits = self._letters_behind(context, 0, (kind,), inside)
            self._available_memo[key] = bits
        return bits

    def _letters_behind(
        self,
        context: int,
        letters: int,
        kinds: tuple[int, ...],
        inside: bool,
    ) -> int:
        """Return some letters, with the letters after the ignored ones among them, and after some `kinds`.

        Letters are given and returned as bits. `context`: the parser's context, which ignored lexemes do not
        change; `inside`: whether a bracket is open. For example, `_letters_behind(context, 0, (kind,),
        False)` returns the letters that may come after one kind.
        """
        lexer = self.lexer
        bits = 0
        met_kinds = set(kinds)
        pending = list(kinds)
        new_letters = letters
        while True:
            # Letters were perhaps added meanwhile, so the bits of ignored ones are asked for in each round.
            dropped_bits = self._dropped_bits[inside] & ~self.unsettled_bits
            bits |= new_letters & ~dropped_bits
            for letter in bit_numbers(new_letters & dropped_bits):
                _terminal, kind = self.letters[letter]
                if kind not in met_kinds:
                    met_kinds.add(kind)
                    pending.append(kind)
            if not pending:
                return bits
            new_letters = 0
            kind = pending.pop()
            if kind == 0 and lexer.is_local:
                bits |= self.available_letters(context, 0, inside)
                continue
            # Of kinds that are one, ignored lexemes may lead from one to another.
            for carry in self._members[kind]:
                if lexer.holds_at_end(carry):
                    bits |= 1  # letter 0 is the text's end
                for state in self.rows.start_states(context, carry):
                    new_letters |= self.letters_in(context, inside, state)

    # --- kinds that are one ---------------------------------------------------------------------------------

    def _merge_kinds(self) -> None:
        """Join kinds after which the same letters may come, by refining partitions."""
        part_of = self._partition_kinds(self._rows_behind_kinds())
        members: list[list[int]] = [[] for _ in range(max(part_of) + 1)]
        for kind, part in enumerate(part_of):
            members[part] += self._members[kind]
        self._members = members
        self.kinds = [carries[0] for carries in members]
        self._kind_of = {carry: part_of[kind] for carry, kind in self._kind_of.items()}
        self.first_kind = part_of[self.first_kind]
        where: dict[int, set[int]] = {}
        for kind, contexts in self._where.items():
            where.setdefault(part_of[kind], set()).update(contexts)
        self._where = where
        letters_before = self.letters
        met_before = self.met_bits
        self._put_letters([(terminal, part_of[kind]) for terminal, kind in letters_before])
        for letter in bit_numbers(met_before):
            terminal, kind = letters_before[letter]
            self.met_bits |= 1 << self._letter_number(terminal, part_of[kind])

    def _rows_behind_kinds(self) -> list[list[int]]:
        """Return a row for each kind: the letters after it, as bits, for each context without and with an
        open bracket. NOWHERE: the kind never occurs there."""
        rows_behind = []
        for kind in range(len(self.kinds)):
            contexts_met = self._where.get(kind, ())
            rows_behind.append(
                [
                    self.available_letters(context, kind, inside) if context in contexts_met else NOWHERE
                    for context in range(self.rows.contexts)
                    for inside in self._insides
                ]
            )
        return rows_behind

    def _partition_kinds(self, rows_behind: list[list[int]]) -> list[int]:
        """Return the part of each kind. Kinds of one part have equal rows, once each letter in the rows is
        replaced by its terminal and the part of its kind: the coarsest such partition."""
        letters_of: dict[int, list[int]] = {}
        for row in rows_behind:
            letters_of |= {bits: bit_numbers(bits) for bits in row if bits != NOWHERE}
        # Some kinds are never joined: those that were not examined, those after which there may be more
        # letters, and those of ignored lexemes, which occur in contexts that are not compared.
        alone = {kind for terminal, kind in self.letters if terminal in self._ignored_terminals[1]}
        for kind, row in enumerate(rows_behind):
            is_unsettled = any(bits & self.unsettled_bits for bits in row if bits != NOWHERE)
            if is_unsettled or not self._where.get(kind):
                alone.add(kind)
        kinds = range(len(rows_behind))
        part_of = [kind if kind in alone else 0 for kind in kinds]
        part_count = len(set(part_of))
        while True:
            letters_by_part: dict[int, frozenset[Letter]] = {NOWHERE: frozenset({(END, NOWHERE)})}
            for bits, numbers in letters_of.items():
                letters = (self.letters[number] for number in numbers)
                letters_by_part[bits] = frozenset((terminal, part_of[kind]) for terminal, kind in letters)
            new_parts: dict[tuple[object, ...], int] = {}
            next_part_of = []
            for kind in kinds:
                letter_sets = map(letters_by_part.__getitem__, rows_behind[kind])
                key = part_of[kind], *letter_sets
                next_part_of.append(new_parts.setdefault(key, len(new_parts)))
            part_of = next_part_of
            # Parts are split and never joined, so an equal number of parts means the same partition.
            if len(new_parts) == part_count:
                return part_of
            part_count = len(new_parts)


def bit_numbers(bits: int) -> list[int]:
    """Return the numbers of the bits that are set."""
    numbers = []
    while bits:
        lowest_bit = bits & -bits
        numbers.append(lowest_bit.bit_length() - 1)
        bits ^= lowest_bit
    return numbers
