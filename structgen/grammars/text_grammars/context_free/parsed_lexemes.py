"""`ParsedLexemes`: a context-free language as lexemes between places of its parser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from structgen.base.language.numbered import Numbered
from structgen.base.language.remembering import remember_answers
from structgen.grammars.text_grammars.context_free.parser_stacks import Items, Stacks
from structgen.grammars.text_grammars.context_free.rules import group_by_first, reachable_symbols
from structgen.grammars.text_grammars.machine.language import Config
from structgen.grammars.text_grammars.machine.scanning import Scanner


class ParsedLexemes:
    """What a language says of its texts where a parser reads lexemes: masks are then made of what tokens do
    inside a lexeme, which is found once for all places of the parser. Places and states of the lexer are
    numbers; after each of them some word goes on.

    A place is a set of stacks; a state of the lexer is a bundle of terminals that are being read, and the
    terminals that may end there."""

    def __init__(self, items: Items, stacks: Stacks, scanner: Scanner) -> None:
        self._items, self._stacks, self._scanner = items, stacks, scanner
        self.terminals = items.rules.terminals
        """How many there are."""
        rules = items.rules.rules
        self._next = group_by_first({pair for _, rhs in rules for pair in pairwise(rhs)})
        """Symbol -> the symbols that stand behind it in some rule."""
        self._outer = group_by_first({(rhs[-1], lhs) for lhs, rhs in rules})
        """Symbol -> the symbols of which some rule ends with it."""
        self._states, self._places = Numbered[tuple[int, tuple[int, ...]]](), Numbered[tuple[int, ...]]()

    def _lexer_state(self, bundle: int, ended_terminals: Sequence[int] = ()) -> int:
        return self._states.number_of((bundle, tuple(ended_terminals)))

    def _intern_place(self, nodes: Iterable[int]) -> int:
        return self._places.number_of(tuple(sorted(set(nodes))))

    def readings(self, config: Config) -> list[tuple[int, int]]:
        """Return the places and the states of the lexer of a configuration, which together say all."""
        tops = config[1]
        return [(self._intern_place([node]), self._lexer_state(bundle)) for node, bundle in tops]

    def states_by_class(self, state: int) -> list[int]:
        """Return the states after a byte of each class, -1 where there is none."""
        scanner, row = self._scanner, []
        for byte in scanner.representatives:
            going, ended_terminals = scanner.bundle_after(self._states.values[state][0], byte)
            row.append(
                self._lexer_state(going, ended_terminals)
                if ended_terminals or going != scanner.nothing
                else -1
            )
        return row

    def ended_terminals(self, state: int) -> Sequence[int]:
        """Return the terminals as which the lexeme may end in a state."""
        return self._states.values[state][1]

    def place_after(self, place: int, terminal: int) -> int:
        """Return the place behind a terminal, -1 where it may not come."""
        nodes = list[int]()
        for node in self._places.values[place]:
            if terminal in self._items.next_terminals(self._stacks.states[node]):
                nodes += self._stacks.tops_after(node, terminal)
        return self._intern_place(self._stacks.group_by_top(nodes).values()) if nodes else -1

    def lexer_state_at(self, place: int) -> int:
        """Return the state of the lexer at a place; -1: no lexeme follows."""
        states = (self._stacks.states[node] for node in self._places.values[place])
        terminals = {terminal for state in states for terminal in self._items.next_terminals(state)}
        return self._lexer_state(self._scanner.initial_bundle(tuple(sorted(terminals)))) if terminals else -1

    def states_after_terminal(self, terminal: int) -> Iterable[int]:
        """Return the states, some more perhaps, in which the lexer begins behind a terminal."""
        # a symbol follows another one in a rule, or where a rule ends with that
        states, pending, visited = set[int](), [terminal], {terminal}
        for symbol in pending:  # the list grows meanwhile
            states.update(self._next.get(symbol, ()))
            fresh = set(self._outer.get(symbol, ())) - visited
            visited |= fresh
            pending += fresh
        return self._first_states(frozenset(states))

    @remember_answers
    def _first_states(self, symbols: frozenset[int]) -> tuple[int, ...]:
        """Return the states of the lexer before the first byte of each of some symbols."""
        reachable = reachable_symbols(((lhs, rhs[:1]) for lhs, rhs in self._items.rules.rules), symbols)
        return tuple(
            self._lexer_state(self._scanner.initial_bundle((symbol,)))
            for symbol in reachable
            if symbol < self.terminals
        )
