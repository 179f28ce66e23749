"""What a Lark grammar's pages say of its lexer, held to what its language says, state by state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from structgen.errors import LimitError
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.lexer.lexemes import DEAD, DECIDED
from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.lark_grammars.tables import prepared_lexer
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.lark_grammars.tables.grammar_tables import GrammarTables, GrowingGrammarTables
from structgen.limits import Limits


def hold_pages(tables: ParserTables, pages: GrammarTables, *, partly: bool = False) -> int:
    """Assert that pages say what a language says that is asked in another order; return how many states have
    their moves and endings. `partly`: they need not know all states."""
    language = ContextualLanguage(tables, Limits())
    language.certain()
    lexer = language.reader.lexer
    contexts = list(range(len(tables.contexts)))
    random.Random(0).shuffle(contexts)
    theirs: dict[int, int] = {}
    pending: list[int] = []

    def meet(state: int, other: int) -> None:
        if state not in theirs:
            theirs[state] = other
            pending.append(state)
        assert theirs[state] == other

    for context in contexts:
        meet(int(pages.starts[context]), lexer.start(context, lexer.initial_look_behind()))
    known = 0
    for state in pending:
        other = theirs[state]
        has_moves, has_endings = bool((pages.moves[state] >= 0).all()), pages.endings[state] >= 0
        assert partly or (has_moves and has_endings)
        known += has_moves and has_endings
        if has_moves:
            for kind, byte in enumerate(lexer.representative):
                move, expected = _move(int(pages.moves[state, kind])), _expected(lexer, other, byte)
                assert move[:2] == expected[:2]
                for one, after in zip(move[2:], expected[2:], strict=True):
                    assert (one == K.ELSE_NONE) == (after == DEAD)
                    if after != DEAD:
                        meet(one, after)
        if has_endings:
            found = _endings(pages, state)
            assert found == _told(language, other), (state, other)
    if tables.indentation is not None:
        newline = tables.indentation.newline
        for state, other in theirs.items():
            assert pages.newlines[state] == lexer.may_become(other, newline)
    assert len(set(theirs.values())) == len(theirs)
    return known


def bounds_met(tables: ParserTables) -> list[str]:
    """Return which bounds `lark_ahead.work_out` meets; without any it knows all states (decision 024)."""
    with _watched() as met:
        prepared_lexer.work_out(tables)
    return met


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Note which bounds of its work `lark_ahead.work_out` meets."""
    met: list[str] = []

    def enter_moves(book: GrowingGrammarTables, language: ContextualLanguage) -> list[int]:
        states: list[int] = noted(moves, book, language)
        lexer = language.reader.lexer
        if len(states) >= prepared_lexer.MOST_LEXEMES:
            met.append("MOST_LEXEMES")
        if len(states) * len(lexer.representative) > prepared_lexer.MOST_CELLS - len(lexer.representative):
            met.append("MOST_CELLS")
        if lexer.items.rows >= prepared_lexer.MOST_ROWS:
            met.append("MOST_ROWS")
        return states

    def enter_endings(book: GrowingGrammarTables, language: ContextualLanguage, states: list[int]) -> None:
        noted(endings, book, language, states)
        if book.listed >= prepared_lexer.MOST_LISTED:
            met.append("MOST_LISTED")

    def noted(enter: Any, *arguments: object) -> Any:
        try:
            return enter(*arguments)
        except LimitError as error:
            met.append(error.limit)
            raise

    moves, endings = prepared_lexer._enter_moves, prepared_lexer._enter_endings
    with mock.patch.multiple(prepared_lexer, _enter_moves=enter_moves, _enter_endings=enter_endings):
        yield met


def _move(word: int) -> tuple[int, ...]:
    """Return the kind of a move, its terminal, -1 where it has none, and the states that it leads to."""
    kind, after = word & K.KIND_BITS, (word >> K.TO_SHIFT) & K.TO_BITS
    terminal = (word >> K.TERMINAL_SHIFT) & K.TERMINAL_BITS
    if kind in (K.MOVE_NOW, K.MOVE_BEFORE):
        return kind, terminal
    if kind == K.MOVE_ON:
        return kind, -1, after
    if kind in (K.MOVE_KEEP_NEW, K.MOVE_KEEP_OLD):
        return kind, terminal if kind == K.MOVE_KEEP_NEW else -1, after, word >> K.ELSE_SHIFT
    return kind, -1


def _expected(lexer: Lexer, state: int, byte: int) -> tuple[int, ...]:
    """As `_move`, of the move that a lexer says."""
    move, slots = lexer.move(state, byte), lexer.states[state].slots
    if move.after == DEAD:
        return K.MOVE_DEAD, -1
    before = [source for source in move.sources if source >= 0]
    if move.after == DECIDED:
        if not before:
            return K.MOVE_NOW, -1 - move.sources[0]
        terminal = slots[before[0]].terminal
        return (K.MOVE_OLD, -1) if terminal < 0 else (K.MOVE_BEFORE, terminal)
    if not before:
        return K.MOVE_ON, -1, move.after
    if len(before) > 1:
        return K.MOVE_MANY, -1
    terminal, without = slots[before[0]].terminal, lexer.without_slot(move.after)
    if terminal < 0:
        return K.MOVE_KEEP_OLD, -1, move.after, without
    if lexer.errors_after(terminal)[lexer.classes[byte]]:
        return (K.MOVE_DEAD, -1) if without == DEAD else (K.MOVE_ON, -1, without)
    return K.MOVE_KEEP_NEW, terminal, move.after, without


def _endings(pages: GrammarTables, state: int) -> tuple[list[object], list[int], int]:
    at = int(pages.endings[state])

    def listed(at: int) -> list[int]:
        found: list[int] = pages.lists[at + 1 : at + 1 + pages.lists[at]].tolist()
        return found

    first, every = listed(at), listed(at + 1 + int(pages.lists[at]))
    last = int(pages.lists[at + 2 + len(first) + len(every)])
    shown: list[object] = [*first]
    return [_itself(one, state) for one in shown], every, last


def _told(language: ContextualLanguage, state: int) -> tuple[list[object], list[int], int]:
    first, every, last = language.endings(state)
    return [_itself(one, state) for one in first], every, last


def _itself(ending: object, state: int) -> object:
    """Return an ending, without the numbers of its state and of its boundary."""
    if isinstance(ending, int | np.integer) and ending == K.SEPARATED - state:
        return "separated"
    if isinstance(ending, int | np.integer) and ending >= 1 << K.OWED_AT:
        return "owed", int(ending) & K.ENDING_BITS
    return ending
