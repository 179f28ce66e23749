"""`ParsedLexemes`: a context-free language as lexemes between places of its parser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from structgen.text_grammars.context_free.shortest_rests import Tops
from structgen.text_grammars.machine.language import Config, Lexemes

if TYPE_CHECKING:
    from structgen.text_grammars.context_free.context_free_language import ContextFree


class ParsedLexemes(Lexemes):
    """A place is a set of stacks; a state of the lexer is a bundle of terminals that are being read, and the
    terminals that may end there."""

    def __init__(self, language: ContextFree) -> None:
        self._language = language
        self.terminals = language.rules.terminals
        self._states: list[tuple[int, Sequence[int]]] = []
        self._state_numbers: dict[tuple[int, Sequence[int]], int] = {}
        self._places: list[tuple[int, ...]] = []
        self._place_numbers: dict[tuple[int, ...], int] = {}

    def _state(self, bundle: int, ended: Sequence[int] = ()) -> int:
        key = bundle, tuple(ended)
        number = self._state_numbers.get(key)
        if number is None:
            # the dictionary is written last, so that remains of an interrupted call are overwritten
            number = len(self._state_numbers)
            self._states[number:] = (key,)
            self._state_numbers[key] = number
        return number

    def _place(self, nodes: Iterable[int]) -> int:
        key = tuple(sorted(set(nodes)))
        number = self._place_numbers.get(key)
        if number is None:
            number = len(self._place_numbers)
            self._places[number:] = (key,)
            self._place_numbers[key] = number
        return number

    def readings(self, config: Config) -> list[tuple[int, int]]:
        tops = cast(Tops, config)[1]
        return [(self._place([node]), self._state(bundle)) for node, bundle in tops]

    def row(self, state: int) -> list[int]:
        scanner, found = self._language.scanner, []
        for byte in scanner.representatives:
            going, ended = scanner.after(self._states[state][0], byte)
            found.append(self._state(going, ended) if ended or going != scanner.nothing else -1)
        return found

    def ends(self, state: int) -> Sequence[int]:
        return self._states[state][1]

    def after(self, place: int, terminal: int) -> int:
        language, found = self._language, list[int]()
        for node in self._places[place]:
            if terminal in language.items.terminals(language.stacks.states[node]):
                found += language.tops(node, terminal)
        return self._place(language.stacks.union(found).values()) if found else -1

    def begun(self, place: int) -> int:
        language = self._language
        states = (language.stacks.states[node] for node in self._places[place])
        terminals = {one for state in states for one in language.items.terminals(state)}
        return self._state(language.scanner.fresh(tuple(sorted(terminals)))) if terminals else -1

    def following(self, terminal: int) -> Iterable[int]:
        """As in `Lexemes`. A symbol follows another in a rule, or where the rule of the other ends."""
        rules = self._language.rules
        first: dict[int, set[int]] = {one: {one} for one in range(len(rules.names))}
        behind: dict[int, set[int]] = {one: set() for one in range(len(rules.names))}
        for left, right in rules.rules:
            first[left].add(right[0])
            behind[right[-1]].add(left)
        found, pending, seen = set[int](), [terminal], {terminal}
        while pending:
            symbol = pending.pop()
            for _left, right in rules.rules:
                found.update(after for one, after in pairwise(right) if one == symbol)
            fresh = behind[symbol] - seen
            seen |= fresh
            pending += fresh
        reached, left_over = set[int](), list(found)
        while left_over:
            symbol = left_over.pop()
            if symbol not in reached:
                reached.add(symbol)
                left_over += first[symbol]
        for one in reached:
            if one < rules.terminals:
                yield self._state(self._language.scanner.fresh((one,)))
