"""Finds the shortest text that completes a text of a context-free grammar.

A *rest* is such a text: for `(1+` in a grammar of sums it is `1)`. An *automaton* may restrict the texts (a
banned word, say); then only rests that it accepts count. `Rests` serves text grammars; its base `RestSearch`
serves all parsers with a stack.

The *reach* of a symbol, from a state of the automaton, is a dict: each state to which words of the symbol
lead, with the shortest such word. It is computed when it is needed, shortest words first (Knuth's
generalisation of Dijkstra's algorithm; the product with an automaton is that of Bar-Hillel, Perles and
Shamir). The rest of a stack is then a search over *places*: pairs of a stack and a state. Without an
automaton there is only the state None.

Without an automaton, the lexicographically smallest of the shortest rests is returned. So a rest depends only
on the configuration, and not on the order in which stacks were numbered. With an automaton there may be many
equally short words, and the first one found is returned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, TypeAlias

from structgen.base.errors import LimitError
from structgen.base.language.best_first import OpenStates, S, W
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.context_free.parser_stacks import Stacks
from structgen.grammars.text_grammars.context_free.rules import Rules, group_by_first
from structgen.grammars.text_grammars.machine.language import Config, Language, class_representatives
from structgen.grammars.text_grammars.machine.scanning import Scanner, common_classes

GOES_ON: Final = "Whether a text goes on"
Tops: TypeAlias = "tuple[bool, tuple[tuple[int, int], ...]]"
"""A configuration: whether the text is a word; and the stacks, each with the bundle (set) of terminals that
are being read on top of it."""
_Place: TypeAlias = "tuple[int, Config]"
"""A stack and a state of the automaton."""
_Item: TypeAlias = "tuple[int, int, Config, Config]"
"""A rule, the position of its dot, the automaton's state before the rule, the state at the dot."""


def undecided_error(steps: int) -> LimitError:
    """Return the error for a search that did not end within `steps` steps."""
    return LimitError(f"{GOES_ON} could not be determined within {steps} steps.", limit="oracle_steps")


class Word:
    """A word that is stored as two parts, since it may be too long to be written out. Words are ordered by
    their length, and then by their symbols."""

    __slots__ = ("_last", "_prefix", "length")

    def __init__(self, prefix: Word | None = None, last: Word | Sequence[int] = ()) -> None:
        """`prefix`: the first part, None only for the empty word; `last`: the second part."""
        self._prefix = prefix
        self._last = last
        last_length = last.length if isinstance(last, Word) else len(last)
        self.length: int = last_length if prefix is None else prefix.length + last_length

    def __lt__(self, other: Word) -> bool:
        if self.length != other.length:
            return self.length < other.length
        # Only the parts after the last common word of both are compared: words of a search share long
        # beginnings. The longer word gives up its last part until both are the same object.
        first, second = self, other
        first_parts: list[Word | Sequence[int]] = []
        second_parts: list[Word | Sequence[int]] = []
        while first is not second:
            if first.length >= second.length:
                assert first._prefix is not None, "all words begin with the empty one"
                first_parts.append(first._last)
                first = first._prefix
            else:
                assert second._prefix is not None, "all words begin with the empty one"
                second_parts.append(second._last)
                second = second._prefix
        pairs = zip(_symbols_of(first_parts), _symbols_of(second_parts), strict=True)
        for first_symbol, second_symbol in pairs:
            if first_symbol != second_symbol:
                return first_symbol < second_symbol
        return False

    def followed_by(self, last: Word) -> Word:
        """Return this word followed by another."""
        if not self.length:
            return last
        if not last.length:
            return self
        return type(self)(self, last)

    def all_symbols(self) -> tuple[int, ...]:
        """Return all symbols of the word."""
        return tuple(_symbols_of([self]))


def _symbols_of(pending: list[Word | Sequence[int]]) -> Iterator[int]:
    """Yield the symbols of some words. The last word of `pending` comes first."""
    return chain.from_iterable(_pieces_of(pending))


def _pieces_of(pending: list[Word | Sequence[int]]) -> Iterator[Sequence[int]]:
    """Yield the parts of words that are written out, from left to right."""
    while pending:
        top = pending.pop()
        # go down to the first part; the later parts wait on the list, the nearest on top
        while isinstance(top, Word):
            prefix = top._prefix
            if prefix is not None and prefix.length:
                pending.append(top._last)
                top = prefix
            else:
                top = top._last
        yield top


class AnyWord(Word):
    """A word ordered by the length alone."""

    __slots__ = ()

    def __lt__(self, other: Word) -> bool:
        return self.length < other.length


_Cost: TypeAlias = "tuple[int, Word]"
"""A pair of a word's length and the word. Most lengths differ, and numbers are faster to compare."""


def _open_state(
    states: OpenStates[S, _Cost, W],
    state: S,
    word: Word,
    further_word: Word,
    previous: tuple[S, W] | None = None,
) -> None:
    """Add a state to a search, unless a shorter way to it is known. The way is `word`, then `further_word`.

    `previous`: the state before it and the last word, for the way back. For example,
    `_open_state(places, start, empty, empty)` opens the first state of a search.
    """
    known_cost = states.costs.get(state)
    length = word.length + further_word.length
    if known_cost is None or length <= known_cost[0]:  # else the word need not be made
        whole = word.followed_by(further_word)
        states.open_state(state, (length, whole), previous)


Reach: TypeAlias = "dict[Config, Word]"
"""State of the automaton -> the shortest word that leads there."""


class RestSearch(ABC):
    """Computes the shortest words of symbols, and the shortest rests of stacks, of one grammar. Each is
    computed once. A subclass defines the stacks, and the states to which the words of a terminal lead.

    Cost: the first rest from a state of the automaton computes the words of all symbols that may follow. For
    each further stack there is a search, which ends at stacks whose rests are known.
    """

    _is_searching = False
    """Whether a search for the words of nonterminals is under way."""

    def __init__(self, rules: Sequence[tuple[int, Sequence[int]]], terminals: int, empty: Word) -> None:
        """`rules`: pairs of a left and a right side, as numbers; `terminals`: symbols below this number are
        terminals; `empty`: the empty word, whose class decides how words are ordered."""
        self._rules = rules
        self._terminals = terminals
        self._empty = empty
        self._of = group_by_first((lhs, index) for index, (lhs, _) in enumerate(rules))
        """For each left side the indices of its rules."""
        self._rests: dict[_Place, Word | None] = {}
        self._begin_search()

    @abstractmethod
    def _read_whole(self, terminal: int, state: Config) -> Reach:
        """Return the states to which the words of a terminal lead from a state, each with the shortest."""

    @abstractmethod
    def _open_rules(self, stack: int) -> Iterable[tuple[int, int]]:
        """Return the rules that are being read on a stack, as pairs (rule, position of the dot)."""

    @abstractmethod
    def _reduce_stack(self, stack: int, lhs: int, dot: int) -> Iterable[int]:
        """Return the stacks after a reduction: the `dot` symbols on top are replaced by the left side
        `lhs`."""

    @abstractmethod
    def _is_end(self, stack: int, state: Config) -> bool:
        """Return whether the text may end with a stack and a state of the automaton."""

    @abstractmethod
    def _count_steps(self, spent: int = 1) -> None:
        """Count some steps of work. Raises `LimitError` beyond the limit, if there is one."""

    def _find_rest(self, start: _Place) -> Word | None:
        """Return the shortest rest of a place (a stack and a state); None where there is none."""
        known_rests = self._rests
        if start in known_rests:
            return known_rests[start]
        places = OpenStates[_Place, _Cost, Word]()
        _open_state(places, start, self._empty, self._empty)
        best: Word | None = None
        last_place = start
        for place, (_, path) in places:
            # Ways come shortest first: no later one begins a better whole.
            if best is not None and not path < best:
                break
            rest = known_rests.get(place)
            if rest is None and self._is_end(*place):
                rest = self._empty
                known_rests[place] = rest
            if rest is not None:
                # The rest of this place is known. A longer way may still lead to a shorter whole.
                whole = path.followed_by(rest)
                if best is None or whole < best:
                    best = whole
                    last_place = place
                continue
            target_count = 0
            for target, further_word in self._places_after_rule(place):
                target_count += 1
                is_dead = target in known_rests and known_rests[target] is None
                if not is_dead:
                    _open_state(places, target, path, further_word, (place, further_word))
            self._count_steps(1 + target_count // 2)
        if best is None:
            # No reached place has a rest, and this is remembered for all of them.
            known_rests.update(dict.fromkeys(places.costs))
            return None
        # The rest of each place on the way is the end of this rest.
        rest = known_rests[last_place]
        for place, further_word in places.path_back(last_place):
            assert rest is not None, "it is on the way to an end"
            rest = further_word.followed_by(rest)
            known_rests[place] = rest
        return rest

    def _places_after_rule(self, place: _Place) -> Iterator[tuple[_Place, Word]]:
        """Yield pairs of a place and a word: the place after one open rule was read to its end, and the word
        that completes the rule."""
        top, state = place
        for rule, dot in self._open_rules(top):
            lhs, _ = self._rules[rule]
            for after, further_word in self._reach_of_tail(rule, dot, state).items():
                for stack in self._reduce_stack(top, lhs, dot):
                    yield (stack, after), further_word

    @remember_answers
    def _reach_of_tail(self, rule: int, dot: int, state: Config) -> Reach:
        """Return the reach, from a state, of the symbols after the dot of a rule."""
        _, rhs = self._rules[rule]
        reach = {state: self._empty}
        for symbol in rhs[dot:]:
            next_reach: Reach = {}
            for current, word in reach.items():
                for after, further_word in self._reach_of(symbol, current).items():
                    longer = word.followed_by(further_word)
                    if after not in next_reach or longer < next_reach[after]:
                        next_reach[after] = longer
            reach = next_reach
        return reach

    def _reach_of(self, symbol: int, state: Config) -> Reach:
        """Return the reach of a symbol from a state."""
        if symbol < self._terminals:
            return self._read_whole(symbol, state)
        if self._is_searching:  # an exception other than LimitError has left the tables half written
            self._begin_search()
        self._is_searching = True
        try:
            self._open_reach((symbol, state))
            self._find_words()
        except LimitError:  # raised between two items, so a later call can go on there
            self._is_searching = False
            raise
        self._is_searching = False
        return self._reach[symbol, state]

    def _begin_search(self) -> None:
        """Begin the search for the words of nonterminals, or begin it again after an exception."""
        self._reach: dict[tuple[int, Config], Reach] = {}
        """The known part of the reach of each nonterminal from each state."""
        self._items = OpenStates[_Item, _Cost, None]()
        """Rules that are read in part, ordered by the words read so far."""
        self._waiting: dict[tuple[int, Config], list[tuple[_Item, Word]]] = {}
        """For each nonterminal and state the items that wait for words of the nonterminal."""
        self._is_searching = False

    def _open_reach(self, key: tuple[int, Config]) -> Reach:
        """Return the known part of the reach of a nonterminal. If it is new, its rules are added to the
        search."""
        if key not in self._reach:
            symbol, state = key
            for rule in self._of.get(symbol, ()):
                _open_state(self._items, (rule, 0, state, state), self._empty, self._empty)
            self._reach[key] = {}
        return self._reach[key]

    def _find_words(self) -> None:
        """Find the words of all nonterminals that were asked for. Raises LimitError; the next call goes on
        where this one stopped."""
        for item, (_, word) in self._items:
            self._count_steps()
            rule, dot, start, current = item
            lhs, rhs = self._rules[rule]
            if dot == len(rhs):
                # Items come in the order of their words, so the first word to a state is the shortest.
                key = lhs, start
                if current not in self._reach[key]:
                    self._reach[key][current] = word
                    for (other_rule, other_dot, other_start, _), prefix in self._waiting.get(key, ()):
                        next_item = other_rule, other_dot + 1, other_start, current
                        _open_state(self._items, next_item, prefix, word)
                continue
            symbol = rhs[dot]
            if symbol < self._terminals:
                reach = self._reach_of(symbol, current)
            else:
                # Words that are known now are used at once, and later ones through `_waiting`.
                reach = self._open_reach((symbol, current))
                self._waiting.setdefault((symbol, current), []).append((item, word))
            for after, further_word in reach.items():
                _open_state(self._items, (rule, dot + 1, start, after), word, further_word)


class Rests(RestSearch):
    """The shortest rests of a grammar of texts, of which an automaton may exclude some."""

    def __init__(
        self,
        rules: Rules,
        scanner: Scanner,
        stacks: Stacks,
        limits: Limits,
        filter_language: Language | None = None,
    ) -> None:
        """`filter_language`: the automaton, a language without special tokens; None: no text is excluded."""
        empty = Word() if filter_language is None else AnyWord()
        super().__init__(rules.rules, rules.terminals, empty)
        self._scanner = scanner
        self._stacks = stacks
        self._filter_language = filter_language
        self._limits = limits
        self._steps = 0
        """The steps of the present call."""
        filter_classes = bytes(256) if filter_language is None else filter_language.classes
        classes = common_classes((scanner.classes, filter_classes))
        self._bytes = sorted(class_representatives(classes))
        """One byte for each pair of a class of the terminals and a class of the automaton."""

    def shortest(self, config: Tops, state: Config = None) -> tuple[int, ...] | None:
        """Return the shortest rest that the grammar and the automaton both accept, the smallest of several;
        None where there is none. Raises `LimitError` beyond `Limits.oracle_steps` with an automaton."""
        self._steps = 0
        complete, tops = config
        if complete and self._accepts(state):
            return ()
        best: Word | None = None
        for node, bundle in tops:
            for terminal, reading in self._scanner.bundles[bundle]:
                # The rest of the terminal that is being read comes first, then the rest of the stack.
                for after, word in self._states_after_terminal(terminal, reading, state).items():
                    if best is not None and not word < best:
                        continue
                    rest = self._find_rest((self._stacks.push_symbol(node, terminal), after))
                    if rest is None:
                        continue
                    whole = word.followed_by(rest)
                    if best is None or whole < best:
                        best = whole
        if best is None:
            return None
        # writing a rest out takes some 0.2 us a symbol
        THIS_CALL.spend_steps(best.length // 100, self._limits, "The shortest rest of the text")
        return best.all_symbols()

    def _make_rest(self, symbols: tuple[int, ...]) -> Word:
        return type(self._empty)(self._empty, symbols)

    def _accepts(self, state: Config) -> bool:
        return self._filter_language is None or self._filter_language.accepts(state)

    def _count_steps(self, spent: int = 1) -> None:
        if self._filter_language is None:  # the size of the rules bounds the search
            return
        self._steps += 1
        THIS_CALL.spend_steps(spent, self._limits, GOES_ON)
        if self._steps > self._limits.oracle_steps:
            raise undecided_error(self._limits.oracle_steps)

    def _read_whole(self, terminal: int, state: Config) -> Reach:
        start = self._scanner.languages[terminal].start()
        return self._states_after_terminal(terminal, start, state)

    def _open_rules(self, stack: int) -> Iterable[tuple[int, int]]:
        kernel = self._stacks.items.kernels[self._stacks.states[stack]]
        return ((rule, dot) for rule, dot in kernel if rule >= 0)

    def _reduce_stack(self, stack: int, lhs: int, dot: int) -> Iterable[int]:
        return (self._stacks.push_symbol(under, lhs) for under in self._stacks.nodes_below(stack, dot))

    def _is_end(self, stack: int, state: Config) -> bool:
        parser_state = self._stacks.states[stack]
        return self._stacks.items.is_accepting(parser_state) and self._accepts(state)

    @remember_answers
    def _states_after_terminal(self, terminal: int, reading: Config, state: Config) -> Reach:
        """Return the states to which the non-empty rests of a terminal lead. `reading`: the configuration of
        the terminal. Without an automaton the result is empty where the terminal is already a word: its end
        has a stack of its own."""
        language = self._scanner.languages[terminal]
        if self._filter_language is not None:
            return self._search_paths(language, self._filter_language, (reading, state))
        rest = tuple(language.shortest_rest(reading))
        if not rest and reading == language.start():
            # The terminal's language has the empty word, which the rules handle apart. The shortest of the
            # other words is taken.
            rests: list[tuple[int, ...]] = []
            for symbol in language.symbols():
                after = language.step(reading, symbol)
                if after is not None:
                    rests.append((symbol, *language.shortest_rest(after)))
            rest = min(rests, key=lambda rest: (len(rest), rest))
        return {state: self._make_rest(rest)} if rest else {}

    def _search_paths(
        self,
        language: Language,
        filter_language: Language,
        start: tuple[Config, Config],
    ) -> Reach:
        """Return the states to which non-empty rests of a terminal lead. `start`: the pair of the terminal's
        configuration and the automaton's state. All pairs are searched."""
        reach: Reach = {}
        words: dict[tuple[Config, Config], tuple[int, ...]] = {start: ()}
        queue = deque(words)
        # The search is breadth-first, so the first word to a pair is its shortest.
        while queue:
            pair = queue.popleft()
            reading, state = pair
            self._count_steps(1 + len(self._bytes) // 4)
            for symbol in self._bytes:
                state_after = filter_language.step(state, symbol)
                if state_after is None:
                    continue
                reading_after = language.step(reading, symbol)
                if reading_after is None:
                    continue
                longer = (*words[pair], symbol)
                if state_after not in reach and language.accepts(reading_after):
                    reach[state_after] = self._make_rest(longer)
                next_pair = reading_after, state_after
                if next_pair not in words:
                    words[next_pair] = longer
                    queue.append(next_pair)
        return reach
