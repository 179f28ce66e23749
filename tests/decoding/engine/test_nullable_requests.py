"""Requests whose grammar has parts that may be empty: an answer fits any budget of the shortest text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from small_models import Function, tokenizer

import structgen as sg

ITEM = ("- " + sg.json_schema({"type": "integer"}, whitespace="compact") + "\n").optional()
GRAMMARS: dict[str, Callable[[], sg.Grammar]] = {
    "rules": lambda: sg.ebnf('root ::= "a"*').repeat(0, 2),
    "items": lambda: ITEM.repeat(0, 5),
    "items, twice": lambda: ITEM.repeat(1).repeat(2, 3),
    "before a text": lambda: ITEM.repeat(2, 5) + "end",
    "free text": lambda: sg.text(until="x", included=False).repeat(2, 4),
    "lark": lambda: sg.lark('start: ("b" "a"?)*').repeat(2),
    "nothing": lambda: sg.regex("^").repeat(0, 10**6).repeat(2, 3),
}


@pytest.mark.parametrize("name", GRAMMARS)
def test_an_answer_fits_any_budget_of_the_shortest_text(name: str) -> None:
    engine = sg.Engine(Function(tokenizer().vocab_size), tokenizer())
    compiled = sg.compile(GRAMMARS[name](), tokenizer())
    least = compiled.tokens_to_finish(compiled.start)
    requests = [
        sg.Request("x", GRAMMARS[name](), max_tokens=most, sampling=sg.Sampling(temperature=1.0, seed=most))
        for most in range(max(1, least), least + 8)
    ]
    for one in engine.generate(requests):
        assert one.error is None
        state = compiled.step_bytes(compiled.start, one.text.encode())
        assert state is not None and compiled.accepts_end(state)
