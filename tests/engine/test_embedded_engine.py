"""The embedded model in the engine: the same tokens alone and in any batch, whatever is asked beside."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("tokenizers")

import structgen as sg
from structgen.json_grammars.prompting import extraction_prompt

PERSON = sg.json_schema(
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"}},
        "required": ["name", "age", "city"],
        "additionalProperties": False,
    },
    **{**sg.JSON_DUMPS, "escapes": "utf8"},
)


def _requests(count: int) -> list[sg.Request]:
    draw = random.Random(7)
    return [
        sg.Request(
            extraction_prompt(PERSON, f"{'Very ' * draw.randrange(30)}old Zorvik, {20 + i}, lives in Oslo."),
            PERSON if i % 3 else None,
            sg.Sampling(
                temperature=draw.choice([0.0, 0.8, 1.3]),
                top_p=draw.choice([1.0, 0.9]),
                repetition_penalty=draw.choice([1.0, 1.1]),
                seed=i,
            ),
            max_tokens=draw.randrange(28, 50),
        )
        for i in range(count)
    ]


def test_a_seed_gives_the_same_tokens_alone_and_in_a_batch() -> None:
    requests = _requests(10)
    together = sg.Engine("structgen/extract", max_rows=6, device="cpu").generate(requests)
    alone = sg.Engine("structgen/extract", device="cpu")
    for request, one in zip(requests, together, strict=True):
        (by_itself,) = alone.generate(request)
        assert by_itself.tokens == one.tokens
        assert [step.logprob for step in by_itself.steps] == [step.logprob for step in one.steps]


def test_a_sentence_becomes_its_document() -> None:
    engine = sg.Engine("structgen/extract", device="cpu")
    prompt = extraction_prompt(PERSON, "Ada Lovelace, 36, lives in London.")
    (result,) = engine.generate(sg.Request(prompt, PERSON, sg.Sampling(temperature=0.0), max_tokens=64))
    assert result.value == {"name": "Ada Lovelace", "age": 36, "city": "London"}
    assert result.finish_reason is sg.FinishReason.STOP
