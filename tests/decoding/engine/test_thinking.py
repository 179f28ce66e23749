"""Thinking first: free text until the closing tag, of any tokens; forced when its budget ends; then the
grammar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from small_models import Function, tokenizer
from token_caches import TokenCache

import structgen as sg
from structgen.decoding.engine.thinking import ThoughtPhase, closing_of

TOKENIZER = tokenizer()
SIZE = sg.json_schema({"enum": ["S", "M", "L"]}, whitespace="compact")


class Says(Function):
    """Wants to write given tokens, then random ones."""

    def __init__(self, tokens: Sequence[int]) -> None:
        super().__init__(TOKENIZER.vocab_size)
        self.wanted = list(tokens)
        self.begun = 0

    def logits(self, tokens: Sequence[int]) -> Any:
        at = len(tokens) - self.begun
        found = super().logits(tokens).clone()
        if at < len(self.wanted):
            found[self.wanted[at]] = 50.0
        return found

    def prefill(self, tokens: Sequence[int]) -> tuple[Any, TokenCache]:
        self.begun = len(tokens)
        return super().prefill(tokens)


def written(tokens: Sequence[int], **options: Any) -> sg.Result:
    engine = sg.Engine(Says(tokens), TOKENIZER)
    sampling = sg.Sampling(temperature=0.0)
    (result,) = engine.generate(sg.Request("?", SIZE, sampling, max_tokens=16, **options))
    return result


def encoded(text: str) -> list[int]:
    return TOKENIZER.encode(text.encode())


def test_thoughts_come_first_and_the_grammar_right_after() -> None:
    result = written(encoded('a { "b" ]</think>"M"'), thinking=sg.Thinking())
    assert result.thoughts == 'a { "b" ]'
    assert result.text == '"M"'
    assert result.value == "M"
    assert len(encoded("</think>")) > 1
    assert result.usage.thought_tokens == len(encoded('a { "b" ]</think>'))
    assert result.usage.tokens == len(result.tokens) == len(encoded('"M"'))


def test_the_tag_is_found_across_any_tokens() -> None:
    for cut in range(1, len("</think>")):
        tokens = [*encoded("x"), *encoded("</think>"[:cut]), *encoded("</think>"[cut:]), *encoded('"L"')]
        assert written(tokens, thinking=sg.Thinking()).text == '"L"'


def test_a_special_token_closes_thoughts() -> None:
    special = next(token for token in TOKENIZER.special_ids if token not in TOKENIZER.eos_token_ids)
    tokens = [*encoded("hm"), special, *encoded('"S"')]
    result = written(tokens, thinking=sg.Thinking(until=special))
    assert (result.thoughts, result.text) == ("hm", '"S"')
    forced = written(encoded("hm " * 40), thinking=sg.Thinking(until=special, max_tokens=5))
    assert forced.value in ("S", "M", "L")
    assert forced.usage.thought_tokens == 6


def test_a_special_token_is_found_by_its_text() -> None:
    engine = sg.Engine("structgen/extract")
    request = sg.Request("?", SIZE, max_tokens=16, thinking=sg.Thinking(until="<|mask|>", max_tokens=3))
    (result,) = engine.generate(request)
    assert closing_of(sg.Thinking(until="<|mask|>"), engine.tokenizer, engine.specials).token is not None
    assert result.usage.thought_tokens <= 4
    assert result.value in ("S", "M", "L")


@pytest.mark.parametrize("budget", [0, 1, 2, 7])
def test_the_tag_is_written_when_the_budget_ends(budget: int) -> None:
    engine = sg.Engine(Says(encoded("round and round " * 30)), TOKENIZER)
    request = sg.Request("?", SIZE, max_tokens=16, thinking=sg.Thinking(max_tokens=budget))
    (result,) = engine.generate(request)
    assert result.value in ("S", "M", "L")
    assert result.usage.thought_tokens == budget + len(encoded("</think>"))
    assert "</think>" not in result.thoughts


def test_a_tag_that_is_half_written_when_the_budget_ends_is_completed() -> None:
    half = encoded("x</th")
    result = written([*half, *encoded("under and lightning")], thinking=sg.Thinking(max_tokens=len(half)))
    assert result.thoughts == "x"
    assert result.value in ("S", "M", "L")


def test_a_text_does_not_end_while_thoughts_last() -> None:
    ends = [TOKENIZER.eos_token_ids[0]] * 5
    result = written([*encoded("x"), *ends], thinking=sg.Thinking(max_tokens=6))
    assert result.value in ("S", "M", "L")
    # other tokens came instead, and tokens write something
    assert len(result.thoughts) > 5


def test_a_token_that_closes_and_goes_on_must_begin_a_document() -> None:
    texts = [*(bytes([i]) for i in range(256)), b"</think>", b'</think>"', b"</think>{", b"</think>\n"]
    tokens = sg.Tokenizer.from_bytes([*texts, None], eos_token_id=len(texts))
    compiled = sg.compile(SIZE, tokens)
    thinking = sg.Thinking()

    def phase() -> ThoughtPhase:
        return ThoughtPhase(thinking, closing_of(thinking, tokens), tokens, sg.Matcher(compiled))

    good = phase()
    assert good.take_token(257, 10) and good.is_over
    assert good.rest == b'"' and good.matcher is not None
    assert good.matcher.accepts([*b'S"']) == 2
    bad = phase()
    assert not bad.take_token(258, 10)
    assert not bad.is_over and bad.tokens == []
    assert not phase().take_token(257, 1)  # S and the quote do not fit into one token
    blank = phase()
    assert blank.take_token(259, 10) and blank.is_over and blank.rest == b""


@pytest.mark.parametrize("thought", ["a", "so </thin", "</</t</think", "é€ </é", "<<//"])
def test_what_is_told_of_thoughts_is_never_taken_back(thought: str) -> None:
    tokens = sg.Tokenizer.from_bytes([*(bytes([i]) for i in range(256)), None], eos_token_id=256)
    thinking = sg.Thinking(max_tokens=100)
    phase = ThoughtPhase(thinking, closing_of(thinking, tokens), tokens, None)
    told = []
    for byte in f"{thought}</think>".encode():
        assert phase.take_token(byte, 10)
        told.append(phase.settled_thoughts)
    assert phase.is_over and phase.settled_thoughts == phase.thoughts == thought
    assert all(thought.startswith(one) for one in told)
    assert any(told[:-1])


def test_thoughts_are_heard_while_they_grow() -> None:
    engine = sg.Engine(Says(encoded('one two three four</think>"M"')), TOKENIZER)
    (handle,) = engine.submit(sg.Request("?", SIZE, sg.Sampling(temperature=0.0), thinking=sg.Thinking()))
    heard: list[str] = []
    handle.listen(lambda piece: heard.append(handle.thoughts) if piece == "" else None)
    engine.drive([handle])
    assert handle.result is not None and handle.result.thoughts == heard[-1] == "one two three four"
    assert len(heard) > 1 and all(heard[-1].startswith(one) for one in heard)


def test_streams_have_the_document_alone() -> None:
    engine = sg.Engine(Says(encoded('well</think>"M"')), TOKENIZER)
    request = sg.Request("?", SIZE, sg.Sampling(temperature=0.0), max_tokens=16, thinking=sg.Thinking())
    assert "".join(engine.stream(request)) == '"M"'


def test_thoughts_count_for_the_context() -> None:
    engine = sg.Engine(Function(TOKENIZER.vocab_size, context=64), TOKENIZER)
    with pytest.raises(sg.errors.OptionError, match="context"):
        engine.submit(sg.Request("?", SIZE, max_tokens=16, thinking=sg.Thinking(max_tokens=60)))
    with pytest.raises(sg.errors.OptionError, match="does not exist"):
        engine.submit(sg.Request("?", SIZE, max_tokens=16, thinking=sg.Thinking(until=10**6, max_tokens=6)))
