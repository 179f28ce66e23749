"""Patterns that may be found anywhere, in any order: exact masks, and a short rest at once."""

from __future__ import annotations

import pytest
from reading import Walker

import structgen as sg
from structgen.errors import LimitError
from structgen.language.ir import DEAD, All, Length, Pattern
from structgen.tokens.tokenizer import byte_tokenizer

PARTS = ["a", "b", "c", "[0-9]{2}", "\u00e9\u4e2d", "x(yz)+", "(q|\\.){3}", "-"]


def grammar(parts: list[str]) -> sg.CompiledGrammar:
    schema = {"type": "string", "allOf": [{"pattern": part} for part in parts]}
    return sg.compile(sg.json_schema(schema, **sg.WIDEST), byte_tokenizer(), store=False)


def test_behind_texts_that_meet_all_patterns_ascii_alone_may_come_where_the_rest_is_escaped() -> None:
    schema = {"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "b"}]}
    compiled = sg.compile(sg.json_schema(schema, **sg.JSON_DUMPS), byte_tokenizer(), store=False)
    state = compiled.step_bytes(compiled.start, b'"zab')
    assert state is not None
    mask = sg.allocate_mask(1, compiled.vocab_size)
    sg.Matcher(compiled, state).fill_mask(mask)
    assert mask.allowed(0).tolist() == [*range(0x20, 0x7F)]


def test_a_string_ends_where_all_were_found() -> None:
    compiled = grammar(PARTS)
    whole = "cba-12-\u00e9\u4e2dxyzyzq.q"
    assert _takes(compiled, whole)
    for gone in "a", "2", "\u4e2d", "z", "q":
        assert not _takes(compiled, whole.replace(gone, ""))


def _takes(compiled: sg.CompiledGrammar, text: str) -> bool:
    state = compiled.step_bytes(compiled.start, f'"{text}"'.encode())
    return state is not None and state.is_complete


@pytest.mark.parametrize("beside", [(), (Length(0, 10),), (Length(12, None),)])
def test_the_shortest_rest_of_single_letters_has_each_once(beside: tuple[Length, ...]) -> None:
    walker = Walker(All((*map(Pattern, "hgfedcba"), *beside)))
    least = max([8, *(length.least for length in beside)])
    for text in ("", "a", "ah", "hah"):
        rest = walker.pool.finish(walker.run(text))[0].decode()
        assert set("abcdefgh") <= set(text + rest)
        assert len(rest) == max(8 - len(set(text)), least - len(text))


def test_a_text_that_is_too_long_for_all_patterns_is_dead() -> None:
    walker = Walker(All((*map(Pattern, "abcdef"), Length(0, 8))))
    assert walker.run("aabb") != DEAD  # four letters are left, and four places
    assert walker.run("aabba") == DEAD
    assert walker.run("aabbc") != DEAD


def test_the_letters_of_the_alphabet_in_any_order_are_refused_by_name() -> None:
    with pytest.raises(LimitError) as caught:
        Walker(All(tuple(map(Pattern, "abcdefghijklmnopqrstuvwxyz"))))
    assert caught.value.limit == "automaton_states"
