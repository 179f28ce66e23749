"""Completions of Lark grammars: the shortest texts that lark itself takes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import grammars_drawn as drawn
import pytest
from for_each import for_each
from lark_reference import takes
from test_lark_machine import TOKENS, machine

import structgen as sg
from structgen.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.maskbench import vocabularies

GRAMMARS = Path(__file__).resolve().parents[2] / "grammars"


def wrong(text: str, alphabet: str, longest: int, postlex: Any = None) -> list[object]:
    """Return where a completion is not what lark says, behind all beginnings of texts of an alphabet: lark
    refuses it, or takes a shorter one."""
    reference = drawn.judge(text, postlex)
    if reference is None:
        return []
    good = drawn.taken(reference, alphabet, longest)
    try:
        compiled = machine(text, postlex=postlex)
    except sg.StructgenError:
        return []
    least: dict[bytes, int] = {}
    for one in good:
        for size in range(len(one) + 1):
            least[one[:size]] = min(least.get(one[:size], longest), len(one) - size)
    found: list[object] = []
    for before, size in least.items():
        index = compiled.bytes_index(compiled.start.index, before)
        rest = bytes(compiled.shortest_rest(index))
        if len(rest) > size:
            found.append(("longer", before, rest, size))
        if not takes(reference, (before + rest).decode("utf-8", "replace")):
            found.append(("refused", before, rest))
    return found


@for_each("seed", range(4000, 4030))
def test_no_text_of_a_random_grammar_completes_in_fewer_bytes(seed: int) -> None:
    assert wrong(drawn.drawn(seed), drawn.ALPHABET, 5) == []


@for_each("seed", range(5000, 5012))
def test_no_text_completes_in_fewer_bytes_where_patterns_look_around(seed: int) -> None:
    assert wrong(drawn.drawn(seed, looks=True), drawn.ALPHABET, 5) == []


@for_each("seed", range(6000, 6012))
def test_no_text_completes_in_fewer_bytes_where_blocks_are_indented(seed: int) -> None:
    assert wrong(drawn.drawn_blocks(seed), "a(\n :", 5, drawn.Blocks()) == []


@for_each("seed", [*range(4000, 4012), *range(6000, 6004)])
def test_so_many_tokens_as_are_said_complete_a_text(seed: int) -> None:
    is_block, draw = seed >= 6000, random.Random(seed)
    text = drawn.drawn_blocks(seed) if is_block else drawn.drawn(seed)
    if drawn.judge(text, drawn.Blocks() if is_block else None) is None:
        return
    try:
        compiled = machine(text, TOKENS, drawn.Blocks() if is_block else None)
    except sg.errors.GrammarError:
        return
    for more in (0, 0, 1, 3):
        matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, compiled.vocab_size)
        left = matcher.tokens_to_finish() + more
        while not matcher.is_finished:
            assert matcher.tokens_to_finish() <= left
            assert fewest(matcher, left) <= matcher.tokens_to_finish()
            matcher.fill_mask(mask, budget=left)
            token = draw.choice(mask.allowed().tolist())
            matcher.advance(token)
            left -= token not in compiled.end_tokens


def fewest(matcher: sg.Matcher, most: int) -> int:
    """Return the fewest tokens that complete a text, by trying all of up to two; else three."""
    compiled, front = matcher.compiled, {matcher.state}
    for count in range(min(most, 2) + 1):
        if any(compiled.accepts_end(state) for state in front):
            return count
        after = (compiled.step(state, token) for state in front for token in compiled.allowed(state))
        front = {state for state in after if state is not None}
    return 3


def test_ignored_lexemes_that_owe_different_things_lead_to_one_another() -> None:
    text = 'start: (A "=")+\nA: /x+/\n%ignore /#[^\\n]*/\n%ignore /[ \\n]+/\n'
    assert wrong(text, "x=# \n", 4) == []
    compiled = machine(text)
    assert compiled.shortest_rest(compiled.bytes_index(compiled.start.index, b"x ")) == b"="


def test_a_deep_stack_and_a_long_rule_are_completed() -> None:
    compiled = machine('start: "[" start? "]"\n')
    index = compiled.bytes_index(compiled.start.index, b"[" * 3000)
    assert bytes(compiled.shortest_rest(index)) == b"]" * 3000
    compiled = machine("start: " + 100 * '"a" ' + '"b"\n')
    assert bytes(compiled.shortest_rest(compiled.start.index)) == b"a" * 100 + b"b"


@pytest.mark.parametrize("name", ["arithmetic", "csv", "dates", "json", "markers", "sql"])
def test_real_texts_are_completed_in_no_more_bytes_than_they_have(name: str) -> None:
    tokenizer, grammar = vocabularies.load("small"), sg.lark(GRAMMARS / f"{name}.lark")
    compiled = CompiledLark(grammar, tokenizer, None, False)
    for one in json.loads((GRAMMARS / f"{name}.texts.json").read_text(encoding="utf-8"))["accepted"][:3]:
        text = (one["text"] if isinstance(one, dict) else one).encode()
        for size in range(0, min(60, len(text)), 7):
            here = compiled.step_bytes(compiled.start, text[:size])
            assert here is not None
            rest = compiled.completion(here)
            assert len(rest) <= len(text) - size
            assert compiled.may_end(compiled.bytes_index(here.index, rest))
            assert 0 <= compiled.tokens_to_finish(here) <= len(rest)
