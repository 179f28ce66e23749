"""Patterns that may be found anywhere, in any order: exact masks, and a short rest at once."""

from __future__ import annotations

import pytest
from reading import Walker

import structgen as sg
from structgen.base.language.ir import All, Length, Pattern
from structgen.errors import LimitError
from structgen.tokens.tokenizer import byte_tokenizer


def test_behind_texts_that_meet_all_patterns_ascii_alone_may_come_where_the_rest_is_escaped() -> None:
    schema = {"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "b"}]}
    compiled = sg.compile(sg.json_schema(schema, **sg.JSON_DUMPS), byte_tokenizer(), store=False)
    state = compiled.step_bytes(compiled.start, b'"zab')
    assert state is not None
    mask = sg.allocate_mask(1, compiled.vocab_size)
    sg.Matcher(compiled, state).fill_mask(mask)
    assert mask.allowed(0).tolist() == [*range(0x20, 0x7F)]


@pytest.mark.parametrize("beside", [(), (Length(0, 10),), (Length(12, None),)])
def test_the_shortest_rest_of_single_letters_has_each_once(beside: tuple[Length, ...]) -> None:
    walker = Walker(All((*map(Pattern, "hgfedcba"), *beside)))
    least = max([8, *(length.minimum for length in beside)])
    for text in ("", "a", "ah", "hah"):
        rest = walker.pool.shortest_rests(walker.run(text))[0].decode()
        assert set("abcdefgh") <= set(text + rest)
        assert len(rest) == max(8 - len(set(text)), least - len(text))


def test_the_letters_of_the_alphabet_in_any_order_are_refused_by_name() -> None:
    with pytest.raises(LimitError) as caught:
        Walker(All(tuple(map(Pattern, "abcdefghijklmnopqrstuvwxyz"))))
    assert caught.value.limit == "automaton_states"
