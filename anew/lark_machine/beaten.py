"""Terminals that no lexeme can be of, because others take all their texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from anew.lark_machine.effort import Effort
from anew.lark_machine.letters import Letters
from anew.lark_machine.lexer import Lexer
from anew.lark_machine.lexer_tables import LexerTables
from structgen.lark_grammars.reading.loaded_grammar import Context, ParserTables
from structgen.limits import Limits

_SAMPLES: Final = 8
"""Texts of a terminal of which it is told what they become."""
_LONGEST: Final = 64
"""Bytes of such a text, at most."""


class Beaten(NamedTuple):
    """A terminal without lexemes, by number, and the terminals that its shortest texts become."""

    terminal: int
    winners: frozenset[int]


def beaten(tables: ParserTables, is_local: bool, limits: Limits) -> list[Beaten]:
    """Return the terminals that the lexer looks for in some context, and never makes. Cost: the lexer's
    automaton. Raises LimitError."""
    effort = Effort(limits)
    with effort:
        rows = LexerTables(Lexer(tables, is_local, effort), lambda _name, _value: None)
        made = {terminal for terminal, _kind in Letters(rows).letters}
        contexts: dict[int, list[int]] = {}
        for number, context in enumerate(tables.contexts):
            for terminal in context.every_terminal - made:
                contexts.setdefault(terminal, []).append(number)
        return [
            Beaten(terminal, frozenset(_winners(rows, terminal, numbers, effort)))
            for terminal, numbers in sorted(contexts.items())
        ]


def _winners(rows: LexerTables, terminal: int, contexts: list[int], effort: Effort) -> Iterator[int]:
    """Yield the terminals that the shortest texts of a terminal become in some contexts."""
    lexer = rows.lexer
    alone = replace(lexer.tables, contexts=(Context((terminal,), ()),))
    for text in _texts(LexerTables(Lexer(alone, lexer.is_local, effort), lambda _name, _value: None)):
        for context in contexts:
            state, ended = rows.start(context, lexer.nothing), list[int]()
            for byte in text:
                if state >= 0:
                    rows.put_row(state)
                    ended = [one for one, _carry in lexer.states[state].ends]
                    state = int(rows.moves[state, lexer.classes[byte]])
            yield from ended[:1] if state < 0 else lexer.ends_with_text(state)[:1]


def _texts(rows: LexerTables) -> Iterator[bytes]:
    """Yield the shortest texts of the one terminal of a lexer, one for each state."""
    lexer, pending = rows.lexer, list[tuple[int, bytes]]()
    start, found = rows.start(0, rows.lexer.nothing), 0
    pending, met = [(start, b"")] if start >= 0 else [], {start}
    for state, text in pending:
        if lexer.ends_with_text(state):
            yield text
            found += 1
        if found == _SAMPLES or len(text) == _LONGEST:
            return
        rows.put_row(state)
        for kind, after in enumerate(rows.moves[state].tolist()):
            if after >= 0 and after not in met:
                met.add(after)
                pending.append((after, text + bytes((lexer.instructions.bytes_of[kind],))))
