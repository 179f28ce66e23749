"""The two forward passes of a Llama: what they compute is the same, and no text feels another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from small_models import write_llama

from structgen.decoding.engine.forward_pass.llama import Llama
from structgen.decoding.engine.forward_pass.weights import Weights

CPU, KIND = torch.device("cpu"), torch.float32
PROMPTS = [[(7 * size + i * i) % 500 for i in range(size)] for size in (1, 63, 64, 5, 130, 12, 65, 2, 3)]
"""Of one token, of a whole call of rows, one less and one more, of several calls."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("llama"), width=192, groups=3)


def _steps(model: Llama, caches: list[Any]) -> list[Any]:
    return [model.decode([5 + i] * len(caches), caches) for i in range(2)]


@pytest.mark.usefixtures("threads")
def test_prompts_read_in_one_pass_are_bit_by_bit_those_read_alone(folder: Path) -> None:
    model = Llama.read_folder(folder)
    alone = [model.prefill(prompt) for prompt in PROMPTS]
    together = model.prefill_many(PROMPTS)
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(alone, together, strict=True))
    apart = [torch.cat(_steps(model, [cache])) for _, cache in alone]
    steps = torch.stack(_steps(model, [cache for _, cache in together]), 1)
    assert torch.equal(torch.stack(apart), steps)


def test_two_threads_give_bit_by_bit_what_one_does(folder: Path) -> None:
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            model = Llama.read_folder(folder)
            together = model.prefill_many(PROMPTS)
            steps = _steps(model, [cache for _, cache in together])
            assert (model._others is not None) == (threads == 2)
            found.append(torch.cat([torch.stack([logits for logits, _ in together]), *steps]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def test_a_prompt_read_token_by_token_is_bit_by_bit_the_same(folder: Path) -> None:
    model = Llama.read_folder(folder)
    expected, _ = model.prefill(PROMPTS[4])
    _, cache = model.prefill(PROMPTS[4][:3])
    for token in PROMPTS[4][3:]:
        (found,) = model.decode([token], [cache])
    assert torch.equal(found, expected)


@pytest.mark.parametrize(("groups", "half"), [(1, False), (3, True)])
def test_the_logits_behind_prompts_are_transformers(tmp_path: Path, groups: int, half: bool) -> None:
    folder = write_llama(tmp_path, width=192, groups=groups, half=half)
    own = Llama.read_folder(folder)
    assert bool(own._sizes[6]) == half
    reference = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=KIND, local_files_only=True)
    with torch.inference_mode():
        expected = torch.stack([reference(torch.tensor([prompt])).logits[0, -1] for prompt in PROMPTS])
    found = torch.stack([logits for logits, _ in own.prefill_many(PROMPTS)])
    assert torch.allclose(found, expected, atol=2e-4)


def test_weights_that_are_no_whole_panels_are_not_served(tmp_path: Path) -> None:
    assert not Llama.can_run(Weights.read_folder(write_llama(tmp_path, inner=100)))
