"""`ParsedLexemes`: a context-free language as lexemes between places of its parser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import cast

from structgen.language.numbered import Numbered
from structgen.text_grammars.context_free.parser_stacks import Items, Stacks
from structgen.text_grammars.context_free.rules import reached
from structgen.text_grammars.context_free.shortest_rests import Tops
from structgen.text_grammars.machine.language import Config, Lexemes
from structgen.text_grammars.machine.scanning import Scanner


class ParsedLexemes(Lexemes):
    """A place is a set of stacks; a state of the lexer is a bundle of terminals that are being read, and the
    terminals that may end there."""

    def __init__(self, items: Items, stacks: Stacks, scanner: Scanner) -> None:
        self._items, self._stacks, self._scanner = items, stacks, scanner
        self.terminals = items.rules.terminals
        self._next: dict[int, set[int]] = {}
        """Symbol -> the symbols that stand behind it in some rule."""
        self._outer: dict[int, set[int]] = {}
        """Symbol -> the symbols of which some rule ends with it."""
        self._following: dict[frozenset[int], tuple[int, ...]] = {}
        """Symbols behind a terminal -> the states of the lexer before the first byte of each of them."""
        for left, right in items.rules.rules:
            self._outer.setdefault(right[-1], set()).add(left)
            for one, after in pairwise(right):
                self._next.setdefault(one, set()).add(after)
        self._states, self._places = Numbered[tuple[int, tuple[int, ...]]](), Numbered[tuple[int, ...]]()

    def _state(self, bundle: int, ended: Sequence[int] = ()) -> int:
        return self._states.of((bundle, tuple(ended)))

    def _place(self, nodes: Iterable[int]) -> int:
        return self._places.of(tuple(sorted(set(nodes))))

    def readings(self, config: Config) -> list[tuple[int, int]]:
        tops = cast(Tops, config)[1]
        return [(self._place([node]), self._state(bundle)) for node, bundle in tops]

    def row(self, state: int) -> list[int]:
        scanner, found = self._scanner, []
        for byte in scanner.representatives:
            going, ended = scanner.after(self._states.values[state][0], byte)
            found.append(self._state(going, ended) if ended or going != scanner.nothing else -1)
        return found

    def ends(self, state: int) -> Sequence[int]:
        return self._states.values[state][1]

    def after(self, place: int, terminal: int) -> int:
        found = list[int]()
        for node in self._places.values[place]:
            if terminal in self._items.terminals(self._stacks.states[node]):
                found += self._stacks.tops(node, terminal)
        return self._place(self._stacks.union(found).values()) if found else -1

    def begun(self, place: int) -> int:
        states = (self._stacks.states[node] for node in self._places.values[place])
        terminals = {one for state in states for one in self._items.terminals(state)}
        return self._state(self._scanner.fresh(tuple(sorted(terminals)))) if terminals else -1

    def following(self, terminal: int) -> Iterable[int]:
        rules = self._items.rules
        # a symbol follows another one in a rule, or where a rule ends with that
        found, pending, seen = set[int](), [terminal], {terminal}
        for symbol in pending:  # the list grows meanwhile
            found |= self._next.get(symbol, set())
            fresh = self._outer.get(symbol, set()) - seen
            seen |= fresh
            pending += fresh
        known = self._following.get(key := frozenset(found))
        if known is None:
            begun = reached(((left, right[:1]) for left, right in rules.rules), found)
            states = (self._state(self._scanner.fresh((one,))) for one in begun if one < rules.terminals)
            known = self._following[key] = tuple(states)
        return known
