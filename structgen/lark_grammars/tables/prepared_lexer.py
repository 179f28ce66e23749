"""What is worked out of a Lark grammar when lark loads it, for all vocabularies: the states of its lexer,
what bytes do to them and as what they may end; the plans of the parser's states, of which terminals the
separator makes sure, behind which states a text goes on, and which bytes are errors behind a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.errors import LimitError
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.liveness.certified_states import CertifiedStates
from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.lark_grammars.tables.grammar_tables import GrammarTables, PageTables
from structgen.limits import Limits

MOST_STATES: Final = 1 << 12
"""Parser states of grammars for which this is worked out: it takes some 0.2 ms for each."""
MOST_LEXEMES: Final = 3 << 10
"""Lexeme states that are gone through."""
MOST_CELLS: Final = 1 << 20
"""Of them and the classes of bytes."""
MOST_ROWS: Final = 3 << 10
"""Items of theirs whose rows are made: what takes the time where patterns look ahead."""
MOST_LISTED: Final = 1 << 20
"""Numbers of lists of what they may become."""
_AT_ONCE: Final = 64
"""Lexeme states that are gone through together."""


class Ahead(NamedTuple):
    """The answers of one grammar."""

    pages: GrammarTables
    """They are of all compiled grammars with these tables: see `GrammarTables.own`."""
    lexemes: npt.NDArray[np.uint8]
    """The states of the lexer: what `ContextualLanguage.lexemes` returned."""
    start: int
    """The state in which the parser begins."""

    @property
    def has_text(self) -> bool:
        """Whether it is sure that there is a text."""
        return (
            int(self.pages.sure[self.start]) & (K.CERTIFIED_SEPARATED | K.EXCLUDING) == K.CERTIFIED_SEPARATED
        )


def work_out(tables: ParserTables) -> Ahead | None:
    """Return the answers of a grammar; None where it is too large (compiled code has room for K.TAILED
    terminals), or its rules derive no text. Cost: 10 ms
    for JSON, 0.1 to 0.3 s for a thousand states of the parser, and 0.1 s for a thousand of the lexer, 0.5
    where patterns look ahead."""
    if len(tables.kernels) > MOST_STATES or len(tables.terminals) > K.TAILED:
        return None
    try:
        language = ContextualLanguage(tables, Limits())
        if not language.reader.parser.is_productive:
            return None
        book = PageTables(tables, lambda: language)
        try:
            with language.budget:
                _enter_endings(book, language, _enter_moves(book, language))
        except LimitError as error:
            if error.limit != "oracle_steps":
                raise
        with language.budget:
            _enter_plans(book, language)
    except LimitError:
        return None  # masks may get by without what was too much
    return Ahead(book.pages(), language.lexemes(), tables.start)


def _enter_moves(book: PageTables, language: ContextualLanguage) -> list[int]:
    """Enter what bytes do to lexemes: on the way of each terminal's first text, then those nearest to where
    lexemes begin, then those that only the language comes to; return the states."""
    tables, lexer = language.reader.tables, language.reader.lexer
    for context in range(len(tables.contexts)):
        book.put_start(context, lexer.start(context, lexer.initial_look_behind()))
    most = min(MOST_LEXEMES, MOST_CELLS // len(lexer.representative))
    states = dict.fromkeys(map(book.start_of, range(len(tables.contexts))))
    states |= _on_the_way(language, states)
    pending, done = list(states), 0
    while done < min(len(pending), most) and lexer.items.rows < MOST_ROWS:
        together = pending[done : done + _AT_ONCE]
        book.put_moves(together)
        done += len(together)
        after = [one for one in book.states_behind(*together) if one not in states]
        if done == len(pending) and not after:
            after = [one for one in range(book.states) if one not in states]
        states |= dict.fromkeys(after)
        pending += after
    return pending[:done]


def _on_the_way(language: ContextualLanguage, starts: Iterable[int]) -> dict[int, None]:
    """Return the states that the first texts of terminals lead through, those nearest to the starts first.
    Keywords are longer than what else tells lexemes apart, and vocabularies are full of them."""
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


def _enter_endings(book: PageTables, language: ContextualLanguage, states: list[int]) -> None:
    """Enter as what some lexemes may end."""
    language.meet_endings(states)
    for state in states:
        if book.listed >= MOST_LISTED:
            return
        book.put_endings(state, *language.endings(state))


def _enter_plans(book: PageTables, language: ContextualLanguage) -> None:
    """Enter the plans of the parser's states, and what they rest on."""
    tables = language.reader.tables

    def cleanness(context: int, terminal: int) -> int:
        book.put_clean(context, terminal, language.cleanness(context, terminal))
        return book.clean(context, terminal)

    while True:
        sure = CertifiedStates(tables, language.completion_of, cleanness).find()
        # by what was asked of the lexer, plans may hold no longer
        if not language.outdated():
            break
    for state in range(len(tables.kernels)):
        book.put_plan(state, *language.completion_of(state))
    book.put_sure(sure)
    for terminal in range(len(tables.terminals)):
        book.put_errors(terminal)
