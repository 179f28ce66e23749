"""Draws from typed functions: objects, of the law that `sg.sample` has for the same prompt and grammar."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest

pytest.importorskip("torch")
pytest.importorskip("pydantic")

from annotated_types import Ge, Le
from asked import asked, awaited
from pydantic import BaseModel, field_validator

import structgen as sg
from structgen.python_types.type_hints import read_type

MODEL = "structgen/extract-draft"


class Paid(BaseModel):
    paid: bool


class Odd(BaseModel):
    lamps: Annotated[int, Ge(0), Le(9)]

    @field_validator("lamps")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("is even")
        return value


@sg.generate(model=MODEL)
def verdict() -> Paid:
    """Zorvik has paid."""


@sg.generate(model=MODEL)
def paid(text: str, *, n: int = 3) -> Paid:
    """{text}"""


@sg.generate(model=MODEL)
async def at_once() -> Literal["yes", "no"]:
    """Did Zorvik pay?"""


class Reader:
    text = "Zorvik has paid."

    @sg.generate(model=MODEL)
    def paid(self) -> Paid:
        """{self.text}"""


def test_a_function_without_parameters_gives_its_draws_at_once() -> None:
    found = verdict.sample(4, method="importance", seed=3)
    assert isinstance(found, sg.Samples)
    assert len(found) == 4
    assert all(isinstance(one, Paid) for one in found)
    assert 0 <= found.expectation(lambda one: one.paid)[0] <= 1


def test_a_function_with_parameters_takes_them_in_a_second_call() -> None:
    """Even one whose parameter has the name of an option of the sampler."""
    sampler = paid.sample(4, method="importance", seed=3)
    assert "call it with these arguments" in repr(sampler)
    found = sampler("Zorvik has paid.", n=7)
    assert found.texts == verdict.sample(4, method="importance", seed=3).texts


def test_the_draws_are_those_of_the_prompt_and_the_grammar() -> None:
    found = verdict.sample(4, method="cars", seed=5)
    grammar = sg.json_schema(verdict.schema, **read_type(Paid).policies)
    direct = sg.sample(MODEL, verdict.prompt(), grammar, 4, method="cars", seed=5, max_tokens=512)
    assert set(found.texts) <= {'{"paid": true}', '{"paid": false}'}
    assert found.texts == direct.texts


def test_a_method_is_bound_to_its_instance() -> None:
    assert Reader().paid.sample(3, seed=1).texts == verdict.sample(3, seed=1).texts


def test_validators_are_part_of_the_law() -> None:
    found = asked(Odd, model=MODEL).sample(3, method="rejection", budget=4000)("Zorvik took four lamps.")
    assert found.values
    assert all(one.lamps % 2 for one in found)


def test_a_coroutine_function_gives_draws_once_awaited() -> None:
    later = awaited(Literal["yes", "no"], model=MODEL)

    async def both() -> tuple[Any, Any]:
        return await later.sample(3, method="importance")("Did Zorvik pay?"), await at_once.sample(2)

    found, others = asyncio.run(both())
    assert set(found.values) | set(others.values) <= {"yes", "no"}
    assert len(found) == 3


def test_every_option_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def sample(model: Any, prompt: Any, grammar: Any, n: int, **options: Any) -> Any:
        seen.update(options, n=n)

    monkeypatch.setattr("structgen.samplers.sample.sample", sample)
    checker, tree = object(), sg.samplers.PrefixTree()
    options = {
        "method": "smc",
        "budget": 5,
        "seconds": 2.5,
        "standard_error": 0.1,
        "seed": 3,
        "temperature": 0.7,
        "max_tokens": 9,
        "tree": tree,
        "progress": print,
    }
    verdict.sample(7, checkers=[checker], **options)  # type: ignore[call-overload]
    assert seen == {**options, "n": 7, "checkers": [checker], "name": MODEL}


def test_a_tree_keeps_what_was_learnt() -> None:
    tree = sg.samplers.PrefixTree()
    first = verdict.sample(4, method="cars", tree=tree).statistics.model_rows
    assert verdict.sample(4, method="cars", tree=tree).statistics.model_rows < first


@pytest.mark.parametrize(
    ("hint", "options", "said"),
    [
        (Iterator[int], {"model": MODEL}, r"Iterator .*Annotate list\[T\]"),
        (str, {"model": MODEL}, "Free text"),
        (Paid, {"model": "openai:http://localhost:9#gpt"}, "model: A server gives texts"),
        (Paid, {"model": MODEL, "thinking": sg.Thinking(until="</think>", max_tokens=5)}, "thinking"),
    ],
)
def test_what_has_no_such_law_is_refused(hint: Any, options: Any, said: str) -> None:
    if options["model"].startswith("openai"):
        pytest.importorskip("openai")
    with pytest.raises(sg.StructgenError, match=said):
        asked(hint, **options).sample(3)("Zorvik")


def test_options_that_mean_nothing_are_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="temperature"):
        verdict.sample(3, temperature=0)
    with pytest.raises(sg.errors.OptionError, match=r"sample has no option 'metod'\. Write method=\."):
        verdict.sample(3, metod="cars")  # type: ignore[call-arg]


def test_a_truncation_of_the_law_is_an_option_of_draws() -> None:
    found = verdict.sample(20, top_k=1, seed=4)
    assert len(set(found.texts)) == 1
