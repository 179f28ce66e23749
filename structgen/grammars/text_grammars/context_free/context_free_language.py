"""`ContextFree`: the context-free language of rules over terminals that are languages themselves.

All rules are allowed: ambiguous, left-, right- and hidden-left-recursive, nullable, cyclic ones. A terminal
may end wherever its language has a word. A configuration is the set of all parser stacks that the text so far
allows, each with the terminals that are being read on top of it; equal sets are equal values. Every stack can
be completed, because the rules have no useless symbols (`rules`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from structgen.automata.regex.ecma_text import ecma_text
from structgen.automata.regex.look_behinds import settled
from structgen.automata.regex.syntax_tree import CharacterClass, Concatenation, Node
from structgen.base.errors import GrammarError
from structgen.base.language.expectation import Expected
from structgen.base.language.ir import TRUE, All, Formula, Pattern
from structgen.base.language.remembering import remembered
from structgen.base.limits import DEFAULT, Limits
from structgen.grammars.text_grammars.context_free.parsed_lexemes import ParsedLexemes
from structgen.grammars.text_grammars.context_free.parser_stacks import ROOT, Items, Stacks
from structgen.grammars.text_grammars.context_free.rules import Rule, grouped, prepare
from structgen.grammars.text_grammars.context_free.shortest_rests import Rests, Tops
from structgen.grammars.text_grammars.machine.language import Config, InsidePart, Language
from structgen.grammars.text_grammars.machine.scanning import Reading, Scanner, common_classes
from structgen.grammars.text_grammars.regular_language import RegularLanguage


class ContextFree(Language):
    """The words that `rules` derive from `start`. A terminal is a language (None: without a word), or a
    pattern as a tree.

    `ignored` names terminals that may stand before the first terminal and after each; the texts of patterns
    meet the formula `beside` as well. Raises `GrammarError` for undefined symbols, and where there is no
    word.
    """

    has_stack = True

    def __init__(
        self,
        rules: Iterable[Rule],
        terminals: Mapping[str, Language | Node | None],
        start: str,
        *,
        ignored: Sequence[str] = (),
        limits: Limits = DEFAULT,
        beside: Formula = TRUE,
    ) -> None:
        languages: dict[str, Language | None] = {}
        have: dict[str, tuple[bool, bool]] = {}
        for name, terminal in terminals.items():
            language = (
                terminal
                if terminal is None or isinstance(terminal, Language)
                else _of_pattern(name, terminal, limits, beside)
            )
            languages[name] = language
            have[name] = (False, False) if language is None else _has_words(language)
        self.rules = prepare(rules, have, start, ignored)
        if self.rules.start < 0 and not self.rules.empty:
            raise GrammarError(
                f"No text is derived from {start}.",
                where="start",
                cure="See to it that each of its rules comes to an end, and its terminals match something.",
            )
        names = self.rules.names[: self.rules.terminals]
        self.scanner = Scanner([cast(Language, languages[name]) for name in names])
        self.parts = self.scanner.languages
        self.classes, self.specials = self.scanner.classes, self.scanner.specials
        self.outer_classes = common_classes(part.outer_classes or part.classes for part in self.parts)
        self.counts_tokens = self.scanner.counts_tokens
        self.locks = max((language.locks for language in self.scanner.languages), default=0)
        self.items = Items(self.rules)
        self.stacks = Stacks(self.items, limits)
        self.rests = Rests(self.rules, self.scanner, self.stacks, limits)
        if not self.specials and not self.counts_tokens:
            self.lexemes = ParsedLexemes(self.items, self.stacks, self.scanner)

    def start(self) -> Config:
        if self.rules.start < 0:
            return True, ()
        return self.rules.empty, ((ROOT, self.fresh(0)),)

    @remembered
    def fresh(self, state: int) -> int:
        """Return the bundle before the first symbol of the terminals that may follow in a state."""
        return self.scanner.fresh(self.items.terminals(state))

    def step(self, config: Config, symbol: int) -> Config | None:
        return self._moved((node, self.scanner.after(bundle, symbol)) for node, bundle in config[1])

    def _moved(self, tops: Iterable[tuple[int, tuple[int, Iterable[int]]]]) -> Tops | None:
        """Return the configuration of some stacks, each with the bundle that goes on on top of it, and the
        terminals that have ended there; None where there is neither."""
        reading: dict[int, int] = {}
        shifted: list[int] = []
        for node, (going, ended) in tops:
            if going != self.scanner.nothing:
                reading[node] = self.scanner.union(reading[node], going) if node in reading else going
            for terminal in ended:
                shifted += self.stacks.tops(node, terminal)
        return self.configuration(reading, shifted) if reading or shifted else None

    def _readings(self, config: Config) -> dict[tuple[int, Config], list[int]]:
        """Return what is being read, a terminal and its configuration, with the stacks on which it is."""
        tops = config[1]
        return grouped((reading, node) for node, bundle in tops for reading in self.scanner.bundles[bundle])

    def _place(
        self, terminal: int, nodes: Iterable[int], at: Config | None, ended: bool = False
    ) -> Tops | None:
        """Return the configuration in which a terminal is being read on some stacks (`at`: None, it is not),
        and has ended there too."""
        bundle = self.scanner.bundle(() if at is None else [(terminal, at)])
        return self._moved((node, (bundle, (terminal,) if ended else ())) for node in nodes)

    def places(self, config: Config) -> Iterable[Config]:
        insides, others = self.inside(config)
        if config[0] or len(insides) + (others is not None) < 2 or not insides:
            return (config,)
        begun = (
            (self.parts[terminal], terminal, at, nodes)
            for (terminal, at), nodes in self._readings(config).items()
        )
        return (
            self._place(terminal, nodes, one)
            for part, terminal, at, nodes in begun
            if not part.accepts(at)
            for one in part.places(at)
        )

    def inside(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        readings = [
            (terminal, nodes, *self.parts[terminal].inside(at))
            for (terminal, at), nodes in self._readings(config).items()
        ]
        if not any(insides for _, _, insides, _ in readings):
            return (), config
        told: list[InsidePart] = []
        others: dict[int, list[Reading]] = {}
        for terminal, nodes, insides, left in readings:
            told += [self._lifted(terminal, nodes, inside) for inside in insides]
            for node in nodes if left is not None else ():
                others.setdefault(node, []).append((terminal, left))
        is_told = any(inside.ends and inside.part.may_end(inside.state) for inside in told)
        ends, tops = (
            config[0] and not is_told,
            self._moved((node, (self.scanner.bundle(left), ())) for node, left in others.items()),
        )
        return tuple(told), (ends, tops[1] if tops else ()) if ends or tops else None

    def _lifted(self, terminal: int, nodes: Iterable[int], inside: InsidePart) -> InsidePart:
        """Return a place inside a part of a terminal, which is read on some stacks, as a place of this
        language."""
        after = self._place(terminal, nodes, inside.after_end, inside.ends)
        return inside._replace(after_end=after if after and after[1] else None, ends=bool(after and after[0]))

    def after_inside(self, config: Config, state: int) -> Config:
        return self._moved((node, self.scanner.after_inside(bundle, state)) for node, bundle in config[1])

    def configuration(self, reading: Mapping[int, int], shifted: Iterable[int]) -> Tops:
        """Return the configuration of some stacks: on those of `reading` a terminal is being read, on those
        of `shifted` one has just ended."""
        complete = False
        tops: dict[int, int] = dict(reading)
        for state, node in self.stacks.union(dict.fromkeys(shifted)).items():
            complete = complete or self.items.accepts(state)
            if self.items.terminals(state):
                fresh = self.fresh(state)
                tops[node] = self.scanner.union(tops[node], fresh) if node in tops else fresh
        # stacks with the same state on top and the same bundle become one node
        same: dict[tuple[int, int], int] = {}
        for node, bundle in tops.items():
            key = (self.stacks.states[node], bundle)
            same[key] = self.stacks.merge(same[key], node) if key in same else node
        return complete, tuple(sorted((node, bundle) for (_, bundle), node in same.items()))

    def height(self, config: Config) -> int:
        return max((self.stacks.height(node) for node, _ in config[1]), default=0)

    def accepts(self, config: Config) -> bool:
        return bool(config[0])

    def shortest(self, config: Config) -> Sequence[int]:
        rest = self.rests.shortest(config)
        assert rest is not None, "a configuration that no text completes"
        return rest

    def expected(self, config: Config) -> list[Expected]:
        bundles = (bundle for _, bundle in config[1])
        return list(dict.fromkeys(told for bundle in bundles for told in self.scanner.expected(bundle)))

    def boundary(self, config: Config) -> Config | None:
        if not self.counts_tokens:
            return config
        complete, tops = config
        left: dict[int, int] = {}
        for node, bundle in tops:
            after = self.scanner.bounded(bundle)
            if after != self.scanner.nothing:
                left[node] = self.scanner.union(left[node], after) if node in left else after
        if not left and not complete:
            return None
        return complete, self.configuration(left, ())[1]

    @property
    def sizes(self) -> dict[str, int]:
        strings = sum(language.sizes.get("string_states", 0) for language in self.scanner.languages)
        return {
            "parser_states": len(self.items.kernels),
            "stacks": len(self.stacks),
            "string_states": strings,
        }


def _of_pattern(name: str, tree: Node, limits: Limits, beside: Formula) -> Language | None:
    """Return the language of a pattern; None where it matches nothing."""
    source = f"^(?:{ecma_text(settled(tree, name))})$"
    try:
        formula = Pattern(source) if beside == TRUE else All((Pattern(source), beside))
        return RegularLanguage(formula, _description(name, tree), limits)
    except GrammarError as error:
        if type(error) is not GrammarError:
            raise
        return None


def _description(name: str, tree: Node) -> str:
    """Return the description of a terminal: a literal as written, a name, or its pattern."""
    parts = tree.parts if isinstance(tree, Concatenation) else (tree,)
    sets = [part.ranges for part in parts if isinstance(part, CharacterClass) and part.ranges]
    if len(sets) == len(parts) and all(ranges[0][0] == ranges[-1][1] for ranges in sets):
        return json.dumps("".join(chr(ranges[0][0]) for ranges in sets), ensure_ascii=False)
    return name if name.strip() == name else f"/{ecma_text(settled(tree))}/"


def _has_words(language: Language) -> tuple[bool, bool]:
    """Return whether a language has the empty word, and whether it has another."""
    start = language.start()
    return language.accepts(start), language.goes_on(start)
