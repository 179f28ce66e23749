"""`GreedyContextFree`: context-free rules over terminals that a greedy lexer reads, as llguidance does.

A *lexeme* is the text of one terminal. It goes on as long as any terminal that the parser allows at its place
goes on: with `start: A B`, `A: /a+/` and `B: "a"` nothing is left for `B`, and no text is derived. Where it
ends, all terminals count whose text it is. So the text decides the borders of lexemes, and the rules only
which borders are allowed.

A *place* is the parser between two lexemes: a set of stacks. A *thread* is a place, the terminals that have
just ended there, and the *bundle* of those that go on; the ended ones count only if nothing goes on. The
texts of bound grammars are no lexemes: they may end wherever they are complete. So each has a thread of its
own, and a configuration is a set of threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, TypeAlias

from structgen.automata.regex.syntax_tree import Node
from structgen.base.errors import GrammarError
from structgen.base.language.expectation import Expected
from structgen.base.language.numbered import Numbered
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.context_free.context_free_language import ContextFree
from structgen.grammars.text_grammars.context_free.greedy_rests import GreedyRests, is_bound
from structgen.grammars.text_grammars.context_free.parser_stacks import ROOT
from structgen.grammars.text_grammars.context_free.rules import Rule
from structgen.grammars.text_grammars.context_free.searched_rests import SearchedRests
from structgen.grammars.text_grammars.context_free.shortest_rests import Word
from structgen.grammars.text_grammars.machine.language import Config, InsidePart, Language, SplitConfig
from structgen.grammars.text_grammars.machine.scanning import common_classes

_Place: TypeAlias = "tuple[int, ...]"
"""The nodes of the stacks of a place, ascending."""
_FIRST: Final = (ROOT,)
"""The place before the first lexeme, which no lexeme leads back to."""


class GreedyContextFree(SearchedRests, ContextFree):
    """The words that `rules` derive from `start`, where a greedy lexer reads the terminals that are patterns.

    An ignored text is a lexeme, too. It may come wherever a further lexeme may, except before the first.
    Raises `GrammarError` where there is no word, and `LimitError` (oracle_steps) if the allowed steps do not
    decide whether a text can be completed: rules and a lexer may say together what no algorithm decides.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        terminals: Mapping[str, Language | Node | None],
        start: str,
        *,
        ignored: Sequence[str],
        limits: Limits,
        missing: frozenset[int],
        are_runs: bool,
    ) -> None:
        """`missing`: bytes that no text may have; `are_runs`: whether the last of `ignored` is refused. The
        other parameters are those of `ContextFree`. Example:
        `GreedyContextFree([("s", ("a", "b"))], {"a": tree, "b": other_tree}, "s")`."""
        super().__init__(rules, terminals, start, unused_terminals=ignored, limits=limits)
        self.lexemes = None
        self._missing = missing
        is_missing = bytes(byte in missing for byte in range(256))
        self.classes = common_classes((self.classes, is_missing))
        self.outer_classes = None  # beside lexemes, parts are read byte by byte
        terminal_count = self.rules.terminals
        self._bound = {terminal for terminal in range(terminal_count) if is_bound(self.parts[terminal])}
        """The terminals that are bound grammars, and no lexemes."""
        self._ignored_terminals = tuple(range(terminal_count, len(self.parts)))
        self._refused_terminal = self._ignored_terminals[-1] if are_runs else -1
        self._threads = Numbered[tuple[_Place, tuple[int, ...]]]()
        """Threads without their bundles: a place, and the terminals that have just ended."""
        self.greedy_rests = GreedyRests(self.rules, self.scanner, self.stacks, limits)
        self.prepare_search(limits)
        if not self.is_live(self.start()):
            raise GrammarError(
                f"{start} generates no text: a greedy lexer reads past the border of two terminals.",
                where="start",
                cure="Check that no terminal can continue with the beginning of the next one.",
            )

    def start(self) -> Config:
        if self.rules.start < 0:  # the empty text is the only word
            return True, ()
        return self.rules.empty, self._beginnings(_FIRST)

    def _config_after(self, config: Config, symbol: int) -> Config | None:
        _, threads = config
        return None if symbol in self._missing else self._after_symbol(self._read_symbol(threads, symbol))

    def _read_symbol(
        self, threads: Iterable[tuple[int, int]], symbol: int
    ) -> Iterator[tuple[int, tuple[int, tuple[int, ...]]]]:
        """Yield for each thread the bundle after a symbol and the terminals that end there. Where nothing
        goes on, the terminals that ended before count, and the next lexemes begin."""
        for number, bundle in threads:
            after = self.scanner.bundle_after(bundle, symbol)
            if after != (self.scanner.nothing, ()):
                yield number, after
            else:
                for next_number, next_bundle in self._next_threads(number):
                    yield next_number, self.scanner.bundle_after(next_bundle, symbol)

    @remember_answers
    def _next_threads(self, number: int) -> tuple[tuple[int, int], ...]:
        """Return the threads of the next lexemes, where a lexeme has just ended."""
        place, ended_terminals = self._threads.values[number]
        return self._beginnings(self._place_after(place, ended_terminals)) if ended_terminals else ()

    def _after_symbol(self, tops: Iterable[tuple[int, tuple[int, Iterable[int]]]]) -> Config | None:
        is_word = False
        threads: set[tuple[int, int]] = set()
        for number, (bundle, ended_terminals) in tops:
            place, _ = self._threads.values[number]
            last_terminals = tuple(ended_terminals)
            place_after = self._place_after(place, last_terminals) if last_terminals else ()
            is_word = is_word or self._is_accepting(place_after)
            goes_on = bundle != self.scanner.nothing
            if not goes_on or not self._bound.isdisjoint(last_terminals):
                threads.update(self._beginnings(place_after))
                last_terminals = ()
            if goes_on:
                threads.add((self._threads.number_of((place, last_terminals)), bundle))
        # sorted, so that equal sets of threads are equal values
        return (is_word, tuple(sorted(threads))) if is_word or threads else None

    def _is_accepting(self, place: _Place) -> bool:
        """Return whether the text may end at a place."""
        return any(self.items.is_accepting(self.stacks.states[node]) for node in place)

    def _terminals_at(self, node: int) -> tuple[int, ...]:
        return self.items.next_terminals(self.stacks.states[node])

    @remember_answers
    def _place_after(self, place: _Place, ended_terminals: tuple[int, ...]) -> _Place:
        """Return the place after a lexeme. After an ignored text it is the place before it."""
        if ended_terminals[-1] >= self.rules.terminals:
            return () if ended_terminals[-1] == self._refused_terminal else place
        nodes: dict[int, None] = {}
        for node in place:
            for terminal in ended_terminals:
                if terminal in self._terminals_at(node):
                    nodes.update(dict.fromkeys(self.stacks.tops_after(node, terminal)))
        return tuple(sorted(self.stacks.group_by_top(nodes).values()))

    @remember_answers
    def _beginnings(self, place: _Place) -> tuple[tuple[int, int], ...]:
        """Return the threads before the first symbol of the next lexeme."""
        terminals = {terminal for node in place for terminal in self._terminals_at(node)}
        bound_terminals = sorted(terminals & self._bound)
        groups: list[tuple[int, ...]] = [(terminal,) for terminal in bound_terminals]
        lexemes = tuple(sorted(terminals - self._bound))
        ended_terminals: tuple[int, ...] = ()
        if place == _FIRST:
            groups.append(lexemes)
            # An empty lexeme may come first, and an ignored text after it. Elsewhere an ignored text may
            # come anyway, so that the rules without empty lexemes say the same.
            ended_terminals = tuple(
                terminal for terminal in lexemes if self.parts[terminal].accepts(self.parts[terminal].start())
            )
        # before a document of JSON, llguidance takes no text that the rules around it ignore
        elif lexemes or any(self.parts[terminal].specials for terminal in bound_terminals):
            groups.append((*lexemes, *self._ignored_terminals))
        threads: list[tuple[int, int]] = []
        for group in filter(None, groups):
            empty_lexemes = () if group[0] in self._bound else ended_terminals
            number = self._threads.number_of((place, empty_lexemes))
            threads.append((number, self.scanner.initial_bundle(group)))
        return tuple(threads)

    def after_token_end(self, config: Config) -> Config | None:
        if not self.counts_tokens:
            return config
        is_word, threads = config
        after = self._after_symbol(
            (number, (self.scanner.after_token_end(bundle), self._threads.values[number][1]))
            for number, bundle in threads
        )
        _, threads_after = after or (False, ())
        config_after = is_word, threads_after
        return config_after if (is_word or threads_after) and self.is_live(config_after) else None

    def inside_parts(self, config: Config) -> SplitConfig:
        _, threads = config
        for _, bundle in threads:
            if any(terminal not in self._bound for terminal, _ in self.scanner.bundles[bundle]):
                return (), config  # a lexeme goes on beside the parts, so that all are read byte by byte
        insides, others = super().inside_parts(config)
        return tuple(map(self._live_end, insides)), others

    def _live_end(self, inside: InsidePart) -> InsidePart:
        """Return a place inside a part, without the configuration after it where no word goes on there."""
        is_live = inside.after_end is not None and self.is_live(inside.after_end)
        return inside if is_live else inside._replace(after_end=None)

    def possible_items(self, config: Config) -> list[Expected]:
        is_word, threads = config
        next_threads = chain.from_iterable(self._next_threads(number) for number, _ in threads)
        return ContextFree.expected_items(self, (is_word, (*threads, *next_threads)))

    def height(self, config: Config) -> int:
        _, threads = config
        places = (self._threads.values[number][0] for number, _ in threads)
        return max((self.stacks.stack_height(node) for place in places for node in place), default=0)

    def _find_plain_rest(self, config: Config) -> bool:
        rest = self._plain_rest(config)
        if rest is not None and not self._is_completed(config, rest):
            return False
        self._rests[config] = rest
        return True

    def _bound_length(self, config: Config) -> int | None:
        rest = self._plain_rest(config)
        return None if rest is None else len(rest)

    @remember_answers
    def _plain_rest(self, config: Config) -> tuple[int, ...] | None:
        """Return the shortest rest of a configuration if each terminal competes only with those that may
        always come where it may. None: there is none, nor is there one under the greedy lexer."""
        is_word, threads = config
        if is_word:
            return ()
        rests: list[Word | None] = []
        for number, bundle in threads:
            place, ended_terminals = self._threads.values[number]
            rests.append(self.greedy_rests.rest_of_thread(place, ended_terminals, bundle))
        best = min((rest for rest in rests if rest is not None), default=None)
        return None if best is None else best.all_symbols()
