"""Computes, when lark loads a grammar, the tables that hold for all vocabularies: the states of its lexer,
their moves and endings; from which boundaries every stack leads to the text's end; and the errors after each
terminal.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.errors import LimitError
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.lark_grammars.tables.grammar_tables import GrammarTables, GrowingGrammarTables
from structgen.limits import Limits

MOST_STATES: Final = 1 << 12
"""The most parser states of a grammar for which this is computed: each takes about 0.2 ms."""
MOST_LEXEMES: Final = 3 << 10
"""The most lexeme states that are visited."""
MOST_CELLS: Final = 1 << 20
"""The most lexeme states times classes of bytes."""
MOST_ROWS: Final = 3 << 10
"""The most items whose rows are made; this dominates the time if patterns look ahead."""
MOST_LISTED: Final = 1 << 20
"""The most numbers in lists of terminals that lexemes may become."""
_AT_ONCE: Final = 64
"""Lexeme states that are visited together."""


class Ahead(NamedTuple):
    """The tables of one grammar that hold for all vocabularies."""

    grammar_tables: GrammarTables
    """Shared by all compiled grammars with these tables: see `GrammarTables.own`."""
    lexemes: npt.NDArray[np.uint8]
    """The states of the lexer, from `ContextualLanguage.lexemes`."""
    start: int
    """The parser's start state."""

    @property
    def has_text(self) -> bool:
        """Whether it is certain that the grammar has a text."""
        return bool(self.grammar_tables.certain[self.start, 0] >> K.BETWEEN & 1)


def work_out(tables: ParserTables) -> Ahead | None:
    """Return the tables of a grammar; None if it is too large (compiled code has room for K.MOST_TERMINALS
    terminals), or its rules derive no text. Cost: 10 ms for JSON, 0.1 to 0.3 s for a thousand parser states,
    and 0.1 s for a thousand lexer states, 0.5 s if patterns look ahead."""
    if len(tables.kernels) > MOST_STATES or len(tables.terminals) > K.MOST_TERMINALS:
        return None
    try:
        language = ContextualLanguage(tables, Limits())
        if not language.reader.parser.is_productive:
            return None
        arrays = GrowingGrammarTables(tables, lambda: language)
        arrays.put_certain(language.certain())
        try:
            with language.budget:
                _enter_endings(arrays, language, _enter_moves(arrays, language))
        except LimitError as error:
            if error.limit != "oracle_steps":
                raise
        for terminal in range(len(tables.terminals)):
            arrays.put_errors(terminal)
    except LimitError:
        return None  # masks may not need what exceeded the limit
    return Ahead(arrays.grammar_tables(), language.lexemes(), tables.start)


def _enter_moves(arrays: GrowingGrammarTables, language: ContextualLanguage) -> list[int]:
    """Store the moves of lexemes: on the path of each terminal's first text, then those nearest to the
    beginnings of lexemes, then those that only the language reaches; return the states."""
    tables, lexer = language.reader.tables, language.reader.lexer
    for context in range(len(tables.contexts)):
        arrays.put_start(context, lexer.start(context, lexer.initial_look_behind()))
    most = min(MOST_LEXEMES, MOST_CELLS // len(lexer.representative))
    states = dict.fromkeys(map(arrays.start_of, range(len(tables.contexts))))
    states |= _on_the_way(language, states)
    pending, done = list(states), 0
    while done < min(len(pending), most) and lexer.items.rows < MOST_ROWS:
        together = pending[done : done + _AT_ONCE]
        arrays.put_moves(together)
        done += len(together)
        after = [one for one in arrays.states_after(*together) if one not in states]
        if done == len(pending) and not after:
            after = [one for one in range(arrays.states) if one not in states]
        states |= dict.fromkeys(after)
        pending += after
    return pending[:done]


def _on_the_way(language: ContextualLanguage, starts: Iterable[int]) -> dict[int, None]:
    """Return the states on the paths of the first texts of terminals, the nearest to the starts first.
    Keywords are long, and vocabularies contain many of them."""
    lexer = language.reader.lexer
    follow: dict[bytes, dict[int, bytes]] = {}
    for terminal in range(len(language.reader.tables.terminals)):
        for text in islice(lexer.sample_lexemes(terminal), 1):
            for at, byte in enumerate(text):
                follow.setdefault(text[:at], {})[byte] = text[: at + 1]
    met: dict[int, None] = {}
    level = dict.fromkeys((start, b"") for start in starts)
    while level:
        after = {
            (lexer.move(state, byte).after, text): None
            for state, read in level
            for byte, text in follow.get(read, {}).items()
        }
        level = dict.fromkeys(one for one in after if one[0] >= 0)
        met |= dict.fromkeys(state for state, _text in level)
    return met


def _enter_endings(arrays: GrowingGrammarTables, language: ContextualLanguage, states: list[int]) -> None:
    """Store the endings of some lexemes."""
    language.meet_endings(states)
    for state in states:
        if arrays.listed >= MOST_LISTED:
            return
        arrays.put_endings(state, *language.endings(state))
