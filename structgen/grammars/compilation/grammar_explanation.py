"""The explanation of a grammar of texts: conflicts that lark resolved in silence, useless parts, and accepted
texts."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from structgen.base.errors import GrammarError, LimitError
from structgen.base.language import checks
from structgen.base.language.remarks import NO_REMARKS, Remarks
from structgen.grammars.compilation.explanation_text import (
    SHOWN_LINES,
    Shown,
    section_lines,
    shortest_section,
)
from structgen.grammars.lark_grammars.compiled.beaten import beaten_terminals_of, find_beaten_terminals
from structgen.grammars.lark_grammars.compiled.bound_lark import BoundLark
from structgen.grammars.lark_grammars.compiled.lark_language import LarkLanguage
from structgen.grammars.lark_grammars.compiled.loaded_lark import LarkGrammar
from structgen.grammars.lark_grammars.reading.loaded_grammar import ParserTables, rule_as_written
from structgen.grammars.text_grammars.context_free.productive_symbols import S, productive_symbols
from structgen.grammars.text_grammars.machine.language import TOKEN, Language
from structgen.grammars.text_grammars.machine.random_sentences import random_word
from structgen.grammars.text_grammars.text_grammar import RulesGrammar, TextGrammar


@dataclass(frozen=True, slots=True)
class BeatenTerminal:
    """A terminal that no lexeme can become, in any context in which the lexer looks for it."""

    terminal: str
    winners: tuple[str, ...]
    """The terminals that its shortest texts become."""


@dataclass(frozen=True, slots=True)
class GrammarCosts:
    """How large a grammar is."""

    terminals: int = 0
    rules: int = 0
    parser_states: int = 0
    contexts: int = 0
    """The number of sets of terminals that the lexer looks for; 0 without a lexer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrammarExplanation(Remarks, Shown):
    """A grammar of texts explained; made by `explain`. Conflicts: none where rules are read without a
    lexer."""

    kind: str
    """The kind of the grammar, with its lexer and parser."""
    unproductive: tuple[str, ...]
    """Rules that derive no text."""
    beaten: tuple[BeatenTerminal, ...]
    shortest: str | None
    """A short text that is accepted; None where none is."""
    sentences: tuple[str, ...]
    """Random texts that are accepted."""
    costs: GrammarCosts

    @property
    def has_faults(self) -> bool:
        """Whether a part is of no use, or no text is accepted. Conflicts are none."""
        useless_parts = (
            self.unused_rules,
            self.unproductive,
            self.unused_terminals,
            self.never_made,
            self.beaten,
        )
        return self.shortest is None or any(useless_parts)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON-ready dict."""
        return asdict(self)

    def told(self, name: str = "", most: int = SHOWN_LINES) -> Iterator[str]:
        """Yield the lines that `structgen explain` prints; there is no outline."""
        costs = self.costs
        yield f"{name}: {self.kind}" if name else self.kind
        if costs.rules:
            size = f"{costs.rules:,} rules, {costs.terminals:,} terminals"
            if costs.contexts:
                size += f"; {costs.parser_states:,} parser states, {costs.contexts:,} contexts of the lexer"
            yield size
        conflicts = []
        for conflict in self.conflicts:
            conflicts.append(f"before {conflict.terminal}, lark goes on with")
            conflicts += [f"    {rule}" for rule in conflict.kept]
            conflicts.append("  and does not reduce by")
            conflicts += [f"    {rule}" for rule in conflict.dropped]
        beaten_lines = (
            f"{loser.terminal}: its texts become {', '.join(loser.winners) or 'nothing'}"
            for loser in self.beaten
        )
        for title, rows in (
            ("Conflicts that lark resolves", conflicts),
            ("Rules that the start rule does not lead to", self.unused_rules),
            ("Rules that derive no text", self.unproductive),
            ("Terminals of no use to a rule", self.unused_terminals),
            ("Terminals that never come: they are declared, and nothing makes them", self.never_made),
            ("Terminals that can never win", beaten_lines),
        ):
            yield from section_lines(title, rows)
        if self.shortest is None:
            yield "\nIt accepts no text."
        else:
            yield from shortest_section("A shortest text", self.shortest, repr(self.shortest))
        yield from section_lines("Random texts", map(repr, self.sentences), max_lines=len(self.sentences))


def explain_grammar(grammar: TextGrammar, sentences: int = 0, seed: int = 0) -> GrammarExplanation:
    """Return the explanation of a grammar of texts, with so many random texts; the same seed gives the same.

    Cost: some 10 ms, seconds for grammars like Python's. Raises LimitError where it was not found out
    whether anything is accepted; OptionError.
    """
    checks.check_whole("sentences", sentences, 0)
    language, shortest = _shortest_text(grammar)
    source = random.Random(seed)
    words: tuple[str, ...] = ()
    if language is not None and shortest is not None:
        words = tuple(random_word(language, source).decode() for _ in range(sentences))
    kind, remarks = grammar.source, NO_REMARKS
    never_win: tuple[BeatenTerminal, ...] = ()
    barren_names: Iterable[str] = ()
    numbers = {} if language is None else {"parser_states": language.sizes.get("parser_states", 0)}
    if isinstance(grammar, BoundLark | LarkGrammar):
        # The tables know all terminals; a bound one has a stand-in as its pattern.
        lark = grammar.of if isinstance(grammar, BoundLark) else grammar
        kind = "a Lark grammar under LALR(1) with lark's contextual lexer"
        tables = lark.tables
        remarks = tables.remarks
        never_win = _beaten_terminals(lark, language)
        barren_names = _barren_rules(tables)
        numbers = {
            "terminals": len(tables.terminals) - 1,  # without the text's end
            "rules": len(tables.rules),
            "parser_states": len(tables.actions),
            "contexts": len(tables.contexts),
        }
    elif isinstance(grammar, RulesGrammar):
        remarks = grammar.remarks
        terminals = (*grammar.terminals, *grammar.bound)
        barren_names = _barren_symbols(grammar.rules, terminals)
        numbers |= {"terminals": len(terminals), "rules": len(grammar.rules)}
    # Rules that were made of a rule's parts have no name that a person wrote.
    rule_names = sorted(
        name for name in set(map(rule_as_written, barren_names)) if name.strip() == name and name[:1] != "$"
    )
    return GrammarExplanation(
        **{field.name: getattr(remarks, field.name) for field in fields(remarks)},
        kind=kind,
        unproductive=tuple(rule_names),
        beaten=never_win,
        shortest=shortest,
        sentences=words,
        costs=GrammarCosts(**numbers),
    )


def _shortest_text(grammar: TextGrammar) -> tuple[Language | None, str | None]:
    """Return the language of a grammar, None where it cannot be made because there is no text; and a short
    text, None where there is none."""
    language = None
    try:
        language = grammar.language(grammar.limits)
        symbols = language.shortest_rest(language.start())
    except GrammarError as error:
        # Its subclasses are other faults, as a pattern that is refused.
        if type(error) is not GrammarError:
            raise
        return language, None
    return language, bytes(symbol for symbol in symbols if symbol < TOKEN).decode()


def _barren_rules(tables: ParserTables) -> list[str]:
    """Return the names of lark's rules that derive no text."""
    # Terminal 0 is the text's end. Others without a pattern are made by the indenter, or by nobody.
    productive_terminals = {
        number
        for number, terminal in enumerate(tables.terminals)
        if terminal.pattern is not None or number == 0
    }
    if tables.indentation is not None:
        productive_terminals |= {tables.indentation.indent, tables.indentation.dedent}
    rules = [(-1 - rule.origin, tuple(rule.symbols)) for rule in tables.rules]
    return [tables.nonterminals[-1 - symbol] for symbol in _barren_symbols(rules, productive_terminals)]


def _barren_symbols(rules: Sequence[tuple[S, tuple[S, ...]]], productive_terminals: Iterable[S]) -> set[S]:
    """Return the symbols on the left of rules that derive no text. `productive_terminals` have texts."""
    return {lhs for lhs, _right in rules} - productive_symbols(rules, productive_terminals)


def _beaten_terminals(grammar: LarkGrammar, language: Language | None) -> tuple[BeatenTerminal, ...]:
    """Return the terminals that no lexeme is of; none where that was not found out within the limits."""
    tables = grammar.tables
    try:
        if isinstance(language, LarkLanguage):
            losers = beaten_terminals_of(language.compiled.answers.letters)
        else:
            losers = find_beaten_terminals(tables, grammar.is_local, grammar.limits)
    except LimitError:
        return ()
    names = [terminal.display_name for terminal in tables.terminals]
    terminals = []
    for loser in losers:
        winners = sorted(names[winner] for winner in loser.winners)
        terminals.append(BeatenTerminal(names[loser.terminal], tuple(winners)))
    return tuple(terminals)
