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
from structgen.automata.regex.look_behinds import remove_look_aheads
from structgen.automata.regex.syntax_tree import CharacterClass, Concatenation, Node
from structgen.base.errors import GrammarError
from structgen.base.language.expectation import Expected
from structgen.base.language.ir import TRUE, All, Formula, Pattern
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import DEFAULT, Limits
from structgen.grammars.text_grammars.context_free.parsed_lexemes import ParsedLexemes
from structgen.grammars.text_grammars.context_free.parser_stacks import ROOT, Items, Stacks
from structgen.grammars.text_grammars.context_free.rules import Rule, group_by_first, prepare_rules
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
        self.rules = prepare_rules(rules, have, start, ignored)
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
        return self.rules.empty, ((ROOT, self.initial_bundle(0)),)

    @remember_answers
    def initial_bundle(self, state: int) -> int:
        """Return the bundle before the first symbol of the terminals that may follow in a state."""
        return self.scanner.initial_bundle(self.items.next_terminals(state))

    def step(self, config: Config, symbol: int) -> Config | None:
        return self._after_symbol(
            (node, self.scanner.bundle_after(bundle, symbol)) for node, bundle in config[1]
        )

    def _after_symbol(self, tops: Iterable[tuple[int, tuple[int, Iterable[int]]]]) -> Tops | None:
        """Return the configuration of some stacks, each with the bundle that goes on on top of it, and the
        terminals that have ended there; None where there is neither."""
        reading: dict[int, int] = {}
        shifted_nodes: list[int] = []
        for node, (going, ended_terminals) in tops:
            if going != self.scanner.nothing:
                reading[node] = self.scanner.unite_bundles(reading[node], going) if node in reading else going
            for terminal in ended_terminals:
                shifted_nodes += self.stacks.tops_after(node, terminal)
        return self.make_config(reading, shifted_nodes) if reading or shifted_nodes else None

    def _terminal_readings(self, config: Config) -> dict[tuple[int, Config], list[int]]:
        """Return what is being read, a terminal and its configuration, with the stacks on which it is."""
        tops = config[1]
        return group_by_first(
            (reading, node) for node, bundle in tops for reading in self.scanner.bundles[bundle]
        )

    def _single_config(
        self, terminal: int, nodes: Iterable[int], at: Config | None, is_complete: bool = False
    ) -> Tops | None:
        """Return the configuration in which a terminal is being read on some stacks (`at`: None, it is not),
        and has ended there too."""
        bundle = self.scanner.intern_bundle(() if at is None else [(terminal, at)])
        return self._after_symbol((node, (bundle, (terminal,) if is_complete else ())) for node in nodes)

    def single_configs(self, config: Config) -> Iterable[Config]:
        insides, others = self.inside_parts(config)
        if config[0] or len(insides) + (others is not None) < 2 or not insides:
            return (config,)
        open_terminals = (
            (self.parts[terminal], terminal, at, nodes)
            for (terminal, at), nodes in self._terminal_readings(config).items()
        )
        return (
            self._single_config(terminal, nodes, terminal_place)
            for part, terminal, at, nodes in open_terminals
            if not part.accepts(at)
            for terminal_place in part.single_configs(at)
        )

    def inside_parts(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        readings = [
            (terminal, nodes, *self.parts[terminal].inside_parts(at))
            for (terminal, at), nodes in self._terminal_readings(config).items()
        ]
        if not any(insides for _, _, insides, _ in readings):
            return (), config
        parts: list[InsidePart] = []
        others: dict[int, list[Reading]] = {}
        for terminal, nodes, insides, other_config in readings:
            parts += [self._lift_place(terminal, nodes, inside) for inside in insides]
            for node in nodes if other_config is not None else ():
                others.setdefault(node, []).append((terminal, other_config))
        is_told = any(inside.ends and inside.part.may_end(inside.state) for inside in parts)
        ends, tops = (
            config[0] and not is_told,
            self._after_symbol(
                (node, (self.scanner.intern_bundle(left), ())) for node, left in others.items()
            ),
        )
        return tuple(parts), (ends, tops[1] if tops else ()) if ends or tops else None

    def _lift_place(self, terminal: int, nodes: Iterable[int], inside: InsidePart) -> InsidePart:
        """Return a place inside a part of a terminal, which is read on some stacks, as a place of this
        language."""
        after = self._single_config(terminal, nodes, inside.after_end, inside.ends)
        return inside._replace(after_end=after if after and after[1] else None, ends=bool(after and after[0]))

    def after_inside(self, config: Config, state: int) -> Config:
        return self._after_symbol(
            (node, self.scanner.after_inside(bundle, state)) for node, bundle in config[1]
        )

    def make_config(self, reading: Mapping[int, int], shifted_nodes: Iterable[int]) -> Tops:
        """Return the configuration of some stacks: on those of `reading` a terminal is being read, on those
        of `shifted_nodes` one has just ended."""
        complete = False
        tops: dict[int, int] = dict(reading)
        for state, node in self.stacks.group_by_top(dict.fromkeys(shifted_nodes)).items():
            complete = complete or self.items.is_accepting(state)
            if self.items.next_terminals(state):
                fresh = self.initial_bundle(state)
                tops[node] = self.scanner.unite_bundles(tops[node], fresh) if node in tops else fresh
        # stacks with the same state on top and the same bundle become one node
        merged_nodes: dict[tuple[int, int], int] = {}
        for node, bundle in tops.items():
            key = (self.stacks.states[node], bundle)
            merged_nodes[key] = (
                self.stacks.merge_nodes(merged_nodes[key], node) if key in merged_nodes else node
            )
        return complete, tuple(sorted((node, bundle) for (_, bundle), node in merged_nodes.items()))

    def height(self, config: Config) -> int:
        return max((self.stacks.stack_height(node) for node, _ in config[1]), default=0)

    def accepts(self, config: Config) -> bool:
        return bool(config[0])

    def shortest_rest(self, config: Config) -> Sequence[int]:
        rest = self.rests.shortest(config)
        assert rest is not None, "a configuration that no text completes"
        return rest

    def expected_items(self, config: Config) -> list[Expected]:
        bundles = (bundle for _, bundle in config[1])
        return list(dict.fromkeys(item for bundle in bundles for item in self.scanner.expected(bundle)))

    def after_token_end(self, config: Config) -> Config | None:
        if not self.counts_tokens:
            return config
        complete, tops = config
        merged_nodes: dict[int, int] = {}
        for node, bundle in tops:
            after = self.scanner.after_token_end(bundle)
            if after != self.scanner.nothing:
                merged_nodes[node] = (
                    self.scanner.unite_bundles(merged_nodes[node], after) if node in merged_nodes else after
                )
        if not merged_nodes and not complete:
            return None
        return complete, self.make_config(merged_nodes, ())[1]

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
    source = f"^(?:{ecma_text(remove_look_aheads(tree, name))})$"
    try:
        formula = Pattern(source) if beside == TRUE else All((Pattern(source), beside))
        return RegularLanguage(formula, _describe_terminal(name, tree), limits)
    except GrammarError as error:
        if type(error) is not GrammarError:
            raise
        return None


def _describe_terminal(name: str, tree: Node) -> str:
    """Return the description of a terminal: a literal as written, a name, or its pattern."""
    parts = tree.parts if isinstance(tree, Concatenation) else (tree,)
    sets = [part.ranges for part in parts if isinstance(part, CharacterClass) and part.ranges]
    if len(sets) == len(parts) and all(ranges[0][0] == ranges[-1][1] for ranges in sets):
        return json.dumps("".join(chr(ranges[0][0]) for ranges in sets), ensure_ascii=False)
    return name if name.strip() == name else f"/{ecma_text(remove_look_aheads(tree))}/"


def _has_words(language: Language) -> tuple[bool, bool]:
    """Return whether a language has the empty word, and whether it has another."""
    start = language.start()
    return language.accepts(start), language.goes_on(start)
