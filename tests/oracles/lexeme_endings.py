"""As what lexemes may end, one terminal and one text after another: the slow, obvious version."""

from __future__ import annotations

from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.lexer.lexemes import DEAD, DECIDED


def every(lexer: Lexer, state: int) -> list[int]:
    """Return all terminals that a lexeme may become, or is."""
    slots = (slot.terminal for slot in lexer.states[state].slots)
    return sorted(lexer.viable_terminals(state).union(terminal for terminal in slots if terminal >= 0))


def parted(lexer: Lexer, state: int, separator: int) -> list[tuple[int, int]]:
    """Return the terminals as which a separator makes sure that a lexeme has ended, each behind the bytes
    that it still needs; the indenter's newline is left aside."""
    indentation = lexer.tables.indentation
    found = []
    for terminal in every(lexer, state):
        if indentation is None or terminal != indentation.newline:
            words = lexer.short_texts(state, terminal)
            sizes = (len(word) for word in words if lexer.is_separated(state, terminal, word, separator))
            size = next(sizes, -1)
            if size >= 0:
                found.append((size, terminal))
    return sorted(found)


def last(lexer: Lexer, state: int) -> int:
    """Return the terminal that the text's end makes of a lexeme, -1: it is an error, -2: an old slot."""
    end = lexer.end(state)
    if end.after != DECIDED:
        return -1
    source = end.sources[0]
    terminal = -1 - source if source < 0 else lexer.states[state].slots[source].terminal
    return terminal if terminal >= 0 else -2


def never_ends_at_slot(lexer: Lexer, state: int, other: int) -> bool:
    """Return whether a lexeme with an old slot never ends with it, as what was read on from the slot
    (`other`) errs wherever it would."""
    pairs = {(state, other): None}
    pending = list(pairs)
    for here, beside in pending:
        slot = [item.terminal for item in lexer.states[here].slots].index(-1)
        if lexer.end(here).sources == (slot,) and lexer.end(beside).after == DECIDED:
            return False
        for move, after in zip(lexer.row(here), lexer.row(beside), strict=True):
            if slot not in move.sources or after.after == DEAD:
                continue
            if move.after < 0 or after.after < 0 or max(after.sources, default=-1) >= 0:
                return False
            if (move.after, after.after) not in pairs:
                pairs[move.after, after.after] = None
                pending.append((move.after, after.after))
    return True
