"""lark's contextual lexer as an automaton: states of one lexeme, in any of the parser's contexts.

A *lexeme state* says what the terminals of a context may still make of the bytes since the last lexeme's end:
ordered threads, and slots (automata/ordered.py). A slot is a place where a terminal has matched; what follows
it is read beside, from there on, until the threads before it end or have matched themselves. A *move* says
what a byte does: the state after it, and for each of its slots where it comes from, a slot of the state
before, or a terminal that matches just now. Where a slot comes first, it is decided: the lexeme is its
terminal's, and the state is that of what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias, Union

from structgen.automata.utf8 import ByteNode
from structgen.frontends.python_regex import parse_python
from structgen.parsing.ordered import LIKED, NOWHERE, Behind, Guard, Guards, Nest, Program, Thread
from structgen.parsing.tables import Context, ParserTables

DEAD: Final = -1
DECIDED: Final = -2
"""As the state after a move: nothing matches; the move's only slot is the lexeme."""


@dataclass(frozen=True, slots=True)
class Slot:
    """In the items of a state: where a match ended; `terminal` has matched just now, or -1: before."""

    terminal: int
    guards: Guards


Item: TypeAlias = Union[Thread, Nest, Slot]


@dataclass(frozen=True)
class LexemeState:
    """What the bytes of a lexeme so far may become."""

    items: tuple[Item, ...]
    behind: Behind
    tracked: frozenset[int]
    """Instructions of the strings that may take the place of a match."""
    unless: int
    """Which strings take whose place: a number of `Lexer`."""

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The slots, best first."""
        return tuple(one for one in self.items if isinstance(one, Slot))


@dataclass(frozen=True, slots=True)
class Move:
    """What a byte, or the end of the text, does to a lexeme state."""

    after: int
    """The state's number, DEAD, or DECIDED."""
    sources: tuple[int, ...] = ()
    """For each slot after it: k >= 0, the slot k before it; -1 - t, the terminal t, just now."""


_DIES: Final = Move(DEAD)


class LexemeStates:
    """The states of lexemes, made as they are met. Not thread-safe."""

    def __init__(self, tables: ParserTables) -> None:
        self.tables = tables
        self.program = Program()
        self._first: dict[int, int] = {}
        """The first instruction of a terminal."""
        self._exact: dict[int, tuple[int, int]] = {}
        """Of a string that may take a match's place: its first instruction, and the number of its match."""
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
        self.classes = self.program.classes()
        chosen = {self.classes[byte]: byte for byte in reversed(LIKED)}
        self.representative = [chosen[kind] for kind in range(max(self.classes) + 1)]
        """Of each class a byte, such as a person would write."""
        self.is_local = self.program.is_local(self._first.values())
        """Whether no lexeme asks what was before it."""
        self.states: list[LexemeState] = []
        self._numbers: dict[LexemeState, int] = {}
        self._unless: list[dict[int, tuple[int, ...]]] = [{}]
        self._of_context: list[int] = []
        for context in tables.contexts:
            unless = dict(context.unless)
            if unless not in self._unless:
                self._unless.append(unless)
            self._of_context.append(self._unless.index(unless))
        self.starts: dict[tuple[int, Behind], int] = {}
        """Where lexemes begin, by context and what is before."""
        self._rows: dict[int, list[Move]] = {}
        self._kept_rows: dict[int, Callable[[], list[Move]]] = {}
        """Rows that were kept, and not asked for yet."""
        self._ways: dict[int, list[tuple[int, Move]]] = {}
        self._columns: dict[ByteNode, tuple[int, ...]] = {}
        self._leads = tuple((byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0) for byte in self.representative)
        """Of each class, how many bytes its characters still have, as `Behind` counts them."""
        self._ends: dict[int, Move] = {}

    # --- what comes before ----------------------------------------------------------------------------------

    def before(self) -> Behind:
        """Return what is known of the text before its first byte; NOWHERE where it never matters."""
        return NOWHERE if self.is_local else self.program.before()

    def step_behind(self, behind: Behind, byte: int) -> Behind:
        """Return what is known after a byte."""
        return NOWHERE if self.is_local else self.program.step_behind(behind, byte)

    # --- states ---------------------------------------------------------------------------------------------

    def start(self, context: int, behind: Behind) -> int:
        """Return the state at the beginning of a lexeme."""
        key = context, behind
        known = self.starts.get(key)
        if known is None:
            known = self.starts[key] = self._number(
                self._start(self.tables.contexts[context], context, behind)
            )
        return known

    def _start(self, context: Context, number: int, behind: Behind) -> LexemeState:
        if self.is_local:
            behind = self.program.anywhere()
        items: list[Item] = []
        for terminal in context.terminals:
            items += self.program.closure(self._first[terminal], (), behind)
        tracked: set[int] = set()
        for string in {s for _t, of in context.unless for s in of}:
            tracked.update(at for at, _guards in self._threads(self._exact[string][0], behind))
        return self._settled(items, behind, frozenset(tracked), self._of_context[number])

    def _threads(self, at: int, behind: Behind) -> Iterable[Thread]:
        return [one for one in self.program.closure(at, (), behind) if not isinstance(one, Nest)]

    def _settled(
        self, items: list[Item], behind: Behind, tracked: frozenset[int], unless: int
    ) -> LexemeState:
        """Return a state without what nothing in it can ask for."""
        reach = self.program.reaches
        if behind is not NOWHERE and not any(reach(at)[1] for item in items for at in _instructions(item)):
            behind = NOWHERE
        if tracked:
            names = self._unless[unless].keys()
            if all(names.isdisjoint(reach(at)[0]) for item in items for at in _instructions(item)):
                tracked = frozenset()
        return LexemeState(tuple(items), behind, tracked, unless if tracked else 0)

    def _number(self, state: LexemeState) -> int:
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self.states)
            self.states.append(state)
        return number

    def put(
        self,
        states: list[LexemeState],
        starts: dict[tuple[int, Behind], int],
        rows: dict[int, Callable[[], list[Move]]],
    ) -> None:
        """Have the states, which are still none, be these, with these beginnings and rows."""
        assert not self.states
        self.states, self._kept_rows = states, rows
        self._numbers = {state: number for number, state in enumerate(states)}
        self.starts = starts

    def move(self, state: int, byte: int) -> Move:
        """Return what a byte does."""
        return self.row(state)[self.classes[byte]]

    def row(self, state: int) -> list[Move]:
        """Return what each class of bytes does; equal moves are one object. Cost: some 100 us the first time,
        as those that do the same to all of the state's instructions are followed once."""
        known = self._rows.get(state)
        if known is None:
            kept = self._kept_rows.pop(state, None)
            known = self._rows[state] = self._row(self.states[state]) if kept is None else kept()
            ways: dict[int, tuple[int, Move]] = {}
            for byte, move in zip(self.representative, known, strict=True):
                ways.setdefault(id(move), (byte, move))
            self._ways[state] = sorted(ways.values(), key=lambda way: LIKED.index(way[0]))
        return known

    def _row(self, held: LexemeState) -> list[Move]:
        asked = {at for item in held.items for at in _instructions(item)} | held.tracked
        nodes = {node: None for at in asked | held.behind.threads if (node := self.program.node_of(at))}
        columns = [self._column(node) for node in nodes]
        if held.behind is not NOWHERE:
            columns.append(self._leads)
        kinds = list(zip(*columns, strict=True)) or [()] * len(self.representative)
        moves: dict[tuple[int, ...], Move] = {}
        known_moves: dict[Move, Move] = {}
        for byte, kind in zip(self.representative, kinds, strict=True):
            if kind not in moves:
                move = self._move(held, byte)
                moves[kind] = known_moves.setdefault(move, move)
        return [moves[kind] for kind in kinds]

    @property
    def rows(self) -> dict[int, list[Move]]:
        """The rows that are known, by their states."""
        return {**self._rows, **{state: row() for state, row in self._kept_rows.items()}}

    def ways(self, state: int) -> list[tuple[int, Move]]:
        """Return the moves of a state, each with one of its bytes."""
        self.row(state)
        return self._ways[state]

    def _column(self, node: ByteNode) -> tuple[int, ...]:
        """Return, for each class of bytes, which way a node of a character goes."""
        known = self._columns.get(node)
        if known is None:
            known = self._columns[node] = tuple(id(node.after[byte]) for byte in self.representative)
        return known

    def _move(self, state: LexemeState, byte: int) -> Move:
        program = self.program
        behind = state.behind
        # what was before matters where some thread asks; it is then followed with the bytes
        later = behind if behind is NOWHERE else program.step_behind(behind, byte)
        tracked: set[int] = set()
        for at in state.tracked:
            tracked.update(
                one[0] for one in program.step_thread((at, ()), byte, later) if not isinstance(one, Nest)
            )
        items: list[Item] = []
        sources: list[int] = []
        seen: set[Item] = set()
        ruling: list[frozenset[Guard]] = []
        strings = frozenset(tracked)
        slot = 0
        for item in state.items:
            if isinstance(item, Slot):
                guards = program.step_guards(item.guards, byte, later)
                if guards is not None and not _is_idle(guards, ruling):
                    items.append(Slot(-1, guards))
                    ruling.append(frozenset(guards))
                    sources.append(slot)
                    if not guards:
                        break
                slot += 1
                continue
            if isinstance(item, Nest):
                found = program.step_nest(item, byte, later)
            else:
                found = program.step_thread(item, byte, later)
            if self._enter(found, items, sources, (seen, ruling), strings, state.unless):
                break
        if not items:
            return _DIES
        if isinstance(items[0], Slot) and not items[0].guards:
            return Move(DECIDED, (sources[0],))
        after = self._settled(items, later, strings, state.unless)
        return Move(self._number(after), tuple(sources))

    def _enter(
        self,
        found: Iterable[Item],
        items: list[Item],
        sources: list[int],
        known: tuple[set[Item], list[frozenset[Guard]]],
        tracked: frozenset[int],
        unless: int,
    ) -> bool:
        """Add what a thread came to; return whether a match makes all worse threads idle."""
        seen, ruling = known
        for one in found:
            assert not isinstance(one, Slot)
            if ruling and _is_idle(one.guards if isinstance(one, Nest) else one[1], ruling):
                continue
            match = None if isinstance(one, Nest) else self.program.match_of(one[0])
            if match is None:
                if one not in seen:
                    seen.add(one)
                    items.append(one)
                if not isinstance(one, Nest) and self.program.surely_matches(one[0]):
                    # no character leaves a worse match standing
                    ruling.append(frozenset(one[1]))
                continue
            assert not isinstance(one, Nest)
            terminal = self._named(match, tracked, unless)
            items.append(Slot(terminal, one[1]))
            ruling.append(frozenset(one[1]))
            sources.append(-1 - terminal)
            if not one[1]:
                return True
        return False

    def _named(self, terminal: int, tracked: frozenset[int], unless: int) -> int:
        """Return the terminal that a match is of: a string that equals it goes before."""
        if tracked:
            ended = {self.program.match_of(at) for at in tracked}
            for string in self._unless[unless].get(terminal, ()):
                if self._exact[string][1] in ended:
                    return string
        return terminal

    def without_slot(self, state: int) -> int:
        """Return the state in which the last slot is an error, if nothing more must come true for it: then
        the threads before it are all there is. Else the state itself."""
        held = self.states[state]
        last = held.items[-1]
        if not isinstance(last, Slot) or last.guards or last.terminal >= 0:
            return state
        return self._number(self._settled(list(held.items[:-1]), held.behind, held.tracked, held.unless))

    def end(self, state: int) -> Move:
        """Return what the end of the text does: DECIDED with its slot, or DEAD."""
        known = self._ends.get(state)
        if known is None:
            known = self._ends[state] = self._end(self.states[state])
        return known

    def _end(self, state: LexemeState) -> Move:
        program, slot = self.program, 0
        for item in state.items:
            if isinstance(item, Slot):
                if program.holds_at_end(item.guards, state.behind):
                    source = slot if item.terminal < 0 else -1 - item.terminal
                    return Move(DECIDED, (source,))
                slot += 1
            else:
                match = program.matches_at_end(item, state.behind)
                if match is not None:
                    return Move(DECIDED, (-1 - self._named(match, state.tracked, state.unless),))
        return _DIES

    def may_be(self, state: int) -> frozenset[int]:
        """Return the terminals that a lexeme may still become, slots left aside; more, where a better thread
        always wins."""
        found: set[int] = set()
        for item in self.states[state].items:
            for at in _instructions(item):
                found |= self.program.reaches(at)[0]
        tracked = self.states[state].tracked
        if found and tracked:
            names = self._unless[self.states[state].unless]
            ended = frozenset[int]().union(*(self.program.reaches(at)[0] for at in tracked))
            strings = {string for terminal in tuple(found) for string in names.get(terminal, ())}
            found |= {string for string in strings if self._exact[string][1] in ended}
        count = len(self.tables.terminals)
        return frozenset(terminal for terminal in found if terminal < count)


def _is_idle(guards: Guards, ruling: list[frozenset[Guard]]) -> bool:
    """Return whether what needs some guards can never win: a better match needs no others (`ruling`: what the
    better matches need)."""
    return any(needed.issubset(guards) for needed in ruling)


def _instructions(item: Item) -> list[int]:
    """Return the instructions at which the threads of an item wait."""
    found: list[int] = []
    pending: list[Item] = [item]
    while pending:
        one = pending.pop()
        if isinstance(one, Nest):
            found.append(one.leave)
            pending += one.threads
        elif not isinstance(one, Slot):
            found.append(one[0])
        for guard in one[1] if isinstance(one, tuple) else one.guards:
            pending += guard.threads
    return found
