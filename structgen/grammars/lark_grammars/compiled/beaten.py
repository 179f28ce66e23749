"""Terminals that no lexeme can be of, because others take all their texts."""

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
from structgen.grammars.text_grammars.context_free.rules import grouped

_SAMPLES: Final = 8
"""Texts of a terminal of which it is told what they become."""
_LONGEST: Final = 64
"""Bytes of such a text, at most."""


class BeatenTerminal(NamedTuple):
    """A terminal without lexemes, by number."""

    terminal: int
    winners: frozenset[int]
    """What its shortest texts become."""
    has_text: bool
    """Whether it has a text at all."""


def beaten(tables: ParserTables, is_local: bool, limits: Limits) -> list[BeatenTerminal]:
    """Return the terminals that the lexer looks for in some context, and never makes. Cost: the lexer's
    automaton. Raises LimitError."""
    with THIS_CALL.begin(limits):
        return beaten_in(Letters(LexerTables(Lexer(tables, is_local, limits))))


def beaten_in(letters: Letters) -> list[BeatenTerminal]:
    """Return the terminals that a lexer looks for in some context, and never makes."""
    made, every = {terminal for terminal, _kind in letters.letters}, enumerate(letters.tables.contexts)
    contexts = grouped((terminal, number) for number, of in every for terminal in of.every_terminal - made)
    rows = []
    for terminal, numbers in sorted(contexts.items()):
        texts = list(_texts(letters.lexer, terminal))
        winners = frozenset(_winners(letters.rows, texts, numbers))
        rows.append(BeatenTerminal(terminal, winners, bool(texts)))
    return rows


def taken_by_ignored(letters: Letters) -> dict[int, int]:
    """Return terminals of rules and the ignored terminals that take their shortest texts, by number; those
    that are ignored with themselves."""
    tables = letters.tables
    used = {symbol for rule in tables.rules for symbol in rule.symbols if symbol > 0}
    taken = {terminal: terminal for terminal in used & tables.ignored}
    for terminal in used.difference(taken, (made for made, _kind in letters.letters)):
        texts, contexts = list(_texts(letters.lexer, terminal)), list(range(len(tables.contexts)))
        for winner in tables.ignored.intersection(_winners(letters.rows, texts, contexts)):
            taken[terminal] = winner
    return taken


def _winners(rows: LexerTables, texts: list[bytes], contexts: list[int]) -> Iterator[int]:
    """Yield the terminals that some texts become in some contexts."""
    lexer = rows.lexer
    for text in texts:
        for context in contexts:
            state, ended = rows.start(context, lexer.nothing), list[int]()
            for byte in text:
                if state >= 0:
                    rows.put_row(state)
                    ended = [terminal for terminal, _carry in lexer.states[state].ends]
                    state = int(rows.moves[state, lexer.classes[byte]])
            yield from ended[:1] if state < 0 else lexer.ends_with_text(state)[:1]


def _texts(lexer: Lexer, terminal: int) -> Iterator[bytes]:
    """Yield the shortest texts of a terminal alone, one for each state of its lexeme."""
    if lexer.tables.terminals[terminal].pattern is None:
        return
    alone = replace(lexer.tables, contexts=(Context((terminal,), ()),))
    lexer = Lexer(alone, lexer.is_local, lexer.limits)
    rows = LexerTables(lexer)
    start, yielded = rows.start(0, rows.lexer.nothing), 0
    pending, met = [(start, b"")] if start >= 0 else [], {start}
    for state, text in pending:
        if lexer.ends_with_text(state):
            yield text
            yielded += 1
        if yielded == _SAMPLES or len(text) == _LONGEST:
            return
        rows.put_row(state)
        for kind, after in enumerate(rows.moves[state].tolist()):
            if after >= 0 and after not in met:
                met.add(after)
                pending.append((after, text + bytes((lexer.instructions.bytes_of[kind],))))
