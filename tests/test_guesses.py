"""Names and values that people guess, and hints where another way to ask gives what is meant."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

import structgen as sg
from structgen.base.language.checks import ChoiceCheck
from structgen.decoding.samplers.methods import METHODS
from structgen.doors.serving.app import make_app
from structgen.doors.serving.served_model import ServedModel


@pytest.mark.parametrize("name", ["n", "num_return_sequences", "num_samples", "top_k"])
def test_the_number_of_likeliest_texts_is_k(name: str) -> None:
    options: Any = {name: 3}
    with pytest.raises(sg.errors.OptionError, match=rf"most_probable has no option '{name}'.*k="):
        sg.most_probable(lambda _: [0.0], [], sg.choice(["a", "b"]), **options)


@pytest.mark.parametrize(
    ("guess", "meant"),
    [
        ("beam", "beams"),
        ("beam_search", "beams"),
        ("Beams", "beams"),
        ("important", "importance"),
        ("SMC", "smc"),
    ],
)
def test_a_method_that_is_nearly_one_names_it(guess: str, meant: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=f"method.*Did you mean '{meant}'"):
        sg.sample(lambda _: [0.0], [], sg.choice(["a", "b"]), 3, method=guess)


@pytest.mark.parametrize("value", ["zzzzzz", 5, None, ["beams", "raj"]])
def test_what_is_near_none_gets_the_list_alone(value: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match="auto, raj, beams") as caught:
        ChoiceCheck(METHODS)("method", value)
    assert "Did you mean" not in str(caught.value)


def advice(call: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(one.message) for one in caught if one.category is sg.errors.AdviceWarning]


BLANKS = 'start: "a" N\nN: /[0-9]/\n%ignore " "'


@pytest.mark.parametrize("lexer", ["contextual", "characters", "greedy"])
def test_a_grammar_whose_blanks_have_no_end_is_told(lexer: Any) -> None:
    engine = sg.Engine("structgen/extract")

    def run(grammar: Any) -> Any:
        return sg.run(engine, "Ada is 36.", grammar, max_tokens=10)

    (told,) = advice(lambda: run(sg.lark(BLANKS, lexer=lexer)))
    assert "a model may write blanks for ever" in told and "ignore_at_most=8" in told
    assert not advice(lambda: run(sg.lark(BLANKS, lexer=lexer, ignore_at_most=8)))
    assert not advice(lambda: run(sg.lark('start: "a" N\nN: /[0-9]/', lexer=lexer)))

    def call_function() -> None:
        @sg.generate(model=engine, target=sg.lark(BLANKS, lexer=lexer), max_tokens=10)
        def number(text: str) -> str:
            """{text}"""
            return sg.filled()

        _ = number("one"), number("two"), [*number.stream("three")]

    # once for a function
    assert len(advice(call_function)) == 1


def test_a_grammar_with_bound_terminals_is_told_too() -> None:
    bound = sg.lark('start: "a" B\n%declare B\n%ignore " "', bind={"B": "b"})
    assert len(advice(lambda: sg.run("structgen/extract", "Ada is 36.", bound, max_tokens=10))) == 1
    assert not advice(
        lambda: sg.run("structgen/extract", "Ada is 36.", sg.ebnf('root ::= "a"'), max_tokens=10)
    )


def test_a_server_tells_it_in_the_header_of_warnings() -> None:
    app = make_app(ServedModel(sg.Engine("structgen/extract"), "extract"))
    body = {"model": "extract", "messages": [{"role": "user", "content": "Ada is 36."}], "max_tokens": 10}

    async def ask(grammar: str) -> str:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            asked = {**body, "structured_outputs": {"grammar": grammar}}
            reply = await client.post("/v1/chat/completions", json=asked)
        assert reply.status_code == 200
        return str(reply.headers.get("x-structgen-warning", ""))

    assert "a model may write blanks for ever" in asyncio.run(ask(BLANKS))
    assert "blanks" not in asyncio.run(ask('start: "a" N\nN: /[0-9]/'))
