"""Typed functions with a masked-diffusion model: valid objects, and options that infilling does not have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from asked import asked, awaited

import structgen as sg
from structgen.decoding.infilling.presets import FunctionModel
from structgen.grammars.json_grammars.prompting import extraction_prompt

TEXT = "Ada Lovelace, 36, lives in London."
TOKENIZER = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None] * 3, eos_token_id=[256])


@dataclass
class Person:
    name: str
    age: int
    city: str


@dataclass
class Answer:
    letter: Literal["a", "b"]
    sure: bool


@dataclass
class Node:
    value: Literal[1, 2]
    next: Node | None


def noise(context: int = 400) -> FunctionModel:
    """Return a model that knows nothing: its logits are random, by the canvas."""

    def forward(ids: np.ndarray) -> np.ndarray:
        return np.random.default_rng(ids.tolist()).standard_normal((len(ids), 259))

    return FunctionModel(forward, mask_id=258, vocab_size=259, context=context, null_id=257)


def infilling(context: int = 400, **options: Any) -> sg.Infilling:
    return sg.Infilling(noise(context), TOKENIZER, **options)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_embedded_model_fills_a_dataclass(seed: int) -> None:
    how = sg.Sampling(temperature=1.5 * bool(seed), seed=seed)
    person = asked(Person, model="structgen/infill", max_tokens=32, sampling=how)
    found = person.detailed(TEXT)
    assert isinstance(found.value, Person)
    assert found.value == Person(**json.loads(found.text))
    assert isinstance(found.value.age, int)
    assert len(found.result.tokens) <= 32
    assert found.usage.calls <= 32
    assert person.prompt(TEXT) == extraction_prompt(person.schema, TEXT)
    assert person(TEXT) == found.value


def test_run_gives_what_infill_gives() -> None:
    prompt = extraction_prompt({"type": "integer"}, "He is 34.")
    value = sg.infill("structgen/infill", grammar={"type": "integer"}, prompt=prompt, slots=8).value
    assert sg.run("structgen/infill", "He is 34.", {"type": "integer"}, max_tokens=8) == value


@pytest.mark.parametrize("seed", range(4))
def test_a_model_of_ones_own_fills_any_type(seed: int) -> None:
    answer = asked(Answer, model=infilling(scheduler="left-to-right"))
    found = answer(f"prompt {seed}")
    assert found.letter in ("a", "b")
    assert isinstance(found.sure, bool)
    # the same, alone and among others
    assert answer.batch([f"prompt {seed}", "b"])[0] == found


def test_coroutines_fill_what_each_fills_alone() -> None:
    answer = awaited(Answer, model=infilling(sure=0.5))

    async def together() -> None:
        found = await asyncio.gather(*(answer(f"prompt {number}") for number in range(6)))
        assert found == [await answer(f"prompt {number}") for number in range(6)]
        assert all(isinstance(one, Answer) for one in found)

    asyncio.run(together())


def test_a_second_attempt_draws_another_canvas() -> None:
    seen: list[str] = []

    @dataclass
    class Picky:
        letters: Literal["a", "b", "c", "d", "e", "f"]

        def __post_init__(self) -> None:
            seen.append(self.letters)
            if len(set(seen)) < 2:
                raise ValueError("is not to my taste")

    sg.run(infilling(), "Say", Picky, attempts=40)
    assert len(set(seen)) == 2


def test_a_deadline_leaves_a_whole_document() -> None:
    found = sg.run.detailed(infilling(), "Say", Answer, timeout=1e-9)
    assert found.finish_reason is sg.FinishReason.STEERED
    assert isinstance(found.value, Answer)


def test_recursion_is_cut_and_what_has_no_automaton_even_so_is_refused_with_the_cure() -> None:
    with pytest.raises(sg.errors.OptionError, match=r"no automaton.*sg\.Infilling\(model, depth=") as refused:
        sg.run(infilling(max_states=3), "Say", Node)
    assert refused.value.where == "return"
    assert isinstance(sg.run(infilling(depth=2), "Say", Node), Node)


@pytest.mark.slow  # four seconds for the automaton of the depth that is the default
def test_recursion_is_cut_at_the_default_depth() -> None:
    assert isinstance(sg.run(infilling(), "Say", Node), Node)


def test_too_few_slots_say_how_many_are_needed() -> None:
    with pytest.raises(
        sg.errors.NoFillingError, match=r"fits: .*5 slots and needs 29.*max_tokens="
    ) as refused:
        sg.run(infilling(), "Say", Answer, max_tokens=5)
    assert refused.value.where == "max_tokens"
    assert isinstance(sg.run(infilling(), "Say", Answer, max_tokens=29), Answer)


def test_a_prompt_longer_than_the_context() -> None:
    with pytest.raises(sg.errors.OptionError, match="context is 40") as refused:
        sg.run(infilling(context=40), "Say " * 20, Answer)
    assert refused.value.where == "prompt"


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"sampling": sg.Sampling(temperature=0.0, top_p=0.5)}, "top_p"),
        ({"sampling": sg.Sampling(temperature=0.0, top_k=5)}, "top_k"),
        ({"sampling": sg.Sampling(temperature=0.0, repetition_penalty=2.0)}, "repetition_penalty"),
    ],
)
@pytest.mark.parametrize("model", ["structgen/infill", infilling()], ids=["name", "object"])
def test_what_cannot_apply_is_refused_at_decoration(model: Any, options: dict[str, Any], where: str) -> None:
    with pytest.raises(sg.errors.OptionError) as refused:
        sg.generate(model=model, **options)
    assert refused.value.where == where


def test_streams_are_refused() -> None:
    with pytest.raises(sg.errors.UnsupportedError, match=r"any order.*list\[T\]"):
        asked(Iterator[Person], model="structgen/infill")
    person = asked(Person, model="structgen/infill")
    with pytest.raises(sg.errors.UnsupportedError, match="any order"):
        next(person.stream(TEXT))
    with pytest.raises(sg.errors.UnsupportedError, match="cannot draw from its own distribution"):
        person.sample(3)(TEXT)


def test_free_text_is_refused() -> None:
    with pytest.raises(sg.errors.UnsupportedError, match="no grammar"):
        sg.run(infilling(), "Say")


def test_a_causal_model_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="causal"):
        sg.run(sg.Infilling("structgen/extract"), "Say", Answer)


def test_the_engine_sends_a_model_that_fills_masks_to_infill() -> None:
    with pytest.raises(sg.StructgenError, match=r"sg\.infill"):
        sg.Engine("structgen/infill")


def test_a_folder_of_a_known_family_is_infilled(tmp_path: Path) -> None:
    told = {"architectures": ["DreamModel"], "auto_map": {"AutoModel": "code.py"}}
    (tmp_path / "config.json").write_text(json.dumps(told))
    # its code is not run without being asked, and what to do is said
    with pytest.raises(
        sg.errors.OptionError, match=r"Python code in the folder.*sg\.Infilling\(model, tokenizer\)"
    ):
        sg.run(tmp_path, "Say", Answer)
