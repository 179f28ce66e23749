"""lark's contextual lexer as a deterministic automaton: the states of one lexeme, in any parser context.

A *lexeme state* is an ordered list of items: threads of the context's terminals (`ordered_matching`), and
*slots*. A slot is an accept: a terminal has matched there, but a better thread may still overrule it. The
text after the slot is read in parallel, until the threads before the slot have died or matched. A slot is
*new* if it is at the last byte, else *old*.

A *move* is the effect of a byte: the state after it, and for each slot of that state its source, which is a
slot of the state before, or a terminal that matches with this byte. If a slot comes first, the lexeme is
DECIDED: it is the slot's terminal.

States are made by subset construction over ordered items, in compiled code (`lexeme_rows`, `lexeme_items`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, overload

import numpy as np
import numpy.typing as npt

from structgen.automata.regex.python_syntax import parse_python
from structgen.automata.unicode.utf8 import ByteNode
from structgen.lark_grammars.lexer import lexeme_rows as R
from structgen.lark_grammars.lexer.lexeme_items import Item, LexemeItems, Slot
from structgen.lark_grammars.lexer.ordered_matching import (
    NO_LOOK_BEHIND,
    PREFERRED_BYTES,
    LookBehindState,
    OrderedProgram,
)
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE, Context, ParserTables

DEAD: Final = R.DEAD
DECIDED: Final = R.DECIDED
"""In place of a state: no terminal can match any more; the only slot is the lexeme."""


@dataclass(frozen=True)
class LexemeState:
    """A state of the lexer inside a lexeme."""

    items: tuple[Item, ...]
    look_behind: LookBehindState
    tracked: frozenset[int]
    """Instructions of the strings that may replace a match."""
    unless: int
    """Which strings replace which matches: a number of `LexemeStates`."""

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The slots, best first."""
        return tuple(one for one in self.items if isinstance(one, Slot))


@dataclass(frozen=True, slots=True)
class Move:
    """The effect of a byte, or of the text's end, on a lexeme state."""

    after: int
    """The state's number, DEAD, or DECIDED."""
    sources: tuple[int, ...] = ()
    """For each slot after it: k >= 0, slot k before it; -1 - t, terminal t, which matches here."""


_DIES: Final = Move(DEAD)


class States(Sequence[LexemeState]):
    """The states by number; objects are made on demand."""

    def __init__(self, items: LexemeItems) -> None:
        self._items = items
        self._made: dict[int, LexemeState] = {}

    def __len__(self) -> int:
        return self._items.states

    @overload
    def __getitem__(self, number: int) -> LexemeState: ...
    @overload
    def __getitem__(self, number: slice) -> list[LexemeState]: ...
    def __getitem__(self, number: int | slice) -> LexemeState | list[LexemeState]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        known = self._made.get(number)
        if known is None:
            items = self._items
            if not 0 <= number < len(self):
                raise IndexError(number)
            words = items.state(number)
            tracked = [items.objects[one] for one in items.tracked(words[R.S_TRACKED])]
            known = self._made[number] = LexemeState(
                tuple(items.objects[one] for one in words[R.S_ITEMS :]),
                items.behinds[words[R.S_LOOK_BEHIND]],
                frozenset(one[0] for one in tracked if isinstance(one, tuple)),
                words[R.S_UNLESS],
            )
        return known

    def __eq__(self, other: object) -> bool:
        return isinstance(other, States) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class LexemeStates:
    """The states of lexemes, made on demand. Not thread-safe."""

    def __init__(self, tables: ParserTables) -> None:
        self.tables = tables
        self._first: dict[int, int] = {}
        """The first instruction of each terminal."""
        self._exact: dict[int, tuple[int, int]] = {}
        """For each string that may replace a match: its first instruction, and the number of its match."""
        kept = tables.patterns
        self.program = OrderedProgram(kept, tables.available)
        if kept is None:
            self._add_patterns()
            self.classes = self.program.classes()
            self.is_local = self.program.is_local(self._first.values())
            """Whether no lexeme looks behind its beginning."""
        else:
            self._first = dict(kept.first.tolist())
            self._exact = {string: (first, number) for string, first, number in kept.exact.tolist()}
            self.classes, self.is_local = kept.classes.tobytes(), kept.is_local
        chosen = {self.classes[byte]: byte for byte in reversed(PREFERRED_BYTES)}
        self.representative = [chosen[kind] for kind in range(max(self.classes) + 1)]
        """For each class of bytes the one that a person would write."""
        self._unless: list[dict[int, tuple[int, ...]]] = [{}]
        self._of_context: list[int] = []
        for context in tables.contexts:
            unless = dict(context.unless)
            if unless not in self._unless:
                self._unless.append(unless)
            self._of_context.append(self._unless.index(unless))
        self.items = LexemeItems(
            self.program, self.representative, len(tables.terminals), self._unless, self._exact
        )
        self.states = States(self.items)
        self.starts: dict[tuple[int, LookBehindState], int] = {}
        """The initial states of lexemes, by context and look-behind state."""
        self._moves: dict[tuple[int, int], Move] = {}
        self._rows: dict[int, list[Move]] = {}
        self._ways: dict[int, list[tuple[int, Move]]] = {}
        width = len(self.representative)
        self._preferred_classes = sorted(
            range(width), key=lambda kind: PREFERRED_BYTES.index(self.representative[kind])
        )
        """The classes of bytes; those that a person would write come first."""
        self._strings_of: dict[tuple[int, LookBehindState], list[int]] = {}
        """Items of the strings that may replace a match, at the beginning of a lexeme."""
        self._parts: dict[tuple[int, tuple[int, ...], tuple[int, ...]], int] = {}
        self._begin_with: dict[int, int] = {}
        self._certain_kinds_of: dict[int, int] = {}
        self._kinds_taken: dict[ByteNode, int] = {}
        self._begin: dict[int, frozenset[int]] = {}
        self._behind: dict[bytes, npt.NDArray[np.bool_]] = {}
        self._ends: dict[int, Move] = {}
        self._waiting_items: dict[int, frozenset[int]] = {}
        self._ended_states: dict[int, bool] = {}
        self._pending_of: dict[int, int] = {}
        self._same_as: dict[int, npt.NDArray[np.bool_]] = {}
        self._may_be: dict[bytes, frozenset[int]] = {}

    def _add_patterns(self) -> None:
        """Read the patterns of the terminals."""
        tables = self.tables
        used = sorted({t for context in tables.contexts for t in context.terminals})
        for terminal in used:
            one = tables.terminals[terminal]
            assert one.pattern is not None
            where = f"terminal {one.name}"
            tree = parse_python(one.pattern, tables.flags, where=where)
            self._first[terminal] = self.program.add(tree, terminal, where=where)
        strings = sorted({s for context in tables.contexts for _t, of in context.unless for s in of})
        count = len(tables.terminals)
        for string in strings:
            one = tables.terminals[string]
            assert one.pattern is not None
            tree = parse_python(one.pattern, tables.flags, where=f"terminal {one.name}")
            first = self.program.add(tree, count + string, where=f"terminal {one.name}")
            self._exact[string] = first, count + string

    # --- look-behinds ---------------------------------------------------------------------------------------

    def initial_look_behind(self) -> LookBehindState:
        """Return the look-behind state before the first byte; NO_LOOK_BEHIND if no pattern looks behind."""
        return NO_LOOK_BEHIND if self.is_local else self.program.initial_look_behind()

    def step_look_behind(self, behind: LookBehindState, byte: int) -> LookBehindState:
        """Return the look-behind state after a byte."""
        return NO_LOOK_BEHIND if self.is_local else self.program.step_look_behind(behind, byte)

    # --- states ---------------------------------------------------------------------------------------------

    def start(self, context: int, behind: LookBehindState) -> int:
        """Return the state at the beginning of a lexeme."""
        key = context, behind
        known = self.starts.get(key)
        if known is None:
            known = self.starts[key] = self._start(self.tables.contexts[context], context, behind)
        return known

    def _start(self, context: Context, number: int, behind: LookBehindState) -> int:
        behind = self._first_look_behind(behind)
        unless = self._of_context[number]
        tracked = self._strings_of.get((unless, behind))
        if tracked is None:
            strings = sorted({self._exact[string][0] for _t, of in context.unless for string in of})
            tracked = self._strings_of[unless, behind] = self._tracked_at(strings, behind)
        return self.items.settled(self._items_at(context.terminals, behind), behind, tracked, unless)

    def _first_look_behind(self, behind: LookBehindState) -> LookBehindState:
        """Return the look-behind state of a lexeme's first state."""
        return self.program.look_behind_anywhere() if self.is_local else behind

    def _items_at(self, terminals: Sequence[int], behind: LookBehindState) -> list[int]:
        """Return the initial items of some terminals."""
        known, found = self.items.closures(behind), list[int]()
        for terminal in terminals:
            found += self.items.closure(self._first[terminal], behind, known)
        return found

    def _tracked_at(self, strings: Sequence[int], behind: LookBehindState) -> list[int]:
        """Return the initial tracked items of some strings, by their first instructions."""
        known = self.items.closures(behind)
        found = (item for at in strings for item in self.items.closure(at, behind, known))
        plain = (one for one in map(self.items.objects.__getitem__, found) if isinstance(one, tuple))
        return sorted({self.items.number((one[0], ())) for one in plain})

    def distinct_contexts(self, byte: int, *terminals: int) -> list[int]:
        """Return contexts whose start states differ in their moves by the first bytes of some terminals, and
        by one more byte: one context of each kind."""
        contexts = range(len(self.tables.contexts))
        kinds = self._kinds((byte,), terminals)
        if any(self._first_kinds(first) & kinds for first, _number in self._exact.values()):
            return list(contexts)
        apart = {tuple(self._beginning(one, kinds)): one for one in contexts}
        return sorted(apart.values())

    def partial_start(self, context: int, terminal: int, *others: int) -> int:
        """Return a state that has the moves of a context's start state for the first bytes of a terminal, and
        for some other bytes, with few other items. Nothing is before it."""
        kinds = self._kinds(others, (terminal,))
        strings = self._exact.keys() & {one for _t, of in self.tables.contexts[context].unless for one in of}
        exact = tuple(sorted(one for one in strings if self._first_kinds(self._exact[one][0]) & kinds))
        unless, terminals = self._of_context[context], tuple(self._beginning(context, kinds))
        key = unless, terminals, exact
        known = self._parts.get(key)
        if known is None:
            behind = self._first_look_behind(self.initial_look_behind())
            tracked = self._tracked_at([self._exact[one][0] for one in exact], behind)
            known = self._parts[key] = self.items.settled(
                self._items_at(terminals, behind), behind, tracked, unless
            )
        return known

    def errors_after(self, terminal: int) -> npt.NDArray[np.bool_]:
        """Return the classes of bytes that are errors after a terminal in every context; none if the terminal
        may be ignored."""
        tables, indentation = self.tables, self.tables.indentation
        if terminal in tables.ignored or (indentation is not None and terminal == indentation.newline):
            return np.zeros(len(self.representative), np.bool_)
        return self.errors_after_contexts(tables.contexts_after(terminal))

    def errors_after_contexts(self, contexts: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Return the classes of bytes that are errors at the start of all given contexts. Cost: looking at
        the first instructions of their terminals; if these do not decide, the rows of the start states."""
        terminals = self._context_terminals[contexts].any(axis=0)
        key = terminals.tobytes()
        known = self._behind.get(key)
        if known is not None:
            return known
        may, certain = 0, 0
        for terminal in np.flatnonzero(terminals).tolist():
            first = self._first[terminal]
            may |= self._first_kinds(first)
            certain |= self._certain_kinds(first)
        if may != certain:
            before = self.initial_look_behind()
            starts = [self.start(one, before) for one in contexts]
            return np.asarray((self.after(starts) == DEAD).all(axis=0))
        kinds = range(len(self.representative))
        known = self._behind[key] = np.array([not may >> kind & 1 for kind in kinds])
        return known

    @cached_property
    def _context_terminals(self) -> npt.NDArray[np.bool_]:
        """[contexts, terminals]: whether a terminal is in a context."""
        contexts = self.tables.contexts
        found = np.zeros((len(contexts), len(self.tables.terminals)), np.bool_)
        for row, context in zip(found, contexts, strict=True):
            row[list(context.terminals)] = True
        return found

    def _kinds(self, others: Sequence[int], terminals: Sequence[int]) -> int:
        """Return bits of the classes of some bytes, and of the first bytes of some terminals."""
        found = 0
        for byte in others:
            found |= 1 << self.classes[byte]
        for terminal in terminals:
            if terminal in self._first:
                found |= self._first_kinds(self._first[terminal])
            if terminal in self._exact:
                found |= self._first_kinds(self._exact[terminal][0])
        return found

    def _beginning(self, context: int, kinds: int) -> list[int]:
        """Return the terminals of a context whose first byte may be in some classes, in order."""
        begin = self._begin.get(kinds)
        if begin is None:
            begin = frozenset([one for one, first in self._every_first if first & kinds])
            self._begin[kinds] = begin
        return [one for one in self.tables.contexts[context].terminals if one in begin]

    @cached_property
    def _every_first(self) -> list[tuple[int, int]]:
        """Each terminal with the classes of its first bytes."""
        return [(one, self._first_kinds(first)) for one, first in self._first.items()]

    def _first_kinds(self, at: int) -> int:
        """Return bits of the classes that the closure of an instruction may read, look-aheads included."""
        found = self._begin_with.get(at)
        if found is None:
            found = 0
            for node in self.program.first_nodes([at]):
                found |= self._taken_by(node)
            self._begin_with[at] = found
        return found

    def _certain_kinds(self, at: int) -> int:
        """Return bits of the classes that certainly continue from an instruction."""
        found = self._certain_kinds_of.get(at)
        if found is None:
            found = 0
            for node in self.program.first_plain_nodes(at):
                found |= self._taken_by(node)
            self._certain_kinds_of[at] = found
        return found

    def _taken_by(self, node: ByteNode) -> int:
        """Return bits of the classes that a node of a character accepts."""
        found = self._kinds_taken.get(node)
        if found is None:
            ways = self.items.ways_of(node)
            leads = np.array([after is not None for after, _byte in ways.said])
            bits = np.packbits(leads[ways.parts.which], bitorder="little")
            found = self._kinds_taken[node] = int.from_bytes(bits.tobytes(), "little")
        return found

    def move(self, state: int, byte: int) -> Move:
        """Return the move by a byte."""
        self._need(state)
        place, array = (state, self.classes[byte]), self.items.array
        return self._move(int(array("after")[place]), int(array("sources")[place]))

    def explore(self, states: Sequence[int], most: int) -> npt.NDArray[np.int32]:
        """Make the rows of some states and of up to `most` states reachable from them, nearest first; return
        these states."""
        return self.items.make_rows(states, most)

    def after(self, states: Sequence[int]) -> npt.NDArray[np.int32]:
        """Return the states after each class of bytes, or DEAD, or DECIDED: [states, classes]."""
        self.items.make_rows(list(states), 0)
        found: npt.NDArray[np.int32] = self.items.array("after")[list(states)]
        return found

    def begins_like(self, byte: int, kinds: Sequence[int]) -> bool:
        """Return whether one of some classes has the same effect as a byte at the start of every context.
        Cost: looking at the first instructions of all terminals; if these do not decide, the rows of the
        start states."""
        kind = self.classes[byte]
        alike = self._same_as.get(kind)
        if alike is None:
            alike = self._same_as[kind] = self._never_told_apart(kind)
        left = np.array(kinds, np.int32)
        if alike[left].any():
            return True
        before, contexts = self.initial_look_behind(), range(len(self.tables.contexts))
        for one in sorted(contexts, key=lambda one: (one, before) not in self.starts):
            if not len(left):
                return False
            start = self.start(one, before)
            self._need(start)
            for name in ("after", "sources"):
                row = self.items.array(name)[start]
                left = left[row[left] == row[kind]]
        return len(left) > 0

    def after_first_bytes(self, states: Sequence[int], terminal: int, *others: int) -> set[int]:
        """Return the states after the first bytes of a terminal, and after some other bytes, from some
        states."""
        kinds = self._kinds(others, (terminal,))
        which = [kind for kind in range(len(self.representative)) if kinds >> kind & 1]
        found: list[int] = np.unique(self.after(states)[:, which]).tolist()
        return {state for state in found if state >= 0}

    def _never_told_apart(self, kind: int) -> npt.NDArray[np.bool_]:
        """Return the classes that no first instruction, look-aheads included, distinguishes from a class."""
        firsts = [*self._first.values(), *(first for first, _number in self._exact.values())]
        parts = self.items.parts_behind(
            self._first_look_behind(self.initial_look_behind()), self.program.first_nodes(firsts)
        )
        return np.asarray(parts.which == parts.which[kind])

    def _need(self, state: int) -> None:
        """Make a state's row if it is missing."""
        if self.items.array("first")[state, 0] < 0:
            self.items.make_rows([state], 1)

    def _move(self, after: int, sources: int) -> Move:
        key = after, sources
        known = self._moves.get(key)
        if known is None:
            known = self._moves[key] = Move(after, self.items.sources(sources))
        return known

    def row(self, state: int) -> list[Move]:
        """Return the move by each class of bytes; equal moves are one object."""
        known = self._rows.get(state)
        if known is None:
            self._need(state)
            after, sources = self.items.array("after")[state], self.items.array("sources")[state]
            pairs = zip(after.tolist(), sources.tolist(), strict=True)
            known = self._rows[state] = [self._move(*pair) for pair in pairs]
        return known

    @property
    def rows(self) -> dict[int, list[Move]]:
        """The rows made so far, by state."""
        made = np.flatnonzero(self.items.array("first")[: len(self.states), 0] >= 0)
        return {state: self.row(state) for state in made.tolist()}

    def ways(self, state: int) -> list[tuple[int, Move]]:
        """Return the different moves of a state, each with one of its bytes."""
        known = self._ways.get(state)
        if known is None:
            self._need(state)
            after, sources, first = (self.items.array(name)[state].tolist() for name in R.MOVES)
            known = self._ways[state] = [
                (self.representative[kind], self._move(after[kind], sources[kind]))
                for kind in self._preferred_classes
                if first[kind] == kind
            ]
        return known

    def waiting_items(self, state: int) -> frozenset[int]:
        """Return the numbers of a state's items that wait for more: all but its slots."""
        known = self._waiting_items.get(state)
        if known is None:
            items = self.items.state(state)[R.S_ITEMS :]
            waits = [one for one in items if not isinstance(self.items.objects[one], Slot)]
            known = self._waiting_items[state] = frozenset(waits)
        return known

    def without_slot(self, state: int) -> int:
        """Return the state without its last slot, an old one that turned out an error; DEAD if nothing is
        before it. If the last item is no old slot, the state itself."""
        return self.items.retry(R.find_without_slot, state)

    def has_ended(self, state: int) -> bool:
        """Return whether a state has old slots only."""
        known = self._ended_states.get(state)
        if known is None:
            items = self.states[state].items
            known = self._ended_states[state] = all(
                isinstance(one, Slot) and one.terminal < 0 for one in items
            )
        return known

    def pending_lookaheads(self, state: int) -> int:
        """Return the least number of look-aheads that must still hold before a lexeme ends; UNREACHABLE if
        the state has no item."""
        known = self._pending_of.get(state)
        if known is None:
            held = (one[1] if isinstance(one, tuple) else one.guards for one in self.states[state].items)
            known = self._pending_of[state] = min(
                (sum(guard.holds for guard in of) for of in held), default=UNREACHABLE
            )
        return known

    def end(self, state: int) -> Move:
        """Return the effect of the text's end: DECIDED with its source, or DEAD."""
        known = self._ends.get(state)
        if known is None:
            known = self._ends[state] = self._end(state)
        return known

    def _end(self, state: int) -> Move:
        slot, words = 0, self.items.state(state)
        behind, tracked = words[R.S_LOOK_BEHIND], words[R.S_TRACKED]
        for number in words[R.S_ITEMS :]:
            ends = self.items.match_at_end(number, behind)
            if isinstance(self.items.objects[number], Slot):
                if ends is not None:
                    return Move(DECIDED, (slot if ends < 0 else -1 - ends,))
                slot += 1
            elif ends is not None:
                return Move(DECIDED, (-1 - self._named(ends, tracked, words[R.S_UNLESS]),))
        return _DIES

    def _named(self, terminal: int, tracked: int, unless: int) -> int:
        """Return the terminal of a match: that of a string that equals it, if there is one."""
        if tracked:
            ended = self.items.matched(tracked)
            for string in self._unless[unless].get(terminal, ()):
                if self._exact[string][1] in ended:
                    return string
        return terminal

    def viable_terminals(self, state: int) -> frozenset[int]:
        """Return the terminals of which the bytes so far are a viable prefix, without slots; may include
        terminals that a better thread always overrules."""
        bits = self.items.array("viable")[state].tobytes()
        known = self._may_be.get(bits)
        if known is None:
            flags = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
            known = frozenset(np.flatnonzero(flags[: len(self.tables.terminals)]).tolist())
            self._may_be[bits] = known
        return known
