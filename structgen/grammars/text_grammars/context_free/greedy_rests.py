"""`GreedyRests`: the shortest rests of context-free rules whose lexer is greedy, nearly exactly.

A *carry* is the set of bytes that must not follow a lexeme, because it would go on with them: after `ab`,
read as `/[a-z]+/`, the bytes of all letters. It is the state that rests are searched with. Here a lexeme
competes with itself and with ignored texts alone. The lexer lets it compete with all that may come at its
place, which a search over rules does not know. So a text without a rest here has none under the greedy lexer,
and a rest that is found here is mostly one there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np

from structgen.base.language.best_first import OpenStates
from structgen.base.language.remembering import remember_answers
from structgen.base.native.array_types import Int32Array
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.context_free.shortest_rests import GOES_ON, Reach, Rests, Word
from structgen.grammars.text_grammars.machine.language import Config, Language
from structgen.grammars.text_grammars.regular_language import RegularLanguage

_Carry: TypeAlias = "frozenset[int]"
_NOTHING: _Carry = frozenset()


def is_bound(language: Language) -> bool:
    """Return whether a terminal is a bound grammar that is no pattern: it may end wherever it is complete."""
    return not isinstance(language, RegularLanguage)


class GreedyRests(Rests):
    """The shortest rests of threads (`greedy_lexemes`). A state of the search is a carry."""

    @property
    def _ignored_terminals(self) -> tuple[int, ...]:
        """The terminals of ignored texts: those that the scanner has, and the rules have not."""
        return tuple(range(self._terminals, len(self._scanner.languages)))

    def rest_of_thread(
        self, place: tuple[int, ...], ended_terminals: tuple[int, ...], bundle: int
    ) -> Word | None:
        """Return the shortest rest of a thread; None: there is none. `place`: the nodes before the lexeme;
        `ended_terminals`: those that end here; `bundle`: those that go on."""
        reaches = [
            (terminal, self._reach_in_bundle(terminal, bundle, _NOTHING))
            for terminal, _ in self._scanner.bundles[bundle]
        ]
        no_rest = {self._carry_of(bundle): self._empty}
        reaches += [(terminal, no_rest) for terminal in ended_terminals]
        rests = (rest for terminal, reach in reaches for rest in self._rests_behind(place, terminal, reach))
        return min(rests, default=None)

    def _rests_behind(self, place: Iterable[int], terminal: int, reach: Reach) -> Iterator[Word]:
        """Yield rests of the stacks of a place, the shortest among them, whose first lexeme is of a terminal.
        `reach`: what is left of this lexeme, by its carry."""
        for node in place:
            allowed_terminals = self._stacks.items.next_terminals(self._stacks.states[node])
            for carry, word in reach.items():
                if terminal in allowed_terminals:
                    rest = self._find_rest((self._stacks.push_symbol(node, terminal), carry))
                    if rest is not None:
                        yield word.followed_by(rest)
                elif terminal in self._ignored_terminals:
                    if self._is_end(node, carry):
                        yield word
                    for next_terminal in allowed_terminals:
                        next_reach = self._read_whole(next_terminal, carry)
                        for rest in self._rests_behind((node,), next_terminal, next_reach):
                            yield word.followed_by(rest)

    @remember_answers
    def _read_whole(self, terminal: int, state: Config) -> Reach:
        # ignored texts may stand before the terminal
        competitors = () if is_bound(self._scanner.languages[terminal]) else self._ignored_terminals
        return self._reach_after(self._skip_ignored(state), terminal, (terminal, *competitors))

    def _reach_after(self, texts: Reach, terminal: int, competitors: tuple[int, ...]) -> Reach:
        """Return the carries after a lexeme of a terminal that follows some texts, given by their carries."""
        bundle = self._scanner.initial_bundle(competitors)
        reach: Reach = {}
        for carry, text in texts.items():
            for after, word in self._reach_in_bundle(terminal, bundle, carry).items():
                longer = text.followed_by(word)
                reach[after] = min(longer, reach.get(after, longer))
        return reach

    @remember_answers
    def _skip_ignored(self, carry: _Carry) -> Reach:
        """Return the carries after any number of ignored texts, each with the shortest such texts."""
        reach: Reach = {}
        texts = OpenStates[_Carry, tuple[int, Word], None]()
        texts.open_state(carry, (0, self._empty))
        for current, (_, text) in texts:
            reach[current] = text
            for terminal in self._ignored_terminals:
                for after, longer in self._reach_after(
                    {current: text}, terminal, self._ignored_terminals
                ).items():
                    texts.open_state(after, (longer.length, longer))
        return reach

    @remember_answers
    def _effects(self, bundle: int) -> list[int]:
        """Return bytes with different effects on a bundle of lexemes, the first of each effect."""
        symbols = np.array(self._bytes, np.uint8)
        rows: list[Int32Array] = []
        for terminal, config in self._scanner.bundles[bundle]:
            language = self._scanner.languages[terminal]
            if not isinstance(language, RegularLanguage):  # an ignored text may be of a bound grammar
                return self._bytes
            rows.append(language.after_each(np.full(len(symbols), config), symbols))
        _, first_columns = np.unique(np.array(rows), axis=1, return_index=True)
        return sorted(symbols[first_columns].tolist())

    @remember_answers
    def _carry_of(self, bundle: int) -> _Carry:
        """Return the bytes with which a lexeme goes on, one of each class."""
        nothing = self._scanner.nothing, ()
        return frozenset(byte for byte in self._bytes if self._scanner.bundle_after(bundle, byte) != nothing)

    @remember_answers
    def _reach_in_bundle(self, terminal: int, bundle: int, carry: _Carry) -> Reach:
        """Return the carries after the non-empty rests of a terminal that is read in a bundle, each with the
        shortest rest. `carry`: the bytes that must not come first."""
        scanner = self._scanner
        if is_bound(scanner.languages[terminal]):
            # the text that it begins with may be in the carry: the rest is a lower bound all the same
            reading = dict(scanner.bundles[bundle])[terminal]
            return self._states_after_terminal(terminal, reading, _NOTHING)
        reach: Reach = {}
        bundles = {bundle}
        queue: deque[tuple[int, tuple[int, ...]]] = deque([(bundle, ())])
        # breadth-first, so the first word to a bundle is its shortest
        while queue:
            current, word = queue.popleft()
            # the carry may have some bytes of an effect, and not the others
            symbols = self._effects(current) if word else [byte for byte in self._bytes if byte not in carry]
            self._count_steps(1 + len(symbols) // 4)
            for symbol in symbols:
                after, ended_terminals = scanner.bundle_after(current, symbol)
                if terminal in ended_terminals:
                    reach.setdefault(self._carry_of(after), self._make_rest((*word, symbol)))
                if after not in bundles and any(other == terminal for other, _ in scanner.bundles[after]):
                    bundles.add(after)
                    queue.append((after, (*word, symbol)))
        return reach

    def _count_steps(self, spent: int = 1) -> None:
        THIS_CALL.spend_steps(spent, self._limits, GOES_ON)
