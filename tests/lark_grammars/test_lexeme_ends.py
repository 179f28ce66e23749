"""As what compiled code finds that lexemes may end, held to what one text after another shows."""

from __future__ import annotations

from itertools import islice

import lexeme_endings as slow
import pytest
from test_lexeme_rows import GRAMMARS, tables_of

from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.lexer.lexeme_ends import HAS_IGNORED, HAS_OLD, MAY_BE_IGNORED, MAY_BREAK
from structgen.lark_grammars.lexer.lexemes import DEAD
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE


def met(lexer: Lexer, most: int) -> list[int]:
    """Return states of a lexer, those nearest to the beginning first."""
    found = {
        lexer.start(context, lexer.initial_look_behind()): None
        for context in range(len(lexer.tables.contexts))
    }
    pending = list(found)
    for state in pending:
        for _byte, move in lexer.ways(state):
            if move.after >= 0 and move.after not in found and len(found) < most:
                found[move.after] = None
                pending.append(move.after)
    return list(found)


@pytest.mark.parametrize("name", [*GRAMMARS, "json", "csv", "markers", "sql", "python", "python (lark's)"])
def test_lexemes_end_as_the_texts_of_their_terminals_do(name: str) -> None:
    tables = tables_of(name)
    lexer, other = Lexer(tables), Lexer(tables)
    ignored = tables.ignored
    newline = -1 if tables.indentation is None else tables.indentation.newline
    states = met(lexer, 160)
    assert met(other, 160) == states
    lexer.prepare_endings(states[::2], 32)
    for state in states:
        ends, every = lexer.endings(state, 32), slow.every(other, state)
        assert (ends.separated, ends.terminals, ends.at_end) == (
            slow.parted(other, state, 32),
            every,
            slow.last(other, state),
        )
        sure = {terminal for _size, terminal in ends.separated}
        assert ends.unseparated == [one for one in every if one not in sure and one != newline]
        slots = {slot.terminal for slot in other.states[state].slots}
        assert bool(ends.flags & HAS_OLD) == (-1 in slots)
        assert bool(ends.flags & HAS_IGNORED) == (not slots.isdisjoint(ignored))
        assert bool(ends.flags & MAY_BE_IGNORED) == (not ignored.isdisjoint(every))
        assert bool(ends.flags & MAY_BREAK) == (newline in every)


@pytest.mark.parametrize("name", [*GRAMMARS, "python (lark's)"])
def test_states_that_may_become_a_terminals_are_told_together(name: str) -> None:
    lexer = Lexer(tables_of(name))
    last = max(*met(lexer, 100), 5) + 1
    for terminal in lexer._first:
        known = [lexer.may_become(state, terminal) for state in range(5, last)]
        assert lexer.may_become_rows(5, last, terminal).tolist() == known


@pytest.mark.parametrize("name", ["json", "sql", "python", "python (lark's)"])
def test_the_first_text_from_an_instruction_is_the_first_of_all(name: str) -> None:
    lexer = Lexer(tables_of(name))
    program = lexer.program
    for terminal, first in lexer._first.items():
        pending, seen = [first], set[int]()
        while pending and len(seen) < 12:
            at = pending.pop()
            if at not in seen:
                seen.add(at)
                pending += program.code[at].to
                assert program.first_text(at, terminal) == next(program.texts([at], terminal), None)


@pytest.mark.parametrize("name", [*GRAMMARS, "json", "sql", "python", "python (lark's)"])
def test_the_least_bytes_of_a_terminal_are_those_of_its_first_text(name: str) -> None:
    lexer = Lexer(tables_of(name))
    program = lexer.program
    for terminal, first in lexer._first.items():
        for at in (first, *program.code[first].to):
            words = program.texts([at], terminal)
            word = next(words, None)
            assert program.least(at, terminal) == (UNREACHABLE if word is None else max(1, len(word)))


@pytest.mark.parametrize("name", [*GRAMMARS, "json", "sql", "python", "python (lark's)"])
def test_contexts_that_are_no_apart_begin_as_others_do(name: str) -> None:
    tables = tables_of(name)
    lexer = Lexer(tables)
    before = lexer.initial_look_behind()
    for terminal in lexer._first:
        apart = {lexer.start(context, before) for context in lexer.distinct_contexts(10, terminal)}
        for context in range(len(tables.contexts)):
            start = lexer.start(context, before)
            kinds = [
                kind
                for kind, move in enumerate(lexer.row(start))
                if kind == lexer.classes[10]
                or (move.after >= 0 and terminal in lexer.viable_terminals(move.after))
            ]
            known = ([lexer.row(one)[kind] for kind in kinds] for one in apart)
            assert [lexer.row(start)[kind] for kind in kinds] in list(known)


@pytest.mark.parametrize("name", [*GRAMMARS, "json", "csv", "sql", "python (lark's)"])
def test_a_part_of_a_start_does_what_the_start_does_with_a_terminal(name: str) -> None:
    tables = tables_of(name)
    lexer = Lexer(tables)
    for context in range(0, len(tables.contexts), 1 + len(tables.contexts) // 20):
        start = lexer.start(context, lexer.initial_look_behind())
        row = lexer.row(start)
        for terminal in [0, *slow.every(lexer, start)]:
            part = lexer.partial_start(context, terminal, 32, 10)
            for kind, (real, move) in enumerate(zip(row, lexer.row(part), strict=True)):
                begins = real.after >= 0 and terminal in slow.every(lexer, real.after)
                if begins or -1 - terminal in real.sources or kind in (lexer.classes[32], lexer.classes[10]):
                    assert move == real


@pytest.mark.parametrize("name", [*GRAMMARS, "json", "csv", "sql", "python (lark's)"])
def test_what_is_an_error_behind_a_terminal_is_one_to_all_starts(name: str) -> None:
    tables = tables_of(name)
    lexer = Lexer(tables)
    for terminal in lexer._first:
        contexts = tables.contexts_after(terminal)
        starts = [lexer.start(one, lexer.initial_look_behind()) for one in contexts]
        dead = (lexer.after(starts) == DEAD).all(axis=0)
        assert lexer.errors_after_contexts(contexts).tolist() == dead.tolist()


@pytest.mark.parametrize("name", [*GRAMMARS, "python (lark's)"])
def test_texts_end_together_as_each_does(name: str) -> None:
    lexer = Lexer(tables_of(name))
    for state in met(lexer, 40):
        for terminal in slow.every(lexer, state):
            texts = lexer._texts_of(lexer._waiting(state), terminal)
            found = lexer._every_end(state, terminal, *texts.first(20))
            assert found == [lexer._ended(state, terminal, text) for text in islice(texts, 20)]
