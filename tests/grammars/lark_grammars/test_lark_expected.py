"""What may come next in texts of Lark grammars: each byte that may, no other, and who asks for it."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import grammars_drawn as drawn
import numpy as np
import pytest
from compiled_texts import reached
from for_each import for_each
from lark_reference import language, takes
from test_lark_machine import random_machine

import structgen as sg
from structgen.grammars.lark_grammars.compiled.beaten import find_beaten_terminals
from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.grammars.text_grammars.machine.random_sentences import random_word
from structgen.machines.core.compiled import State
from structgen.machines.machine_core.wanted_nodes import TargetNodes, ends_read
from structgen.tokens.tokenizer import byte_tokenizer

KEYWORDS = """
start: "if" NAME "then" [list] | NAME "=" NUMBER
list: "(" NAME ("," NAME)* ")"
NAME: /[a-z]+/
NUMBER: /[0-9]+([.][0-9]+)?/
%ignore " "
"""


def compiled(text: str, **options: Any) -> sg.CompiledGrammar:
    return sg.compile(sg.lark(text, **options), byte_tokenizer(), store=False)


@cache
def keywords() -> sg.CompiledGrammar:
    return compiled(KEYWORDS)


def expected(reader: sg.CompiledGrammar, text: bytes) -> list[sg.core.Expected]:
    state = reached(reader, text)
    return reader.expected(state)


def told(text: bytes) -> dict[str, tuple[str, ...]]:
    return {one.what: one.sources for one in expected(keywords(), text)}


def test_strings_are_told_by_themselves_and_patterns_by_name() -> None:
    assert told(b"a") == {'"="': ("start",), "NAME /[a-z]+/": ("start",), '" "': ()}


def test_a_terminal_is_told_with_the_rule_that_reads_it() -> None:
    found = told(b"if x then (a")
    assert found['","'] == found['")"'] == ("list",)


def test_the_rest_of_a_lexeme_and_what_may_stand_behind_it_are_both_told() -> None:
    found = told(b"if x")
    assert found["NAME /[a-z]+/"] == ("start",)
    assert '"then"' not in found  # a letter more would be of the name


@pytest.mark.parametrize(
    "text", ["if ", "a ", "if x ", "if x then ", "if x then (a ", "thenx = ", "a = 1.5 "]
)
def test_the_text_before_is_told_with_the_terminal_that_lark_reads_it_as(text: str) -> None:
    import lark

    tokens = lark.Lark(KEYWORDS, parser="lalr").parse_interactive(text).exhaust_lexer()
    kind, patterns = tokens[-1].type, {"NAME": "NAME /[a-z]+/", "NUMBER": "NUMBER /[0-9]+([.][0-9]+)?/"}
    told = {one.read_before for one in expected(keywords(), text.encode()) if one.sources}
    assert told <= {patterns.get(kind, f'"{tokens[-1]}"')}


def test_the_text_before_is_told_behind_a_lexeme_and_not_inside_it() -> None:
    grammar = "start: NUMBER 'k' | HOUR 'h'\nHOUR.2: /[0-9]{1,2}/\nNUMBER: /[0-9]+/\n".replace("'", '"')
    for reader in (compiled(grammar), compiled(grammar + "%declare J\nj: J\n", bind={"J": "x"})):
        told = {one.what: one.read_before for one in expected(reader, b"2")}
        assert told == {'"h"': "HOUR /[0-9]{1,2}/", "HOUR /[0-9]{1,2}/": ""}


def test_a_lexeme_that_must_go_on_is_alone() -> None:
    assert list(told(b"a = 1.")) == ["NUMBER /[0-9]+([.][0-9]+)?/"]


# --- random grammars ----------------------------------------------------------------------------------------


def states(compiled: CompiledLark | None, most: int) -> list[State]:
    """Return the first states of a machine, breadth first."""
    pending = [] if compiled is None else [compiled.start.index]
    for index in pending[:most]:
        for byte in compiled.next_bytes(State(compiled, index)) if compiled is not None else ():
            after = compiled.bytes_index(index, bytes((byte,)))
            pending += [] if after in pending else [after]
    return [State(compiled, index) for index in pending[:most] if compiled is not None]


@for_each("seed", range(7000, 7012))
@for_each("blocks", [False, True])
def test_every_byte_that_may_come_has_an_item_and_no_other(seed: int, blocks: bool) -> None:
    for state in states(random_machine(seed, blocks, looks=seed % 2 == 1), 20):
        found = {byte for one in state.compiled.expected(state) for byte in one.first}
        assert found == set(state.compiled.next_bytes(state))


@for_each("seed", range(7100, 7108))
def test_nodes_at_which_the_text_may_end_are_found_as_byte_by_byte(seed: int) -> None:
    for state in states(random_machine(seed), 10):
        nodes = state.compiled.vocabulary.nodes
        wanted = TargetNodes.from_flags(nodes, np.full(len(nodes), 2, np.uint8))
        found = state.compiled.ends_below(state.index, wanted)

        def step(at: State, byte: int) -> State | None:
            return at.compiled.step_bytes(at, bytes((byte,)))

        assert found == list(ends_read(nodes, wanted.flags, state, step, state.compiled.accepts_end))


@for_each("seed", range(7300, 7308))
def test_lark_takes_the_random_texts_of_a_language(seed: int) -> None:
    text = drawn.drawn(seed)
    reference = drawn.judge(text)
    if reference is None or random_machine(seed) is None:
        return
    words = language(text)
    for draw in range(5):
        assert takes(reference, random_word(words, random.Random(draw)).decode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('start: A B | "x" D\nA: /a+/\nB: "a"\nD: "ab"\n', {}),
        ("start: A | B\nA: /a+/\nB.-1: /aa/\n", {"B": {"A"}}),
    ],
)
def test_a_terminal_whose_texts_others_take_is_told_with_the_winners(text: str, wanted: object) -> None:
    grammar: Any = sg.lark(text)
    names = [one.name for one in grammar.tables.terminals]
    found = find_beaten_terminals(grammar.tables, grammar.is_local, grammar.limits)
    assert {names[one.terminal]: {names[won] for won in one.winners} for one in found} == wanted
