"""`GreedyRests`: the shortest rests of context-free rules whose lexer is greedy, nearly exactly.

A *carry* is the set of bytes that must not follow a lexeme, because it would go on with them: after `ab`,
read as `/[a-z]+/`, the bytes of all letters. It is the state that rests are searched with. A terminal
*competes* with another if it may come wherever the other one may; it makes the carry larger. Terminals that
may come in some places only are left out. So a text without a rest here has none under the greedy lexer, and
a rest that is found here is mostly one there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Set
from typing import TypeAlias

from structgen.base.language.best_first import OpenStates
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.context_free.parser_stacks import Stacks
from structgen.grammars.text_grammars.context_free.rules import Rules, reachable_symbols
from structgen.grammars.text_grammars.context_free.shortest_rests import GOES_ON, Reach, Rests, Word
from structgen.grammars.text_grammars.machine.language import TOKEN, Config
from structgen.grammars.text_grammars.machine.scanning import Scanner

_Carry: TypeAlias = "frozenset[int]"
_NOTHING: _Carry = frozenset()


class GreedyRests(Rests):
    """The shortest rests of threads (`greedy_lexemes`). A state of the search is a carry."""

    def __init__(
        self,
        rules: Rules,
        scanner: Scanner,
        stacks: Stacks,
        limits: Limits,
        bound_terminals: Set[int],
    ) -> None:
        """`bound_terminals`: the terminals that are no lexemes, and may end wherever they are complete. The
        terminals of the scanner that the rules have not are ignored texts."""
        super().__init__(rules, scanner, stacks, limits)
        self._bound_terminals = bound_terminals
        self._ignored = tuple(range(rules.terminals, len(scanner.languages)))
        self._competitors = _competitors_of(rules, bound_terminals, self._ignored)

    def rest_of_thread(self, place: tuple[int, ...], ended: tuple[int, ...], bundle: int) -> Word | None:
        """Return the shortest rest of a thread; None: there is none. `place`: the nodes before the lexeme;
        `ended`: the terminals that end here; `bundle`: those that go on."""
        terminals = {terminal for terminal, _ in self._scanner.bundles[bundle]}
        reaches = [(terminal, self._reach_in_bundle(terminal, bundle, _NOTHING)) for terminal in terminals]
        after_ended = {self._carry_of(bundle): self._empty}
        reaches += [(terminal, after_ended) for terminal in ended]
        rests = (
            word.followed_by(rest)
            for terminal, reach in reaches
            for carry, word in reach.items()
            for rest in self._rests_behind(place, terminal, carry)
        )
        return min(rests, default=None)

    def _rests_behind(self, place: tuple[int, ...], terminal: int, carry: _Carry) -> Iterator[Word]:
        """Yield rests after a terminal that is read at a place, the shortest of each stack among them."""
        for node in place:
            allowed_terminals = self._stacks.items.next_terminals(self._stacks.states[node])
            if terminal in allowed_terminals:
                rest = self._find_rest((self._stacks.push_symbol(node, terminal), carry))
                if rest is not None:
                    yield rest
            elif terminal in self._ignored:
                if self._is_end(node, carry):
                    yield self._empty
                for next_terminal in allowed_terminals:
                    for next_carry, word in self._read_whole(next_terminal, carry).items():
                        for rest in self._rests_behind((node,), next_terminal, next_carry):
                            yield word.followed_by(rest)

    @remember_answers
    def _read_whole(self, terminal: int, state: Config) -> Reach:
        # ignored texts may stand before the terminal
        bundle = self._scanner.initial_bundle(self._competitors[terminal])
        reach: Reach = {}
        for carry, ignored_text in self._skip_ignored(state).items():
            _add_words(reach, ignored_text, self._reach_in_bundle(terminal, bundle, carry))
        return reach

    @remember_answers
    def _skip_ignored(self, carry: _Carry) -> Reach:
        """Return the carries after any number of ignored texts, each with the shortest such texts."""
        reach: Reach = {}
        texts = OpenStates[_Carry, tuple[int, Word], None]()
        texts.open_state(carry, (0, self._empty))
        bundle = self._scanner.initial_bundle(self._ignored)
        for current, (_, text) in texts:
            reach[current] = text
            for terminal in self._ignored:
                for after, word in self._reach_in_bundle(terminal, bundle, current).items():
                    longer = text.followed_by(word)
                    texts.open_state(after, (longer.length, longer))
        return reach

    @remember_answers
    def _carry_of(self, bundle: int) -> _Carry:
        """Return the bytes with which a lexeme goes on, one of each class."""
        scanner = self._scanner
        return frozenset(
            byte for byte in self._bytes if scanner.bundle_after(bundle, byte) != (scanner.nothing, ())
        )

    @remember_answers
    def _reach_in_bundle(self, terminal: int, bundle: int, carry: _Carry) -> Reach:
        """Return the carries after the non-empty rests of a terminal that is read in a bundle, each with the
        shortest rest. `carry`: the bytes that must not come first."""
        scanner = self._scanner
        reach: Reach = {}
        if terminal in self._bound_terminals:
            language = scanner.languages[terminal]
            for _, reading in scanner.bundles[bundle]:
                for symbol in (*scanner.representatives, *(TOKEN + token for token in language.specials)):
                    after_symbol = None if symbol in carry else language.step(reading, symbol)
                    if after_symbol is not None:
                        rest = self._make_rest((symbol, *language.shortest_rest(after_symbol)))
                        reach[_NOTHING] = min(rest, reach.get(_NOTHING, rest))
            return reach
        words: dict[int, tuple[int, ...]] = {bundle: ()}
        queue = deque(words)
        # breadth-first, so the first word to a bundle is its shortest
        while queue:
            current = queue.popleft()
            symbols = scanner.distinct_bytes(current)
            self._count_steps(1 + len(symbols) // 4)
            for symbol in symbols:
                if not words[current] and current == bundle and symbol in carry:
                    continue
                after, ended_terminals = scanner.bundle_after(current, symbol)
                longer = (*words[current], symbol)
                if terminal in ended_terminals:
                    reach.setdefault(self._carry_of(after), self._make_rest(longer))
                if after not in words and any(other == terminal for other, _ in scanner.bundles[after]):
                    words[after] = longer
                    queue.append(after)
        return reach

    def _count_steps(self, spent: int = 1) -> None:
        THIS_CALL.spend_steps(spent, self._limits, GOES_ON)


def _add_words(reach: Reach, prefix: Word, further: Reach) -> None:
    """Add to `reach` the words of `further`, each after a prefix, where they are shorter."""
    for carry, word in further.items():
        longer = prefix.followed_by(word)
        reach[carry] = min(longer, reach.get(carry, longer))


def _competitors_of(
    rules: Rules, bound_terminals: Set[int], ignored: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """Return for each terminal those that may come wherever it may, itself among them."""
    first_symbols = [(lhs, rhs[:1]) for lhs, rhs in rules.rules]
    beginnings = {
        lhs: reachable_symbols(first_symbols, [lhs]) for lhs in dict.fromkeys(lhs for lhs, _ in rules.rules)
    }
    competitors: dict[int, set[int]] = {rules.start: {rules.start}}
    for lhs, rhs in rules.rules:
        for position, symbol in enumerate(rhs):
            together = {symbol} if position else beginnings[lhs]
            competitors[symbol] = competitors.get(symbol, together) & together
    rows: list[tuple[int, ...]] = []
    for terminal in range(rules.terminals):
        if terminal in bound_terminals:
            rows.append((terminal,))
            continue
        others = competitors[terminal] - bound_terminals
        lexemes = sorted(other for other in others if other < rules.terminals)
        rows.append((*lexemes, *ignored))
    return rows
