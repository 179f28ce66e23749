"""Finds the terminals that no lexeme can become, because other terminals take all their texts.

A terminal that loses each of its texts in every context is *beaten*. With A: "if" and B: "if", lark always
makes the same one of them of the text `if`, and the other is beaten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerTables
from structgen.grammars.lark_grammars.liveness.letters import Letters
from structgen.grammars.lark_grammars.reading.loaded_grammar import Context, ParserTables
from structgen.grammars.text_grammars.context_free.rules import group_by_first

_SAMPLES: Final = 8
"""The number of shortest texts of a terminal that are tried."""
_LONGEST: Final = 64
"""The most bytes of such a text."""


class ShadowedTerminal(NamedTuple):
    """A terminal without lexemes, by number."""

    terminal: int
    winners: frozenset[int]
    """The terminals that its shortest texts become."""
    has_text: bool
    """Whether the terminal has a text at all."""


def find_beaten_terminals(tables: ParserTables, is_local: bool, limits: Limits) -> list[ShadowedTerminal]:
    """Return the terminals that the lexer looks for in some context, and never makes. Cost: the lexer's
    automaton. Raises LimitError."""
    with THIS_CALL.begin_call(limits):
        return beaten_terminals_of(Letters(LexerTables(Lexer(tables, is_local, limits))))


def beaten_terminals_of(letters: Letters) -> list[ShadowedTerminal]:
    """Return the terminals that a lexer looks for in some context, and never makes."""
    produced_terminals = {terminal for terminal, _kind in letters.letters}
    contexts = group_by_first(
        (terminal, number)
        for number, context in enumerate(letters.tables.contexts)
        for terminal in context.every_terminal - produced_terminals
    )
    shadowed = []
    for terminal, numbers in sorted(contexts.items()):
        texts = list(_shortest_texts(letters.lexer, terminal))
        winners = frozenset(_winning_terminals(letters.rows, texts, numbers))
        shadowed.append(ShadowedTerminal(terminal, winners, bool(texts)))
    return shadowed


def terminals_lost_to_ignored(letters: Letters) -> dict[int, int]:
    """Return terminals of rules, each with the ignored terminal that takes its shortest texts, by number. A
    terminal that is ignored itself stands with itself."""
    tables = letters.tables
    # Number 0 is the end of the text, which no lexeme is; below 0 are nonterminals.
    used = {symbol for rule in tables.rules for symbol in rule.symbols if symbol > 0}
    produced_terminals = {terminal for terminal, _kind in letters.letters}
    contexts = list(range(len(tables.contexts)))
    winner_of = {terminal: terminal for terminal in used & tables.ignored_terminals}
    for terminal in used.difference(winner_of, produced_terminals):
        texts = list(_shortest_texts(letters.lexer, terminal))
        winners = _winning_terminals(letters.rows, texts, contexts)
        for winner in tables.ignored_terminals.intersection(winners):
            winner_of[terminal] = winner
    return winner_of


def _winning_terminals(
    rows: LexerTables,
    texts: list[bytes],
    contexts: list[int],
) -> Iterator[int]:
    """Yield the terminals that some texts become in some contexts."""
    lexer = rows.lexer
    for text in texts:
        for context in contexts:
            state = rows.start(context, lexer.nothing)
            final_terminals: list[int] = []
            for byte in text:
                if state >= 0:
                    rows.put_row(state)
                    final_terminals = [terminal for terminal, _carry in lexer.states[state].ends]
                    state = int(rows.moves[state, lexer.classes[byte]])
            # The lexer stops where no lexeme goes on; the ends are in lark's order, and the first one wins.
            if state >= 0:
                final_terminals = lexer.ends_with_text(state)
            yield from final_terminals[:1]


def _shortest_texts(lexer: Lexer, terminal: int) -> Iterator[bytes]:
    """Yield the shortest texts of a terminal alone, one for each state of its lexeme."""
    if lexer.tables.terminals[terminal].pattern is None:
        return
    # A lexer of a single context with this terminal alone: no other one can take its texts.
    single_terminal_tables = replace(lexer.tables, contexts=(Context((terminal,), ()),))
    lexer = Lexer(single_terminal_tables, lexer.is_local, lexer.limits)
    rows = LexerTables(lexer)
    start = rows.start(0, rows.lexer.nothing)
    queue = [(start, b"")] if start >= 0 else []
    visited = {start}
    yield_count = 0
    for state, text in queue:  # the list grows meanwhile
        if lexer.ends_with_text(state):
            yield text
            yield_count += 1
        if yield_count == _SAMPLES or len(text) == _LONGEST:
            return
        rows.put_row(state)
        for byte_class, next_state in enumerate(rows.moves[state].tolist()):
            if next_state >= 0 and next_state not in visited:
                visited.add(next_state)
                byte = lexer.instructions.bytes_of[byte_class]
                queue.append((next_state, text + bytes((byte,))))
