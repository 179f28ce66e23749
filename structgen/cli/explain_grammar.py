"""What `structgen explain` prints of grammars that are no schemas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from structgen.cli.output import echo

if TYPE_CHECKING:
    from structgen.compilation.grammar_explanation import GrammarExplanation

_MOST = 50
"""Findings of one sort that are listed."""
_SHORTEST = 2_000
"""Characters of the shortest text that are printed."""


def show_grammar(name: str, explanation: GrammarExplanation) -> None:
    """Print the explanation of a grammar."""
    echo("\n".join(_lines(name, explanation)))


def _lines(name: str, explanation: GrammarExplanation) -> Iterator[str]:
    costs = explanation.costs
    yield f"{name}: {explanation.kind}"
    if costs.contexts:
        yield (
            f"{costs.rules:,} rules, {costs.terminals:,} terminals; {costs.parser_states:,} parser states, "
            f"{costs.contexts:,} contexts of the lexer"
        )
    elif costs.rules:
        yield f"{costs.rules:,} rules, {costs.terminals:,} terminals"
    conflicts = []
    for conflict in explanation.conflicts:
        conflicts += [
            f"before {conflict.terminal}, lark goes on with",
            *(f"    {one}" for one in conflict.kept),
        ]
        conflicts += ["  and does not reduce by", *(f"    {one}" for one in conflict.dropped)]
    yield from _section("Conflicts that lark resolves", conflicts, _MOST * 4)
    yield from _section("Rules that the start rule does not lead to", explanation.unused_rules)
    yield from _section("Rules that derive no text", explanation.unproductive)
    yield from _section("Terminals of no use to a rule", explanation.unused_terminals)
    yield from _section(
        "Terminals that never come: they are declared, and nothing makes them", explanation.never_made
    )
    beaten = [
        f"{one.terminal}: its texts become {', '.join(one.winners) or 'nothing'}"
        for one in explanation.beaten
    ]
    yield from _section("Terminals that can never win", beaten)
    yield ""
    if explanation.shortest is None:
        yield "It accepts no text."
    else:
        shown = explanation.shortest
        yield f"A shortest text ({len(shown.encode()):,} bytes)"
        yield "  " + repr(shown[:_SHORTEST]) + (" …" if len(shown) > _SHORTEST else "")
    yield from _section(
        "Random texts", [repr(one) for one in explanation.sentences], len(explanation.sentences)
    )
    yield ""
    yield "What it costs"
    yield f"  {costs.load_ms:.1f} ms to load, {costs.language_ms:.1f} ms from there to the shortest text"


def _section(title: str, lines: tuple[str, ...] | list[str], most: int = _MOST) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines[:most])
        if len(lines) > most:
            yield f"  and {len(lines) - most:,} more lines (--json has all)"
