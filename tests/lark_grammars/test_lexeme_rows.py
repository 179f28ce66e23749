"""The moves of lexeme states that compiled code makes, held to those that follow one thread after another."""

from __future__ import annotations

from pathlib import Path

import lark
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark.indenter import PythonIndenter
from lark_traps import TRAPS
from lexeme_moves import LexemeMoves

import structgen as sg
from structgen.errors import StructgenError
from structgen.lark_grammars.lark_grammar import LarkGrammar
from structgen.lark_grammars.lexer.lexemes import LexemeStates
from structgen.lark_grammars.reading.loaded_grammar import ParserTables

ROOT = Path(__file__).resolve().parents[2]
ODD = {
    "look-behinds into the text before": "start: (A | B | C)+\nA: /(?<=ba)a+/\nB: /b(?<!é.)|é/\nC: /a/\n",
    "the beginning of the text": "start: (A | B)+\nA: /^a(?!b)/\nB: /\\Ab+|[ab]/\n",
    "a group that looks ahead inside": "start: (A | B)+\nA: /((?=.é)a|b+(?!a))+b?/\nB: /[abé]/\n",
    "the end of the text": "start: (A | B)+\nA: /a+$|b$/\nB: /[ab]/\n",
    "a look-behind into the first character": "start: A B\nA: /[ad]c/\nB: /[ad](?<=a)c/\n",
    "guards of guards": "start: (A | B)+\nA: /(?!a(?=b(?!c)))[ab]+(?=c|$)/\nB: /[abc]/\n",
    "strings in the place of two names": 'start: ("if" | "in" | N | M)+\nN: /[a-n]+/\nM: /[a-nA-N]+!?/\n',
    "a string that is written in any case": 'start: ("if"i | N)+\nN: /[a-z]+/i\n',
}
GRAMMARS = {name: trap.grammar for name, trap in TRAPS.items()} | ODD


def tables_of(name: str) -> ParserTables:
    if name == "python (lark's)":
        path = Path(lark.__file__).parent / "grammars" / "python.lark"
        grammar = sg.lark(path, start="file_input", postlex=PythonIndenter())
    else:
        postlex = PythonIndenter() if name == "python" else None
        path = ROOT / "grammars" / f"{name}.lark"
        grammar = sg.lark(GRAMMARS.get(name, path), **({} if postlex is None else {"postlex": postlex}))
    assert isinstance(grammar, LarkGrammar)
    return grammar.tables


def hold(tables: ParserTables, most: int) -> int:
    """Compare states with the slow version, those nearest to the beginning first; return how many."""
    lexer = LexemeStates(tables)
    slow = LexemeMoves(lexer)
    befores = dict.fromkeys(
        (
            lexer.initial_look_behind(),
            *(lexer.step_look_behind(lexer.initial_look_behind(), byte) for byte in b"ab\n\xc3"),
        )
    )
    found: dict[int, None] = {}
    for context in range(len(tables.contexts)):
        for before in befores:
            start = lexer.start(context, before)
            assert lexer.states[start] == slow.start(context, before)
            found[start] = None
    pending = list(found)
    for count, number in enumerate(pending):
        if count == most:
            break
        state = lexer.states[number]
        end = lexer.end(number)
        assert (end.after, end.sources) == slow.end(state)
        assert lexer.viable_terminals(number) == slow.viable_terminals(state)
        without = lexer.without_slot(number)
        assert (lexer.states[without] if without >= 0 else None) == slow.without_slot(state)
        for byte in lexer.representative:
            move = lexer.move(number, byte)
            after = lexer.states[move.after] if move.after >= 0 else move.after
            assert (after, move.sources) == slow.move(state, byte)
            if move.after >= 0 and move.after not in found:
                found[move.after] = None
                pending.append(move.after)
        ways = {move: byte for byte, move in lexer.ways(number)}
        assert set(ways) == set(lexer.row(number))
        assert all(lexer.move(number, byte) == move for move, byte in ways.items())
    return min(most, len(pending))


@pytest.mark.parametrize("name", [*GRAMMARS, "json", "csv", "dates", "markers", "arithmetic"])
def test_all_states_move_as_their_threads_do(name: str) -> None:
    hold(tables_of(name), 400)


@pytest.mark.parametrize("name", ["sql", "go", "python", "python (lark's)"])
def test_states_of_large_grammars_move_as_their_threads_do(name: str) -> None:
    assert hold(tables_of(name), 150) == 150


PIECES = [
    "a", "b", "[ab]", "[^a]", ".", "é", "(?=b)", "(?!a)", "(?!ab|b)", "(?=.b)", "(?<=a)", "(?<!b)",
    "$", "^", "(?:a|b|ab)", "a+?", "b*", "[ab]{1,3}", "(?:é|a)?", "(?!.*b)",
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4), min_size=1, max_size=4))
def test_states_of_random_lexers_move_as_their_threads_do(patterns: list[list[str]]) -> None:
    names = [f"T{number}" for number in range(len(patterns))]
    rules = [f"{name}: /{''.join(parts)}/\n" for name, parts in zip(names, patterns, strict=True)]
    text = f'start: ({" | ".join(names)} | "ab" | "b")+\n{"".join(rules)}'
    try:
        grammar = sg.lark(text)
        assert isinstance(grammar, LarkGrammar)
        tables = grammar.tables
    except StructgenError:
        return  # a terminal that matches nothing, or a collision that lark refuses
    hold(tables, 60)


@pytest.mark.parametrize("name", [*GRAMMARS, "json", "csv", "sql"])
def test_bytes_that_begin_alike_do_the_same_at_the_start_of_each_context(name: str) -> None:
    tables = tables_of(name)
    lexer, other = LexemeStates(tables), LexemeStates(tables)
    starts = [other.start(context, other.initial_look_behind()) for context in range(len(tables.contexts))]
    for byte in b" a\n\xc3":
        kinds = (kind for kind, _byte in enumerate(other.representative))
        rows = [other.row(start) for start in starts]
        alike = {kind for kind in kinds if all(row[kind] == row[other.classes[byte]] for row in rows)}
        every = range(len(other.representative))
        assert {kind for kind in every if lexer.begins_like(byte, [kind])} == alike
        assert lexer.begins_like(byte, [kind for kind in every if kind not in alike]) is False
        assert lexer.begins_like(byte, every)
