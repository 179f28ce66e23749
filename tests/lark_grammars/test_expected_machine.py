"""What may come next in random Lark grammars, in words; and what asks a compiled grammar as a part."""

from __future__ import annotations

import random

import grammars_drawn as drawn
import numpy as np
import pytest
from for_each import for_each
from lark_reference import takes
from test_lark_machine import TOKENS, machine

import structgen as sg
from structgen.core.compiled import CompiledGrammar, State, WantedNodes
from structgen.lark_grammars.compiled.beaten import beaten
from structgen.lark_grammars.compiled.lark_language import LarkLanguage
from structgen.lark_grammars.lark_grammar import LarkGrammar
from structgen.text_grammars.machine.random_sentences import random_word


def states(text: str, most: int, blocks: bool = False) -> list[State]:
    try:
        compiled = machine(text, TOKENS, drawn.Blocks() if blocks else None)
    except sg.StructgenError:
        return []
    pending, met = [compiled.start.index], {compiled.start.index}
    for index in pending[:most]:
        for byte in compiled.next_bytes(State(compiled, index)):
            after = compiled.bytes_index(index, bytes((byte,)))
            if after not in met:
                met.add(after)
                pending.append(after)
    return [State(compiled, index) for index in pending[:most]]


@for_each("seed", range(7000, 7020))
def test_every_byte_that_may_come_has_an_item_and_no_other(seed: int) -> None:
    for text, blocks in ((drawn.drawn(seed, looks=seed % 2 == 1), False), (drawn.drawn_blocks(seed), True)):
        if drawn.judge(text, drawn.Blocks() if blocks else None) is None:
            continue
        for state in states(text, 25, blocks):
            found = {byte for one in state.compiled.expected(state) for byte in one.first}
            assert found == set(state.compiled.next_bytes(state))


@for_each("seed", range(7100, 7112))
def test_nodes_at_which_the_text_may_end_are_found_as_byte_by_byte(seed: int) -> None:
    for state in states(drawn.drawn(seed), 10):
        nodes = state.compiled.vocabulary.nodes
        wanted = WantedNodes.of(nodes, np.full(len(nodes), 2, np.uint8))
        found = state.compiled.ends_below(state.index, wanted)
        assert found == CompiledGrammar.ends_below(state.compiled, state.index, wanted)


@for_each("seed", range(7200, 7212))
def test_masks_are_the_same_where_records_were_made_ahead(seed: int) -> None:
    for state in states(drawn.drawn(seed), 10):
        compiled = state.compiled
        again = type(compiled)(compiled.grammar, TOKENS, None, False)
        assert again.prepare() > 0
        assert again.allowed(again.start) == compiled.allowed(compiled.start)
        assert again.next_index(again.start.index, 256) >= -1


@pytest.mark.parametrize("seed", range(7300, 7312))
def test_lark_takes_the_random_texts_of_a_language(seed: int) -> None:
    text = drawn.drawn(seed)
    reference = drawn.judge(text)
    if reference is None:
        pytest.skip("lark refuses it")
    try:
        grammar = sg.lark(text)
        language = LarkLanguage(grammar, grammar.limits)
        language.start()
    except sg.errors.GrammarError:
        pytest.skip("it has no text")
    for _ in range(5):
        assert takes(reference, random_word(language, random.Random(seed)).decode("utf-8", "replace"))


def test_a_terminal_whose_texts_others_take_is_told_with_the_winners() -> None:
    grammar = sg.lark('start: A B | "x" D\nA: /a+/\nB: "a"\nD: "ab"\n')
    assert isinstance(grammar, LarkGrammar)
    names = [one.name for one in grammar.tables.terminals]
    found = {
        names[one.terminal]: {names[won] for won in one.winners}
        for one in beaten(grammar.tables, grammar.is_local, grammar.limits)
    }
    assert found == {}
    grammar = sg.lark("start: A | B\nA: /a+/\nB.-1: /aa/\n")
    assert isinstance(grammar, LarkGrammar)
    names = [one.name for one in grammar.tables.terminals]
    found = {
        names[one.terminal]: {names[won] for won in one.winners}
        for one in beaten(grammar.tables, grammar.is_local, grammar.limits)
    }
    assert found == {"B": {"A"}}
