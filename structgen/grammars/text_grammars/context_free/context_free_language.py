"""`ContextFree`: the language of context-free rules whose terminals are languages themselves.

All rules are allowed: ambiguous, left-, right- and hidden-left-recursive, nullable, cyclic ones. A *terminal*
is a language, such as the texts of a pattern; it may end wherever its language has a word. A *bundle* is a
numbered set of terminals that are being read at the same point, each with its own configuration (`scanning`).
A *configuration* is the set of all parser stacks that the text so far allows, each with the bundle on top of
it; equal sets are equal values. Every stack can be completed, because the rules have no useless symbols
(`rules`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from structgen.grammars.text_grammars.machine.language import Config, InsidePart, Language, SplitConfig
from structgen.grammars.text_grammars.machine.scanning import Reading, Scanner, common_classes
from structgen.grammars.text_grammars.regular_language import RegularLanguage


class ContextFree(Language):
    """The words that `rules` derive from `start`. A terminal is a language (None: without a word), or a
    pattern as a tree.

    `ignored` names terminals that may stand before the first terminal and after each. If `are_runs`, the
    first of them stands there once, and the others never. The texts of patterns meet the formula `beside` as
    well. Raises `GrammarError` for undefined symbols, and where there is no word.
    """

    has_stack = True

    def __init__(
        self,
        rules: Iterable[Rule],
        terminals: Mapping[str, Language | Node | None],
        start: str,
        *,
        ignored: Sequence[str] = (),
        are_runs: bool = False,
        unused_terminals: Sequence[str] = (),
        limits: Limits = DEFAULT,
        beside: Formula = TRUE,
    ) -> None:
        """`rules`, `terminals`, `start`, `ignored`, `are_runs` and `beside`: see the class.
        `unused_terminals`: those of no rule that are parts, too, numbered after the others. Example:
        `ContextFree([("s", ("a", "s")), ("s", ())], {"a": tree}, "s")` has the texts of any number of `a`."""
        languages: dict[str, Language | None] = {}
        has_words: dict[str, tuple[bool, bool]] = {}
        for name, terminal in terminals.items():
            if terminal is None or isinstance(terminal, Language):
                language = terminal
            else:
                language = _pattern_language(name, terminal, limits, beside)
            languages[name] = language
            has_words[name] = (False, False) if language is None else _has_words(language)
        self.rules = prepare_rules(rules, has_words, start, ignored, are_runs=are_runs)
        if self.rules.start < 0 and not self.rules.empty:
            raise GrammarError(
                f"{start} generates no text.",
                where="start",
                cure="Check that each of its rules ends, and that its terminals match something.",
            )
        # only useful terminals are left, and a useful terminal has a word
        terminal_names = [*self.rules.names[: self.rules.terminals]]
        terminal_names += [name for name in unused_terminals if languages[name] is not None]
        self.scanner = Scanner([cast(Language, languages[name]) for name in terminal_names])
        self.parts = self.scanner.languages
        self.classes = self.scanner.classes
        self.specials = self.scanner.specials
        self.outer_classes = common_classes(part.outer_classes or part.classes for part in self.parts)
        self.counts_tokens = self.scanner.counts_tokens
        self.locks = max((language.locks for language in self.scanner.languages), default=0)
        self.items = Items(self.rules)
        self.stacks = Stacks(self.items, limits)
        self.rests = Rests(self.rules, self.scanner, self.stacks, limits)
        # lexemes are made of bytes alone, and forget where tokens begin
        if not self.specials and not self.counts_tokens:
            self.lexemes = ParsedLexemes(self.items, self.stacks, self.scanner)

    def start(self) -> Config:
        if self.rules.start < 0:  # the empty text is the only word
            return True, ()
        return self.rules.empty, ((ROOT, self.initial_bundle(0)),)

    @remember_answers
    def initial_bundle(self, state: int) -> int:
        """Return the bundle before the first symbol of the terminals that may follow in a state."""
        return self.scanner.initial_bundle(self.items.next_terminals(state))

    def step(self, config: Config, symbol: int) -> Config | None:
        _, tops = config
        after = ((node, self.scanner.bundle_after(bundle, symbol)) for node, bundle in tops)
        return self._after_symbol(after)

    def _after_symbol(self, tops: Iterable[tuple[int, tuple[int, Iterable[int]]]]) -> Tops | None:
        """Return the configuration after a symbol. `tops`: for each stack the bundle that goes on on top of
        it, and the terminals that have ended there. None: there is neither."""
        reading: dict[int, int] = {}
        shifted_nodes: list[int] = []
        for node, (bundle, ended_terminals) in tops:
            if bundle != self.scanner.nothing:
                self._add_bundle(reading, node, bundle)
            # a terminal may end here and may also go on: both are kept in the configuration
            for terminal in ended_terminals:
                shifted_nodes += self.stacks.tops_after(node, terminal)
        return self.make_config(reading, shifted_nodes) if reading or shifted_nodes else None

    def _add_bundle(self, reading: dict[int, int], node: int, bundle: int) -> None:
        """Add the terminals of a bundle to those that are read on a stack."""
        if node in reading:
            bundle = self.scanner.unite_bundles(reading[node], bundle)
        reading[node] = bundle

    def _terminal_readings(self, config: Config) -> dict[tuple[int, Config], list[int]]:
        """Return the terminals that are being read, each with its configuration, and their stacks."""
        _, tops = config
        return group_by_first(
            (reading, node) for node, bundle in tops for reading in self.scanner.bundles[bundle]
        )

    def _single_config(
        self,
        terminal: int,
        nodes: Iterable[int],
        reading: Config | None,
        is_complete: bool = False,
    ) -> Tops | None:
        """Return the configuration in which a terminal is being read on some stacks, and with `is_complete`
        has ended there too. `reading`: the terminal's own configuration; None: it is not being read. For
        example, `_single_config(2, nodes, None, True)` is the configuration after terminal 2."""
        bundle = self.scanner.intern_bundle(() if reading is None else [(terminal, reading)])
        ended_terminals = (terminal,) if is_complete else ()
        return self._after_symbol((node, (bundle, ended_terminals)) for node in nodes)

    def single_configs(self, config: Config) -> Iterable[Config]:
        is_word, _ = config
        insides, others = self.inside_parts(config)
        place_count = len(insides) + (others is not None)
        if is_word or place_count < 2 or not insides:
            return (config,)
        return self._open_configs(config)

    def _open_configs(self, config: Config) -> Iterator[Config]:
        """Yield a configuration for each place of a terminal that may not end."""
        for (terminal, reading), nodes in self._terminal_readings(config).items():
            part = self.parts[terminal]
            if not part.accepts(reading):
                for single_reading in part.single_configs(reading):
                    yield self._single_config(terminal, nodes, single_reading)

    def inside_parts(self, config: Config) -> SplitConfig:
        is_word, _ = config
        readings = [
            (terminal, nodes, *self.parts[terminal].inside_parts(reading))
            for (terminal, reading), nodes in self._terminal_readings(config).items()
        ]
        if not any(insides for _, _, insides, _ in readings):
            return (), config
        parts: list[InsidePart] = []
        others: dict[int, list[Reading]] = {}
        for terminal, nodes, insides, other_config in readings:
            parts += [self._lift_place(terminal, nodes, inside) for inside in insides]
            if other_config is not None:
                for node in nodes:
                    others.setdefault(node, []).append((terminal, other_config))
        # If the text may end at the end of a part, the part says so, and the other places need not.
        is_end_inside = any(inside.ends and inside.part.may_end(inside.state) for inside in parts)
        ends = is_word and not is_end_inside
        other_bundles = ((node, self.scanner.intern_bundle(readings)) for node, readings in others.items())
        outside = self._after_symbol((node, (bundle, ())) for node, bundle in other_bundles)
        if not ends and not outside:
            return tuple(parts), None
        _, tops = outside or (False, ())
        return tuple(parts), (ends, tops)

    def _lift_place(self, terminal: int, nodes: Iterable[int], inside: InsidePart) -> InsidePart:
        """Return a place inside a part of a terminal, which is read on some stacks, as a place of this
        language."""
        after = self._single_config(terminal, nodes, inside.after_end, inside.ends)
        is_word, tops = after or (False, ())
        return inside._replace(after_end=after if tops else None, ends=is_word)

    def after_inside(self, config: Config, state: int) -> Config:
        _, tops = config
        after = ((node, self.scanner.after_inside(bundle, state)) for node, bundle in tops)
        return self._after_symbol(after)

    def make_config(self, reading: Mapping[int, int], shifted_nodes: Iterable[int]) -> Tops:
        """Return the configuration of some stacks: on those of `reading` a terminal is being read, on those
        of `shifted_nodes` one has just ended."""
        complete = False
        tops: dict[int, int] = dict(reading)
        for state, node in self.stacks.group_by_top(dict.fromkeys(shifted_nodes)).items():
            complete = complete or self.items.is_accepting(state)
            if self.items.next_terminals(state):
                self._add_bundle(tops, node, self.initial_bundle(state))
        # stacks with the same state on top and the same bundle become one node
        merged_nodes: dict[tuple[int, int], int] = {}
        for node, bundle in tops.items():
            key = (self.stacks.states[node], bundle)
            if key in merged_nodes:
                node = self.stacks.merge_nodes(merged_nodes[key], node)
            merged_nodes[key] = node
        # sorted, so that equal sets of stacks are equal values
        merged_tops = [(node, bundle) for (_, bundle), node in merged_nodes.items()]
        return complete, tuple(sorted(merged_tops))

    def height(self, config: Config) -> int:
        _, tops = config
        heights = (self.stacks.stack_height(node) for node, _ in tops)
        return max(heights, default=0)

    def accepts(self, config: Config) -> bool:
        is_word, _ = config
        return bool(is_word)

    def shortest_rest(self, config: Config) -> Sequence[int]:
        rest = self.rests.shortest(config)
        assert rest is not None, "a configuration that no text completes"
        return rest

    def expected_items(self, config: Config) -> list[Expected]:
        _, tops = config
        items: list[Expected] = []
        for _, bundle in tops:
            items += self.scanner.expected(bundle)
        return list(dict.fromkeys(items))

    def after_token_end(self, config: Config) -> Config | None:
        if not self.counts_tokens:
            return config
        complete, tops = config
        reading: dict[int, int] = {}
        for node, bundle in tops:
            after = self.scanner.after_token_end(bundle)
            if after != self.scanner.nothing:
                self._add_bundle(reading, node, after)
        if not reading and not complete:
            return None
        # no terminal ends between two tokens, so the text is a word as before
        _, tops_after = self.make_config(reading, ())
        return complete, tops_after

    @property
    def sizes(self) -> dict[str, int]:
        strings = sum(language.sizes.get("string_states", 0) for language in self.scanner.languages)
        return {
            "parser_states": len(self.items.kernels),
            "stacks": len(self.stacks),
            "string_states": strings,
        }


def _pattern_language(name: str, tree: Node, limits: Limits, beside: Formula) -> Language | None:
    """Return the language of a terminal's pattern; None where no text matches. `name`: the name of the
    terminal, for messages. `tree`: the pattern. `beside`: a formula that the texts must fulfil too; `TRUE`:
    none."""
    pattern = Pattern(f"^(?:{ecma_text(remove_look_aheads(tree, name))})$")
    try:
        formula = pattern if beside == TRUE else All((pattern, beside))
        return RegularLanguage(formula, _describe_terminal(name, tree), limits)
    except GrammarError as error:
        if type(error) is not GrammarError:  # its subclasses say something else, such as a limit
            raise
        return None


def _describe_terminal(name: str, tree: Node) -> str:
    """Return the description of a terminal for messages: its text in quotes if it has only one, else its
    name, or its pattern if the name was made here."""
    parts = tree.parts if isinstance(tree, Concatenation) else (tree,)
    bounds = [
        (part.ranges[0][0], part.ranges[-1][1])
        for part in parts
        if isinstance(part, CharacterClass) and part.ranges
    ]
    # a literal: each part is a class of one character
    if len(bounds) == len(parts) and all(lowest == highest for lowest, highest in bounds):
        literal = "".join(chr(character) for character, _ in bounds)
        return json.dumps(literal, ensure_ascii=False)
    if name.strip() == name:
        return name
    # a name with a blank is one that we made (`counted_rules`): the pattern says more
    return f"/{ecma_text(remove_look_aheads(tree))}/"


def _has_words(language: Language) -> tuple[bool, bool]:
    """Return whether a language has the empty word, and whether it has another."""
    start = language.start()
    return language.accepts(start), language.goes_on(start)
