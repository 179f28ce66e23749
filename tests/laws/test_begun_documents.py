"""Documents that have begun: what may follow a beginning is what may follow it in the grammar itself."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from near_ends import TOKENIZER, schemas, texts

import structgen as sg
from structgen.machines.core.forced_text import prompt_border, with_forced_text


def _cases(chance: random.Random, count: int) -> list[tuple[sg.CompiledGrammar, bytes]]:
    """Return grammars, each with a beginning of one of its documents, cut at any byte."""
    found = list[tuple[sg.CompiledGrammar, bytes]]()
    for schema in islice(schemas(chance), 10 * count):
        try:
            compiled = sg.compile(
                sg.json_schema(schema, escapes=chance.choice(["canonical", "any"])), TOKENIZER
            )
        except sg.errors.UnsatisfiableSchema:
            continue
        text = texts(compiled, chance, chance.choice([8, 30, 90]))
        found += [(compiled, text[:cut]) for cut in {len(text), chance.randint(1, max(len(text), 1))} if text]
        if len(found) >= count:
            break
    return found


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, 9))])
def test_masks_and_counts_behind_a_beginning_are_those_of_the_grammar(part: int) -> None:
    chance = random.Random(part)
    cases = _cases(chance, 60)
    for compiled, text in cases:
        begun = sg.Matcher(with_forced_text(compiled, prefix=text))
        plain = sg.Matcher(compiled, compiled.step_bytes(compiled.start, text))
        for _ in range(4):
            masks = [sg.allocate_mask(1, compiled.vocab_size) for _ in range(2)]
            for one, mask in zip((begun, plain), masks, strict=True):
                one.fill_mask(mask)
            allowed = masks[0].allowed().tolist()
            assert allowed == masks[1].allowed().tolist(), text
            assert begun.tokens_to_finish() == plain.tokens_to_finish(), text
            assert begun.is_complete == plain.is_complete, text
            token = chance.choice(allowed)
            begun.advance(token)
            plain.advance(token)
            if begun.is_finished:
                break
    assert len(cases) >= 40


def _behind(matcher: sg.Matcher, rest: bytes) -> set[bytes]:
    """Return the bytes behind `rest` of all tokens that write it and reach beyond, by any tokens before."""
    if not rest:
        return {b""}
    mask = sg.allocate_mask(1, TOKENIZER.vocab_size)
    matcher.fill_mask(mask)
    found = set[bytes]()
    for token in mask.allowed().tolist():
        data = TOKENIZER.token_bytes[token]
        assert data and data[: len(rest)] == rest[: len(data)], (data, rest)
        if len(data) > len(rest):
            found.add(data[len(rest) :])
            continue
        fork = matcher.fork()
        fork.advance(token)
        found |= _behind(fork, rest[len(data) :])
    return found


@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_tokens_across_the_end_of_a_beginning_go_on_as_the_grammar_does(part: int) -> None:
    """And all of them may: what a token has behind the border is what the grammar takes there."""
    chance, crossed = random.Random(part), 0
    for compiled, text in _cases(chance, 40):
        size = chance.randint(1, min(len(text), 3))
        matcher = sg.Matcher(with_forced_text(compiled, border=text[-size:], prefix=text))
        state = compiled.step_bytes(compiled.start, text)
        assert state is not None
        tails = [text[len(text) - count :] for count in range(1, size + 1)]
        wanted = {
            data[len(tail) :]
            for tail in tails
            for data in filter(None, TOKENIZER.token_bytes)
            if data.startswith(tail) and len(data) > len(tail)
            if compiled.step_bytes(state, data[len(tail) :]) is not None
        }
        found = _behind(matcher, text[-size:]) - {b""}
        assert found == wanted, text
        crossed += bool(found)
    assert crossed > 3


def test_the_border_of_a_beginning_is_where_a_token_reaches_into_its_rest() -> None:
    tokens = [*(bytes((byte,)) for byte in range(256)), b'"Bob', b'ob"', None]
    tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=len(tokens) - 1)
    compiled = sg.compile(sg.json_schema({"type": "string"}), tokenizer)
    asked = list(b'x"Bo')
    assert prompt_border(compiled, asked, b'"Bo') == 3
    assert prompt_border(compiled, list(b'xabc"Boo'), b'"Boo') == 1  # ob" crosses its last letter
    assert prompt_border(compiled, asked) == 0


@pytest.mark.parametrize("text", [b'{"a": 1x', b"[", b'{"a"\xff', b"nul"])
def test_what_no_document_begins_with_is_refused_by_its_byte(text: bytes) -> None:
    compiled = sg.compile(
        sg.json_schema({"properties": {"a": {"type": "integer"}}, "type": "object"}), TOKENIZER
    )
    least = next(
        size for size in range(len(text) + 1) if compiled.step_bytes(compiled.start, text[: size + 1]) is None
    )
    with pytest.raises(sg.errors.OptionError, match=f"at byte {least}: "):
        with_forced_text(compiled, prefix=text)
