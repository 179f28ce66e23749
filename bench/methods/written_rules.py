"""Rules over bytes (`byte_rules`) for grammars as they are written: EBNF, Lark over characters, patterns.

`sg.ebnf` and `sg.lark(..., lexer="characters")` are rules over patterns. A pattern is its automaton, which is
written as right-linear rules; left recursion is taken out (Paull's algorithm: Hopcroft and Ullman,
Introduction to Automata Theory, 1979, section 4.6). `sg.regex` and `sg.choice` are one automaton. A JSON
Schema has its own file, `schema_rules`. What has no rules: Lark's contextual lexer, whose lexemes are the
longest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from methods.byte_rules import Rules
from structgen.base.limits import Limits
from structgen.decoding.infilling.automata_of_grammars import MAX_STATES
from structgen.errors import GrammarError, LimitError
from structgen.grammars.text_grammars.context_free.context_free_language import ContextFree
from structgen.grammars.text_grammars.machine.language import Language
from structgen.grammars.text_grammars.regular import RegularGrammar
from structgen.grammars.text_grammars.text_grammar import RulesGrammar

Follow = Callable[[Any], list[tuple["str | bytes", Any]]]


def written_rules(grammar: Any) -> Rules:
    """Return the rules of sg.ebnf, sg.lark over characters, sg.regex, sg.choice. Raises GrammarError for
    other grammars, and where the empty text is one of the texts."""
    if not isinstance(grammar, RulesGrammar | RegularGrammar):
        raise GrammarError(
            f"A {type(grammar).__name__} has no rules over bytes.",
            where="grammar",
            cure='Give sg.ebnf(...) or sg.lark(..., lexer="characters").',
        )
    language, found = grammar.language(Limits()), dict[str, Any]()
    if language.accepts(language.start()):
        raise GrammarError("The empty text is one of its texts.", where="grammar", cure="Ask for one byte.")
    if not isinstance(language, ContextFree):
        automaton(found, "text", language.start(), _steps(language), language.accepts)
        return Rules(found, "text")
    rules, alternatives = language.rules, dict[str, list[tuple[str, ...]]]()
    for left, right in rules.rules:
        alternatives.setdefault(f"n{left}", []).append(
            tuple(f"{'n' if one >= rules.terminals else 't'}{one}" for one in right)
        )
    found.update(_without_left_recursion(alternatives))
    for number, one in enumerate(language.scanner.languages):
        automaton(found, f"t{number}", one.start(), _steps(one), one.accepts)
    return Rules(found, f"{'n' if rules.start >= rules.terminals else 't'}{rules.start}")


def _steps(language: Language) -> Follow:
    def follow(config: Any) -> list[tuple[str | bytes, Any]]:
        after = [language.step(config, byte) for byte in range(256)]
        targets = {one: None for one in after if one is not None}
        return [(bytes(byte for byte in range(256) if after[byte] == one), one) for one in targets]

    return follow


def automaton(
    found: dict[str, Any], name: str, start: Any, follow: Follow, accepts: Callable[[Any], bool]
) -> None:
    """Write an automaton as right-linear rules. Raises LimitError past MAX_STATES states."""
    names = {start: name}
    for state in (pending := [start]):
        found[names[state]] = alternatives = []
        for symbol, after in follow(state):
            if after not in names and follow(after):
                names[after] = f"{name}.{len(names)}"
                pending.append(after)
            if after in names:
                alternatives.append([symbol, names[after]])
            if accepts(after):
                alternatives.append([symbol])
        if len(names) > MAX_STATES:
            raise LimitError(f"{name} has more than {MAX_STATES:,} states.", limit="max_states")


def _without_left_recursion(rules: dict[str, list[tuple[str, ...]]]) -> dict[str, list[tuple[str, ...]]]:
    """Return rules with the same texts in which no name begins with itself. Raises LimitError past
    `grammar_rules`."""
    found: dict[str, list[tuple[str, ...]]] = {}
    most = Limits().grammar_rules
    for name, pending in rules.items():
        done: list[tuple[str, ...]] = []
        while pending:
            first, *rest = pending.pop()
            if first in found:
                pending += [(*more, *rest) for more in found[first]]
            else:
                done.append((first, *rest))
            if len(pending) + len(done) > most:
                raise LimitError(f"{name} has more than {most:,} rules.", limit="grammar_rules")
        loops, tail = [one[1:] for one in done if one[0] == name], f"{name}'"
        found[name] = [one for one in done if one[0] != name]
        if loops:
            found[name] += [(*one, tail) for one in found[name]]
            found[tail] = loops + [(*one, tail) for one in loops]
    return found
