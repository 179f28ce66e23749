"""`sg.ebnf`: grammars in EBNF (GBNF of llama.cpp, XGrammar's form) as context-free languages."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from structgen.automata.regex.ecma_text import ecma_text
from structgen.automata.regex.syntax_tree import Node
from structgen.errors import GrammarError, GrammarWarning, options_named, warning_level, within
from structgen.language import checks
from structgen.language.ir import All, Formula
from structgen.language.remarks import NO_REMARKS, Remarks
from structgen.limits import DEFAULT, Limits
from structgen.system.public_calls import THIS_CALL
from structgen.system.text_files import grammar_text
from structgen.text_grammars.context_free.context_free_language import ContextFree, PatternLanguage
from structgen.text_grammars.context_free.ebnf_reader import parse_ebnf
from structgen.text_grammars.context_free.rules import Rule, reached
from structgen.text_grammars.machine.language import CompileTarget, Language
from structgen.text_grammars.regular_formulas import writable
from structgen.text_grammars.regular_language import RegularLanguage
from structgen.text_grammars.text_grammar import TextGrammar, counted, language_if_any

_NUMBERS_TO_READ: Final = 75
"""A character of a grammar takes some 1.5 us: as many numbers could be read."""


@options_named('sg.ebnf(\'root ::= "a" root | "b"\')')
def ebnf(text: str | os.PathLike[str], *, start: str = "root", limits: Limits | None = None) -> RulesGrammar:
    """Return the grammar that a text of EBNF, or a file of that path, describes: what `start` derives.

    The form is that of llama.cpp's GBNF and of XGrammar (`structgen.text_grammars.context_free.ebnf_reader`).
    All rules are allowed: ambiguous, left-recursive, nullable, cyclic ones. Of two rules of one name the
    later one counts, with a `GrammarWarning`. Raises `GrammarError` with line and column, `LimitError` past
    `limits.grammar_rules` rules and counted copies. Cost: linear in the text.
    """
    source, file = grammar_text(text, "sg.ebnf", "Write sg.ebnf('root ::= \"a\"').")
    THIS_CALL.work(_NUMBERS_TO_READ * len(source))
    bounds = checks.limits(limits)
    with within(file, ", "):
        read = parse_ebnf(source, bounds.grammar_rules)
        if start not in read.lines:
            raise GrammarError(
                f"There is no rule {start}.",
                where="start",
                cure=f"Name one of {', '.join(list(read.lines)[:8])}.",
            )
    for replaced in read.replaced:
        what = (
            f"{replaced} is defined again: as in llama.cpp, the later rule alone counts. Join the two with |."
        )
        warnings.warn(GrammarWarning(what), stacklevel=warning_level())
    unused = set(read.lines).difference(reached(read.rules, [start]))
    remarks = Remarks(unused_rules=(*read.replaced, *sorted(unused)))
    apart = {name: counted(tree, f"/{ecma_text(tree)}/", bounds) for name, tree in read.terminals.items()}
    bound = {name: of for name, of in apart.items() if of is not None}
    return RulesGrammar(read.rules, read.terminals, start, limits=bounds, bound=bound, remarks=remarks)


@dataclass(eq=False, repr=False, slots=True)
class RulesGrammar(TextGrammar):
    """Context-free rules over patterns. Ambiguity is allowed. Made by `ebnf`."""

    rules: Sequence[Rule]
    terminals: Mapping[str, Node]
    start: str
    ignored: Sequence[str] = ()
    """Terminals that may stand before the first terminal, and after each."""
    limits: Limits = DEFAULT
    bound: Mapping[str, TextGrammar] = field(default_factory=dict)
    """Terminals that are grammars themselves."""
    remarks: Remarks = NO_REMARKS
    """Unused rules."""
    missing: frozenset[int] = frozenset()
    """Bytes that no text of the grammar may contain, because the vocabulary lacks them."""
    source = "a grammar of rules"

    @property
    def canonical(self) -> str:
        patterns = {name: ecma_text(tree) for name, tree in self.terminals.items()}
        said = f"rules {sorted(self.rules)!r} {sorted(patterns.items())!r} {self.start} {self.ignored!r}"
        parts = ", ".join(f"{name}={self.bound[name].canonical}" for name in sorted(self.bound))
        said = f"{said} where {parts}" if parts else said
        return f"{said} without bytes {sorted(self.missing)}" if self.missing else said

    def without_bytes(self, missing: frozenset[int]) -> TextGrammar:
        bound = {name: of.without_bytes(missing) for name, of in self.bound.items()}
        return replace(self, bound=bound, missing=self.missing | missing)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return self.over(limits, RegularLanguage)

    def over(self, limits: Limits, make: PatternLanguage) -> Language:
        """Return the language of the rules; `make` makes the languages of the patterns."""

        def pattern(formula: Formula, what: str, limits: Limits) -> Language:
            formula = All((formula, writable(self.missing))) if self.missing else formula
            return make(formula, what, limits)

        bound = {
            name: language_if_any(of, limits, {}, None) if self.missing else of.language(limits)
            for name, of in self.bound.items()
        }
        terminals: dict[str, Language | Node | None] = {**self.terminals, **bound}
        return ContextFree(
            self.rules, terminals, self.start, ignored=self.ignored, limits=limits, make=pattern
        )
