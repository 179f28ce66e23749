"""`ParsedLexemes`: a context-free language as lexemes and a parser, which makes its masks faster.

A *terminal* is a symbol that stands for a pattern. A *lexeme* is the text of one terminal: in `a + 12` the
text `12`. A *bundle* is the set of terminals that the bytes of the current lexeme may still become, with
their states. A *place* is the state of the parser between two lexemes: a set of stacks. Places, and states of
the lexer, are numbers.
"""

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
    """Answers questions about a language whose parser reads lexemes.

    Masks are then made of records of what tokens do inside a lexeme. A record serves all places of the
    parser. A state of the lexer is a bundle, with the terminals that may end there. After each place and each
    state some word goes on.
    """

    def __init__(self, items: Items, stacks: Stacks, scanner: Scanner) -> None:
        self._items = items
        self._stacks = stacks
        self._scanner = scanner
        self.terminals = items.rules.terminals
        """The number of terminals."""
        rules = items.rules.rules
        neighbours = {pair for _, rhs in rules for pair in pairwise(rhs)}
        self._next = group_by_first(neighbours)
        """For each symbol the symbols that come directly after it in some rule."""
        last_symbols = {(rhs[-1], lhs) for lhs, rhs in rules}
        self._outer = group_by_first(last_symbols)
        """For each symbol the left sides of the rules that end with it."""
        self._states = Numbered[tuple[int, tuple[int, ...]]]()
        """The states of the lexer by number, as pairs (bundle, terminals that may end)."""
        self._places = Numbered[tuple[int, ...]]()
        """The places by number, as the top nodes of their stacks in ascending order."""

    def _lexer_state(self, bundle: int, ended_terminals: Sequence[int] = ()) -> int:
        return self._states.number_of((bundle, tuple(ended_terminals)))

    def _intern_place(self, nodes: Iterable[int]) -> int:
        return self._places.number_of(tuple(sorted(set(nodes))))

    def readings(self, config: Config) -> list[tuple[int, int]]:
        """Return the pairs (place, state of the lexer) that a configuration consists of."""
        _, tops = config
        readings: list[tuple[int, int]] = []
        for node, bundle in tops:
            place = self._intern_place([node])
            readings.append((place, self._lexer_state(bundle)))
        return readings

    def states_by_class(self, state: int) -> list[int]:
        """Return the state after a byte of each class; -1 where the lexeme cannot go on or end so."""
        scanner = self._scanner
        bundle, _ = self._states.values[state]
        row: list[int] = []
        for byte in scanner.representatives:
            bundle_after, ended_terminals = scanner.bundle_after(bundle, byte)
            if ended_terminals or bundle_after != scanner.nothing:
                row.append(self._lexer_state(bundle_after, ended_terminals))
            else:
                row.append(-1)
        return row

    def ended_terminals(self, state: int) -> Sequence[int]:
        """Return the terminals whose text the lexeme is, if it ends in a state."""
        _, ended_terminals = self._states.values[state]
        return ended_terminals

    def place_after(self, place: int, terminal: int) -> int:
        """Return the place after a terminal; -1 where the terminal may not come."""
        nodes = list[int]()
        for node in self._places.values[place]:
            if terminal in self._items.next_terminals(self._stacks.states[node]):
                nodes += self._stacks.tops_after(node, terminal)
        if not nodes:
            return -1
        # stacks with the same top become one node, so that equal sets of stacks are one place
        return self._intern_place(self._stacks.group_by_top(nodes).values())

    def lexer_state_at(self, place: int) -> int:
        """Return the state of the lexer before the first byte of a lexeme at a place; -1: no lexeme
        follows."""
        terminals: set[int] = set()
        for node in self._places.values[place]:
            parser_state = self._stacks.states[node]
            terminals.update(self._items.next_terminals(parser_state))
        if not terminals:
            return -1
        bundle = self._scanner.initial_bundle(tuple(sorted(terminals)))
        return self._lexer_state(bundle)

    def states_after_terminal(self, terminal: int) -> Iterable[int]:
        """Return the states in which the lexer may begin after a terminal, and perhaps some more."""
        # A symbol follows the terminal in a rule; or it follows a symbol of which a rule ends with the
        # terminal. This is the set FOLLOW of textbooks, of all contexts together, hence "some more perhaps".
        following: set[int] = set()
        pending = [terminal]
        visited = {terminal}
        for symbol in pending:  # the list grows during the loop
            following.update(self._next.get(symbol, ()))
            new_symbols = set(self._outer.get(symbol, ())) - visited
            visited |= new_symbols
            pending += new_symbols
        return self._first_states(frozenset(following))

    @remember_answers
    def _first_states(self, symbols: frozenset[int]) -> tuple[int, ...]:
        """Return the states of the lexer before the first byte of each of some symbols."""
        # no right side is empty, so that a word of a symbol begins with one of the first symbol of a rule
        first_symbols = ((lhs, rhs[:1]) for lhs, rhs in self._items.rules.rules)
        reachable = reachable_symbols(first_symbols, symbols)
        terminals = (symbol for symbol in reachable if symbol < self.terminals)
        bundles = (self._scanner.initial_bundle((terminal,)) for terminal in terminals)
        return tuple(self._lexer_state(bundle) for bundle in bundles)
