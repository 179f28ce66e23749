"""The moves of lexeme states one thread after another: the slow, obvious version."""

from __future__ import annotations

from collections.abc import Iterable

from structgen.lark_grammars.lexer.lexeme_items import Item, Slot, instructions
from structgen.lark_grammars.lexer.lexemes import DEAD, DECIDED, LexemeState, LexemeStates
from structgen.lark_grammars.lexer.ordered_matching import (
    NO_LOOK_BEHIND,
    Guards,
    LookAheadGuard,
    LookBehindState,
)

Found = tuple[LexemeState | int, tuple[int, ...]]
"""The state after a move, DEAD or DECIDED, and where its slots come from."""


class LexemeMoves:
    """Works out what bytes do to the states of a lexer."""

    def __init__(self, lexer: LexemeStates) -> None:
        self.lexer, self.program = lexer, lexer.program

    def start(self, context: int, behind: LookBehindState) -> LexemeState:
        """Return the state at the beginning of a lexeme."""
        lexer, program = self.lexer, self.program
        if lexer.is_local:
            behind = program.look_behind_anywhere()
        of_context = lexer.tables.contexts[context]
        items: list[Item] = []
        for terminal in of_context.terminals:
            items += program.closure(lexer._first[terminal], (), behind)
        tracked: set[int] = set()
        for string in {s for _t, of in of_context.unless for s in of}:
            closure = program.closure(lexer._exact[string][0], (), behind)
            tracked.update(one[0] for one in closure)
        return self.settled(items, behind, frozenset(tracked), lexer._of_context[context])

    def settled(
        self, items: list[Item], behind: LookBehindState, tracked: frozenset[int], unless: int
    ) -> LexemeState:
        """Return a state without what nothing in it can ask for."""
        reach = self.program.reaches
        if not any(reach(at)[1] for item in items for at in instructions(item)):
            behind = NO_LOOK_BEHIND
        if tracked:
            names = self.lexer._unless[unless].keys()
            if all(names.isdisjoint(reach(at)[0]) for item in items for at in instructions(item)):
                tracked = frozenset()
        return LexemeState(tuple(items), behind, tracked, unless if tracked else 0)

    def move(self, state: LexemeState, byte: int) -> Found:
        """Return what a byte does."""
        program = self.program
        behind = state.look_behind
        later = behind if behind == NO_LOOK_BEHIND else program.step_look_behind(behind, byte)
        tracked: set[int] = set()
        for at in state.tracked:
            tracked.update(one[0] for one in program.step_thread((at, ()), byte, later))
        items: list[Item] = []
        sources: list[int] = []
        seen: set[Item] = set()
        ruling: list[frozenset[LookAheadGuard]] = []
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
            found = program.step_thread(item, byte, later)
            if self._enter(found, items, sources, (seen, ruling), strings, state.unless):
                break
        if not items:
            return DEAD, ()
        if isinstance(items[0], Slot) and not items[0].guards:
            return DECIDED, (sources[0],)
        return self.settled(items, later, strings, state.unless), tuple(sources)

    def _enter(
        self,
        found: Iterable[Item],
        items: list[Item],
        sources: list[int],
        known: tuple[set[Item], list[frozenset[LookAheadGuard]]],
        tracked: frozenset[int],
        unless: int,
    ) -> bool:
        """Add what a thread came to; return whether a match makes all worse threads idle."""
        seen, ruling = known
        for one in found:
            assert not isinstance(one, Slot)
            if ruling and _is_idle(one[1], ruling):
                continue
            match = self.program.match_of(one[0])
            if match is None:
                if one not in seen:
                    seen.add(one)
                    items.append(one)
                if self.program.always_matches(one[0]):
                    # no character leaves a worse match standing
                    ruling.append(frozenset(one[1]))
                continue
            terminal = self._named(match, tracked, unless)
            items.append(Slot(terminal, one[1]))
            ruling.append(frozenset(one[1]))
            sources.append(-1 - terminal)
            if not one[1]:
                return True
        return False

    def _named(self, terminal: int, tracked: frozenset[int], unless: int) -> int:
        ended = {self.program.match_of(at) for at in tracked}
        for string in self.lexer._unless[unless].get(terminal, ()):
            if self.lexer._exact[string][1] in ended:
                return string
        return terminal

    def end(self, state: LexemeState) -> Found:
        """Return what the end of the text does."""
        program, slot = self.program, 0
        for item in state.items:
            if isinstance(item, Slot):
                if program.holds_at_end(item.guards, state.look_behind):
                    return DECIDED, (slot if item.terminal < 0 else -1 - item.terminal,)
                slot += 1
            else:
                match = program.matches_at_end(item, state.look_behind)
                if match is not None:
                    return DECIDED, (-1 - self._named(match, state.tracked, state.unless),)
        return DEAD, ()

    def without_slot(self, state: LexemeState) -> LexemeState | None:
        """Return the state in which the last slot, an old one, is an error; None where nothing is left."""
        last = state.items[-1] if state.items else None
        if not isinstance(last, Slot) or last.terminal >= 0:
            return state
        if len(state.items) == 1:
            return None
        return self.settled(list(state.items[:-1]), state.look_behind, state.tracked, state.unless)

    def viable_terminals(self, state: LexemeState) -> set[int]:
        """Return the terminals that a lexeme may still become, slots left aside."""
        lexer, reaches = self.lexer, self.program.reaches
        found = {one for item in state.items for at in instructions(item) for one in reaches(at)[0]}
        names = lexer._unless[state.unless]
        ended = {one for at in state.tracked for one in reaches(at)[0]}
        strings = {string for terminal in found for string in names.get(terminal, ())}
        return found | {string for string in strings if lexer._exact[string][1] in ended}


def _is_idle(guards: Guards, ruling: list[frozenset[LookAheadGuard]]) -> bool:
    """Return whether what needs some guards can never win: a better match needs no others (`ruling`: what the
    better matches need)."""
    return any(needed.issubset(guards) for needed in ruling)
