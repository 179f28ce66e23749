"""The continuous batching of transformers under our masks."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import transformers
from object_schemas import INTEGER, STRING, object_of

pytest.importorskip("transformers.generation.continuous_batching.cb_logits_processors")

from small_llama import TOKENIZER, opinionated

import structgen as sg
from structgen.doors.integrations.transformers import generate_batch

SCHEMA: dict[str, Any] = object_of(name=STRING, age=INTEGER)


@pytest.fixture(scope="module")
def model() -> Any:
    return opinionated()


PROMPTS = [[5, 6, 7], [9], [20, 21], [30, 31, 32, 33]]


@pytest.mark.parametrize("draws", [pytest.param(False, marks=pytest.mark.slow), True])
def test_each_text_is_of_its_grammar_and_complete(model: Any, draws: bool) -> None:
    config = transformers.GenerationConfig(do_sample=draws, top_k=3 if draws else None)
    grammars = [SCHEMA, sg.regex("[ab]{3}c"), None, SCHEMA]
    small = transformers.ContinuousBatchingConfig(num_blocks=32, page_size=16, max_batch_tokens=64)
    outputs = generate_batch(
        model,
        TOKENIZER,
        PROMPTS,
        grammars,
        max_new_tokens=24,
        generation_config=config,
        continuous_batching_config=small,
    )
    known = [bytes_ or b"" for bytes_ in TOKENIZER.token_bytes] + [b""] * 7
    texts = [b"".join(known[token] for token in one.generated_tokens) for one in outputs]
    assert [one.error for one in outputs] == [None] * 4
    assert [one.prompt_ids for one in outputs] == PROMPTS
    for text in (texts[0], texts[3]):
        jsonschema.validate(json.loads(text), SCHEMA)
    assert len(texts[1]) == 4 and texts[1].endswith(b"c")
    assert len(outputs[2].generated_tokens) > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grammars": [SCHEMA] * 3}, "4 prompts do not fit 3 grammars"),
        ({"max_new_tokens": 3}, "max_new_tokens: The shortest text"),
        ({"max_new_tokens": "24"}, "max_new_tokens must be .*, got '24'"),
        ({"generation_config": {"num_return_sequences": 2, "do_sample": True}}, "num_return_sequences"),
        ({"continuous_batching_config": {"use_cuda_graph": True}}, "use_cuda_graph"),
    ],
)
def test_what_cannot_hold_is_refused(model: Any, options: dict[str, Any], message: str) -> None:
    said: dict[str, Any] = {"grammars": SCHEMA, "max_new_tokens": 24, **options}
    if "generation_config" in said:
        said["generation_config"] = transformers.GenerationConfig(**said["generation_config"])
    if "continuous_batching_config" in said:
        batching = transformers.ContinuousBatchingConfig(**said["continuous_batching_config"])
        said["continuous_batching_config"] = batching
    with pytest.raises(sg.StructgenError, match=message):
        generate_batch(model, TOKENIZER, PROMPTS, **said)
