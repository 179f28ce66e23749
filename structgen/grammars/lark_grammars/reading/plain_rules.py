"""Loads a Lark grammar as plain rules over patterns, for `lexer="characters"` and `lexer="greedy"`.

A *plain rule* is a nonterminal with one sequence of symbols: `s: A | "(" s ")"` comes to two. A *pattern* is
the regular expression of a terminal. A *bound* terminal is declared, and another grammar reads it.

lark loads the grammar and expands templates, repetitions and optional parts. No parser table is made, so any
context-free rules are allowed. Priorities choose between trees, not between texts, so they are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from structgen.automata.regex.syntax_tree import Node
from structgen.base.errors import GrammarError, LimitError
from structgen.base.language.remarks import Remarks
from structgen.base.limits import Limits
from structgen.grammars.lark_grammars.reading.lark_loader import (
    Import,
    Importer,
    never_made,
    parse_pattern,
    read_by_lark,
    refusal_error,
)
from structgen.grammars.lark_grammars.reading.loader_remarks import unused_names
from structgen.grammars.text_grammars.context_free.productive_symbols import productive_symbols


class PlainRules(NamedTuple):
    """A context-free grammar whose terminals are patterns."""

    rules: tuple[tuple[str, tuple[str, ...]], ...]
    """Pairs of a nonterminal and the symbols of one right side, all by name."""
    patterns: dict[str, str]
    """Name of a terminal -> its pattern, which can be parsed."""
    ignored_names: tuple[str, ...]
    """The names of the terminals that may come before the first terminal, and after each."""
    remarks: Remarks
    imports: tuple[Import, ...]
    """The imports that lark asked for, in order."""

    def parse_terminals(self) -> dict[str, Node]:
        """Return the trees of the patterns, by the names of the terminals. Raises RegexError."""
        return {name: _pattern_tree(name, pattern) for name, pattern in self.patterns.items()}


def load_rules(
    text: str,
    *,
    start: str,
    source: str | None,
    import_paths: Sequence[Importer],
    limits: Limits,
    bound: Sequence[str],
    text_only: bool,
) -> PlainRules:
    """Return the expanded rules of a grammar. Cost: lark's own loading, without its table.

    `start`, `source`, `import_paths`, `limits` and `text_only` are as in `load_tables`. `bound`: declared
    terminals that another grammar reads; they have no pattern here.

    Raises GrammarError, with lark's message, if lark refuses the grammar, if the start rule does not exist,
    for a terminal without a pattern, or for a string whose terminal has the name of a bound one; RegexError,
    which names the terminal; LimitError for more rules than `limits.grammar_rules`.
    """
    import lark

    where = source or "grammar"
    try:
        grammar, imports = read_by_lark(text, source, import_paths, limits, bound, text_only)
        names = {str(name) for name, parameters, *_rest in grammar.rule_defs if not parameters}
        if start not in names:
            raise GrammarError(
                f"The rule {start} does not exist.",
                where=where,
                cure=f"Pass start= one of its rules: {', '.join(sorted(names)[:12])}.",
            )
        terminals, rules, ignored_names = grammar.compile([start], set())
    except (lark.exceptions.LarkError, OSError, RecursionError, AssertionError) as error:
        raise refusal_error(error, text, source, start) from error
    if len(rules) > limits.grammar_rules:
        raise LimitError(f"The grammar expands to {len(rules):,} rules.", limit="grammar_rules", where=where)
    patterns = _patterns_of(terminals, bound)
    plain = tuple(map(_plain_rule, rules))
    never = never_made(rules, start, ignored_names, (*patterns, *bound), where)
    if never:
        # A rule that needs a terminal that nothing makes derives nothing.
        productive = productive_symbols(plain, (*patterns, *bound))
        plain = tuple((origin, symbols) for origin, symbols in plain if productive.issuperset(symbols))
    unused = unused_names(grammar, rules, set(ignored_names), start)
    remarks = Remarks((), *unused, never)
    return PlainRules(plain, patterns, tuple(map(str, ignored_names)), remarks, tuple(imports.met))


def _patterns_of(terminals: Sequence[Any], bound: Sequence[str]) -> dict[str, str]:
    """Return the patterns of lark's `terminals` by name. `bound`: the names of bound terminals. Raises
    GrammarError for a terminal with such a name; RegexError."""
    patterns: dict[str, str] = {}
    for terminal in terminals:
        name = str(terminal.name)
        if name in bound:  # lark names the terminal of the string "b" B
            raise GrammarError(
                f"The text {terminal.pattern.value!r} has the name of a bound terminal.",
                where=f"terminal {name}",
                cure="Bind another name.",
            )
        patterns[name] = terminal.pattern.to_regexp()
        _pattern_tree(name, patterns[name])  # raises for a pattern that is wrong, before the file is written
    return patterns


def _plain_rule(rule: Any) -> tuple[str, tuple[str, ...]]:
    """Return one of lark's rules: the name of the nonterminal, and the names of the symbols on the right."""
    return str(rule.origin.name), tuple(str(symbol.name) for symbol in rule.expansion)


def _pattern_tree(name: str, pattern: str) -> Node:
    """Return the tree of the pattern of the terminal `name`. Raises RegexError."""
    return parse_pattern(pattern, 0, where=f"terminal {name}")
